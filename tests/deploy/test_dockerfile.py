"""The Dockerfile, read but never built here."""

from __future__ import annotations

import re
from fnmatch import fnmatch

from tests.deploy.compose import ROOT, load_services

TEXT = (ROOT / "Dockerfile").read_text()


def test_base_images_are_pinned_and_of_the_same_python_and_system() -> None:
    """What is built on the one runs on the other, which has no compiler."""
    bases = re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)
    assert bases == ["python:3.12.12-bookworm", "python:3.12.12-slim-bookworm"]


def test_the_kernel_is_built_into_what_is_copied() -> None:
    build, final = TEXT.split("\nFROM python:3.12.12-slim-bookworm\n")
    assert "/opt/venv/bin/python -P -m pipeline.trees.build" in build
    assert "COPY --from=build /opt/venv /opt/venv" in final


def test_packages_come_from_locks_with_hashes() -> None:
    installs = re.findall(r"pip install ([^\\\n]+)", TEXT)
    assert len(installs) == 3
    assert all("--require-hashes" in line or line.startswith("--compile --no-deps dist/") for line in installs)
    for lock in re.findall(r"-r (\S+\.lock)", TEXT):
        requirements = [line for line in (ROOT / lock).read_text().splitlines() if re.match(r"\w", line)]
        assert requirements
        assert all("==" in line for line in requirements)


def test_ends_as_the_user_that_compose_names() -> None:
    assert re.findall(r"^USER (.+)$", TEXT, re.MULTILINE)[-1] == "nightjar:nightjar"
    identity = re.search(r"groupadd --gid (\d+).*useradd --uid (\d+)", TEXT, re.DOTALL)
    assert identity
    ours = {service["user"] for service in load_services().values() if "build" in service}
    assert ours == {f"{identity[2]}:{identity[1]}"}


def test_fresh_volumes_belong_to_that_user() -> None:
    """A named volume takes its owner from the folder of the image that it is first mounted over."""
    targets = {
        volume.split(":")[1]
        for service in load_services().values()
        if "build" in service
        for volume in service["volumes"]
    }
    made = re.search(r"install -d -o nightjar -g nightjar(.*?)\nCOPY", TEXT, re.DOTALL)
    assert made
    assert targets <= set(re.findall(r"/var/lib/nightjar/\w+", made[1]))


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        source for line in re.findall(r"^COPY (?!--from)(.+)$", TEXT, re.MULTILINE) for source in line.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) or source.startswith(pattern + "/") for pattern in sent), source
