"""What is changed of Great Expectations makes it quicker, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from pipeline.contracts import load_suite
from pipeline.expectations import import_great_expectations
from pipeline.jobs.flight_delays.job import JOB

EXPECTATIONS = [
    expectation
    for source in JOB.sources
    if (suite := load_suite(source, 14)) is not None
    for expectation in (*suite.batch, *suite.profile)
]


def read_singly(expectation: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    """As Great Expectations reads settings itself: each from a configuration of its own."""
    return {key: expectation.configuration.kwargs.get(key, expectation._get_default_value(key)) for key in keys}


@pytest.mark.parametrize("expectation", EXPECTATIONS, ids=lambda expectation: type(expectation).__name__)
def test_settings_read_at_once_are_those_read_singly(expectation: Any) -> None:
    domain = read_singly(expectation, expectation.domain_keys)

    assert expectation._get_domain_kwargs() == domain
    assert expectation._get_success_kwargs() == {**read_singly(expectation, expectation.success_keys), **domain}


def test_the_import_ahead_is_the_whole_import_beside_other_work() -> None:
    """In a process of its own: here it was imported long ago."""
    program = """
import sys, threading, time
from pipeline.expectations import import_ahead, import_great_expectations
started = time.perf_counter()
import_ahead()
assert time.perf_counter() - started < 1, "it is waited for"
import_ahead()
assert [each.name for each in threading.enumerate()].count("import-great-expectations") <= 2
for each in threading.enumerate():
    if each.name == "import-great-expectations":
        each.join()
assert "great_expectations" in sys.modules
imported = set(sys.modules)
import_great_expectations()
assert set(sys.modules) == imported
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_nothing_is_collected_while_it_is_imported() -> None:
    program = """
import gc
from pipeline.expectations import import_great_expectations
collections = []
gc.callbacks.append(lambda phase, info: collections.append(phase))
import_great_expectations()
assert len(collections) < 20, len(collections)
assert gc.isenabled()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_it_brought_is_not_looked_through_later_and_all_that_comes_after_is() -> None:
    """A judged frame is let go of with the context that it was judged in, which is garbage in cycles."""
    program = """
import gc, weakref
import pandas as pd
from pipeline.expectations import import_great_expectations, open_datasource
import_great_expectations()
frozen = gc.get_freeze_count()
assert frozen > 100_000, frozen
def judge():
    frame = pd.DataFrame({"a": [1.0]})
    open_datasource().add_dataframe_asset("batch").add_batch_definition_whole_dataframe("whole").get_batch(
        {"dataframe": frame}
    )
    return weakref.ref(frame)
judged = [judge() for _ in range(3)]
gc.collect()
assert [each() for each in judged] == [None] * 3
assert gc.get_freeze_count() <= frozen
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_one_configuration_is_made_for_all_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    gx: Any = import_great_expectations()
    kind = gx.expectations.ExpectColumnMeanToBeBetween
    made = []
    configuration = kind.configuration

    def count(self: Any) -> Any:
        made.append(self)
        return configuration.fget(self)

    monkeypatch.setattr(kind, "configuration", property(count))
    kind(column="amount", min_value=1)._get_success_kwargs()

    assert len(made) == 1
