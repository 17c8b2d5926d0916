"""Matrix-product states on their way from click to click."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.clicks import ClickSnapshot
from mpsnh.base.model import Model
from mpsnh.base.open_model import OpenModel
from mpsnh.checks import require
from mpsnh.language.circuit import Gate, Layer, schedule
from mpsnh.operators.bonds import bond_hamiltonians
from mpsnh.operators.jumps import PairJump
from mpsnh.operators.steps import Steps
from mpsnh.states.blocks import Blocks, local_states
from mpsnh.states.mps import MPS
from mpsnh.states.pair import Pair
from mpsnh.states.symmetric import SymmetricMPS, from_blocks, require_charge, symmetric
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState

CLOSE = 1e-10
"""Difference of the logarithm of a norm from where a click is that is as good as none, beside errors of time steps."""

TRIES = 50
"""Parts of a step that are tried for one click; four are usual."""

SAME = 1e-9
"""Relative difference of times that is rounding."""

TWICE = 0.05
"""Probability of two clicks of one jump in a step above which the step does not resolve what happens between them."""

TINY = 1e-13
"""Rate, relative to the largest one, that is rounding."""


class Evolution(Protocol):
    """What is used of `NHTEBD`."""

    precision: str

    @property
    def unit(self) -> float:
        """Time that the user calls a step."""
        ...

    @property
    def truncation(self) -> Truncation:
        """What is kept of a bond."""
        ...

    def plan(self, model: Model) -> Steps:
        """Return the gates."""
        ...


class BlockPaths:
    """The evolution of an open system between clicks by gates on blocks of charge.

    Parameters
    ----------
    inner : NHTEBD
        What makes the gates, and truncates.
    model : OpenModel
        The open system.

    Raises
    ------
    ValueError
        If a jump acts on other sites than two neighbours.

    Examples
    --------
    >>> chain, inner = models.OpenXXZ(L=4, gamma=0.5), algorithms.NHTEBD(dt=0.1, t_max=1.0)
    >>> path = BlockPaths(inner, chain).begin(inner.initial_state(chain))
    >>> path.rates().round(12).tolist(), path.until(0.0, 1.0, -0.5) < 1.0, round(path.log_norm, 9)
    ([0.5, 0.5, 0.5], True, -0.5)
    """

    def __init__(self, inner: Evolution, model: OpenModel) -> None:
        self.sites, self.charge = model.sites, model.charge
        self.truncation = inner.truncation
        self.dtype = np.dtype(np.complex128 if inner.precision == "double" else np.complex64)
        self.jumps = [_pair_jump(number, op, model) for number, op in enumerate(model.generator.jumps)]
        no_click = model.no_click()
        self._plan = inner.plan(no_click)
        self.step, self.length = self._plan.step, inner.unit / self._plan.number
        self._bonds = _stacked(bond_hamiltonians(no_click.generator.terms, self.sites))
        self._schedule = schedule(self._plan.order)
        self.by_charge = self._plan.conserves and self._definite()
        self.pairs = [Pair(*pair) for pair in itertools.pairwise(self.charges)]
        self._look = [_identities([site.dim for site in self.sites], first) for first in (0, 1)]
        self._decays = self._decay_matrices()
        self._require_fine()

    @property
    def charges(self) -> list[tuple[int, ...]]:
        """Charge of each local state of each site, by which states are stored."""
        return [site.charges if self.by_charge else (0,) * site.dim for site in self.sites]

    def _definite(self) -> bool:
        """Tell whether all jumps change the charge by definite numbers; warn if states must be dense since not."""
        for number, jump in enumerate(self.jumps):
            if jump.change(self.sites) is None:
                warnings.warn(
                    f"NHTEBD: jump {number} changes the charge by no definite number; tensors are dense",
                    RuntimeWarning,
                    stacklevel=2,
                )
                return False
        return True

    def _require_fine(self) -> None:
        """Warn if a jump may click twice in a step."""
        for number, jump in enumerate(self.jumps):
            twice = (np.linalg.norm(jump.matrix, 2) ** 2 * self.length) ** 2 / 2
            if twice > TWICE:
                warnings.warn(
                    f"NHTEBD: jump {number} may click twice in a step of {self.length:g} with probability "
                    f"{min(1.0, twice):.2g}, above {TWICE:g}: use a smaller dt",
                    RuntimeWarning,
                    stacklevel=2,
                )
                return

    def _decay_matrices(self) -> NDArray[np.complex128]:
        """Return (L† L)ᵀ of each jump, with the states of each site in order of charge."""
        largest = max(len(a) * len(b) for a, b in itertools.pairwise(self.charges))
        decays = np.zeros((len(self.jumps), largest, largest), dtype=complex)
        for decay, jump in zip(decays, self.jumps, strict=True):
            first, second = (np.argsort(self.charges[j], kind="stable") for j in (jump.first, jump.first + 1))
            order = (first[:, None] * len(second) + second).ravel()
            product = (jump.matrix.conj().T @ jump.matrix)[np.ix_(order, order)]
            decay[: len(order), : len(order)] = product.T
        return decays

    def begin(self, state: MPS) -> BlockPath:
        """Return a state at time 0.

        Parameters
        ----------
        state : MPS
            On the sites of the model.
        """
        require_charge(state, self.charge)
        workspace = self.workspace(state)
        workspace.move_to(0)
        workspace.log_norm = 0.0
        return BlockPath(self, workspace)

    def resume(self, after: ClickSnapshot) -> BlockPath:
        """Return a state as it was.

        Parameters
        ----------
        after : ClickSnapshot
            Of the same model.
        """
        state = after.state
        if not isinstance(state, MPS):
            raise TypeError(f"a trajectory by NHTEBD continues an MPS, not {type(state).__name__}")
        workspace = self.workspace(state.on_sites(self.sites, "the state", "the model"))
        workspace.log_norm = after.log_norm or 0.0
        workspace.recall(after.carry)
        return BlockPath(self, workspace, after.discarded)

    def workspace(self, state: MPS) -> BlockState:
        """Return memory with a state in it.

        Parameters
        ----------
        state : MPS
            On the sites of the model.
        """
        suited = symmetric(state) if self.by_charge else state.to_mps()
        return suited.workspace(self.truncation.max_bond, self.dtype)

    def part(self, time: float) -> list[Layer]:
        """Return the gates of a part of a step.

        Parameters
        ----------
        time : float
            Its length.
        """
        layers = []
        for fraction in {fraction for _, fraction in self._schedule}:
            for which, stack in self._bonds:
                for place, gate in zip(which, _exponentials(-1j * time * fraction * stack), strict=True):
                    layers.append((fraction, place, gate))
        gates = {(fraction, place): Gate(gate, (place, place + 1)) for fraction, place, gate in layers}
        bonds = len(self.sites) - 1
        return [
            tuple(gates[fraction, j] for j in range(parity, bonds, 2))
            for parity, fraction in self._schedule
            if parity < bonds
        ]

    def rates(self, workspace: BlockState) -> tuple[NDArray[np.float64], float]:
        """Return ⟨L† L⟩ of each jump, and the weight that looking at all bonds discards.

        Parameters
        ----------
        workspace : BlockState
            The state, of which at most what is below the cutoff is lost.
        """
        size = self._decays.shape[1]
        pairs = np.zeros((len(self.sites) + 1, size, size), dtype=complex)
        lost = sum(float(workspace.apply(look, self.truncation, pairs).sum()) for look in self._look if look)
        traces = np.trace(pairs, axis1=1, axis2=2).real
        places = [jump.first for jump in self.jumps]
        rates = np.einsum("kab,kab->k", pairs[places], self._decays).real / traces[places]
        return np.where(rates > TINY * rates.max(initial=0.0), rates, 0.0), lost

    def jumped(self, workspace: BlockState, number: int) -> tuple[BlockState, float]:
        """Return a state after a jump, and the weight that was discarded.

        Parameters
        ----------
        workspace : BlockState
            Before.
        number : int
            Which jump.
        """
        jump = self.jumps[number]
        j, pair = jump.first, self.pairs[jump.first]
        workspace.move_to(j)
        change = (jump.change(self.sites) or 0) if any(map(any, self.charges)) else 0
        joint = local_states([a + b for a in self.charges[j] for b in self.charges[j + 1]])
        theta = Blocks()
        for (q, c), block in pair.joined(*workspace.blocks(j, j + 2)).items():
            if c + change in joint:
                act = jump.matrix[np.ix_(joint[c + change], joint[c])]
                theta[q, c + change] = np.einsum("ts,lsr->ltr", act, block)
        norm = math.sqrt(sum(np.linalg.norm(block) ** 2 for block in theta.values()))
        split = pair.split({key: block / norm for key, block in theta.items()}, self.truncation.max_bond, 0.0)
        if not jump.string and workspace.replace_pair(j, split.left, split.right, change):
            workspace.log_norm = 0.0
            return workspace, split.discarded
        blocks = workspace.view()
        lefts = [self._signed(k, site) for k, site in enumerate(blocks[:j])] if jump.string else blocks[:j]
        rights = [{(q + change, c): block for (q, c), block in site.items()} for site in blocks[j + 2 :]]
        tensors = [*lefts, split.left, split.right, *_reached(split.right, rights)]
        return workspace.like(tensors, j + 1, self.truncation.max_bond), split.discarded

    def _signed(self, site: int, blocks: Blocks) -> Blocks:
        """Return a tensor times the parity of its site."""
        parities, states = np.array(self.sites[site].parities), local_states(self.charges[site])
        return Blocks({(q, c): block * parities[states[c]][:, None] for (q, c), block in blocks.items()})


def _pair_jump(number: int, op: object, model: OpenModel) -> PairJump:
    jump = PairJump.of(model.generator.jumps[number], model.sites)
    if jump is None:
        raise ValueError(
            f"jump {number}, {op}, acts on other sites than two neighbours of the open chain; Trajectories with "
            "NHTEBD needs such jumps, and takes any with inner=ExactEvolution(…)"
        )
    return jump


def _reached(before: Blocks, sites: Sequence[Blocks]) -> list[Blocks]:
    """Leave out the blocks of the following sites that no charge leads to any more."""
    left: list[Blocks] = []
    for site in sites:
        there = {q + c for q, c in before}
        before = Blocks({key: block for key, block in site.items() if key[0] in there})
        left.append(before)
    return left


def _identities(dims: Sequence[int], first: int) -> Layer:
    """Return gates on every second bond that do nothing."""
    bonds = range(first, len(dims) - 1, 2)
    return tuple(Gate(np.eye(dims[j] * dims[j + 1], dtype=complex), (j, j + 1)) for j in bonds)


def _stacked(bonds: Sequence[NDArray[np.complex128]]) -> list[tuple[list[int], NDArray[np.complex128]]]:
    """Put the matrices of the same size together, with their places."""
    sizes = sorted({len(bond) for bond in bonds})
    places = [[j for j, bond in enumerate(bonds) if len(bond) == size] for size in sizes]
    return [(which, np.stack([bonds[j] for j in which])) for which in places]


def _exponentials(stack: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the exponentials of small matrices, all at once, by scaling, a Taylor series and squaring."""
    norm = float(np.abs(stack).sum(axis=2).max(initial=0.0))
    halvings = max(0, math.ceil(math.log2(norm / 0.25))) if norm > 0 else 0
    scaled = stack / 2**halvings
    result = power = np.broadcast_to(np.eye(stack.shape[1], dtype=complex), stack.shape)
    for k in range(1, 13):
        power = power @ scaled / k
        result = result + power
    for _ in range(halvings):
        result = result @ result
    return result


class BlockPath:
    """A matrix-product state on its way from click to click (`mpsnh.base.clicks.Path`).

    Parameters
    ----------
    paths : BlockPaths
        Of its model.
    workspace : BlockState
        The state, which is changed in place.
    discarded : float
        Weight that was discarded before.

    Examples
    --------
    >>> chain, inner = models.OpenXXZ(L=4, gamma=0.5), algorithms.NHTEBD(dt=0.1, t_max=1.0)
    >>> path = BlockPaths(inner, chain).begin(inner.initial_state(chain))
    >>> path.jump(0)
    >>> path.record(0.0, np.zeros(1), np.zeros(1, int)).state.expect_each("Sz").real.round(12).tolist()
    [-0.5, -0.5, 0.5, -0.5]
    """

    def __init__(self, paths: BlockPaths, workspace: BlockState, discarded: float = 0.0) -> None:
        self._paths, self._workspace, self._discarded = paths, workspace, discarded

    @property
    def log_norm(self) -> float:
        """Logarithm of the norm since the last click."""
        return self._workspace.log_norm

    def until(self, begin: float, end: float, log_norm: float) -> float | None:
        """Evolve between two times of an interval, but only until the norm has fallen so far; return when, or None.

        Parameters
        ----------
        begin, end : float
            Counted from the last record.
        log_norm : float
            Where `log_norm` is to stop.
        """
        state, length, t = self._workspace, self._paths.length, begin
        while t < end:
            rest = end - t
            whole = rest > length * (1 - SAME)
            step = length if whole else rest
            kept, before = state.packed(), state.log_norm
            lost = self._apply(self._paths.step if whole else self._paths.part(step))
            if state.log_norm > log_norm:
                self._discarded += lost
                t = end if rest < length * (1 + SAME) else t + length
                continue
            return t + self._crossing(kept, before, step, log_norm)
        state.move_to(len(self._paths.sites) // 2)  # as NHTEBD does at records
        return None

    def _apply(self, layers: Sequence[Layer]) -> float:
        return sum(float(self._workspace.apply(layer, self._paths.truncation).sum()) for layer in layers)

    def _crossing(self, kept: dict[str, NDArray[np.generic]], before: float, step: float, log_norm: float) -> float:
        """Bring the state to the time within a step where the norm has fallen so far; return this time."""
        state = self._workspace
        times, values = [0.0, step], [before - log_norm, state.log_norm - log_norm]
        low, high = 0.0, step
        for _ in range(TRIES):
            time = _inverse(times, values)
            if not low < time < high:
                time = (low + high) / 2
            state.unpack(kept)
            state.log_norm = before
            lost = self._apply(self._paths.part(time))
            value = state.log_norm - log_norm
            times, values = [*times, time], [*values, value]
            low, high = (time, high) if value > 0 else (low, time)
            if abs(value) < CLOSE or high - low < SAME * step:
                break
        self._discarded += lost
        return time

    def rates(self) -> NDArray[np.float64]:
        """Return ⟨L_k† L_k⟩ of each jump."""
        before = self._workspace.log_norm
        rates, lost = self._paths.rates(self._workspace)
        self._workspace.log_norm = before
        self._discarded += lost
        return rates

    def jump(self, number: int) -> None:
        """Let a jump act, and begin with `log_norm` = 0 again.

        Parameters
        ----------
        number : int
            Which one.
        """
        self._workspace, lost = self._paths.jumped(self._workspace, number)
        self._discarded += lost

    def record(self, t: float, times: NDArray[np.float64], which: NDArray[np.int64]) -> ClickSnapshot:
        """Return a snapshot with the clicks so far.

        Parameters
        ----------
        t : float
            The time.
        times, which : ndarray
            Of the clicks.
        """
        now = self._workspace
        state = from_blocks(now.view(), self._paths.sites, (now.centre, now.centre + 1))
        return ClickSnapshot(t, state, now.log_norm, now.carry(), times=times, which=which, discarded=self._discarded)


def _inverse(times: Sequence[float], values: Sequence[float]) -> float:
    """Interpolate times as a polynomial of the values, and return it at zero."""
    total = 0.0
    for k, (time, value) in enumerate(zip(times, values, strict=True)):
        weight = 1.0
        for other in (other for j, other in enumerate(values) if j != k):
            weight *= other / (other - value) if other != value else math.inf
        total += weight * time
    return total
