"""One eigenpair of a matrix that is known by its products, near a vector that is nearly one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Array = NDArray[Any]

Choice = Callable[[Array, NDArray[np.float64]], int]
"""Picks one of some Ritz values, given these and the overlaps of their vectors with the first one."""

LOOKED_AT = 4
"""Products after which Ritz values are looked at again; ten times as many in a large space."""

WIDE, FEWEST, NUMBERS = 160, 40, 2**21
"""Largest and smallest dimension of a space, and how many numbers its vectors may have, which is between them.

A space of 80 finds what three of 40, each from the result of the one before, do not find if vectors are nearly alike.
"""

INVARIANT = 1e-13
"""What is left of a product outside of a space, relative to the matrix, that is rounding."""


class RitzPair(NamedTuple):
    """An eigenvalue and its vector, of unit norm, with ‖A x - λ x‖ and the number of products that were needed.

    Examples
    --------
    >>> ritz_pair(np.diag([2.0, 3.0]).dot, np.eye(2)[0], lambda values, overlaps: 0).value
    (2+0j)
    """

    value: complex
    vector: Array
    residual: float
    products: int


def ritz_pair(
    apply: Callable[[Array], Array],
    start: Array,
    choice: Choice,
    *,
    steps: int = WIDE,
    restarts: int = 2,
    least: int = 0,
    tolerance: float = 1e-10,
    hermitian: bool = False,
) -> RitzPair:
    """Find an eigenpair by restarted Arnoldi iteration, which is that of Lanczos for a Hermitian matrix.

    All vectors are orthogonalised against all others twice. (Y. Saad, Numerical Methods for Large Eigenvalue Problems
    (2011), Alg. 6.3.)

    Parameters
    ----------
    apply : callable
        Multiplies a vector with the matrix.
    start : ndarray, shape (n,)
        The first vector.
    choice : callable
        Picks the wanted one of the Ritz values.
    steps, restarts : int
        Largest dimension of a space, and how many are built, each from the wanted vector of the one before.
    least : int
        Dimension up to which no pair is small enough, since a level that is not at the edge of a spectrum shows late.
    tolerance : float
        Residual, relative to the largest Ritz value, that is small enough.
    hermitian : bool
        Whether the matrix is Hermitian.

    Examples
    --------
    >>> matrix = np.diag([3.0, 1.0, 2.0])
    >>> pair = ritz_pair(matrix.dot, np.ones(3), lambda values, overlaps: np.argmin(values), hermitian=True)
    >>> round(pair.value.real, 12), np.abs(pair.vector).round(9).tolist()
    (1.0, [0.0, 1.0, 0.0])
    """
    vector, products = start / np.linalg.norm(start), 0
    steps = min(steps, len(vector), max(FEWEST, NUMBERS // len(vector)))
    for _ in range(restarts):
        pair, done = _from_one_space(apply, vector, choice, (min(least, steps), steps), tolerance, hermitian)
        vector, products = pair.vector, products + pair.products
        if done:
            break
    return pair._replace(products=products)


def _from_one_space(
    apply: Callable[[Array], Array],
    vector: Array,
    choice: Choice,
    sizes: tuple[int, int],
    tolerance: float,
    hermitian: bool,
) -> tuple[RitzPair, bool]:
    """Return the wanted Ritz pair of one Krylov space, and whether it is accurate enough or the space is invariant."""
    (least, steps), first = sizes, apply(vector)
    basis = np.empty((steps, len(vector)), np.result_type(first, vector))
    projected = np.zeros((steps + 1, steps), basis.dtype)
    basis[0] = vector
    for k in range(steps):
        product = apply(basis[k]) if k else first
        projected[: k + 1, k], product = _orthogonalised(product, basis[: k + 1])
        left_over = float(np.linalg.norm(product))
        projected[k + 1, k] = left_over
        invariant = left_over <= INVARIANT * float(np.abs(projected).max())
        looked_at = k + 1 >= least and (k + 1) % (LOOKED_AT if k < 10 * LOOKED_AT else 10 * LOOKED_AT) == 0
        if invariant or k + 1 == steps or looked_at:
            values, vectors = _diagonalised(projected[: k + 1, : k + 1], hermitian)
            chosen = choice(values, np.abs(vectors[0]))
            coefficients = vectors[:, chosen]
            residual = left_over * float(abs(coefficients[-1]))
            done = invariant or residual <= tolerance * float(np.abs(values).max())
            if done:
                break
        if k + 1 < steps:
            basis[k + 1] = product / left_over
    wanted = coefficients @ basis[: k + 1]
    return RitzPair(complex(values[chosen]), wanted / np.linalg.norm(wanted), residual, k + 1), done


def _orthogonalised(product: Array, basis: Array) -> tuple[Array, Array]:
    """Return the overlaps of a vector with orthonormal ones, and what is left of it."""
    overlaps = basis.conj() @ product
    product = product - overlaps @ basis
    again = basis.conj() @ product
    return overlaps + again, product - again @ basis


def _diagonalised(projected: Array, hermitian: bool) -> tuple[Array, Array]:
    """Return Ritz values and vectors of unit norm."""
    if hermitian:
        values, vectors = np.linalg.eigh((projected + projected.conj().T) / 2)
        return values, vectors
    values, vectors = scipy.linalg.eig(projected)
    return values, vectors / np.linalg.norm(vectors, axis=0)
