"""Orthonormal columns of the blocks of tensors."""

from __future__ import annotations

from mpsnh.kernels.lapack import fortran
from mpsnh.kernels.tebd.memory import inner

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


@inner
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
