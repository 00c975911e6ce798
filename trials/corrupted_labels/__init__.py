"""Upstream mixes outcomes up: does the promotion gate keep a challenger that learnt from them from serving?

``python -m trials.corrupted_labels`` lands flights in a lake of its own and trains a champion.  Then, in a share of the
deliveries of flights, late and punctual flights swap outcomes, so that no row contradicts itself.  They are landed
again, and a challenger is trained on them.  Beside it, another one is trained on the deliveries as they were.  The
outcomes of the holdout are sound for both: upstream has mended its fault by then.
"""
