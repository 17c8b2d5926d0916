"""Which levels are the same within their errors, and in which order they are."""

from __future__ import annotations

import numpy as np
import scipy  # which loads its parts when they are first used
import scipy.sparse
import scipy.sparse.csgraph
from numpy.typing import NDArray

from mpsnh.linalg.bounds import EPS

DIRECTION = np.exp(0.7j)
"""A direction in the complex plane along which levels that differ, conjugate ones too, are rarely at the same place."""

WIDEST = 1e-6
"""Largest distance, relative to the scale, at which errors make two levels one: larger errors say nothing."""


def same_levels(values: NDArray[np.complex128], errors: NDArray[np.float64], scale: float = 0.0) -> NDArray[np.intp]:
    """Return a number for each level, equal for levels whose distance is explained by their errors.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Real or complex, in any order.
    errors : ndarray, shape (n,)
        Their estimated errors.
    scale : float
        Size of the matrix, in case all levels are small compared to it.

    Examples
    --------
    >>> same_levels(np.array([1.0, 2.0, 1.0 + 1e-14]), np.full(3, 1e-14)).tolist()
    [0, 1, 0]
    """
    n, scale = len(values), max(scale, float(np.abs(values).max(initial=0.0))) or 1.0
    levels, reach = values / scale, np.minimum(errors / scale, WIDEST / 2)
    farthest = 2 * float(reach.max(initial=0.0))
    along = np.sort(levels.real * DIRECTION.real + levels.imag * DIRECTION.imag)
    if np.diff(along).min(initial=np.inf) > farthest + 8 * EPS:  # then no two levels are closer
        return np.arange(n)
    points = np.stack([levels.real, levels.imag], axis=1)
    pairs = scipy.spatial.cKDTree(points).query_pairs(farthest, output_type="ndarray")
    first, second = pairs.T
    close = np.abs(levels[first] - levels[second]) <= reach[first] + reach[second]
    first, second = first[close], second[close]
    if not len(first):
        return np.arange(n)
    same = scipy.sparse.csr_matrix((np.ones(len(first)), (first, second)), shape=(n, n))
    labels: NDArray[np.intp] = scipy.sparse.csgraph.connected_components(same, directed=False)[1]
    return labels


def by_growth(
    growth: NDArray[np.float64], levels: NDArray[np.float64], errors: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return the indices that sort levels by decreasing growth, and those that grow alike by energy or phase.

    Parameters
    ----------
    growth, levels : ndarray, shape (n,)
        How fast norms grow, and energies or phases.
    errors : ndarray, shape (n,)
        Of the growth: what rounding decides is no order.

    Examples
    --------
    >>> by_growth(np.array([0.0, 1.0, 1.0 + 1e-15]), np.array([1.0, 2.0, 3.0]), np.full(3, 1e-14)).tolist()
    [1, 2, 0]
    """
    order = np.argsort(-growth, kind="stable")
    reach = np.minimum(errors, WIDEST / 2 * max(float(np.abs(levels).max(initial=0.0)), 1e-300))[order]
    alike = np.empty(len(order), np.intp)
    alike[order] = _alike(growth[order], reach)
    return np.lexsort((levels, alike))


def _alike(growth: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return a number for each level, equal for those each two of which agree within their errors."""
    falls = -np.diff(growth, prepend=np.inf)
    if ((falls == 0) | (falls > 2 * errors.max(initial=0.0))).all():  # no error decides
        return np.cumsum(falls > 0)
    alike, number, first, least = np.empty(len(growth), np.intp), 0, np.inf, np.inf
    for k, (rate, error) in enumerate(zip(growth.tolist(), errors.tolist(), strict=True)):
        least = min(least, error)
        if first - rate > 2 * least:
            number, first, least = number + 1, rate, error
        alike[k] = number
    return alike


def growing_alike(values: NDArray[np.complex128], growth: NDArray[np.float64], errors: NDArray[np.float64]) -> int:
    """Return how many distinct levels grow as fast as the fastest one, within their errors.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The levels.
    growth : ndarray, shape (n,)
        How fast their norms grow.
    errors : ndarray, shape (n,)
        Of both.

    Examples
    --------
    >>> growing_alike(np.array([1 + 1j, 1j, 1j, 0]), np.array([1.0, 1.0, 1.0, 0.0]), np.full(4, 1e-14))
    2
    """
    first = int(np.argmax(growth))
    near = growth[first] - growth <= errors[first] + errors
    return len(np.unique(same_levels(values, errors)[near]))


def degenerate_groups(labels: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the places of levels that occur more than once.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        From `same_levels`.

    Examples
    --------
    >>> [group.tolist() for group in degenerate_groups(np.array([0, 1, 0, 2]))]
    [[0, 2]]
    """
    again = np.flatnonzero(np.bincount(labels)[labels] > 1)
    if not len(again):
        return []
    order = again[np.argsort(labels[again], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
