"""Truncation of a pair of sites, block by block of charge."""

from __future__ import annotations

import numpy as np

from mpsnh.kernels.lapack import fortran
from mpsnh.kernels.split import FAINT
from mpsnh.kernels.tebd.memory import inner, squared_norm
from mpsnh.kernels.tebd.move import qr

OVERSAMPLING = 0.25
"""Random vectors of the range finder, relative to the dimension kept."""


@inner
def is_complete(chain, work, bond):  # type: ignore[no-untyped-def]
    """Tell whether the bond has room for all that a pair of sites can hold, so that a projection loses nothing."""
    for c in range(chain.span[bond, 0], chain.span[bond, 1] + 1):
        if chain.dims[bond, c] < min(work.rows[c], work.far_rows[c]):
            return False
    return True


@inner
def subspace_split(chain, work, bond, near_store, far_store):  # type: ignore[no-untyped-def]
    """Project the pair on what it makes of the old far tensor, all dimensions kept; returns the weight kept."""
    one = work.x.dtype.type(1)
    zero = work.x.dtype.type(0)
    written, position, kept_weight = 0, 0, 0.0
    rows, columns, first, kept = work.rows, work.far_rows, work.pair, work.kept
    nothing = work.y[:0]
    for c in range(chain.span[bond, 0], chain.span[bond, 1] + 1):
        p, n, m = rows[c], columns[c], chain.dims[bond, c]
        k = min(m, p, n)
        kept[c] = k
        if k == 0:
            continue
        x, q, w = work.x[first[c] :], near_store[written:], work.w[position:]
        guess = far_store[work.far_first[c] :]
        for i in range(n * k):
            work.z[i] = np.conj(guess[i])
        # Before the gate, the pair is X = A Bᵀ. After it, the range of X conj(B) is the old one carried along: one
        # step of subspace iteration from the old far tensor, in place of singular vectors.
        fortran("gemm3m", "N", "N", p, k, n, one, x, p, work.z, n, zero, q, p)
        qr(q, p, k, nothing, work)
        fortran("gemm3m", "C", "N", k, n, p, one, q, p, x, p, zero, w, k)
        kept_weight += squared_norm(w, k * n)  # ‖Q†X‖², as Q is an isometry: what the projection keeps of ‖X‖²
        written += p * k
        position += k * n
    return kept_weight


@inner
def _find_exactly(work, x, p, n, u, v, weights):  # type: ignore[no-untyped-def]
    """Decompose a block of p rows and n columns, with the squares of the singular values in increasing order."""
    k = min(p, n)
    a, s, info = work.w, work.svals, work.info
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
def _extend(work, x, p, n, k, size, u, v):  # type: ignore[no-untyped-def]
    """Extend a subspace of k dimensions by what the block makes of random vectors, less their part inside of it."""
    one, zero, more = x.dtype.type(1), x.dtype.type(0), size - k
    noise, inside, extra = work.lapack, work.lapack[n * more :], u[p * k :]
    for i in range(n * more):
        noise[i] = _uniform(work.random)
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
def _squares(work, v, size, n, g, weights):  # type: ignore[no-untyped-def]
    """Find squared singular values of `v` in increasing order, with its left singular vectors in `g`."""
    # They are the eigenvectors of V V†, at a fraction of the cost of decomposing V; the squares lose half of the
    # digits, which `GRAM_RESOLUTION` of the caller allows for.
    _gram_matrix(v, size, n, g, work)
    y, r, i = work.glapack, work.grlapack, work.ilapack
    fortran("heevd", "V", "U", size, g, size, weights, y, y.size, r, r.size, i, i.size, work.info)
    for k in range(size):
        weights[k] = max(0.0, weights[k])
    return work.info[0] == 0


@inner
def full_split(chain, work, bond, near_store, limits, sketch, weight):  # type: ignore[no-untyped-def]
    """Truncate the pair by its singular values, found exactly or, block by block, within a subspace (`sketch`).

    That is the subspace in which `subspace_split` left the pair, and some random vectors. `limits` are
    `max_bond`, `min_bond` and the cutoff. Returns the weight discarded, or -1 if a decomposition failed, and whether
    `max_bond` limited it.
    """
    captured = _decompose(chain, work, bond, near_store, sketch)
    if captured < 0:
        return -1.0, False
    tail = _cut(chain, work, bond, limits, weight, max(0.0, weight - captured) if sketch else 0.0)
    _collect(chain, work, bond, near_store)
    return tail / weight, tail > limits[2] * weight


@inner
def _decompose(chain, work, bond, near_store, sketch):  # type: ignore[no-untyped-def]
    """Find singular values and vectors of all blocks; returns the sum of their squares, or -1 if that failed."""
    rows, columns, found, begin, sketched = work.rows, work.far_rows, work.found, work.begin, work.sketched
    low, high = chain.span[bond, 0], chain.span[bond, 1]
    count, left, right, place, written, position, captured = 0, 0, 0, 0, 0, 0, 0.0
    for c in range(low, high + 1):
        p, n, m = rows[c], columns[c], chain.dims[bond, c]
        begin[c], work.left[c], work.right[c], work.place[c] = count, left, right, place
        most = min(p, n)
        k = min(m, most)
        size = min(most, m + max(4, int(OVERSAMPLING * m)))
        # Sketching pays only where the subspace is clearly smaller than the block.
        sketched[c] = sketch and 4 * size < 3 * most
        found[c] = size if sketched[c] else most
        if sketched[c]:
            x, u, v = work.x[work.pair[c] :], work.y[left:], work.z[right:]
            q, w = near_store[written:], work.w[position:]
            for i in range(p * k):
                u[i] = q[i]
            for j in range(n):
                for i in range(k):
                    v[i + j * size] = w[i + j * k]
            _extend(work, x, p, n, k, size, u, v)
            place += size * size
        written += p * k
        position += k * n
        count += found[c]
        left += p * found[c]
        right += found[c] * n
    # `work.w`, where a projection was, serves exact decompositions now.
    for c in range(low, high + 1):
        p, n, size = rows[c], columns[c], found[c]
        if size == 0:
            continue
        u, v, weights = work.y[work.left[c] :], work.z[work.right[c] :], work.weights[begin[c] :]
        if sketched[c]:
            converged = _squares(work, v, size, n, work.gram[work.place[c] :], weights)
        else:
            converged = _find_exactly(work, work.x[work.pair[c] :], p, n, u, v, weights)
        if not converged:
            return -1.0
        for i in range(size):
            captured += weights[i]
    return captured


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


@inner
def _collect(chain, work, bond, near_store):  # type: ignore[no-untyped-def]
    """Store the factors that belong to the largest weights of each charge."""
    one, zero, begin = work.x.dtype.type(1), work.x.dtype.type(0), work.begin
    written, position = 0, 0
    for c in range(chain.span[bond, 0], chain.span[bond, 1] + 1):
        p, n, size, k = work.rows[c], work.far_rows[c], work.found[c], work.kept[c]
        if k == 0:
            continue
        u, v, q, w = work.y[work.left[c] :], work.z[work.right[c] :], near_store[written:], work.w[position:]
        if work.sketched[c]:
            # the last k columns, as eigenvalues increase: X ≈ (U G)(G†V)
            g = work.gram[work.place[c] + size * (size - k) :]
            for i in range(size * k):
                work.x[i] = g[i]  # in the precision of the state
            fortran("gemm", "N", "N", p, k, size, one, u, p, work.x, size, zero, q, p)
            fortran("gemm", "C", "N", k, n, size, one, work.x, size, v, size, zero, w, k)
        else:
            for i in range(p * k):
                q[i] = u[i]
            for i in range(k):
                value = w.real.dtype.type(np.sqrt(work.weights[begin[c] + size - 1 - i]))
                for j in range(n):
                    w[i + j * k] = v[i + j * size] * value
        written += p * k
        position += k * n


@inner
def _gram_matrix(v, size, n, g, work):  # type: ignore[no-untyped-def]
    """Store v v† in double precision."""
    if v.itemsize == 16:
        fortran("herk", "U", "N", size, n, 1.0, v, size, 0.0, g, size)
    else:
        for i in range(size * n):
            work.glapack[i] = v[i]
        fortran("herk", "U", "N", size, n, 1.0, work.glapack, size, 0.0, g, size)


@inner
def _uniform(state):  # type: ignore[no-untyped-def]
    """Return a random number from -1 to 1 (xorshift; G. Marsaglia, J. Stat. Softw. 8(14), 2003)."""
    x = state[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[0] = x
    return np.float64(x >> np.uint64(11)) / 2.0**52 - 1.0
