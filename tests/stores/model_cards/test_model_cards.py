"""Cards in the lake: the same bytes each time, whole files, and nothing of rows in what leaves the lake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pipeline.errors import NotReadyError
from pipeline.stores.lake import Lake
from pipeline.stores.model_cards import ModelCards
from tests.stores.model_cards.documents import conceal, make_document

LAKE_FOLDER = "jobs/parcels/cards/3"


def write(folder: Path, document: dict[str, Any]) -> dict[str, bytes]:
    """A card's files by path."""
    lake = Lake(str(folder))
    ModelCards(lake, "parcels").write("3", document, conceal(document))
    return {file.path.removeprefix(f"{LAKE_FOLDER}/"): lake.read_bytes(file.path) for file in lake.walk(LAKE_FOLDER)}


@pytest.fixture(scope="module", params=["binary", "regression"])
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    return make_document(request.param)


@pytest.fixture(scope="module")
def files(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return write(tmp_path_factory.mktemp("card"), document)


def test_the_same_document_gives_the_same_bytes(
    document: dict[str, Any], files: dict[str, bytes], tmp_path: Path
) -> None:
    assert write(tmp_path, json.loads(json.dumps(document))) == files


def test_a_binary_task_has_a_roc_curve_and_a_regression_has_residuals(
    document: dict[str, Any], files: dict[str, bytes]
) -> None:
    own = {"roc"} if document["job"]["task"] == "binary" else {"predicted", "residuals"}
    shared = {"calibration", "partitions", "importance", "segments-1"}
    plots = {name for name in files if name.startswith("plots/")}
    assert plots == {f"plots/{name}.svg" for name in own | shared}
    text = files["card.md"].decode()
    for name in plots:
        assert f"]({name})" in text
        assert ElementTree.fromstring(files[name]).tag.endswith("svg")  # noqa: S314 - our own
    assert files["card.html"].count(b"<svg class") == len(plots)


def test_text_and_page_say_what_the_model_is(document: dict[str, Any], files: dict[str, bytes]) -> None:
    for name in ("card.md", "card.html"):
        text = files[name].decode()
        for told in (
            document["job"]["description"],
            "post@example.com",
            "12345 rows of 30 partitions, 2024-01-01 to 2024-01-30",
            "parcels, version 4",
            "arrivals was not delivered",
            "isotonic, on the newest 5 partitions",
            "a" * 64,
            "d" * 64,
            "line__alpha",
            "calibrated: error 0.0123 (limit 0.05)",
            "-0.0123 (-0.02 to -0.004)",
            f"nightjar models {document['job']['name']}",
            "by a key that is accepted here",
            "Outcomes are known 1 day after the partition.",
            "Bonn",
        ):
            assert told in text, (name, told)


def test_what_is_mirrored_has_no_value_of_a_segment(files: dict[str, bytes]) -> None:
    mirrored = {name: content for name, content in files.items() if name.startswith("mirrored/")}
    assert {"mirrored/card.md", "mirrored/card.html", "mirrored/plots/calibration.svg"} < set(mirrored)
    assert not [name for name, content in mirrored.items() if b"Bonn" in content or b"Trier" in content]
    assert b"| town | 2 |" in mirrored["mirrored/card.md"]


def test_a_first_model_has_a_card_without_a_champion(tmp_path: Path) -> None:
    files = write(tmp_path, make_document(champion=False))
    assert b"champion 2" not in files["card.html"]
    assert b"champion None" not in b"".join(files.values())


def test_a_new_card_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    write(tmp_path, make_document("regression"))
    files = write(tmp_path, make_document("binary"))
    assert not [name for name in files if "residuals" in name]


def test_a_version_without_a_card_is_told_with_those_that_have_one(tmp_path: Path) -> None:
    write(tmp_path, make_document())
    cards = ModelCards(Lake(str(tmp_path)), "parcels")
    assert cards.read_mirrored("4") == {}
    with pytest.raises(NotReadyError, match="model 4 has no card") as caught:
        cards.read("4", "card.md")
    assert caught.value.expected == "one of 3"
    assert caught.value.next_step
