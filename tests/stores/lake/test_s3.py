"""What an object store does that a disk does not: answers get lost, servers are busy, rights are missing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pyarrow.parquet as pq
import pytest

from pipeline.errors import DamagedError, UnavailableError
from pipeline.stores.lake import Lake
from tests.faulty_proxy import FaultyProxy, run_proxy
from tests.object_store import BUCKET, PAGE, SECRET, ObjectStore

ROOT = f"s3://{BUCKET}/of/nightjar"
NO_RIGHTS = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}'
MANY = 101 * 2**20
"""Bytes of an object that is uploaded in parts."""


@pytest.fixture
def lake(object_store: ObjectStore) -> Lake:
    return Lake(ROOT)


@pytest.fixture
def proxy(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """Stands between the lake and the object store."""
    with run_proxy(object_store.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def list_keys(store: ObjectStore) -> list[str]:
    return [item["Key"] for item in store.client().list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_objects_are_named_by_prefix_and_path(lake: Lake, object_store: ObjectStore) -> None:
    lake.put_if_absent("a/b.txt", b"content")
    Lake(f"s3://{BUCKET}").replace("c.txt", b"")
    assert list_keys(object_store) == ["c.txt", "of/nightjar/a/b.txt"]


def test_what_another_program_wrote_is_seen_at_once(lake: Lake, object_store: ObjectStore) -> None:
    client = object_store.client()
    lake.put_if_absent("a/b.txt", b"first")
    assert (lake.list("a"), lake.exists("a/c"), lake.size("a/b.txt")) == (["b.txt"], False, 5)
    client.put_object(Bucket=BUCKET, Key="of/nightjar/a/b.txt", Body=b"the second")
    client.put_object(Bucket=BUCKET, Key="of/nightjar/a/c/d.txt", Body=b"")
    assert (lake.list("a"), lake.exists("a/c"), lake.size("a/b.txt")) == (["b.txt", "c"], True, 10)
    assert [file.path for file in lake.walk("a")] == ["a/b.txt", "a/c/d.txt"]
    assert not lake.put_if_absent("a/c/d.txt", b"ours")
    client.delete_object(Bucket=BUCKET, Key="of/nightjar/a/c/d.txt")
    assert (lake.list("a"), lake.exists("a/c")) == (["b.txt"], False)


def test_the_mark_of_a_folder_that_a_console_leaves_is_no_file(lake: Lake, object_store: ObjectStore) -> None:
    object_store.client().put_object(Bucket=BUCKET, Key="of/nightjar/a/", Body=b"")
    assert (lake.list("a"), list(lake.walk("a"))) == ([], [])


def test_more_objects_than_one_answer_lists_are_all_listed_and_removed(lake: Lake, object_store: ObjectStore) -> None:
    client = object_store.client()
    names = [f"{number:02d}" for number in range(2 * PAGE + 1)]
    for name in names:
        client.put_object(Bucket=BUCKET, Key=f"of/nightjar/a/{name}", Body=b"")
    assert lake.list("a") == names
    assert len(list(lake.walk("a"))) == len(names)
    lake.remove("a")
    assert list_keys(object_store) == []


def test_an_object_is_read_in_one_request(lake: Lake, proxy: FaultyProxy) -> None:
    """Ranges that are read beside one another could be of two versions of it."""
    lake.replace("a.txt", b"content")
    proxy.requests.clear()
    assert lake.read_bytes("a.txt") == b"content"
    assert proxy.requests == ["GET /lake/of/nightjar/a.txt"]


def test_a_busy_server_is_asked_again(lake: Lake, proxy: FaultyProxy) -> None:
    for method in ("PUT", "HEAD", "GET", "DELETE"):
        proxy.spoil(method, "busy", times=2)
    assert lake.put_if_absent("a.txt", b"content")
    assert lake.size("a.txt") == 7
    assert lake.read_bytes("a.txt") == b"content"
    lake.remove("a.txt")
    assert not lake.exists("a.txt")
    assert proxy.faults == []


def test_a_commit_whose_answer_was_lost_has_won(lake: Lake, proxy: FaultyProxy) -> None:
    """The library sends it again, and is refused because of the first."""
    proxy.spoil("PUT", "lost")
    assert lake.put_if_absent("a.txt", b"content")
    assert [request.partition(" ")[0] for request in proxy.requests] == ["PUT", "PUT", "HEAD"]
    assert not lake.put_if_absent("a.txt", b"content"), "the same bytes of another writer are not its own"


def test_a_commit_that_lost_and_whose_answer_was_lost_has_lost(
    lake: Lake, proxy: FaultyProxy, object_store: ObjectStore
) -> None:
    object_store.client().put_object(Bucket=BUCKET, Key="of/nightjar/a.txt", Body=b"another's")
    proxy.spoil("PUT", "lost")
    assert not lake.put_if_absent("a.txt", b"content")
    assert lake.read_bytes("a.txt") == b"another's"


def test_a_commit_that_a_removal_came_between_is_tried_again(
    lake: Lake, proxy: FaultyProxy, object_store: ObjectStore
) -> None:
    """What was in the way is gone by the time that it is asked for."""
    lake.replace("a.txt", b"another's")
    proxy.spoil("HEAD", "held")
    remover = threading.Thread(target=remove_when_reached, args=(proxy, object_store))
    remover.start()
    assert lake.put_if_absent("a.txt", b"content")
    remover.join()
    assert lake.read_bytes("a.txt") == b"content"


def remove_when_reached(proxy: FaultyProxy, store: ObjectStore) -> None:
    proxy.reached.wait(60)
    store.client().delete_object(Bucket=BUCKET, Key="of/nightjar/a.txt")
    proxy.release.set()


def test_a_big_object_is_put_in_parts_and_appears_whole(
    lake: Lake, proxy: FaultyProxy, object_store: ObjectStore
) -> None:
    content = bytes(MANY)
    proxy.spoil("POST", "held", where="uploadId")
    won: list[bool] = []
    writer = threading.Thread(target=lambda: won.append(lake.put_if_absent("big", content)))
    writer.start()
    assert proxy.reached.wait(60)
    assert list_keys(object_store) == []
    proxy.release.set()
    writer.join()
    assert won == [True]
    assert lake.read_bytes("big") == content
    assert not lake.put_if_absent("big", content)
    assert "Uploads" not in object_store.client().list_multipart_uploads(Bucket=BUCKET), "no part is left behind"


def test_an_object_that_was_replaced_while_it_was_read_is_not_mixed(lake: Lake) -> None:
    lake.replace("a", bytes(MANY))
    with lake.open("a") as stream:
        stream.read(10)
        lake.replace("a", b"x" * MANY)
        stream.seek(-10, 2)
        with pytest.raises(UnavailableError, match="somebody else replaced"):
            stream.read(10)


def test_bytes_that_were_altered_are_told_apart(lake: Lake, proxy: FaultyProxy) -> None:
    lake.replace("a.txt", b"content")
    proxy.spoil("GET", "altered")
    with pytest.raises(DamagedError, match=r"not what was put: s3://lake/of/nightjar/a\.txt"):
        lake.read_bytes("a.txt")


def test_a_removal_that_is_refused_is_told(lake: Lake, proxy: FaultyProxy) -> None:
    for name in ("a/b.txt", "a/c.txt"):
        lake.replace(name, b"")
    proxy.spoil("DELETE", "forbidden", where="c.txt")
    with pytest.raises(UnavailableError, match="does not let this user"):
        lake.remove("a")
    assert lake.list("a") == ["c.txt"]


ACTIONS: dict[str, Callable[[Lake], object]] = {
    "read": lambda lake: lake.read_bytes("a/b.txt"),
    "open": lambda lake: lake.open("a/b.txt"),
    "size": lambda lake: lake.size("a/b.txt"),
    "exists": lambda lake: lake.exists("a/b.txt"),
    "list": lambda lake: lake.list("a"),
    "walk": lambda lake: list(lake.walk("a")),
    "put": lambda lake: lake.put_if_absent("a/b.txt", b""),
    "replace": lambda lake: lake.replace("a/b.txt", b""),
    "remove": lambda lake: lake.remove("a"),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_bucket_that_is_not_there_is_no_empty_lake(action: str, object_store: ObjectStore) -> None:
    with pytest.raises(UnavailableError, match="no such bucket: s3://nowhere/lake") as caught:
        ACTIONS[action](Lake("s3://nowhere/lake"))
    assert caught.value.next_step


@pytest.mark.parametrize("action", ACTIONS)
def test_rights_that_are_missing_are_told(
    action: str, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in object_store.ask_for_rights(NO_RIGHTS).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnavailableError, match="does not let this user do that: s3://lake/of/nightjar/a") as caught:
        ACTIONS[action](Lake(ROOT))
    assert caught.value.next_step


@pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_keys_that_are_not_accepted_are_told_and_the_secret_is_not(
    wrong: str, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**object_store.ask_for_rights(NO_RIGHTS), wrong: SECRET}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnavailableError, match="does not accept the credentials") as caught:
        Lake(ROOT).put_if_absent("a.txt", b"")
    assert caught.value.next_step
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)


def test_a_server_that_is_down_is_told(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(UnavailableError, match="does not answer") as caught:
        lake.list("a")
    assert "127.0.0.1:1" in str(caught.value.found)
    assert caught.value.next_step


def test_missing_credentials_are_told(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(UnavailableError, match="no credentials"):
        lake.read_bytes("a.txt")


def test_a_failure_in_the_middle_of_a_table_is_that_of_the_store(lake: Lake, proxy: FaultyProxy) -> None:
    """And not that of a table that is damaged."""
    lake.replace("a.parquet", b"x" * 100)
    proxy.spoil("GET", "forbidden")
    with lake.open("a.parquet") as stream, pytest.raises(UnavailableError):
        pq.ParquetFile(stream)


def test_a_bucket_that_keeps_versions_is_told(lake: Lake, object_store: ObjectStore) -> None:
    lake.replace("a.txt", b"")
    assert not lake.keeps_versions("a.txt")
    object_store.client().put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    lake.replace("a.txt", b"")
    assert lake.keeps_versions("a.txt")
