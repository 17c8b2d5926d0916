"""Singular values of the block of one charge, found exactly or within a subspace: more turns that threads share."""

from __future__ import annotations

import numpy as np

from mpsnh.kernels.lapack import fortran
from mpsnh.kernels.tebd.memory import inner, squared_norm
from mpsnh.kernels.tebd.orthonormal import qr


@inner
def extend(chain, work, near, far, c):  # type: ignore[no-untyped-def]
    """Extend the subspace of a projection by what the block makes of random vectors, less their part inside of it."""
    p, n, k, size = work.rows[c], work.far_rows[c], work.kept[c], work.found[c]
    x, u, v = work.x[work.pair[c] :], work.y[work.left[c] :], work.z[work.right[c] :]
    q, w = chain.store[chain.start[near] + work.put[c] :], work.w[work.factor[c] :]
    for i in range(p * k):
        u[i] = q[i]
    for j in range(n):
        for i in range(k):
            v[i + j * size] = w[i + j * k]
    one, zero, more = x.dtype.type(1), x.dtype.type(0), size - k
    noise, inside, extra = work.lapack, work.lapack[n * more :], u[p * k :]
    for i in range(n * more):
        noise[i] = uniform(work.random, 1 + c)
    fortran("gemm", "N", "N", p, more, n, one, x, p, noise, n, zero, extra, p)
    fortran("gemm", "N", "N", k, more, n, one, v, size, noise, n, zero, inside, k)
    fortran("gemm", "N", "N", p, more, k, -one, u, p, inside, k, one, extra, p)
    qr(extra, p, more, work.y[:0], work)
    # What is left is small, so that rounding has brought back some of what was taken out.
    fortran("gemm", "C", "N", k, more, p, one, u, p, extra, p, zero, noise, k)
    fortran("gemm", "N", "N", p, more, k, -one, u, p, noise, k, one, extra, p)
    qr(extra, p, more, work.y[:0], work)
    fortran("gemm", "C", "N", more, n, p, one, extra, p, x, p, zero, v[k:], size)


@inner
def values(work, c):  # type: ignore[no-untyped-def]
    """Find the squares of singular values in increasing order, with their vectors."""
    weights, size = work.weights[work.begin[c] :], work.found[c]
    converged = _within(work, c, weights) if work.sketched[c] else _exactly(work, c, weights)
    total = 0.0
    for i in range(size):
        total += weights[i]
    work.norms[c] = total if converged else -1.0


@inner
def _exactly(work, c, weights):  # type: ignore[no-untyped-def]
    p, n = work.rows[c], work.far_rows[c]
    x, a = work.x[work.pair[c] :], work.w[work.pair[c] :]
    u, v, s, info = work.y[work.left[c] :], work.z[work.right[c] :], work.svals, work.info
    k = min(p, n)
    for i in range(p * n):
        a[i] = x[i]
    fortran("gesdd", "S", p, n, a, p, s, u, p, v, k, work.lapack, work.lapack.size, work.rlapack, work.ilapack, info)
    if info[0] != 0:  # divide and conquer may fail where plain QR iteration converges
        for i in range(p * n):
            a[i] = x[i]
        fortran("gesvd", "S", "S", p, n, a, p, s, u, p, v, k, work.lapack, work.lapack.size, work.rlapack, info)
    for i in range(k):
        weights[i] = float(s[k - 1 - i]) ** 2
    return info[0] == 0


@inner
def _within(work, c, weights):  # type: ignore[no-untyped-def]
    n, size, v, g = work.far_rows[c], work.found[c], work.z[work.right[c] :], work.gram[work.place[c] :]
    # They are the eigenvalues of V V†, at a fraction of the cost of decomposing V; the squares lose half of the
    # digits, which `GRAM_RESOLUTION` of the caller allows for.
    if v.itemsize == 16:
        fortran("herk", "U", "N", size, n, 1.0, v, size, 0.0, g, size)
    else:
        for i in range(size * n):
            work.glapack[i] = v[i]
        fortran("herk", "U", "N", size, n, 1.0, work.glapack, size, 0.0, g, size)
    y, r, i = work.glapack, work.grlapack, work.ilapack
    fortran("heevd", "V", "U", size, g, size, weights, y, y.size, r, r.size, i, i.size, work.info)
    for k in range(size):
        weights[k] = max(0.0, weights[k])
    return work.info[0] == 0


@inner
def collect(chain, work, near, c):  # type: ignore[no-untyped-def]
    """Store the factors that belong to the largest weights of a block."""
    one, zero = work.x.dtype.type(1), work.x.dtype.type(0)
    p, n, size, k = work.rows[c], work.far_rows[c], work.found[c], work.kept[c]
    u, v, w = work.y[work.left[c] :], work.z[work.right[c] :], work.w[work.factor[c] :]
    q = chain.store[chain.start[near] + work.put[c] :]
    if work.sketched[c]:
        # the last k columns, as eigenvalues increase: X ≈ (U G)(G†V)
        g, chosen = work.gram[work.place[c] + size * (size - k) :], work.x[work.pair[c] :]
        for i in range(size * k):
            chosen[i] = g[i]  # in the precision of the state
        fortran("gemm", "N", "N", p, k, size, one, u, p, chosen, size, zero, q, p)
        fortran("gemm", "C", "N", k, n, size, one, chosen, size, v, size, zero, w, k)
    else:
        for i in range(p * k):
            q[i] = u[i]
        for i in range(k):
            value = w.real.dtype.type(np.sqrt(work.weights[work.begin[c] + size - 1 - i]))
            for j in range(n):
                w[i + j * k] = v[i + j * size] * value
    work.norms[c] = squared_norm(w, k * n)


@inner
def uniform(state, place):  # type: ignore[no-untyped-def]
    """Return a random number from -1 to 1 (xorshift; G. Marsaglia, J. Stat. Softw. 8(14), 2003)."""
    x = state[place]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[place] = x
    return np.float64(x >> np.uint64(11)) / 2.0**52 - 1.0
