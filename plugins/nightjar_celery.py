"""Celery's configuration, which is Airflow's own, for workers that import the stages' libraries before they fork."""

from __future__ import annotations

from typing import Any

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG as CONFIG
from celery.signals import worker_init

from nightjar_libraries import import_libraries

__all__ = ["CONFIG"]


def _import_libraries(**_: Any) -> None:
    import_libraries()


worker_init.connect(_import_libraries, weak=False)
