"""Whether a registered model may be used here: its libraries, its code, its columns and its golden rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.errors import OutdatedModelError, RefusedError
from pipeline.stores.golden_rows import GoldenRows, count_changed_scores, decode_golden_rows
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.model_code import digest_module
from pipeline.stores.model_libraries import find_unfit_library, find_versions
from pipeline.stores.model_metadata import ModelMetadata


@dataclass(frozen=True)
class ModelChecks:
    """The checks of one model; each raises :class:`RefusedError`, of other code :class:`OutdatedModelError`."""

    job: str
    version: ModelVersion
    metadata: ModelMetadata

    def check_libraries(self) -> None:
        """Refuse a model that was made with libraries that those here cannot stand in for."""
        made_with = self.metadata.library_versions
        here = find_versions(list(made_with))
        unfit = find_unfit_library(made_with, here)
        if unfit is not None:
            raise self._refused(
                f"was made with another {unfit}",
                f"{unfit} {made_with[unfit]}",
                f"{unfit} {here[unfit]}",
                "install the version it was made with, or train anew",
            )

    def check_code(self) -> None:
        """The file names classes and functions: other code behind the names would give other scores."""
        for module, expected in self.metadata.code.items():
            try:
                found = digest_module(module)
            except ModuleNotFoundError as error:
                found = str(error)
            if found != expected:
                raise self._refused(
                    "was made with other code",
                    f"{module} with digest {expected}",
                    found,
                    "restore that code, or train with this one",
                    OutdatedModelError,
                )

    def require_golden(self) -> GoldenRows:
        """What the metadata says of the golden rows."""
        if self.metadata.golden is None:
            raise self._refused("has no golden rows", "rows that it was seen to score", "none", "train anew")
        return self.metadata.golden

    def check_columns(self, estimator: Any, golden_content: bytes) -> None:
        """Columns in another order would give other scores, and often no error."""
        expected = list(self.metadata.columns)
        fitted = getattr(estimator, "feature_names_in_", expected)
        for found in (list(fitted), list(decode_golden_rows(golden_content)[0].columns)):
            if found != expected:
                raise self._refused(
                    "was fitted to other columns than its metadata says",
                    ", ".join(expected),
                    ", ".join(map(str, found)),
                    "train anew",
                )

    def check_golden(self, estimator: Any, golden: GoldenRows, content: bytes) -> None:
        """Have the model score its golden rows: the same scores in the same environment, near ones in another."""
        made_with = self.metadata.library_versions
        same = find_versions(list(made_with)) == made_with
        changed, most = count_changed_scores(estimator, content, golden, self.metadata.task, same_environment=same)
        if changed:
            raise self._refused(
                "does not score its golden rows as at its training",
                f"{golden.rows} scores within {golden.tolerance(same_environment=same):g} of the stored ones",
                f"{changed} that differ, by up to {most:g}",
                "compare the library versions of this machine with the model's, or train anew",
            )

    def lack_code(self, error: Exception) -> RefusedError:
        """What to raise when unpickling did not find a class or function."""
        code_version = self.version.registration.code_version
        return self._refused(
            "needs code that is not here",
            f"the code that trained it, version {code_version}",
            str(error),
            "install that code, or train with this one",
            OutdatedModelError,
        )

    def _refused(
        self, problem: str, expected: str, found: str, next_step: str, kind: type[RefusedError] = RefusedError
    ) -> RefusedError:
        return kind(
            f"model {self.version.version} {problem}",
            job=self.job,
            expected=expected,
            found=found,
            next_step=f"{next_step}: nightjar train {self.job}",
        )
