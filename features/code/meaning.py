"""What a function means, as JSON that a digest can be taken of.

Code counts as its syntax tree, so that layout, comments, docstrings and the version of Python do not count.  So does
all that the code refers to, wherever in it: constants by their content, functions and classes of the project by their
own code in turn, a module of the project by its source and that of the project's modules that it imports.  What
belongs to the standard library or to an installed package counts by its name.  A value that has no such description is
refused, because a digest that leaves it out would stay the same when the value changes.
"""

from __future__ import annotations
import __future__

import ast
import dataclasses
import dis
import enum
import functools
import json
import logging
import sys
from collections.abc import Collection, Mapping
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from features.code.constants import describe_constant
from features.code.libraries import is_library, name_in_library
from features.code.sources import (
    digest_trees,
    file_of_module,
    find_class,
    find_function,
    list_dotted_names,
    list_imports,
    locate_module,
    read_tree,
)

OWN = __name__.partition(".")[0]
GLOBAL_LOADS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
"""Instructions that read a name which is neither local nor in a closure."""
CACHED = type(functools.cache(len))
ADVICE = "make it a plain constant, or compute it in a function"


def describe_code(value: Any, name: str, project: Collection[str] = ()) -> Any:
    """The meaning of a function, or of any value that code may refer to, as JSON.

    Args:
        name: what the value is called, for messages.
        project: top-level packages that count as the project's even where they are installed beside libraries.

    Raises:
        ValueError: a source cannot be read, or a value that is used has no description; the message names both.
    """
    return _Describer(frozenset({OWN, *project})).describe(value, name)


def root_package(function: Any) -> str:
    """The top-level package or module that a function was written in."""
    return str(getattr(function, "__module__", None) or "").partition(".")[0]


class _Describer:
    """One description; a definition that it comes to again, as in a circle, is told by its number."""

    def __init__(self, project: frozenset[str]) -> None:
        self._project = project
        self._numbers: dict[Any, int] = {}
        self._kept: list[Any] = []
        self._containers: list[int] = []
        self._users: list[str] = []
        self._namespaces: list[Mapping[str, Any]] = []

    def describe(self, value: Any, name: str) -> Any:
        constant = describe_constant(value)
        if constant is not None:
            return constant
        if isinstance(value, ModuleType):
            return self._describe_module(value)
        if isinstance(value, FunctionType | type):
            return self._describe_definition(value, name)
        if isinstance(value, enum.Enum):
            return [self.describe(type(value), name), value.name, self.describe(value.value, name)]
        if isinstance(value, dict | MappingProxyType | list | tuple | set | frozenset):
            return self._describe_container(value, name)
        return self._describe_object(value, name)

    def _describe_container(self, value: Any, name: str) -> Any:
        """The type and the items; a set's sorted, a dict's in their order, which code may rely on."""
        if id(value) in self._containers:
            raise self._refuse(name, value, "holds itself")
        self._containers.append(id(value))
        items = value.items() if isinstance(value, dict | MappingProxyType) else value
        described = [self.describe(item, f"{name}'s items") for item in items]
        if isinstance(value, set | frozenset):
            described.sort(key=json.dumps)
        self._containers.pop()
        factory = self.describe(getattr(value, "default_factory", None), name)
        return [self.describe(type(value), name), described, factory]

    def _describe_object(self, value: Any, name: str) -> Any:
        if dataclasses.is_dataclass(value):
            fields = [[field.name, getattr(value, field.name)] for field in dataclasses.fields(value)]
            return [self.describe(type(value), name), self.describe(fields, name)]
        if isinstance(value, logging.Logger):
            return ["logger", value.name]
        if type(value).__module__ == "numpy" and type(value).__name__ == "ndarray":
            return ["array", str(value.dtype), list(value.shape), self.describe(value.tolist(), name)]
        if type(value).__module__.startswith("pandas") and type(value).__name__ == "CategoricalDtype":
            return ["category", value.ordered, self.describe(list(value.categories), name)]
        return self._describe_callable(value, name)

    def _describe_callable(self, value: Any, name: str) -> Any:
        if isinstance(value, functools.partial):
            parts = [value.func, value.args, dict(sorted(value.keywords.items()))]
            return ["partial", self.describe(parts, name)]
        if isinstance(value, CACHED):
            return ["cached", self.describe(value.__wrapped__, name)]
        if isinstance(value, MethodType):
            return ["method", self.describe([value.__func__, value.__self__], name)]
        return self._describe_builtin(value, name)

    def _describe_builtin(self, value: Any, name: str) -> Any:
        """What is compiled in a library, by name; it may be bound to a value."""
        if isinstance(value, MethodDescriptorType | WrapperDescriptorType | ClassMethodDescriptorType):
            return ["library", f"{value.__objclass__.__module__}.{value.__qualname__}"]
        bound = getattr(value, "__self__", None)
        if isinstance(value, BuiltinFunctionType) and bound is not None and not isinstance(bound, ModuleType):
            return ["method", value.__name__, self.describe(bound, name)]
        library = self._name_in_library(value)
        if library is None:
            raise self._refuse(name, value)
        return ["library", library]

    def _describe_definition(self, value: Any, name: str) -> Any:
        """A function or a class."""
        if (library := self._name_in_library(value)) is not None:
            return ["library", library]
        if (number := self._number(value, id(value))) is not None:
            return ["again", number]
        self._users.append(value.__qualname__)
        found = self._describe_function(value) if isinstance(value, FunctionType) else self._describe_class(value, name)
        self._users.pop()
        return found

    def _describe_function(self, function: FunctionType) -> Any:
        code = function.__code__
        closure = zip(code.co_freevars, function.__closure__ or (), strict=True)
        attributes = {key: value for key, value in vars(function).items() if key != "__wrapped__"}
        return {
            "code": self._describe_body(code, function.__globals__),
            "closure": [[name, self._describe_cell(cell, name)] for name, cell in closure],
            "defaults": self.describe([function.__defaults__, function.__kwdefaults__], "a default value"),
            "attributes": self.describe(attributes, "an attribute of its own"),
        }

    def _describe_body(self, code: CodeType, namespace: dict[str, Any]) -> Any:
        module = str(namespace.get("__name__", ""))
        if self._is_library(module):
            return ["library", f"{module}.{code.co_qualname}"]  # a library's decorator, around a function of ours
        trees = find_function(code, namespace)
        if not trees:
            raise ValueError(f"the source of {code.co_qualname} cannot be read; write it in the file of a module")
        return [digest_trees(trees), self._describe_names(_global_names(code), trees, namespace)]

    def _describe_cell(self, cell: Any, name: str) -> Any:
        try:
            value = cell.cell_contents
        except ValueError:
            return "empty"
        return self.describe(value, name)

    def _describe_class(self, found: type, name: str) -> Any:
        """A class by its source and by what that refers to; a plain value it was given later counts too."""
        namespace = self._namespace_of(found.__module__)
        trees = find_class(found.__qualname__, namespace)
        if not trees and issubclass(found, tuple) and hasattr(found, "_field_defaults"):
            return ["namedtuple", found.__name__, self.describe([found._fields, found._field_defaults], name)]  # type: ignore[attr-defined]
        if not trees:
            raise self._refuse(name, found, "is a class whose source cannot be found")
        constants = {key: describe_constant(value) for key, value in vars(found).items() if not key.startswith("_")}
        return {
            "code": [digest_trees(trees), self._describe_names(_names_of_class(trees), trees, namespace)],
            "constants": {key: constant for key, constant in constants.items() if constant is not None},
        }

    def _describe_names(self, names: set[str], trees: list[Any], namespace: Mapping[str, Any]) -> Any:
        """What the code refers to in its module, and the modules that it reaches through packages or imports itself."""
        self._namespaces.append(namespace)
        used = {name: namespace[name] for name in names if name in namespace and not name.startswith("__")}
        modules = self._reach_modules(used, list_dotted_names(trees))
        package = namespace.get("__package__") or str(namespace.get("__name__", "")).rpartition(".")[0]
        found = {
            "names": {name: self.describe(value, name) for name, value in sorted({**used, **modules}.items())},
            "imports": self._describe_imports(trees, package),
        }
        self._namespaces.pop()
        return found

    def _reach_modules(self, used: Mapping[str, Any], dotted_names: set[str]) -> dict[str, ModuleType]:
        """Modules that the code names by the packages that they are in, as in ``package.module.function``."""
        reached: dict[str, ModuleType] = {}
        for dotted in dotted_names:
            root, *parts = dotted.split(".")
            value = used.get(root)
            for length, part in enumerate(parts, start=2):
                if not isinstance(value, ModuleType) or self._is_library(value.__name__):
                    break
                value = getattr(value, part, None)
                if isinstance(value, ModuleType):
                    reached[".".join(dotted.split(".")[:length])] = value
        return reached

    def _describe_module(self, module: ModuleType) -> Any:
        if self._is_library(module.__name__):
            return ["library", module.__name__]
        return self._describe_source(module.__name__, file_of_module(module), getattr(module, "__package__", None))

    def _describe_source(self, name: str, file: str | None, package: str | None) -> Any:
        """A module of the project, and those that it imports."""
        if (number := self._number(name, name)) is not None:
            return ["again", number]
        if file is None or not file.endswith((".py", ".pyw")):
            return ["folder"]
        tree = read_tree(file)
        if tree is None and not file.endswith("__init__.py"):
            raise ValueError(
                f"the source of the module {name} cannot be read, and {' in '.join(self._users[::-1])} uses it"
            )
        trees = [] if tree is None else [tree]
        return [digest_trees(trees), self._describe_imports(trees, name if package is None else package)]

    def _describe_imports(self, trees: list[Any], package: str) -> dict[str, Any]:
        """Modules of the project that the code imports, loaded or not."""
        described = {}
        for name in sorted(list_imports(trees, package)):
            file = None if self._is_library(name) else locate_module(name)
            if file is not None:
                parent = name if file.endswith("__init__.py") else name.rpartition(".")[0]
                described[name] = self._describe_source(name, file, parent)
        return described

    def _number(self, value: Any, key: Any) -> int | None:
        """The number of a definition that was described before; None, and a number from now on, for a new one."""
        if key in self._numbers:
            return self._numbers[key]
        self._numbers[key] = len(self._numbers)
        self._kept.append(value)
        return None

    def _is_library(self, module: str) -> bool:
        return is_library(module, self._project)

    def _name_in_library(self, value: Any) -> str | None:
        return name_in_library(value, self._project)

    def _namespace_of(self, module: str) -> Mapping[str, Any]:
        """The names of a module, which may be one that is being described and that Python does not list."""
        loaded = sys.modules.get(module)
        described = [namespace for namespace in self._namespaces if namespace.get("__name__") == module]
        return described[-1] if described else {} if loaded is None else vars(loaded)

    def _refuse(self, name: str, value: Any, problem: str = "") -> ValueError:
        user = f"{self._users[-1]} uses {name}" if self._users else name
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        return ValueError(f"{user}, which {problem or f'is a {kind}: its content cannot be told'}; {ADVICE}")


def _global_names(code: CodeType) -> set[str]:
    """Names that the code and all code within it take from the module."""
    names = {str(step.argval) for step in dis.get_instructions(code) if step.opname in GLOBAL_LOADS}
    return names.union(*(_global_names(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def _names_of_class(trees: list[Any]) -> set[str]:
    """Names that a class takes from its module: its bases, its attributes and its methods."""
    module = ast.Module(body=trees, type_ignores=[])
    flags = __future__.annotations.compiler_flag
    return _global_names(compile(module, "<class>", "exec", flags, dont_inherit=True, optimize=0))
