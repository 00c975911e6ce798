"""What a model's files are refused for: every file tampered with, each time with all digests made to fit again.

Who can write to the lake can write the ledger too, so a digest alone keeps nobody out: the signature does.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sklearn.pipeline import make_pipeline

from pipeline.digests import canonical_json, digest_bytes
from pipeline.errors import DamagedError, DeclarationError, NightjarError, RefusedError
from pipeline.stores.golden_rows import SCORE
from pipeline.stores.lake import Lake
from pipeline.stores.model_metadata import ModelMetadata, SavedModel
from pipeline.stores.models import Models
from pipeline.stores.parquet import decode_parquet, encode_parquet
from pipeline.stores.signatures import SigningKeys
from tests.stores.code_samples import open_project
from tests.stores.model_samples import fit_parcels, make_parcels, save_parcels, version_of

FOLDER = "jobs/parcels/artifacts"
OLD, NEW, STRANGE = "old-" * 8, "new-" * 8, "strange-" * 4


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def open_models(lake: Lake) -> Callable[..., Models]:
    """The models of parcels, with these keys."""

    def open_it(*keys: str) -> Models:
        return Models(lake, "parcels", SigningKeys(keys))

    return open_it


@pytest.fixture
def models(open_models: Callable[..., Models]) -> Models:
    return open_models(NEW)


def forge(lake: Lake, saved: SavedModel, content: bytes | None = None, **metadata: Any) -> SavedModel:
    """Replace a model's file or change its metadata, and make every name and digest fit."""
    changed = ModelMetadata.model_validate(saved.metadata.model_dump() | metadata)
    description = canonical_json(changed.model_dump(mode="json")).encode()
    content = lake.read_bytes(saved.path) if content is None else content
    digest, metadata_digest = digest_bytes(content), digest_bytes(description)
    lake.replace(f"{FOLDER}/{digest}.joblib", content)
    lake.replace(f"{FOLDER}/{digest}.{metadata_digest[:16]}.json", description)
    return SavedModel(
        path=f"{FOLDER}/{digest}.joblib", digest=digest, metadata_digest=metadata_digest, metadata=changed
    )


def sign(lake: Lake, saved: SavedModel, key: str = NEW) -> SavedModel:
    """Sign a model as somebody who has the key would."""
    keys = SigningKeys([key])
    (name,) = keys.names
    text = keys.sign(name, "nightjar model", job="parcels", model=saved.digest, metadata=saved.metadata_digest)
    lake.replace(f"{FOLDER}/{saved.digest}.{saved.metadata_digest[:16]}.{name}.hmac-sha256", text.encode())
    return saved


def refuse(models: Models, saved: SavedModel, problem: str) -> NightjarError:
    """Loading is refused with a complete message, in which no key appears."""
    with pytest.raises((RefusedError, DamagedError), match=problem) as caught:
        models.load(version_of(saved))
    error = caught.value
    assert error.job == "parcels"
    assert error.expected
    assert error.found
    assert "nightjar train parcels" in str(error.next_step)
    assert not any(key in str(error) for key in (OLD, NEW, STRANGE))
    return error


def test_a_bomb_that_is_in_the_ledger_is_not_unpickled_without_a_signature(
    tmp_path: Path, lake: Lake, models: Models
) -> None:
    mark = tmp_path / "sprung"
    bomb = pickle.dumps(Bomb(mark))
    refuse(models, forge(lake, save_parcels(models), bomb), "not signed by a key that is accepted")
    assert not mark.exists()
    pickle.loads(bomb)  # noqa: S301 - it is one
    assert mark.exists()


@pytest.mark.parametrize("content", [b"", b"0" * 64, b"\xff\xfe", "ключ".encode()])
def test_a_signature_that_is_none_is_refused(tmp_path: Path, lake: Lake, models: Models, content: bytes) -> None:
    bomb = sign(lake, forge(lake, save_parcels(models), pickle.dumps(Bomb(tmp_path / "sprung"))))
    (name,) = (name for name in lake.list(FOLDER) if name.startswith(bomb.digest) and name.endswith("hmac-sha256"))
    lake.replace(f"{FOLDER}/{name}", content)
    refuse(models, bomb, "not signed")
    assert not (tmp_path / "sprung").exists()


def test_the_signature_of_another_model_is_refused(tmp_path: Path, lake: Lake, models: Models) -> None:
    saved = save_parcels(models)
    bomb = forge(lake, saved, pickle.dumps(Bomb(tmp_path / "sprung")))
    (name,) = (name for name in lake.list(FOLDER) if name.endswith("hmac-sha256"))
    moved = name.replace(saved.digest, bomb.digest).replace(saved.metadata_digest[:16], bomb.metadata_digest[:16])
    lake.replace(f"{FOLDER}/{moved}", lake.read_bytes(f"{FOLDER}/{name}"))
    refuse(models, bomb, "not signed")
    assert not (tmp_path / "sprung").exists()


def test_the_signature_of_a_strange_key_is_refused_and_named(lake: Lake, models: Models) -> None:
    saved = sign(lake, forge(lake, save_parcels(models), dataset_version="e" * 64), STRANGE)
    error = refuse(models, saved, "not signed")
    (accepted,), (strange,) = SigningKeys([NEW]).names, SigningKeys([STRANGE]).names
    assert error.expected == f"a signature by {accepted}"
    assert error.found == f"signatures that claim to be by {strange}"


def test_the_signature_of_another_job_is_refused(lake: Lake, models: Models) -> None:
    saved = save_parcels(models)
    for name in lake.list(FOLDER):
        lake.replace(f"jobs/letters/artifacts/{name}", lake.read_bytes(f"{FOLDER}/{name}"))
    letters = Models(lake, "letters", SigningKeys([NEW]))
    with pytest.raises(RefusedError, match="not signed"):
        letters.load(version_of(saved))


def test_metadata_that_was_changed_is_refused_though_its_digest_fits(lake: Lake, models: Models) -> None:
    saved = save_parcels(models)
    refuse(models, forge(lake, saved, task="regression"), "not signed")
    with pytest.raises(RefusedError, match="not signed"):
        models.read_metadata(version_of(forge(lake, saved, task="regression")))


def test_a_signed_model_is_loaded_with_its_key_behind_another(open_models: Callable[..., Models]) -> None:
    """A new key comes first, and the old one stays accepted until the models were signed again."""
    saved = save_parcels(open_models(OLD))
    assert open_models(NEW, OLD).load(version_of(saved)).version == "4"
    refuse(open_models(NEW), saved, "not signed")
    assert open_models(OLD).is_intact(saved)
    assert not open_models(NEW, OLD).is_intact(saved)
    assert save_parcels(open_models(NEW, OLD)) == saved
    assert open_models(NEW).load(version_of(saved)).version == "4"
    assert open_models(NEW, OLD).is_intact(saved)


def test_where_there_was_never_a_key_the_ledger_decides(open_models: Callable[..., Models]) -> None:
    saved = save_parcels(open_models())
    assert open_models().load(version_of(saved)).version == "4"
    assert open_models().check_signature(version_of(saved)) is False


def test_a_worker_that_has_lost_its_key_loads_no_signed_model(open_models: Callable[..., Models]) -> None:
    error = refuse(open_models(), save_parcels(open_models(NEW)), "not signed")
    assert error.expected == "a signature by a key of NIGHTJAR_SIGNING_KEY, which is empty"


def test_a_model_of_the_time_before_the_key_is_signed_by_training_it_again(open_models: Callable[..., Models]) -> None:
    saved = save_parcels(open_models())
    assert refuse(open_models(NEW), saved, "not signed").found == "no signature"
    assert save_parcels(open_models(NEW)) == saved
    assert open_models(NEW).check_signature(version_of(saved))


def test_no_key_is_written_to_the_lake(tmp_path: Path, open_models: Callable[..., Models]) -> None:
    save_parcels(open_models(NEW, OLD))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert not any(key.encode() in path.read_bytes() for path in files for key in (NEW, OLD))


def test_a_short_key_is_no_key() -> None:
    with pytest.raises(DeclarationError, match="key 2 of NIGHTJAR_SIGNING_KEY is too short") as caught:
        SigningKeys([NEW, "hush"])
    assert "hush" not in str(caught.value)


def test_keys_are_not_shown() -> None:
    keys = SigningKeys([NEW])
    assert NEW not in repr(keys)
    assert keys.names[0] in repr(keys)


def test_golden_rows_that_were_altered_are_refused(lake: Lake, models: Models) -> None:
    saved = save_parcels(models)
    (name,) = (name for name in lake.list(FOLDER) if name.endswith(".golden.parquet"))
    lake.replace(f"{FOLDER}/{name}", lake.read_bytes(f"{FOLDER}/{name}") + b" ")
    refuse(models, saved, "not the one that was registered")
    lake.remove(f"{FOLDER}/{name}")
    assert refuse(models, saved, "not the one that was registered").found == "no such file"
    assert not models.is_intact(saved)
    save_parcels(models)
    assert models.load(version_of(saved)).version == "4"


def replace_golden(lake: Lake, saved: SavedModel, change: Callable[[pa.Table], pa.Table]) -> SavedModel:
    """Change the golden rows and sign the result, as the training would have if it had seen them."""
    golden = saved.metadata.golden
    assert golden is not None
    table = change(decode_parquet(lake.read_bytes(f"{FOLDER}/{golden.digest}.golden.parquet")))
    content = encode_parquet(table)
    lake.replace(f"{FOLDER}/{digest_bytes(content)}.golden.parquet", content)
    return sign(
        lake, forge(lake, saved, golden=golden.model_copy(update={"digest": digest_bytes(content)}).model_dump())
    )


def test_a_model_that_scores_a_golden_row_otherwise_is_refused(lake: Lake, models: Models) -> None:
    """By one in the sixth digit, which is the last that is published."""

    def nudge(table: pa.Table) -> pa.Table:
        scores = table[SCORE].to_pylist()
        scores[3] = round(scores[3] + 1e-6, 6)
        return table.set_column(table.num_columns - 1, SCORE, pa.array(scores))

    error = refuse(models, replace_golden(lake, save_parcels(models), nudge), "does not score its golden rows")
    assert error.expected == "8 scores within 0 of the stored ones"
    assert error.found == "1 that differ, by up to 1e-06"


def test_golden_rows_in_another_order_of_columns_are_refused(lake: Lake, models: Models) -> None:
    swapped = replace_golden(lake, save_parcels(models), lambda table: table.select(["distance", "weight", SCORE]))
    error = refuse(models, swapped, "fitted to other columns")
    assert (error.expected, error.found) == ("weight, distance", "distance, weight")


def test_metadata_with_another_order_of_columns_is_refused(lake: Lake, models: Models) -> None:
    saved = save_parcels(models)
    features = [feature.model_dump() for feature in saved.metadata.features][::-1]
    error = refuse(models, sign(lake, forge(lake, saved, features=features)), "fitted to other columns")
    assert (error.expected, error.found) == ("distance, weight", "weight, distance")


def test_a_model_without_golden_rows_is_refused(lake: Lake, models: Models) -> None:
    error = refuse(models, sign(lake, forge(lake, save_parcels(models), golden=None)), "has no golden rows")
    assert (error.expected, error.found) == ("rows that it was seen to score", "none")


@pytest.mark.parametrize(
    ("library", "version"),
    [("scikit-learn", "1.2.3"), ("numpy", "1.26.0"), ("scipy", "0.9.0"), ("joblib", "0.1"), ("no-such-thing", "1.0")],
)
def test_a_model_of_other_libraries_is_refused(
    tmp_path: Path, lake: Lake, models: Models, library: str, version: str
) -> None:
    saved = save_parcels(models)
    versions = saved.metadata.library_versions | {library: version}
    bomb = forge(lake, saved, pickle.dumps(Bomb(tmp_path / "sprung")), library_versions=versions)
    error = refuse(models, sign(lake, bomb), f"made with another {library}")
    assert error.expected == f"{library} {version}"
    assert not (tmp_path / "sprung").exists()


def test_near_scores_will_do_where_a_patch_version_differs(lake: Lake, models: Models) -> None:
    def nudge(by: float) -> Callable[[pa.Table], pa.Table]:
        return lambda table: table.set_column(
            table.num_columns - 1, SCORE, pa.array([round(score + by, 6) for score in table[SCORE].to_pylist()])
        )

    saved = save_parcels(models)
    python = saved.metadata.library_versions | {"python": "3.11.0"}
    near, far = (
        replace_golden(lake, sign(lake, forge(lake, saved, library_versions=python)), nudge(by)) for by in (1e-6, 2e-6)
    )
    assert models.load(version_of(near)).version == "4"
    refuse(models, far, "does not score its golden rows")


def test_the_version_of_a_transformers_library_is_part_of_the_model(tmp_path: Path, models: Models) -> None:
    with open_project(tmp_path / "site-packages") as project:
        scaling = project.add("scaling")
        information = tmp_path / "site-packages" / "fine_scaling-2.5.1.dist-info"
        write_distribution(information, "2.5.1")
        estimator = make_pipeline(scaling.Scale(), fit_parcels())
        estimator.fit(*make_parcels())
        saved = save_parcels(models, estimator)
        assert saved.metadata.library_versions["fine-scaling"] == "2.5.1"
        assert models.load(version_of(saved)).version == "4"
        write_distribution(information, "2.6.0")
        error = refuse(models, saved, "made with another fine-scaling")
        assert error.found == "fine-scaling 2.6.0"


def write_distribution(folder: Path, version: str) -> None:
    """What an installer leaves beside the module ``scaling``."""
    from pipeline.stores.model_libraries import _find_distributions  # noqa: PLC0415

    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fine-scaling\nVersion: {version}\n")
    (folder / "RECORD").write_text("scaling.py,,\n")
    (folder / "top_level.txt").write_text("scaling\n")
    _find_distributions.cache_clear()
