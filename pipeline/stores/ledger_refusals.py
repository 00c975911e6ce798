"""Why a model is not promoted that somebody asked to promote: errors of the model ledger."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import RefusedError
from pipeline.stores.ledger_events import Event, find_champion, find_standing


def refuse_other_champion(
    job: str, version: str, events: Sequence[Event], holds_from: str, expected_champion: str | None
) -> None:
    """Raise if ``version`` was compared with another model than the one that is champion for ``holds_from``.

    Raises:
        RefusedError: it was.
    """
    champion = find_champion(events, holds_from)
    if champion != expected_champion:
        raise RefusedError(
            f"model {version} was not compared with the champion of today",
            job=job,
            partition=holds_from,
            expected=name_champion(expected_champion),
            found=name_champion(champion),
            next_step="evaluate the challenger again, against the champion that there is now",
        )


def refuse_taken_back(job: str, version: str, events: Sequence[Event]) -> None:
    """Raise if the last that happened to ``version`` was that it was taken back.

    Raises:
        RefusedError: it was demoted or rejected.
    """
    last = find_standing(events, version)
    if last.kind in ("demoted", "rejected"):
        raise RefusedError(
            f"model {version} was {last.kind}, so it is not promoted again by itself",
            job=job,
            expected="a model that nobody has taken back",
            found=f"{last.kind} by {last.who} at {last.at}: {last.why}",
            next_step="train on newer data, or have a person promote it again",
        )


def refuse_replaced(job: str, version: str, events: Sequence[Event]) -> None:
    """Raise if ``version``, which is not champion, was champion before.

    Raises:
        RefusedError: it was.
    """
    promoted = [event for event in events if event.model_version == version and event.kind == "promoted"]
    if promoted:
        last = promoted[-1]
        raise RefusedError(
            f"model {version} was champion and was replaced, so it is not promoted again by itself",
            job=job,
            partition=last.holds_from,
            expected="a model that was never champion",
            found=f"promoted by {last.who} at {last.at}: {last.why}",
            next_step="train on newer data, or have a person promote it again",
        )


def name_champion(champion: str | None) -> str:
    """Who is champion, in words."""
    return "no champion" if champion is None else f"model {champion} as champion"
