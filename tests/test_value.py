"""Parameter objects: names and kinds are checked, values are frozen, compared, pickled and listed."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import pickle
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import pytest

from mpsnh import OpSum, Spin, algorithms
from mpsnh.checks import require
from mpsnh.value import Value


def label(value):
    """Name a parameter without its address, which differs between processes."""
    return str(value).split(" at 0x")[0]


class Trap(Value):
    width: float = 1.0
    depth: float | None = None
    n: int = 2
    name: str = "trap"
    periodic: bool = False
    shape: Literal["round", "square"] = "round"
    order: Literal[1, 2, 4] = 2
    positions: tuple[float, ...] = ()
    labels: tuple[str, ...] | None = None
    anything: Any = None

    def validate(self) -> None:
        require(self.width > 0, "width", self.width, "positive")


class Lattice(Trap):
    sites: int
    width: float = 3.0

    def validate(self) -> None:
        super().validate()
        require(self.sites > self.n, "sites", self.sites, f"more than n = {self.n}")


class Empty(Value):
    pass


def named_function():
    """Be a parameter."""


def refused(error, message):
    return pytest.raises(error, match=re.escape(message))


# Names


def test_unknown_parameters_come_with_a_suggestion():
    listed = "it has: width, depth, n, name, periodic, shape, order, positions, labels, anything"
    with refused(TypeError, f"Trap has no parameter 'widht' (did you mean 'width'?); {listed}"):
        Trap(widht=1)
    with refused(TypeError, f"Trap has no parameter 'zzz'; {listed}"):
        Trap(zzz=1)
    with refused(TypeError, "Empty has no parameter 'n'; it has: none"):
        Empty(n=1)


def test_parameters_go_by_name():
    with refused(TypeError, "Lattice takes its parameters by name: width, depth, n,"):
        Lattice(1.0)


def test_missing_parameters_are_named():
    with pytest.raises(TypeError, match="'sites'"):
        Lattice()


# Kinds


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n": True}, "n = True, but it must be an integer"),
        ({"n": np.True_}, "n = np.True_, but it must be an integer"),
        ({"n": 2.0}, "n = 2.0, but it must be an integer"),
        ({"n": "2"}, "n = '2', but it must be an integer"),
        ({"n": None}, "n = None, but it must be an integer"),
        ({"width": "1"}, "width = '1', but it must be a real number"),
        ({"width": True}, "width = True, but it must be a real number"),
        ({"width": 1j}, "width = 1j, but it must be a real number"),
        ({"width": None}, "width = None, but it must be a real number"),
        ({"width": np.ones(2)}, "but it must be a real number"),
        ({"depth": "1"}, "depth = '1', but it must be a real number"),
        ({"name": 1}, "name = 1, but it must be a string"),
        ({"periodic": 1}, "periodic = 1, but it must be True or False"),
        ({"periodic": None}, "periodic = None, but it must be True or False"),
        ({"positions": 1.0}, "positions = 1.0, but it must be a sequence"),
        ({"positions": "12"}, "positions = '12', but it must be a sequence"),
        ({"positions": (1, "2")}, "positions[1] = '2', but it must be a real number"),
        ({"labels": "ab"}, "labels = 'ab', but it must be a sequence"),
        ({"labels": ["a", 1]}, "labels[1] = 1, but it must be a string"),
    ],
    ids=label,
)
def test_wrong_kinds_are_refused(parameters, message):
    with refused(TypeError, message):
        Trap(**parameters)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"width": float("nan")}, "width = nan, but it must be a finite number"),
        ({"width": float("inf")}, "width = inf, but it must be a finite number"),
        ({"depth": np.float64("-inf")}, "depth = -inf, but it must be a finite number"),
        ({"positions": [0, float("nan")]}, "positions[1] = nan, but it must be a finite number"),
        ({"width": -1}, "width = -1.0, but it must be positive"),
        ({"shape": "oval"}, "shape = 'oval', but it must be one of 'round', 'square'"),
        ({"shape": None}, "shape = None, but it must be one of 'round', 'square'"),
        ({"order": 3}, "order = 3, but it must be one of 1, 2, 4"),
        ({"order": True}, "order = True, but it must be one of 1, 2, 4"),
        ({"order": 2.0}, "order = 2.0, but it must be one of 1, 2, 4"),
    ],
    ids=label,
)
def test_wrong_values_are_refused(parameters, message):
    with refused(ValueError, message):
        Trap(**parameters)


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("width", 2, 2.0),
        ("width", np.float32(0.5), 0.5),
        ("width", np.int64(2), 2.0),
        ("width", np.array(2.5), 2.5),
        ("width", Fraction(1, 2), 0.5),
        ("depth", np.float64(0.5), 0.5),
        ("depth", None, None),
        ("n", np.int32(3), 3),
        ("n", np.array(3), 3),
        ("periodic", np.True_, True),
        ("shape", "square", "square"),
        ("shape", np.str_("square"), "square"),
        ("order", 4, 4),
        ("order", np.int64(4), 4),
        ("positions", [1, np.float64(2)], (1.0, 2.0)),
        ("positions", np.arange(2), (0.0, 1.0)),
        ("positions", (x / 2 for x in range(2)), (0.0, 0.5)),
        ("labels", ["a", "b"], ("a", "b")),
        ("labels", None, None),
    ],
    ids=label,
)
def test_numbers_become_plain_python_objects(name, given, kept):
    value = getattr(Trap(**{name: given}), name)
    assert value == kept
    assert type(value) is type(kept)
    if isinstance(kept, tuple):
        assert [type(item) for item in value] == [type(item) for item in kept]


def test_other_kinds_are_left_alone():
    kept = object()
    assert Trap(anything=kept).anything is kept


def test_a_name_of_the_enclosing_scope_does_not_switch_off_the_other_checks():
    class Local:
        pass

    class Box(Value):
        width: float
        local: Local | None = None

    with refused(TypeError, "width = '1', but it must be a real number"):
        Box(width="1")
    assert type(Box(width=1, local=Local()).width) is float


# Inheritance


def test_subclasses_inherit_parameters_and_conditions():
    lattice = Lattice(sites=5, shape="square")
    assert (lattice.width, lattice.n, lattice.shape) == (3.0, 2, "square")
    with refused(ValueError, "width = -1.0, but it must be positive"):
        Lattice(sites=5, width=-1)
    with refused(ValueError, "sites = 2, but it must be more than n = 2"):
        Lattice(sites=2)
    with refused(TypeError, "sites = 2.5, but it must be an integer"):
        Lattice(sites=2.5)


def test_a_class_without_new_parameters():
    class Same(Lattice):
        pass

    assert Same(sites=3).width == 3.0
    assert Same(sites=3) != Lattice(sites=3)
    assert Empty() == Empty()


# Values


def test_values_are_immutable():
    trap = Trap()
    for change in (lambda: setattr(trap, "width", 2.0), lambda: setattr(trap, "new", 1), lambda: delattr(trap, "n")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    assert trap == Trap()


def test_equality_and_hash():
    assert Trap(width=2) == Trap(width=np.float64(2))
    assert hash(Trap(width=2, positions=[1])) == hash(Trap(width=2.0, positions=(1.0,)))
    assert len({Trap(), Trap(width=1), Trap(width=2)}) == 2
    assert Trap() != Trap(n=3)
    assert Trap() != Empty()
    assert repr(Empty()) == "Empty()"
    assert repr(Lattice(sites=3)).startswith("Lattice(width=3.0, depth=None, n=2,")
    assert eval(repr(Trap(width=2, positions=[1]))) == Trap(width=2, positions=[1])


def test_pickling():
    for value in (Trap(depth=0.5, positions=[1, 2]), Lattice(sites=4, anything=OpSum() + (1, "Sz", 0)), Empty()):
        copy = pickle.loads(pickle.dumps(value))
        assert copy == value
        assert hash(copy) == hash(value)


def test_replace_checks_again():
    assert dataclasses.replace(Lattice(sites=5), sites=6, width=1) == Lattice(sites=6, width=1.0)
    with refused(ValueError, "sites = 1, but it must be more than n = 2"):
        dataclasses.replace(Lattice(sites=5), sites=1)
    with refused(TypeError, "Lattice has no parameter 'site' (did you mean 'sites'?)"):
        dataclasses.replace(Lattice(sites=5), site=1)


# Listing


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        (None, None),
        (np.float64(0.5), 0.5),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.array([1j]), ["1j"]),
        ((1, [2.5, "a"]), [1, [2.5, "a"]]),
        ({"a": np.int64(1), 2: (True,)}, {"a": 1, "2": [True]}),
        (1 + 2j, "(1+2j)"),
        (Spin(1), "Spin(1)"),
        (OpSum() + (1, "Sz", 0), "OpSum([((1+0j), 'Sz', 0)])"),
        (Spin, "mpsnh.Spin"),
        (Empty(), {"type": f"{__name__}.Empty"}),
        ([Empty()], [{"type": f"{__name__}.Empty"}]),
        (named_function, f"{__name__}.named_function"),
    ],
    ids=label,
)
def test_parameters_are_plain_data(given, listed):
    parameters = Trap(anything=given).parameters()
    assert parameters["anything"] == listed
    assert json.loads(json.dumps(parameters)) == parameters


def test_parameters_begin_with_the_type_and_list_every_field():
    parameters = Lattice(sites=3, positions=[1]).parameters()
    assert next(iter(parameters)) == "type"
    assert parameters["type"] == f"{__name__}.Lattice"
    assert parameters["positions"] == [1.0]
    assert set(parameters) == {"type", *(field.name for field in dataclasses.fields(Lattice))}


def test_functions_can_be_parameters():
    class Start(Value):
        initial: Literal["neel"] | Callable[[], int] = "neel"

    assert Start(initial=named_function).parameters()["initial"] == f"{__name__}.named_function"
    assert Start().initial == "neel"


def test_require():
    require(True, "x", 1, "two")
    with refused(ValueError, "x = 1, but it must be two"):
        require(False, "x", 1, "two")


class Pattern(Value):
    fields: np.ndarray


def test_arrays_are_kept_from_changes():
    fields = np.array([1.0, 2.0])
    pattern = Pattern(fields=fields)
    fields[:] = 5
    assert pattern.fields.tolist() == [1, 2]
    for kept in (pattern, copy.deepcopy(pattern), pickle.loads(pickle.dumps(pattern))):
        assert kept == pattern
        assert hash(kept) == hash(pattern)
        with pytest.raises(ValueError, match="read-only"):
            kept.fields[0] = 3
    assert pattern != Pattern(fields=np.array([1.0, 3.0]))
    assert pattern != Pattern(fields=np.array([[1.0, 2.0]]))


class Tabulated(Value):
    size: int = 3

    def validate(self):
        object.__setattr__(self, "table", list(range(self.size)))

    @functools.cached_property
    def doubled(self):
        return [2 * number for number in self.table]


def test_a_copy_keeps_what_was_stored_and_makes_the_rest_again():
    first = Tabulated()
    assert first.doubled == [0, 2, 4]
    for other in (copy.copy(first), copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert "doubled" not in vars(other)
        assert other.doubled == [0, 2, 4]


@pytest.mark.parametrize(
    "make",
    [
        lambda threads: algorithms.ExactDiag(threads=threads),
        lambda threads: algorithms.SteadyState(threads=threads),
        lambda threads: algorithms.NHTEBD(dt=0.1, t_max=1.0, threads=threads),
    ],
)
def test_what_changes_no_result_is_not_recorded(make):
    """Stores go on with another number of threads, and those of before there were any."""
    assert make(2).parameters() == make(1).parameters()
    assert "threads" not in make(2).parameters()
    assert make(2) != make(1)
