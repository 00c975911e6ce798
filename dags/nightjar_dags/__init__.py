"""What the DAG files share: their defaults, their tasks, how a run's partition is found, who is told of a failure.

Airflow puts the DAG folder on the import path of every process that reads a DAG, so this package is imported by its own
name and can hold callbacks.
"""
