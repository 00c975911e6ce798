"""What every lake keeps to: on a local disk, on a file system of fsspec's, and on an object store."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest

from pipeline.errors import DamagedError, DeclarationError
from pipeline.stores.lake import Lake


@pytest.fixture(params=["disk", "memory", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "s3":
        request.getfixturevalue("object_store")
    roots = {"disk": str(tmp_path / "lake"), "memory": f"memory://{uuid.uuid4().hex}", "s3": "s3://lake/of/nightjar"}
    return Lake(roots[request.param])


def test_what_was_put_is_read_again(lake: Lake) -> None:
    assert lake.put_if_absent("a/b/c.txt", b"content")
    assert lake.read_bytes("a/b/c.txt") == b"content"
    with lake.open("a/b/c.txt") as stream:
        assert stream.read(3) == b"con"


def test_the_size_of_a_file_is_told(lake: Lake) -> None:
    lake.put_if_absent("a/b.txt", b"content")
    assert lake.size("a/b.txt") == 7
    with pytest.raises(FileNotFoundError):
        lake.size("a/c.txt")


def test_every_file_below_a_folder_is_listed_with_its_size_and_time(lake: Lake) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    for path in ("a/b/c.txt", "a/.d.unfinished", "e.txt"):
        lake.put_if_absent(path, b"content")
    found = list(lake.walk("a"))
    assert [(file.path, file.bytes) for file in found] == [("a/.d.unfinished", 7), ("a/b/c.txt", 7)]
    assert all(before < file.modified < before + timedelta(minutes=5) for file in found)
    assert list(lake.walk("nowhere")) == []


def test_the_room_on_a_disk_is_told_and_that_of_an_object_store_is_not(tmp_path: Path) -> None:
    usage = Lake(str(tmp_path / "not there yet")).disk_usage()
    assert usage is not None
    assert 0 < usage[1] <= usage[0]
    assert Lake("memory://anywhere").disk_usage() is None


def test_what_is_there_is_not_put_again(lake: Lake) -> None:
    assert lake.put_if_absent("a.txt", b"first")
    assert not lake.put_if_absent("a.txt", b"second")
    assert lake.read_bytes("a.txt") == b"first"


def test_replace_overwrites(lake: Lake) -> None:
    lake.replace("a/b.txt", b"first")
    lake.replace("a/b.txt", b"second")
    assert lake.read_bytes("a/b.txt") == b"second"


def test_what_is_absent_is_told(lake: Lake) -> None:
    assert not lake.exists("a/b.txt")
    for read in (lake.read_bytes, lake.read_json, lake.open):
        with pytest.raises(FileNotFoundError):
            read("a/b.txt")


def test_a_folder_exists_with_what_is_in_it(lake: Lake) -> None:
    lake.replace("a/b/c.txt", b"")
    assert lake.exists("a/b")
    assert lake.exists("a/b/c.txt")
    assert not lake.exists("a/c")


def test_names_are_listed_in_order_and_without_their_folder(lake: Lake) -> None:
    for name in ("b.txt", "a.txt", "c/d.txt"):
        lake.replace(f"folder/{name}", b"")
    assert lake.list("folder") == ["a.txt", "b.txt", "c"]
    assert lake.list("folder/a.txt") == lake.list("nowhere") == []


def test_remove_takes_a_file_or_a_folder_and_minds_neither_being_gone(lake: Lake) -> None:
    for name in ("a/b.txt", "a/c/d.txt", "e.txt"):
        lake.replace(name, b"")
    for path in ("a/b.txt", "a/c", "a/c"):
        lake.remove(path)
    assert not lake.exists("a/b.txt")
    assert not lake.exists("a/c/d.txt")
    assert lake.exists("e.txt")


def test_a_name_that_begins_like_another_is_another(lake: Lake) -> None:
    for name in ("a/b/c.txt", "a/b-c/d.txt", "a/b.txt"):
        lake.replace(name, b"")
    assert [file.path for file in lake.walk("a/b")] == ["a/b/c.txt"]
    assert lake.list("a/b") == ["c.txt"]
    lake.remove("a/b")
    assert [file.path for file in lake.walk("a")] == ["a/b-c/d.txt", "a/b.txt"]


def test_a_file_is_read_from_anywhere_in_it(lake: Lake) -> None:
    lake.replace("a.txt", b"0123456789")
    with lake.open("a.txt") as stream:
        assert stream.seek(-3, 2) == 7
        assert stream.read(2) == b"78"
        assert stream.seek(1) == 1
        assert stream.read() == b"123456789"
        assert stream.read() == b""


def test_an_empty_file_is_a_file(lake: Lake) -> None:
    assert lake.put_if_absent("a.txt", b"")
    assert not lake.put_if_absent("a.txt", b"more")
    assert lake.read_bytes("a.txt") == b""
    with lake.open("a.txt") as stream:
        assert stream.read() == b""


def test_what_was_removed_may_be_put_again(lake: Lake) -> None:
    for content in (b"first", b"second"):
        assert lake.put_if_absent("a.txt", content)
        assert not lake.put_if_absent("a.txt", b"other")
        assert lake.read_bytes("a.txt") == content
        lake.remove("a.txt")


def test_no_older_version_is_kept(lake: Lake) -> None:
    lake.replace("a.txt", b"")
    assert not lake.keeps_versions("a.txt")


def test_json_is_canonical(lake: Lake) -> None:
    assert lake.put_json_if_absent("a.json", {"b": [1, "ö"], "a": None})
    assert lake.read_bytes("a.json") == '{"a":null,"b":[1,"ö"]}'.encode()
    assert not lake.put_json_if_absent("a.json", {})
    lake.replace_json("a.json", {})
    assert lake.read_json("a.json") == {}


def test_a_broken_document_is_named(lake: Lake) -> None:
    lake.replace("a.json", b'{"a":')
    with pytest.raises(DamagedError, match=r"a\.json is not JSON") as caught:
        lake.read_json("a.json")
    assert caught.value.found
    assert caught.value.next_step


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../a", "a/../../b", "a/.."])
def test_no_path_leads_out_of_the_lake(lake: Lake, path: str) -> None:
    for reach in (lake.read_bytes, lake.exists, lake.list, lake.remove, lake.url):
        with pytest.raises(ValueError, match="not a path inside the lake"):
            reach(path)
    with pytest.raises(ValueError, match="not a path inside the lake"):
        lake.replace(path, b"")


def test_an_address_says_where_a_file_is(tmp_path: Path) -> None:
    assert Lake("s3://bucket/prefix/").url("a/b.txt") == "s3://bucket/prefix/a/b.txt"
    assert Lake("s3://bucket").root == "s3://bucket"
    assert Lake(str(tmp_path)).url("a/b.txt") == f"file://{tmp_path}/a/b.txt"
    assert Lake("memory://lake").url("a.txt") == "memory:///lake/a.txt"
    assert Lake(f"file://{tmp_path}").root == f"file://{tmp_path}"


def test_nothing_unfinished_is_left_or_listed(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.put_if_absent("a/b.txt", b"first")
    lake.put_if_absent("a/b.txt", b"second")
    lake.replace("a/b.txt", b"third")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]
    (tmp_path / "a" / ".c.txt.4711").write_bytes(b"of a writer that was killed")
    assert lake.list("a") == ["b.txt"]


def test_what_another_program_wrote_is_seen_at_once() -> None:
    root = f"memory://lake-{uuid.uuid4().hex}"
    lake = Lake(root)
    assert lake.list("a") == []
    fsspec.filesystem("memory").pipe_file(f"{root.removeprefix('memory:/')}/a/b.txt", b"")
    assert lake.list("a") == ["b.txt"]
    assert lake.exists("a/b.txt")


def test_an_address_of_an_unknown_kind_is_declared_wrongly() -> None:
    with pytest.raises(DeclarationError, match="cannot be opened: carrier-pigeon://") as caught:
        Lake("carrier-pigeon://loft/lake")
    assert caught.value.next_step
