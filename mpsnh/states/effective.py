"""An operator between everything that stands left and right of some sites, as a map of their tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.kernels.scatter import add_parts
from mpsnh.states.blocks import Array, Blocks, local_states
from mpsnh.states.environments import Environment


class Layout:
    """How the blocks of a tensor stand in a vector: all that the charges of its bonds allow, by that of the left one.

    Parameters
    ----------
    left, right : mapping of int to int
        Dimension of each bond for each of its charges.
    charges : sequence of int
        Charge of each local state; of two sites together, of each pair of states.

    Attributes
    ----------
    size : int
        Length of the vector.

    Examples
    --------
    >>> layout = Layout({0: 1}, {1: 2, -1: 3}, (1, -1))
    >>> layout.size, sorted(layout.unpacked(np.arange(5.0)))
    (5, [(0, -1), (0, 1)])
    """

    def __init__(self, left: Mapping[int, int], right: Mapping[int, int], charges: Sequence[int]) -> None:
        self.left, self.right, self.states = left, right, local_states(charges)
        self.rows: dict[int, tuple[int, int, int]] = {}  # of a left charge: first element, rows and columns
        self.columns: dict[tuple[int, int], int] = {}  # of a block: its first column there
        self.size = 0
        for q, dimension in sorted(left.items()):
            width = 0
            for c, states in self.states.items():
                if q + c in right:
                    self.columns[q, c] = width
                    width += len(states) * right[q + c]
            if width:
                self.rows[q] = (self.size, dimension, width)
                self.size += dimension * width

    def packed(self, blocks: Blocks, dtype: Any = complex) -> Array:
        """Return blocks as a vector; those that are missing are zero.

        Parameters
        ----------
        blocks : dict
            Of the tensor.
        dtype : dtype
            Of the vector.
        """
        vector = np.zeros(self.size, dtype=dtype)
        for key, part in self.unpacked(vector).items():
            if key in blocks:
                part[...] = blocks[key]
        return vector

    def unpacked(self, vector: Array) -> Blocks:
        """Return a vector as blocks, which are views of it.

        Parameters
        ----------
        vector : ndarray, shape (size,)
            Elements.
        """
        blocks = Blocks()
        for (q, c), column in self.columns.items():
            start, rows, width = self.rows[q]
            n, right = len(self.states[c]), self.right[q + c]
            matrix = vector[start : start + rows * width].reshape(rows, width)[:, column : column + n * right]
            blocks[q, c] = np.lib.stride_tricks.as_strided(
                matrix, (rows, n, right), (matrix.strides[0], right * matrix.strides[1], matrix.strides[1])
            )
        return blocks


class EffectiveOperator:
    """⟨bra| operator |ket⟩ as a matrix between the tensors of some sites, which it is multiplied with part by part.

    What stands on the left acts as one product of matrices for each charge, so does what stands on the right, and the
    operator's own elements between them only add multiples of parts to others.

    Parameters
    ----------
    left, right : sequence of dict
        What stands on either side, for each channel: by charge of the ket's bond, of shape (bra bond, ket bond).
    tensor : ndarray, shape (left bond, right bond, d, d)
        The operator on these sites.
    channels : sequence of int
        Charges of its left bond.
    ket : Layout
        The tensors that it acts on.
    bra : Layout, optional
        Those that it makes; of the same form if not given.

    Examples
    --------
    >>> layout, edge = Layout({0: 1}, {1: 1, -1: 1}, (1, -1)), ({0: np.eye(1)},)
    >>> right = ({1: np.eye(1), -1: np.eye(1)},)
    >>> sz = EffectiveOperator(edge, right, np.diag([0.5, -0.5])[None, None], (0,), layout)
    >>> sz @ np.array([1.0, 1.0])  # in order of increasing charge
    array([-0.5,  0.5])
    """

    def __init__(
        self,
        left: Environment,
        right: Environment,
        tensor: Array,
        channels: Sequence[int],
        ket: Layout,
        bra: Layout | None = None,
    ) -> None:
        bra = ket if bra is None else bra
        self.ket, self.bra = ket, bra
        parts = [part for side in (left, right) for channel in side for part in channel.values()]
        self.dtype = np.result_type(tensor, *parts)
        self._lefts: list[tuple[slice, slice, tuple[int, int], Array]] = []
        self._rights: list[tuple[slice, slice, Array]] = []
        first, size = self._place_left(left)
        moves, factors, size_between = self._place_between(first, right, tensor, channels)
        self._moves, self._factors = _table(moves), np.array(factors, dtype=self.dtype)
        self._out = _table(self._back)
        self._ones = np.ones(len(self._out), dtype=self.dtype)
        self._sizes = (size, size_between, self._size_right)

    def _place_left(self, left: Environment) -> tuple[dict[tuple[int, int], tuple[int, int, int]], int]:
        """Stack what stands left, for each charge of the ket; say where each channel's part of the product begins."""
        places: dict[tuple[int, int], tuple[int, int, int]] = {}
        size = 0
        for q, (start, rows, width) in self.ket.rows.items():
            there = [(channel, parts[q]) for channel, parts in enumerate(left) if q in parts]
            if not there:
                continue
            begin = size
            for channel, part in there:
                places[channel, q] = (size, width, part.shape[0])
                size += part.shape[0] * width
            stacked = np.concatenate([part for _, part in there]).astype(self.dtype, copy=False)
            self._lefts.append((slice(start, start + rows * width), slice(begin, size), (rows, width), stacked))
        return places, size

    def _place_between(
        self,
        places: Mapping[tuple[int, int], tuple[int, int, int]],
        right: Environment,
        tensor: Array,
        channels: Sequence[int],
    ) -> tuple[list[tuple[int, ...]], list[complex], int]:
        """Plan what the operator's own elements do, and stack what stands right for each charge of the bra."""
        charge = {s: (c, place) for c, states in self.ket.states.items() for place, s in enumerate(states)}
        heights: dict[int, int] = {}  # of a charge on the right of the bra: rows that end there
        row: dict[tuple[int, int], int] = {}  # of left charge and local state of the bra: its first row
        for q, dimension in sorted(self.bra.left.items()):
            for s, (c, _) in charge.items():
                if (q, c) in self.bra.columns:
                    row[q, s] = heights.get(q + c, 0)
                    heights[q + c] = row[q, s] + dimension
        wanted = []
        used: dict[int, dict[tuple[int, int], int]] = {bond: {} for bond in heights}
        widths = dict.fromkeys(heights, 0)
        for before, after, out, into in np.argwhere(tensor).tolist():
            value, c = tensor[before, after, out, into], charge[into][0]
            for q in self.ket.rows:
                end, other = q + c, q + channels[before]
                bond = other + charge[out][0]
                known = (before, q) in places and (q, c) in self.ket.columns and (other, out) in row
                if not known or end not in right[after]:
                    continue
                if (after, end) not in used[bond]:
                    used[bond][after, end] = widths[bond]
                    widths[bond] += self.ket.right[end]
                wanted.append((before, after, q, into, other, out, bond, end, value))
        starts, size, size_right = {}, 0, 0
        self._back: list[tuple[int, ...]] = []
        for bond, height in heights.items():
            if not widths[bond]:
                continue
            starts[bond], dimension = size, self.bra.right[bond]
            size += height * widths[bond]
            stacked = np.concatenate([right[after][end].T for after, end in used[bond]]).astype(self.dtype, copy=False)
            self._rights.append(
                (slice(starts[bond], size), slice(size_right, size_right + height * dimension), stacked)
            )
            for (q, s), first in row.items():
                c, place = charge[s]
                if q + c == bond:
                    start, rows, width = self.bra.rows[q]
                    goal = start + self.bra.columns[q, c] + place * dimension
                    self._back.append((size_right + first * dimension, dimension, goal, width, rows, dimension))
            size_right += height * dimension
        self._size_right = size_right
        moves, factors = list[tuple[int, ...]](), list[complex]()
        for before, after, q, into, other, out, bond, end, value in wanted:
            origin, width, rows = places[before, q]
            c, place = charge[into]
            columns = self.ket.right[end]
            goal = starts[bond] + row[other, out] * widths[bond] + used[bond][after, end]
            source = origin + self.ket.columns[q, c] + place * columns
            moves.append((source, width, goal, widths[bond], rows, columns))
            factors.append(value)
        return moves, factors, size

    def __matmul__(self, vector: Array) -> Array:
        """Return the product with the tensor of a ket, as a vector."""
        dtype = np.result_type(self.dtype, vector)
        first, between, last = (np.zeros(size, dtype) for size in self._sizes)
        for source, target, shape, left in self._lefts:
            np.matmul(left, vector[source].reshape(shape), out=first[target].reshape(-1, shape[1]))
        add_parts(first, between, self._moves, self._factors)
        for source, target, right in self._rights:
            np.matmul(between[source].reshape(-1, len(right)), right, out=last[target].reshape(-1, right.shape[1]))
        product = np.zeros(self.bra.size, dtype)
        add_parts(last, product, self._out, self._ones)
        return product

    def adjoint(self, vector: Array) -> Array:
        """Return the product of the adjoint with the tensor of a bra, as a vector.

        Parameters
        ----------
        vector : ndarray, shape (size of the bra,)
            The tensor.
        """
        dtype = np.result_type(self.dtype, vector)
        first, between, last = (np.zeros(size, dtype) for size in self._sizes)
        add_parts(np.ascontiguousarray(vector), last, self._out[:, _TURNED], self._ones)
        for source, target, right in self._rights:
            shape = (-1, right.shape[1])
            np.matmul(last[target].reshape(shape), right.conj().T, out=between[source].reshape(-1, len(right)))
        add_parts(between, first, self._moves[:, _TURNED], self._factors.conj())
        product = np.zeros(self.ket.size, dtype)
        for source, target, shape, left in self._lefts:
            np.matmul(left.conj().T, first[target].reshape(-1, shape[1]), out=product[source].reshape(shape))
        return product


_TURNED = [2, 3, 0, 1, 4, 5]
"""The columns of a table of moves, in the order that makes it go the other way."""


def _table(moves: Sequence[tuple[int, ...]]) -> NDArray[np.int64]:
    return np.array(moves, dtype=np.int64).reshape(-1, 6)
