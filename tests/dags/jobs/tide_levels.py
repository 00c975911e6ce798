"""A job whose upstream goes on: its DAGs are on schedule."""

from __future__ import annotations

from datetime import date

from tests.dags.jobs.declaring import declare_job

JOB = declare_job("tide_levels", first_partition=date(2024, 1, 1), timezone="America/New_York")
