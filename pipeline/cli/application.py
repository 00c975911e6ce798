"""The application: its commands, and what all of them share."""

from __future__ import annotations

import sys

import typer

from pipeline.cli import (
    alarms,
    cards,
    checking,
    explanations,
    exporting,
    feedback,
    generations,
    keeping,
    local,
    models,
    reading,
    releasing,
    replaying,
    reporting,
    working,
)
from pipeline.cli.output import print_error
from pipeline.errors import NightjarError, UnavailableError
from pipeline.garbage import end_without_collection

INTERRUPTED = 130

application = typer.Typer(
    name="nightjar",
    help="Nightly batch scoring: validated, versioned, verified predictions in Redis every morning.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
working.add_commands(application)
feedback.add_commands(application)
alarms.add_commands(application)
reading.add_commands(application)
checking.add_commands(application)
keeping.add_commands(application)
generations.add_commands(application)
releasing.add_commands(application)
models.add_commands(application)
cards.add_commands(application)
explanations.add_commands(application)
reporting.add_commands(application)
replaying.add_commands(application)
exporting.add_commands(application)
local.add_commands(application)


def run() -> int:
    """Run a command.

    Returns:
        0 on success; 1 on an error that a person must look at; 75 (``EX_TEMPFAIL``) when a service did not answer and
        trying again may help; 2 on a wrong command line; 130 on Ctrl-C.
    """
    end_without_collection()
    try:
        result = application(standalone_mode=False)
    except NightjarError as error:
        print_error(error, as_json="--json" in sys.argv)
        return 75 if isinstance(error, UnavailableError) else 1
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        show = getattr(error, "show", None)  # a wrong command line, which click words itself
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", 2))
    return int(result or 0)
