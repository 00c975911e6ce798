"""When the interpreter looks for garbage: not while a large library is imported, and not once more at the end."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def no_collections() -> Iterator[None]:
    """Look for no garbage meanwhile: an import makes hundreds of thousands of objects, and all of them stay."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@cache
def end_without_collection() -> None:
    """Have this process end without looking through all that its libraries made, which takes it a second."""
    atexit.register(gc.freeze)
