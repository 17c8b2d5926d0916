"""The memory of a matrix-product state that gates change in place."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np

from mpsnh.kernels.tebd.memory import workspace_bytes
from mpsnh.states.blocks import Array, Charges, local_states


def memory_needed(charges: Charges, max_bond: int, dtype: Any = np.complex128, threads: int = 1) -> float:
    """Return the bytes that a `BlockState` takes if all of its memory is used.

    Parameters
    ----------
    charges : sequence of sequence of int
        Charge of each local state, for each site.
    max_bond : int
        Largest bond dimension.
    dtype : dtype
        complex128 or complex64.
    threads : int
        How many threads apply gates.

    Examples
    --------
    >>> round(memory_needed([(1, -1)] * 560, 768) / 2**30, 1)
    4.9
    """
    capacity, work = tensor_sizes(charges, max_bond)
    itemsize = int(np.dtype(dtype).itemsize)
    return float(sum(capacity)) * itemsize + workspace_bytes(*work, np.dtype(dtype), threads)


def sparse_memory(elements: int, dtype: np.dtype[Any]) -> Array:
    """Return zeros that take up memory where they are written to, page by page.

    Tensors seldom fill their places, and numpy would ask for pages of 2 MB, which leave no gap free.

    Parameters
    ----------
    elements : int
        How many.
    dtype : dtype
        Of what kind.

    Examples
    --------
    >>> sparse_memory(10**9, np.dtype(complex))[-1].tolist()
    0j
    """
    pages = mmap.mmap(-1, elements * dtype.itemsize)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):  # Linux
        with contextlib.suppress(OSError):  # one without huge pages
            pages.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(pages, dtype)


def tensor_sizes(
    charges: Charges, max_bond: int, present: Sequence[int] = ()
) -> tuple[list[int], tuple[int, int, int, int]]:
    """Return the largest size of each tensor, and of what a gate needs: elements, rows, singular values, column.

    A state that is given may have bonds (`present`) that are larger than those that it needs.
    With n local states of each charge, a tensor between bonds of dimensions a and b has at most n a b elements.

    Parameters
    ----------
    charges : sequence of sequence of int
        Charge of each local state, for each site.
    max_bond : int
        Largest bond dimension.
    present : sequence of int
        Dimensions of the bonds of a state.

    Examples
    --------
    >>> tensor_sizes([(0, 0)] * 3, max_bond=2)[0]
    [4, 8, 4]
    """
    dims = [len(site) for site in charges]
    left, right = [1], [1]
    for d, other in zip(dims, reversed(dims), strict=True):
        left.append(min(max_bond, left[-1] * d))
        right.append(min(max_bond, right[-1] * other))
    bonds = [min(a, b) for a, b in zip(left, reversed(right), strict=True)]
    bonds = [max(pair) for pair in zip(bonds, present or bonds, strict=True)]
    same = [max(map(len, local_states(site).values())) for site in charges]
    capacity = [n * a * b for n, a, b in zip(same, bonds, bonds[1:], strict=False)]
    pairs = list(zip(same, same[1:], dims, dims[1:], bonds, bonds[2:], strict=False))
    elements = max(min(n * a * e * b, d * a * m * b) for n, m, d, e, a, b in pairs)
    rows = max(max(n * a, m * b) for n, m, _, _, a, b in pairs)
    values = max(max(d * a, e * b) for _, _, d, e, a, b in pairs)
    column = max(max(d * e * max(a, b), d * a, e * b) for _, _, d, e, a, b in pairs)
    return capacity, (max(elements, *capacity), rows, values, column)
