"""What the page about deployment tells people to paste for a lake on an object store: the override, and the rights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import jsonschema  # type: ignore[import-untyped]  # no stubs among the dependencies
import pytest
import yaml

from pipeline.errors import UnavailableError
from pipeline.stores.lake import Lake
from tests.deploy.compose import ROOT, load_schema, load_services
from tests.object_store import BUCKET, ObjectStore

PAGE = (ROOT / "docs/deployment.md").read_text()
(OVERRIDE,) = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
(POLICY,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
Restrict = Callable[..., None]
LAKE = f"s3://{BUCKET}/prefix"


def test_the_override_follows_the_compose_specification() -> None:
    jsonschema.Draft202012Validator(load_schema()).validate(OVERRIDE)


def test_the_override_reaches_every_service_with_the_lake_and_no_other() -> None:
    with_lake = {
        name
        for name, service in load_services().items()
        if any(volume.startswith("lake:") for volume in service.get("volumes", ()))
    }
    assert set(OVERRIDE["services"]) == with_lake
    assert all("AWS_SECRET_ACCESS_KEY" in service["environment"] for service in OVERRIDE["services"].values())


@pytest.fixture
def restrict(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Restrict:
    """Have the object store ask for rights, and be somebody who has these."""

    def restrict_to(*actions: str) -> None:
        policy = json.loads(POLICY.replace("bucket", BUCKET))
        objects = policy["Statement"][1]
        objects["Action"] = [action for action in objects["Action"] if not actions or action in actions]
        for name, value in object_store.ask_for_rights(json.dumps(policy)).items():
            monkeypatch.setenv(name, value)

    return restrict_to


def test_the_rights_suffice_for_everything_that_a_lake_does(restrict: Restrict) -> None:
    restrict()
    lake = Lake(LAKE)
    assert lake.put_if_absent("a/b.txt", b"content")
    assert not lake.put_if_absent("a/b.txt", b"content")
    lake.replace("a/c.txt", b"content")
    assert (lake.read_bytes("a/b.txt"), lake.size("a/c.txt")) == (b"content", 7)
    with lake.open("a/b.txt") as stream:
        assert stream.read() == b"content"
    assert (lake.list("a"), len(list(lake.walk("a")))) == (["b.txt", "c.txt"], 2)
    assert (lake.exists("a"), lake.exists("b"), lake.list("b")) == (True, False, [])
    assert not lake.keeps_versions("a/b.txt")
    lake.remove("a")
    assert not lake.exists("a")


def test_the_rights_end_with_the_prefix(restrict: Restrict) -> None:
    restrict()
    with pytest.raises(UnavailableError, match="does not let this user"):
        Lake(f"s3://{BUCKET}/elsewhere").put_if_absent("a.txt", b"")


def test_what_only_reads_needs_the_first_two_actions(object_store: ObjectStore, restrict: Restrict) -> None:
    object_store.client().put_object(Bucket=BUCKET, Key="prefix/a/b.txt", Body=b"content")
    restrict("s3:GetObject")
    lake = Lake(LAKE)
    assert lake.read_bytes("a/b.txt") == b"content"
    assert (lake.list("a"), lake.exists("c")) == (["b.txt"], False)
    with pytest.raises(UnavailableError, match="does not let this user"):
        lake.replace("a/b.txt", b"")
    with pytest.raises(UnavailableError, match="does not let this user"):
        lake.remove("a")
