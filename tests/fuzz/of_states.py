"""The right values of the observables of states, written from their definitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.fuzz import dense
from tests.fuzz.answers import Expected, Refuse, Right
from tests.fuzz.spaces import space
from tests.fuzz.world import World


@dataclass
class Moment:
    """A state at one time: a vector, or a density matrix."""

    world: World
    vector: np.ndarray | None
    log_norm: float | None
    density: np.ndarray | None = None

    def mean(self, matrix: Any) -> complex:
        if self.density is not None:
            return complex(np.trace(matrix @ self.density) / np.trace(self.density))
        assert self.vector is not None
        return dense.expectation(matrix, self.vector)


def magnetization(moment: Moment, **_: Any) -> Expected:
    kinds = moment.world.kinds
    if not all("Sz" in space(kind).operators for kind in kinds):
        return Refuse("a site has no Sz")
    return Right([[moment.mean(dense.factor(kinds, "Sz", j)).real for j in range(len(kinds))]])


def _bond_current(moment: Moment, i: int) -> float:
    j = (i + 1) % len(moment.world.kinds)
    terms = [(0.5j, "Sp", i, "Sm", j), (-0.5j, "Sm", i, "Sp", j)]
    return moment.mean(dense.operator(terms, moment.world.kinds)).real


def _bonds(world: World) -> int:
    return world.case.L - (world.case.parameter("boundary") == "open")


def current_profile(moment: Moment, **_: Any) -> Expected:
    if moment.world.case.model not in ("xxz", "open xxz"):
        return Refuse("the model has no current")
    return Right([[_bond_current(moment, j) for j in range(_bonds(moment.world))]])


def mid_current(moment: Moment, half_width: int) -> Expected:
    world, L = moment.world, moment.world.case.L
    window = range(L // 2 - half_width, L // 2 + half_width)
    if world.case.model not in ("xxz", "open xxz"):
        return Refuse("the model has no current")
    if half_width > (L - 1) // 2 or window[-1] >= _bonds(world):
        return Refuse("the window is wider than the chain")
    return Right([np.mean([_bond_current(moment, j) for j in window])])


def entanglement_entropy(moment: Moment, bond: int | None = None) -> Expected:
    if moment.vector is None:
        return Refuse("the state is not pure")
    kinds = moment.world.kinds
    return Right([dense.schmidt_entropy(moment.vector, kinds, len(kinds) // 2 - 1 if bond is None else bond)])


def entropy_profile(moment: Moment, **_: Any) -> Expected:
    if moment.vector is None:
        return Refuse("the state is not pure")
    kinds = moment.world.kinds
    return Right([[dense.schmidt_entropy(moment.vector, kinds, bond) for bond in range(len(kinds) - 1)]])


def expectation(moment: Moment, operator: str) -> Expected:
    return magnetization(moment) if operator == "Sz" else Refuse("no such reference")


def correlation_matrix(moment: Moment, first: str, second: str) -> Expected:
    kinds = moment.world.kinds
    if not all("Sz" in space(kind).operators for kind in kinds):
        return Refuse("a site has no Sz")
    spins = [dense.factor(kinds, "Sz", j) for j in range(len(kinds))]
    return Right([[[moment.mean(a @ b) for b in spins] for a in spins]])


def renyi_entropy(moment: Moment, **_: Any) -> Expected:
    if moment.vector is None:
        return Refuse("the state is not pure")
    kinds = moment.world.kinds
    block = moment.vector.reshape(math.prod(dense.dims_of(kinds)[: len(kinds) // 2]), -1)
    density = block @ block.conj().T / np.vdot(moment.vector, moment.vector).real
    return Right([-np.log(np.trace(density @ density).real)])


def norm(moment: Moment, **_: Any) -> Expected:
    if moment.log_norm is None:
        return Refuse("the state is not pure")
    if abs(moment.log_norm) > 700:
        return Refuse("the norm is no double-precision number")
    return Right([np.exp(moment.log_norm)])


def injected_current(moment: Moment, **_: Any) -> Expected:
    world, density = moment.world, moment.density
    if not world.open or density is None:
        return Refuse("the model has no jumps")
    if not all("Sz" in space(kind).operators for kind in world.kinds):
        return Refuse("a site has no Sz")
    change = np.zeros_like(density)
    for jump in world.jumps:
        rate = jump.conj().T @ jump
        change = change + jump @ density @ jump.conj().T - (rate @ density + density @ rate) / 2
    each = [dense.factor(world.kinds, "Sz", j) for j in range(len(world.kinds))]
    return Right([[complex(np.trace(sz @ change) / np.trace(density)).real for sz in each]])


def purity(moment: Moment, **_: Any) -> Expected:
    if moment.density is None:
        return Right([1.0])
    return Right([np.trace(moment.density @ moment.density).real / np.trace(moment.density).real ** 2])


OF_STATES: dict[str, Callable[..., Expected]] = {
    "Magnetization": magnetization,
    "CurrentProfile": current_profile,
    "MidCurrent": mid_current,
    "EntanglementEntropy": entanglement_entropy,
    "EntropyProfile": entropy_profile,
    "Expectation": expectation,
    "CorrelationMatrix": correlation_matrix,
    "RenyiEntropy": renyi_entropy,
    "Norm": norm,
    "InjectedCurrent": injected_current,
    "Purity": purity,
}
