"""The LocalExecutor, with the libraries of the stages imported before it forks its workers."""

from __future__ import annotations

from airflow.executors.local_executor import LocalExecutor

from nightjar_libraries import import_libraries


class WarmLocalExecutor(LocalExecutor):
    """Its tasks find the libraries imported; the scheduler, whose processes they are, has them too."""

    def start(self) -> None:
        """Import, then start the workers."""
        import_libraries()
        super().start()
