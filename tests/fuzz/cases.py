"""Random cases as plain data, which the reference and the package read each in its own way."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from tests.fuzz.dense import adjoint, charges_of, dims_of
from tests.fuzz.hamiltonians import FLAVOURS, circuit, local_terms, random_sum
from tests.fuzz.spaces import KINDS, space

PATHS = ("records", "simulation", "resumed", "checkpoint", "sweep")


@dataclass(frozen=True)
class Case:
    """A model, a state, an algorithm and what is measured; sums of operators are tuples of terms.

    `initial` is None for the default, or a way to make a state and its data; `settings` are parameters of the
    algorithm, `parameters` those of a model of the package.
    """

    model: str
    kinds: tuple[str, ...]
    terms: tuple[tuple, ...] = ()
    jumps: tuple[tuple[tuple, ...], ...] = ()
    layers: tuple[tuple, ...] = ()
    parameters: tuple[tuple[str, Any], ...] = ()
    charge: int | None = None
    algorithm: str = ""
    settings: tuple[tuple[str, Any], ...] = ()
    initial: tuple | None = None
    path: str = "records"
    sums: tuple[tuple[tuple, ...], ...] = ()
    chosen: tuple[tuple[str, tuple], ...] = ()

    def __repr__(self) -> str:
        given = [f for f in fields(self) if getattr(self, f.name) != f.default]
        return f"Case({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in given)})"

    @property
    def L(self) -> int:
        return len(self.kinds)

    def setting(self, name: str, default: Any = None) -> Any:
        return dict(self.settings).get(name, default)

    def parameter(self, name: str, default: Any = None) -> Any:
        return dict(self.parameters).get(name, default)


SPINS = ("1/2",)
OPEN = ("open", "open xxz")
"""Models with jumps, which only some algorithms take."""

ONLY_OPEN = ("LindbladSpectrum", "Trajectories", "DensityTEBD")
"""Algorithms that take no others."""

LARGEST = {"ExactEvolution": 1000, "NHTEBD": 260, "ExactDiag": 520, "SteadyState": 520, "OpenSystem": 9}
"""Largest dimension of the whole space for each algorithm; 130 for what is not listed."""

WEIGHTS = {
    "state": 5,
    "NHTEBD": 5,
    "ExactDiag": 5,
    "ExactEvolution": 4,
    "SteadyState": 2,
    "NHDMRG": 1,
    "DegeneratePerturbationSolver": 1,
    "OpenSystem": 2,
    "LindbladSpectrum": 1,
    "Trajectories": 1,
    "DensityTEBD": 1,
}
"""How often the algorithms come; "state" measures the initial state only."""


def random_case(rng: np.random.Generator, algorithm: str | None = None) -> Case:
    """A random case, of a given algorithm or any."""
    if algorithm is None:
        weights = np.array(list(WEIGHTS.values()), dtype=float)
        algorithm = str(rng.choice(list(WEIGHTS), p=weights / weights.sum()))
    model = _pick(rng, {"terms": 6, "circuit": 2, "xxz": 2, "noclick": 1, "random circuit": 0.5})
    if algorithm in ("SteadyState", "NHDMRG") and model in ("circuit", "random circuit") and rng.random() < 0.9:
        model = "terms"
    if algorithm in ONLY_OPEN or (algorithm == "OpenSystem" and rng.random() < 0.6):
        model = _pick(rng, {"open": 3, "open xxz": 1})
    kinds = _kinds(rng, model, algorithm)
    case = _model(rng, model, kinds, algorithm)
    initial = _initial(rng, case, algorithm)
    path = str(rng.choice(PATHS, p=[0.45, 0.25, 0.1, 0.1, 0.1]))
    case = _with(case, algorithm=algorithm, initial=initial, path=path)
    case = _with(case, settings=_settings(rng, case))
    sums = tuple(random_sum(rng, kinds, conserving=rng.random() < 0.5) for _ in range(3))
    return _with(case, sums=sums, chosen=_observables(rng, case))


def _with(case: Case, **changes: Any) -> Case:
    return Case(**({f.name: getattr(case, f.name) for f in fields(case)} | changes))


def _pick(rng: np.random.Generator, weights: dict[str, float]) -> str:
    p = np.array(list(weights.values()), dtype=float)
    return str(rng.choice(list(weights), p=p / p.sum()))


def _kinds(rng: np.random.Generator, model: str, algorithm: str) -> tuple[str, ...]:
    largest = 16 if model in OPEN else LARGEST.get(algorithm, 130)
    while True:
        L = int(rng.integers(2, 7))
        bath = algorithm in ("DegeneratePerturbationSolver", "OpenSystem") and model not in OPEN  # of Pauli matrices
        if model in ("xxz", "open xxz", "random circuit") or rng.random() < (0.8 if bath else 0.35):
            kinds = SPINS * (L + 3 * (model == "xxz" and rng.random() < 0.2))
        elif model in ("noclick", "open") or rng.random() < 0.5:
            kinds = (str(rng.choice(KINDS)),) * L
        else:
            kinds = tuple(str(kind) for kind in rng.choice(KINDS, size=L))
        if math.prod(dims_of(kinds)) <= largest and (L > 2 or rng.random() < 0.5):
            return kinds


def _model(rng: np.random.Generator, model: str, kinds: tuple[str, ...], algorithm: str) -> Case:
    closed = algorithm in ("DegeneratePerturbationSolver", "OpenSystem") and rng.random() < 0.9
    L, charges = len(kinds), charges_of(kinds)
    charge = int(rng.choice(charges)) if rng.random() < 0.65 and len(set(charges)) > 1 else None
    if closed and rng.random() < 0.95:
        charge = None
    conserving = charge is not None or rng.random() < 0.2
    if model == "xxz":
        boundary = "periodic" if L > 2 and rng.random() < 0.5 else "open"
        gamma = round(float(rng.choice([0, 0.1, 0.3, 0.6, 0.8, 0.9, -0.5])), 3) * (not closed)
        given = {"gamma": gamma, "V": round(float(rng.choice([0, 1.1, -0.7])), 3), "boundary": boundary}
        given |= {"h": round(float(rng.choice([0, 0.5, 3.0])), 3), "seed": int(rng.integers(0, 1000))}
        if rng.random() < 0.2:
            given["fields"] = tuple(float(x) for x in rng.normal(size=L).round(3))
        charge = int(rng.choice(charges)) if charge is None and rng.random() < 0.6 and not closed else charge
        return Case(model, kinds, parameters=tuple(given.items()), charge=charge)
    if model == "open xxz":
        given = {"gamma": float(rng.choice([0, 0.1, 0.7])), "theta": round(float(rng.normal()), 3), "h": 0.5}
        given |= {"boundary": "periodic" if L > 2 and rng.random() < 0.5 else "open", "seed": int(rng.integers(1000))}
        return Case(model, kinds, parameters=(("V", 1.1), *given.items()))
    if model == "random circuit":
        given = {"alpha": float(rng.choice([1, 5, 30])), "seed": int(rng.integers(0, 1000))}
        given["order"] = str(rng.choice(["random", "brickwork"]))
        return Case(model, kinds, parameters=tuple(given.items()))
    if model == "circuit":
        return Case(model, kinds, layers=circuit(rng, kinds, conserving, closed, algorithm == "NHTEBD"), charge=charge)
    near = algorithm in ("NHTEBD", "DensityTEBD", "Trajectories") and rng.random() < 0.93
    flavour = "hermitian" if closed or model == "open" else str(rng.choice(FLAVOURS))
    terms = local_terms(rng, kinds, flavour, conserving, near)
    if model == "open":
        conserving = rng.random() < 0.4
        jumps = tuple(
            random_sum(rng, kinds, conserving=conserving, most=2, near=near) for _ in range(int(rng.integers(0, 4)))
        )
        jumps = tuple(jump for jump in jumps if _few_sites(jump, near))
        return Case(model, kinds, terms=terms, jumps=jumps)
    if model == "noclick":
        terms = (*terms, *adjoint(terms))
        jumps = tuple(
            random_sum(rng, kinds, conserving=False, most=2, near=near) for _ in range(int(rng.integers(1, 3)))
        )
        jumps = () if closed else tuple(jump for jump in jumps if _few_sites(jump, near))
        return Case(model, kinds, terms=terms, jumps=jumps)
    return Case(model, kinds, terms=terms, charge=charge)


def _few_sites(terms: tuple[tuple, ...], near: bool) -> bool:
    sites = {j for term in terms for j in term[2::2]}
    return not near or max(sites, default=0) - min(sites, default=0) <= 1


def _initial(rng: np.random.Generator, case: Case, algorithm: str) -> tuple | None:
    """A state: by names, by amplitudes, as a vector or as tensors, of the model's charge unless that is None."""
    if algorithm in ("ExactDiag", "SteadyState", "NHDMRG", "DegeneratePerturbationSolver", "LindbladSpectrum"):
        return None
    if rng.random() < 0.12:
        return None  # the default
    charges, seed = charges_of(case.kinds), int(rng.integers(0, 10**6))
    charge = case.charge
    if charge is None and rng.random() < 0.3:
        charge = int(rng.choice(charges))
    if rng.random() < 0.03:
        charge = int(rng.choice(charges))  # perhaps a wrong one
    inside = np.arange(len(charges)) if charge is None else np.flatnonzero(charges == charge)
    way = _pick(
        rng,
        {"names": 3, "amplitudes": 2 * (charge is None), "vector": 3, "tensors": 2, "quimb": 1, "sum": 1, "charge": 1},
    )
    if way == "names":
        digits = np.unravel_index(int(rng.choice(inside)), dims_of(case.kinds))
        return way, tuple(space(kind).states[d] for kind, d in zip(case.kinds, digits, strict=True))
    scale = float(rng.choice([1, 1, 1, 1, 1e-3, 50.0, 1e-14, 1e60, 1e-60, 1e90, 1e-160]))
    return way, seed, charge, scale


def _settings(rng: np.random.Generator, case: Case) -> tuple[tuple[str, Any], ...]:
    floquet = case.model in ("circuit", "random circuit")
    given: dict[str, Any] = {}
    if case.algorithm in ("ExactEvolution", "NHTEBD", "OpenSystem"):
        dt = 1.0 if floquet else float(rng.choice([0.05, 0.1, 0.25]))
        if case.algorithm == "ExactEvolution" and not floquet:
            dt = float(rng.choice([0.1, 0.5, 1.0, 3.0]))
        given |= {"dt": dt, "t_max": round(dt * int(rng.integers(1, 9)), 9), "every": int(rng.integers(1, 4))}
    if case.algorithm == "ExactEvolution" and not floquet and rng.random() < 0.15:
        given |= {"dt": 25.0, "t_max": 100.0}
    if case.algorithm == "NHTEBD":
        given |= {"order": int(rng.choice([1, 2, 4])), "cutoff": 0.0, "max_bond": 64}
        if rng.random() < 0.25:
            given |= {"cutoff": float(rng.choice([1e-10, 1e-6])), "max_bond": int(rng.choice([2, 3, 4, 8]))}
        if rng.random() < 0.1:
            given["precision"] = "single"
        if rng.random() < 0.3:
            given["excess"] = 0.0
    if case.algorithm in ("ExactDiag", "SteadyState"):
        given["vectors"] = str(rng.choice(["none", "right", "both"], p=[0.2, 0.4, 0.4]))
    if case.algorithm == "NHDMRG":
        target = complex(*rng.normal(size=2).round(3).tolist())
        given["which"] = ("energy", "growth", target)[int(rng.integers(3))]
        given |= {"max_bond": int(rng.choice([4, 16, 64])), "seed": int(rng.integers(100)), "k": 1}
        if rng.random() < 0.5:
            given["k"] = int(rng.integers(2, 5))
    if case.algorithm == "SteadyState":
        given["k"] = int(rng.integers(1, 4))
    if case.algorithm == "ExactDiag" and rng.random() < 0.25:
        given["leading"] = int(rng.integers(1, 4))
    if case.algorithm == "ExactDiag" and rng.random() < 0.1:
        given["method"] = str(rng.choice(["dense", "filter"]))
    if case.algorithm == "LindbladSpectrum":
        given["k"] = (None, 2, 5)[int(rng.integers(3))]
    if case.algorithm in ("Trajectories", "DensityTEBD"):
        given |= {"dt": 0.05, "t_max": 1.0, "every": int(rng.integers(1, 8))}
    if case.algorithm == "Trajectories":
        given |= {"inner": str(rng.choice(["ExactEvolution", "NHTEBD"])), "seed": int(rng.integers(0, 1000))}
    if case.algorithm == "DensityTEBD":
        given |= {
            "dt": float(rng.choice([0.02, 0.1, 0.25])),
            "order": int(rng.choice([1, 2, 4])),
            "max_bond": 256,
            "weight": float(rng.choice([1, 2])),
            "cutoff": 1e-16,
        }
    if case.model in OPEN:
        return tuple(given.items())
    if case.algorithm == "OpenSystem":
        given["gamma"] = float(rng.choice([0, 0.01, 0.5]))
    if case.algorithm in ("OpenSystem", "DegeneratePerturbationSolver") and rng.random() < 0.5:
        jumps = ("Sp", "Sm") if rng.random() < 0.3 else ("X", "Y", "Z") if rng.random() < 0.6 else ("Z", "X")
        given["bath"] = (int(rng.integers(-case.L, case.L)), jumps)
    return tuple(given.items())


def _observables(rng: np.random.Generator, case: Case) -> tuple[tuple[str, tuple], ...]:
    """Parameters of those observables that have some; all others are measured as they are."""
    bond, pairs = int(rng.integers(0, case.L - 1)), ["AB", "A'B", "AB'", "A'B'", "AA'", "BB'", "mu nu"]
    threshold = float(rng.choice([1e-13, 1e-9, 1e-6, 0.01]))
    chosen: dict[str, dict[str, Any]] = {
        "EntanglementEntropy": {"bond": bond} if rng.random() < 0.5 else {},
        "SteadyStateEntropy": {"bond": bond} if rng.random() < 0.5 else {},
        "MidCurrent": {"half_width": int(rng.integers(1, 3))},
        "Expectation": {"operator": "Sz"},
        "CorrelationMatrix": {"first": "Sz", "second": "Sz"},
        "ImaginaryFraction": {"threshold": threshold},
        "RealSpectrum": {"threshold": threshold},
        "ComplexSpacingRatio": {"threshold": 1e-6} if rng.random() < 0.3 else {},
        "SingularValueGapRatio": {"central": 0.5} if rng.random() < 0.3 else {},
        "PauliWeight": {"by": str(rng.choice(["site", "reach"]))},
        "JumpCharacter": {"pair": str(rng.choice(pairs)), "jump": str(rng.choice(["X", "Y", "Z"]))},
        "MatrixElementRatio": {"over": str(rng.choice(pairs)), "under": str(rng.choice(pairs))},
        "DemixingAngle": {"pair": str(rng.choice(pairs)) if rng.random() < 0.5 else (0, int(rng.integers(1, 4)))},
    }
    if case.algorithm in ("ExactDiag", "SteadyState"):
        chosen["DemixingAngle"] = {"pair": (0, int(rng.integers(1, 4)))}
    return tuple((name, tuple(given.items())) for name, given in chosen.items())
