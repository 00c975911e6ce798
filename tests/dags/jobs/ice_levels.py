"""A job whose upstream has ended: its DAGs run when they are asked to."""

from __future__ import annotations

from datetime import date

from tests.dags.jobs.declaring import declare_job

JOB = declare_job("ice_levels", first_partition=date(2024, 1, 1), last_partition=date(2024, 3, 31))
