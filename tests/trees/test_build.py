"""The kernel is built where there is a C compiler, from the source that is there, and for the machine that is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import NotCompiledError
from pipeline.trees import build, kernel
from pipeline.trees.build import build_kernel
from pipeline.trees.kernel import check_kernel, locate_kernel


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The source in a folder of the test's own, where no kernel was built yet."""
    source = tmp_path / "kernel.c"
    source.write_bytes(kernel.SOURCE.read_bytes())
    for module in (build, kernel):
        monkeypatch.setattr(module, "SOURCE", source)
    return source


@pytest.mark.usefixtures("kernel")
def test_it_is_built_beside_its_source_once(elsewhere: Path) -> None:
    built = build_kernel()
    assert built.parent == elsewhere.parent
    check_kernel()
    made = built.stat().st_mtime_ns
    assert build_kernel("no-such-compiler") == built
    assert built.stat().st_mtime_ns == made
    assert sorted(path.name for path in elsewhere.parent.iterdir()) == sorted([elsewhere.name, built.name])


@pytest.mark.usefixtures("kernel")
def test_a_stale_one_is_not_taken(elsewhere: Path) -> None:
    build_kernel()
    elsewhere.write_text(f"{elsewhere.read_text()}\n/* changed */\n")
    with pytest.raises(NotCompiledError, match="was not built on this machine") as refused:
        check_kernel()
    assert refused.value.next_step == "python -m pipeline.trees.build"


def test_without_a_compiler_it_says_so(elsewhere: Path) -> None:
    with pytest.raises(NotCompiledError, match="there is no C compiler") as refused:
        build_kernel("no-such-compiler")
    assert "scored by scikit-learn" in str(refused.value.next_step)
    assert list(elsewhere.parent.iterdir()) == [elsewhere]


def test_a_compiler_that_fails_leaves_nothing(elsewhere: Path) -> None:
    with pytest.raises(NotCompiledError, match="did not build"):
        build_kernel("false")
    assert list(elsewhere.parent.iterdir()) == [elsewhere]


def test_what_is_no_library_of_this_machine_is_refused(elsewhere: Path) -> None:
    locate_kernel().write_bytes(b"for another machine")
    with pytest.raises(NotCompiledError, match="was not built for this machine") as refused:
        check_kernel()
    assert str(elsewhere.parent) in str(refused.value.next_step)


@pytest.mark.usefixtures("kernel")
def test_as_a_program_it_says_where_the_kernel_is() -> None:
    done = subprocess.run([sys.executable, "-m", "pipeline.trees.build"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{locate_kernel()}\n"
