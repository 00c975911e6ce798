"""Replay: what a retraining policy would have done, from the same stages and gates as production, without Airflow.

days        validate every delivery and build every night's features, once for all policies
fitting     fit what the policies of the calendar will ask for
deciding    retrain, night after night, in a model ledger of the policy's own
serving     score every night with the model that served, and with the one that a decision left out
watching    what monitoring would have seen of the nights of one policy
grading     what that was worth: by week, by decision
"""
