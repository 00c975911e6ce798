"""Syntax trees: what does not count in their digests."""

from __future__ import annotations

import ast

from features.code.sources import digest_trees, list_imports, locate_module


def test_texts_of_an_f_string_count_as_one_however_a_version_of_python_cuts_them() -> None:
    whole = ast.JoinedStr([ast.Constant("a = "), ast.FormattedValue(ast.Name("a"), -1)])
    cut = ast.JoinedStr(
        [ast.Constant("a"), ast.Constant(" = "), ast.FormattedValue(ast.Name("a"), -1), ast.Constant("")]
    )
    assert digest_trees([whole]) == digest_trees([cut])
    assert digest_trees([ast.JoinedStr([ast.Constant("a")])]) != digest_trees([whole])


def test_empty_fields_that_newer_versions_add_do_not_count() -> None:
    plain, newer = ast.parse("def f(x): return x"), ast.parse("def f(x): return x")
    newer.body[0]._fields = (*newer.body[0]._fields, "type_params")  # type: ignore[misc]
    newer.body[0].type_params = []  # type: ignore[attr-defined]
    assert digest_trees([plain]) == digest_trees([newer])


def test_imports_are_listed_with_the_packages_above_them() -> None:
    tree = ast.parse("import a.b\nfrom ..c import d\nfrom . import e")
    assert list_imports([tree], "x.y") == {"a", "a.b", "x", "x.c", "x.c.d", "x.y", "x.y.e"}


def test_modules_are_located_without_being_imported() -> None:
    found = locate_module("features.flight_delays")
    assert found is not None
    assert found.endswith("flight_delays.py")
    assert locate_module("features.flight_delays.FEATURES") is None
    assert locate_module("features.no_such_module") is None
    assert locate_module("sys") is None
