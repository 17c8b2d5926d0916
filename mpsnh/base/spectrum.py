"""Spectra: eigenvalues in a charge sector and their eigenvectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.records import Diagnostic, Record
from mpsnh.checks import require
from mpsnh.operators.sector import Sector
from mpsnh.states.vector import ExactState


@dataclass(frozen=True)
class Spectrum(Record):
    """Eigenvalues and eigenvectors in a charge sector, ordered by decreasing growth: all of them, or the first few.

    Attributes
    ----------
    values : ndarray of complex, shape (n,)
        Eigenvalues.
    sector : Sector
        The basis of the vectors.
    right : ndarray, shape (dim, n), or None
        Right eigenvectors as columns of unit 2-norm.
    left : ndarray, shape (dim, n), or None
        Left eigenvectors as columns, biorthonormal: ``left.conj().T @ right`` is the identity.
        Of both there may be fewer than n, those of the fastest-growing levels.
    residuals : ndarray, shape (n,), or None
        ‖H R - E R‖ of the right vectors, if the solver does not make it as small as rounding allows.
    certified : bool
        Whether nothing is missing or wrong, as far as rounding allows; what speaks for it depends on the solver.
    attempts : int
        Random starts that the solver made; 0 if it makes none.
    complete : bool
        Whether these are all eigenvalues. If not, only the upper one of each conjugate pair is counted.
    largest_imag : float or None
        Largest |Im E| of all eigenvalues, if it is known though they are not.

    Examples
    --------
    >>> basis = nh.Sector([nh.Spin(0.5)] * 2, 0)
    >>> right, left = np.array([[1, 0.6], [0, 0.8]]), np.array([[1, 0], [-0.75, 1.25]])
    >>> Spectrum(np.array([1j, 0]), basis, right, left).condition_numbers().tolist()
    [1.25, 1.25]
    """

    diagnostics: ClassVar[Mapping[str, Diagnostic]] = {
        "certified": Diagnostic("certified", "whether no level is missing or wrong"),
        "attempts": Diagnostic("attempts", "random starts of the eigensolver"),
    }
    values: NDArray[np.complex128]
    sector: Sector
    right: NDArray[np.complex128] | None = field(default=None, repr=False)
    left: NDArray[np.complex128] | None = field(default=None, repr=False)
    residuals: NDArray[np.float64] | None = field(default=None, repr=False)
    certified: bool = True
    attempts: int = 0
    complete: bool = True
    largest_imag: float | None = None

    def condition_numbers(self) -> NDArray[np.float64]:
        """Return the condition number 1/|⟨L|R⟩| of each eigenvalue, for L and R of unit norm.

        An error ε of the matrix moves the eigenvalue by up to ε times this; it is 1 for a normal matrix.

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        ValueError
            If there are no left vectors.
        """
        if self.right is None or self.left is None:
            raise ValueError("condition numbers need both eigenvectors: use ExactDiag(vectors='both')")
        norms: NDArray[np.float64] = np.linalg.norm(self.left, axis=0) * np.linalg.norm(self.right, axis=0)
        return norms

    def state(self, level: int) -> ExactState:
        """Return a right eigenvector as a state that observables can measure.

        Parameters
        ----------
        level : int
            Its place in the order of decreasing growth; 0 is the steady state.

        Returns
        -------
        ExactState

        Raises
        ------
        ValueError
            If there are no right vectors, or not of this level.
        """
        if self.right is None:
            raise ValueError("eigenstates need right eigenvectors: use ExactDiag(vectors='right')")
        n = self.right.shape[1]
        require(-n <= level < n, "level", level, f"one of the {n} that have eigenvectors")
        return ExactState(self.right[:, level], self.sector)
