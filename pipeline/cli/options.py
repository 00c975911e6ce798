"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

JobName = Annotated[str, typer.Argument(metavar="JOB", help="Name of the job, such as flight_delays.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")]
Partition = Annotated[str, typer.Option("--partition", metavar="YYYY-MM-DD", help="Day of upstream data to work on.")]
