"""Keep values of rows out of what is told of an error.

Libraries quote values in their messages, and logs, alerts and run records are read by more people than the lake is.  So
of an exception that is not Nightjar's own only its class and place are told.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import FaultError, NightjarError, UnforeseenError

_FAULTS = (AssertionError, AttributeError, ImportError, NameError, TypeError)
_ROOT = Path(__file__).resolve().parents[2]
_SHOWN_FRAMES = 6


@contextmanager
def conceal_rows(job: str, partition: str) -> Iterator[None]:
    """Name the job and partition in whatever goes wrong, and leave out what libraries say of it.

    Raises:
        NightjarError: what was raised, without its causes; or in place of what nobody foresaw.
        OSError: of files and connections, as it is: it names paths, and its kind says whether to try again.
    """
    try:
        yield
    except NightjarError as error:
        error.locate(job, partition)
        _conceal_causes(error)
        raise
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - raised again, as an error that quotes nothing
        replaced = _replace_unforeseen(error)
        replaced.locate(job, partition)
        raise replaced from None


def describe_exception(error: BaseException) -> str:
    """Its class and where it was raised, outermost call first, and no word of its message."""
    frames = traceback.extract_tb(error.__traceback__)[-_SHOWN_FRAMES:]
    places = [f"{_shorten(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames]
    return " ← ".join([type(error).__name__, *reversed(places)])


def _replace_unforeseen(error: Exception) -> NightjarError:
    """What to raise instead of an exception that nobody foresaw."""
    kind = FaultError if isinstance(error, _FAULTS) else UnforeseenError
    return kind(
        f"{type(error).__name__}: an error that Nightjar did not foresee; its message may quote rows and is left out",
        found=describe_exception(error),
        next_step="look at that place in the code; run the stage in a debugger to see the message",
    )


def _conceal_causes(error: NightjarError) -> None:
    """Let go of the exceptions behind ``error``, of which notes with class and place stay."""
    for cause in _list_causes(error):
        error.add_note(f"behind it: {describe_exception(cause)}")
    error.__cause__ = error.__context__ = None


def _list_causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield cause
        yield from _list_causes(cause)


def _shorten(filename: str) -> str:
    path = Path(filename)
    if "site-packages" in path.parts:
        return "/".join(path.parts[path.parts.index("site-packages") + 1 :])
    return str(path.relative_to(_ROOT)) if path.is_relative_to(_ROOT) else path.name
