"""Matrix-product states on their way from click to click."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mpsnh.algorithms.block_path import BlockPath
from mpsnh.base.clicks import ClickSnapshot
from mpsnh.base.open_model import OpenModel
from mpsnh.checks import warn
from mpsnh.language.circuit import merged
from mpsnh.language.site import Site
from mpsnh.operators.bonds import bond_hamiltonians
from mpsnh.operators.jumps import PairJump
from mpsnh.operators.parts import PartialSteps
from mpsnh.operators.sector import joint_charges
from mpsnh.operators.steps import Steps
from mpsnh.operators.timestep import step_error
from mpsnh.states.blocks import Blocks, local_states
from mpsnh.states.doubled import identities
from mpsnh.states.mps import MPS
from mpsnh.states.pair import Pair
from mpsnh.states.symmetric import require_charge, symmetric
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState

TWICE = 0.05
"""Probability of two clicks of one jump in a step above which the step does not resolve what happens between them."""

TINY = 1e-13
"""Rate, relative to the largest one, that is rounding."""


class BlockPaths:
    """The evolution of an open system between clicks by gates on blocks of charge.

    Parameters
    ----------
    model : OpenModel
        The open system.
    jumps : sequence of PairJump
        Its jumps.
    plan : Steps
        The gates of its steps without clicks.
    length : float
        That of a step.
    truncation : Truncation
        What is kept of each bond.
    dtype : dtype
        Of the tensors.

    Examples
    --------
    >>> chain, inner = models.OpenXXZ(L=4, gamma=0.5), algorithms.NHTEBD(dt=0.1, t_max=1.0)
    >>> path = inner.paths(chain).begin(inner.initial_state(chain))
    >>> path.rates().round(12).tolist(), path.until(0.0, 1.0, -0.4) < 1.0, round(path.log_norm, 8)
    ([0.5, 0.5, 0.5], True, -0.4)
    """

    def __init__(
        self,
        model: OpenModel,
        jumps: Sequence[PairJump],
        plan: Steps,
        length: float,
        truncation: Truncation,
        dtype: DTypeLike,
    ) -> None:
        self.sites, self.charge, self.jumps = model.sites, model.charge, jumps
        self.length, self.truncation, self._dtype = length, truncation, dtype
        decay = model.no_click().generator
        self.step_error = step_error(decay, self.sites, length, plan.order)
        self.parts = PartialSteps(bond_hamiltonians(decay.terms, self.sites), plan.order)
        step = plan.step
        # a step is an opening, a body and a closing, which joins the opening of the next one in a seam
        self.opening, self.body, self.closing = (step[:1], step[1:-1], step[-1:]) if len(step) > 2 else ([], step, [])
        self.seam = merged([*self.closing, *self.opening])
        self.by_charge = plan.conserves and self._definite()
        self._decays = functools.lru_cache(maxsize=2)(self._decay_matrices)
        self._look = [identities([site.dim for site in self.sites], first) for first in (0, 1)]
        self._require_fine()

    def _definite(self) -> bool:
        """Tell whether all jumps change the charge by definite numbers; warn if states must be dense since not."""
        for number, jump in enumerate(self.jumps):
            if jump.change(self.sites) is None:
                warn(
                    f"NHTEBD: jump {number} changes the charge by no definite number; tensors are dense",
                    RuntimeWarning,
                )
                return False
        return True

    def _require_fine(self) -> None:
        """Warn if a jump may click twice in a step."""
        for number, jump in enumerate(self.jumps):
            twice = (np.linalg.norm(jump.matrix, 2) ** 2 * self.length) ** 2 / 2
            if twice > TWICE:
                warn(
                    f"NHTEBD: jump {number} may click twice in a step of {self.length:g} with probability "
                    f"{min(1.0, twice):.2g}, above {TWICE:g}: use a smaller dt",
                    RuntimeWarning,
                )
                return

    def _decay_matrices(self, charges: tuple[tuple[int, ...], ...]) -> NDArray[np.complex128]:
        """Return (L† L)ᵀ of each jump, with the states of each site in order of charge, if they are stored by these."""
        largest = max(len(a) * len(b) for a, b in itertools.pairwise(charges))
        decays = np.zeros((len(self.jumps), largest, largest), dtype=complex)
        for decay, jump in zip(decays, self.jumps, strict=True):
            first, second = (np.argsort(charges[j], kind="stable") for j in (jump.first, jump.first + 1))
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
        workspace = self._workspace(state)
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
        workspace = self._workspace(state.on_sites(self.sites, "the state", "the model"))
        workspace.log_norm = after.log_norm or 0.0
        workspace.recall(after.carry)
        return BlockPath(self, workspace, after.discarded)

    def _workspace(self, state: MPS) -> BlockState:
        """Return memory with a state in it."""
        suited = symmetric(state) if self.by_charge else state.to_mps()
        return suited.workspace(self.truncation.max_bond, self._dtype)

    def rates(self, workspace: BlockState) -> tuple[NDArray[np.float64], float]:
        """Return ⟨L† L⟩ of each jump, and the weight that looking at all bonds discards.

        Parameters
        ----------
        workspace : BlockState
            The state, of which at most what is below the cutoff is lost.
        """
        decays = self._decays(tuple(workspace.charges))
        size = decays.shape[1]
        pairs = np.zeros((len(self.sites) + 1, size, size), dtype=complex)
        lost = sum(float(workspace.apply(look, self.truncation, pairs).sum()) for look in self._look if look)
        traces = np.trace(pairs, axis1=1, axis2=2).real
        places = [jump.first for jump in self.jumps]
        rates = np.einsum("kab,kab->k", pairs[places], decays).real / traces[places]
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
        j, charges = jump.first, workspace.charges  # all zero if the state has no definite one
        workspace.move_to(j)
        change = (jump.change(self.sites) or 0) if any(map(any, charges)) else 0
        pair, joint = Pair(*charges[j : j + 2]), local_states(joint_charges(charges[j : j + 2]).tolist())
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
        lefts = (
            [_signed(*one) for one in zip(blocks[:j], self.sites, charges, strict=False)] if jump.string else blocks[:j]
        )
        rights = [{(q + change, c): block for (q, c), block in site.items()} for site in blocks[j + 2 :]]
        tensors = [*lefts, split.left, split.right, *_reached(split.right, rights)]
        return workspace.like(tensors, j + 1, self.truncation.max_bond), split.discarded


def _signed(blocks: Blocks, site: Site, charges: Sequence[int]) -> Blocks:
    """Return a tensor times the parity of its site."""
    parities, states = np.array(site.parities), local_states(charges)
    return Blocks({(q, c): block * parities[states[c]][:, None] for (q, c), block in blocks.items()})


def pair_jumps(model: OpenModel) -> list[PairJump]:
    """Return the jumps of a model as operators on two neighbours.

    Parameters
    ----------
    model : OpenModel
        An open chain.

    Raises
    ------
    ValueError
        If one acts on other sites.

    Examples
    --------
    >>> [jump.first for jump in pair_jumps(models.OpenXXZ(L=4, gamma=0.5))]
    [0, 1, 2]
    """
    made = []
    for number, op in enumerate(model.generator.jumps):
        jump = PairJump.of(op, model.sites)
        if jump is None:
            raise ValueError(
                f"jump {number}, {op}, acts on other sites than two neighbours of the open chain, which NHTEBD needs "
                "for trajectories; inner=ExactEvolution(…) takes any"
            )
        made.append(jump)
    return made


def _reached(before: Blocks, sites: Sequence[Blocks]) -> list[Blocks]:
    """Leave out the blocks of the following sites that no charge leads to any more."""
    left: list[Blocks] = []
    for site in sites:
        there = {q + c for q, c in before}
        before = Blocks({key: block for key, block in site.items() if key[0] in there})
        left.append(before)
    return left
