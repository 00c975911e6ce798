"""What a team would use instead: each publishes the same predictions to the same Redis, and checks nothing."""
