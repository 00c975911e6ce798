"""The command line.  ``nightjar --help`` lists the commands."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of ``nightjar``."""
    from pipeline.cli.application import run  # noqa: PLC0415 - keeps importing the package free

    sys.exit(run())
