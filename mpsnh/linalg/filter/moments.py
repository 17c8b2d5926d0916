"""Moments of a matrix between random vectors, by a Chebyshev recursion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import scipy.special
from numpy.typing import NDArray

from mpsnh.kernels.multivector import BlockOperator, aligned
from mpsnh.linalg.chebyshev import chebyshev_blocks

BLOCK = 16
"""Random vectors to begin with. More of them need fewer moments, and larger matrices in each window."""


TRUNCATION = 1e-12
"""Size of the terms at which sums over moments end."""


DYNAMIC_RANGE = 30.0
"""How much more than its share a complex eigenvalue may contribute to a sum over moments: digits are lost to it."""


SHARE = 12
"""Left vectors that have elements in the same rows, in large blocks."""


PARTS = 4
"""Least number of parts that the rows of a large matrix are divided into."""


LARGE = 3000
"""Dimension of such a matrix. In smaller ones there are few elements in a part to find localised eigenvectors with."""


SAFETY = 1.15
"""How much wider filters are made than the growth of the first moments says."""


CHUNK = 64
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


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def moments_of(
    operator: BlockOperator, centre: float, half: float, sigma: float, block: int, rng: np.random.Generator
) -> Moments:
    """Return as many moments as filters of width σ need, or fewer if complex eigenvalues outgrow all others.

    T_s grows as exp(s |Im θ|), which the Gaussian exp(-s²σ²/4) tames in the end.

    Parameters
    ----------
    operator : BlockOperator
        The matrix.
    centre, half : float
        The interval that the real parts of its eigenvalues lie in.
    sigma : float
        Width of the filters.
    block : int
        Number of random vectors on each side.
    rng : Generator
        For these.

    Examples
    --------
    >>> operator = BlockOperator(scipy.sparse.diags(np.linspace(-0.9, 0.9, 50)).tocsr())
    >>> moments_of(operator, 0.0, 1.0, 0.05, 4, np.random.default_rng(0)).complete
    True
    """
    n = operator.dim
    # In a large block or matrix each left vector has elements in some of the rows only, those of a part of the basis
    # that is as good as random: moments then cost as n times the block, not its square.
    share = max(block // SHARE, min(PARTS, block) if n >= LARGE else 1)
    sizes = np.diff(np.linspace(0, block, share + 1).astype(int))
    left = [rng.standard_normal((size, len(range(part, n, share)))) for part, size in enumerate(sizes)]
    ends = np.cumsum(sizes)

    def overlaps(vectors: NDArray[np.float64], out: NDArray[np.float64]) -> None:
        for part, (rows, end) in enumerate(zip(left, ends, strict=True)):
            np.matmul(rows, vectors[part::share], out=out[end - len(rows) : end])

    start = aligned(rng.standard_normal((n, block)))
    blocks = chebyshev_blocks(operator, [start, aligned(start)], half, centre)
    tall, small = math.log(DYNAMIC_RANGE), math.log(TRUNCATION)
    probe = probe_index(sigma)
    # Enough for the fastest growth within the dynamic range; the system provides only the pages that are used.
    capacity = math.ceil(2 * (math.sqrt(tall) + math.sqrt(tall - small)) / sigma) + probe + 2 * CHUNK
    values, envelope = np.empty((capacity, block, block)), np.empty(capacity)
    overlaps(next(blocks), values[0])
    overlaps(next(blocks), values[1])
    norm = float(np.linalg.norm(values[0]))
    s, needed = 2, capacity
    while s < needed:
        chunk = range(s, min(s + CHUNK, capacity))
        for t in chunk:
            overlaps(next(blocks), values[t])
        s = chunk.stop
        sizes = np.linalg.norm(values[:s] if chunk.start == 2 else values[chunk.start : s], axis=(1, 2)) / norm
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
