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

from mpsnh.kernels.tebd.blocks import pairs_of, place, totals
from mpsnh.kernels.tebd.memory import inner, jit, layout, scale, set_span, squared_norm
from mpsnh.kernels.tebd.move import move_to, turn
from mpsnh.kernels.tebd.share import ACT, CONTRACT, FAR, KIND, MOVED, NEAR, REGROUP, WEIGH, share
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
def _density(chain, work, near, far, direction, rho):  # type: ignore[no-untyped-def]
    """Store the density matrix of a pair of sites at the centre, contracted in `work.x`, up to its trace."""
    x = work.x
    outer, beyond = (near, far + 1) if direction > 0 else (near + 1, far)
    pairs, bases, strides = work.pairs, work.bases, work.strides
    low, high = totals(chain, near, far)
    rho[...] = 0
    for total in range(low, high):
        n = pairs_of(chain, near, far, total, pairs)
        for q in range(chain.span[outer, 0], chain.span[outer, 1] + 1):
            height, width = chain.dims[outer, q], chain.dims[beyond, q + direction * total]
            if n * height * width == 0:
                continue
            place(chain, work, near, direction, q, n)
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
def _pair(chain, work, near, far, matrix):  # type: ignore[no-untyped-def]
    """Contract the near and the far tensor into `work.x`, and apply a gate; returns the squared norm."""
    bond, size = max(near, far), 0
    low, high = chain.span[bond, 0], chain.span[bond, 1]
    for c in range(low, high + 1):
        p, n = work.rows[c], work.far_rows[c]
        work.pair[c], work.cost[c] = size, p * n * max(1, chain.dims[bond, c])
        size += p * n
    work.job[KIND] = CONTRACT
    share(chain, work, low, high)
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            work.gate[i, j] = matrix[i, j]
    outer, beyond = (near, far + 1) if near < far else (near + 1, far)
    width = 0
    for q in range(chain.span[beyond, 0], chain.span[beyond, 1] + 1):
        width += chain.dims[beyond, q]
    low, high = chain.span[outer, 0], chain.span[outer, 1]
    for q in range(low, high + 1):
        work.cost[q] = MOVED * chain.dims[outer, q] * width
    work.job[KIND] = ACT
    share(chain, work, low, high)
    low, high = chain.span[bond, 0], chain.span[bond, 1]
    for c in range(low, high + 1):
        work.cost[c] = MOVED * work.rows[c] * work.far_rows[c]
    work.job[KIND] = WEIGH
    return share(chain, work, low, high)


@inner
def _two_site(chain, work, direction, matrix, limits, excess, rho):  # type: ignore[no-untyped-def]
    """Apply a gate to the centre and the next site, and truncate; returns the norm and the weight lost.

    The norm is taken out. If it is not a positive number, something went wrong.
    """
    near = chain.centre[0]
    far = near + direction
    bond = max(near, far)
    work.job[NEAR], work.job[FAR] = near, far
    _pair_span(chain, near, far, direction)
    layout(chain, near, direction, work.rows, work.first, work.near)
    layout(chain, far, -direction, work.far_rows, work.far_first, work.far)
    weight = _pair(chain, work, near, far, matrix)
    if not (weight > 0 and weight < np.inf):
        return np.sqrt(weight), 0.0
    if rho.size > 0:
        _density(chain, work, near, far, direction, rho)
    reference, lost, held, due = chain.reference[bond], 0.0, 0.0, True
    resolution = 1e-14 if work.x.itemsize == 16 else 1e-8  # of a difference of norms
    complete, width = is_complete(chain, work, bond), 0
    for c in range(chain.span[bond, 0], chain.span[bond, 1] + 1):
        width += chain.dims[bond, c]
    limited = reference >= 0 and width == limits[0]
    # A projection on the old subspace comes first where it loses nothing, or where `max_bond` decides anyway; a
    # decomposition follows if the subspace is too old or loses too much more than the best one did.
    projects = excess > 0 and (complete or limited)
    if projects:
        held = subspace_split(chain, work, bond)
        lost = 0.0 if complete else max(0.0, 1 - held / weight)
        due = chain.age[bond] >= chain.patience[bond] or lost > (1 + GROWTH * excess) * max(reference, resolution)
        chain.age[bond] += 1
    if due:
        # Bonds that the cutoff limits keep symmetries that are not known of, which random vectors break.
        sketch = projects and reference > GRAM_RESOLUTION
        least, limited, held = full_split(chain, work, bond, limits, sketch, weight)
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
        work.cost[c] = MOVED * work.kept[c] * work.far_rows[c]
    layout(chain, far, direction, work.new_rows, work.new_first, work.near)
    work.scalar[0] = 1 / np.sqrt(held)
    work.job[KIND] = REGROUP
    share(chain, work, chain.span[bond, 0], chain.span[bond, 1])
    set_span(chain, bond, chain.span[bond, 0], chain.span[bond, 1])
    chain.centre[0], chain.centre[1] = far, direction
    return np.sqrt(weight), lost  # what the gate gave, not what truncation took; the far tensor is one of unit norm


@jit
def apply_layer(chain, work, where, matrices, limits, excess, lost, pairs, goal):  # type: ignore[no-untyped-def]
    """Apply gates in a sweep from the end of the chain that the centre is closer to, and move the centre to a site.

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
    pairs : ndarray of complex, shape (L + 1, D, D)
        Where the density matrices of pairs of sites go, if D is not 0.
    goal : int
        Where the centre goes after all gates, or -1 if it may stay where it is.

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
    if goal >= 0:
        log_norm += move_to(chain, work, goal)
    return log_norm, -1
