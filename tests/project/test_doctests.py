"""The examples in the docstrings run, and everything public has a docstring."""

import ast
import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import numba.extending
import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables

ROOT = Path(__file__).parents[2]

PACKAGES = ("mpsnh", "mpsnh.models", "mpsnh.algorithms", "mpsnh.observables", "mpsnh.studies")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
COMMANDS = "mpsnh.cli"
"""Functions that are commands of the shell have no example in Python."""
NAMESPACE = {"nh": nh, "np": np, "models": models, "algorithms": algorithms, "observables": observables}
"""What the examples need not import."""


def modules():
    """Names of all modules; the packages are searched one by one, since three of them lie outside of the first."""
    found = set(PACKAGES)
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        found |= {module.name for module in pkgutil.walk_packages(path, f"{package}.")}
    return sorted(found)


MODULES = modules()


def public_things(module):
    """Public classes and functions that a module defines, by qualified name."""
    for name, thing in vars(module).items():
        own = getattr(thing, "__module__", None) == module.__name__
        if own and not name.startswith("_") and (inspect.isclass(thing) or is_function(thing)):
            yield f"{module.__name__}.{name}", thing


def is_function(thing):
    """Tell a function, also one that a decorator has wrapped."""
    return inspect.isfunction(inspect.unwrap(thing)) if callable(thing) else False


def public_methods(cls):
    """Public methods and properties that a class itself defines, by name."""
    for name, thing in vars(cls).items():
        thing = getattr(thing, "__func__", getattr(thing, "func", thing))  # class methods and cached properties
        if not name.startswith("_") and (isinstance(thing, property) or is_function(thing)):
            yield name, thing


def has_docstring(thing):
    """Tell a docstring from what dataclasses and named tuples make up themselves."""
    text = thing.__doc__ or ""
    return bool(text.strip()) and not text.startswith(f"{getattr(thing, '__name__', '')}(")


def function_of(thing):
    """The function behind a method or a property, where marks such as `__override__` are."""
    thing = thing.fget if isinstance(thing, property) else getattr(thing, "__func__", getattr(thing, "func", thing))
    return inspect.unwrap(thing) if callable(thing) else thing


def overridden(cls, name):
    """What the bases of a class have under the name of a method, the nearest first."""
    return [vars(base)[name] for base in cls.__mro__[1:] if name in vars(base)]


def is_described(cls, name, thing):
    """Tell whether a method has a docstring, or says that it overrides one that has."""
    if getattr(function_of(thing), "__override__", False):
        return any(has_docstring(each) for each in [thing, *overridden(cls, name)])
    return has_docstring(thing)


def is_abstract(thing):
    return inspect.isclass(thing) and (inspect.isabstract(thing) or getattr(thing, "_is_protocol", False))


def is_compiled(thing):
    return hasattr(thing, "py_func") or hasattr(thing, "inspect_llvm")


def is_intrinsic(thing):
    """Tell what only compiled code can call."""
    return isinstance(thing, numba.extending._Intrinsic)


def undocumented(module):
    """Everything public in a module that lacks a docstring."""
    missing = [] if has_docstring(module) else [module.__name__]
    for name, thing in public_things(module):
        missing += [] if has_docstring(thing) else [name]
        if inspect.isclass(thing):
            methods = public_methods(thing)
            missing += [f"{name}.{method}" for method, code in methods if not is_described(thing, method, code)]
    return missing


def repeated(module):
    """Methods of a module that describe themselves in the words of what they override."""
    return [
        f"{name}.{method}"
        for name, cls in public_things(module)
        if inspect.isclass(cls)
        for method, thing in public_methods(cls)
        if has_docstring(thing) and inspect.cleandoc(thing.__doc__) in map(described, overridden(cls, method))
    ]


def described(thing):
    return inspect.cleandoc(thing.__doc__ or "")


def without_example(module, called=()):
    """Every public class and function of a module that lacks an example.

    Compiled functions need one only if they are among those called from Python.
    """
    things = [
        (name, thing)
        for name, thing in public_things(module)
        if not (is_abstract(thing) or is_intrinsic(thing))
        and (not is_compiled(thing) or name.rpartition(".")[2] in called)
    ]
    return [name for name, thing in things if ">>>" not in (thing.__doc__ or "")]


def called_from_python(path):
    """Names of compiled functions that other code mentions: imports from elsewhere, and plain functions beside them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if "kernels" in path.parts:
        plain = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        inside = [each for node in plain if not node.decorator_list for each in ast.walk(node)]
        return {node.func.id for node in inside if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    lines = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name for line in lines if "kernels" in str(line.module).split(".") for alias in line.names}


CALLED = set().union(
    *(called_from_python(p) for d in ("mpsnh", "models", "algorithms", "observables") for p in (ROOT / d).rglob("*.py"))
)


def test_all_modules_are_found():
    assert {"mpsnh.states.mps", "mpsnh.models.xxz", "mpsnh.algorithms.nhtebd", "mpsnh.observables.current"} <= set(
        MODULES
    )


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS, extraglobs=NAMESPACE)
    assert result.failed == 0
    assert not list(tmp_path.iterdir()), "an example leaves files behind"


def test_everything_public_has_a_docstring():
    offenders = [name for module in MODULES for name in undocumented(importlib.import_module(module))]
    assert not offenders, "without a docstring: " + ", ".join(offenders)


def test_every_public_class_and_function_has_an_example():
    listed = [name for name in MODULES if name != COMMANDS]
    offenders = [name for module in listed for name in without_example(importlib.import_module(module), CALLED)]
    assert not offenders, "without an example: " + ", ".join(offenders)


def test_no_method_repeats_the_docstring_of_what_it_overrides():
    offenders = [name for module in MODULES for name in repeated(importlib.import_module(module))]
    assert not offenders, "the words of its base: " + ", ".join(offenders)


def test_no_example_imports_its_namespace():
    offenders = [
        f"{module}: {example.source.strip()}"
        for module in MODULES
        for test in doctest.DocTestFinder().find(importlib.import_module(module))
        for example in test.examples
        for node in ast.walk(ast.parse(example.source))
        if (isinstance(node, ast.Import) and {alias.name for alias in node.names} & {"numpy", "mpsnh"})
        or (isinstance(node, ast.ImportFrom) and node.module in ("mpsnh", "mpsnh.models", "mpsnh.language.site"))
    ]
    assert not offenders


def test_the_checks_find_what_is_missing():
    module = type(inspect)("planted", "A module.")
    source = '''
import abc, dataclasses, functools
class Bare:
    def method(self): pass
    @property
    def value(self): pass
    @classmethod
    def make(cls): pass
    def _private(self): pass
@dataclasses.dataclass
class Record:
    x: int
class Abstract(abc.ABC):
    """Without an example, and needing none."""
    @abc.abstractmethod
    def method(self):
        """Do something."""
@functools.lru_cache
def cached(): pass
def good():
    """Be good.

    >>> 1
    1
    """
def _private(): pass
'''
    exec(compile(source, "planted", "exec"), vars(module))
    assert undocumented(module) == [
        f"planted.{name}" for name in ("Bare", "Bare.method", "Bare.value", "Bare.make", "Record", "cached")
    ]
    assert without_example(module) == ["planted.Bare", "planted.Record", "planted.cached"]


def planted(source):
    module = type(inspect)("planted", "A module.")
    exec(compile(source, "planted", "exec"), vars(module))
    return module


OVERRIDES = '''
import functools
from typing_extensions import override
class Base:
    """A base."""
    def method(self):
        """Do something."""
    @property
    def value(self):
        """Something."""
    @functools.cached_property
    def kept(self):
        """Something kept."""
    @classmethod
    def make(cls):
        """Make one."""
    def bare(self): pass
class Marked(Base):
    """Says that it overrides."""
    @override
    def method(self): pass
    @property
    @override
    def value(self): pass
    @functools.cached_property
    @override
    def kept(self): pass
    @classmethod
    @override
    def make(cls): pass
    @override
    def bare(self): pass
    @override
    def nowhere(self): pass
class Grandchild(Marked):
    """Its base has no docstring, but that one's base has."""
    @override
    def method(self): pass
class Unmarked(Base):
    """Does not say it."""
    def method(self): pass
    @property
    def value(self): pass
    @functools.cached_property
    def kept(self): pass
    @classmethod
    def make(cls): pass
class Repeats(Base):
    """Says it again."""
    def method(self):
        """
        Do something.
        """
    @property
    def value(self):
        """Something else."""
    @functools.cached_property
    def kept(self):
        """Something kept."""
'''


def test_what_says_that_it_overrides_needs_no_docstring():
    assert undocumented(planted(OVERRIDES)) == [
        f"planted.{name}"
        for name in (
            "Base.bare",
            "Marked.bare",
            "Marked.nowhere",
            *(f"Unmarked.{each}" for each in ("method", "value", "kept", "make")),
        )
    ]


def test_the_check_finds_repeated_docstrings():
    assert repeated(planted(OVERRIDES)) == ["planted.Repeats.method", "planted.Repeats.kept"]


def test_compiled_functions_need_an_example_if_python_calls_them():
    source = '''
import numba
@numba.njit
def inner(x):
    """Give x."""
    return x
@numba.njit
def bare(x): return x
'''
    module = planted(source)
    assert undocumented(module) == ["planted.bare"]
    assert without_example(module) == []
    assert without_example(module, {"inner"}) == ["planted.inner"]
