"""What the alarms of a replayed period were worth, beside the disruptions that it is known for.

disruptions    days on which many flights were cancelled: what applications would have liked to be warned of
judging        alarms that match a disruption, false ones, warning time, error of the estimate
plots          signals with their limits, alarms and disruptions, over the period
"""
