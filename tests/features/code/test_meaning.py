"""What code means: another description for another meaning, wherever it is written, and the same for the same one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from features.code import describe_code
from tests.features.code.conftest import Write

HEADER = """
import collections, datetime, decimal, enum, functools, logging, math, operator, re
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

import helper
import parts.deep
from helper import halve

LIMIT = 1
OTHER = 2
logger = logging.getLogger(__name__)
"""
HELPER = '''
"""What rows need."""
import base
K = 3

def halve(value):
    """Half of it."""
    return value / base.TWO  # exactly
'''
BASE = "TWO = 2\n"
DEEP = "K = 5\n"

# name: (declarations, expression of x, what is replaced, by what)
MEANINGS = {
    "dict": ('TABLE = {"a": 1}', "TABLE[x]", '"a": 1', '"a": 2'),
    "nested list": ("TABLE = [[1], (2, {3: 4})]", "TABLE[x]", "3: 4", "3: 5"),
    "set": ('NAMES = {"a", "b"}', "x in NAMES", '"b"', '"c"'),
    "type of a number": ("K = 1", "x + K", "K = 1", "K = 1.0"),
    "sign of zero": ("K = 0.0", "x / K", "K = 0.0", "K = -0.0"),
    "read-only dict": ("TABLE = MappingProxyType({1: 1})", "TABLE[x]", "1: 1", "1: 2"),
    "default of a dict": ("T = collections.defaultdict(int)", "T[x]", "(int)", "(list)"),
    "class attribute": ("class Limits:\n    K = 4", "x + Limits.K", "K = 4", "K = 5"),
    "class attribute of a constant": ("class Limits:\n    K = LIMIT", "x + Limits.K", "= LIMIT", "= OTHER"),
    "constant behind a class": ("class Limits:\n    K = [LIMIT]", "x + Limits.K[0]", "LIMIT = 1", "LIMIT = 7"),
    "method": ("class Limits:\n    def f(self, x):\n        return x + LIMIT", "Limits().f(x)", "x + L", "x - L"),
    "constant in a method": (
        "class A:\n    def f(self, x):\n        return x + LIMIT", "A().f(x)", "LIMIT = 1", "LIMIT = 2",
    ),
    "base class": ("class A:\n    K = 1\nclass B(A):\n    pass", "x + B.K", "K = 1", "K = 2"),
    "attribute given later": ("class A:\n    K = 1\nA.K = 5", "x + A.K", "A.K = 5", "A.K = 6"),
    "dataclass": ("@dataclass(frozen=True)\nclass A:\n    k: int\nLOW = A(1)", "x + LOW.k", "A(1)", "A(2)"),
    "named tuple": ("class P(NamedTuple):\n    k: int\nLOW = P(1)", "x + LOW.k", "P(1)", "P(2)"),
    "old named tuple": ('P = collections.namedtuple("P", "k j")', "P(x, 1)", '"k j"', '"j k"'),
    "enum member": ("class E(enum.Enum):\n    A = 1\nA = E.A", "x + A.value", "A = 1", "A = 2"),
    "enum": ("class E(enum.Enum):\n    A = 1", "x + E.A.value", "A = 1", "A = 2"),
    "which enum member": ("class E(enum.Enum):\n    A = 1\n    B = 2\nM = E.A", "x + M.value", "M = E.A", "M = E.B"),
    "constant of a module": ("", "x + helper.K", "K = 3", "K = 4"),
    "function of a module": ("", "helper.halve(x)", "value / base", "value * base"),
    "module behind a module": ("", "helper.halve(x)", "TWO = 2", "TWO = 3"),
    "module behind a function": ("", "halve(x)", "TWO = 2", "TWO = 3"),
    "module of a package": ("", "x + parts.deep.K", "K = 5", "K = 6"),
    "module taken by name": ("", 'x + getattr(helper, "K")', "K = 3", "K = 4"),
    "lambda": ("double = lambda x: x * 2", "double(x)", "x * 2", "x * 3"),
    "global in a lambda": ("", "(lambda y: y + LIMIT)(x)", "LIMIT = 1", "LIMIT = 2"),
    "global in a comprehension": ("", "[y + LIMIT for y in x]", "LIMIT = 1", "LIMIT = 2"),
    "helper in a comprehension": ("def h(x):\n    return x + 1", "[h(y) for y in x]", "x + 1", "x + 2"),
    "global in a lambda in a lambda": ("", "(lambda: lambda: LIMIT)()()", "LIMIT = 1", "LIMIT = 2"),
    "closure": ("def make(k):\n    return lambda x: x + k\nadd = make(1)", "add(x)", "make(1)", "make(2)"),
    "function in a closure": (
        "def make(f):\n    return lambda x: f(x)\ng = make(lambda x: x + 1)", "g(x)", "x + 1", "x + 2",
    ),
    "default": ("def h(x, k=LIMIT):\n    return x + k", "h(x)", "LIMIT = 1", "LIMIT = 2"),
    "keyword default": ("def h(x, *, k=LIMIT):\n    return x + k", "h(x)", "LIMIT = 1", "LIMIT = 2"),
    "partial": ("add = functools.partial(operator.add, 1)", "add(x)", "add, 1", "add, 2"),
    "partial of a function": (
        "def h(x, k):\n    return x + k\ng = functools.partial(h, k=1)", "g(x)", "x + k", "x - k",
    ),
    "cached": ("@functools.cache\ndef h(x):\n    return x + 1", "h(x)", "x + 1", "x + 2"),
    "wrapped": (
        "def deco(f):\n    @functools.wraps(f)\n    def g(x):\n        return f(x) + LIMIT\n    return g\n"
        "@deco\ndef h(x):\n    return x + 1", "h(x)", "x + 1", "x + 2",
    ),
    "wrapper": (
        "def deco(f):\n    @functools.wraps(f)\n    def g(x):\n        return f(x) + LIMIT\n    return g\n"
        "@deco\ndef h(x):\n    return x + 1", "h(x)", "f(x) + LIMIT", "f(x) - LIMIT",
    ),
    "bound method": (
        "@dataclass\nclass A:\n    k: int\n    def f(self, x):\n        return x + self.k\nf = A(1).f",
        "f(x)", "A(1)", "A(2)",
    ),
    "method of a text": ('join = ",".join', "join(x)", '","', '";"'),
    "which library function": ("f = math.floor", "f(x)", "math.floor", "math.ceil"),
    "which ufunc": ("f = np.log", "f(x)", "np.log", "np.exp"),
    "which ufunc of another library": ("import scipy.special\nf = scipy.special.expit", "f(x)", ".expit", ".logit"),
    "which method of a type": ("f = str.upper", "f(x)", "str.upper", "str.lower"),
    "pattern": (f'P = re.compile("{"a" * 300}b")', "P.match(x)", 'ab")', 'ac")'),
    "flags": ('P = re.compile("a")', "P.match(x)", '"a")', '"a", re.I)'),
    "timestamp": ('T = pd.Timestamp("2024-01-01")', "x > T", "01-01", "01-02"),
    "timedelta": ("T = pd.Timedelta(days=1)", "x > T", "days=1", "days=2"),
    "datetime": ("T = datetime.datetime(2024, 1, 1)", "x > T", "2024", "2025"),
    "decimal": ('T = decimal.Decimal("1.0")', "x > T", '"1.0"', '"1.00"'),
    "type of a NumPy scalar": ("K = np.float64(1)", "x + K", "float64", "float32"),
    "array": ("E = np.arange(2000)", "np.digitize(x, E)", "np.arange(2000)", "np.arange(2001)[1:]"),
    "dtype": ("D = np.dtype('int64')", "x.astype(D)", "int64", "int32"),
    "categories": ("D = pd.CategoricalDtype(list(range(500)))", "x.astype(D)", "range(500)", "range(501)"),
    "attribute of a function": ("def h(x):\n    return x + h.k\nh.k = 1", "h(x)", "h.k = 1", "h.k = 2"),
    "one of two lambdas of a line": ("f, g = lambda x: x, lambda x: -x\nh = f", "h(x)", "h = f", "h = g"),
    "logger's name is all of it": ('log = logging.getLogger("a")', "log.info(x)", '"a"', '"b"'),
}  # fmt: skip
SAME = {
    "comment": ("", "halve(x)", "# exactly", "# or so"),
    "docstring": ("", "halve(x)", "Half of it.", "One half."),
    "docstring of a module": ("", "helper.K", "What rows need.", "Helps."),
    "docstring of a class": ('class A:\n    """Doc."""\n    K = 1', "A.K", "Doc.", "Words."),
    "layout": ("def h(x):\n    return x + 1", "h(x)", "x + 1", "( x  +  1 )"),
    "unused": ("U = 1", "x", "U = 1", "U = 2"),
    "order of a set": ('S = {"a", "b", "c"}', "x in S", '"a", "b", "c"', '"c", "a", "b"'),
    "local of the same name": ("U = 1", "[U for U in x]", "U = 1", "U = object()"),
}


def write_rows(write: Write, declarations: str, expression: str, old: str = "", new: str = "") -> Any:
    row = f"{HEADER}\n{declarations}\n\ndef row(x):\n    return {expression}\n"
    sources = {"rows": row, "helper": HELPER, "base": BASE, "parts____init__": "", "parts__deep": DEEP}
    if old:
        changed = {name: source.replace(old, new) for name, source in sources.items() if old in source}
        assert len(changed) >= 1
        sources |= dict([*changed.items()][:1])
    return write(**sources).row


def describe(function: Any) -> str:
    return json.dumps(describe_code(function, "row"))


@pytest.mark.parametrize(("declarations", "expression", "old", "new"), MEANINGS.values(), ids=MEANINGS)
def test_another_meaning_is_described_otherwise(
    write: Write, declarations: str, expression: str, old: str, new: str
) -> None:
    before = describe(write_rows(write, declarations, expression))
    assert describe(write_rows(write, declarations, expression)) == before, "written again, it means the same"
    assert describe(write_rows(write, declarations, expression, old, new)) != before


@pytest.mark.parametrize(("declarations", "expression", "old", "new"), SAME.values(), ids=SAME)
def test_the_same_meaning_is_described_alike(
    write: Write, declarations: str, expression: str, old: str, new: str
) -> None:
    before = describe(write_rows(write, declarations, expression))
    assert describe(write_rows(write, declarations, expression, old, new)) == before


@pytest.mark.parametrize(
    "statement", ["from helper import K", "import helper as h; K = h.K", "from parts.deep import K"]
)
def test_what_a_function_imports_itself_counts(write: Write, statement: str) -> None:
    row = f"def row(x):\n    {statement}\n    return x + K\n"
    sources = {"rows": row, "helper": "K = 3\n", "parts____init__": "", "parts__deep": "K = 3\n"}
    before = describe(write(**sources).row)
    assert describe(write(**sources | {"helper": "K = 4\n", "parts__deep": "K = 4\n"}).row) != before


def test_circles_come_to_an_end(write: Write) -> None:
    source = "def row(x):\n    return other(x)\n\ndef other(x):\n    return row(x) or A(x)\n\nclass A:\n    f = row\n"
    before = describe(write(rows=source).row)
    assert describe(write(rows=source.replace("or A", "and A")).row) != before


def test_modules_that_import_each_other_come_to_an_end(write: Write) -> None:
    modules = {"a": "import b\nK = 1\n", "b": "import a\nJ = 1\n"}
    rows = "import a\ndef row(x):\n    return x + a.K\n"
    before = describe(write(rows=rows, **modules).row)
    assert describe(write(rows=rows, **modules | {"b": "import a\nJ = 2\n"}).row) != before


@pytest.mark.parametrize(
    "value", ["object()", "pd.DataFrame({'a': [1]})", "pd.Series([1])", "iter([1])", "np.vectorize(len)", "[object()]"]
)
def test_what_has_no_definition_is_refused_by_name(write: Write, value: str) -> None:
    row = write_rows(write, f"MODEL = {value}", "[MODEL for y in x]")
    with pytest.raises(ValueError, match=r"row uses MODEL.*make it a plain constant, or compute it in a function"):
        describe(row)


def test_a_container_that_holds_itself_is_refused(write: Write) -> None:
    with pytest.raises(ValueError, match="row uses LOOP's items, which holds itself"):
        describe(write_rows(write, "LOOP = []\nLOOP.append(LOOP)", "LOOP"))


def test_code_without_a_source_is_refused() -> None:
    namespace: dict[str, Any] = {}
    exec("def row(x):\n    return x\n", namespace)  # noqa: S102 - a function that no file holds
    with pytest.raises(ValueError, match="source of row cannot be read"):
        describe(namespace["row"])


def test_libraries_count_by_name_and_the_project_does_wherever_it_is_installed(tmp_path: Path) -> None:
    """A package in ``site-packages`` is a library, unless it is called the project's."""
    folder = tmp_path / "site-packages"
    for number, value in enumerate((1, 2)):
        place = folder / str(number) / "site-packages" / "acme"
        place.mkdir(parents=True)
        (place / "__init__.py").write_text("")
        (place / "rows.py").write_text(f"K = {value}\n\ndef row(x):\n    return x + K\n")

    def describe_installed(number: int, project: str) -> str:
        code = (
            "import json, sys; from features.code import describe_code; from acme.rows import row;"
            f"print(json.dumps(describe_code(row, 'row', {project})))"
        )
        path = f"{folder}/{number}/site-packages:{':'.join(sys.path)}"
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
        )
        return run.stdout

    assert describe_installed(0, "()") == describe_installed(1, "()")
    assert describe_installed(0, "['acme']") != describe_installed(1, "['acme']")


def test_every_process_describes_alike(tmp_path: Path) -> None:
    """Sets come in another order in every process."""
    (tmp_path / "rows.py").write_text(
        'NAMES = {"a", "b", "c", ("e", 1), None}\n\n\ndef row(x):\n    return x in NAMES and x in {"f", "g", "h"}\n'
    )
    code = "from features.code import describe_code; from rows import row; print(describe_code(row, 'row'))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}", "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(found) == 1
