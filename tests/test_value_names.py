"""Parameters that are called: each has a name that is the same in another run, and differs from that of others."""

import cmath
import functools
import json
import math
import operator
import threading

import numpy as np
import pytest
import scipy.special

from mpsnh.value import Value


def label(value):
    """Name a parameter without its address, or order, which differ between processes."""
    return "set" if isinstance(value, set) else str(value).split(" at 0x")[0]


class Trap(Value):
    anything: object


def named_function():
    return 1


class Held:
    """A callable object of a user, and what may be called of it."""

    def __init__(self, k):
        self.k = k

    def __call__(self, model):
        return self.k

    @functools.lru_cache  # noqa: B019
    def kept(self, model):
        return self.k

    @classmethod
    def made(cls, model):
        return cls


class Other(Held):
    pass


HELD = [{"k": 1}]


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        ("a".join, {"method": "str.join", "of": "a"}),
        ([1].__len__, {"method": "list.__len__", "of": [1]}),
        (dict.fromkeys, {"method": "dict.fromkeys", "of": "builtins.dict"}),
        (str.upper, "builtins.str.upper"),
        (np.add.reduce, {"method": "ufunc.reduce", "of": "numpy.add"}),
        (math.sqrt, "math.sqrt"),
        (cmath.sqrt, "cmath.sqrt"),
        (np.sin, "numpy.sin"),
        (scipy.special.gamma, "scipy.special.gamma"),
        (operator.itemgetter(1), {"type": "operator.itemgetter", "holds": [1]}),
        (functools.lru_cache(named_function), f"{__name__}.named_function"),
        (functools.partial(functools.cache(math.sin), 1), {"function": "math.sin", "arguments": [1], "keywords": {}}),
        (Held(1), {"type": f"{__name__}.Held", "holds": HELD}),
        (Held(1).__call__, {"method": "Held.__call__", "of": {"type": f"{__name__}.Held", "holds": HELD}}),
        (Held(1).kept, {"method": "Held.kept", "of": {"type": f"{__name__}.Held", "holds": HELD}}),
        (Other(1).kept, {"method": "Held.kept", "of": {"type": f"{__name__}.Other", "holds": HELD}}),
        (Other.made, {"method": "Held.made", "of": f"{__name__}.Other"}),
        ({"b", "a"}, ["a", "b"]),
    ],
    ids=label,
)
def test_whatever_is_called_is_named_by_what_it_is_of(given, listed):
    parameters = Trap(anything=given).parameters()
    assert parameters["anything"] == listed
    assert json.loads(json.dumps(parameters)) == parameters


@pytest.mark.parametrize(
    "given",
    [(x for x in "a").__next__, threading.Lock(), Held(threading.Lock()), np.frompyfunc(abs, 1, 1)],
    ids=["generator", "lock", "holder", "function"],
)
def test_what_has_no_stable_name_is_refused(given):
    with pytest.raises(TypeError, match=r"has no name that is the same in another run, .* write a function with def"):
        Trap(anything=given).parameters()


def test_random_generators_are_told_apart_by_their_state():
    listed = [Trap(anything=np.random.default_rng(seed).normal).parameters() for seed in (0, 0, 1)]
    assert listed[0] == listed[1] != listed[2]
