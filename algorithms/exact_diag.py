"""Exact diagonalisation with LAPACK."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.algorithm import Algorithm
from mpsnh.model import Model
from mpsnh.records import Spectrum
from mpsnh.sector import require_memory

BIORTHOGONALITY = 1e-6
"""Largest deviation of ⟨L_m|R_n⟩ from the identity that is accepted."""

PARALLEL = 1e-10
"""Squared sine of the angle below which two right vectors count as the same."""

EXCEPTIONAL = 1e6
"""Smallest condition number of a level that may be merging with another one at an exceptional point."""


class ExactDiag(Algorithm[Spectrum]):
    """All eigenvalues of a model in its charge sector, ordered by decreasing growth.

    Real matrices are diagonalised in real arithmetic, so that complex eigenvalues come in exact conjugate pairs
    and real ones are exactly real; Hermitian matrices go to the Hermitian solver.

    Parameters
    ----------
    vectors : "none", "right" or "both"
        Which eigenvectors to compute; left ones are made biorthonormal to the right ones, which have unit norm.

    Raises
    ------
    ArithmeticError
        If the matrix is too close to an exceptional point for biorthonormal vectors.

    Examples
    --------
    Hopping on a clean ring at V = 0 has the steady current 1 / sin(π/N):

    >>> import numpy as np
    >>> from mpsnh import models
    >>> ring = models.NonHermitianXXZ(L=8, gamma=0.1, V=0.0, boundary="periodic")
    >>> (spectrum,) = ExactDiag().records(ring)
    >>> bool(np.isclose(spectrum.values[0].imag, 0.1 / np.sin(np.pi / 8)))
    True
    """

    yields = Spectrum
    vectors: Literal["none", "right", "both"] = "right"

    def check(self, model: Model) -> None:
        """Raise if the model's operators are not defined or the matrices will not fit in memory.

        Parameters
        ----------
        model : Model
            What to diagonalise.

        Raises
        ------
        MemoryError
            With the memory that is needed.
        ValueError
            If the model has no such sector.
        """
        model.check()
        require_memory(self.memory(model), f"diagonalising a matrix of dimension {model.sector.dim}")

    def memory(self, model: Model) -> float:
        """Return the bytes of the dense matrices.

        Parameters
        ----------
        model : Model
            What to diagonalise.

        Returns
        -------
        float
        """
        # matrix and LAPACK's copy; for each kind of vectors LAPACK's output, the complex one and the sorted one
        per_element = {"none": 32, "right": 32 + 48, "both": 32 + 2 * 48 + 40}[self.vectors]
        return float(per_element) * model.sector.dim**2

    def records(self, model: Model, after: Spectrum | None = None) -> Iterator[Spectrum]:
        """Yield the spectrum, as one record.

        Parameters
        ----------
        model : Model
            What to diagonalise.
        after : None
            There is nothing to continue.

        Yields
        ------
        Spectrum

        Raises
        ------
        ValueError
            If `after` is given.
        ArithmeticError
            If left and right vectors can't be made biorthonormal.
        """
        if after is not None:
            raise ValueError("ExactDiag has nothing to continue; leave out `after`")
        self.check(model)
        matrix = model.matrix()
        dense = matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)
        if not np.isfinite(dense).all():
            raise ValueError(f"the matrix of {model!r} has elements that are not finite")
        if np.array_equal(dense, dense.conj().T):
            values, right, left = self._hermitian(dense)
        else:
            values, right, left = self._general(dense)
        order = np.lexsort((values.real, -model.growth(values)))
        yield Spectrum(
            values[order],
            model.sector,
            None if right is None else right[:, order],
            None if left is None else left[:, order],
        )

    def _hermitian(self, matrix: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]:
        if self.vectors == "none":
            return scipy.linalg.eigvalsh(matrix).astype(complex), None, None
        # divide and conquer keeps the vectors of close levels orthogonal, which the default driver does not
        values, vectors = scipy.linalg.eigh(matrix, driver="evd")
        return values.astype(complex), vectors, vectors if self.vectors == "both" else None

    def _general(self, matrix: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]:
        if self.vectors == "none":
            return scipy.linalg.eigvals(matrix), None, None
        if self.vectors == "right":
            values, right = scipy.linalg.eig(matrix)
            return values, right, None
        values, left, right = scipy.linalg.eig(matrix, left=True, right=True)
        return values, right, _biorthonormal(values, left, right)


def _biorthonormal(values: NDArray[Any], left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """Combine left vectors, within degenerate levels too, so that ⟨L_m|R_n⟩ is the identity."""
    overlaps = left.conj().T @ right
    error, dual = np.inf, left
    with contextlib.suppress(np.linalg.LinAlgError), np.errstate(all="ignore"):
        dual = np.linalg.solve(overlaps.conj(), left.T).T
        error = np.abs(dual.conj().T @ right - np.eye(len(overlaps))).max()
    with np.errstate(over="ignore"):
        condition = np.linalg.norm(dual, axis=0)
    distances = np.abs(values[:, None] - values)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)
    # Rounding moves a level by about eps · |E| · condition. Two levels closer than that have merged if their right
    # vectors have too; if not, they are degenerate, as with a symmetry, and large numbers come from the skin effect.
    moved = 10 * np.finfo(float).eps * np.abs(values).max(initial=1.0) * condition
    parallel = 1 - np.abs(np.sum(right.conj() * right[:, nearest], axis=0)) ** 2 < PARALLEL
    exceptional = (condition > EXCEPTIONAL) & (moved >= distances.min(axis=1)) & parallel
    if not error <= BIORTHOGONALITY or exceptional.any():
        raise ArithmeticError(
            f"a level has condition number {condition.max():.1g} and ⟨L|R⟩ misses the identity by {error:.1g}: "
            "in double precision the matrix is too close to an exceptional point; use vectors='right'"
        )
    return dual
