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

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from mpsnh.kernels.fortran import fortran

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Complexes = NDArray[Any]

PATIENCE = 64
"""Most truncations of a bond in a row that keep their subspace."""

SMALL = 32
"""Bond dimension below which a decomposition takes little longer than a projection."""

GROWTH = 4.0
"""Growth of the discarded weight since the last decomposition that calls for another one, in units of `excess`."""

OVERSAMPLING = 0.25
"""Random vectors of the range finder, relative to the dimension kept."""

SEED = 88172645463325252
"""Where the random vectors of the range finder begin."""

GRAM_RESOLUTION = 1e-12
"""Relative weight below which squared singular values drown in the rounding of a Gram matrix."""


class Chain(NamedTuple):
    """A state: tensors in one flat array, and what says how to read them.

    Examples
    --------
    >>> Chain._fields[:3]
    ('store', 'start', 'dims')
    """

    store: Complexes
    start: Integers
    """Where the tensor of each site begins."""
    dims: Integers
    """Dimension for each bond and charge."""
    span: Integers
    """For each bond, the first charge with a dimension above 0, and the last one."""
    charges: Integers
    """Charge of each local state of each site, in increasing order."""
    local: Integers
    """Dimension of each site."""
    centre: Integers
    """The site of the orthogonality centre, and the direction of its grouping."""
    reference: Floats
    """Weight discarded at each bond by the last singular value decomposition that `max_bond` limited, or -1."""
    age: Integers
    """How often each bond was truncated since."""
    patience: Integers
    """How often each bond may be truncated before the next decomposition."""


class Work(NamedTuple):
    """Memory for one gate, large enough for all of them.

    Examples
    --------
    >>> workspace(16, 4, 4, 8, 3, 2, np.dtype(complex)).rows.tolist()
    [0, 0, 0]
    """

    x: Complexes
    y: Complexes
    z: Complexes
    w: Complexes
    tau: Complexes
    lapack: Complexes
    rlapack: NDArray[Any]
    ilapack: NDArray[np.int32]
    info: NDArray[np.int32]
    svals: NDArray[Any]
    gram: NDArray[np.complex128]
    glapack: NDArray[np.complex128]
    grlapack: Floats
    weights: Floats
    sorted: Floats
    rows: Integers
    """For each charge: rows and place (`first`) of the blocks of a tensor, of the far one and of a new one."""
    first: Integers
    far_rows: Integers
    far_first: Integers
    new_rows: Integers
    new_first: Integers
    pair: Integers
    """Place of the blocks of the contracted pair, and of the factors that they are split into."""
    old: Integers
    factor: Integers
    kept: Integers
    found: Integers
    begin: Integers
    left: Integers
    right: Integers
    place: Integers
    sketched: Integers
    near: Integers
    """For each charge and local state: first row in a block of the tensor at hand, and of the far one."""
    far: Integers
    column: Complexes
    random: NDArray[np.uint64]


OTHERS = ("near", "far", "random")
"""Fields of `Work` that are no table of numbers for each charge."""


def workspace(
    elements: int, rows: int, values: int, column: int, charges: int, states: int, dtype: np.dtype[Any]
) -> Work:
    """Allocate the memory for gates.

    Parameters
    ----------
    elements, rows, values, column : int
        Most elements of a pair of sites, rows of one of its blocks, singular values, and elements of a column of all
        blocks that a gate mixes.
    charges, states : int
        Numbers of bond charges and of local states.
    dtype : dtype
        complex128 or complex64.

    Returns
    -------
    Work

    Examples
    --------
    >>> workspace(16, 4, 4, 8, 3, 2, np.dtype(complex)).x.shape
    (16,)
    """
    sizes = _workspace_sizes(elements, rows, values, column, dtype)
    arrays: dict[str, Any] = {name: np.zeros(size, dtype=kind) for name, (size, kind) in sizes.items()}
    tables: dict[str, Any] = {
        name: np.zeros(charges, np.int64) for name in Work._fields if name not in (*arrays, *OTHERS)
    }
    near, far = np.zeros((2, charges, states), np.int64)
    return Work(**arrays, **tables, near=near, far=far, random=np.full(1, SEED, np.uint64))


def workspace_bytes(elements: int, rows: int, values: int, column: int, dtype: np.dtype[Any]) -> float:
    """Return the size of `workspace`, but for small tables.

    Parameters
    ----------
    elements, rows, values, column : int
        As for `workspace`.
    dtype : dtype
        complex128 or complex64.

    Returns
    -------
    float

    Examples
    --------
    >>> workspace_bytes(1000, 10, 10, 10, np.dtype(np.complex64)) < workspace_bytes(1000, 10, 10, 10, np.dtype(complex))
    True
    """
    sizes = _workspace_sizes(elements, rows, values, column, dtype).values()
    return float(sum(size * np.dtype(kind).itemsize for size, kind in sizes))


def _workspace_sizes(
    elements: int, rows: int, values: int, column: int, dtype: np.dtype[Any]
) -> dict[str, tuple[int, Any]]:
    real = np.dtype(np.float32 if dtype == np.complex64 else np.float64)
    return {
        **dict.fromkeys("xyzw", (elements, dtype)),
        "tau": (2 * rows, dtype),
        "lapack": (rows * rows + 256 * rows, dtype),
        "rlapack": (rows * (5 * rows + 8), real),
        "ilapack": (13 * rows + 3, np.int32),
        "info": (1, np.int32),
        "svals": (rows, real),
        "gram": (elements, np.complex128),
        "glapack": (max(rows * (rows + 2), elements if dtype == np.complex64 else 0), np.complex128),
        "grlapack": (1 + 5 * rows + 2 * rows * rows, np.float64),
        "weights": (values, np.float64),
        "sorted": (values, np.float64),
        "column": (column, dtype),
    }


_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def layout(chain, site, direction, rows, first, offset):  # type: ignore[no-untyped-def]
    """Say where the blocks of a tensor grouped by its inner bond are.

    Parameters
    ----------
    chain : Chain
        The state.
    site : int
        Whose tensor.
    direction : int
        +1 if the inner bond is the right one, -1 if it is the left one.
    rows, first : ndarray of int64
        Where to put the number of rows and the first element of the block of each charge of the inner bond.
    offset : ndarray of int64
        Where to put the first row of each charge and local state.

    Returns
    -------
    int
        Number of elements.

    Examples
    --------
    >>> from mpsnh import MPS, Spin
    >>> state = MPS.product([Spin(0.5)] * 4, ["up"] * 4).workspace()  # whose methods call this function
    >>> [block.shape for block in state.blocks()[0].values()]
    [(1, 2, 1)]
    """
    outer, inner = (site, site + 1) if direction > 0 else (site + 1, site)
    position = 0
    for c in range(chain.span[inner, 0], chain.span[inner, 1] + 1):
        height = 0
        for s in range(chain.local[site]):
            offset[c, s] = height
            height += chain.dims[outer, c - direction * chain.charges[site, s]]
        rows[c] = height
        first[c] = position
        position += height * chain.dims[inner, c]
    return position


@_jit
def _set_span(chain, bond, low, high):  # type: ignore[no-untyped-def]
    """Narrow the range of charges of a bond to those that it has."""
    while low < high and chain.dims[bond, low] == 0:
        low += 1
    while high > low and chain.dims[bond, high] == 0:
        high -= 1
    chain.span[bond, 0] = low
    chain.span[bond, 1] = high


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})  # so that the sum is vectorised
def _squared_norm(x, size):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(size):
        total += float(x[i].real) ** 2 + float(x[i].imag) ** 2
    return total


@_jit
def _scale(x, size, factor):  # type: ignore[no-untyped-def]
    for i in range(size):
        x[i] *= factor


@_jit
def _qr(x, height, width, r, work):  # type: ignore[no-untyped-def]
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


@_jit
def _turn(chain, work):  # type: ignore[no-untyped-def]
    """Group the tensor of the centre by its other bond."""
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


@_jit
def _move(chain, work, direction):  # type: ignore[no-untyped-def]
    """Move the centre to the next site; returns the norm of the state, which is taken out."""
    if chain.centre[1] != direction:
        _turn(chain, work)
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
        block = store[first[c] :]
        kept = _qr(block, height, width, work.y[position:], work)
        if written < first[c]:
            for i in range(height * kept):
                store[written + i] = block[i]
        chain.dims[bond, c] = kept
        written += height * kept
        position += kept * width
    _set_span(chain, bond, low, high)
    norm = np.sqrt(_squared_norm(work.y, position))
    _scale(work.y, position, work.x.real.dtype.type(1 / norm))
    chain.centre[0] = new
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


@_jit
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
    norm = np.sqrt(_squared_norm(x, size))
    _scale(x, size, x.real.dtype.type(1 / norm))
    return norm


@_jit
def _act(chain, work, near, far, direction, matrix):  # type: ignore[no-untyped-def]
    """Apply a gate to the contracted pair in `work.x`."""
    x, rows, first = work.x, work.rows, work.pair
    d_near, d_far = chain.local[near], chain.local[far]
    outer, beyond = (near, far + 1) if direction > 0 else (near + 1, far)
    count = d_near * d_far
    pairs = np.empty((count, 3), np.int64)
    bases, strides = np.empty(count, np.int64), np.empty(count, np.int64)
    total_low = chain.charges[near, 0] + chain.charges[far, 0]
    total_high = chain.charges[near, d_near - 1] + chain.charges[far, d_far - 1]
    for total in range(total_low, total_high + 1):
        n = 0
        for s in range(d_near):
            for t in range(d_far):
                if chain.charges[near, s] + chain.charges[far, t] == total:
                    pairs[n, 0], pairs[n, 1] = s, t
                    pairs[n, 2] = s * d_far + t if direction > 0 else t * d_near + s
                    n += 1
        if n == 0:
            continue
        for q in range(chain.span[outer, 0], chain.span[outer, 1] + 1):
            height, width = chain.dims[outer, q], chain.dims[beyond, q + direction * total]
            if height * width == 0:
                continue
            for k in range(n):
                c = q + direction * chain.charges[near, pairs[k, 0]]
                strides[k] = rows[c]
                bases[k] = first[c] + work.near[c, pairs[k, 0]] + work.far[c, pairs[k, 1]] * rows[c]
            if n == 1:
                u = x.dtype.type(matrix[pairs[0, 2], pairs[0, 2]])
                for j in range(width):
                    for i in range(bases[0] + j * strides[0], bases[0] + j * strides[0] + height):
                        x[i] *= u
                continue
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


@_jit
def _is_complete(chain, work, bond):  # type: ignore[no-untyped-def]
    """Tell whether the bond has room for all that a pair of sites can hold, so that a projection loses nothing."""
    for c in range(chain.span[bond, 0], chain.span[bond, 1] + 1):
        if chain.dims[bond, c] < min(work.rows[c], work.far_rows[c]):
            return False
    return True


@_jit
def _subspace_split(chain, work, bond, near_store, far_store):  # type: ignore[no-untyped-def]
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
        fortran("gemm", "N", "N", p, k, n, one, x, p, work.z, n, zero, q, p)
        _qr(q, p, k, nothing, work)
        fortran("gemm", "C", "N", k, n, p, one, q, p, x, p, zero, w, k)
        kept_weight += _squared_norm(w, k * n)
        written += p * k
        position += k * n
    return kept_weight


@_jit
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


@_jit
def _find_sketched(work, x, p, n, guess, known, size, u, v, g, weights):  # type: ignore[no-untyped-def]
    """Find the largest singular values of a block in the range of its product with the old far tensor and noise.

    The left vectors are `u` times the columns of `g`, in order of increasing singular values, and the block is about
    `u` times `v`.
    """
    one, zero, a, info = x.dtype.type(1), x.dtype.type(0), work.w, work.info
    for i in range(n * known):
        a[i] = np.conj(guess[i])
    for i in range(n * known, n * size):
        a[i] = _uniform(work.random)
    fortran("gemm", "N", "N", p, size, n, one, x, p, a, n, zero, u, p)
    _qr(u, p, size, work.y[:0], work)
    fortran("gemm", "C", "N", size, n, p, one, u, p, x, p, zero, v, size)
    _gram_matrix(v, size, n, g, work)
    y, r, i = work.glapack, work.grlapack, work.ilapack
    fortran("heevd", "V", "U", size, g, size, weights, y, y.size, r, r.size, i, i.size, info)
    for k in range(size):
        weights[k] = max(0.0, weights[k])
    return info[0] == 0


@_jit
def _full_split(chain, work, bond, near_store, far_store, limits, sketch, weight):  # type: ignore[no-untyped-def]
    """Truncate the pair by its singular values, found exactly or, block by block, within a random subspace.

    `limits` are `max_bond` and the cutoff. Returns the weight discarded, or -1 if a decomposition failed, and whether
    `max_bond` limited it.
    """
    max_bond, cutoff = limits
    rows, columns, found, begin, sketched = work.rows, work.far_rows, work.found, work.begin, work.sketched
    low, high = chain.span[bond, 0], chain.span[bond, 1]
    count, left, right, place, captured = 0, 0, 0, 0, 0.0
    for c in range(low, high + 1):
        p, n, m = rows[c], columns[c], chain.dims[bond, c]
        begin[c], work.left[c], work.right[c], work.place[c] = count, left, right, place
        most = min(p, n)
        size = min(most, m + max(4, int(OVERSAMPLING * m)))
        sketched[c] = sketch and 4 * size < 3 * most
        size = size if sketched[c] else most
        found[c] = size
        if size == 0:
            continue
        x, u, v, weights = work.x[work.pair[c] :], work.y[left:], work.z[right:], work.weights[count:]
        if sketched[c]:
            guess, g = far_store[work.far_first[c] :], work.gram[place:]
            converged = _find_sketched(work, x, p, n, guess, min(m, size), size, u, v, g, weights)
            place += size * size
        else:
            converged = _find_exactly(work, x, p, n, u, v, weights)
        if not converged:
            return -1.0, False
        for i in range(size):
            captured += weights[i]
        count += size
        left += p * size
        right += size * n
    ordered = work.sorted[:count]
    ordered[:] = work.weights[:count]
    ordered.sort()
    # As few as possible are kept: their tail may weigh as much as the cutoff.
    drop, tail = 0, max(0.0, weight - captured) if sketch else 0.0
    while drop < count - 1 and (count - drop > max_bond or tail + ordered[drop] <= cutoff * weight):
        tail += ordered[drop]
        drop += 1
    equal = 0  # to the smallest one that is kept, and to be kept as well
    while drop + equal < count and ordered[drop + equal] == ordered[drop]:
        equal += 1
    _collect(chain, work, bond, near_store, ordered[drop], equal)
    return tail / weight, tail > cutoff * weight


@_jit
def _collect(chain, work, bond, near_store, smallest, equal):  # type: ignore[no-untyped-def]
    """Store the factors that belong to the weights above the smallest one, and to so many that equal it."""
    one, zero, begin = work.x.dtype.type(1), work.x.dtype.type(0), work.begin
    written, position = 0, 0
    for c in range(chain.span[bond, 0], chain.span[bond, 1] + 1):
        p, n, size, k = work.rows[c], work.far_rows[c], work.found[c], 0
        while k < size and work.weights[begin[c] + size - 1 - k] >= smallest:
            if work.weights[begin[c] + size - 1 - k] == smallest:
                if equal == 0:
                    break
                equal -= 1
            k += 1
        work.kept[c] = k
        if k == 0:
            continue
        u, v, q, w = work.y[work.left[c] :], work.z[work.right[c] :], near_store[written:], work.w[position:]
        if work.sketched[c]:
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


@_jit
def _gram_matrix(v, size, n, g, work):  # type: ignore[no-untyped-def]
    """Store v v† in double precision."""
    if v.itemsize == 16:
        fortran("herk", "U", "N", size, n, 1.0, v, size, 0.0, g, size)
    else:
        for i in range(size * n):
            work.glapack[i] = v[i]
        fortran("herk", "U", "N", size, n, 1.0, work.glapack, size, 0.0, g, size)


@_jit
def _uniform(state):  # type: ignore[no-untyped-def]
    """Return a random number from -1 to 1 (xorshift; G. Marsaglia, J. Stat. Softw. 8(14), 2003)."""
    x = state[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[0] = x
    return np.float64(x >> np.uint64(11)) / 2.0**52 - 1.0


@_jit
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


@_jit
def _contract(chain, work, bond, near_store, far_store):  # type: ignore[no-untyped-def]
    """Contract the near and the far tensor into `work.x`; returns its size."""
    one, zero, size = work.x.dtype.type(1), work.x.dtype.type(0), 0
    for c in range(chain.span[bond, 0], chain.span[bond, 1] + 1):
        p, n, m = work.rows[c], work.far_rows[c], chain.dims[bond, c]
        work.pair[c] = size
        x = work.x[size:]
        if m > 0 and p * n > 0:
            a, b = near_store[work.first[c] :], far_store[work.far_first[c] :]
            fortran("gemm", "N", "T", p, n, m, one, a, p, b, n, zero, x, p)
        else:
            for i in range(p * n):
                x[i] = 0
        size += p * n
    return size


@_jit
def _two_site(chain, work, direction, matrix, max_bond, cutoff, excess):  # type: ignore[no-untyped-def]
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
    weight = _squared_norm(work.x, size)
    if not (weight > 0 and weight < np.inf):
        return np.sqrt(weight), 0.0
    reference, lost, due = chain.reference[bond], 0.0, True
    resolution = 1e-14 if work.x.itemsize == 16 else 1e-8  # of a difference of norms
    complete = _is_complete(chain, work, bond)
    limited = reference >= 0 and chain.dims[bond].sum() == max_bond
    projects = excess > 0 and max_bond >= SMALL and (complete or limited)
    if projects:
        kept = _subspace_split(chain, work, bond, near_store, far_store)
        lost = 0.0 if complete else max(0.0, 1 - kept / weight)
        due = chain.age[bond] >= chain.patience[bond] or lost > (1 + GROWTH * excess) * max(reference, resolution)
        chain.age[bond] += 1
    if due:
        sketch = excess > 0 and max_bond >= SMALL and reference > GRAM_RESOLUTION
        least, limited = _full_split(chain, work, bond, near_store, far_store, (max_bond, cutoff), sketch, weight)
        if least < 0:
            return np.nan, 0.0
        if projects:
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
    _set_span(chain, bond, chain.span[bond, 0], chain.span[bond, 1])
    chain.centre[0], chain.centre[1] = far, direction
    return np.sqrt(weight * (1 - lost)), lost


@_jit
def _store_far(chain, work, far, far_store, direction):  # type: ignore[no-untyped-def]
    """Store the factor `work.w`, grouped by the bond of the gate, as the far tensor grouped by the next bond."""
    rows, first, columns = work.new_rows, work.new_first, work.far_rows
    bond, beyond = (far, far + 1) if direction > 0 else (far + 1, far)
    low, high = chain.span[bond, 0], chain.span[bond, 1]
    layout(chain, far, direction, rows, first, work.near)
    size = 0
    for c in range(low, high + 1):
        size += chain.dims[bond, c] * columns[c]
    factor = work.x.real.dtype.type(1 / np.sqrt(_squared_norm(work.w, size)))
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


@_jit
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
    >>> from mpsnh import MPS, Spin
    >>> state = MPS.product([Spin(0.5)] * 4, ["up"] * 4).workspace()  # whose methods call this function
    >>> state.move_to(2)
    >>> state.centre
    2
    """
    log_norm = 0.0
    while chain.centre[0] != site and np.isfinite(log_norm):
        log_norm += np.log(_move(chain, work, 1 if chain.centre[0] < site else -1))
    return log_norm


@_jit
def apply_layer(chain, work, where, matrices, max_bond, cutoff, excess, lost):  # type: ignore[no-untyped-def]
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
    max_bond, cutoff, excess
        As for `mpsnh.algorithms.NHTEBD`.
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
    >>> from mpsnh import MPS, Gate, Spin
    >>> state = MPS.product([Spin(0.5)] * 2, ["up"] * 2).workspace()  # whose methods call this function
    >>> state.apply((Gate(2 * np.eye(4), (0, 1)),), cutoff=0.0, excess=0.0).tolist()
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
                _turn(chain, work)
            norm, weight = _two_site(chain, work, direction, matrices[g], max_bond, cutoff, excess)
            lost[left] += weight
        if not (norm > 0 and norm < np.inf):
            return norm, g
        log_norm += np.log(norm)
    return log_norm, -1
