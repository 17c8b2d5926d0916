"""What gates and moves of the centre do to one charge, apart from all others: the turns that threads share.

Each of these functions leaves alone what another turn of the same kind reads or writes, but for `Work`'s scratch, so
that turns may be taken in any order and at the same time, with the same result. A pair of sites has a *near* one, which
is the centre, and a *far* one, `direction` away from it.
"""

from __future__ import annotations

import numpy as np

from mpsnh.kernels.lapack import fortran
from mpsnh.kernels.tebd.memory import inner, squared_norm
from mpsnh.kernels.tebd.orthonormal import qr


@inner
def contract(chain, work, near, far, c):  # type: ignore[no-untyped-def]
    """Contract the blocks of both tensors into `work.x`."""
    p, n, m = work.rows[c], work.far_rows[c], chain.dims[max(near, far), c]
    one, zero, x = work.x.dtype.type(1), work.x.dtype.type(0), work.x[work.pair[c] :]
    if m > 0:
        a = chain.store[chain.start[near] + work.first[c] :]
        b = chain.store[chain.start[far] + work.far_first[c] :]
        fortran("gemm3m", "N", "T", p, n, m, one, a, p, b, n, zero, x, p)
    else:
        for i in range(p * n):
            x[i] = 0


@inner
def pairs_of(chain, near, far, total, pairs):  # type: ignore[no-untyped-def]
    """List the local states of a pair of sites whose charges sum to `total`, with their places in a gate."""
    n, d_near, d_far = 0, chain.local[near], chain.local[far]
    for s in range(d_near):
        for t in range(d_far):
            if chain.charges[near, s] + chain.charges[far, t] == total:
                pairs[n, 0], pairs[n, 1] = s, t
                pairs[n, 2] = s * d_far + t if near < far else t * d_near + s
                n += 1
    return n


@inner
def place(chain, work, near, direction, q, n):  # type: ignore[no-untyped-def]
    """Find the rectangles in `work.x` of n pairs of local states, for a charge q of the outer bond of the near site."""
    pairs = work.pairs
    for k in range(n):
        c = q + direction * chain.charges[near, pairs[k, 0]]
        work.strides[k] = work.rows[c]
        work.bases[k] = work.pair[c] + work.near[c, pairs[k, 0]] + work.far[c, pairs[k, 1]] * work.rows[c]


@inner
def totals(chain, near, far):  # type: ignore[no-untyped-def]
    """Return the smallest charge of a pair of local states, and one more than the largest."""
    high = chain.charges[near, chain.local[near] - 1] + chain.charges[far, chain.local[far] - 1]
    return chain.charges[near, 0] + chain.charges[far, 0], high + 1


@inner
def act(chain, work, near, far, q):  # type: ignore[no-untyped-def]
    """Apply the gate to what `work.x` has for a charge q of the outer bond of the near site."""
    x, gate, direction = work.x, work.gate, far - near
    outer, beyond = (near, far + 1) if direction > 0 else (near + 1, far)
    pairs, bases, strides, column = work.pairs, work.bases, work.strides, work.column
    # A gate conserves charge: it mixes only pairs of local states with the same total. For each total and charge of
    # the outer bond, those pairs are n rectangles of the same shape in as many blocks of X.
    low, high = totals(chain, near, far)
    for total in range(low, high):
        height, width = chain.dims[outer, q], chain.dims[beyond, q + direction * total]
        if height * width == 0:
            continue
        n = pairs_of(chain, near, far, total, pairs)
        place(chain, work, near, direction, q, n)
        if n == 1:
            u = x.dtype.type(gate[pairs[0, 2], pairs[0, 2]])
            for j in range(width):
                for i in range(bases[0] + j * strides[0], bases[0] + j * strides[0] + height):
                    x[i] *= u
            continue
        # column by column, whose old elements are put aside, so that X is overwritten where it is
        for j in range(width):
            for k in range(n):
                source = bases[k] + j * strides[k]
                for i in range(height):
                    column[k * height + i] = x[source + i]
            for t in range(n):
                target = bases[t] + j * strides[t]
                u = x.dtype.type(gate[pairs[t, 2], pairs[0, 2]])
                for i in range(height):
                    x[target + i] = u * column[i]
                for k in range(1, n):
                    u = x.dtype.type(gate[pairs[t, 2], pairs[k, 2]])
                    for i in range(height):
                        x[target + i] += u * column[k * height + i]


@inner
def weigh(work, c):  # type: ignore[no-untyped-def]
    """Find the squared norm of a block of the pair."""
    work.norms[c] = squared_norm(work.x[work.pair[c] :], work.rows[c] * work.far_rows[c])


@inner
def project(chain, work, near, far, c):  # type: ignore[no-untyped-def]
    """Split a block by the subspace that it makes of the old far tensor, and find the weight that this keeps."""
    p, n, k = work.rows[c], work.far_rows[c], work.kept[c]
    one, zero = work.x.dtype.type(1), work.x.dtype.type(0)
    x, z, w = work.x[work.pair[c] :], work.z[work.pair[c] :], work.w[work.factor[c] :]
    guess = chain.store[chain.start[far] + work.far_first[c] :]
    q = chain.store[chain.start[near] + work.put[c] :]
    for i in range(n * k):
        z[i] = np.conj(guess[i])
    # Before the gate, the pair is X = A Bᵀ. After it, the range of X conj(B) is the old one carried along: one
    # step of subspace iteration from the old far tensor, in place of singular vectors.
    fortran("gemm3m", "N", "N", p, k, n, one, x, p, z, n, zero, q, p)
    qr(q, p, k, work.y[:0], work)
    fortran("gemm3m", "C", "N", k, n, p, one, q, p, x, p, zero, w, k)
    work.norms[c] = squared_norm(w, k * n)  # ‖Q†X‖², as Q is an isometry: what the projection keeps of ‖X‖²


@inner
def regroup(chain, work, far, direction, c):  # type: ignore[no-untyped-def]
    """Store the far factor of a block, grouped by the bond of the gate, as part of a tensor grouped by the next one."""
    rows, first, factor = work.new_rows, work.new_first, work.scalar[0].real
    bond, beyond = (far, far + 1) if direction > 0 else (far + 1, far)
    store, k = chain.store[chain.start[far] :], chain.dims[bond, c]
    for s in range(chain.local[far]):
        r = c + direction * chain.charges[far, s]
        source, target = work.factor[c] + k * work.far[c, s], first[r] + work.near[r, s]
        for j in range(chain.dims[beyond, r]):
            for i in range(k):
                store[target + i + j * rows[r]] = work.w[source + i + j * k] * factor


@inner
def triangular(chain, work, near, c):  # type: ignore[no-untyped-def]
    """Make the columns of a block orthonormal; the triangular factor goes to `work.y`."""
    block, r = chain.store[chain.start[near] + work.first[c] :], work.y[work.factor[c] :]
    # X_c = Q_c R_c: charges do not mix, so that the QR decomposition of the tensor is that of its blocks
    kept = qr(block, work.rows[c], work.old[c], r, work)
    work.norms[c] = squared_norm(r, kept * work.old[c])


@inner
def absorb(chain, work, far, c):  # type: ignore[no-untyped-def]
    """Multiply a block of the far tensor with the transpose of this triangular or trapezoidal factor."""
    height, width, kept, factor = work.far_rows[c], work.old[c], work.kept[c], work.scalar[0]
    x, r = chain.store[chain.start[far] + work.far_first[c] :], work.y[work.factor[c] :]
    if kept == width:
        fortran("trmm", "R", "U", "T", "N", height, width, factor, r, kept, x, height)
        return
    zero, product = x.dtype.type(0), work.x[work.far_first[c] :]
    fortran("gemm", "N", "T", height, kept, width, factor, x, height, r, kept, zero, product, height)
    for i in range(height * kept):
        x[i] = product[i]
