"""The examples in the docstrings run, and everything public has a docstring."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

PACKAGES = ("mpsnh", "mpsnh.models", "mpsnh.algorithms", "mpsnh.observables", "mpsnh.studies")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
COMMANDS = "mpsnh.cli"
"""Functions that are commands of the shell have no example in Python."""


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


def is_abstract(thing):
    return inspect.isclass(thing) and (inspect.isabstract(thing) or getattr(thing, "_is_protocol", False))


def undocumented(module):
    """Everything public in a module that lacks a docstring."""
    missing = [] if has_docstring(module) else [module.__name__]
    for name, thing in public_things(module):
        missing += [] if has_docstring(thing) else [name]
        if inspect.isclass(thing):
            missing += [f"{name}.{method}" for method, code in public_methods(thing) if not has_docstring(code)]
    return missing


def without_example(module):
    """Every public class and function of a module that lacks an example."""
    things = public_things(module)
    return [name for name, thing in things if not is_abstract(thing) and ">>>" not in (thing.__doc__ or "")]


def test_all_modules_are_found():
    assert {"mpsnh.states.mps", "mpsnh.models.xxz", "mpsnh.algorithms.nhtebd", "mpsnh.observables.current"} <= set(
        MODULES
    )


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert result.failed == 0
    assert not list(tmp_path.iterdir()), "an example leaves files behind"


def test_everything_public_has_a_docstring():
    offenders = [name for module in MODULES for name in undocumented(importlib.import_module(module))]
    assert not offenders, "without a docstring: " + ", ".join(offenders)


def test_every_public_class_and_function_has_an_example():
    listed = [name for name in MODULES if name != COMMANDS]
    offenders = [name for module in listed for name in without_example(importlib.import_module(module))]
    assert not offenders, "without an example: " + ", ".join(offenders)


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
