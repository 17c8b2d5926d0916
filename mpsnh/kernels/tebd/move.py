"""Moving the orthogonality centre of a state that is stored by blocks of charge."""

from __future__ import annotations

import numpy as np

from mpsnh.kernels.lapack import fortran
from mpsnh.kernels.tebd.memory import jit, layout, scale, set_span, squared_norm


@jit
def qr(x, height, width, r, work):  # type: ignore[no-untyped-def]
    """Replace a matrix by the orthonormal factor of its QR decomposition; store the other factor in `r` if it has room.

    Returns the number of columns.
    """
    kept = min(height, width)
    tau, lapack = work.tau, work.lapack
    fortran("geqrf", height, width, x, height, tau, lapack, lapack.size, work.info)
    if r.size > 0:
        for j in range(width):
            for i in range(kept):
                r[i + j * kept] = x[i + j * height] if i <= j else 0
    fortran("ungqr", height, kept, kept, x, height, tau, lapack, lapack.size, work.info)
    return kept


@jit
def turn(chain, work):  # type: ignore[no-untyped-def]
    """Group the tensor of the centre by its other bond."""
    # The same elements in another order: (outer, s; inner) becomes (inner, s; outer), block by block transposed.
    site, direction = chain.centre[0], chain.centre[1]
    target = chain.store[chain.start[site] :]
    rows, first, new_rows, new_first = work.rows, work.first, work.new_rows, work.new_first
    size = layout(chain, site, direction, rows, first, work.near)
    layout(chain, site, -direction, new_rows, new_first, work.far)
    work.x[:size] = target[:size]
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


@jit
def _move(chain, work, direction):  # type: ignore[no-untyped-def]
    """Move the centre to the next site; returns the norm of the state, which is taken out."""
    if chain.centre[1] != direction:
        turn(chain, work)
    site = chain.centre[0]
    new = site + direction
    bond = site + 1 if direction > 0 else site
    outer = bond + direction
    low, high = chain.span[bond, 0], chain.span[bond, 1]
    one = chain.store.dtype.type(1)
    zero = chain.store.dtype.type(0)
    store, neighbour = chain.store[chain.start[site] :], chain.store[chain.start[new] :]
    rows, first, old, factor = work.rows, work.first, work.old, work.factor
    next_rows, next_first, place = work.far_rows, work.far_first, work.new_first
    layout(chain, site, direction, rows, first, work.near)
    layout(chain, new, -direction, next_rows, next_first, work.far)
    written, position = 0, 0
    for c in range(low, high + 1):
        height, width = rows[c], chain.dims[bond, c]
        old[c] = width
        factor[c] = position
        if height * width == 0:
            chain.dims[bond, c] = 0
            continue
        # X_c = Q_c R_c: charges do not mix, so that the QR decomposition of the tensor is that of its blocks
        block = store[first[c] :]
        kept = qr(block, height, width, work.y[position:], work)
        if written < first[c]:  # earlier blocks lost columns: this one moves up, always to lower addresses
            for i in range(height * kept):
                store[written + i] = block[i]
        chain.dims[bond, c] = kept
        written += height * kept
        position += kept * width
    set_span(chain, bond, low, high)
    # All Q are isometries, so that the norm of the state is that of all R together.
    norm = np.sqrt(squared_norm(work.y, position))
    scale(work.y, position, work.x.real.dtype.type(1 / norm))
    chain.centre[0] = new
    # R_c times the neighbour, which is grouped by this bond (hence "T"), written as grouped by the next bond
    size = layout(chain, new, direction, rows, place, work.near)
    for r in range(chain.span[outer, 0], chain.span[outer, 1] + 1):
        width = chain.dims[outer, r]
        for s in range(chain.local[new]):
            c = r - direction * chain.charges[new, s]
            kept = chain.dims[bond, c]
            if kept == 0 or width == 0:
                continue
            source = neighbour[next_first[c] + work.far[c, s] :]
            target = work.x[place[r] + work.near[r, s] :]
            fortran(
                "gemm",
                "N",
                "T",
                kept,
                width,
                old[c],
                one,
                work.y[factor[c] :],
                kept,
                source,
                next_rows[c],
                zero,
                target,
                rows[r],
            )
    for i in range(size):
        neighbour[i] = work.x[i]
    return norm


@jit
def move_to(chain, work, site):  # type: ignore[no-untyped-def]
    """Move the centre to a site.

    Parameters
    ----------
    chain : Chain
        The state; changed in place.
    work : Work
        Memory.
    site : int
        Where to.

    Returns
    -------
    float
        Logarithm of the norm of the state, which is taken out; not finite if the norm is zero or not finite.

    Examples
    --------
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 4, ["up"] * 4).workspace()  # whose methods call this function
    >>> state.move_to(2)
    >>> state.centre
    2
    """
    log_norm = 0.0
    while chain.centre[0] != site and np.isfinite(log_norm):
        log_norm += np.log(_move(chain, work, 1 if chain.centre[0] < site else -1))
    return log_norm
