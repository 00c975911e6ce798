"""Progress on the terminal: a bar for each step under way, a line for each that has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

WIDTH = 110


def open_console() -> Console:
    """Standard output; where it is no terminal, such as in CI, wide enough for the report's tables."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


class Step:
    """A step under way."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def show(self, done: int, total: int, what: str = "") -> None:
        """Say how far the step is and what it is doing."""
        self._progress.update(self._task, completed=done, total=total, what=what)


class Steps:
    """The steps of a command, shown live on a terminal and as plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[what]}"),
            console=console,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a step for as long as the block takes, then how it ended; several may be under way at once."""
        began = time.monotonic()
        task = self._progress.add_task(title, total=None, what="")
        mark = "[red]✗[/red]"
        try:
            yield Step(self._progress, task)
            mark = "[green]✓[/green]"
        finally:
            self._progress.remove_task(task)
            self._console.print(f"{mark} {title} [dim]{time.monotonic() - began:.1f} s")
