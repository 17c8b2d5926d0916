"""Moving the orthogonality centre of a state that is stored by blocks of charge."""

from __future__ import annotations

import numpy as np

from mpsnh.kernels.tebd.memory import inner, layout, set_span
from mpsnh.kernels.tebd.share import ABSORB, FAR, KIND, NEAR, TRIANGULAR, share


@inner
def turn(chain, work):  # type: ignore[no-untyped-def]
    """Group the tensor of the centre by its other bond."""
    # The same elements in another order: (outer, s; inner) becomes (inner, s; outer), block by block transposed.
    site, direction = chain.centre[0], chain.centre[1]
    target = chain.store[chain.start[site] :]
    rows, first, new_rows, new_first = work.rows, work.first, work.new_rows, work.new_first
    size = layout(chain, site, direction, rows, first, work.near)
    layout(chain, site, -direction, new_rows, new_first, work.far)
    for i in range(size):
        work.x[i] = target[i]
    outer, inner = (site, site + 1) if direction > 0 else (site + 1, site)
    for c in range(chain.span[inner, 0], chain.span[inner, 1] + 1):
        for s in range(chain.local[site]):
            q = c - direction * chain.charges[site, s]
            source = first[c] + work.near[c, s]
            place = new_first[q] + work.far[q, s]
            for i in range(chain.dims[outer, q]):
                for j in range(chain.dims[inner, c]):
                    target[place + j + i * new_rows[q]] = work.x[source + i + j * rows[c]]
    chain.centre[1] = -direction


@inner
def _move(chain, work, direction):  # type: ignore[no-untyped-def]
    """Move the centre to the next site; returns the norm of the state, which is taken out."""
    if chain.centre[1] != direction:
        turn(chain, work)
    site = chain.centre[0]
    new = site + direction
    bond = max(site, new)
    store, neighbour = chain.store[chain.start[site] :], chain.store[chain.start[new] :]
    rows, first, next_rows, next_first, dims = work.rows, work.first, work.far_rows, work.far_first, chain.dims
    low, high = chain.span[bond, 0], chain.span[bond, 1]
    layout(chain, site, direction, rows, first, work.near)
    layout(chain, new, -direction, next_rows, next_first, work.far)
    work.job[NEAR], work.job[FAR] = site, new
    position = 0
    for c in range(low, high + 1):
        width, kept = dims[bond, c], min(rows[c], dims[bond, c])
        work.old[c], work.kept[c], work.factor[c] = width, kept, position
        work.cost[c] = rows[c] * width * kept
        position += kept * width
    # All Q are isometries, so that the norm of the state is that of all R together.
    work.job[KIND] = TRIANGULAR
    norm = np.sqrt(share(chain, work, low, high))
    work.scalar[0] = 1 / norm
    for c in range(low, high + 1):
        work.cost[c] = next_rows[c] * work.old[c] * work.kept[c]
    work.job[KIND] = ABSORB
    share(chain, work, low, high)
    # Blocks that lost columns leave gaps: later ones move up, always to lower addresses.
    written, filled = 0, 0
    for c in range(low, high + 1):
        kept = work.kept[c]
        _move_up(store, first[c], written, rows[c] * kept)
        _move_up(neighbour, next_first[c], filled, next_rows[c] * kept)
        written += rows[c] * kept
        filled += next_rows[c] * kept
        dims[bond, c] = kept
    set_span(chain, bond, low, high)
    chain.centre[0], chain.centre[1] = new, -direction
    return norm


@inner
def _move_up(x, source, target, size):  # type: ignore[no-untyped-def]
    if target < source:
        for i in range(size):
            x[target + i] = x[source + i]


@inner
def move_to(chain, work, site):  # type: ignore[no-untyped-def]
    """Move the centre to a site; returns the logarithm of the norm of the state, which is taken out."""
    log_norm = 0.0
    while chain.centre[0] != site and np.isfinite(log_norm):
        log_norm += np.log(_move(chain, work, 1 if chain.centre[0] < site else -1))
    return log_norm
