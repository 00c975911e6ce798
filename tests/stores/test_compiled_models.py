"""Compiled trees take the place of a model's own only if they are what was held against scikit-learn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.declarations import Feature, FeatureSet
from pipeline.digests import digest_bytes
from pipeline.errors import NotCompiledError
from pipeline.stores import compiled_models, compiling
from pipeline.stores.compiled_models import CompiledModels, CompiledTrees
from pipeline.stores.compiling import compile_registered
from pipeline.stores.lake import Lake
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.models import Model, Models
from pipeline.stores.signatures import SigningKeys
from pipeline.stores.tree_tables import decode_tables, encode_tables
from pipeline.trees import kernel as kernel_module
from pipeline.trees.substitution import find_parts
from tests.stores.model_samples import save_parcels, version_of
from tests.trees.samples import fit_pipeline, make_frame

pytestmark = pytest.mark.usefixtures("kernel")

FOLDER = "jobs/parcels/artifacts"
KEY, OTHER_KEY = "a key for signing " * 2, "another key, of others " * 2
FEATURES = FeatureSet(
    name="parcels",
    version=4,
    features=(Feature("weight"), Feature("distance"), Feature("town", "category"), Feature("kind", "category")),
)


class Parcels:
    """A registered model of trees, and what is compiled of it."""

    def __init__(self, root: Path, *keys: str) -> None:
        self.lake = Lake(str(root))
        self.keys = SigningKeys(keys)
        self.models = Models(self.lake, "parcels", self.keys)
        golden = make_frame(20, unseen=True)
        saved = save_parcels(self.models, fit_pipeline(), feature_set=FEATURES, golden=golden)
        self.version: ModelVersion = version_of(saved)

    @property
    def description(self) -> str:
        """Where it is said what is compiled."""
        return f"{FOLDER}/{self.version.registration.model_digest}.compiled.json"

    def compile(self) -> CompiledTrees:
        """Compile it here, in this process."""
        return compile_registered(self.lake, "parcels", self.keys, self.version)

    def load(self, key: str = KEY) -> Model:
        """The model with tables in the place of its trees."""
        model = self.models.load(self.version)
        compiled = CompiledModels(self.lake, "parcels", SigningKeys([key]))
        try:
            return compiled.take_over(self.version, model)
        except NotCompiledError:
            assert is_untouched(model)
            raise

    def rewrite(self, **changes: Any) -> None:
        """Change what is said of it, as somebody who may write to the lake can, and sign it as one who has the key."""
        described = CompiledTrees.model_validate({**self.lake.read_json(self.description), **changes})
        self.lake.replace_json(self.description, described.model_dump())
        (name,) = self.keys.names
        signature = self.keys.sign(name, "nightjar compiled trees", job="parcels", compiled=described.digest)
        self.lake.replace(f"{self.description.removesuffix('.json')}.{name}.hmac-sha256", signature.encode())

    def find_file(self, ending: str) -> str:
        (name,) = (name for name in self.lake.list(FOLDER) if name.endswith(ending))
        return f"{FOLDER}/{name}"


@pytest.fixture
def parcels(tmp_path: Path) -> Parcels:
    parcels = Parcels(tmp_path, KEY)
    parcels.compile()
    return parcels


def is_untouched(model: Model) -> bool:
    parts = find_parts(model.estimator)
    return not any({"_raw_predict", "transform"} & set(vars(part)) for part in (*parts.ensembles, *parts.encoders))


def test_a_model_predicts_the_same_with_its_compiled_trees(parcels: Parcels) -> None:
    model, plain = parcels.load(), parcels.models.load(parcels.version)
    assert model.compiled is not None
    assert plain.compiled is None
    frame = make_frame(500, 9, unseen=True)
    assert np.array_equal(model.estimator.predict_proba(frame), plain.estimator.predict_proba(frame))
    assert "_raw_predict" in vars(model.estimator[-1])


def test_what_was_seen_of_them_is_known(parcels: Parcels) -> None:
    compiled = parcels.compile()
    assert compiled.trees == 20
    assert compiled.rows == 4096 + 20 * (1 + 4 + 2)
    assert CompiledModels(parcels.lake, "parcels", parcels.keys).find(parcels.version) == compiled
    assert parcels.load().compiled == compiled.digest


def test_compiling_again_gives_the_same_bytes(parcels: Parcels) -> None:
    files = {name: parcels.lake.read_bytes(f"{FOLDER}/{name}") for name in parcels.lake.list(FOLDER)}
    parcels.compile()
    assert {name: parcels.lake.read_bytes(f"{FOLDER}/{name}") for name in parcels.lake.list(FOLDER)} == files


def test_tables_are_read_as_they_were_written() -> None:
    tables = find_parts(fit_pipeline()).compile()
    decoded = decode_tables(encode_tables([*tables, *tables]))
    assert len(decoded) == 2
    for found in decoded:
        assert len(found) == 1
        for name, array in vars(tables[0][0]).items():
            assert np.array_equal(getattr(found[0], name), array)
            assert getattr(found[0], name).dtype == array.dtype
        assert found[0].is_sound(4)


def test_a_model_without_trees_is_as_it_is(tmp_path: Path) -> None:
    models = Models(Lake(str(tmp_path)), "parcels")
    version = version_of(save_parcels(models))
    model = models.load(version)
    assert CompiledModels(Lake(str(tmp_path)), "parcels", SigningKeys(())).take_over(version, model) is model
    with pytest.raises(NotCompiledError, match="model 4 has no trees"):
        compile_registered(Lake(str(tmp_path)), "parcels", SigningKeys(()), version)


def spoil_tables(parcels: Parcels) -> None:
    path = parcels.find_file(".trees.parquet")
    parcels.lake.replace(path, parcels.lake.read_bytes(path)[:-1] + b"x")


def lose_tables(parcels: Parcels) -> None:
    parcels.lake.remove(parcels.find_file(".trees.parquet"))


def lose_description(parcels: Parcels) -> None:
    parcels.lake.remove(parcels.description)


def garble_description(parcels: Parcels) -> None:
    parcels.lake.replace(parcels.description, b"{")


def alter_description(parcels: Parcels) -> None:
    parcels.lake.replace_json(parcels.description, {**parcels.lake.read_json(parcels.description), "rows": 1})


def lose_signature(parcels: Parcels) -> None:
    (name,) = (name for name in parcels.lake.list(FOLDER) if ".compiled." in name and name.endswith("hmac-sha256"))
    parcels.lake.remove(f"{FOLDER}/{name}")


def take_those_of_another(parcels: Parcels) -> None:
    parcels.rewrite(model="e" * 64)


def change_code(parcels: Parcels) -> None:
    parcels.rewrite(code="e" * 64)


def change_library(parcels: Parcels) -> None:
    described = parcels.lake.read_json(parcels.description)
    parcels.rewrite(library_versions={**described["library_versions"], "scikit-learn": "1.7.0"})


def write_tables(parcels: Parcels, tables: Any) -> None:
    content = encode_tables(tables)
    parcels.lake.replace(f"{FOLDER}/{digest_bytes(content)}.trees.parquet", content)
    parcels.rewrite(tables=digest_bytes(content))


def swap_tables(parcels: Parcels) -> None:
    """Sound ones, of a model that is fitted otherwise."""
    write_tables(parcels, find_parts(fit_pipeline(rows=500, seed=9)).compile())


def break_tables(parcels: Parcels) -> None:
    """Such that the kernel would read what is not theirs."""
    ((tables,),) = find_parts(parcels.models.load(parcels.version).estimator).compile()
    tables.used_rows[-1] = 2**30
    write_tables(parcels, [[tables]])


def write_no_parquet(parcels: Parcels) -> None:
    parcels.lake.replace(f"{FOLDER}/{digest_bytes(b'none')}.trees.parquet", b"none")
    parcels.rewrite(tables=digest_bytes(b"none"))


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lose_description, "the trees of model 4 are not compiled"),
        (garble_description, "described by a file that was altered"),
        (alter_description, "not signed by a key that is accepted here"),
        (lose_signature, "not signed by a key that is accepted here"),
        (take_those_of_another, "are those of another model"),
        (change_code, "compiled by another version of Nightjar"),
        (change_library, "compared with another scikit-learn"),
        (spoil_tables, "the trees of model 4 were altered"),
        (lose_tables, "not in the lake any more"),
        (write_no_parquet, "cannot be scored by their tables: ArrowInvalid"),
        (break_tables, "not the tables of the model's trees"),
        (swap_tables, "score the golden rows otherwise than scikit-learn, by up to 0."),
    ],
)
def test_whatever_is_wrong_leaves_the_model_as_it_is(
    parcels: Parcels, harm: Callable[[Parcels], None], problem: str
) -> None:
    assert parcels.load().compiled is not None
    harm(parcels)
    with pytest.raises(NotCompiledError, match=problem):
        parcels.load()
    parcels.compile()
    assert parcels.load().compiled is not None


def test_another_key_does_not_hold(parcels: Parcels) -> None:
    with pytest.raises(NotCompiledError, match="not signed by a key") as refused:
        parcels.load(OTHER_KEY)
    assert refused.value.job == "parcels"
    assert refused.value.next_step == "nightjar compile parcels 4"


def test_the_signature_of_a_model_is_none_of_its_compiled_trees(parcels: Parcels) -> None:
    (name,) = parcels.keys.names
    model = next(
        file for file in parcels.lake.list(FOLDER) if ".compiled." not in file and file.endswith("hmac-sha256")
    )
    path = f"{parcels.description.removesuffix('.json')}.{name}.hmac-sha256"
    parcels.lake.replace(path, parcels.lake.read_bytes(f"{FOLDER}/{model}"))
    with pytest.raises(NotCompiledError, match="not signed"):
        parcels.load()


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    parcels = Parcels(tmp_path)
    parcels.compile()
    assert not any(".compiled." in name and "hmac" in name for name in parcels.lake.list(FOLDER))
    model = parcels.models.load(parcels.version)
    assert CompiledModels(parcels.lake, "parcels", SigningKeys(())).take_over(parcels.version, model).compiled


def test_without_a_kernel_they_are_not_used(parcels: Parcels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_module, "locate_kernel", lambda: tmp_path / "kernel.so")
    with pytest.raises(NotCompiledError, match="was not built on this machine") as refused:
        parcels.load()
    assert refused.value.next_step == "python -m pipeline.trees.build"


def test_tables_that_say_otherwise_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the compiler had a fault: first in a leaf that drawn rows end in, then in what golden rows are told."""
    parcels = Parcels(tmp_path)
    monkeypatch.setattr(compiling, "find_difference", lambda parts, tables: (4096, 1e-9))
    with pytest.raises(NotCompiledError, match="scored otherwise by their tables") as refused:
        parcels.compile()
    assert refused.value.found == "sums that differ by up to 1e-09"
    monkeypatch.setattr(compiling, "find_difference", lambda parts, tables: (4096, 0.0))
    swapped = find_parts(fit_pipeline(rows=500, seed=9)).compile()
    monkeypatch.setattr("pipeline.trees.substitution.compile_ensemble", lambda ensemble: swapped[0])
    with pytest.raises(NotCompiledError, match="scored otherwise by their tables") as refused:
        parcels.compile()
    assert refused.value.found == "other predictions of golden rows"
    assert not any("compiled" in name or "trees" in name for name in parcels.lake.list(FOLDER))


def test_the_digest_of_the_code_covers_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiled_models._digest_code()
    compiled_models._digest_code.cache_clear()
    monkeypatch.setattr(compiled_models, "digest_kernel", lambda: "another")
    assert compiled_models._digest_code() != before
    compiled_models._digest_code.cache_clear()


def test_descriptions_hold_no_values_of_rows(parcels: Parcels) -> None:
    told = json.dumps(parcels.lake.read_json(parcels.description))
    assert "town" not in told
