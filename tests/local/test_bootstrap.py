"""scripts/bootstrap: a clear error where it cannot work, and nothing to do where it has worked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "cat", "cksum", "dirname", "rm")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the script reads, and a folder ``bin`` with the few tools that every machine has."""
    folder = tmp_path / "checkout"
    shutil.copytree(REPOSITORY / "requirements", folder / "requirements")
    shutil.copytree(REPOSITORY / "scripts", folder / "scripts")
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    (folder / "pipeline" / "trees").mkdir(parents=True)
    shutil.copy(REPOSITORY / "pipeline" / "trees" / "kernel.c", folder / "pipeline" / "trees")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "bin" / tool).symlink_to(found)
    return folder


def write_program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder / name


def bootstrap(checkout: Path, profile: str = "demo", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "scripts" / "bootstrap"), profile],
        env={"PATH": str(checkout.parent / "bin"), **variables},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def write_stub_uv(checkout: Path) -> Path:
    """A ``uv`` that writes down what it was asked and makes just enough of an environment."""
    calls = checkout.parent / "calls"
    python = f"mkdir -p .venv/bin; ln -sf {sys.executable} .venv/bin/python; ln -sf {sys.executable} .venv/bin/nightjar"
    write_program(
        checkout.parent / "bin", "uv", f'echo "$@" >>{calls}\n[ "$1" != venv ] || {{ PATH={os.defpath}; {python}; }}'
    )
    return calls


def test_no_suitable_python_is_a_clear_error(checkout: Path) -> None:
    result = bootstrap(checkout)

    assert result.returncode == 1
    assert "needs Python 3.11 or 3.12" in result.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_of_another_version_is_passed_over(checkout: Path) -> None:
    write_program(checkout.parent / "bin", "python3", "exit 1")

    assert "needs Python 3.11 or 3.12" in bootstrap(checkout).stderr


def test_the_python_asked_for_must_be_suitable(checkout: Path) -> None:
    result = bootstrap(checkout, PYTHON="/no/such/python")

    assert result.returncode == 1
    assert "PYTHON=/no/such/python is not a Python 3.11 or 3.12" in result.stderr


def test_a_python_without_venv_module_is_a_clear_error(checkout: Path) -> None:
    program = write_program(
        checkout.parent, "python", f'case "$2" in *venv*) exit 1;; esac\nexec {sys.executable} "$@"'
    )

    result = bootstrap(checkout, PYTHON=str(program))

    assert result.returncode == 1
    assert "has no venv module" in result.stderr


def test_every_package_is_installed_by_hash_and_a_second_call_does_nothing(checkout: Path) -> None:
    calls = write_stub_uv(checkout)

    first = bootstrap(checkout, PYTHON=sys.executable)
    assert first.returncode == 0, first.stderr
    installs = [line for line in calls.read_text().splitlines() if line.startswith("pip install")]
    locked = [line for line in installs if "requirements/" in line]
    assert ["--require-hashes" in line for line in locked] == [True, True]
    assert "--no-build-isolation" in locked[1]

    calls.unlink()
    assert bootstrap(checkout, PYTHON=sys.executable).stdout == ""
    assert not calls.exists()


def test_a_changed_lock_is_installed(checkout: Path) -> None:
    calls = write_stub_uv(checkout)
    bootstrap(checkout, PYTHON=sys.executable)
    calls.unlink()
    with (checkout / "requirements" / "demo.lock").open("a") as lock:
        lock.write("# changed\n")

    bootstrap(checkout, PYTHON=sys.executable)

    asked = calls.read_text()
    assert "requirements/demo.lock" in asked
    assert "venv" not in asked.split()


def test_where_the_kernel_cannot_be_built_it_says_so_and_goes_on(checkout: Path) -> None:
    calls = write_stub_uv(checkout)
    script = 'case "$*" in *pipeline.trees.build*) echo "there is no C compiler" >&2; exit 1;; esac'
    python = write_program(checkout.parent, "python", f'{script}\nexec {sys.executable} "$@"')
    uv = checkout.parent / "bin" / "uv"
    uv.write_text(
        uv.read_text().replace(f"ln -sf {sys.executable} .venv/bin/python;", f"ln -sf {python} .venv/bin/python;")
    )
    result = bootstrap(checkout, PYTHON=sys.executable)
    assert result.returncode == 0
    assert "bootstrap: there is no C compiler" in result.stderr
    calls.unlink()
    assert bootstrap(checkout, PYTHON=sys.executable).stdout == ""


def test_a_changed_kernel_is_built(checkout: Path) -> None:
    calls = write_stub_uv(checkout)
    bootstrap(checkout, PYTHON=sys.executable)
    calls.unlink()
    (checkout / "pipeline" / "trees" / "kernel.c").write_text("changed")
    bootstrap(checkout, PYTHON=sys.executable)
    assert calls.exists()


def test_an_environment_for_development_serves_the_demo_too(checkout: Path) -> None:
    calls = write_stub_uv(checkout)
    bootstrap(checkout, "dev", PYTHON=sys.executable)
    assert "requirements/dev.lock" in calls.read_text()
    calls.unlink()

    bootstrap(checkout, "demo", PYTHON=sys.executable)

    assert not calls.exists()


def test_no_lock_names_an_index() -> None:
    for lock in (REPOSITORY / "requirements").glob("*.lock"):
        assert "://" not in lock.read_text(), lock.name
