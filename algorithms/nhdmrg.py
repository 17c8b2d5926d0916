"""One level of a chain of any length, as a matrix-product state, with what is known of its error."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from typing_extensions import override

from mpsnh.algorithms.grown_state import can_grow, grown
from mpsnh.algorithms.level_problem import (
    Certificate,
    Level,
    LevelProblem,
    compared,
    evidence,
    first_of,
    is_degenerate,
)
from mpsnh.algorithms.level_search import LevelSearch, fastest, followed, lowest, nearest
from mpsnh.base.algorithm import Algorithm, require_nothing_after
from mpsnh.base.capability import VECTORS, Capability
from mpsnh.base.model import Model
from mpsnh.base.open_model import require_no_jumps
from mpsnh.base.records import Diagnostic
from mpsnh.base.remembered import Remembered
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require, require_memory
from mpsnh.language.generator import Hamiltonian
from mpsnh.linalg.ritz import Choice
from mpsnh.operators.localise import norm_bound
from mpsnh.states.blocks import Blocks
from mpsnh.states.workspace import BlockState

START_BOND = 8
"""Bond dimension of random starts."""

NO_LEFT = "the left vector is orthogonal to the right one, or too large for numbers"
"""Why there is no left vector."""

SMALLEST, LARGEST = 1e-100, 1e100
"""Bounds of the sum of the norms of all terms, of which squares are taken."""


class NHDMRG(Algorithm[Spectrum]):
    """One level of a chain of any length and of terms of any range, and its right and left vectors.

    Two-site sweeps from several random states (S. R. White, PRL 69, 2863 (1992)), with Arnoldi iterations in the basis
    of the right vector. The left vector is found as a right one of H†, near the conjugate of the level. If a product of
    local scales makes all terms as large as their adjoints (`mpsnh.operators.gauge.ImaginaryGauge`), as it does for
    open chains with asymmetric hopping, that matrix is treated, and its vectors are scaled back. If it is Hermitian,
    as it is without gain and loss, this is plain DMRG.

    `Spectrum.errors` bounds how far an eigenvalue can be from the level. If H is Hermitian, or made so, that is a
    theorem: it is the residual. Otherwise it is the residual of both vectors times the condition number 1/|⟨L|R⟩|, by
    the theorem of W. Kahan, B. N. Parlett and E. Jiang, SIAM J. Numer. Anal. 19, 470 (1982), to first order in the
    residual. `Spectrum.certified` means that it is at most `tolerance`; it says nothing of other levels. What speaks
    for this one being the wanted one is said in words, `Spectrum.evidence`. A level that is not certified comes with a
    warning.

    Parameters
    ----------
    which : "energy", "growth" or complex
        The level of smallest Re E, of largest Im E, or the one closest to a number. In a spectrum that is known to be
        real, the one that grows fastest is that of smallest E, as for `ExactDiag`.
    max_bond : int
        Largest bond dimension χ.
    cutoff : float
        Largest weight (sum of squared singular values, relative to their total) that a bond may discard.
    sweeps : int
        Most sweeps of each search, there and back; fewer if the level changes by less than a hundredth of `tolerance`.
    tolerance : float
        Largest error of a level that is certified, in units of J.
    starts : int
        Independent random starts.
    seed : int
        Of the random starts.

    Raises
    ------
    TypeError
        If the model is a circuit.
    ValueError
        If a parameter is out of range, the target is larger than any eigenvalue can be, or the Hamiltonian changes the
        charge of the model's sector.

    Examples
    --------
    Hopping on an open chain has the energies of a particle in a box; the asymmetry γ only scales them:

    >>> chain = models.NonHermitianXXZ(L=20, gamma=0.3, V=0.0)
    >>> (spectrum,) = NHDMRG(max_bond=100, cutoff=1e-14).records(chain)
    >>> levels = np.sqrt(1 - 0.3**2) * np.cos(np.arange(1, 21) * np.pi / 21)
    >>> bool(abs(spectrum.values[0] - levels[levels < 0].sum()) < 1e-9), spectrum.certified
    (True, True)
    """

    yields = Spectrum
    diagnostics = {
        "certified": Diagnostic(
            "certified", "whether an eigenvalue is within the error, and that within the tolerance"
        ),
        "level_error": Diagnostic("error", "largest distance of an eigenvalue from the level", "J"),
        "attempts": Diagnostic("attempts", "random starts of the eigensolver"),
    }
    which: Literal["energy", "growth"] | complex = "energy"
    max_bond: int = 64
    cutoff: float = 1e-14
    sweeps: int = 20
    tolerance: float = 1e-5
    starts: int = 2
    seed: int = 0

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        return VECTORS["both"] | ({Capability.BY_GROWTH} if self.which == "growth" else frozenset())

    @override
    def validate(self) -> None:
        require(self.max_bond >= 1, "max_bond", self.max_bond, "at least 1")
        require(0 <= self.cutoff < 1, "cutoff", self.cutoff, "from 0 to below 1")
        require(self.sweeps >= 1, "sweeps", self.sweeps, "at least 1")
        require(self.tolerance > 0, "tolerance", self.tolerance, "positive")
        require(self.starts >= 1, "starts", self.starts, "at least 1")
        require(self.seed >= 0, "seed", self.seed, "zero or positive")

    @override
    def check(self, model: Model) -> None:
        require_no_jumps(model, "NHDMRG")
        model.check()
        if not isinstance(model.generator, Hamiltonian):
            raise TypeError(f"NHDMRG needs the terms of a Hamiltonian, not {model!r}: use ExactDiag")
        bound = norm_bound(model.generator.terms, model.sites)
        allowed = f"0 or from {SMALLEST:g} to {LARGEST:g}; choose another unit of energy"
        require(bound == 0 or SMALLEST <= bound <= LARGEST, "sum of the norms of all terms", bound, allowed)
        if not isinstance(self.which, str):
            allowed = f"at most {bound:.6g} in size, the sum of the norms of all terms, which no level exceeds"
            require(abs(self.which) <= bound, "which", self.which, allowed)
        require_memory(self.bytes_needed(model), f"NHDMRG with max_bond = {self.max_bond}")
        self._problems.of(model)

    @functools.cached_property
    def _problems(self) -> Remembered[LevelProblem]:
        return Remembered(LevelProblem.of)

    @override
    def bytes_needed(self, model: Model) -> float:
        d = max(site.dim for site in model.sites)
        bonds = np.array([min(self.max_bond, d ** min(j, model.L - j, 60)) for j in range(model.L + 1)], dtype=float)
        channels = 5.0  # of a chain with nearest neighbours
        return float(16 * (40 * d**2 * np.max(bonds) ** 2 + 2 * channels * np.sum(bonds**2)))

    @override
    def records(self, model: Model, after: Spectrum | None = None) -> Iterator[Spectrum]:
        """Yield the level, as a spectrum of one.

        Parameters
        ----------
        model : Model
            A Hamiltonian.
        after : None
            There is nothing to continue.

        Raises
        ------
        ValueError
            If `after` is given.
        """
        require_nothing_after(self, after)
        self.check(model)
        problem = self._problems.of(model)
        choice = self._choice(problem)
        search = self._search(problem)
        grows = choice is fastest and problem.gauge is None and can_grow(model)
        levels = []
        for number in range(self.starts):
            rng = np.random.default_rng([self.seed, number])
            if grows:
                levels.append(self._followed(problem, grown(model, self.max_bond, rng)))
            else:
                levels.append(problem.level(search.run(problem.random_blocks(START_BOND, rng), choice, rng)))
        best = first_of(levels, choice, self.tolerance)
        left = best.blocks
        if not problem.hermitian:
            adjoint, rng, target = problem.adjoint, np.random.default_rng(self.seed), best.energy.conjugate()
            other = self._followed(adjoint, grown(model, self.max_bond, rng, left=True)) if grows else None
            if other is None or abs(other.energy - target) > max(self.tolerance, other.residual, best.residual):
                left = self._search(adjoint).run(left, nearest(target), rng)
            else:
                left = other.blocks
        certificate = problem.certificate(best, left)
        yield self._spectrum(problem, levels, best, certificate)

    def _followed(self, problem: LevelProblem, start: list[Blocks]) -> Level:
        """Return the level that sweeps lead to from a state that evolution has led to, as long as they improve it."""
        search, best = self._search(problem), problem.level(BlockState.canonical(start, problem.space.charges).view())
        for sweeps in (1, self.sweeps):
            blocks = replace(search, sweeps=sweeps).run(best.blocks, followed, np.random.default_rng(), rough=False)
            polished = problem.level(blocks)
            if polished.residual >= best.residual:
                break
            best = polished
        return best

    def _choice(self, problem: LevelProblem) -> Choice:
        if not isinstance(self.which, str):
            return nearest(self.which)
        return fastest if self.which == "growth" and not problem.hermitian else lowest

    def _search(self, problem: LevelProblem) -> LevelSearch:
        return LevelSearch(
            operator=problem.operator,
            hermitian=problem.hermitian,
            max_bond=self.max_bond,
            cutoff=self.cutoff,
            sweeps=self.sweeps,
            accuracy=self.tolerance / 100,
        )

    def _spectrum(
        self, problem: LevelProblem, levels: Sequence[Level], best: Level, certificate: Certificate
    ) -> Spectrum:
        """Make the record, with a warning if the level is not certified."""
        certified = certificate.error <= self.tolerance
        if not certified:
            residuals = " and ".join(f"{number:.1g}" for number in certificate.residuals)
            warnings.warn(
                f"NHDMRG: the level {certificate.energy:.6g} is known to {certificate.error:.1g} only, above tolerance "
                f"= {self.tolerance:g} (residuals of the right and left vector {residuals}, condition number "
                f"{certificate.condition:.3g}); use a larger max_bond or a smaller cutoff",
                RuntimeWarning,
                stacklevel=4,
            )
        # an error that says nothing must not make all levels one
        same, others = compared(levels, best, min(certificate.error, self.tolerance))
        return Spectrum(
            np.array([certificate.energy]),
            problem.space,
            (certificate.right,),
            None if certificate.left is None else (certificate.left,),
            np.array([certificate.residuals[0]]),
            errors=np.array([certificate.error]),
            conditions=np.array([certificate.condition]),
            multiplicities=np.array([2]) if is_degenerate(same) else None,
            missing="" if certificate.left else NO_LEFT,
            order="growth" if self.which == "growth" else "energy",
            certified=certified,
            attempts=self.starts,
            largest_imag=0.0 if problem.hermitian else None,
            evidence=evidence(
                same,
                others,
                variational=problem.hermitian and self._choice(problem) is lowest,
                certified=certified,
                inside=not isinstance(self.which, str),
                still=self.which == "growth"
                and not problem.hermitian
                and abs(certificate.energy.imag) <= certificate.error,
            ),
        )
