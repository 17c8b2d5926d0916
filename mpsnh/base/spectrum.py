"""Spectra: eigenvalues in a charge sector and their eigenvectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh import notebook
from mpsnh.base.capability import Capability
from mpsnh.base.model import Model
from mpsnh.base.records import Record
from mpsnh.checks import require
from mpsnh.linalg.degeneracy import same_levels
from mpsnh.operators.configurations import Space
from mpsnh.operators.sector import Sector
from mpsnh.states.state import Pure
from mpsnh.states.vector import Eigenvectors

ROUNDING = 1e-13
"""Error of a level, relative to the largest one, if none is estimated."""

Order = Literal["growth", "phase", "energy", "distance"]
"""How levels are sorted: by decreasing growth, or by increasing phase, energy or distance from a number."""


@dataclass(frozen=True)
class Spectrum(Record):
    """Eigenvalues and eigenvectors in a charge sector: all of them, or a few.

    Attributes
    ----------
    values : ndarray of complex, shape (n,)
        Eigenvalues. If they are not all, only the upper one of each conjugate pair of a real matrix is counted.
    sector : Space
        That of the whole matrix: of exact methods the basis, a `Sector`.
    right : sequence of states, or None
        Right eigenvectors, of unit norm.
    left : sequence of states, or None
        Left eigenvectors, biorthonormal to the right ones: ⟨L_m|R_n⟩ is 1 for m = n, else 0.
        Of both there may be fewer than n, those of the first levels. Those of exact algorithms are the columns of one
        matrix, `mpsnh.states.vector.Eigenvectors`.
    residuals : ndarray, shape (n,), or None
        ‖H R - E R‖ of the right vectors, if the solver does not make it as small as rounding allows.
    errors : ndarray, shape (n,), or None
        Estimated errors of the eigenvalues: those of rounding, or of the solver, times their condition numbers.
    estimates : ndarray, shape (n,), or None
        How far off the eigenvalues probably are, where `errors` are bounds that are mostly far too large.
    conditions : ndarray, shape (m,), or None
        Condition numbers of the first levels: 1/|⟨L|R⟩|, of a degenerate level the norm of the projector on all of
        its vectors, and infinite if the level is defective (an exceptional point) or double precision can't tell.
    multiplicities : ndarray of int, shape (n,), or None
        How often each level occurs in the whole matrix, within the errors, where that is known though not all levels
        are here. Of matrix-product states, how often at least, as far as the starts have seen.
    alike : int or None
        How many distinct levels of the whole matrix grow as fast as the first one, within the errors, where that is
        known though not all levels are here.
    missing : str
        Why there are no vectors though the algorithm was asked for them; they do not exist at an exceptional point.
    order : "growth", "phase", "energy" or "distance"
        How the levels are sorted. Observables that need the one that grows fastest see whether they are.
    certified : bool
        Whether nothing is missing and all errors are small: of a whole spectrum at most 1e-8 of the root mean square
        of the singular values; what speaks for it depends on the solver.
    attempts : int
        Random starts that the solver made; 0 if it makes none.
    largest_imag : float or None
        Largest |Im E| of all eigenvalues, if it is known though they are not.
    evidence : str
        What speaks for these levels being the first ones, where that is not proven.
    doubted : bool
        Whether something speaks for another level that comes before the first one; what, is in `evidence`.

    Examples
    --------
    >>> basis = nh.Sector([nh.Spin(0.5)] * 2, 0)
    >>> right, left = np.array([[1, 0.6], [0, 0.8]]), np.array([[1, 0], [-0.75, 1.25]])
    >>> spectrum = Spectrum.of_matrices(np.array([1j, 0]), basis, right, left, order="growth")
    >>> spectrum.condition_numbers().tolist(), spectrum.complete
    ([1.25, 1.25], True)
    """

    values: NDArray[np.complex128]
    sector: Space
    right: Sequence[Pure] | None = field(default=None, repr=False)
    left: Sequence[Pure] | None = field(default=None, repr=False)
    residuals: NDArray[np.float64] | None = field(default=None, repr=False)
    errors: NDArray[np.float64] | None = field(default=None, repr=False, kw_only=True)
    estimates: NDArray[np.float64] | None = field(default=None, repr=False, kw_only=True)
    conditions: NDArray[np.float64] | None = field(default=None, repr=False, kw_only=True)
    multiplicities: NDArray[np.intp] | None = field(default=None, repr=False, kw_only=True)
    alike: int | None = field(default=None, kw_only=True)
    missing: str = field(default="", kw_only=True)
    order: Order = field(kw_only=True)
    certified: bool = field(default=False, kw_only=True)
    attempts: int = field(default=0, kw_only=True)
    largest_imag: float | None = field(default=None, kw_only=True)
    evidence: str = field(default="", kw_only=True)
    doubted: bool = field(default=False, kw_only=True)

    def _repr_html_(self) -> str:
        errors = self.resolution()
        rows = [(k, f"{value:.10g}", f"± {errors[k]:.1g}") for k, value in enumerate(self.values)]
        note = f"by {self.order}, {'' if self.certified else 'not '}certified; {self.evidence}".removesuffix("; ")
        return notebook.table(f"Spectrum of {len(self.values)} levels", rows, note)

    @classmethod
    def of_matrices(
        cls,
        values: NDArray[Any],
        sector: Sector,
        right: NDArray[Any] | None = None,
        left: NDArray[Any] | None = None,
        **details: Any,
    ) -> Self:
        """Make a spectrum whose eigenvectors are the columns of matrices.

        Parameters
        ----------
        values : ndarray, shape (n,)
            Eigenvalues.
        sector : Sector
            The basis.
        right, left : ndarray, shape (dim, m), optional
            Eigenvectors of the first m levels.
        **details
            The other attributes, by name.
        """
        kets, bras = (None if columns is None else Eigenvectors(columns, sector) for columns in (right, left))
        return cls(values, sector, kets, bras, **details)

    def __post_init__(self) -> None:
        orders = get_args(Order)
        require(self.order in orders, "order", self.order, "one of " + ", ".join(map(repr, orders)))

    def require_by_growth(self, model: Model) -> None:
        """Raise unless the levels are in the order of decreasing growth, within their errors.

        Parameters
        ----------
        model : Model
            Whose levels these are.

        Raises
        ------
        ValueError
            Naming the first that grows faster than the one before it.
        """
        errors, size = self.resolution(), model.generator.amplification(self.values)
        late = np.flatnonzero(np.diff(size) > errors[1:] + errors[:-1])
        if len(late):
            k = int(late[0]) + 1
            raise ValueError(
                f"order = {self.order!r}, but level {k} ({self.values[k]:.6g}) grows faster than level {k - 1} "
                f"({self.values[k - 1]:.6g}): sort values and vectors by -model.growth(values), or say another order"
            )

    @property
    def complete(self) -> bool:
        """Whether these are all eigenvalues."""
        return len(self.values) == self.sector.dim

    @property
    @override
    def remarks(self) -> dict[str, str]:
        return {"evidence": self.evidence} if self.evidence else {}

    @property
    @override
    def holds(self) -> frozenset[Capability]:
        there = {
            Capability.ALL_LEVELS: self.complete,
            Capability.SEVERAL_LEVELS: self.complete or len(self.values) > 1,
            Capability.BY_GROWTH: self.order == "growth",
            Capability.LARGEST_IMAGINARY_PART: self.complete or self.largest_imag is not None,
            Capability.RIGHT_VECTORS: self.right is not None,
            Capability.LEFT_VECTORS: self.left is not None,
            Capability.CONDITION_NUMBERS: self.left is not None or self.conditions is not None,
        }
        return frozenset(capability for capability, is_there in there.items() if is_there)

    def condition_numbers(self) -> NDArray[np.float64]:
        """Return the condition number 1/|⟨L|R⟩| of each eigenvalue that has vectors, for L and R of unit norm.

        An error ε of the matrix moves the eigenvalue by up to ε times this; it is 1 for a normal matrix. Of a level
        that occurs more than once it is the norm of the projector on all of its vectors, and it is infinite at an
        exceptional point.

        Raises
        ------
        ValueError
            If they are not known and there are no left vectors.
        """
        if self.conditions is not None:
            return self.conditions
        if self.right is None or self.left is None:
            raise ValueError("condition numbers need both eigenvectors: use ExactDiag(vectors='both')")
        return _norms(self.left) * _norms(self.right)  # biorthonormal: ⟨L|R⟩ is 1

    @property
    def error(self) -> float:
        """The estimated error of the first level; not a number if there is no estimate."""
        return math.nan if self.errors is None else float(self.errors[0])

    @property
    def estimate(self) -> float:
        """How far off the first level probably is; not a number if there is no estimate."""
        return math.nan if self.estimates is None else float(self.estimates[0])

    def resolution(self) -> NDArray[np.float64]:
        """Return the estimated error of each level, which is no less than rounding."""
        rounding = ROUNDING * float(np.abs(self.values).max(initial=0.0))
        return np.fmax(rounding, np.full(len(self.values), np.nan) if self.errors is None else self.errors)

    def same(self) -> NDArray[np.intp]:
        """Return a number for each level, equal for levels that are the same within their errors."""
        return same_levels(self.values, self.resolution())

    def copies(self, level: int) -> int:
        """Return how often a level occurs, within the errors, as far as that is known.

        Parameters
        ----------
        level : int
            Its place in the order of the levels.
        """
        if self.multiplicities is not None:
            return int(self.multiplicities[level])
        same = self.same()
        return int(np.count_nonzero(same == same[level]))

    def state(self, level: int) -> Pure:
        """Return a right eigenvector as a state that observables can measure.

        Parameters
        ----------
        level : int
            Its place in the order of the levels.

        Raises
        ------
        ValueError
            If there are no right vectors, or not of this level.
        """
        if self.right is None:
            raise ValueError(self.missing or "eigenstates need right eigenvectors: use ExactDiag(vectors='right')")
        n = len(self.right)
        require(-n <= level < n, "level", level, f"one of the {n} that have eigenvectors")
        return self.right[level]


def _norms(states: Sequence[Any]) -> NDArray[np.float64]:
    """Return the norms of states, at once if they share a matrix."""
    return states.norms() if isinstance(states, Eigenvectors) else np.array([state.norm() for state in states])
