"""What a level is searched of, what is known of one that was found, and in which words."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.model import Model
from mpsnh.base.ring import GivenChain
from mpsnh.base.stages import tell
from mpsnh.language.generator import Hamiltonian
from mpsnh.language.site import Site
from mpsnh.linalg.ritz import Choice
from mpsnh.operators.charged import ChargedMPO
from mpsnh.operators.configurations import Space
from mpsnh.operators.constants import without_constant
from mpsnh.operators.gauge import ImaginaryGauge
from mpsnh.operators.localise import norm_bound
from mpsnh.operators.mpo import MPO
from mpsnh.states.block_arrays import blocks_of, packed
from mpsnh.states.blocks import Blocks, local_states
from mpsnh.states.environments import matrix_element
from mpsnh.states.mps import MPS
from mpsnh.states.random import random_blocks
from mpsnh.states.symmetric import from_blocks
from mpsnh.states.variance import residual
from mpsnh.states.workspace import BlockState

ROUNDING = 1e-14
"""Error of a level by rounding, relative to the sum of the norms of all terms."""

LARGEST_LOG = 700.0
"""Logarithm of the largest condition number that is a number of double precision."""

ORTHOGONAL = 1e-13
"""⟨L|R⟩ of states of unit norm that is rounding."""

NEARLY = 10.0
"""Residual, in units of the smallest one of all starts, up to which a state competes for being the first."""


@dataclass(frozen=True)
class Level:
    """A state that sweeps arrived at, with ⟨H⟩ and ‖(H - ⟨H⟩)ψ‖.

    Examples
    --------
    >>> up = nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "up"])
    >>> Level(up.blocks()[0], up, energy=0.25 + 0j, residual=0.0).energy
    (0.25+0j)
    """

    blocks: Sequence[Blocks]
    state: MPS
    energy: complex
    residual: float

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the level as arrays by name, for `LevelProblem.level_of`.

        Examples
        --------
        >>> sorted(Level((), None, energy=0.25 + 0j, residual=0.0).arrays())
        ['energy', 'residual']
        """
        return packed(self.blocks, energy=self.energy, residual=self.residual)

    def residual_at(self, energy: complex) -> float:
        """Return ‖(H - E)ψ‖, whose part along ψ is ⟨H⟩ - E.

        Parameters
        ----------
        energy : complex
            E.

        Examples
        --------
        >>> Level((), None, energy=0.25 + 0j, residual=3.0).residual_at(4.25)
        5.0
        """
        return math.hypot(self.residual, abs(self.energy - energy))


@dataclass(frozen=True)
class Certificate:
    """A level of the Hamiltonian itself, its vectors, and how far an eigenvalue can be from it.

    Parameters
    ----------
    energy : complex
        The level.
    error : float
        Bound on the distance of an eigenvalue.
    right, left : MPS
        Of unit norm, and with ⟨L|R⟩ = 1; there is no left one if it is orthogonal to the right one.
    residuals : (float, float)
        ‖(H - E)R‖ and ‖(H† - E*)L‖ of vectors of unit norm.
    condition : float
        1/|⟨L|R⟩| for vectors of unit norm.
    inner : (float, float), optional
        The residuals of the vectors of the operator that is treated, if it is another one.

    Examples
    --------
    >>> up = nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "up"])
    >>> Certificate(0.25, 1e-15, up, up, (0.0, 0.0), 1.0).left.overlap(up)
    (1+0j)
    """

    energy: complex
    error: float
    right: MPS
    left: MPS | None
    residuals: tuple[float, float]
    condition: float
    inner: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class LevelProblem:
    """A Hamiltonian as an operator by charge, in the imaginary gauge if there is one.

    Parameters
    ----------
    space : Space
        The sector.
    gauge : ImaginaryGauge or None
        The gauge.
    plain : MPO
        The Hamiltonian itself.
    mpo : MPO
        The Hamiltonian in the gauge.
    bound : float
        Sum of the norms of all terms, which the gauge does not increase.
    model : Model
        That in the gauge, without what is only a number in the sector.
    constant, size : float
        That number, and the sum of the norms of what it is made of.
    name : str
        What its levels are called.

    Examples
    --------
    >>> problem = LevelProblem.of(models.NonHermitianXXZ(L=6, gamma=0.2))
    >>> problem.operator.channels[1], problem.hermitian
    ((0, 0, -2, 2), True)
    """

    space: Space
    gauge: ImaginaryGauge | None
    plain: MPO
    mpo: MPO
    bound: float
    model: Model
    constant: float = 0.0
    size: float = 0.0
    name: str = "E"

    @classmethod
    def of(cls, model: Model) -> LevelProblem:
        """Make the problem of a model.

        Parameters
        ----------
        model : Model
            With a Hamiltonian.

        Raises
        ------
        ValueError
            If there is no such charge, or the Hamiltonian changes it.
        """
        sites = model.sites
        whole = cast(Hamiltonian, model.generator).terms
        terms, constant, size = without_constant(whole, sites, model.charge)
        space, gauge, plain = Space(sites, model.charge), ImaginaryGauge.of(terms, sites), MPO.from_opsum(terms, sites)
        scaled = gauge is not None and gauge.potential.any()
        inner, local = gauge.turned(terms, sites) if gauge is not None and scaled else (terms, tuple(sites))
        same = inner is whole
        chain = model if same else GivenChain(L=model.L, charge=model.charge, local=local, hamiltonian=inner)
        turned = plain if gauge is None else _gauged(gauge, plain, sites)
        problem = cls(space, gauge, plain, turned, norm_bound(terms, sites), chain, constant, size)
        _ = problem.operator  # which says if the charge is not conserved
        return problem

    @property
    def hermitian(self) -> bool:
        """Whether the operator is Hermitian."""
        return self.gauge is not None and self.gauge.hermitian

    @property
    def real(self) -> bool:
        """Whether the operator is a real matrix."""
        return not any(np.iscomplexobj(w) for w in self.operator.tensors)

    @functools.cached_property
    def operator(self) -> ChargedMPO:
        """The operator that sweeps are for."""
        return ChargedMPO.of(self.mpo.site_tensors(), self.space.charges)

    @functools.cached_property
    def adjoint(self) -> LevelProblem:
        """The problem of the adjoint of the operator, in the same gauge."""
        constant = self.constant.conjugate()
        return LevelProblem(self.space, None, self.plain, self.mpo.dag(), self.bound, self.model, constant, name="E*")

    def random_blocks(self, bond: int, rng: np.random.Generator) -> list[Blocks]:
        """Return a random state to start from, a real one if the matrix is real and Hermitian.

        Parameters
        ----------
        bond : int
            About how large its bonds are.
        rng : numpy.random.Generator
            Where it comes from.
        """
        real = self.hermitian and self.real
        return random_blocks(self.space.charges, self.space.charge or 0, bond, rng, real=real)

    def level(self, blocks: Sequence[Blocks]) -> Level:
        """Measure a state.

        Parameters
        ----------
        blocks : sequence of dict
            What a search ended with, of unit norm.
        """
        state = self.state(blocks)
        energy = matrix_element(self.operator, blocks, blocks)
        energy = complex(energy.real) if self.hermitian else energy
        left_over = residual(self.mpo, state, energy)
        tell(f"a state with {self.shown(energy)}, residual {left_over:.1g}")
        return Level(blocks, state, energy, left_over)

    def shown(self, energy: complex) -> str:
        """Return in words what a level of the operator is of the Hamiltonian, or of its adjoint.

        Parameters
        ----------
        energy : complex
            That of the operator.
        """
        return f"{self.name} = {energy + self.constant:.8g}"

    def level_of(self, arrays: Mapping[str, NDArray[Any]]) -> Level:
        """Return a level from its arrays.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            Those of `Level.arrays`, perhaps among others.
        """
        blocks = blocks_of(arrays, len(self.space.sites))
        return Level(blocks, self.state(blocks), complex(arrays["energy"]), float(arrays["residual"]))

    def state(self, blocks: Sequence[Blocks], factor: complex = 1.0) -> MPS:
        """Return blocks as a state, normalised and then multiplied with a number.

        Parameters
        ----------
        blocks : sequence of dict
            Of any gauge and norm.
        factor : complex
            The number.
        """
        (first, *rest), _ = self._canonical(blocks)
        scaled = {key: factor * block for key, block in first.items()}
        return from_blocks([scaled, *rest], self.space.sites, (0, 1))

    def _canonical(self, blocks: Sequence[Blocks]) -> tuple[list[Blocks], float]:
        """Return blocks of unit norm, canonical around the first site, and the logarithm of the norm they had."""
        state = BlockState.canonical(blocks, self.space.charges)
        return state.view(), state.log_norm

    def certificate(self, level: Level, left: Level) -> Certificate:
        """Say what is known of a level with a right and a left vector of the operator.

        Parameters
        ----------
        level : Level
            With the right vector.
        left : Level
            Of the adjoint, with the left vector; the same one if the operator is Hermitian.
        """
        energy = level.energy
        overlap = 1.0 + 0j if self.hermitian else level.state.overlap(left.state)
        if self.hermitian:
            error, residuals = level.residual + cast(ImaginaryGauge, self.gauge).mismatch, (level.residual,) * 2
        else:
            both = matrix_element(self.operator, level.blocks, left.blocks)
            known = abs(overlap) > ORTHOGONAL and abs(both) <= (1 + NEARLY * ROUNDING) * self.bound * abs(overlap)
            energy = both / overlap if known else energy  # else it would be outside of the spectrum
            residuals = level.residual_at(energy), left.residual_at(energy.conjugate())
            overlap = overlap if known else 0j
            error = max(residuals) / abs(overlap) if known else math.inf
        error += ROUNDING * self.bound / abs(overlap) if overlap else 0.0
        inner = (residuals[0] + ROUNDING * self.bound, residuals[1] + ROUNDING * self.bound)
        kets, bras, log_scale = level.blocks, left.blocks, 0.0
        if self.gauge is not None and self.gauge.potential.any():
            (kets, ket_log), (bras, bra_log) = self._scaled(kets, 1), self._scaled(bras, -1)
            log_scale = ket_log + bra_log
        right, bra = self.state(kets), self.state(bras)
        if kets is not level.blocks:
            residuals = residual(self.plain, right, energy), residual(self.plain.dag(), bra, energy.conjugate())
        known = bool(overlap) and log_scale - math.log(abs(overlap)) < LARGEST_LOG
        condition = math.exp(log_scale) / abs(overlap) if known else math.inf
        scaled = self.state(bras, math.exp(log_scale) / overlap.conjugate()) if known else None
        error += ROUNDING * self.size
        return Certificate(energy + self.constant, error, right, scaled, residuals, condition, inner)

    def _scaled(self, blocks: Sequence[Blocks], sign: int) -> tuple[list[Blocks], float]:
        """Multiply a state with the local scales of the gauge or their inverses; return the logarithm of its norm."""
        gauge = cast(ImaginaryGauge, self.gauge)
        scaled, log_scale = [], 0.0
        for block_of, charges, site, g in zip(
            blocks, self.space.charges, self.space.sites, gauge.potential, strict=True
        ):
            powers = sign * g * np.array(site.charges, dtype=float)
            log_scale += float(powers.max())
            factors, states = np.exp(powers - powers.max()), local_states(charges)
            scaled.append({(q, c): block * factors[states[c]][:, None] for (q, c), block in block_of.items()})
        canonical, log_norm = self._canonical(scaled)
        return canonical, log_scale + log_norm


def _gauged(gauge: ImaginaryGauge, plain: MPO, sites: Sequence[Site]) -> MPO:
    if not gauge.potential.any():
        return plain
    return MPO.from_tensors(gauge.applied(plain.site_tensors(), [site.charges for site in sites]))


def first_of(levels: Sequence[Level], choice: Choice, tolerance: float) -> Level:
    """Return the level that comes first, of those whose states are about as good as any.

    Parameters
    ----------
    levels : sequence of Level
        One of each start.
    choice : callable
        Picks the wanted one of some values.
    tolerance : float
        Residual that is good enough.

    Examples
    --------
    >>> levels = [Level((), None, energy, residual) for energy, residual in ((-3.0, 0.5), (-2.0, 1e-9), (-1.0, 1e-8))]
    >>> first_of(levels, lambda values, overlaps: np.argmin(values), tolerance=1e-6).energy
    -2.0
    """
    allowed = max(tolerance, NEARLY * min(level.residual for level in levels))
    good = [level for level in levels if level.residual <= allowed]
    return good[choice(np.array([level.energy for level in good]), np.zeros(len(good)))]
