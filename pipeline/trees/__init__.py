"""Compiled trees: what scikit-learn's histogram gradient boosting says of rows, to the last bit and in less time.

Trees become tables (:mod:`~pipeline.trees.tables`), which a kernel of some lines of C walks through
(:mod:`~pipeline.trees.kernel`).  All else of a fitted estimator stays scikit-learn's
(:mod:`~pipeline.trees.substitution`).
"""
