"""A layer of gates on a matrix-product state whose tensors are stored by blocks of conserved charge.

The charge of a bond is the sum over the sites to its left, so that a tensor has a block for each bond charge and local
state. Those with the same charge c of one bond are the rows, ordered by local state, of one matrix in column-major
order, whose columns belong to that bond: the *grouping* of the tensor. Sites left of the orthogonality centre are
grouped by their right bond and those right of it by their left bond, so that the two tensors of a gate at the centre
are both grouped by the bond between them, and their contraction is one matrix product for each charge. Without a
symmetry there is one charge, and the grouped matrix is that of the dense tensor.

A direction is +1 for a sweep to the right and -1 for one to the left. The one is the mirror image of the other: with
the signs of the charges changed, *outer* stands for the left bond of a site and *inner* for the right one.
"""

from __future__ import annotations

import numpy as np

from mpsnh.kernels.lapack import fortran
from mpsnh.kernels.tebd.memory import inner, jit, layout, scale, set_span, squared_norm
from mpsnh.kernels.tebd.move import move_to, turn
from mpsnh.kernels.tebd.truncate import full_split, is_complete, subspace_split

PATIENCE = 64
"""Most truncations of a bond in a row that keep their subspace."""


GROWTH = 4.0
"""Growth of the discarded weight since the last decomposition that calls for another one, in units of `excess`."""


GRAM_RESOLUTION = 1e-12
"""Relative weight below which squared singular values drown in the rounding of a Gram matrix."""


@inner
def _one_site(chain, work, matrix):  # type: ignore[no-untyped-def]
    """Apply a gate to the centre; returns the norm of the state, which is taken out."""
    site, direction = chain.centre[0], chain.centre[1]
    rows, first = work.rows, work.first
    x = chain.store[chain.start[site] :]
    size = layout(chain, site, direction, rows, first, work.near)
    outer, inner = (site, site + 1) if direction > 0 else (site + 1, site)
    d = chain.local[site]
    charges = chain.charges[site]
    column = work.column
    for c in range(chain.span[inner, 0], chain.span[inner, 1] + 1):
        for j in range(chain.dims[inner, c]):
            base = first[c] + j * rows[c]
            for i in range(rows[c]):
                column[i] = x[base + i]
            for t in range(d):
                height = chain.dims[outer, c - direction * charges[t]]
                here = base + work.near[c, t]
                for i in range(height):
                    x[here + i] = 0
                for s in range(d):
                    if charges[s] == charges[t]:
                        u = x.dtype.type(matrix[t, s])
                        for i in range(height):
                            x[here + i] += u * column[work.near[c, s] + i]
    norm = np.sqrt(squared_norm(x, size))
    scale(x, size, x.real.dtype.type(1 / norm))
    return norm


@inner
def _pairs_of(chain, near, far, direction, total, pairs):  # type: ignore[no-untyped-def]
    """List the local states of a pair of sites whose charges sum to `total`, with their places in a gate."""
    n, d_near, d_far = 0, chain.local[near], chain.local[far]
    for s in range(d_near):
        for t in range(d_far):
            if chain.charges[near, s] + chain.charges[far, t] == total:
                pairs[n, 0], pairs[n, 1] = s, t
                pairs[n, 2] = s * d_far + t if direction > 0 else t * d_near + s
                n += 1
    return n


@inner
def _place(chain, work, near, direction, q, pairs, bases, strides):  # type: ignore[no-untyped-def]
    """Find the rectangle in `work.x` of each of these pairs of local states, for a charge q of the outer bond."""
    for k in range(len(pairs)):
        c = q + direction * chain.charges[near, pairs[k, 0]]
        strides[k] = work.rows[c]
        bases[k] = work.pair[c] + work.near[c, pairs[k, 0]] + work.far[c, pairs[k, 1]] * work.rows[c]


@inner
def _act(chain, work, near, far, direction, matrix):  # type: ignore[no-untyped-def]
    """Apply a gate to the contracted pair in `work.x`."""
    x = work.x
    d_near, d_far = chain.local[near], chain.local[far]
    outer, beyond = (near, far + 1) if direction > 0 else (near + 1, far)
    pairs, bases, strides = work.pairs, work.bases, work.strides
    total_low = chain.charges[near, 0] + chain.charges[far, 0]
    total_high = chain.charges[near, d_near - 1] + chain.charges[far, d_far - 1]
    # A gate conserves charge: it mixes only pairs of local states with the same total. For each total and charge of
    # the outer bond, those pairs are n rectangles of the same shape in as many blocks of X.
    for total in range(total_low, total_high + 1):
        n = _pairs_of(chain, near, far, direction, total, pairs)
        if n == 0:
            continue
        for q in range(chain.span[outer, 0], chain.span[outer, 1] + 1):
            height, width = chain.dims[outer, q], chain.dims[beyond, q + direction * total]
            if height * width == 0:
                continue
            _place(chain, work, near, direction, q, pairs[:n], bases, strides)
            if n == 1:
                u = x.dtype.type(matrix[pairs[0, 2], pairs[0, 2]])
                for j in range(width):
                    for i in range(bases[0] + j * strides[0], bases[0] + j * strides[0] + height):
                        x[i] *= u
                continue
            # column by column, whose old elements are put aside, so that X is overwritten where it is
            for j in range(width):
                for k in range(n):
                    source = bases[k] + j * strides[k]
                    for i in range(height):
                        work.column[k * height + i] = x[source + i]
                for t in range(n):
                    target = bases[t] + j * strides[t]
                    u = x.dtype.type(matrix[pairs[t, 2], pairs[0, 2]])
                    for i in range(height):
                        x[target + i] = u * work.column[i]
                    for k in range(1, n):
                        u = x.dtype.type(matrix[pairs[t, 2], pairs[k, 2]])
                        for i in range(height):
                            x[target + i] += u * work.column[k * height + i]


@inner
def _density(chain, work, near, far, direction, rho):  # type: ignore[no-untyped-def]
    """Store the density matrix of a pair of sites at the centre, contracted in `work.x`, up to its trace."""
    x = work.x
    outer, beyond = (near, far + 1) if direction > 0 else (near + 1, far)
    pairs, bases, strides = work.pairs, work.bases, work.strides
    rho[...] = 0
    total_low = chain.charges[near, 0] + chain.charges[far, 0]
    total_high = chain.charges[near, chain.local[near] - 1] + chain.charges[far, chain.local[far] - 1]
    for total in range(total_low, total_high + 1):
        n = _pairs_of(chain, near, far, direction, total, pairs)
        for q in range(chain.span[outer, 0], chain.span[outer, 1] + 1):
            height, width = chain.dims[outer, q], chain.dims[beyond, q + direction * total]
            if n * height * width == 0:
                continue
            _place(chain, work, near, direction, q, pairs[:n], bases, strides)
            for k in range(n):
                for m in range(k + 1):
                    real, imag = 0.0, 0.0
                    for j in range(width):
                        for i in range(height):
                            a, b = x[bases[k] + j * strides[k] + i], x[bases[m] + j * strides[m] + i]
                            real += a.real * b.real + a.imag * b.imag
                            imag += a.imag * b.real - a.real * b.imag
                    rho[pairs[k, 2], pairs[m, 2]] += complex(real, imag)
                    if m < k:
                        rho[pairs[m, 2], pairs[k, 2]] += complex(real, -imag)


@inner
def _pair_span(chain, near, far, direction):  # type: ignore[no-untyped-def]
    """Widen the range of charges of the bond between two sites to all that a gate may bring."""
    bond, beyond = (near + 1, near + 2) if direction > 0 else (near, near - 1)
    outer = near if direction > 0 else near + 1
    near_low, near_high = chain.charges[near, 0], chain.charges[near, chain.local[near] - 1]
    far_low, far_high = chain.charges[far, 0], chain.charges[far, chain.local[far] - 1]
    if direction > 0:
        low = max(chain.span[outer, 0] + near_low, chain.span[beyond, 0] - far_high)
        high = min(chain.span[outer, 1] + near_high, chain.span[beyond, 1] - far_low)
    else:
        low = max(chain.span[outer, 0] - near_high, chain.span[beyond, 0] + far_low)
        high = min(chain.span[outer, 1] - near_low, chain.span[beyond, 1] + far_high)
    chain.span[bond, 0] = min(low, chain.span[bond, 0])
    chain.span[bond, 1] = max(high, chain.span[bond, 1])


@inner
def _contract(chain, work, bond, near_store, far_store):  # type: ignore[no-untyped-def]
    """Contract the near and the far tensor into `work.x`; returns its size."""
    one, zero, size = work.x.dtype.type(1), work.x.dtype.type(0), 0
    for c in range(chain.span[bond, 0], chain.span[bond, 1] + 1):
        p, n, m = work.rows[c], work.far_rows[c], chain.dims[bond, c]
        work.pair[c] = size
        x = work.x[size:]
        if m > 0 and p * n > 0:
            a, b = near_store[work.first[c] :], far_store[work.far_first[c] :]
            fortran("gemm3m", "N", "T", p, n, m, one, a, p, b, n, zero, x, p)
        else:
            for i in range(p * n):
                x[i] = 0
        size += p * n
    return size


@inner
def _two_site(chain, work, direction, matrix, limits, excess, rho):  # type: ignore[no-untyped-def]
    """Apply a gate to the centre and the next site, and truncate; returns the norm and the weight lost.

    The norm is taken out. If it is not a positive number, something went wrong.
    """
    near = chain.centre[0]
    far = near + direction
    bond = near + 1 if direction > 0 else near
    near_store, far_store = chain.store[chain.start[near] :], chain.store[chain.start[far] :]
    _pair_span(chain, near, far, direction)
    layout(chain, near, direction, work.rows, work.first, work.near)
    layout(chain, far, -direction, work.far_rows, work.far_first, work.far)
    size = _contract(chain, work, bond, near_store, far_store)
    _act(chain, work, near, far, direction, matrix)
    weight = squared_norm(work.x, size)
    if not (weight > 0 and weight < np.inf):
        return np.sqrt(weight), 0.0
    if rho.size > 0:
        _density(chain, work, near, far, direction, rho)
    reference, lost, due = chain.reference[bond], 0.0, True
    resolution = 1e-14 if work.x.itemsize == 16 else 1e-8  # of a difference of norms
    complete = is_complete(chain, work, bond)
    limited = reference >= 0 and chain.dims[bond].sum() == limits[0]
    # A projection on the old subspace comes first where it loses nothing, or where `max_bond` decides anyway; a
    # decomposition follows if the subspace is too old or loses too much more than the best one did.
    projects = excess > 0 and (complete or limited)
    if projects:
        kept = subspace_split(chain, work, bond, near_store, far_store)
        lost = 0.0 if complete else max(0.0, 1 - kept / weight)
        due = chain.age[bond] >= chain.patience[bond] or lost > (1 + GROWTH * excess) * max(reference, resolution)
        chain.age[bond] += 1
    if due:
        # Bonds that the cutoff limits keep symmetries that are not known of, which random vectors break.
        sketch = projects and reference > GRAM_RESOLUTION
        least, limited = full_split(chain, work, bond, near_store, limits, sketch, weight)
        if least < 0:
            return np.nan, 0.0
        if projects:
            # Bonds whose subspace went stale are decomposed sooner the next time, the others later.
            beyond_least = lost / max(least, resolution) - 1
            if beyond_least > excess:
                chain.patience[bond] = min(chain.age[bond], chain.patience[bond]) // 2
            elif beyond_least < excess / 2:
                chain.patience[bond] = min(chain.patience[bond] + max(1, chain.patience[bond] // 2), PATIENCE)
        chain.reference[bond] = least if limited else -1.0
        chain.age[bond] = 0
        lost = least
    for c in range(chain.span[bond, 0], chain.span[bond, 1] + 1):
        chain.dims[bond, c] = work.kept[c]
    _store_far(chain, work, far, far_store, direction)
    set_span(chain, bond, chain.span[bond, 0], chain.span[bond, 1])
    chain.centre[0], chain.centre[1] = far, direction
    return np.sqrt(weight), lost  # what the gate gave, not what truncation took; `_store_far` made it one of unit norm


@inner
def _store_far(chain, work, far, far_store, direction):  # type: ignore[no-untyped-def]
    """Store the factor `work.w`, grouped by the bond of the gate, as the far tensor grouped by the next bond."""
    rows, first, columns = work.new_rows, work.new_first, work.far_rows
    bond, beyond = (far, far + 1) if direction > 0 else (far + 1, far)
    low, high = chain.span[bond, 0], chain.span[bond, 1]
    layout(chain, far, direction, rows, first, work.near)
    size = 0
    for c in range(low, high + 1):
        size += chain.dims[bond, c] * columns[c]
    factor = work.x.real.dtype.type(1 / np.sqrt(squared_norm(work.w, size)))
    position = 0
    for c in range(low, high + 1):
        k = chain.dims[bond, c]
        if k == 0:
            continue
        for s in range(chain.local[far]):
            r = c + direction * chain.charges[far, s]
            source, target = position + k * work.far[c, s], first[r] + work.near[r, s]
            for j in range(chain.dims[beyond, r]):
                for i in range(k):
                    far_store[target + i + j * rows[r]] = work.w[source + i + j * k] * factor
        position += k * columns[c]


@jit
def apply_layer(chain, work, where, matrices, limits, excess, lost, pairs):  # type: ignore[no-untyped-def]
    """Apply gates in a sweep from the end of the chain that the centre is closer to.

    Parameters
    ----------
    chain : Chain
        The state; changed in place.
    work : Work
        Memory.
    where : ndarray of int64, shape (n, 2)
        First and last site of each gate, in the order of the chain.
    matrices : ndarray of complex, shape (n, D, D)
        The gates, with local states in order of increasing charge; each fills the first rows and columns.
    limits : tuple of (int, int, float)
        `max_bond`, `min_bond` and `cutoff` of `mpsnh.states.truncation.Truncation`.
    excess : float
        Of the same.
    lost : ndarray of float, shape (L + 1,)
        To which relative discarded weights are added, at the first site of each gate.

    Returns
    -------
    log_norm : float
        Logarithm of the norm of the state, which is taken out; if a gate failed, the norm after it.
    failed : int
        Number of that gate, or -1.

    Examples
    --------
    >>> from mpsnh.states.truncation import Truncation
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 2, ["up"] * 2).workspace()  # whose methods call this function
    >>> state.apply((nh.Gate(2 * np.eye(4), (0, 1)),), Truncation(max_bond=1, cutoff=0.0, excess=0.0)).tolist()
    [0.0]
    >>> round(float(np.exp(state.log_norm)), 12)
    2.0
    """
    log_norm = 0.0
    direction = 1 if 2 * chain.centre[0] <= len(chain.local) - 1 else -1
    for n in range(len(where)):
        g = n if direction > 0 else len(where) - 1 - n
        left, right = where[g, 0], where[g, 1]
        log_norm += move_to(chain, work, left if direction > 0 else right)
        if left == right:
            norm = _one_site(chain, work, matrices[g])
        else:
            if chain.centre[1] != direction:
                turn(chain, work)
            norm, weight = _two_site(chain, work, direction, matrices[g], limits, excess, pairs[left])
            lost[left] += weight
        if not (norm > 0 and norm < np.inf):
            return norm, g
        log_norm += np.log(norm)
    return log_norm, -1
