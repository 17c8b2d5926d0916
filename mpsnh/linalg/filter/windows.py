"""Eigenvalues in windows of the spectrum, from moments."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.kernels.threads import Threads
from mpsnh.linalg.bounds import EPS, PADDING
from mpsnh.linalg.filter.moments import TRUNCATION, Moments, damped, probe_index

CENTRE = 7
"""Width of a window in units of σ, all eigenvalues of which are kept."""


MARGIN = 3
"""Width on either side of a window, in units of σ, in which there are filters but no eigenvalues are kept."""


FINER = 1.2
"""Ratio of one σ to the next smaller one. Windows of the same σ share the transforms of the moments."""


TRANSFORMED = 16
"""Elements of the moments that are transformed at once."""


BROADEST = 0.04
"""Largest σ, an angle. The filters must not reach from the end of the spectrum to the edges at θ = 0 and π."""


LEAST_PIVOT = 3e-12
"""Pivot of a pencil, relative to the largest, that counts as zero; it must exceed what sums over moments leave out."""


ROUNDING = 2 * EPS
"""Rounding error of the moment c_s, relative to s: below it, too, pivots count as zero."""


PENCIL = 0.2
"""Error of an eigenvalue of a pencil in units of that pivot, for a condition number of 1.

Fewer than one eigenvalue in 500 is off by more (`tests/linalg/test_filter.py`).

Near an exceptional point the polynomial that tells ghosts is hardly more wrong than elsewhere; condition numbers know.
"""


GHOST = 1e-3
"""Error of cos(qθ), with qσ = 1/2, above which an eigenvalue of a pencil is not one of H."""


@dataclass(frozen=True)
class _Bank:
    """The filters of a window, at angles σ = 2π/grid apart, whose means are multiples of σ/2, as is its beginning."""

    first: int
    grid: int

    @property
    def sigma(self) -> float:
        """Width of the filters."""
        return 2 * math.pi / self.grid

    @property
    def low(self) -> float:
        """The angle at which the window begins."""
        return self.first * self.sigma / 2

    @property
    def high(self) -> float:
        """The angle at which it ends."""
        return self.low + CENTRE * self.sigma

    @property
    def means(self) -> NDArray[np.intp]:
        """The mean angles of all pairs of filters, in units of σ/2, mirrored where they are not between 0 and π."""
        multiples = self.first + 1 - 2 * MARGIN + np.arange(2 * (CENTRE + 2 * MARGIN) - 1)
        return np.asarray(self.grid - np.abs(self.grid - np.abs(multiples)))


def banks_of(angles: NDArray[np.float64], density: NDArray[np.float64], block: int, oversampling: float) -> list[_Bank]:
    """Cover the spectrum with windows that have enough filters for the eigenvalues in them.

    Parameters
    ----------
    angles, density : ndarray
        Number of eigenvalues per angle, at angles from 0 to π.
    block : int
        Number of random vectors.
    oversampling : float
        Filtered vectors for each eigenvalue.

    Examples
    --------
    >>> angles = np.linspace(0, np.pi, 100)
    >>> banks = banks_of(angles, np.full(100, 200 / np.pi), block=8, oversampling=2.0)
    >>> bool(banks[0].low < 0.31 and banks[-1].high > 2.83)
    True
    """
    widths = np.minimum(block / (oversampling * np.maximum(density, 1e-3)), BROADEST)
    finest, coarsest = 2 * math.pi / float(widths.min()), 2 * math.pi / min(8 * float(widths.min()), BROADEST)
    rungs = range(math.floor(math.log(finest / coarsest, FINER)), -1, -1)
    grids = [scipy.fft.next_fast_len(math.ceil(finest / FINER**rung), real=True) for rung in rungs]
    edge = math.acos(1 / PADDING)
    start, banks = edge - BROADEST, []
    while start < np.pi - edge + BROADEST:
        for grid in grids:
            bank = _Bank(math.floor(start * grid / math.pi), grid)
            reach = MARGIN * bank.sigma + angles[1]
            if bank.sigma <= widths[(angles >= bank.low - reach) & (angles <= bank.high + reach)].min():
                break
        banks.append(bank)
        start = bank.high
    return banks


@dataclass(frozen=True)
class _Window:
    """Eigenvalues x = cos θ in an interval of Re θ and a little beyond, with their errors."""

    low: float
    high: float
    overlap: float
    values: NDArray[np.complex128]
    errors: NDArray[np.float64]

    @property
    def angles(self) -> NDArray[np.float64]:
        """Real parts of θ."""
        return np.arccos(self.values).real


def solved_windows(banks: list[_Bank], moments: Moments, threads: int = 1) -> list[_Window]:
    """Return the eigenvalues of some windows, in their order.

    Parameters
    ----------
    banks : list of _Bank
        From `banks_of`.
    moments : Moments
        Enough for the narrowest filters.
    threads : int
        How many windows are solved at a time; the results are the same.

    Examples
    --------
    All eigenvalues of a diagonal matrix:

    >>> import scipy.sparse
    >>> from mpsnh.linalg.filter.moments import moments_of
    >>> matrix = scipy.sparse.diags(np.linspace(-0.9, 0.9, 200)).tocsr()
    >>> angles = np.linspace(0, np.pi, 400)
    >>> banks = banks_of(angles, np.full(400, 300 / np.pi), block=8, oversampling=2.0)
    >>> moments = moments_of(matrix, 0.0, 1.0, min(bank.sigma for bank in banks), 8, np.random.default_rng(0))
    >>> len(joined(solved_windows(banks, moments))[0])
    200
    """
    solved: dict[_Bank, _Window] = {}
    with Threads(threads) as pool:
        for grid in sorted({bank.grid for bank in banks}):
            alike = [bank for bank in banks if bank.grid == grid]
            means = np.unique(np.concatenate([bank.means for bank in alike]))
            sums = _sums(grid, means, moments, pool)
            order = _order(grid, moments)

            def solve(bank: _Bank) -> _Window:
                rows = np.searchsorted(means, bank.means)  # noqa: B023
                return _solved(bank, [part[rows] for part in sums], order, moments.dim)  # noqa: B023

            solved |= zip(alike, pool.map(solve, alike), strict=True)
    return [solved[bank] for bank in banks]


def _order(grid: int, moments: Moments) -> int:
    """Return the number of terms of sums over moments."""
    sigma = 2 * math.pi / grid
    order = int(np.flatnonzero(damped(moments.envelope, sigma) > math.log(TRUNCATION))[-1]) + 1
    return min(order, len(moments.values) - probe_index(sigma))


def _sums(grid: int, means: NDArray[np.intp], moments: Moments, pool: Threads) -> list[NDArray[np.float64]]:
    """Return 1, H and T_q(H) times the filter F at some multiples of π/grid, by cosine transforms of the moments."""
    sigma, order = 2 * math.pi / grid, _order(grid, moments)
    s = np.arange(order)
    gauss = (sigma * np.exp(-((s * sigma / 2) ** 2)))[:, None]
    gauss[0] /= 2
    size = moments.values.shape[1]
    sums = [np.empty((len(means), size)) for _ in range(3)]

    def transform(first: int) -> None:
        values = moments.values[:, first : first + TRANSFORMED]
        for q, total in zip((0, 1, probe_index(sigma)), sums, strict=True):
            # T_s T_q = (T_{s+q} + T_{|s-q|}) / 2
            terms = (values[q : q + order] + values[np.abs(s - q)]) * (gauss / 2)
            folded = np.zeros((grid + 1, values.shape[1]))
            for turn, begin in enumerate(range(0, order, grid)):  # cos(sφ) is even and periodic on the grid
                part = terms[begin : begin + grid]
                (folded[::-1] if turn % 2 else folded)[: len(part)] += part
            folded[[0, grid]] *= 2
            total[:, first : first + TRANSFORMED] = scipy.fft.dct(folded, type=1, axis=0, overwrite_x=True)[means]

    pool.map(transform, range(0, size, TRANSFORMED))
    return sums


def _solved(bank: _Bank, sums: list[NDArray[np.float64]], order: int, dim: int) -> _Window:
    """Return the eigenvalues of a window, given the sums over moments at its mean angles."""
    sigma = bank.sigma
    probe = probe_index(sigma)
    block = math.isqrt(sums[0].shape[1])
    filters = np.arange(CENTRE + 2 * MARGIN)
    overlap = np.exp(-(((filters[:, None] - filters) / 2) ** 2))[:, :, None, None]
    size = len(filters) * block
    pairs = filters[:, None] + filters
    pencils = [
        (overlap * part.reshape(-1, block, block)[pairs]).transpose(0, 2, 1, 3).reshape(size, size) for part in sums
    ]
    rounding = max(LEAST_PIVOT, ROUNDING * order)
    # One eigenvalue contributes about 1 / √n: a window without any is not to take rounding errors for some.
    x, errors, conditions = _pencil_eigenvalues(pencils, probe, rounding, rounding / math.sqrt(dim))
    angles = np.arccos(x).real
    kept = (errors < GHOST) & (angles > bank.low - sigma) & (angles < bank.high + sigma)
    # An error e of cos(qθ) at qσ = 1/2 is one of about 8eσ in θ.
    estimates = np.maximum(8 * sigma * np.sin(angles) * errors, PENCIL * rounding * conditions)
    return _Window(bank.low, bank.high, sigma, x[kept], estimates[kept])


def _pencil_eigenvalues(
    pencils: list[NDArray[np.float64]], q: int, rounding: float, smallest: float
) -> tuple[NDArray[np.complex128], NDArray[np.float64], NDArray[np.float64]]:
    """Return the eigenvalues x of H in a window, by how much T_q(x) misses that of T_q(H), and condition numbers.

    The matrices of 1, H and T_q(H) are given. The first one, the metric, is singular, as there are more filters than
    eigenvalues. A rank-revealing decomposition, Q Tᵀ Zᵀ with a triangular T, gives bases in which it is the identity.
    """
    metric, pencil, probe = pencils
    q_basis, upper, pivots = scipy.linalg.qr(metric, pivoting=True, check_finite=False)
    pivot_sizes = np.abs(np.diag(upper))
    rank = int(np.count_nonzero(pivot_sizes > max(rounding * pivot_sizes[0], smallest)))
    if rank == 0:
        return np.empty(0, complex), np.empty(0), np.empty(0)
    z_basis, triangle = scipy.linalg.qr(upper[:rank].T, mode="economic", check_finite=False)
    weights = np.sqrt(np.abs(np.diag(triangle)))[:, None]
    left = weights * scipy.linalg.solve_triangular(triangle, q_basis[:, :rank].T, trans=1, check_finite=False)
    right = np.empty_like(z_basis)
    right[pivots] = z_basis / weights.T
    x, vectors = np.linalg.eig(left @ pencil @ right)  # which, unlike scipy's, lets other threads run
    x = x.astype(complex)
    dual = np.linalg.inv(vectors)
    expected = np.einsum("ij,ji->i", dual, left @ probe @ right @ vectors)
    return x, np.abs(expected - np.cos(q * np.arccos(x))), np.linalg.norm(dual, axis=1)


def joined(windows: list[_Window]) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return the eigenvalues of all windows, cut where there are none.

    Both windows next to an edge know the eigenvalues there. The cut is in the widest gap between them, so that
    rounding can't make two of one or lose it.

    Parameters
    ----------
    windows : list of _Window
        From left to right, as in the example of `solved_windows`.

    Examples
    --------
    >>> half = np.array([0.5 + 0j])
    >>> left, right = (_Window(low, low + 1, 0.2, half, np.zeros(1)) for low in (0.05, 1.05))
    >>> joined([left, right])[0].tolist()
    [(0.5+0j)]
    """
    cuts = [-np.inf]
    for left, right in itertools.pairwise(windows):
        reach = min(left.overlap, right.overlap) / 2
        angles = np.concatenate([left.angles, right.angles])
        near = angles[np.abs(angles - left.high) < reach]
        points = np.sort(np.concatenate([near, [left.high - reach, left.high + reach]]))
        widest = np.argmax(np.diff(points))
        cuts.append(float(points[widest : widest + 2].mean()))
    cuts.append(np.inf)
    inside = [
        (window.angles >= low) & (window.angles < high)
        for window, (low, high) in zip(windows, itertools.pairwise(cuts), strict=True)
    ]
    return (
        np.concatenate([window.values[kept] for window, kept in zip(windows, inside, strict=True)]),
        np.concatenate([window.errors[kept] for window, kept in zip(windows, inside, strict=True)]),
    )
