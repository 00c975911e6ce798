"""What people are shown of a job and its nights, as JSON: gathered from records, logs and Redis, nothing computed anew.

Values of upstream's rows are not among it, but for the segments and categories that records hold.
"""
