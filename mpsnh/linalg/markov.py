"""The slowest relaxation of a symmetric Markov matrix, accurate even where rates span many decades."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
from numpy.typing import NDArray

from mpsnh.linalg.eigenpairs import Certificate, Eigenpairs

BLOCK = 48
"""States eliminated before the rest of the matrix is updated at once."""

SMALLEST_RATE = 1e-24
"""Slower rates are not resolved: the rounding of c_m - c_n adds about 1e-31 to each."""


def slowest(transitions: NDArray[np.float64], count: int = 2) -> Eigenpairs:
    """Return the smallest non-zero eigenvalues of 1 - S and their eigenvectors.

    Only the elements of S off the diagonal are used, and no two of them are ever subtracted: the states are eliminated
    one by one, each replaced by direct rates between the others, with pivots that are sums of the remaining rates
    (W. K. Grassmann, M. I. Taksar and D. P. Heyman, Oper. Res. 33, 1107 (1985)). The eigenvectors are the dominant
    ones of the inverse, found one after the other with the uniform mode and those before projected out, and the rates
    come from `rate`.

    Parameters
    ----------
    transitions : ndarray, shape (n, n)
        Symmetric and doubly stochastic.
    count : int
        How many modes; fewer if there are not as many.

    Returns
    -------
    Eigenpairs
        The rates in increasing order, and as right vectors the distributions, of which the sum vanishes and the sum of
        squares is 1.

    Raises
    ------
    ArithmeticError
        If some states can't be reached from others, to double precision.

    Examples
    --------
    Rates that differ by 20 decades from those within the two halves:

    >>> weak = np.kron([[0, 1], [1, 0]], np.full((2, 2), 1e-20))
    >>> strong = np.kron(np.eye(2), np.full((2, 2), 0.5))
    >>> print(f"{slowest(weak + strong).values[0]:.6g}")
    4e-20
    """
    n = len(transitions)
    upper, pivots = _eliminated(transitions)

    known = np.full((n, 1), 1 / np.sqrt(n))

    def project(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        rest: NDArray[np.float64] = vectors - known @ (known.T @ vectors)
        return rest

    def inverse(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        vectors = scipy.linalg.solve_triangular(
            upper, project(vectors), trans=1, unit_diagonal=True, check_finite=False
        )
        vectors = (vectors.T / pivots).T
        return project(scipy.linalg.solve_triangular(upper, vectors, unit_diagonal=True, check_finite=False))

    start = np.random.default_rng(0).normal(size=n)
    for _ in range(min(count, n - 1)):  # one by one, since the next one may be many decades smaller in the inverse
        if n <= 16:
            whole = inverse(np.eye(n))
            _, found = scipy.linalg.eigh((whole + whole.T) / 2, subset_by_index=(n - 1, n - 1))
        else:
            operator = scipy.sparse.linalg.LinearOperator((n, n), lambda vector: inverse(vector.ravel()), dtype=float)
            _, found = scipy.sparse.linalg.eigsh(operator, k=1, which="LA", v0=start)
        found = project(found)
        known = np.hstack([known, found / np.linalg.norm(found)])
    modes = known[:, 1:]
    rates = np.array([rate(transitions, mode) for mode in modes.T])
    if not rates[0] > SMALLEST_RATE:
        raise ArithmeticError(f"the slowest rate is {rates[0]:.1g}, which double precision does not resolve")
    return Eigenpairs(rates, Certificate(True, "rates are sums of positive terms"), modes)


def rate(transitions: NDArray[np.float64], mode: NDArray[np.float64]) -> float:
    """Return Σ_{m<n} S_mn (c_m - c_n)² / Σ_n c_n², the rate of a distribution, as a sum of positive terms.

    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Eq. 5.)

    Parameters
    ----------
    transitions : ndarray, shape (n, n)
        Symmetric and doubly stochastic.
    mode : ndarray, shape (n,)
        The distribution c.

    Examples
    --------
    >>> round(rate(np.full((2, 2), 0.5), np.array([1.0, -1.0])), 12)
    1.0
    """
    differences = mode[:, None] - mode
    differences *= differences
    return float(np.sum(transitions * differences) / (2 * np.sum(mode**2)))


def _eliminated(transitions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factor 1 - S = Rᵀ D R; return R with a unit diagonal, and D, of which the last entry is made infinite."""
    n = len(transitions)
    rates = transitions.copy()
    np.fill_diagonal(rates, 0.0)
    pivots = np.empty(n)
    for first in range(0, n, BLOCK):
        last = min(first + BLOCK, n)
        for k in range(first, last):
            rates[k, k + 1 :] += (rates[first:k, k] / pivots[first:k]) @ rates[first:k, k + 1 :]
            pivots[k] = rates[k, k + 1 :].sum()
            if k < n - 1 and not pivots[k] > 0:
                raise ArithmeticError("the bath does not connect all eigenstates: there is more than one steady state")
        if last < n:
            ahead = rates[first:last, last:]
            rates[last:, last:] += (ahead / pivots[first:last, None]).T @ ahead
    pivots[-1] = np.inf
    upper = np.triu(rates, 1)
    upper /= -pivots[:, None]
    np.fill_diagonal(upper, 1.0)
    return np.asfortranarray(upper), pivots
