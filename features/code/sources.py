"""Source code as syntax trees: where a definition was written, what it imports, and a digest of what it says.

A digest leaves out comments, docstrings and layout, and is the same in every version of Python that parses the source
into the same tree.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import itertools
import json
import linecache
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
LAYOUT_FIELDS = ("kind", "type_comment")


def digest_trees(trees: Iterable[ast.AST]) -> str:
    """SHA-256 of what the trees say."""
    text = json.dumps([_normalise(tree) for tree in trees], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_tree(file: str, namespace: Mapping[str, Any] | None = None) -> ast.Module | None:
    """The syntax tree of a source file, None if there is no source to read.

    Args:
        namespace: the module's, for a source that its loader reads, such as one in a zip file.
    """
    linecache.checkcache(file)
    lines = linecache.getlines(file, None if namespace is None else dict(namespace))
    return _parse("".join(lines)) if lines else None


def find_function(code: CodeType, namespace: Mapping[str, Any]) -> list[Definition]:
    """The definition that ``code`` was compiled from; several only where nothing tells lambdas of a line apart."""
    tree = read_tree(code.co_filename, namespace)
    found: list[Definition] = [
        node
        for node in ([] if tree is None else ast.walk(tree))
        if isinstance(node, Definition)
        and getattr(node, "name", "<lambda>") == code.co_name
        and _first_line(node) == code.co_firstlineno
    ]
    return found if len(found) < 2 else _narrow_down(found, code)


def find_class(qualname: str, namespace: Mapping[str, Any]) -> list[ast.AST]:
    """The definitions of a class by its qualified name; several if the module defines it in branches."""
    tree = read_tree(namespace.get("__file__") or "", namespace)
    found: list[ast.AST] = [] if tree is None else [tree]
    for name in qualname.split("."):
        found = [node for outer in found for node in _classes_within(outer) if node.name == name]
    return found


def list_dotted_names(trees: Iterable[ast.AST]) -> set[str]:
    """Every ``a.b.c`` that the trees mention."""
    found = (_dotted_name(node) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {name for name in found if name is not None}


def list_imports(trees: Iterable[ast.AST], package: str) -> set[str]:
    """Names of all that the trees import, modules or not, and of the packages above them.

    Args:
        package: where relative imports start.
    """
    found: set[str] = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return {
        ".".join(parts[: length + 1]) for parts in (name.split(".") for name in found) for length in range(len(parts))
    }


def locate_module(name: str) -> str | None:
    """The file (or the folder, where there is no file) of a module that may not be imported yet, and is not here.

    Returns None for what is no module, or is built in.
    """
    module = sys.modules.get(name)
    if module is not None:
        return file_of_module(module)
    spec = _find_spec(name)
    if spec is None:
        return None
    return spec.origin if spec.has_location else next(iter(spec.submodule_search_locations or []), None)


def file_of_module(module: ModuleType) -> str | None:
    """A module's file, or the folder of a package without one; None if it is built in."""
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), None)


@functools.cache
def is_installed(file: str) -> bool:
    """Whether a file belongs to the standard library or was installed as a package."""
    path = Path(file)
    if {"site-packages", "dist-packages"} & set(path.parts) or file.startswith("<frozen "):
        return True
    return any(path.is_relative_to(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))


@functools.lru_cache(maxsize=64)
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


def _normalise(node: Any) -> Any:
    """A tree as lists, without what only lays it out, and without empty fields, which newer versions add."""
    if isinstance(node, ast.Constant):
        return ["constant", type(node.value).__name__, node.value if isinstance(node.value, str) else repr(node.value)]
    if isinstance(node, list):
        return [_normalise(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    fields = {name: value for name, value in ast.iter_fields(node) if name not in LAYOUT_FIELDS}
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _has_docstring(node):
        fields["body"] = node.body[1:]
    if isinstance(node, ast.JoinedStr):
        fields["values"] = _join_texts(node.values)
    return [type(node).__name__, {name: _normalise(value) for name, value in fields.items() if value not in (None, [])}]


def _join_texts(parts: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string with each text in one piece: versions cut them differently, and some add empty ones."""
    joined: list[ast.expr] = []
    for is_text, run in itertools.groupby(parts, lambda part: isinstance(part, ast.Constant)):
        if not is_text:
            joined += run
        elif text := "".join(str(part.value) for part in run if isinstance(part, ast.Constant)):
            joined.append(ast.Constant(text))
    return joined


def _has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def _first_line(node: Definition) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _narrow_down(found: list[Definition], code: CodeType) -> list[Definition]:
    """Those of several lambdas of one line whose body holds every instruction, and of those the innermost."""
    places = [
        ((line, column), (end_line, end_column))
        for line, end_line, column, end_column in code.co_positions()
        if line and end_line and column is not None and end_column
    ]
    holding: list[Definition] = [
        node
        for node in found
        if isinstance(node, ast.Lambda) and places and all(_holds(node.body, start, end) for start, end in places)
    ]
    return holding[-1:] if holding else found


def _holds(node: ast.expr, start: tuple[int, int], end: tuple[int, int]) -> bool:
    whole = ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
    return whole[0] <= start and end <= whole[1]


def _classes_within(node: ast.AST) -> Iterator[ast.ClassDef]:
    """Classes that belong to ``node`` itself: not inside another class or a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield child
        elif not isinstance(child, Definition):
            yield from _classes_within(child)


def _dotted_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (above := _dotted_name(node.value)) is not None:
        return f"{above}.{node.attr}"
    return None


def _find_spec(name: str) -> ModuleSpec | None:
    """A module's spec, found without importing it or the packages above it."""
    parent = name.rpartition(".")[0]
    if name in sys.modules:
        return getattr(sys.modules[name], "__spec__", None)
    if not parent:
        return PathFinder.find_spec(name)
    above = _find_spec(parent)
    if above is None or above.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(name, above.submodule_search_locations)
