"""Truncation of a pair of sites, block by block of charge."""

from __future__ import annotations

import numpy as np

from mpsnh.kernels.split import FAINT
from mpsnh.kernels.tebd.decompose import uniform
from mpsnh.kernels.tebd.memory import inner
from mpsnh.kernels.tebd.share import COLLECT, EXTEND, KIND, PROJECT, VALUES, share

OVERSAMPLED = 4
"""Of how many dimensions kept one more is found by random vectors."""


SCATTER = np.uint64(0x9E3779B97F4A7C15)
"""What sets the random numbers of blocks apart, which are states of the same sequence."""


@inner
def is_complete(chain, work, bond):  # type: ignore[no-untyped-def]
    """Tell whether the bond has room for all that a pair of sites can hold, so that a projection loses nothing."""
    for c in range(chain.span[bond, 0], chain.span[bond, 1] + 1):
        if chain.dims[bond, c] < min(work.rows[c], work.far_rows[c]):
            return False
    return True


@inner
def _factors(work, low, high):  # type: ignore[no-untyped-def]
    """Say where the factors of blocks go of which `work.kept` dimensions are kept."""
    written, position = 0, 0
    for c in range(low, high + 1):
        p, n, k = work.rows[c], work.far_rows[c], work.kept[c]
        work.put[c], work.factor[c], work.cost[c] = written, position, p * n * k
        written += p * k
        position += k * n


@inner
def subspace_split(chain, work, bond):  # type: ignore[no-untyped-def]
    """Project the pair on what it makes of the old far tensor, all dimensions kept; returns the weight kept."""
    low, high = chain.span[bond, 0], chain.span[bond, 1]
    for c in range(low, high + 1):
        work.kept[c] = min(chain.dims[bond, c], work.rows[c], work.far_rows[c])
    _factors(work, low, high)
    work.job[KIND] = PROJECT
    return share(chain, work, low, high)


@inner
def full_split(chain, work, bond, limits, sketch, weight):  # type: ignore[no-untyped-def]
    """Truncate the pair by its singular values, found exactly or, block by block, within a subspace (`sketch`).

    That is the subspace in which `subspace_split` left the pair, and some random vectors. `limits` are
    `max_bond`, `min_bond` and the cutoff. Returns the relative weight discarded, or -1 if a decomposition failed,
    whether `max_bond` limited it, and the weight of what is stored.
    """
    low, high = chain.span[bond, 0], chain.span[bond, 1]
    captured = _decompose(chain, work, bond, sketch)
    if captured < 0:
        return -1.0, False, 0.0
    tail = _cut(chain, work, bond, limits, weight, max(0.0, weight - captured) if sketch else 0.0)
    _factors(work, low, high)
    work.job[KIND] = COLLECT
    held = share(chain, work, low, high)
    return tail / weight, tail > limits[2] * weight, held


@inner
def _decompose(chain, work, bond, sketch):  # type: ignore[no-untyped-def]
    """Find singular values and vectors of all blocks; returns the sum of their squares, or -1 if that failed."""
    low, high = chain.span[bond, 0], chain.span[bond, 1]
    count, left, right, place = 0, 0, 0, 0
    for c in range(low, high + 1):
        p, n, m = work.rows[c], work.far_rows[c], chain.dims[bond, c]
        work.begin[c], work.left[c], work.right[c], work.place[c] = count, left, right, place
        most = min(p, n)
        size = min(most, m + max(4, m // OVERSAMPLED))
        # Sketching pays only where the subspace is clearly smaller than the block.
        sketched = sketch and 4 * size < 3 * most
        size = size if sketched else most
        work.sketched[c], work.found[c], work.cost[c] = sketched, size, p * n * size if sketched else 0
        if sketched:
            uniform(work.random, 0)
            work.random[1 + c] = work.random[0] * SCATTER
            place += size * size
        count += size
        left += p * size
        right += size * n
    work.job[KIND] = EXTEND
    share(chain, work, low, high)
    for c in range(low, high + 1):
        work.cost[c] = work.rows[c] * work.far_rows[c] * work.found[c]
    # `work.w`, where a projection was, serves exact decompositions now.
    work.job[KIND] = VALUES
    return share(chain, work, low, high)


@inner
def _cut(chain, work, bond, limits, weight, tail):  # type: ignore[no-untyped-def]
    """Drop the smallest weights of all charges, which compete for the dimension of the bond; returns the new tail."""
    max_bond, min_bond, cutoff = limits
    low, high, count = chain.span[bond, 0], chain.span[bond, 1], 0
    for c in range(low, high + 1):
        work.kept[c] = work.found[c]
        count += work.found[c]
    # As few as possible are kept: their tail may weigh as much as the cutoff.
    while count > 1:
        smallest, charge = np.inf, low
        for c in range(low, high + 1):
            if work.kept[c] > 0:
                weakest = work.weights[work.begin[c] + work.found[c] - work.kept[c]]
                if weakest <= smallest:
                    smallest, charge = weakest, c
        faint = tail + smallest <= (cutoff if count > min_bond else min(cutoff, FAINT)) * weight
        if count <= max_bond and not faint:
            break
        tail += smallest
        count -= 1
        work.kept[charge] -= 1
    return tail
