"""A store or a checkpoint goes on only with what computes the same numbers; what changed is named.

Each case runs the text of a study, edits it as a user would between two calls, and runs it again.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.run.code import Code
from mpsnh.run.fingerprint import fingerprint
from mpsnh.run.reference import References, WorkerError
from mpsnh.run.store import Store
from tests.support.comparison import assert_same_bits
from tests.support.stores import identities, rewrite

STUDY = '''
import functools
import numpy as np
import mpsnh as nh
from mpsnh import algorithms, models, observables

FACTOR, TABLE = 1.0, {"a": [1, 2]}

def helper(x):
    return FACTOR * x + TABLE["a"][1]

class Chain(models.NonHermitianXXZ):
    field: float = 0.3

    def profile(self, j):
        return np.cos(j)

    def terms(self):
        return super().terms() + nh.OpSum.sum((1j * self.field * np.cos(j), "Sz", j) for j in range(self.L))

class Growth(nh.Observable[nh.Spectrum]):
    """The growth, somehow."""

    measures = nh.Spectrum
    scale = 2

    @property
    def shift(self):
        return 0.0

    def __call__(self, spectrum, model):
        value = spectrum.values[0].imag  # of the steady state
        return self.scale * helper(value) + self.shift + model.profile(1)

class Applied(nh.Observable[nh.Spectrum]):
    measures = nh.Spectrum
    function: object = abs

    def __call__(self, spectrum, model):
        return self.function(spectrum.values[0].imag)

def powers(n):
    return lambda x: x**n

def make(h, seed):
    return nh.Simulation(
        Chain(L=4, h=h, seed=seed, boundary="periodic"),
        algorithms.ExactDiag(vectors="none"),
        {"growth": Growth(), "applied": Applied(function=powers(2))},
    )
'''

EDITS = {
    "nothing": ("", "", ""),
    "a comment": ("# of the steady state", "# or so", ""),
    "a docstring": ("The growth, somehow.", "The growth of the steady state.", ""),
    "a local name": ("lambda x: x**n", "lambda y: y**n", ""),
    "another way to write it": ("1j * self.field * np.cos(j)", "self.field * np.cos(j) * 1j", ""),
    "a line above": ("class Chain", "\n\nclass Chain", ""),
    "terms": ("1j * self.field", "2j * self.field", "at h = 0.5, seed = 0 the Hamiltonian .* is another one"),
    "a method": ("return np.cos(j)", "return np.sin(j)", "'Chain.profile' of the model"),
    "an observable": ("* helper(value)", "- helper(value)", "'Growth.__call__' of the observable 'growth'"),
    "a constant": ("spectrum.values[0].imag)", "spectrum.values[1].imag)", "'Applied.__call__'"),
    "a class attribute": ("scale = 2", "scale = 3", "'Growth.scale'"),
    "a property": ("return 0.0", "return 0.1", "'Growth.shift'"),
    "a function that is called": ("FACTOR * x +", "FACTOR + x *", "'helper'"),
    "a global number": ("TABLE = 1.0", "TABLE = 1.5", "'FACTOR'"),
    "a global table": ("[1, 2]", "[1, 3]", "'TABLE'"),
    "what a lambda captures": ("powers(2)", "powers(3)", "'n' of the observable 'applied'"),
    "what a partial function holds": (
        "powers(2)",
        "functools.partial(np.power, 2)",
        "observables.applied.function is .* there and .* here",
    ),
    "a parameter that varies": ("h=h", "h=2 * h", "the Hamiltonian .* is another one"),
}  # fmt: skip
GRID = {"h": [0.5, 1.0], "seed": [0, 1]}


def study(text: str = STUDY) -> types.ModuleType:
    module = types.ModuleType("study")
    exec(compile(text, "study.py", "exec", dont_inherit=True), module.__dict__)
    return module


@pytest.mark.parametrize("edit", EDITS)
def test_a_store_goes_on_only_where_nothing_changed(edit, tmp_path):
    before, after, message = EDITS[edit]
    place = tmp_path / "data.zarr"
    nh.sweep(study().make, GRID, store=place)
    changed = study(STUDY.replace(before, after))
    larger = {"h": [0.5, 1.0, 2.0], "seed": [1, 2]}
    if message:
        content = (place / ".zattrs").read_bytes()
        with pytest.raises(ValueError, match=f"holds another study: .*{message}"):
            nh.sweep(changed.make, larger, store=place)
        assert (place / ".zattrs").read_bytes() == content
        assert Store(place).grid().axes["h"] == GRID["h"]
    else:
        assert_same_bits(nh.sweep(changed.make, larger, store=place), nh.sweep(study().make, larger))


STATES = {
    "a lambda that captures": lambda names: lambda model: nh.MPS.product(model.sites, names),
    "a default": lambda names: lambda model, names=names: nh.MPS.product(model.sites, names),
    "a captured state": lambda names: (
        lambda state: lambda model: state
    )(nh.MPS.product([nh.Spin(0.5)] * 4, names)),
}  # fmt: skip
UP = ["up", "up", "down", "down"]


def quench(initial, t_max=0.2):
    return nh.Simulation(
        nh.models.NonHermitianXXZ(L=4, h=1.0),
        nh.algorithms.NHTEBD(dt=0.1, t_max=t_max, initial=initial),
        {"sz": nh.observables.Magnetization()},
    )


@pytest.mark.parametrize("kind", STATES)
def test_another_initial_state_is_another_run(kind, tmp_path):
    """The reported case: two functions of one name that start from different states."""
    make, place = STATES[kind], tmp_path / "run.npz"
    quench(make(UP)).run(checkpoint=place)
    assert_same_bits(quench(make(UP), 0.3).run(checkpoint=place), quench(make(UP), 0.3).run())
    with pytest.raises(ValueError, match=r"holds another run: the code or value .* of the algorithm is another one"):
        quench(make(UP[::-1])).run(checkpoint=place)
    stored = tmp_path / "data.zarr"
    nh.sweep(lambda seed: quench(make(UP)), {"seed": [0, 1]}, store=stored)
    with pytest.raises(ValueError, match=r"at seed = 0 the code or value .* of the algorithm is another one"):
        nh.sweep(lambda seed: quench(make(UP[::-1])), {"seed": [0, 1]}, store=stored)


class Table:
    """A callable of a script, which remembers its state."""

    def __init__(self, names):
        self.names = names

    @functools.lru_cache  # noqa: B019
    def state(self, model):
        return nh.MPS.product(model.sites, self.names)


@pytest.mark.parametrize(
    "kind", [lambda names: Table(names).state, lambda names: functools.partial(joined, ",".join(names).split)]
)
def test_methods_of_different_objects_are_different_studies(kind, tmp_path):
    """Which of them it is shows in the parameters, so that it is compared wherever these are."""
    stored = tmp_path / "data.zarr"
    nh.sweep(lambda seed: quench(kind(UP)), {"seed": [0, 1]}, store=stored)
    with pytest.raises(ValueError, match=r"holds another study: algorithm\.initial"):
        nh.sweep(lambda seed: quench(kind(UP[::-1])), {"seed": [0, 1]}, store=stored)


def joined(split, model):
    return nh.MPS.product(model.sites, split(","))


def neel(model, _):
    return nh.MPS.product(model.sites, ["up", "down"] * 2)


def test_what_can_not_be_compared_is_refused_before_any_point_runs(tmp_path):
    lines = (line for line in ("up", "down"))
    with pytest.raises(TypeError, match=r"captures lines, but <generator .* can't be compared"):
        nh.sweep(lambda seed: quench(lambda model: neel(model, lines)), {"seed": [0]}, store=tmp_path / "data.zarr")
    assert not (tmp_path / "data.zarr").exists()


def test_code_of_another_python_is_not_compared_but_said(tmp_path):
    place = tmp_path / "data.zarr"
    nh.sweep(study().make, GRID, store=place)

    def older(identity):
        for reference in identity["computes"]:
            reference["python"] = "3.1"
            reference["parts"]["the observable 'growth'"]["Growth.__call__"] = "of another compiler"

    rewrite(place, identities(older))
    with pytest.warns(UserWarning, match=r"code can't be compared \(Python 3\.1 there and"):
        nh.sweep(study().make, GRID, store=place)
    other = study(STUDY.replace("field: float = 0.3", "field: float = 0.4"))
    with pytest.raises(ValueError, match=r"model\.field is 0\.3 there and 0\.4 here"):
        nh.sweep(other.make, GRID, store=place)


def test_a_store_without_fingerprints_is_continued_and_gets_them(tmp_path):
    """As version 0.1.0 made it."""
    place = tmp_path / "data.zarr"
    nh.sweep(study().make, GRID, store=place)
    rewrite(place, identities(lambda identity: identity.pop("computes")))
    nh.sweep(study().make, GRID, store=place)
    with pytest.raises(ValueError, match="the Hamiltonian"):
        nh.sweep(study(STUDY.replace("1j * self.field", "2j * self.field")).make, GRID, store=place)


def test_a_store_remembers_a_few_points_only(tmp_path, monkeypatch):
    place = tmp_path / "data.zarr"
    monkeypatch.setattr("mpsnh.run.reference.MOST", 4)
    for n in range(1, 4):
        nh.sweep(study().make, {"h": np.arange(n) + 0.5, "seed": [0]}, store=place)
    points = [reference["point"] for reference in Store(place).identity["computes"]]
    assert [point["h"] for point in points] == [0.5, 1.5, 2.5]
    nh.sweep(study().make, {"h": np.arange(5) + 0.5, "seed": [0, 1]}, store=place)
    assert len(Store(place).identity["computes"]) == 4


def test_a_worker_that_computes_something_else_is_refused():
    there = References.of([({"h": 1.0, "seed": 0}, study().make(1.0, 0))])
    there.require_agreement(study().make)
    other = References.of([({"h": 1.0, "seed": 0}, study().make(1.0, 0))])
    with pytest.raises(WorkerError, match=r"'FACTOR' of the observable 'growth'.*functools\.partial"):
        other.require_agreement(study(STUDY.replace("TABLE = 1.0", "TABLE = 2.0")).make)


def test_code_that_leads_back_to_itself_ends():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    looped: list = [1]
    looped.append(looped)
    code = Code()
    assert code.follow([even, looped]).endswith("[1, …]]")
    assert set(code.parts) == {f"{test_code_that_leads_back_to_itself_ends.__qualname__}.<locals>.{name}" for name in
                               ("even", "odd")} | {"even", "odd"}  # fmt: skip


SENT = """
import json, pickle, sys
from mpsnh.run.fingerprint import fingerprint
print(json.dumps(fingerprint(pickle.loads(sys.stdin.buffer.read())(1.0, 0))))
"""


def test_another_process_finds_the_same_whether_it_imports_or_is_sent_the_code():
    """As workers of dask are sent what a script defines; sets of texts have another order there."""
    cloudpickle = pytest.importorskip("cloudpickle")
    text = STUDY.replace("return self.function(", "return 1 if repr(self) in {'a', 'bb', 'c'} else self.function(")
    module = types.ModuleType("__main__")
    exec(compile(text, "study.py", "exec", dont_inherit=True), module.__dict__)
    done = subprocess.run(
        [sys.executable, "-c", SENT],
        input=cloudpickle.dumps(module.make),
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "12"},
    )
    assert json.loads(done.stdout) == json.loads(json.dumps(fingerprint(module.make(1.0, 0))))


def test_an_axis_of_one_label_says_how_it_grows(tmp_path):
    """Of one label nobody can know what it varies; of two everybody does."""

    def make(chi, seed):
        chain = nh.models.NonHermitianXXZ(L=4, h=1.0, seed=seed)
        return nh.Simulation(chain, nh.algorithms.NHTEBD(dt=0.1, t_max=0.1, max_bond=chi), {})

    def run(*bonds):
        return nh.sweep(make, {"chi": bonds, "seed": range(2)}, store=tmp_path / "store", progress=False)

    run(4)
    with pytest.raises(
        ValueError, match=r"is 4 there and 3 here \(if that is what 'chi' is for, .* \{'chi': \[4, 3\]\}"
    ):
        run(3)
    run(4, 3)
    assert run(2).sizes["chi"] == 1
