"""Moving the orthogonality centre of a state that is stored by blocks of charge."""

from __future__ import annotations

import numpy as np

from mpsnh.kernels.lapack import fortran
from mpsnh.kernels.tebd.memory import inner, jit, layout, set_span, squared_norm

ONE_PASS = 0.1
"""Smallest squared sine of the angle of a column to those before it with which one pass of Cholesky-QR is accurate.

Orthogonality is lost by about the rounding of the Gram matrix divided by its smallest eigenvalue, with columns scaled
to norm 1. The squared sines bound that from above, and do not lie far from it.
"""


TWO_PASSES = 1e-6
"""The same for two passes, of which the first leaves columns that are orthogonal to a few digits."""


@inner
def _cholesky_qr(x, height, width, least, work):  # type: ignore[no-untyped-def]
    """Orthonormalise columns by the Cholesky factor of their Gram matrix, which stays in `work.lapack`.

    Returns the smallest squared sine of the angle of a column to those before it, and changes nothing if it is below
    `least` or not a number.
    """
    g, norms = work.lapack, work.svals
    one, real = x.dtype.type(1), x.real.dtype.type(1)
    fortran("herk", "U", "C", width, height, real, x, height, x.real.dtype.type(0), g, width)
    for i in range(width):
        norms[i] = g[i + i * width].real
        if not norms[i] > work.tiny[0]:  # squares of smaller elements underflow
            return 0.0
    fortran("potrf", "U", width, g, width, work.info)
    if work.info[0] != 0:
        return 0.0
    smallest = 1.0
    for i in range(width):
        sine = float(g[i + i * width].real ** 2 / norms[i])
        if not sine >= smallest:
            smallest = sine
    if not smallest >= least:
        return 0.0
    fortran("trsm", "R", "U", "N", "N", height, width, one, g, width, x, height)
    return smallest


@jit
def qr(x, height, width, r, work):  # type: ignore[no-untyped-def]
    """Replace a matrix by the orthonormal factor of its QR decomposition; store the other factor in `r` if it has room.

    Returns the number of columns.
    """
    kept = min(height, width)
    tau, lapack = work.tau, work.lapack
    # Bonds stay close to their Schmidt bases, in which columns are orthogonal, whatever their norms.
    sine = _cholesky_qr(x, height, width, TWO_PASSES, work) if width <= height else 0.0
    if sine > 0:
        if r.size > 0:
            for j in range(width):
                for i in range(width):
                    r[i + j * width] = lapack[i + j * width] if i <= j else 0
        if sine >= ONE_PASS:
            return kept
        _cholesky_qr(x, height, width, 0.0, work)
        if r.size > 0:
            fortran("trmm", "L", "U", "N", "N", width, width, x.dtype.type(1), lapack, width, r, width)
        return kept
    fortran("geqrf", height, width, x, height, tau, lapack, lapack.size, work.info)
    if r.size > 0:
        for j in range(width):
            for i in range(kept):
                r[i + j * kept] = x[i + j * height] if i <= j else 0
    fortran("ungqr", height, kept, kept, x, height, tau, lapack, lapack.size, work.info)
    return kept


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
    bond = site + 1 if direction > 0 else site
    store, neighbour = chain.store[chain.start[site] :], chain.store[chain.start[new] :]
    rows, first, old, factor = work.rows, work.first, work.old, work.factor
    next_rows, next_first = work.far_rows, work.far_first
    low, high = chain.span[bond, 0], chain.span[bond, 1]
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
    # All Q are isometries, so that the norm of the state is that of all R together.
    norm = np.sqrt(squared_norm(work.y, position))
    factor_of_norm = neighbour.dtype.type(1 / norm)
    written = 0
    for c in range(low, high + 1):
        n, kept = next_rows[c], chain.dims[bond, c]
        _times_transposed(neighbour[next_first[c] :], n, old[c], work.y[factor[c] :], kept, factor_of_norm, work)
        if written < next_first[c]:
            for i in range(n * kept):
                neighbour[written + i] = neighbour[next_first[c] + i]
        written += n * kept
    set_span(chain, bond, low, high)
    chain.centre[0], chain.centre[1] = new, -direction
    return norm


@inner
def _times_transposed(x, height, width, r, kept, factor, work):  # type: ignore[no-untyped-def]
    """Replace a matrix by its product with the transpose of an upper triangular or trapezoidal one."""
    if height * kept == 0:
        return
    if kept == width:
        fortran("trmm", "R", "U", "T", "N", height, width, factor, r, kept, x, height)
        return
    zero = x.dtype.type(0)
    fortran("gemm", "N", "T", height, kept, width, factor, x, height, r, kept, zero, work.x, height)
    for i in range(height * kept):
        x[i] = work.x[i]


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
