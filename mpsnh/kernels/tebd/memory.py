"""A matrix-product state by blocks of charge in flat arrays, and the memory that gates need."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.kernels.bundle import Bundle
from mpsnh.kernels.compiling import njit, part

Integers = NDArray[np.int64]


Floats = NDArray[np.float64]


Complexes = NDArray[Any]


SEED = 88172645463325252
"""Where the random vectors of the range finder begin."""


class Chain(Bundle):
    """A state: tensors in one flat array, and what says how to read them.

    Examples
    --------
    >>> list(Chain.__annotations__)[:3]
    ['store', 'start', 'dims']
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


class Work(Bundle):
    """Memory for one gate, large enough for all of them: that of the thread which applies it, or of one that helps it.

    What is in `SCRATCH` is a thread's own, the rest is the same for all of them.

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
    tiny: Floats
    """Squared norm of a column above which all of its digits count."""
    svals: NDArray[Any]
    gram: NDArray[np.complex128]
    glapack: NDArray[np.complex128]
    grlapack: Floats
    weights: Floats
    rows: Integers
    """For each charge: rows and place (`first`) of the blocks of a tensor, of the far one and of a new one."""
    first: Integers
    far_rows: Integers
    far_first: Integers
    new_rows: Integers
    new_first: Integers
    pair: Integers
    """Place of the blocks of the contracted pair, and of the factors that they are split into: near and far one."""
    put: Integers
    factor: Integers
    old: Integers
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
    pairs: Integers
    """Pairs of local states that a gate mixes, with their places in it, and those of their rectangles in `x`."""
    bases: Integers
    strides: Integers
    column: Complexes
    random: NDArray[np.uint64]
    """State of the random numbers, and for each charge that of those of its block."""
    gate: NDArray[np.complex128]
    """The gate."""
    scalar: NDArray[Any]
    """By what a triangular factor or a new tensor is multiplied."""
    norms: Floats
    """What the turn of each charge sums up: squared norms, or -1 where it failed."""
    cost: Integers
    """Of the turn of each charge, about; none is taken that costs nothing."""
    order: Integers
    """Turns by cost."""
    job: Integers
    """What there is to do, for all threads (`mpsnh.kernels.tebd.share`)."""


SCRATCH = (
    *("tau", "lapack", "rlapack", "ilapack", "info", "svals", "glapack", "grlapack"),
    *("pairs", "bases", "strides", "column"),
)
"""Arrays of `Work` of which each thread has its own."""


OTHERS = ("near", "far", "random", "norms", "gate", "job")
"""Arrays of `Work` that are no table of integers for each charge."""


WORDS = 32
"""Length of `Work.job`."""


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

    Examples
    --------
    >>> workspace(16, 4, 4, 8, 3, 2, np.dtype(complex)).x.shape
    (16,)
    """
    sizes = _workspace_sizes(elements, rows, values, column, dtype)
    arrays: dict[str, Any] = {name: np.zeros(size, dtype=kind) for name, (size, kind) in sizes.items()}
    tables: dict[str, Any] = {
        name: np.zeros(charges, np.int64) for name in Work.__annotations__ if name not in (*arrays, *OTHERS)
    }
    near, far = np.zeros((2, charges, states), np.int64)
    tables["bases"], tables["strides"] = np.zeros((2, states**2), np.int64)
    tables["pairs"] = np.zeros((states**2, 3), np.int64)
    limits = np.finfo(dtype)
    arrays["tiny"][0] = limits.tiny / limits.eps**2
    random = np.full(1 + charges, SEED, np.uint64)
    gate, job, norms = np.zeros((states**2, states**2), complex), np.zeros(WORDS, np.int64), np.zeros(charges)
    return Work(**arrays, **tables, near=near, far=far, random=random, gate=gate, job=job, norms=norms)


def helpers(work: Work, number: int) -> list[Work]:
    """Return the same memory for threads that help, but for their scratch.

    Parameters
    ----------
    work : Work
        Of the thread that they help.
    number : int
        How many.

    Examples
    --------
    >>> work = workspace(16, 4, 4, 8, 3, 2, np.dtype(complex))
    >>> [helper.x is work.x or helper.tau is work.tau for helper in helpers(work, 2)]
    [True, True]
    """
    arrays = work.arrays()
    return [work.replace(**{name: np.zeros_like(arrays[name]) for name in SCRATCH}) for _ in range(number)]


def workspace_bytes(
    elements: int, rows: int, values: int, column: int, dtype: np.dtype[Any], threads: int = 1
) -> float:
    """Return the size of `workspace` with its `helpers`, but for small tables.

    Parameters
    ----------
    elements, rows, values, column : int
        As for `workspace`.
    dtype : dtype
        complex128 or complex64.
    threads : int
        How many threads there are, with the first one.

    Examples
    --------
    >>> workspace_bytes(1000, 10, 10, 10, np.dtype(np.complex64)) < workspace_bytes(1000, 10, 10, 10, np.dtype(complex))
    True
    """
    sizes = _workspace_sizes(elements, rows, values, column, dtype).items()
    times = dict.fromkeys(SCRATCH, threads)
    return float(sum(times.get(name, 1) * size * np.dtype(kind).itemsize for name, (size, kind) in sizes))


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
        "tiny": (1, np.float64),
        "svals": (rows, real),
        "gram": (elements, np.complex128),
        "glapack": (max(rows * (rows + 2), elements if dtype == np.complex64 else 0), np.complex128),
        "grlapack": (1 + 5 * rows + 2 * rows * rows, np.float64),
        "weights": (values, np.float64),
        "column": (column, dtype),
        "scalar": (1, dtype),
    }


# No function makes arrays, so that none needs to count who uses them, which would take longer than small gates.
jit: Any = njit(error_model="numpy", _nrt=False)
inner: Any = part(error_model="numpy", _nrt=False)
"""The same for what is called from compiled code only."""


@jit
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
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 4, ["up"] * 4).workspace()  # whose methods call this function
    >>> [block.shape for block in state.view()[0].values()]
    [(1, 2, 1)]
    """
    outer, inner = (site, site + 1) if direction > 0 else (site + 1, site)
    position = 0
    for c in range(chain.span[inner, 0], chain.span[inner, 1] + 1):
        # The block of charge c: its columns are those of the inner bond; its rows are, for each local state s, those of
        # the outer bond whose charge makes c together with that of s.
        height = 0
        for s in range(chain.local[site]):
            offset[c, s] = height
            height += chain.dims[outer, c - direction * chain.charges[site, s]]
        rows[c] = height
        first[c] = position
        position += height * chain.dims[inner, c]
    return position


@inner
def set_span(chain, bond, low, high):  # type: ignore[no-untyped-def]
    """Narrow the range of charges of a bond to those that it has."""
    while low < high and chain.dims[bond, low] == 0:
        low += 1
    while high > low and chain.dims[bond, high] == 0:
        high -= 1
    chain.span[bond, 0] = low
    chain.span[bond, 1] = high


@part(error_model="numpy", fastmath={"reassoc"}, _nrt=False)  # so that the sum is vectorised
def squared_norm(x, size):  # type: ignore[no-untyped-def]
    """Return Σ |x_i|² of the first elements of an array, summed in double precision.

    Parameters
    ----------
    x : ndarray of complex
        The elements.
    size : int
        How many of them count.

    Examples
    --------
    >>> import numba
    >>> numba.njit(lambda x: squared_norm(x, 2))(np.array([3, 4j, 100]))
    25.0
    """
    total = 0.0
    for i in range(size):
        total += float(x[i].real) ** 2 + float(x[i].imag) ** 2
    return total


@inner
def scale(x, size, factor):  # type: ignore[no-untyped-def]
    """Multiply the first elements of an array in place.

    Parameters
    ----------
    x : ndarray of complex
        The elements.
    size : int
        How many of them change.
    factor : float or complex
        Of the precision of `x`, which would be promoted otherwise.

    Examples
    --------
    >>> import numba
    >>> x = np.array([1, 2j, 3])
    >>> numba.njit(lambda x: scale(x, 2, 2.0))(x)
    >>> x.tolist()
    [(2+0j), 4j, (3+0j)]
    """
    for i in range(size):
        x[i] *= factor
