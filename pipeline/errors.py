"""Errors that tell an operator what happened and what to do next.

The class says what Airflow should do about it: ``BadInputError`` never heals by a retry, ``UnavailableError`` may.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What ends a line, steers a terminal, turns the direction of writing or cannot be encoded."""


def escape_controls(text: str) -> str:
    """``text`` on one line, with control characters written out: what came from upstream may not forge a log's line."""
    return CONTROLS.sub(lambda found: found.group().encode("unicode_escape", "surrogatepass").decode(), text)


class NightjarError(Exception):
    """Base of every error that Nightjar raises on purpose.

    The message is one paragraph: the problem, the job and partition it belongs to, what was expected, what was found
    and what to do next.  The parts stay readable as attributes, for ``--json`` and for failure callbacks.
    """

    def __init__(
        self,
        problem: str,
        *,
        job: str | None = None,
        partition: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        next_step: str | None = None,
    ) -> None:
        self.problem = problem
        self.job = job
        self.partition = partition
        self.expected = expected
        self.found = found
        self.next_step = next_step
        super().__init__(self.describe())

    def describe(self) -> str:
        """The message, one labelled part a line; parts that are not known are left out."""
        parts = [
            ("job", self.job),
            ("partition", self.partition),
            ("expected", self.expected),
            ("found", self.found),
            ("what to do", self.next_step),
        ]
        labelled = [f"  {label}: {_indent(text)}" for label, text in parts if text is not None]
        return "\n".join([_indent(self.problem), *labelled])

    def locate(self, job: str, partition: str) -> None:
        """Name the job and partition of the work that failed, unless whoever raised this knew better."""
        self.job = self.job or job
        self.partition = self.partition or partition
        self.args = (self.describe(),)

    def to_json(self) -> dict[str, Any]:
        """The parts as a JSON object, for ``--json`` and alerts."""
        return {
            "error": type(self).__name__,
            "problem": self.problem,
            "job": self.job,
            "partition": self.partition,
            "expected": self.expected,
            "found": self.found,
            "next_step": self.next_step,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.to_json())


def _indent(text: str) -> str:
    """``text`` with its further lines below the label of the first, so that none of them can pass for a part."""
    first, *further = [escape_controls(line) for line in text.split("\n")]
    return "\n".join([first, *(f"    {line}" for line in further)])


def _rebuild(kind: type[NightjarError], parts: dict[str, Any]) -> NightjarError:
    parts = dict(parts)
    del parts["error"]
    return kind(parts.pop("problem"), **parts)


def revive_error(parts: Mapping[str, Any]) -> NightjarError:
    """The error that :meth:`NightjarError.to_json` described, in another process."""
    kinds = {kind.__name__: kind for kind in _list_kinds(NightjarError)}
    return _rebuild(kinds.get(parts["error"], NightjarError), dict(parts))


def _list_kinds(base: type[NightjarError]) -> list[type[NightjarError]]:
    return [kind for direct in base.__subclasses__() for kind in (direct, *_list_kinds(direct))]


class BadInputError(NightjarError):
    """What came in breaks its contract; a retry would find the same."""


class SchemaRefusedError(BadInputError):
    """The columns that came are not those of the contract, and the source's policy does not let that pass.

    Attributes:
        differences: every difference as a JSON object, accepted ones too.
    """

    def __init__(self, problem: str, *, differences: Sequence[Mapping[str, Any]] = (), **parts: str | None) -> None:
        self.differences = [dict(difference) for difference in differences]
        super().__init__(problem, **parts)

    def to_json(self) -> dict[str, Any]:
        """The parts as a JSON object, with the differences."""
        return super().to_json() | {"differences": self.differences}


class DeclarationError(NightjarError):
    """A job, feature set or setting is declared wrongly."""


class NotReadyError(NightjarError):
    """Something that should exist by now does not: a delivery, a champion, a closed partition."""


class DamagedError(NightjarError):
    """Stored bytes are not the bytes that were written: a digest or a count disagrees."""


class RefusedError(NightjarError):
    """The operation would have served something wrong or stale, so nothing was changed."""


class OutdatedModelError(RefusedError):
    """A model is for features or code that are no longer those of today; nothing that is done here mends that."""


class NotCompiledError(RefusedError):
    """A model's compiled trees are not there or may not be used; scikit-learn scores in their place."""


class UnavailableError(NightjarError):
    """A service did not answer or could not take more; trying again later may help."""


class UnforeseenError(NightjarError):
    """Something else went wrong; it may heal."""


class FaultError(NightjarError):
    """The code is wrong; a retry would find the same."""
