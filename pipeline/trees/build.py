"""Build the kernel for this machine: ``python -m pipeline.trees.build``, where Nightjar is installed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline.errors import NotCompiledError
from pipeline.trees.kernel import FLAGS, SOURCE, locate_kernel


def build_kernel(compiler: str | None = None) -> Path:
    """Build the kernel, unless it is there.

    Args:
        compiler: a C compiler's command; by default that of the environment's ``CC``, or else ``cc``.

    Raises:
        NotCompiledError: there is no compiler, or it fails.
    """
    kernel = locate_kernel()
    if kernel.exists():
        return kernel
    command = shlex.split(compiler or os.environ.get("CC") or "cc")
    with tempfile.TemporaryDirectory(dir=kernel.parent, prefix=".kernel-") as folder:
        built = Path(folder) / kernel.name
        try:
            subprocess.run(
                [*command, *FLAGS, str(SOURCE), "-o", str(built)], check=True, capture_output=True, text=True
            )
        except FileNotFoundError as error:
            raise _fail("there is no C compiler to build the kernel of compiled trees with", str(error)) from error
        except subprocess.CalledProcessError as error:
            raise _fail("the C compiler did not build the kernel of compiled trees", error.stderr.strip()) from error
        built.replace(kernel)
    return kernel


def _fail(problem: str, found: str) -> NotCompiledError:
    return NotCompiledError(
        problem,
        expected="gcc or clang as cc, or another that CC names",
        found=found,
        next_step="install one and build again; until then models are scored by scikit-learn",
    )


def main() -> None:
    """Build, and say where the kernel is; the exit code is 1 if it could not be built."""
    try:
        sys.stdout.write(f"{build_kernel()}\n")
    except NotCompiledError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
