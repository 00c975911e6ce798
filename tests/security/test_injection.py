"""What upstream or an operator writes stays data: in Redis, in the lake's paths, in pages, logs, tables and SQL."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.console import Console

from nightjar_dags.alerts import describe_failure
from pipeline.alerts import to_json, write_text
from pipeline.cli import output
from pipeline.errors import CONTROLS, BadInputError, NightjarError, escape_controls
from pipeline.job import Job
from pipeline.serving import Reader
from pipeline.stores.data_docs import DataDocs
from pipeline.stores.deliveries import DeliveredFile, Deliveries
from pipeline.stores.lake import Lake
from pipeline.stores.model_cards.rendering import render_card
from pipeline.stores.predictions import PredictionStore
from pipeline.tasks.runs import _folder_name
from tests.meter_readings.job import JOB
from tests.stores.model_cards.documents import make_document
from tests.stores.predictions.samples import load_generation, make_table

HOSTILE = [
    "../../etc/passwd",
    "..",
    ".",
    "/etc/passwd",
    "a/b\\c",
    "file\0name",
    "*3\r\n$3\r\nDEL\r\n$1\r\na\r\n",
    "x\r\n$8\r\nFLUSHALL\r\n",
    "\nERROR forged line",
    "\r\n2026-01-01 INFO all is well",
    "\u2028forged",
    "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "\x9b31m",
    "\u202egnp.exe",
    "[bold red]markup[/bold red]",
    "[/]",
    "[link=http://evil.example]x[/link]",
    ":bomb:",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "{% raw %}",
    "$column",
    "'; DROP TABLE runs; --",
    "%s%n",
    "-rf",
    "~root",
    "C" * 5000,
]
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=80), st.lists(st.sampled_from(HOSTILE)).map("".join))
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


UNESCAPED = re.compile(r"\\.")
"""What Markdown takes as it is."""


class Structure(HTMLParser):
    """The tags of a page with the names of their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@given(ids=st.lists(TEXTS, min_size=1, max_size=20, unique=True))
@example(ids=HOSTILE)
@settings(SHARED, max_examples=60)
def test_ids_are_refused_or_come_back_as_they_are(ids: list[str], redis_url: str, client: redis.Redis) -> None:
    """And Redis holds Nightjar's keys and no others: nothing in an id is taken for a command."""
    store = PredictionStore(redis_url, lambda: datetime.now(UTC))
    wanted = {entity_id: number / 7 for number, entity_id in enumerate(ids)}
    fine = [each for each in ids if 0 < len(each.encode()) <= 64 and not re.search(r"[\x00-\x1f\x7f-\x9f]", each)]
    try:
        load = load_generation(store, {name: round(score, 6) for name, score in wanted.items()})
    except BadInputError:
        assert len(fine) < len(ids)
    else:
        assert fine == ids
        store.flip("parcels", load.generation, load.token)
        reader = Reader(redis_url, "parcels", live_seconds=0)
        answers = reader.get_many(ids)
        assert {name: answer.value for name, answer in answers.items()} == {
            name: round(score, 6) for name, score in wanted.items()
        }
        reader.close()
    finally:
        store.close()
    assert all(key.startswith(b"nightjar:") for key in client.scan_iter())


@given(texts=st.lists(st.text(max_size=12), min_size=1, max_size=10))
@settings(SHARED, max_examples=40)
def test_predictions_of_text_are_refused_or_come_back_as_they_are(texts: list[str], redis_url: str) -> None:
    store = PredictionStore(redis_url, lambda: datetime.now(UTC))
    wanted: dict[str, Any] = {f"id {number}": text for number, text in enumerate(texts)}
    try:
        load = load_generation(store, wanted)
        store.flip("parcels", load.generation, load.token)
    except BadInputError:
        return
    finally:
        store.close()
    reader = Reader(redis_url, "parcels")
    found = reader.get_many(list(wanted))
    reader.close()
    assert {name: answer.value for name, answer in found.items()} == wanted


@given(path=TEXTS)
@SHARED
def test_no_path_leaves_the_lake(path: str, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    try:
        full = lake.url(path).removeprefix("file://")
    except ValueError:
        return
    resolved = Path(full.replace("\0", "")).resolve()
    assert resolved.is_relative_to((tmp_path / "lake").resolve())


@given(run=TEXTS, other=TEXTS)
def test_every_run_has_a_folder_of_its_own_below_its_partition(run: str, other: str) -> None:
    name = _folder_name(run)
    assert re.fullmatch(r"[A-Za-z0-9_~%-][A-Za-z0-9_.~%-]*", name)
    assert len(name) <= 255
    assert (name == _folder_name(other)) == (run == other)


@given(name=TEXTS)
def test_files_of_a_delivery_lie_in_its_folder(name: str) -> None:
    try:
        file = DeliveredFile(name=name, rows=1, bytes=1, sha256="0" * 64)
    except ValidationError:
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", file.name)


@pytest.mark.parametrize("folder", ["partition=2024-03-04<b>", "partition=", "partition=2024-03-0", "2024-03-04"])
def test_folders_of_other_names_are_no_partitions(tmp_path: Path, folder: str) -> None:
    lake = Lake(str(tmp_path))
    lake.replace(f"upstream/tariffs/{folder}/delivery=0/_delivery.json", b"{}")
    assert Deliveries(lake).partitions("tariffs") == []
    assert Deliveries(lake).newest_as_of("tariffs", "2024-03-09") is None


@given(name=TEXTS)
def test_names_of_jobs_are_fit_for_keys_paths_and_queries(name: str) -> None:
    """They stand in keys, in paths, in DAG ids and in the filter of an MLflow query."""
    try:
        job = Job.model_validate(JOB.model_dump() | {"name": name})
    except ValidationError:
        return
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", job.name)


def describe_source(text: str) -> dict[str, Any]:
    """A source whose every text is ``text``."""
    result = {
        "over": "batch",
        "expectation": "expect_column_values_to_be_in_set",
        "expected": {"column": text, "value_set": [text]},
        "severity": "critical",
        "column": text,
        "observed": {
            "element_count": 10,
            "missing_count": 0,
            "unexpected_count": 3,
            "unexpected_percent": 30.0,
            "value": text,
        },
        "note": text,
        "evaluated": True,
        "success": False,
    }
    difference = {
        "column": text,
        "expected": text,
        "found": text,
        "verdict": text,
        "is_refused": True,
        "renamed_to": text,
    }
    return {
        "received": 12,
        "quarantined": 2,
        "reasons": {text: 2},
        "refused": text,
        "schema": [difference],
        "verdict": {
            "success": False,
            "blocking": [text],
            "warnings": [text],
            "planned": 1,
            "evaluated": 1,
            "rows": 10,
            "rows_planned": 10,
            "rows_seen": 10,
            "sampled": False,
            "results": [result],
        },
    }


@cache
def render_harmless() -> list[Structure]:
    with tempfile.TemporaryDirectory() as folder:
        return render(Path(folder), "harmless")


def render(folder: Path, text: str) -> list[Structure]:
    lake = Lake(str(folder))
    docs = DataDocs(lake, "parcels")
    pages = [docs.write_night("2024-05-01", {"orders": describe_source(text)}), docs.index]
    return [Structure(lake.read_bytes(page).decode()) for page in pages]


@given(text=TEXTS.filter(str.strip))
@settings(SHARED, max_examples=30)
def test_no_text_brings_an_element_into_a_page_of_the_data_docs(text: str, tmp_path: Path) -> None:
    """Great Expectations turns ends of lines into line breaks."""
    for expected, found in zip(render_harmless(), render(tmp_path, text), strict=True):
        assert set(found.tags) - {("br", ())} <= set(expected.tags)


@cache
def make_card(task: str) -> dict[str, Any]:
    return make_document(task, "HARMLESS")


def put_into(value: Any, text: str) -> Any:
    """The same document with ``text`` in the place of what upstream calls a segment."""
    if isinstance(value, dict):
        return {name: put_into(part, text) for name, part in value.items()}
    if isinstance(value, list):
        return [put_into(part, text) for part in value]
    return text if value == "HARMLESS" else value


def render_card_of(text: str) -> dict[str, str]:
    document = put_into(make_card("binary"), text) | {"caveats": [text]}
    document["verdict"] = document["verdict"] | {"why": text}
    document["data"] = document["data"] | {"left_out": {"2024-05-01": text}}
    return {name: content.decode() for name, content in render_card(document).items()}


@cache
def render_harmless_card() -> dict[str, str]:
    return render_card_of("harmless")


@given(text=TEXTS)
@settings(SHARED, max_examples=15)
def test_no_text_brings_an_element_into_a_card_or_breaks_its_plots(text: str) -> None:
    """The text of a card is Markdown, in which HTML would be HTML, and a line or a bar would be another row."""
    files, harmless = render_card_of(text), render_harmless_card()
    assert set(Structure(files["card.html"]).tags) <= set(Structure(harmless["card.html"]).tags)
    for name, content in files.items():
        if name.endswith(".svg"):
            ElementTree.fromstring(content)  # noqa: S314 - our own, and broken by nothing that it quotes
            assert set(Structure(content).tags) <= set(Structure(harmless[name]).tags)
    lines, expected = (each["card.md"].split("\n") for each in (files, harmless))
    assert [UNESCAPED.sub("", line).count("|") for line in lines] == [line.count("|") for line in expected]
    for line in lines:
        assert not CONTROLS.search(line)
        assert not re.search(r"<[a-zA-Z/!]", line)
        assert not re.search(r"(?<!\\)\]\((?!plots/)", UNESCAPED.sub("", line))


@given(parts=st.fixed_dictionaries(dict.fromkeys(("problem", "expected", "found", "next_step"), TEXTS)))
def test_no_part_of_an_error_forges_a_line_of_the_log(parts: dict[str, str]) -> None:
    first, *further = str(NightjarError(parts.pop("problem"), **parts)).split("\n")
    assert not CONTROLS.search(first)
    labels = [line for line in further if not line.startswith("    ")]
    assert [re.match(r"  (expected|found|what to do): ", line) is not None for line in labels] == [True] * 3
    assert not any(CONTROLS.search(line) for line in further)


@given(text=TEXTS)
def test_an_alert_is_one_line_whatever_the_error_says(text: str) -> None:
    error = NightjarError(text, partition="2024-03-03", expected=text, found=text, next_step=text)
    instance = SimpleNamespace(task_id="ingest", run_id="manual", try_number=1, dag_id="nightly")
    alert = describe_failure(JOB, {"ti": instance, "exception": error}, datetime(2024, 3, 4, tzinfo=UTC), "runbooks")
    assert not CONTROLS.search(write_text(alert))
    assert not re.search("[<>]", to_json(alert)["text"])


@given(text=TEXTS)
def test_escaping_leaves_plain_text_alone_and_can_be_done_twice(text: str) -> None:
    escaped = escape_controls(text)
    assert not CONTROLS.search(escaped)
    assert escape_controls(escaped) == escaped
    if not CONTROLS.search(text):
        assert escaped == text


def print_to_terminal(monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    """What a terminal in colour is sent of a table and an error that hold ``text``."""
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=160, color_system="standard")
    with monkeypatch.context() as patch:
        patch.setattr(output, "console", terminal)
        patch.setattr(output, "error_console", terminal)
        output.print_table(text, ("id", "value"), [(text, None)])
        output.print_error(NightjarError(text, found=text), as_json=False)
    return stream.getvalue()


@given(text=TEXTS)
@SHARED
def test_tables_and_errors_show_text_as_it_is_and_steer_no_terminal(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = re.sub(r"\x1b\[[0-9;]*m", "", print_to_terminal(monkeypatch, text))
    assert not CONTROLS.search(shown.replace("\n", ""))
    styles = set(re.findall(r"\x1b\[[0-9;]*m", print_to_terminal(monkeypatch, text)))
    assert styles <= set(re.findall(r"\x1b\[[0-9;]*m", print_to_terminal(monkeypatch, "harmless")))


@pytest.mark.parametrize("text", ["[bold red]markup[/bold red]", "[/]", ":bomb:", "[link=http://evil.example]x[/link]"])
def test_markup_is_shown_and_not_followed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert print_to_terminal(monkeypatch, text).count(text) == 4


def test_the_texts_are_hostile() -> None:
    """The properties above are worth as much as what they are tried with."""
    assert make_table(dict.fromkeys(HOSTILE, 1.0)).schema.field("entity_id").type == pa.string()
    assert sum(CONTROLS.search(text) is not None for text in HOSTILE) >= 8
