"""Eigenvectors of a few known eigenvalues of a large real matrix, by filters."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import scipy.special
from numpy.typing import ArrayLike, NDArray

from mpsnh.checks import require
from mpsnh.kernels.multivector import BlockOperator
from mpsnh.linalg.chebyshev import chebyshev_blocks
from mpsnh.linalg.eigenpairs import Eigenpairs
from mpsnh.linalg.eigenvectors import biorthonormal, require_small
from mpsnh.linalg.gauge import turned_back
from mpsnh.linalg.matrix import Matrix

BANK = 8
"""Filters at neighbouring angles, in whose common space the eigenvector of one level is sought."""


COLUMNS = 16
"""Random vectors that they are applied to."""


BATCH = 16
"""Chebyshev polynomials that enter the sums over them at once."""


SPACING = 2.0
"""Distance of these angles, relative to 1 / M for filters of degree M."""


SPARE = 16
"""Filtered vectors that are more than the levels which the filters may leave."""


STEEPNESS = (27.0, 40.0, 60.0)
"""Parameters β of the filters for eigenvectors that are tried; beyond the nearest levels they are about exp(-β)."""


DEGREES = np.geomspace(0.05, 3.0, 24)
"""Degrees of these filters that are tried, relative to the one at which the nearest levels are just not damped."""


DIGITS = 26.0
"""Logarithm of how much a filter should damp all other levels: by more than single out one of 10¹¹."""


NOISE = 9.0
"""Logarithm of how much a filter may amplify rounding errors relative to the level it is for."""


STEPS = 12
"""Most filters that are applied for one eigenvector."""


GROUP = 8
"""Eigenvectors whose first filters are applied together."""


RESIDUAL = 2e-10
"""Residual of an eigenvector, relative to the half-width of the spectrum, at which it is good enough."""


def eigenvectors(
    matrix: Matrix | scipy.sparse.csr_matrix,
    spectrum: Eigenpairs,
    values: ArrayLike,
    *,
    side: Literal["right", "left"] = "right",
    seed: int = 0,
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return eigenvectors of a few eigenvalues of a large real sparse matrix whose spectrum is known.

    A few filters single an eigenvalue and others near it out of a random block, and a Rayleigh-Ritz step tells these
    apart; that is repeated if need be (subspace iteration). Each filter is the Fourier transform of a Kaiser
    window, sinh √(β² - M²(θ-φ)²), the narrowest known one for its degree M and for how much it damps (Kaiser and
    Schafer, IEEE Trans. Acoust. Speech Signal Process. 28, 105 (1980)). As it favours complex eigenvalues, M and β are
    chosen knowing all of them.

    Parameters
    ----------
    matrix : Matrix or csr_matrix, shape (n, n)
        A real sparse matrix.
    spectrum : Eigenpairs
        All of its eigenvalues, from `filter_spectrum`.
    values : array_like of complex, shape (m,)
        Those of them whose vectors are wanted.
    side : "right" or "left"
        Whether H r = λ r or ⟨l| H = λ ⟨l|, that is Hᵀ l = λ* l.
    seed : int
        Of the random vectors.

    Returns
    -------
    vectors : ndarray, shape (n, m)
        Normalised vectors, as columns.
    residuals : ndarray, shape (m,)
        The norms of H r - λ r or Hᵀ l - λ* l, to be compared with that of H. They are below 1e-9 of it unless so many
        eigenvalues of larger imaginary part are so near that the iteration ran out of steps.

    Raises
    ------
    ValueError
        If the matrix is complex, not square or not finite, an eigenvalue not finite or the side unknown.
    ArithmeticError
        If the spectrum is too far from the real axis.

    Examples
    --------
    >>> from mpsnh.linalg.filter.spectrum import filter_spectrum
    >>> matrix = models.NonHermitianXXZ(L=10, h=2.0, boundary="periodic").matrix()
    >>> found = filter_spectrum(matrix)
    >>> steady = found.values[np.argmax(found.values.imag)]
    >>> vectors, residuals = eigenvectors(matrix, found, [steady])
    >>> bool(np.linalg.norm(matrix @ vectors[:, 0] - steady * vectors[:, 0]) < 1e-8)
    True
    """
    matrix = Matrix.of(matrix)
    matrix.require_real_sparse()
    require(side in ("right", "left"), "side", side, "'right' or 'left'")
    require(seed >= 0, "seed", seed, "zero or positive")
    targets = np.asarray(values, dtype=complex)
    require(targets.ndim == 1, "values shape", targets.shape, "that of a list of numbers")
    require(bool(np.isfinite(targets).all()), "values", targets, "finite")
    if matrix.gauge is not None:
        frame, logs = Matrix(matrix.gauge.array), matrix.gauge.logs
        vectors, _ = eigenvectors(frame, spectrum, targets, side=side, seed=seed)
        _, vectors = turned_back(vectors, vectors, logs if side == "right" else -logs)
        acting, levels = (matrix.array, targets) if side == "right" else (matrix.array.T, targets.conj())
        return vectors, np.linalg.norm(acting @ vectors - levels * vectors, axis=0)
    n, (centre, half) = matrix.dim, matrix.interval
    operator = BlockOperator(matrix.array if side == "right" else matrix.array.T.tocsr())
    # The real and imaginary parts of a conjugate pair span the same space, so that the upper one will do.
    x = (targets - centre) / half
    upper = x.real + 1j * np.abs(x.imag)
    angles = np.arccos((spectrum.values - centre) / half)
    filters = [_Filter.of(target, angles, n) for target in upper]
    vectors, residuals = np.empty((n, len(targets)), complex), np.empty(len(targets))
    for first in range(0, len(targets), GROUP):
        group = range(first, min(first + GROUP, len(targets)))
        start = np.random.default_rng(seed).standard_normal((n, min(COLUMNS, n)))
        blocks = _filtered(operator, centre, half, [filters[level] for level in group], start)
        for level, block in zip(group, blocks, strict=True):
            for _ in range(STEPS):
                block = np.ascontiguousarray(np.linalg.qr(block).Q)
                image = operator.apply(block, np.empty_like(block), scale=1 / half, shift=centre)
                ritz, small = np.linalg.eig(block.T @ image)
                nearest = np.argmin(np.abs(ritz - upper[level]))
                vector = block @ small[:, nearest]
                norm = np.linalg.norm(vector)
                residual = np.linalg.norm(image @ small[:, nearest] - upper[level] * vector) / norm
                if residual < RESIDUAL:
                    break
                (block,) = _filtered(operator, centre, half, [filters[level]], block)
            conjugate = (x[level].imag < 0) != (side == "left")
            vectors[:, level] = (vector.conj() if conjugate else vector) / norm
            residuals[level] = half * residual
    return vectors, residuals


def right_and_left(
    matrix: Matrix | scipy.sparse.csr_matrix,
    spectrum: Eigenpairs,
    values: ArrayLike,
    *,
    left: bool,
    largest_residual: float,
    seed: int = 0,
) -> tuple[NDArray[np.complex128], NDArray[np.complex128] | None, NDArray[np.float64]]:
    """Return accurate right eigenvectors of a few eigenvalues, and left ones that are biorthonormal to them.

    Parameters
    ----------
    matrix : Matrix or csr_matrix, shape (n, n)
        A real sparse matrix.
    spectrum : Eigenpairs
        All of its eigenvalues, from `filter_spectrum`.
    values : array_like of complex, shape (m,)
        Those of them whose vectors are wanted.
    left : bool
        Whether left vectors are wanted.
    largest_residual : float
        Largest norm of H r - λ r, and of Hᵀ l - λ* l for l of unit norm, that is accepted.
    seed : int
        Of the random vectors.

    Returns
    -------
    right : ndarray, shape (n, m)
        Normalised vectors, as columns.
    left : ndarray, shape (n, m), or None
        The left ones.
    residuals : ndarray, shape (m,)
        Those of the right ones.

    Raises
    ------
    ArithmeticError
        If a residual is larger, the spectrum is too far from the real axis or a level too close to an exceptional
        point.

    Examples
    --------
    >>> from mpsnh.linalg.filter.spectrum import filter_spectrum
    >>> matrix = models.NonHermitianXXZ(L=10, h=2.0, boundary="periodic").matrix()
    >>> found = filter_spectrum(matrix)
    >>> right, left, residuals = right_and_left(matrix, found, found.values[:2], left=True, largest_residual=1e-8)
    >>> bool(np.allclose(left.conj().T @ right, np.eye(2)))
    True
    """
    matrix = Matrix.of(matrix)
    right, residuals = eigenvectors(matrix, spectrum, values, seed=seed)
    require_small(residuals, largest_residual)
    if not left:
        return right, None, residuals
    others, other_residuals = eigenvectors(matrix, spectrum, values, side="left", seed=seed)
    require_small(other_residuals, largest_residual)
    return right, biorthonormal(np.asarray(values), others, right), residuals


@dataclass(frozen=True)
class _Filter:
    """Filters of degree M at a few angles next to each other."""

    angles: NDArray[np.float64]
    steepness: float
    degree: int

    @classmethod
    def of(cls, x: complex, angles: NDArray[np.complex128], dim: int) -> _Filter:
        """Return the cheapest ones for the eigenvalue x among those at some angles."""
        target = np.arccos(x)
        kept = min(BANK * COLUMNS - SPARE, dim - 1)
        away = np.abs(angles.real - target.real)
        nearest = max(float(np.partition(away, kept)[kept]), 1e-6)
        best, cheapest = None, math.inf
        for steepness, factor in itertools.product(STEEPNESS, DEGREES):
            degree = math.ceil(factor * steepness / nearest)
            own = float(_log_filter(steepness, degree, 1j * abs(target.imag)))
            noise = float(_log_filter(steepness, degree, 1j * np.abs(angles.imag).max())) - own
            if noise > NOISE:
                break
            reach = SPACING / degree * (BANK - 1) / 2
            others = _log_filter(steepness, degree, np.maximum(away - reach, 0) + 1j * angles.imag)
            contrast = own - float(np.partition(others, -kept - 1)[-kept - 1])
            if contrast > 1 and (cost := degree * math.ceil(DIGITS / contrast)) < cheapest:
                bank = target.real + SPACING / degree * (np.arange(BANK) - (BANK - 1) / 2)
                best, cheapest = cls(bank, steepness, degree), cost
        if best is None:
            raise ArithmeticError("the spectrum is too far from the real axis to filter an eigenvector out of it")
        return best

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """Those of the Chebyshev polynomials, a row for each angle."""
        s = np.arange(self.degree + 1)
        argument = self.steepness * np.sqrt(1 - (s / (self.degree + 1)) ** 2)
        window = scipy.special.ive(0, argument) * np.exp(argument - self.steepness) * np.where(s == 0, 1, 2)
        return np.asarray(window * np.cos(np.outer(self.angles, s)))


def _log_filter(steepness: float, degree: int, angle: ArrayLike) -> NDArray[np.float64]:
    """Return a bound on the logarithm of a filter at complex angles from its middle."""
    root = np.sqrt(steepness**2 - (degree * np.asarray(angle, dtype=complex)) ** 2)
    return np.asarray(np.abs(root.real) - np.log(np.maximum(np.abs(root), 1)))


def _filtered(
    operator: BlockOperator, centre: float, half: float, filters: list[_Filter], block: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return several sets of filters applied to a block, those of each set side by side."""
    series = [each.coefficients for each in filters]
    totals = [np.zeros((block.size, BANK), order="F") for _ in filters]
    # T_s R of one batch after the other, all of which enter the sums at once
    batch = np.empty((BATCH, *block.shape))
    batch[0] = block
    blocks = chebyshev_blocks(operator, list(batch), half, centre)
    for first in range(0, max(rows.shape[1] for rows in series), BATCH):
        for _ in range(BATCH):
            next(blocks)
        for rows, total in zip(series, totals, strict=True):
            part = rows[:, first : first + BATCH].T
            if len(part):
                terms = batch[: len(part)].reshape(len(part), -1).T
                scipy.linalg.blas.dgemm(1.0, terms, part, beta=1.0, c=total, overwrite_c=True)
    return [total.T.reshape(BANK, *block.shape).transpose(1, 0, 2).reshape(len(block), -1) for total in totals]
