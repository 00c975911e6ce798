"""Digests: how everything that Nightjar stores is named and checked.

Every digest is the SHA-256 in lower-case hexadecimal.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import pkgutil
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

CHUNK_BYTES = 1 << 20
LIBRARY_FOLDERS = frozenset({"site-packages", "dist-packages"})


def digest_bytes(content: bytes | memoryview) -> str:
    """Digest of a byte string."""
    return hashlib.sha256(content).hexdigest()


def digest_stream(stream: BinaryIO) -> str:
    """Digest of all that is left to read of ``stream``, in constant memory."""
    state = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        state.update(chunk)
    return state.hexdigest()


def canonical_json(value: Any) -> str:
    """The one JSON text of ``value``: sorted keys, no white space, UTF-8, no NaN or infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_json(value: Any) -> str:
    """Digest of ``value`` as canonical JSON."""
    return digest_bytes(canonical_json(value).encode())


def digest_all(parts: Iterable[str]) -> str:
    """Digest of an ordered list of strings, such as other digests."""
    return digest_json(list(parts))


@cache
def digest_code(*modules: str) -> str:
    """Digest of what the named modules do: their code without comments, docstrings and layout.

    The modules are found, not imported.
    """
    meanings = {}
    for module in modules:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"{module} has no source file")
        meanings[module] = ast.unparse(_without_docstrings(ast.parse(Path(spec.origin).read_bytes())))
    return digest_json(meanings)


def list_modules(package: str) -> list[str]:
    """Names of a package and of the modules in it, sorted; packages in it are not looked into.

    They are found, not imported.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"{package} is no package")
    inside = pkgutil.iter_modules(spec.submodule_search_locations, f"{package}.")
    return sorted([package, *(module.name for module in inside)])


@cache
def digest_declared_code(module: str) -> str:
    """Like :func:`digest_code`, of a module that a job names and of all modules of the same project that it imports.

    Left out are libraries, whose versions are in the lock, and the engine itself: what of it changes a result is named
    by the stage.
    """
    sources: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = None if name in sources else _find_declared(name, own=module.partition(".")[0])
        if path is not None:
            sources[name] = path
            waiting += _list_imports(path, name if path.name == "__init__.py" else name.rpartition(".")[0])
    return digest_code(*sorted(sources))


def _find_declared(module: str, own: str) -> Path | None:
    """Source file of a module outside the engine and the libraries; a job's own package may be installed like one."""
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names or (root == "pipeline" and not module.startswith("pipeline.jobs.")):
        return None
    if root != own and _is_library(root):  # finding a module in a package imports the package, for seconds
        return None
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # in ``from package.module import name`` it is a name, not a module
        return None
    path = Path(spec.origin) if spec is not None and spec.origin is not None else None
    if path is None or path.suffix != ".py":
        return None
    return path if root == own or LIBRARY_FOLDERS.isdisjoint(path.parts) else None


def _is_library(root: str) -> bool:
    """Whether a top-level name is that of an installed package; it is found, not imported."""
    spec = importlib.util.find_spec(root)
    return spec is not None and spec.origin is not None and not LIBRARY_FOLDERS.isdisjoint(Path(spec.origin).parts)


def _list_imports(path: Path, package: str) -> list[str]:
    """Dotted names that a source file imports; some of them name attributes of modules."""
    names = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    return names


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return tree
