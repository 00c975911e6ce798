"""Trends as paths of SVG."""

from __future__ import annotations

from typing import Any

from pipeline.stores.night_reports.trends import HEIGHT, WIDTH, draw_trend


def signal(values: list[float | None], **columns: Any) -> dict[str, Any]:
    nothing = [None] * len(values)
    return {"values": values, "lower": nothing, "upper": nothing, "breached": [], **columns}


def test_the_line_has_a_gap_where_nothing_was_measured() -> None:
    assert draw_trend(signal([1.0, 2.0, None, 1.5])).lines.count("M") == 2


def test_the_highest_value_is_at_the_top() -> None:
    drawn = draw_trend(signal([1.0, 5.0, 1.0], breached=[1]))
    assert drawn.dots == ((WIDTH / 2, 4.0),)
    assert drawn.last == (WIDTH - 4.0, HEIGHT - 4.0)


def test_the_band_begins_where_limits_are_known() -> None:
    drawn = draw_trend(signal([1.0, 1.0, 1.0], upper=[None, 2.0, 2.0]))
    assert drawn.band == f"M110 4L216 4L216 {HEIGHT - 4}L110 {HEIGHT - 4}Z"


def test_a_signal_that_was_never_measured_has_nothing_to_draw() -> None:
    drawn = draw_trend(signal([None, None]))
    assert (drawn.band, drawn.lines, drawn.dots, drawn.last) == ("", "", (), None)
