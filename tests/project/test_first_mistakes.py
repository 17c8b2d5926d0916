"""Mistakes of a first day: each ends in one sentence that says what is wrong, what is allowed and what works.

What is natural and can mean one thing only works instead; that is at the end.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables


class Chain(nh.HamiltonianModel):
    """A chain that is right."""

    J: float = 1.0

    def terms(self):
        return nh.OpSum.sum((self.J, "Sz", j, "Sz", j + 1) for j in range(self.L - 1))


def made(*bases: type, **body: Any) -> type:
    """A class as its author writes it; what has a capital letter is an annotated parameter."""
    annotations = {name: type(value) for name, value in body.items() if name[0].isupper()}
    return type("Mine", bases, {**body, "__annotations__": annotations})


def simulated(model: Any = None, algorithm: Any = None, observable: Any = None, L: int = 4) -> Any:
    """The dataset of a short run, whatever part of it the user wrote."""
    model = Chain(L=L) if model is None else model(L=L)
    algorithm = algorithms.NHTEBD(dt=1, t_max=1) if algorithm is None else algorithm
    measured = observables.Magnetization() if observable is None else observable
    return nh.Simulation(model, algorithm, {"mine": measured}).run()


def with_sites(sites: Any) -> Any:
    return simulated(made(Chain, sites=sites))


def with_terms(terms: Any) -> Any:
    return simulated(made(nh.HamiltonianModel, terms=terms))


def with_layers(layers: Any) -> Any:
    return simulated(made(nh.FloquetModel, layers=layers))


def with_observable(call: Any, **body: Any) -> Any:
    return simulated(observable=made(nh.Observable, **{"measures": nh.Snapshot, "__call__": call, **body})())


def with_records(records: Any, **body: Any) -> Any:
    return simulated(algorithm=made(nh.Algorithm, **{"yields": nh.Snapshot, "records": records, **body})())


def evolved(initial: Any) -> Any:
    return simulated(algorithm=algorithms.NHTEBD(dt=1, t_max=1, initial=initial))


X = np.array([[0, 1], [1, 0]])
SPINS = [nh.Spin()] * 4
UP = nh.MPS.product(SPINS, ["up"] * 4)
FORM = "a term is (coefficient, 'Op', site, 'Op', site, …)"
KIND = "but it must name a kind of record: write `{} = nh.Snapshot` for evolutions, or `{} = nh.Spectrum`, in the class"

MODELS = {
    "sites without @property": (
        lambda: with_sites(lambda self: (nh.Spin(),) * self.L),
        "Mine.sites is a method, but it must be a property: write @property above it",
    ),
    "one site for all": (
        lambda: with_sites(property(lambda self: nh.Spin())),
        "Mine.sites = Spin(0.5), but it must be a Site for each of the L = 4: (Spin(0.5),) * self.L",
    ),
    "names for sites": (
        lambda: with_sites(property(lambda self: ["spin"] * 4)),
        "Mine.sites[0] = 'spin', but it must be a Site, such as Spin(0.5) or Boson(3)",
    ),
    "too few sites": (
        lambda: with_sites((nh.Spin(),) * 3),
        "number of Mine.sites = 3, but it must be L = 4",
    ),
    "terms that are a list": (
        lambda: with_terms(lambda self: [(1.0, "Sz", 0)]),
        "Mine.terms returned [(1.0, 'Sz', 0)], but it must return an OpSum; OpSum([…]) makes one of terms",
    ),
    "terms without return": (
        lambda: with_terms(lambda self: None),
        "Mine.terms returned None (is there a return?), but it must return an OpSum",
    ),
    "terms that are a matrix": (
        lambda: with_terms(lambda self: np.eye(16)),
        "Mine.terms returned a ndarray, but it must return an OpSum",
    ),
    "terms of a time": (
        lambda: with_terms(lambda self, t: nh.OpSum([(t, "Sz", 0)])),
        "Mine.terms is (self, t), but it must be a method that takes (self); H does not depend on time, but a drive is "
        "made of parts, each a model that goes on from the last snapshot: run(after=snapshot)",
    ),
    "terms that are a property": (
        lambda: with_terms(property(lambda self: nh.OpSum())),
        "Mine.terms is a property, but it must be a method that takes (self)",
    ),
    "no terms": (
        lambda: simulated(made(nh.HamiltonianModel)),
        "Mine must define `terms`, which HamiltonianModel leaves to it",
    ),
    "a parameter without annotation": (
        lambda: made(Chain, field=0.5)(L=4, field=1.0),
        "Mine.field is no parameter, since it has no annotation; write `field: float = 0.5` in the class",
    ),
    "a new default without annotation": (
        lambda: made(models.NonHermitianXXZ, gamma=0.3)(L=4),
        "Mine.gamma does not change the parameter 'gamma', since it has no annotation; write `gamma: float = 0.3` in",
    ),
    "a list as default": (
        lambda: made(Chain, Fields=[1.0, 2.0]),
        "Mine.Fields = [1.0, 2.0], but the default of a parameter must be something that can't be changed, such as a",
    ),
    "a constructor": (
        lambda: made(Chain, __init__=lambda self, L: None),
        "Mine must not define __init__, which is made from its parameters: list these in the class, such as `J: float",
    ),
    "validate without super": (
        lambda: made(models.NonHermitianXXZ, validate=lambda self: None)(L=4, gamma=1.5),
        "gamma = 1.5, but it must be between -1 and 1 for an open chain",
    ),
    "a text for a complex number": (
        lambda: made(Chain, Field=1j)(L=4, Field="1j"),
        "Field = '1j', but it must be a number",
    ),
    "an operator in small letters": (
        lambda: with_terms(lambda self: nh.OpSum([(1, "sz", 0)])),
        "Spin(0.5) has no operator 'sz' (did you mean 'Sz'?); it has: F, Id, Sm, Sp, Sx, Sy, Sz, X, Y, Z",
    ),
    "gates without a layer": (
        lambda: with_layers(lambda self: [nh.Gate(X, (0,))]),
        "layer 0 of Mine.layers is a Gate, but it must be a tuple of gates, such as (gate,)",
    ),
    "layers without return": (
        lambda: with_layers(lambda self: None),
        "Mine.layers returned None (is there a return?), but it must return a list of layers, each a tuple of gates",
    ),
    "pairs for gates": (
        lambda: with_layers(lambda self: [[(X, (0,))]]),
        "gate 0 in layer 0 of Mine.layers is a tuple, but it must be a Gate(matrix, sites), such as Gate(np.eye(4), ",
    ),
    "a gate with its arguments swapped": (
        lambda: with_layers(lambda self: [[nh.Gate((0,), X)]]),
        "gate 0 in layer 0 of Mine.layers acts on a ndarray, but this must be a tuple of sites: Gate(matrix, (0, 1))",
    ),
    "a gate by name": (
        lambda: with_layers(lambda self: [[nh.Gate("X", (0,))]]),
        "has the matrix 'X', but it must be an array; of an operator of the site it is self.sites[0].op('X')",
    ),
}

STATES = {
    "occupations for states": (
        lambda: nh.MPS.product([nh.Boson(1)] * 8, [1, 0] * 4),
        "state = 1, but it must be a name, one of '0', '1', or an array of 2 amplitudes",
    ),
    "one name for all sites": (
        lambda: nh.MPS.product(SPINS, "up"),
        "states = 'up', but it must have a state for each site, such as ['up'] * L",
    ),
    "one site for the chain": (
        lambda: nh.MPS.product(nh.Spin(), ["up"]),
        "sites is Spin(0.5), but it must be a sequence of sites, such as [Spin(0.5)] * L",
    ),
    "a state with a capital": (
        lambda: nh.MPS.product(SPINS, ["Up"] * 4),
        "Spin(0.5) has no state 'Up' (did you mean 'up'?); it has: up, down",
    ),
    "a state for a function": (
        lambda: evolved(UP),
        "but it must be 'neel', a pattern such as '1010', or a function of the model that returns an MPS, such as "
        "lambda model: state, or a list",
    ),
    "a function of nothing": (
        lambda: evolved(lambda: UP),
        "initial is a function of (), but it must take the model: lambda model: state",
    ),
    "too few names": (
        lambda: evolved(["up", "down"]),
        "number of names in initial = 2, but it must be L = 4, one a site",
    ),
    "an operator by name": (
        lambda: UP.expect("Sz"),
        "op is 'Sz', but it must be an OpSum, such as OpSum([(1.0, 'Sz', 0)])",
    ),
    "a number for sites": (
        lambda: nh.MPO.from_opsum(nh.OpSum([(1.0, "Sz", 0)]), 4),
        "sites is 4, but it must be a sequence of sites, such as [Spin(0.5)] * L",
    ),
    "a number for states": (
        lambda: nh.Site(2, {"n": X}),
        "states = 2, but they must be a list of names, such as ['up', 'down']",
    ),
    "a list for operators": (
        lambda: nh.Site(["a", "b"], [X]),
        "operators is a list, but it must map names to matrices, such as {'n': matrix}",
    ),
    "a spin as text": (lambda: nh.Spin("1/2"), "S = '1/2', but it must be 1/2, 1, 3/2, …"),
    "a text for a sum": (lambda: nh.OpSum("Sz_0"), f"terms = 'Sz_0', but they must be a sequence of terms; {FORM}"),
    "a list added to a sum": (
        lambda: nh.OpSum() + [(1, "Sz", 0)],
        "write a term as (coefficient, 'Op', site, …), several as",
    ),
    "a number added to a sum": (lambda: nh.OpSum() - 1.5, "and a multiple of the identity as (number,)"),
    "a term without number": (lambda: nh.OpSum([("Sz", 0)]), f"('Sz', 0) does not begin with a number: {FORM}"),
}

MEASUREMENTS = {
    "an observable without measures": (
        lambda: with_observable(lambda self, record, model: 1.0, measures=None),
        f"Mine does not say what it measures, {KIND.format('measures', 'measures')}",
    ),
    "measures by name": (
        lambda: with_observable(lambda self, record, model: 1.0, measures="Snapshot"),
        f"Mine has measures = 'Snapshot', {KIND.format('measures', 'measures')}",
    ),
    "an observable without model": (
        lambda: with_observable(lambda self, snapshot: 1.0),
        "Mine.__call__ is (self, snapshot), but it must be a method that takes (self, record, model)",
    ),
    "an observable without call": (
        lambda: simulated(observable=made(nh.Observable, measures=nh.Snapshot)()),
        "Mine must define `__call__`, which Observable leaves to it",
    ),
    "an observable without return": (
        lambda: with_observable(lambda self, record, model: None),
        "Mine returned None (is there a return?), but it must return a number, or an array of numbers with its `dims`",
    ),
    "an observable that returns a dict": (
        lambda: with_observable(lambda self, record, model: {"sz": 1.0}),
        "Mine returned {'sz': 1.0}, but it must return a number, or an array of numbers with its `dims`",
    ),
    "an observable that returns rows of different lengths": (
        lambda: with_observable(lambda self, record, model: [[1.0], [1.0, 2.0]], dims=("a", "b")),
        "Mine returned [[1.0], [1.0, 2.0]], but it must return a number, or an array of numbers with its `dims`",
    ),
    "an observable whose length grows": (
        lambda: with_observable(lambda self, record, model: [0.0] * (1 + round(record.time)), dims=("k",)),
        "observable 'mine' returned the shape (2,) at one record and (1,) at another; it must be the same at all",
    ),
    "a class for an observable": (
        lambda: simulated(observable=observables.Norm),
        "but it must be an Observable, such as Norm(…)",
    ),
    "a class for an algorithm": (
        lambda: simulated(algorithm=algorithms.ExactDiag),
        "but it must be an Algorithm, such as ExactDiag(…)",
    ),
    "an algorithm without yields": (
        lambda: with_records(lambda self, model, after=None: iter([]), yields=None),
        f"Mine does not say what it yields, {KIND.format('yields', 'yields')}",
    ),
    "an algorithm that returns": (
        lambda: with_records(lambda self, model, after=None: nh.Snapshot(0.0, UP)),
        "Mine.records returned a Snapshot, but it must yield records",
    ),
    "an algorithm that yields states": (
        lambda: with_records(lambda self, model, after=None: iter([UP])),
        "Mine.records yielded a MPS, but it must yield a Snapshot",
    ),
    "an algorithm without after": (
        lambda: with_records(lambda self, model: iter([])),
        "Mine.records is (self, model), but it must be a method that takes (self, model, after); `after` is a record",
    ),
    "a misspelt observable": (
        lambda: observables.Magnetisation,
        "No mpsnh.observables attribute Magnetisation (did you mean 'Magnetization'?)",
    ),
    "a misspelt algorithm": (
        lambda: algorithms.Nhtebd,
        "No mpsnh.algorithms attribute Nhtebd (did you mean 'NHTEBD'?)",
    ),
    "a misspelt model": (lambda: models.XXZ, "No mpsnh.models attribute XXZ"),
    "a misspelt class": (lambda: nh.Opsum, "No mpsnh attribute Opsum (did you mean 'OpSum'?)"),
}


@pytest.mark.parametrize("mistake", [*MODELS, *STATES, *MEASUREMENTS])
def test_a_mistake_ends_in_a_sentence(mistake):
    run, message = {**MODELS, **STATES, **MEASUREMENTS}[mistake]
    with pytest.raises((TypeError, ValueError, AttributeError), match=re.escape(message)) as caught:
        run()
    assert "\n" not in str(caught.value)


def test_warnings_show_the_line_that_called():
    evolution = algorithms.NHTEBD(dt=0.1, t_max=2.0, max_bond=2)
    deep = nh.Simulation(models.NonHermitianXXZ(L=8), evolution, {"sz": observables.Magnetization()})
    with pytest.warns(RuntimeWarning, match="truncation may have changed local values") as said:
        deep.run()
    assert {warning.filename for warning in said} == {__file__}
    never = made(nh.Observable, measures=nh.Spectrum, __call__=lambda self, record, model: np.nan)
    with pytest.warns(UserWarning, match="1 point failed") as said:
        nh.sweep(
            lambda h: nh.Simulation(
                models.NonHermitianXXZ(L=4, h=h),
                algorithms.ExactDiag(),
                {"x": observables.GrowthRate() if h else never()},
            ),
            {"h": [0.0, 1.0]},
            progress=False,
        )
    assert {warning.filename for warning in said} == {__file__}


# -------------------------------------------------------------------------------------- what is natural works


def test_sums_are_divided_negated_and_added_by_python():
    terms = [nh.OpSum([(1.0, "Sz", j)]) for j in range(3)]
    total = nh.OpSum([(1.0, "Sz", 0), (1.0, "Sz", 1), (1.0, "Sz", 2)])
    assert sum(terms) == total == +total
    assert total / 2 == 0.5 * total == np.float64(0.5) * total == total / np.float64(2)
    assert (3.0,) - total == -total + (3.0,) == nh.OpSum([(3.0,)]) - total
    assert nh.OpSum((1.0, "Sz", 0)) == nh.OpSum.sum((1.0, "Sz", 0)) == terms[0]
    assert (1.0, "Sz", 0) - total == -terms[1] - terms[2]
    matrix = nh.Sector([nh.Spin()] * 3, None).operator(total - (0.5,)).toarray()
    assert matrix[0, 0] == 1.0  # 3/2 - 1/2
    with pytest.raises(TypeError, match="unsupported operand"):
        total / total


@pytest.mark.parametrize("sites", [list, tuple, iter])
def test_sites_may_be_any_sequence(sites):
    class Bosons(nh.HamiltonianModel):
        @property
        def sites(self) -> Any:
            return sites([nh.Boson(2)] * self.L)

        def terms(self) -> nh.OpSum:
            return nh.OpSum.sum((1.0, "n", j) for j in range(self.L))

    model = Bosons(L=2, charge=2)
    assert model.sites == (nh.Boson(2),) * 2
    assert model.matrix().shape == (3, 3)


def test_initial_states_by_name():
    data = evolved(["up", "up", "down", "up"])
    assert data["mine"][0].values.tolist() == [0.5, 0.5, -0.5, 0.5]
    same = evolved(lambda model: nh.MPS.product(model.sites, ["up", "up", "down", "up"]))
    np.testing.assert_array_equal(data["mine"], same["mine"])


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_fields_may_be_complex(kind):
    fields = [0.1j, 0.2, -0.3j, 0.4]
    model = models.NonHermitianXXZ(L=4, fields=kind(fields), V=0, gamma=0)
    diagonal = nh.Sector(model.sites, model.charge).operator(nh.OpSum.sum((f, "Sz", j) for j, f in enumerate(fields)))
    difference = model.matrix() - models.NonHermitianXXZ(L=4, fields=[0.0] * 4, V=0, gamma=0).matrix()
    assert abs(difference - diagonal).max() < 1e-15
    assert models.NonHermitianXXZ(L=2, fields=kind([1, 0.5])).fields == (1.0, 0.5)


def test_gates_take_lists_and_numbers():
    data = with_layers(
        lambda self: iter([(nh.Gate(X.tolist(), j) for j in range(self.L)), [nh.Gate(np.eye(4), [0, 1])]])
    )
    assert data["mine"].values.tolist() == [[0.5, -0.5, 0.5, -0.5], [-0.5, 0.5, -0.5, 0.5]]


def test_the_name_of_one_dimension():
    def profile(self: Any, record: nh.Snapshot, model: nh.Model) -> Any:
        return record.state.expect_each("Sz").real

    assert with_observable(profile, dims=("site"))["mine"].dims == ("time", "site")


def test_arrays_are_axes():
    def realisation(h: float, seed: int) -> nh.Simulation[Any]:
        model = models.NonHermitianXXZ(L=4, h=h, seed=seed)
        return nh.Simulation(model, algorithms.ExactDiag(), {"gap": observables.SteadyStateGap()})

    data = nh.sweep(realisation, {"h": np.linspace(0, 1, 2), "seed": np.arange(2)}, progress=False)
    assert dict(data["gap"].sizes) == {"h": 2, "seed": 2}
