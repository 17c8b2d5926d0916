"""The cases as a user of the package would write them."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.states.symmetric import symmetric
from tests.fuzz.cases import Case
from tests.fuzz.hamiltonians import gate_matrix
from tests.fuzz.spaces import space
from tests.fuzz.world import initial_tensors, local_vectors, random_vector

MODELS = {"NonHermitianXXZ": "xxz", "NoClick": "noclick", "RandomFloquetCircuit": "random circuit"}
MODELS |= {"OpenChain": "open", "OpenXXZ": "open xxz"}
"""The models of the package that cases are made of."""

MADE_HERE = {"1/2": nh.Spin(0.5), "1": nh.Spin(1), "3/2": nh.Spin(1.5), "F": nh.Fermion()}
MADE_HERE |= {f"B{n}": nh.Boson(n) for n in (1, 2, 3)}


@functools.cache
def site(kind: str) -> nh.Site:
    """A local space as the package makes it."""
    if kind in MADE_HERE:
        return MADE_HERE[kind]
    local = space(kind)
    own = {name: matrix for name, matrix in local.operators.items() if name not in ("Id", "F")}
    return nh.Site(local.states, own, local.charges, local.parities)


class Terms(nh.HamiltonianModel):
    """Any Hamiltonian."""

    kinds: tuple[str, ...]
    written: tuple[Any, ...]

    @property
    def sites(self) -> tuple[nh.Site, ...]:
        return tuple(site(kind) for kind in self.kinds)

    def terms(self) -> nh.OpSum:
        return nh.OpSum(self.written)


class Layers(nh.FloquetModel):
    """Any circuit."""

    kinds: tuple[str, ...]
    written: tuple[Any, ...]

    @property
    def sites(self) -> tuple[nh.Site, ...]:
        return tuple(site(kind) for kind in self.kinds)

    def layers(self) -> list[nh.Layer]:
        return [tuple(nh.Gate(gate_matrix(g, self.kinds), g[0]) for g in layer) for layer in self.written]


def model(case: Case) -> nh.Model:
    """The model of a case."""
    L, given = case.L, dict(case.parameters)
    if case.model == "terms":
        return Terms(L=L, kinds=case.kinds, written=case.terms, charge=case.charge)
    if case.model == "circuit":
        return Layers(L=L, kinds=case.kinds, written=case.layers, charge=case.charge)
    if case.model == "xxz":
        return models.NonHermitianXXZ(L=L, charge=case.charge, **given)
    if case.model == "random circuit":
        return models.RandomFloquetCircuit(L=L, **given)
    if case.model == "open xxz":
        return models.OpenXXZ(L=L, **given)
    jumps = tuple(nh.OpSum(jump) for jump in case.jumps)
    if case.model == "open":
        written = nh.OpSum(case.terms)
        return models.OpenChain(L=L, hamiltonian=written, jump_operators=jumps, site=site(case.kinds[0]))
    return models.NoClick(L=L, hamiltonian=nh.OpSum(case.terms), jumps=jumps, site=site(case.kinds[0]))


def state(case: Case, sites: tuple[nh.Site, ...]) -> nh.MPS:
    """The initial state of a case, made in the way it names."""
    if case.initial is None:
        return nh.MPS.product(sites, [site.states[-(j % 2)] for j, site in enumerate(sites)])
    way, *rest = case.initial
    if way == "names":
        return nh.MPS.product(sites, list(rest[0]))
    if way == "amplitudes":
        return nh.MPS.product(sites, local_vectors(case))
    if way == "vector":
        return nh.MPS.from_vector(random_vector(case) * case.initial[3], sites)
    plain = nh.MPS.from_tensors(initial_tensors(case), sites)
    if way == "quimb":
        return nh.MPS.from_quimb(plain.to_quimb(), sites)
    if way == "charge":
        return symmetric(plain)
    if way == "sum":
        return 0.25 * plain + 0.75 * plain
    return plain


@functools.lru_cache(maxsize=64)
def maker(case: Case) -> Callable[[nh.Model], nh.MPS]:
    return lambda model: state(case, model.sites)


def algorithm(case: Case, **changed: Any) -> nh.Algorithm[Any]:
    """The algorithm of a case, perhaps with other parameters."""
    given = dict(case.settings) | changed
    if "bath" in given:
        where, jumps = given["bath"]
        given["bath"] = nh.Bath(site=where, jumps=jumps)
    if case.initial is not None:
        given["initial"] = maker(case)
    if case.algorithm == "Trajectories":
        seed, inner = given.pop("seed"), getattr(algorithms, given.pop("inner"))
        truncated = {} if inner is algorithms.ExactEvolution else {"order": 4, "cutoff": 0.0, "max_bond": 64}
        return algorithms.Trajectories(inner=inner(**given, **truncated), seed=seed)
    return getattr(algorithms, case.algorithm)(**given)


def observable(case: Case, name: str) -> nh.Observable[Any]:
    """An observable of the package, with the parameters that the case has for it."""
    if name == "OfLevel":
        return observables.OfLevel(observable=observables.EntanglementEntropy())
    return getattr(observables, name)(**dict(dict(case.chosen).get(name, ())))


def simulation(case: Case, names: list[str]) -> nh.Simulation[Any]:
    return nh.Simulation(model(case), algorithm(case), {name: observable(case, name) for name in names})


def records(case: Case) -> list[Any]:
    """All records of the run, of which one half may follow an earlier record."""
    made, how = model(case), algorithm(case)
    if case.path != "resumed" or how.yields.axis is None:
        return list(how.records(made))
    dt, total = case.setting("dt"), round(case.setting("t_max") / case.setting("dt"))
    every = case.setting("every")
    half = (total // 2) // every * every
    if half < 1:
        return list(how.records(made))
    first = list(algorithm(case, t_max=round(half * dt, 9)).records(made))
    return first + list(how.records(made, first[-1]))


def swept(case: Case, names: list[str]) -> Any:
    """The dataset of a sweep, over one point here, without the axis of the sweep."""
    return nh.sweep(lambda point: simulation(case, names), {"point": [1.0]}, progress=False, on_error="raise").isel(
        point=0
    )


def ket(vector: np.ndarray, sites: tuple[nh.Site, ...]) -> nh.MPS:
    return nh.MPS.from_vector(vector, sites)


def run(case: Case, names: list[str]) -> Any:
    """The dataset of one uninterrupted run, or of a run that went on from its checkpoint."""
    dt, t_max = case.setting("dt"), case.setting("t_max")
    if case.path != "checkpoint" or dt is None:
        return simulation(case, names).run()
    steps, every = round(t_max / dt), case.setting("every")
    half = max(1, steps // 2 // every) * every
    with tempfile.TemporaryDirectory() as folder:
        if half < steps:
            short = algorithm(case, t_max=round(half * dt, 9))
            measured = {name: observable(case, name) for name in names}
            nh.Simulation(model(case), short, measured).run(checkpoint=f"{folder}/run.npz")
        return simulation(case, names).run(checkpoint=f"{folder}/run.npz")
