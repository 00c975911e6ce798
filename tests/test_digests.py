"""Digests: SHA-256 of canonical bytes, and of what code means."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.digests import (
    CHUNK_BYTES,
    canonical_json,
    digest_all,
    digest_bytes,
    digest_code,
    digest_declared_code,
    digest_json,
    digest_stream,
    list_modules,
)

DigestOf = Callable[[str], str]

MODULE = '''"""What it is for."""

LIMIT = 1


class Thing:
    """A thing."""

    def grow(self) -> int:
        """More."""
        return LIMIT + 1  # one more
'''


def test_bytes() -> None:
    assert digest_bytes(b"abc") == hashlib.sha256(b"abc").hexdigest()
    assert digest_bytes(memoryview(b"abc")) == digest_bytes(b"abc")


def test_a_stream_longer_than_a_chunk() -> None:
    content = b"x" * (2 * CHUNK_BYTES + 1)
    assert digest_stream(io.BytesIO(content)) == digest_bytes(content)
    assert digest_stream(io.BytesIO()) == digest_bytes(b"")


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.lists(st.booleans())))
def test_json_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    assert digest_json(dict(reversed(value.items()))) == digest_json(value)


def test_json_is_one_text() -> None:
    assert canonical_json({"b": [1, 2.5, None], "a": "ö"}) == '{"a":"ö","b":[1,2.5,null]}'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_takes_no_nan_or_infinity(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json([value])


def test_a_list_is_told_from_its_parts_put_together() -> None:
    assert digest_all(["ab", "c"]) != digest_all(["a", "bc"])
    assert digest_all(["a", "b"]) != digest_all(["b", "a"])


@pytest.fixture
def digest_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DigestOf:
    """The digest of a module with this source."""
    monkeypatch.syspath_prepend(str(tmp_path))
    numbers = iter(range(100))

    def digest(source: str) -> str:
        folder = tmp_path / f"folder{next(numbers)}"
        folder.mkdir()
        (folder / "digested_module.py").write_text(source)
        monkeypatch.syspath_prepend(str(folder))
        digest_code.cache_clear()
        return digest_code("digested_module")

    return digest


@pytest.mark.parametrize(
    ("old", "new"), [("LIMIT = 1", "LIMIT = 2"), ("grow", "shrink"), ("-> int", "-> float"), ("+ 1", "- 1")]
)
def test_code_counts(digest_of: DigestOf, old: str, new: str) -> None:
    assert digest_of(MODULE.replace(old, new)) != digest_of(MODULE)


@pytest.mark.parametrize(
    ("old", "new"), [("What it is for", "Why"), ("A thing", "One thing"), ("# one more", ""), ("\n\n\n", "\n\n\n\n\n")]
)
def test_comments_docstrings_and_layout_do_not(digest_of: DigestOf, old: str, new: str) -> None:
    assert digest_of(MODULE.replace(old, new)) == digest_of(MODULE)


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="pipeline"):
        digest_code("pipeline.nowhere")


def test_a_package_is_listed_with_its_modules_and_none_of_them_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "listed_by_test"
    package.mkdir()
    for name in ("__init__", "second", "first"):
        (package / f"{name}.py").write_text("raise AssertionError('imported')\n")
    assert list_modules("listed_by_test") == ["listed_by_test", "listed_by_test.first", "listed_by_test.second"]
    with pytest.raises(ModuleNotFoundError, match="no package"):
        list_modules("pipeline.digests")


def test_declared_code_counts_the_modules_of_the_project_that_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suite or a model may keep its numbers in a module beside it, and that one in another."""
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "declared_by_test"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "suite.py").write_text(
        "import json\nimport pandas\nfrom pipeline.errors import NightjarError\n"
        "from . import limits\nfrom declared_by_test.more import MORE\n"
    )
    (package / "more.py").write_text("from declared_by_test import deep\nMORE = deep.DEEP\n")
    (package / "limits.py").write_text("LIMIT = 1\n")
    (package / "deep.py").write_text("DEEP = 1\n")
    digests = [digest_again()]
    for name, text in (("limits", "LIMIT = 2\n"), ("deep", "DEEP = 2\n"), ("deep", "DEEP = 2  # as ever\n")):
        (package / f"{name}.py").write_text(text)
        digests.append(digest_again())
    assert len(set(digests[:3])) == 3
    assert digests[3] == digests[2]


def digest_again() -> str:
    digest_code.cache_clear()
    digest_declared_code.cache_clear()
    return digest_declared_code("declared_by_test.suite")


def test_finding_declared_code_imports_no_library() -> None:
    """Great Expectations takes seconds, and whoever finds a verdict needs none of it."""
    source = "import sys; from pipeline.digests import digest_declared_code as find; "
    source += "find('tests.meter_readings.suites'); print('great_expectations' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
