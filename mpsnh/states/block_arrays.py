"""Blocks of a state as arrays by name, for files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.states.blocks import Blocks


def named_arrays(blocks: Sequence[Blocks]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the blocks of a state as arrays with names, those of one site after the other, which saves memory.

    Parameters
    ----------
    blocks : sequence of dict
        The blocks of each site.

    Examples
    --------
    >>> [name for name, _ in named_arrays([{(0, 1): np.ones((1, 1, 1))}])]
    ['keys0', 'tensor0']
    """
    for j, site in enumerate(blocks):
        yield f"keys{j}", np.array([[*key, *block.shape] for key, block in site.items()])
        yield f"tensor{j}", np.concatenate([block.ravel() for block in site.values()])


def packed(blocks: Sequence[Blocks], **numbers: Any) -> dict[str, NDArray[Any]]:
    """Return the blocks of a state, and numbers beside them, as arrays by name.

    Parameters
    ----------
    blocks : sequence of dict
        The blocks of each site.
    **numbers
        Numbers, or sequences of them, by name.

    Examples
    --------
    >>> sorted(packed([], energy=-0.5, values=[1j, 2j]))
    ['energy', 'values']
    """
    return dict(named_arrays(blocks)) | {name: np.array(number) for name, number in numbers.items()}


def blocks_of(arrays: Mapping[str, NDArray[Any]], L: int) -> list[Blocks]:
    """Return the blocks of each site from their arrays.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Those of `named_arrays`, perhaps among others.
    L : int
        Number of sites.

    Raises
    ------
    ValueError
        If elements are not finite, or blocks do not fit to each other.

    Examples
    --------
    >>> blocks_of(dict(named_arrays([{(0, 1): np.ones((1, 1, 1))}])), 1)
    [{(0, 1): array([[[1.]]])}]
    """
    blocks: list[Blocks] = []
    for j in range(L):
        keys, flat, site, position = arrays[f"keys{j}"].tolist(), arrays[f"tensor{j}"], Blocks(), 0
        for q, c, *shape in keys:
            size = int(np.prod(shape))
            site[q, c] = flat[position : position + size].reshape(shape)
            position += size
        if not np.isfinite(flat).all():
            raise ValueError(f"tensor {j} of the state has elements that are not finite")
        before = {q + c: block.shape[2] for (q, c), block in blocks[-1].items()} if j else {0: 1}
        met = [before.get(q) == block.shape[0] for (q, _), block in site.items() if q in before or j == 0]
        fits = bool(met) and all(met)
        require(fits, f"blocks of tensor {j}", sorted(site), "those that fit the tensor before")
        blocks.append(site)
    return blocks
