"""Nightjar: nightly batch scoring on Apache Airflow.

Where do I go to…?

* declare a job: ``pipeline/jobs/`` (and ``docs/jobs.md``)
* change what a stage does: ``pipeline/stages/``
* change where things are kept: ``pipeline/stores/``
* see stages meet stores: ``pipeline/tasks/``
* read predictions from an application: ``pipeline/serving/``
* change what columns mean: ``features/``
* change when and in what order things run: ``dags/``
"""

__version__ = "0.1.0"
