"""Moments of a matrix between random vectors, by a Chebyshev recursion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.kernels.multivector import BlockOperator, aligned
from mpsnh.kernels.recursion import TOGETHER, advance, panel_widths
from mpsnh.kernels.threads import Threads
from mpsnh.linalg.chebyshev import chebyshev_blocks

BLOCK = 16
"""Random vectors to begin with. More of them need fewer moments, and larger matrices in each window."""


TRUNCATION = 1e-12
"""Size of the terms at which sums over moments end."""


DYNAMIC_RANGE = 30.0
"""How much more than its share a complex eigenvalue may contribute to a sum over moments: digits are lost to it."""


SEEN = 1
"""Groups of four left vectors that have elements in the same row."""


RUN = 64
"""Most rows next to each other that the same left vectors have elements in."""


RUNS = 256
"""Least number of such runs of rows in matrices that are not small."""


SAFETY = 1.15
"""How much wider filters are made than the growth of the first moments says."""


CHUNK = 128
"""Moments between two tests of whether there are enough."""


@np.errstate(over="ignore", invalid="ignore")
def level_density(
    matrix: scipy.sparse.csr_matrix, centre: float, half: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate the number of eigenvalues per angle with the kernel polynomial method.

    See Weiße et al., Rev. Mod. Phys. 78, 275 (2006); few moments suffice, in single precision.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
        Real.
    centre, half : float
        The interval that its spectrum lies in.
    rng : Generator
        For the random vectors.

    Examples
    --------
    >>> matrix = scipy.sparse.diags(np.linspace(-0.9, 0.9, 1000)).tocsr()
    >>> angles, density = level_density(matrix, 0.0, 1.0, np.random.default_rng(0))
    >>> bool(abs(np.sum(density) * angles[1] / 1000 - 1) < 0.01)
    True
    """
    n = matrix.shape[0]
    order = min(1000, max(50, n // 10))
    operator = BlockOperator(matrix, np.float32)
    start = rng.choice(np.array([-1, 1], dtype=np.float32), size=(n, 32))
    blocks = chebyshev_blocks(operator, [start.copy(), np.empty_like(start)], half, centre)
    moments = np.empty(order + 1)
    for s, block in zip(range(order + 1), blocks, strict=False):
        if s > 1 and not np.linalg.norm(block) < 10 * np.linalg.norm(start):  # complex eigenvalues outgrow the others
            order = s - 1
            break
        moments[s] = start.size if s == 0 else np.vdot(start, block)
    indices = np.arange(order + 1)
    end = np.pi / (order + 2)
    jackson = ((order - indices + 2) * np.cos(indices * end) + np.sin(indices * end) / np.tan(end)) / (order + 2)
    angles = np.linspace(0, np.pi, 4 * order)
    sums = np.cos(np.outer(angles, indices)) @ (jackson * moments[: order + 1] * np.where(indices == 0, 1, 2))
    return angles, n * sums / (np.pi * start.size)


def probe_index(sigma: float) -> int:
    """Return the index q of the polynomial T_q that tells eigenvalues from ghosts, qσ = 1/2.

    Parameters
    ----------
    sigma : float
        Width σ of the filters, an angle.

    Examples
    --------
    >>> probe_index(0.01)
    50
    """
    return round(0.5 / sigma)


@dataclass(frozen=True)
class Moments:
    """Moments Lᵀ T_s(H) R, one a row, relative to |Lᵀ R|: all, or those before complex eigenvalues outgrew the rest.

    Parameters
    ----------
    values : ndarray, shape (moments, block²)
        The moments, if they are complete.
    envelope : ndarray, shape (moments,)
        Logarithm of the largest norm of a moment so far.
    dim : int
        Dimension of the matrix.
    complete : bool
        Whether there are as many as filters need.

    Examples
    --------
    >>> round(Moments(np.empty((0, 1)), 0.01 * np.arange(300.0), 10, complete=False).least_sigma, 4)
    0.0062
    """

    values: NDArray[np.float64]
    envelope: NDArray[np.float64]
    dim: int
    complete: bool

    @property
    def least_sigma(self) -> float:
        """The σ of filters that would have tamed their growth, judging by the last third of them."""
        last = len(self.envelope) - 1
        rate = float(self.envelope[last] - self.envelope[2 * last // 3]) / (last - 2 * last // 3)
        # log |c_s| = a + s |Im θ|, of which exp(-s²σ²/4) leaves a + |Im θ|² / σ² at most
        start = float(self.envelope[last]) - rate * last
        return SAFETY * rate / math.sqrt(max(math.log(DYNAMIC_RANGE) - start, 1.0))


def damped(envelope: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return the logarithms of bounds on the terms of a sum over moments.

    Parameters
    ----------
    envelope : ndarray, shape (moments,)
        Logarithms of bounds on the moments.
    sigma : float
        Width of the filters.

    Examples
    --------
    >>> damped(np.zeros(3), 2.0).tolist()
    [0.0, -1.0, -4.0]
    """
    return envelope - (np.arange(len(envelope)) * sigma / 2) ** 2


class _Left:
    """Random left vectors, of which each row has elements of a few only.

    Which ones changes from one run of rows to the next at random, so that any few rows are seen by many of them. That
    is as good as vectors without zeros, and moments cost as n times the block, not its square. (Such sparse sketches
    are in Martinsson and Tropp, Acta Numerica 29, 403 (2020), Sec. 9.2.)
    """

    def __init__(self, dim: int, block: int, rng: np.random.Generator) -> None:
        self.dim, self.block = dim, block
        self.run = max(1, min(RUN, dim // RUNS))
        runs = math.ceil(dim / self.run)
        groups = min(SEEN, math.ceil(block / TOGETHER))
        shuffled = rng.permuted(np.tile(np.arange(block), (math.ceil(groups * runs * TOGETHER / block), 1)), axis=1)
        self.places = shuffled.ravel()[: groups * runs * TOGETHER].reshape(runs, groups, TOGETHER)
        self.places = np.ascontiguousarray(self.places.transpose(1, 0, 2))
        self.elements = rng.standard_normal((groups, dim, TOGETHER))

    @property
    def matrix(self) -> scipy.sparse.csr_matrix:
        """All of them, as rows."""
        places = self.places.repeat(self.run, axis=1)[:, : self.dim]
        columns = np.broadcast_to(np.arange(self.dim)[:, None], places.shape)
        entries = self.elements.ravel(), (places.ravel(), columns.ravel())
        return scipy.sparse.csr_matrix(entries, shape=(self.block, self.dim))


class _Panel:
    """Some columns of the right vectors, which go through the recursion on their own.

    What the recursion reads and writes of a few columns stays in the cache where all of them would not.
    """

    def __init__(self, start: NDArray[np.float64], column: int, double: BlockOperator) -> None:
        self.column, self.done, self._double = column, 1, double
        self._before = aligned(start)
        self._last = double.apply(self._before, aligned(start), scale=0.5)
        # T_1 = 2 X T_0 - T_{-1}, and T_{-1} = T_1

    def advance(self, left: _Left, moments: NDArray[np.float64], steps: int) -> None:
        """Go some steps on, and put the moments where they belong."""
        out = moments[self.done : self.done + steps]
        pair = (self._before, self._last) if self.done % 2 else (self._last, self._before)
        advance(*self._double.rows, *pair, left.elements, left.places, left.run, out, self.column)
        self.done += len(out)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def moments_of(
    matrix: scipy.sparse.csr_matrix,
    centre: float,
    half: float,
    sigma: float,
    block: int,
    rng: np.random.Generator,
    threads: int = 1,
) -> Moments:
    """Return as many moments as filters of width σ need, or fewer if complex eigenvalues outgrow all others.

    T_s grows as exp(s |Im θ|), which the Gaussian exp(-s²σ²/4) tames in the end.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
        The matrix.
    centre, half : float
        The interval that the real parts of its eigenvalues lie in.
    sigma : float
        Width of the filters.
    block : int
        Number of random vectors on each side.
    rng : Generator
        For these.
    threads : int
        How many share the work; the moments are the same.

    Examples
    --------
    >>> matrix = scipy.sparse.diags(np.linspace(-0.9, 0.9, 50)).tocsr()
    >>> moments_of(matrix, 0.0, 1.0, 0.05, 4, np.random.default_rng(0)).complete
    True
    """
    n = matrix.shape[0]
    left = _Left(n, block, rng)
    right = rng.standard_normal((n, block))
    double = BlockOperator((matrix - centre * scipy.sparse.identity(n, format="csr")) * (2 / half))
    panels = []
    for column, width in panel_widths(block, threads):
        part = np.zeros((n, width))
        part[:, : block - column] = right[:, column : column + width]
        panels.append(_Panel(part, column, double))
    workers = min(threads, len(panels))
    turns = [panels[turn % len(panels)] for turn in range(workers * len(panels))]
    tall, small = math.log(DYNAMIC_RANGE), math.log(TRUNCATION)
    probe = probe_index(sigma)
    # Enough for the fastest growth within the dynamic range; the system provides only the pages that are used.
    capacity = math.ceil(2 * (math.sqrt(tall) + math.sqrt(tall - small)) / sigma) + probe + 2 * CHUNK
    capacity = 1 + CHUNK * math.ceil((capacity - 1) / CHUNK)
    values, envelope = np.empty((capacity, block, block)), np.empty(capacity)
    values[0] = left.matrix @ right
    norm = float(np.linalg.norm(values[0]))
    s, needed = 1, capacity
    with Threads(workers) as pool:
        while s < needed:
            # each worker is at a panel of its own, and all panels have had the same number of turns in the end
            for first in range(0, len(turns), workers):
                pool.map(lambda panel: panel.advance(left, values, CHUNK // workers), turns[first : first + workers])
            begin, s = s, s + CHUNK
            sizes = np.linalg.norm(values[:s] if begin == 1 else values[begin:s], axis=(1, 2)) / norm
            envelope[s - len(sizes) : s] = np.log(sizes)
            envelope[:s] = np.maximum.accumulate(envelope[:s])
            terms = damped(envelope[:s], sigma)
            if not terms.max() < tall:
                s = int(np.flatnonzero(~(terms < tall))[0]) + 1
                return Moments(values[:0], envelope[:s], n, complete=False)
            if needed == capacity and terms[-1] < small:
                needed = min(s + probe, capacity)
    values[:s] /= norm  # in place: this is the largest array
    return Moments(values[:s].reshape(s, -1), envelope[:s], n, complete=True)
