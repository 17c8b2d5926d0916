"""Two neighbouring tensors of a state by blocks of charge as one, and apart again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpsnh.kernels.split import svd
from mpsnh.states.blocks import Array, Blocks, local_states

ROUNDING = 1e-15
"""Singular value, relative to the largest one, that is rounding."""


class Split(NamedTuple):
    """A left-isometric tensor, the one to its right, the weight that was discarded and the singular values kept.

    Examples
    --------
    >>> singlet = {(0, 0): np.array([0.6, -0.8]).reshape(1, 2, 1)}  # down up, up down
    >>> split = Pair((1, -1), (1, -1)).split(singlet, max_bond=1, cutoff=0.0)
    >>> round(split.discarded, 12), split.values.round(12).tolist()
    (0.36, [0.8])
    """

    left: Blocks
    right: Blocks
    discarded: float
    values: NDArray[np.float64]


class Pair:
    """Two neighbouring sites, whose pairs of states count as local states of one site.

    Parameters
    ----------
    first, second : sequence of int
        Charges of the states of either site.

    Examples
    --------
    >>> pair = Pair((1, -1), (1, -1))
    >>> up, down = {(0, 1): np.ones((1, 1, 1))}, {(1, -1): np.ones((1, 1, 1))}
    >>> {key: block.ravel().tolist() for key, block in pair.joined(up, down).items()}
    {(0, 0): [1.0, 0.0]}
    """

    def __init__(self, first: Sequence[int], second: Sequence[int]) -> None:
        singles, others = local_states(first), local_states(second)
        joint = local_states([a + b for a in first for b in second])
        self._sizes = {c: len(states) for c, states in joint.items()}
        # for each pair of charges: which of the joint states of their sum are made of them
        self._places: dict[tuple[int, int], Array] = {}
        for a, of_first in singles.items():
            for b, of_second in others.items():
                codes = [s * len(second) + t for s in of_first for t in of_second]
                places = np.searchsorted(joint[a + b], codes)
                self._places[a, b] = places.reshape(len(of_first), len(of_second))

    def joined(self, left: Blocks, right: Blocks) -> Blocks:
        """Contract two tensors.

        Parameters
        ----------
        left, right : dict
            The blocks of either site.
        """
        theta, dtype = Blocks(), np.result_type(*left.values(), *right.values())
        for (q, a), first in left.items():
            for b in {b for m, b in right if m == q + a}:
                second = right[q + a, b]
                product = np.tensordot(first, second, 1)
                key = (q, a + b)
                if key not in theta:
                    shape = (first.shape[0], self._sizes[a + b], second.shape[2])
                    theta[key] = np.zeros(shape, dtype)
                theta[key][:, self._places[a, b].ravel()] += product.reshape(len(product), -1, second.shape[2])
        return theta

    def parts(self, theta: Blocks) -> dict[int, dict[tuple[tuple[int, int], int], Array]]:
        """Return a joint tensor by the charge of the bond between the sites.

        Parameters
        ----------
        theta : dict
            Its blocks.

        Returns
        -------
        dict of int to dict
            By left block (charge of the left bond, local charge) and local charge of the second site: arrays of shape
            (left bond, states of the first site, states of the second, right bond).
        """
        middle: dict[int, dict[tuple[tuple[int, int], int], Array]] = {}
        for (q, c), block in theta.items():
            for (a, b), places in self._places.items():
                if a + b == c:
                    part = block[:, places.ravel()].reshape(len(block), *places.shape, block.shape[2])
                    middle.setdefault(q + a, {})[(q, a), b] = part
        return middle

    def split(
        self, theta: Blocks, max_bond: int, cutoff: float, beside: dict[int, dict[tuple[int, int], Array]] | None = None
    ) -> Split:
        """Split a joint tensor by singular values, those of all charges together.

        Parameters
        ----------
        theta : dict
            Its blocks, of unit norm together.
        max_bond : int
            Largest dimension of the bond.
        cutoff : float
            Weight that may be discarded, relative to the norm.
        beside : dict, optional
            More directions for the isometry to keep, by charge of the bond and left block: of shape
            (left bond · states, n), with their weight. They decide with the tensor what is kept.
        """
        matrices = {m: _matrix(parts) for m, parts in self.parts(theta).items()}
        isometries, sizes = {}, {}
        for m, (matrix, rows, _) in matrices.items():
            more = None if beside is None else _stacked(beside.get(m, {}), rows)
            if more is None:
                u, s, _ = svd(matrix)
            else:  # weights of the mixture, which need not be accurate
                weights, u = np.linalg.eigh(matrix @ matrix.conj().T + more @ more.conj().T)
                u, s = u[:, ::-1], np.sqrt(np.maximum(weights[::-1], 0))
            isometries[m], sizes[m] = u, s
        together = np.concatenate(list(sizes.values()))
        order = np.argsort(-together, kind="stable")
        tails = np.cumsum(together[order[::-1]] ** 2)[::-1]  # of each value and those below
        kept = np.count_nonzero((tails > cutoff * tails[0]) & (together[order] > ROUNDING * together[order[0]]))
        chosen = np.zeros(len(together), dtype=bool)
        chosen[order[: max(1, min(kept, max_bond))]] = True
        ends = np.cumsum([len(size) for size in sizes.values()])[:-1]
        masks = dict(zip(sizes, np.split(chosen, ends), strict=True))
        left, right, weight, values = Blocks(), Blocks(), 0.0, []
        for m, (matrix, rows, columns) in matrices.items():
            u = isometries[m][:, masks[m]]
            if not u.shape[1]:
                continue
            rest = u.conj().T @ matrix
            weight += float(np.linalg.norm(rest)) ** 2
            values.append(np.linalg.norm(rest, axis=1))
            for key, (place, shape) in rows.items():
                left[key] = u[place].reshape(*shape, -1)
            for b, (place, shape) in columns.items():
                right[m, b] = rest[:, place].reshape(-1, *shape)
        total = sum(float(np.linalg.norm(block)) ** 2 for block in theta.values())
        return Split(left, right, max(0.0, 1 - weight / total), np.concatenate(values))


Places = dict[Any, tuple[slice, tuple[int, int]]]


def _matrix(parts: dict[tuple[tuple[int, int], int], Array]) -> tuple[Array, Places, Places]:
    """Put the parts of one charge into one matrix, and say where its rows and columns come from."""
    rows, columns = Places(), Places()
    height = width = 0
    for (key, b), part in parts.items():
        n, a, c, right = part.shape
        if key not in rows:
            rows[key] = (slice(height, height + n * a), (n, a))
            height += n * a
        if b not in columns:
            columns[b] = (slice(width, width + c * right), (c, right))
            width += c * right
    matrix = np.zeros((height, width), np.result_type(*parts.values()))
    for (key, b), part in parts.items():
        matrix[rows[key][0], columns[b][0]] = part.reshape(part.shape[0] * part.shape[1], -1)
    return matrix, rows, columns


def _stacked(beside: dict[tuple[int, int], Array], rows: Places) -> Array | None:
    """Put more directions into one matrix with the same rows."""
    fitting = {key: part for key, part in beside.items() if key in rows}
    if not fitting:
        return None
    width = next(iter(fitting.values())).shape[1]
    height = max(place.stop for place, _ in rows.values())
    matrix = np.zeros((height, width), np.result_type(*fitting.values()))
    for key, part in fitting.items():
        matrix[rows[key][0]] = part
    return matrix
