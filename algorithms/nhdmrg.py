"""A few levels of a chain of any length, as matrix-product states, with what is known of their errors."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.algorithms.grown_state import can_grow
from mpsnh.algorithms.known_levels import KnownLevel, joint_errors, multiplicities
from mpsnh.algorithms.level_evidence import Evidence, tied
from mpsnh.algorithms.level_finder import Found, LevelFinder
from mpsnh.algorithms.level_problem import LevelProblem
from mpsnh.algorithms.level_search import LevelSearch, fastest, lowest, nearest
from mpsnh.base.algorithm import Algorithm, require_nothing_after
from mpsnh.base.capability import VECTORS, Capability
from mpsnh.base.model import Model
from mpsnh.base.open_model import require_no_jumps
from mpsnh.base.records import Diagnostic
from mpsnh.base.remembered import Remembered
from mpsnh.base.spectrum import Order, Spectrum
from mpsnh.checks import require, require_memory, warn
from mpsnh.language.generator import Hamiltonian
from mpsnh.linalg.ritz import Choice
from mpsnh.operators.localise import norm_bound
from mpsnh.states.shifts import Shift

NO_LEFT = "the left vector is orthogonal to the right one, or too large for numbers"
"""Why there is no left vector."""

SMALLEST, LARGEST = 1e-100, 1e100
"""Bounds of the sum of the norms of all terms, of which squares are taken."""


class NHDMRG(Algorithm[Spectrum]):
    """A few levels of a chain of any length and of terms of any range, and their right and left vectors.

    Two-site sweeps from several random states (S. R. White, PRL 69, 2863 (1992)), with Arnoldi iterations in the basis
    of the right vector. The left vector is found as a right one of H†, near the conjugate of the level. If a product of
    local scales makes all terms as large as their adjoints (`mpsnh.operators.gauge.ImaginaryGauge`), as it does for
    open chains with asymmetric hopping, that matrix is treated, and its vectors are scaled back. If it is Hermitian,
    as it is without gain and loss, this is plain DMRG.

    With k > 1 each level that is known is moved out of the way of the next one, by a term |R⟩⟨L| that leaves all others
    where they are. Of conjugate levels of a real matrix only one counts, the first of them. That none is missed is not
    proven. Levels whose errors overlap are told apart by their vectors, and have an error together.

    `Spectrum.errors` bounds how far an eigenvalue can be from the level. If H is Hermitian, or made so, that is a
    theorem: it is the residual. Otherwise it is the residual of both vectors times the condition number 1/|⟨L|R⟩|, by
    the theorem of W. Kahan, B. N. Parlett and E. Jiang, SIAM J. Numer. Anal. 19, 470 (1982), to first order in the
    residual. `Spectrum.estimates` extrapolates from bonds of half the dimension instead: mostly a hundredth of that,
    but no bound. `Spectrum.certified` means that the error is at most `tolerance`; it says nothing of other levels.
    What speaks for this one being the wanted one is said in words, `Spectrum.evidence`, which is an attribute of the
    dataset, and `Spectrum.doubted` tells whether something speaks against it. A level that is not certified
    comes with a warning.

    Parameters
    ----------
    k : int
        Number of levels.
    which : "energy", "growth" or complex
        Those of smallest Re E, of largest Im E, or closest to a number. In a spectrum that is known to be real, those
        that grow fastest are those of smallest E, as for `ExactDiag`.
    max_bond : int
        Largest bond dimension χ.
    cutoff : float
        Largest weight (sum of squared singular values, relative to their total) that a bond may discard.
    sweeps : int
        Most sweeps of each search, there and back; fewer if the level changes by less than a hundredth of `tolerance`.
    tolerance : float
        Largest error of a level that is certified, in units of J.
    starts : int
        Random starts for each level. If the fastest growth is sought by evolution, each one is without the levels that
        the former ones led to, so that 2 show whether another level grows as fast.
    seed : int
        Of the random starts.

    Raises
    ------
    TypeError
        If the model is a circuit.
    ValueError
        If a parameter is out of range, the target is larger than any eigenvalue can be, there are fewer than k levels,
        or the Hamiltonian changes the charge of the model's sector.
    ArithmeticError
        If a level has no left vector, by which the next one would be told from it.

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
    resumes = True
    diagnostics = {
        "certified": Diagnostic(
            "certified", "whether an eigenvalue is within the error, and that within the tolerance"
        ),
        "level_error": Diagnostic("error", "largest distance of an eigenvalue from the level", "J"),
        "level_estimate": Diagnostic("estimate", "how far off the level probably is", "J"),
        "doubted": Diagnostic("doubted", "whether something speaks for another level that comes before the first one"),
        "attempts": Diagnostic("attempts", "random starts of the eigensolver"),
    }
    k: int = 1
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
        growth = [Capability.BY_GROWTH] * (self.which == "growth")
        return VECTORS["both"] | {*growth, *[Capability.SEVERAL_LEVELS] * (self.k > 1)}

    @override
    def validate(self) -> None:
        require(self.k >= 1, "k", self.k, "at least 1")
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
        dim = self._problems.of(model).space.dim
        require(self.k <= dim, "k", self.k, f"at most the dimension of the sector, {dim}")

    @functools.cached_property
    def _problems(self) -> Remembered[LevelProblem]:
        return Remembered(LevelProblem.of)

    @override
    def bytes_needed(self, model: Model) -> float:
        d = max(site.dim for site in model.sites)
        bonds = np.array([min(self.max_bond, d ** min(j, model.L - j, 60)) for j in range(model.L + 1)], dtype=float)
        channels = 5.0  # of a chain with nearest neighbours
        kept = 2 * channels + 2 * d * (self.k + self.starts)  # what stands around each bond, and states
        return float(16 * (40 * d**2 * np.max(bonds) ** 2 + kept * np.sum(bonds**2)))

    @override
    def records(self, model: Model, after: Spectrum | None = None) -> Iterator[Spectrum]:
        """Yield the levels, as one spectrum.

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
        problem, known = self._problems.of(model), list[KnownLevel]()
        shifts, reached = list[Shift](), list[Found]()
        for _ in range(self.k):
            if len(shifts) >= problem.space.dim:
                allowed = f"at most the number of levels, {len(known)}: of conjugate ones of a real matrix one counts"
                raise ValueError(f"k = {self.k}, but it must be {allowed}")
            finder = self._finder(problem, known, shifts)
            found, reached = finder.next(reached)
            known.append(found)
            if known[-1].overlap:
                shifts += known[-1].shifts(problem, finder.far)
            elif len(known) < self.k:
                level = f"level {len(known) - 1} ({known[-1].certificate.energy:.6g})"
                raise ArithmeticError(
                    f"{level} can't be told from others: {NO_LEFT}; use a larger max_bond, or k = {len(known)}"
                )
        yield self._spectrum(problem, known)

    def _choice(self, problem: LevelProblem) -> Choice:
        if not isinstance(self.which, str):
            return nearest(self.which - problem.constant)
        return fastest if self.which == "growth" and not problem.hermitian else lowest

    def _finder(self, problem: LevelProblem, known: Sequence[KnownLevel], shifts: Sequence[Shift]) -> LevelFinder:
        search = LevelSearch(
            operator=problem.operator,
            hermitian=problem.hermitian,
            max_bond=self.max_bond,
            cutoff=self.cutoff,
            sweeps=self.sweeps,
            accuracy=self.tolerance / 100,
            shifts=shifts,
            shown=problem.shown,
        )
        return LevelFinder(problem, search, self._choice(problem), self.tolerance, self.starts, self.seed, known)

    def _spectrum(self, problem: LevelProblem, known: Sequence[KnownLevel]) -> Spectrum:
        """Make the record, with a warning if a level is not certified."""
        errors, sizes = joint_errors(known), self._sizes(problem, known)
        order = [int(j) for j in np.argsort(sizes, kind="stable")]
        counts = multiplicities(known, errors)
        late = [
            place
            for place, j in enumerate(order)
            if any(i < j and sizes[i] - sizes[j] > errors[i] + errors[j] for i in order[place + 1 :])
        ]
        known, errors = [known[j] for j in order], errors[order]
        estimates = [min(one.estimate, float(error)) for one, error in zip(known, errors, strict=True)]
        certificates = [one.certificate for one in known]
        certified = bool((errors <= self.tolerance).all())
        if not certified:
            worst = int(np.argmax(errors > self.tolerance))
            of_it = certificates[worst]
            residuals = " and ".join(f"{number:.1g}" for number in of_it.residuals)
            warn(
                f"NHDMRG: the level {of_it.energy:.6g} is known to {errors[worst]:.1g} only, above tolerance = "
                f"{self.tolerance:g} (residuals of the right and left vector {residuals}, condition number "
                f"{of_it.condition:.3g}); use a larger max_bond or a smaller cutoff",
                RuntimeWarning,
            )
        lefts = [one.left for one in certificates if one.left is not None]
        first, growing = certificates[0], self.which == "growth" and not problem.hermitian
        still = growing and bool(abs(first.energy.imag) <= errors[0])
        rivals = tied(known[0], float(errors[0])) if growing else []
        if (still and certified) or rivals:
            moves = not (still and certified)
            why = f"the level {rivals[0].energy:.6g} grows as fast" if moves else "the first level does not grow"
            warn(f"NHDMRG: there may be no steady state: {why} within the error", RuntimeWarning)
        evidence = Evidence.of(
            known,
            starts=self.starts,
            certified=certified,
            variational=problem.hermitian and self._choice(problem) is lowest,
            inside=not isinstance(self.which, str),
            far=not can_grow(problem.model),
            still=still,
            late=late,
        )
        return Spectrum(
            np.array([one.energy for one in certificates]),
            problem.space,
            tuple(one.right for one in certificates),
            tuple(lefts) if len(lefts) == len(known) else None,
            np.array([one.residuals[0] for one in certificates]),
            errors=errors,
            estimates=np.array(estimates),
            alike=1 + len(rivals) if rivals else None,
            conditions=np.array([one.condition for one in certificates]),
            multiplicities=None if counts is None else counts[order],
            missing="" if len(lefts) == len(known) else NO_LEFT,
            order=self._sorted_by,
            certified=certified,
            attempts=self.starts * len(known),
            largest_imag=0.0 if problem.hermitian else None,
            evidence=evidence.text,
            doubted=evidence.doubted or bool(rivals),
        )

    @property
    def _sorted_by(self) -> Order:
        return "distance" if not isinstance(self.which, str) else self.which

    def _sizes(self, problem: LevelProblem, known: Sequence[KnownLevel]) -> NDArray[np.float64]:
        """Return the numbers by which levels are sorted."""
        values = np.array([one.certificate.energy for one in known])
        if not isinstance(self.which, str):
            return np.abs(values - self.which)
        return values.real if self._choice(problem) is lowest else -values.imag
