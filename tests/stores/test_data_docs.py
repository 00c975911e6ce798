"""Data Docs: one site per job that opens from disk, tells the verdicts and asks nothing of the network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipeline.stores.data_docs import DataDocs
from pipeline.stores.lake import Lake


class Page(HTMLParser):
    """What a browser would load or run, and the links and the text that a person sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self._in_style = False
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self._in_style = tag == "style"
        if tag == "a":
            self.links.append(values.get("href") or "")
        elif tag in {"script", "img", "link", "iframe", "object", "source"} or "src" in values or "href" in values:
            self.loaded.append(f"{tag} {values}")

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.words.append(data)


def make_result(**changes: Any) -> dict[str, Any]:
    return {
        "over": "batch",
        "expectation": "expect_column_mean_to_be_between",
        "expected": {"column": "amount", "min_value": 1.0},
        "severity": "critical",
        "column": "amount",
        "observed": {"value": 4.5},
        "note": None,
        "evaluated": True,
        "success": True,
        **changes,
    }


def make_source(*results: dict[str, Any], **verdict: Any) -> dict[str, Any]:
    return {
        "received": 12,
        "quarantined": 2,
        "reasons": {"amount: must be at least 1": 2},
        "verdict": {
            "success": True,
            "blocking": [],
            "warnings": [],
            "drifts": [],
            "planned": len(results),
            "evaluated": len(results),
            "rows": 10,
            "rows_planned": 10,
            "rows_seen": 10,
            "sampled": False,
            "results": list(results),
            **verdict,
        },
    }


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def read(lake: Lake, path: str) -> str:
    return lake.read_bytes(path).decode()


def test_a_night_tells_rows_reasons_and_expectations(lake: Lake) -> None:
    path = DataDocs(lake, "parcels").write_night("2024-05-01", {"orders": make_source(make_result())})
    text = Page(read(lake, path)).text
    for part in (
        "parcels, 2024-05-01: passed",
        "12 rows received, 2 quarantined",
        "amount: must be at least 1 2",
        "1 of 1 expectations evaluated",
        "mean must be greater than or equal to 1.0",
        "4.5",
    ):
        assert part in text


def test_failures_and_samples_are_told(lake: Lake) -> None:
    source = make_source(
        make_result(success=False),
        success=False,
        blocking=["mean is low"],
        warnings=["is odd"],
        drifts=["is late"],
        rows=500,
        sampled=True,
    )
    text = Page(read(lake, DataDocs(lake, "parcels").write_night("2024-05-01", {"orders": source}))).text
    for part in (
        "failed",
        "blocking: mean is low",
        "warning: is odd",
        "drift: is late",
        "a uniform sample",
        "all 500 valid rows",
    ):
        assert part in text


def test_a_source_without_suite_has_its_rows_told(lake: Lake) -> None:
    source = {"received": 3, "quarantined": 0, "reasons": {}, "verdict": None}
    text = Page(read(lake, DataDocs(lake, "parcels").write_night("2024-05-01", {"shops": source}))).text
    assert "3 rows received" in text
    assert "The source was not judged as a batch" in text


def test_a_source_that_was_refused_fails_the_night(lake: Lake) -> None:
    source = {"received": 3, "quarantined": 3, "reasons": {"x": 3}, "verdict": None, "refused": "every row is bad"}
    docs = DataDocs(lake, "parcels")
    text = Page(read(lake, docs.write_night("2024-05-01", {"shops": source, "orders": make_source()}))).text
    assert "shops: failed" in text
    assert "Refused: every row is bad" in text
    assert "2024-05-01 failed" in Page(read(lake, docs.index)).text


def test_every_kind_of_observation_is_rendered(lake: Lake) -> None:
    ranges = {"quantiles": [0.05, 0.95], "value_ranges": [[0, None], [None, 20]]}
    counts = {"element_count": 10, "missing_count": 0, "unexpected_count": 3, "unexpected_percent": 30.0}
    quantiles = make_result(
        expectation="expect_column_quantile_values_to_be_between",
        expected={"column": "amount", "quantile_ranges": ranges},
        observed={"value": {"0.05": 1.5, "0.95": 19.0}},
    )
    in_set = {"column": "kind", "value_set": ["a", "b"]}
    source = make_source(
        quantiles,
        make_result(expectation="expect_column_values_to_be_in_set", expected=in_set, observed=counts, success=False),
        make_result(
            expectation="expect_column_distinct_values_to_be_in_set",
            expected=in_set,
            observed={"unexpected_count": 2},
            success=False,
        ),
        make_result(over="profile", observed={"value": "infinity"}, success=False),
        make_result(evaluated=False, success=False, observed={}, note="it raised TypeError"),
    )
    text = Page(read(lake, DataDocs(lake, "parcels").write_night("2024-05-01", {"orders": source}))).text
    for part in ("19.0", "30%", "3 unexpected values found", "infinity", "Expectations over the profile"):
        assert part in text


def test_no_page_loads_or_runs_anything(lake: Lake) -> None:
    docs = DataDocs(lake, "parcels")
    for path in (docs.write_night("2024-05-01", {"orders": make_source(make_result(success=False))}), docs.index):
        html = read(lake, path)
        assert Page(html).loaded == []
        assert not re.search(r"https?://|url\(|@import", html)
        assert "Content-Security-Policy\" content=\"default-src 'none'" in html


def test_what_is_declared_is_escaped(lake: Lake) -> None:
    attack = "<script>alert(1)</script>"
    source = make_source(
        make_result(expected={"column": attack, "min_value": 1.0}),
        make_result(
            expectation="expect_column_values_to_be_in_set", expected={"column": "kind", "value_set": [attack]}
        ),
        blocking=[attack],
        success=False,
    )
    source["reasons"] = {attack: 1}
    html = read(lake, DataDocs(lake, "parcels").write_night("2024-05-01", {attack: source}))
    assert "<script" not in html
    assert Page(html).text.count(attack) >= 5


def test_index_lists_nights_newest_first_with_verdict_and_link(lake: Lake) -> None:
    docs = DataDocs(lake, "parcels")
    docs.write_night("2024-05-02", {"orders": make_source(make_result(), warnings=["odd"])})
    docs.write_night("2024-05-01", {"orders": make_source(make_result())})
    docs.write_night("2024-05-03", {"orders": make_source(make_result(success=False), success=False)})
    page = Page(read(lake, docs.index))
    assert page.links == [f"nights/2024-05-0{day}.html" for day in (3, 2, 1)]
    assert all(lake.exists(f"jobs/parcels/data_docs/{link}") for link in page.links)
    assert re.findall(r"(2024-05-\d\d) (\w+) 12 2 1 of 1 (\d)", page.text) == [
        ("2024-05-03", "failed", "1"),
        ("2024-05-02", "warned", "0"),
        ("2024-05-01", "passed", "0"),
    ]


def test_a_night_written_again_replaces_its_page(lake: Lake) -> None:
    docs = DataDocs(lake, "parcels")
    docs.write_night("2024-05-01", {"orders": make_source(make_result(success=False), success=False)})
    path = docs.write_night("2024-05-01", {"orders": make_source(make_result())})
    assert docs.nights() == ["2024-05-01"]
    assert "passed" in Page(read(lake, path)).text
    assert "failed" not in Page(read(lake, docs.index)).text


def test_only_the_newest_nights_are_kept(lake: Lake) -> None:
    docs = DataDocs(lake, "parcels", keep=2)
    for day in (3, 1, 2, 4):
        docs.write_night(f"2024-05-0{day}", {"orders": make_source()})
    assert docs.nights() == ["2024-05-03", "2024-05-04"]
    assert lake.list("jobs/parcels/data_docs/nights") == [
        f"2024-05-0{day}.{suffix}" for day in (3, 4) for suffix in ("html", "json")
    ]


def test_an_old_night_can_be_looked_at_after_it_was_written(lake: Lake) -> None:
    docs = DataDocs(lake, "parcels", keep=1)
    docs.write_night("2024-05-02", {"orders": make_source()})
    path = docs.write_night("2024-05-01", {"orders": make_source()})
    assert lake.exists(path)
    assert "nights/2024-05-01.html" in Page(read(lake, docs.index)).links
