"""Great Expectations, imported in one way everywhere: late, and quiet."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipeline.garbage import no_collections

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.datasource.fluent.pandas_datasource import PandasDatasource
    from great_expectations.expectations.expectation import Expectation


def import_great_expectations() -> ModuleType:
    """The package, with its analytics off and its log reduced to errors.

    The import takes 3 seconds, or 9 without compiled bytecode; the first caller in a process pays it.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read on import and by every context
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    if "great_expectations" in sys.modules:
        import great_expectations  # waits for a thread that is importing it
    else:
        with no_collections():
            import great_expectations
        gc.freeze()  # all of it stays, and looking through it takes a quarter of a second

    _read_configurations_once()
    return great_expectations


def import_ahead() -> None:
    """Begin to import Great Expectations beside what this process waits for."""
    if "great_expectations" not in sys.modules:
        threading.Thread(target=import_great_expectations, name="import-great-expectations", daemon=True).start()


def _read_configurations_once() -> None:
    """Make an expectation's own settings cheap to read.

    Great Expectations asks an expectation for its whole configuration, which it makes anew each time, once for every
    single setting: half of the time that an evaluation takes.  These two methods say the same of it with one.
    """
    from great_expectations.expectations.expectation import Expectation

    def get_domain_kwargs(self: Expectation) -> dict[str, Any]:
        return _read_settings(self, self.domain_keys)

    def get_success_kwargs(self: Expectation) -> dict[str, Any]:
        return _read_settings(self, (*self.success_keys, *self.domain_keys))

    Expectation._get_domain_kwargs = get_domain_kwargs  # type: ignore[method-assign]  # noqa: SLF001
    Expectation._get_success_kwargs = get_success_kwargs  # type: ignore[method-assign]  # noqa: SLF001


def _read_settings(expectation: Expectation, keys: Sequence[str]) -> dict[str, Any]:
    given = expectation.configuration.kwargs
    return {key: given.get(key, expectation._get_default_value(key)) for key in keys}  # noqa: SLF001


def open_datasource() -> PandasDatasource:
    """A source of frames in a context of its own, in memory and without progress bars.

    A context that lived on would keep the last frame of every name alive, and could mistake it for the next.
    """
    context = import_great_expectations().get_context(mode="ephemeral")
    context._save_project_config = lambda: None  # noqa: SLF001 - all of it would become YAML that nobody reads
    context.config.progress_bars = {"globally": False, "metric_calculations": False}
    datasource: PandasDatasource = context.data_sources.add_pandas("nightjar")
    return datasource


def rebuild_results(name: str, results: Sequence[Mapping[str, Any]]) -> ExpectationSuiteValidationResult:
    """Great Expectations' own result objects for the results of a batch verdict, for its renderers."""
    import_great_expectations()
    from great_expectations.core import ExpectationSuiteValidationResult

    passed = sum(result["success"] for result in results)
    return ExpectationSuiteValidationResult(
        success=passed == len(results),
        results=[_rebuild_result(result) for result in results],
        suite_name=name,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(results) - passed,
            "success_percent": 100 * passed / len(results) if results else None,
        },
        meta={"run_id": {"run_name": name}},
    )


def _rebuild_result(result: Mapping[str, Any]) -> ExpectationValidationResult:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    return ExpectationValidationResult(
        success=result["success"],
        expectation_config=ExpectationConfiguration(
            type=result["expectation"], kwargs=dict(result["expected"]), meta={}
        ),
        result=_rebuild_observed(result["observed"]),
        exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
    )


def _rebuild_observed(observed: Mapping[str, Any]) -> dict[str, Any]:
    """Observations under the names that the renderers look for; a count without its percentage breaks them."""
    rebuilt = {name: value for name, value in observed.items() if name != "value"}
    if "unexpected_percent" not in rebuilt:
        rebuilt.pop("unexpected_count", None)
    value = observed.get("value")
    if isinstance(value, Mapping):
        return {
            **rebuilt,
            "observed_value": {"quantiles": [float(key) for key in value], "values": list(value.values())},
        }
    return rebuilt if value is None else {**rebuilt, "observed_value": value}
