"""What a Lindblad equation relaxes to, and how fast."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.capability import Capability
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require
from mpsnh.operators.lindblad import Elements
from mpsnh.states.density import DensityMatrix

Matrix = NDArray[np.complex128]


@dataclass(frozen=True)
class Mode:
    """A vector of doubled sites and the elements of the matrix that it is; or of the adjoint one.

    Examples
    --------
    >>> places = Elements(np.array([0]), np.array([1]), np.ones(1))
    >>> complex(Mode(np.array([2j]), places, adjoint=True).matrix(2)[1, 0])
    -2j
    """

    vector: Matrix
    places: Elements
    adjoint: bool = False

    def matrix(self, dim: int) -> Matrix:
        """Return the matrix.

        Parameters
        ----------
        dim : int
            Number of its rows.
        """
        matrix = np.zeros((dim, dim), dtype=complex)
        self.places.add(self.vector, matrix)
        return matrix.conj().T if self.adjoint else matrix


@dataclass(frozen=True)
class Operators(Sequence[Matrix]):
    """Operators on the space of kets, made when they are asked for.

    Examples
    --------
    >>> (record,) = algorithms.LindbladSpectrum().records(models.OpenXXZ(L=3))
    >>> record.modes[0].shape
    (8, 8)
    """

    stored: Sequence[Mode]
    dim: int

    def __len__(self) -> int:
        return len(self.stored)

    @overload
    def __getitem__(self, index: int) -> Matrix: ...
    @overload
    def __getitem__(self, index: slice) -> Operators: ...
    @override
    def __getitem__(self, index: int | slice) -> Matrix | Operators:
        if isinstance(index, slice):
            return Operators(self.stored[index], self.dim)
        return self.stored[operator.index(index)].matrix(self.dim)


@dataclass(frozen=True)
class Relaxation(Spectrum):
    """Eigenvalues λ of a Lindblad equation by decreasing Re λ, those that are zero first, and its steady states.

    Attributes
    ----------
    steady : tuple of DensityMatrix
        Steady states, positive and of trace 1, of which none is a mixture of others: one, if it is unique; else any
        mixture of them is steady too. With strong symmetry there is at least one for each charge.
    steady_residuals : ndarray, shape (len(steady),)
        ‖𝓛 ρ‖ of these (Frobenius norm, ρ of trace 1).
    modes : Operators
        Right eigenvectors of all levels, as matrices on kets of unit Frobenius norm.
    left_modes : Operators or None
        Left ones, with Tr L_m† R_n = δ_mn: what is conserved, if λ is zero.

    Examples
    --------
    >>> (record,) = algorithms.LindbladSpectrum(vectors="both").records(models.OpenXXZ(L=3, gamma=1.0))
    >>> len(record.steady), record.copies(0), bool(record.values[0] == 0)
    (1, 1, True)
    """

    steady: tuple[DensityMatrix, ...] = field(kw_only=True, repr=False)
    steady_residuals: NDArray[np.float64] = field(kw_only=True)
    modes: Operators = field(kw_only=True, repr=False)
    left_modes: Operators | None = field(default=None, kw_only=True, repr=False)

    @property
    def count(self) -> int:
        """The number of steady states, of which none is a mixture of others."""
        return len(self.steady)

    @property
    def largest_residual(self) -> float:
        """The largest of `steady_residuals`."""
        return float(self.steady_residuals.max())

    @property
    @override
    def holds(self) -> frozenset[Capability]:
        return super().holds | {Capability.RIGHT_VECTORS}

    @override
    def state(self, level: int) -> DensityMatrix:  # type: ignore[override]
        count = len(self.steady)
        require(0 <= level < count, "level", level, f"one of the {count} steady states; others have trace 0")
        return self.steady[level]
