"""Eigenvalues that can be trusted: LAPACK's where they are well conditioned, else hundreds of bits of FLINT's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import flint
import numpy as np
import scipy.linalg
import scipy.optimize

BITS = 400
"""Bits of a level in many-bit arithmetic."""

BITS_OF_DEFECTIVE = 40
"""Bits for each row of a matrix with defective levels, of which a block of size k leaves one kth."""

LARGEST_PRECISE = 64
"""Largest dimension that is diagonalised with many bits, which takes a second."""

CLOSE = 1e-8
"""Distance of two levels, relative to the norm of the matrix, below which the fuzz calls them degenerate."""


@dataclass(frozen=True)
class Levels:
    """All eigenvalues of a matrix, and what is known of their vectors.

    `exact` says whether the values are right to about 1e-12 of the norm.
    """

    values: np.ndarray
    matrix: np.ndarray
    condition: float
    exact: bool

    @cached_property
    def norm(self) -> float:
        return max(float(np.linalg.norm(self.matrix, 2)), 1e-10)  # terms that cancel leave rounding

    @cached_property
    def real(self) -> bool:
        return not np.any(self.matrix.imag)

    @cached_property
    def hermitian(self) -> bool:
        return bool(np.abs(self.matrix - self.matrix.conj().T).max() <= 1e-14 * self.norm)

    @cached_property
    def normal(self) -> bool:
        m = self.matrix
        return bool(np.abs(m @ m.conj().T - m.conj().T @ m).max() <= 1e-13 * self.norm**2)

    def matched(self, values: np.ndarray) -> np.ndarray:
        """The distance of each of some values from the level that it stands for, each level used once."""
        distance = np.abs(np.asarray(values)[:, None] - self.values)
        rows, columns = scipy.optimize.linear_sum_assignment(distance)
        return distance[rows, columns]

    def multiplicity(self, value: complex) -> int:
        """How many levels are as good as equal to a value."""
        return int(np.count_nonzero(np.abs(self.values - value) <= CLOSE * self.norm))

    def doubtful(self) -> bool:
        """Whether some levels are neither the same nor clearly different."""
        distance = np.abs(self.values[:, None] - self.values)[np.triu_indices(len(self.values), 1)] / self.norm
        return bool(np.any((distance > 1e-12) & (distance < 1e-8)))

    def clusters(self) -> np.ndarray:
        """One of each group of equal levels."""
        kept: list[complex] = []
        for value in self.values:
            if all(abs(value - other) > CLOSE * self.norm for other in kept):
                kept.append(value)
        return np.array(kept)


def levels(matrix: np.ndarray) -> Levels:
    """All eigenvalues of a matrix."""
    norm = float(np.linalg.norm(matrix, 2))
    if np.abs(matrix - matrix.conj().T).max() <= 1e-15 * norm:
        return Levels(np.linalg.eigvalsh(matrix).astype(complex), matrix, 1.0, exact=True)
    similar = symmetrised(matrix)
    if similar is not None:
        return Levels(np.linalg.eigvalsh(similar).astype(complex), matrix, eigenvalue_condition(matrix), exact=True)
    values, left, right = scipy.linalg.eig(matrix, left=True)
    condition = float(1 / max(np.abs(np.sum(left.conj() * right, axis=0)).min(), 1e-300))
    if condition < 1e3:
        return Levels(values, matrix, condition, exact=True)
    if len(matrix) > LARGEST_PRECISE:
        return Levels(values, matrix, condition, exact=False)
    bits = BITS_OF_DEFECTIVE * len(matrix) if condition > 1e12 else 0
    return Levels(precise(matrix, max(BITS, bits)), matrix, condition, exact=True)


def eigenvalue_condition(matrix: np.ndarray) -> float:
    """The largest condition number of an eigenvalue, as far as LAPACK knows it."""
    _, left, right = scipy.linalg.eig(matrix, left=True)
    return float(1 / max(np.abs(np.sum(left.conj() * right, axis=0)).min(), 1e-300))


def symmetrised(matrix: np.ndarray) -> np.ndarray | None:
    """The symmetric matrix that a real one is similar to by a diagonal matrix, if there is one.

    That is so if H_ij and H_ji have the same sign and the ratios H_ij / H_ji multiply to 1 along every circle: then
    the elements of the symmetric matrix are ±√(H_ij H_ji).
    """
    if matrix.imag.any():
        return None
    h, n = matrix.real, len(matrix)
    if np.any((h * h.T < 0) | ((h != 0) != (h.T != 0))):
        return None
    potential = np.full(n, np.nan)
    for root in range(n):
        if not np.isnan(potential[root]):
            continue
        potential[root], stack = 0.0, [root]
        while stack:
            i = stack.pop()
            for j in np.flatnonzero(h[i]):
                step = potential[i] + np.log(h[i, j] / h[j, i]) / 2
                if np.isnan(potential[j]):
                    potential[j] = step
                    stack.append(j)
                elif abs(potential[j] - step) > 1e-9:
                    return None
    return np.sign(h) * np.sqrt(np.abs(h * h.T))


def precise(matrix: np.ndarray, bits: int = BITS) -> np.ndarray:
    """All eigenvalues by FLINT's QR algorithm with many bits."""
    flint.ctx.prec = bits
    rows = [[flint.acb(x.real, x.imag) for x in map(complex, row)] for row in matrix]
    return np.array([complex(value) for value in flint.acb_mat(rows).eig(algorithm="approx")])
