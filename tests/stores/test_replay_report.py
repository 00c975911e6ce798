"""The page of a replay: whole in itself, and what comes from outside stays text."""

from __future__ import annotations

from typing import Any

from pipeline.stores.replay_report import render_report


def describe() -> dict[str, Any]:
    mean = {"mean": 0.5, "low": 0.4, "high": 0.6, "weeks": 2}
    weeks = [{"week": f"2024-03-{day:02}", "nights": 7, "rows": 70, "rmse": day / 10} for day in (1, 8)]
    decision = {
        "night": "2024-03-01", "champion": None, "challenger": "1", "passed": True, "promoted": True,
        "difference": None, "rows": 0, "worse_nights": 0, "why": "<script>alert(1)</script>",
    }  # fmt: skip
    policy = {
        "description": "once", "intervals": {"rmse": mean}, "halves": {"before 2024-03-08": {"rmse": mean}},
        "decisions": [decision], "promotions": 0, "harmful_promotions": 0, "harmful_rejections": 0,
        "worse_nights": 0, "seconds": 1.0, "weeks": weeks,
    }  # fmt: skip
    gate = {"kind": "gate", "policy": "never", "against": "other", "nights": "all", "weekly": {"rmse": mean}}
    return {
        "job": "meter_readings", "first": "2024-03-01", "last": "2024-03-08", "metrics": ["rmse"],
        "primary_metric": "rmse", "cost_unit": "", "tuned_before": "2024-03-08", "confidence": 0.95,
        "failed_nights": {"2024-03-04": "<b>empty</b>"}, "policies": {"never": policy}, "comparisons": [gate],
    }  # fmt: skip


def test_the_page_asks_nothing_of_the_network_and_is_the_same_every_time() -> None:
    page = render_report(describe()).decode()
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page
    assert page.count('src="data:image/svg+xml;base64,') == 1
    assert render_report(describe()).decode() == page


def test_what_it_tells_is_escaped() -> None:
    page = render_report(describe()).decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>empty" not in page


def test_both_halves_and_the_gate_are_told_apart() -> None:
    page = render_report(describe()).decode()
    assert "Nights before 2024-03-08" in page
    assert "What the gate gained or cost" in page
    assert "0.5000 <small>(0.4000 to 0.6000)</small>" in page
