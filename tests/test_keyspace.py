"""What publishers and readers agree on."""

from __future__ import annotations

import json
import unicodedata
import zlib
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import keyspace
from pipeline.errors import BadInputError, DamagedError
from pipeline.keyspace import Header

HEADER = Header(
    job="parcels",
    generation="42-9f3a",
    partition="2013-04-01",
    cutoff=datetime(2013, 4, 2, 8, tzinfo=UTC),
    model_version="7",
    feature_set="parcels@1",
    rows=1000,
    buckets=16,
    columns=("score",),
    published_at=datetime(2013, 4, 2, 9, 30, tzinfo=UTC),
    max_age_seconds=None,
    manifest="ab" * 32,
)


def test_control_keys_share_a_slot_and_data_keys_spread() -> None:
    names = [name for name in vars(keyspace) if name.endswith("_key") and not name.startswith("_")]
    data = ("bucket_key", "prior_key", "reasons_key")
    control = [getattr(keyspace, name)("parcels") for name in names if name not in data]
    assert len(control) == 11
    assert all(key.startswith("nightjar:{parcels}:") for key in control)
    assert len(set(control)) == len(control)
    assert keyspace.live_key("parcels") == "nightjar:{parcels}:live"
    assert keyspace.bucket_key("parcels", "42-9f3a", 7) == "nightjar:parcels:42-9f3a:7"
    assert keyspace.prior_key("parcels", "42-9f3a") == "nightjar:parcels:42-9f3a:prior"
    assert keyspace.reasons_key("parcels", "42-9f3a", 3) == "nightjar:parcels:42-9f3a:reasons:3"


def test_buckets_follow_the_crc32_of_zlib() -> None:
    assert keyspace.bucket_of("123456789", 1_000_003) == 0xCBF43926 % 1_000_003
    assert keyspace.bucket_of("Zürich", 97) == zlib.crc32("Zürich".encode()) % 97


@given(st.text(min_size=1), st.integers(1, 64), st.integers(1, 1000))
def test_an_entity_of_a_shard_is_in_a_bucket_of_that_shard(entity_id: str, shards: int, multiple: int) -> None:
    entity_id = entity_id.encode(errors="replace").decode()
    bucket = keyspace.bucket_of(entity_id, shards * multiple)
    assert bucket % shards == keyspace.shard_of(entity_id, shards)


@given(st.integers(1, 10**9), st.integers(1, 1024))
def test_buckets_are_a_multiple_of_the_shards_with_about_64_entries(rows: int, shards: int) -> None:
    buckets = keyspace.choose_buckets(rows, shards)
    if buckets is None:
        assert rows < 48 * shards
    else:
        assert buckets % shards == 0
        assert 42 <= rows / buckets <= 128


@pytest.mark.parametrize("shards", [1, 4, 8, 16])
def test_numbered_ids_leave_no_bucket_empty(shards: int) -> None:
    rows = 50_000
    buckets = keyspace.choose_buckets(rows, shards)
    assert buckets is not None
    assert len({keyspace.bucket_of(f"{number:08d}", buckets) for number in range(rows)}) == buckets


@given(st.sets(st.integers(0, 2**32 - 1), min_size=1, max_size=500))
def test_buckets_chosen_for_ids_are_all_filled(checksums: set[int]) -> None:
    buckets = keyspace.choose_buckets_for(checksums)
    assert {checksum % buckets for checksum in checksums} == set(range(buckets))


@given(st.text(max_size=70))
def test_entity_ids_are_1_to_64_bytes_without_control_characters(text: str) -> None:
    allowed = 1 <= len(text.encode(errors="replace")) <= 64 and not any(
        unicodedata.category(character) in {"Cc", "Cs"} for character in text
    )
    if allowed:
        keyspace.check_entity_id(text)
    else:
        with pytest.raises(BadInputError):
            keyspace.check_entity_id(text)


@pytest.mark.parametrize("text", ["", "a\x00b", "a\rb", "a\nb", "\x7f", "\x80", "x" * 65, "é" * 33, "\ud800"])
def test_bad_entity_ids_are_refused(text: str) -> None:
    with pytest.raises(BadInputError):
        keyspace.check_entity_id(text)


@pytest.mark.parametrize("text", ["a b", "Zürich", "東京 7", "🛫", "x" * 64, "\u00a0"])
def test_good_entity_ids_are_not(text: str) -> None:
    keyspace.check_entity_id(text)


def test_a_generation_is_named_by_its_token_and_a_suffix() -> None:
    assert keyspace.generation_name(42, "9f3a") == "42-9f3a"
    assert keyspace.token_of("42-9f3a") == 42
    assert [keyspace.token_of(name) for name in ("pins", "42", "42-9F3A", "0-9f3a", "042-9f3a", "42-9f3a\n")] == [
        None
    ] * 6


def test_a_header_survives_the_round_trip() -> None:
    assert Header.from_json(HEADER.to_json()) == HEADER
    aged = replace(HEADER, max_age_seconds=60, columns=("class", "share"), caveats=("accepted as it is",))
    assert Header.from_json(aged.to_json()) == aged


def test_a_header_is_json_with_exactly_these_fields() -> None:
    assert json.loads(HEADER.to_json()) == {
        "contract": 1,
        "job": "parcels",
        "generation": "42-9f3a",
        "partition": "2013-04-01",
        "cutoff": "2013-04-02T08:00:00Z",
        "model_version": "7",
        "feature_set": "parcels@1",
        "rows": 1000,
        "buckets": 16,
        "columns": ["score"],
        "published_at": "2013-04-02T09:30:00Z",
        "max_age_seconds": None,
        "manifest": "ab" * 32,
        "inputs": "",
        "basis": "as_corrected",
        "priors": 0,
        "prior_segment": None,
        "caveats": [],
        "reason_buckets": 0,
    }


def test_a_header_of_before_these_fields_can_still_be_read() -> None:
    later = ("inputs", "basis", "priors", "prior_segment", "caveats")
    old = {name: value for name, value in HEADER.to_json_object().items() if name not in later}
    assert Header.from_json(json.dumps(old)) == HEADER


def test_times_in_a_header_are_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    header = replace(HEADER, cutoff=datetime(2013, 4, 2, 17, tzinfo=tokyo))
    assert json.loads(header.to_json())["cutoff"] == "2013-04-02T08:00:00Z"


def test_unknown_fields_of_a_header_are_ignored() -> None:
    later = json.dumps(json.loads(HEADER.to_json()) | {"colour": "blue"})
    assert Header.from_json(later) == HEADER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        HEADER.to_json()[:-1],
        HEADER.to_json().replace('"buckets":16', '"buckets":0'),
        HEADER.to_json().replace('"cutoff":"2013', '"cutoff":"soon'),
        HEADER.to_json().replace("42-9f3a", "latest"),
        HEADER.to_json().replace('"contract":1', '"contract":2'),
    ],
)
def test_what_is_no_header_of_this_contract_is_refused(text: str) -> None:
    with pytest.raises(DamagedError):
        Header.from_json(text)


def test_a_header_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        HEADER.rows = 2  # type: ignore[misc]
