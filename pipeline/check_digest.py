"""What a pandera check means, as JSON: its name, parameters and, for a check of one's own, its code."""

from __future__ import annotations

from typing import Any

from features.code import describe_code, root_package
from pipeline.errors import DeclarationError

PROJECT = __name__.partition(".")[0]
LIBRARIES = frozenset({"", "builtins", "numpy", "pandas", "pandera"})
"""Packages whose own functions are taken as checks; they count by name."""


def builtin_name(check: Any) -> str | None:
    """Which of pandera's own checks this is, whatever it was named; None for a check of one's own."""
    function = check._check_fn  # noqa: SLF001 - pandera has no public name for it
    return str(function.__name__) if type(function).__name__ == "Dispatcher" else None


def describe_check(check: Any) -> dict[str, Any]:
    """The definition of a pandera check.

    Raises:
        DeclarationError: the check uses something that has no definition to tell, such as a frame.
    """
    builtin = builtin_name(check)
    description = {
        "name": builtin or check.name,
        "error": check.error,
        "statistics": _describe(check, check.statistics or {}, "a parameter"),
        "ignore_na": check.ignore_na,
        "element_wise": check.element_wise,
    }
    if builtin is None:
        description["code"] = _describe(check, check._check_fn, "the check's function")  # noqa: SLF001 - as above
    return description


def _describe(check: Any, value: Any, name: str) -> Any:
    try:
        return describe_code(value, name, {PROJECT, root_package(value)} - LIBRARIES)
    except ValueError as error:
        raise DeclarationError(
            f"what the check {check.name} means cannot be told",
            expected="constants and functions of a module",
            found=str(error),
            next_step="correct the check in the contract",
        ) from error
