"""Moments Lᵀ T_s(X) R by a Chebyshev recursion, while each part of the vectors is in the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from mpsnh.kernels.compiling import njit

WIDTHS = (16, 8, 4)
"""Columns of panels that there is code for."""

LANES = 8
"""Numbers in a vector register; LLVM splits them where registers are narrower."""

TOGETHER = 4
"""Left vectors that are multiplied with a row at once, as many as leave registers for the products."""

CONTRACT = ("contract",)


class _Panels:
    """What is written for one panel of columns: rows as a few vectors, and products with numbers."""

    def __init__(self, builder: Any, integer: Any, width: int) -> None:
        self.builder, self.integer, self.width = builder, integer, width
        lanes = min(width, LANES)
        self.element = ir.DoubleType()
        self.vector = ir.VectorType(self.element, lanes)
        self.tiles = range(0, width, lanes)
        self.nothing = ir.Constant(self.vector, None)
        self.zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

    def row(self, data: Any, row: Any) -> list[Any]:
        """Return pointers to the vectors of a row."""
        start = self.builder.mul(row, self.integer(self.width))
        places = (self.builder.gep(data, [self.builder.add(start, self.integer(tile))]) for tile in self.tiles)
        return [self.builder.bitcast(place, self.vector.as_pointer()) for place in places]

    def load(self, pointer: Any) -> Any:
        loaded = self.builder.load(pointer)
        loaded.align = 8
        return loaded

    def store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, pointer).align = 8

    def variables(self) -> list[Any]:
        """Return places for a row that become registers."""
        with self.builder.goto_entry_block():
            return [self.builder.alloca(self.vector) for _ in self.tiles]

    def number(self, data: Any, place: Any) -> Any:
        """Return one number in all lanes."""
        single = self.builder.load(self.builder.gep(data, [place]))
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, single, ir.IntType(32)(0))
        return self.builder.shuffle_vector(first, undefined, self.zeros)

    def add_products(self, sums: list[Any], factor: Any, rows: list[Any]) -> None:
        """Add the product of a number and a row."""
        for place, row in zip(sums, rows, strict=True):
            product = self.builder.fmul(factor, row, flags=CONTRACT)
            self.builder.store(self.builder.fadd(product, self.builder.load(place), flags=CONTRACT), place)


def _width(kind: Any) -> int:
    if not isinstance(kind, types.IntegerLiteral):
        raise TypingError("the width of a panel must be a constant")
    return int(kind.literal_value)


def _step(
    typing_context: Any, width: Any, begin: Any, end: Any, indptr: Any, indices: Any, values: Any, x: Any, y: Any
) -> tuple[Any, Callable[..., Any]]:
    """Set some rows of y to X x - y."""
    columns = _width(width)
    signature = types.void(width, types.intp, types.intp, indptr, indices, values, x, y)

    def generate(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
        _, begin, end, *arrays = arguments
        pointers = [
            context.make_array(kind)(context, builder, array).data
            for kind, array in zip(signature.args[3:], arrays, strict=True)
        ]
        indptr, indices, values, x, y = pointers
        panels, one = _Panels(builder, begin.type, columns), begin.type(1)
        sums = panels.variables()

        def index(data: Any, place: Any) -> Any:
            return builder.sext(builder.load(builder.gep(data, [place])), begin.type)

        with cgutils.for_range_slice(builder, begin, end, one) as (row, _):
            targets = panels.row(y, row)
            for place, target in zip(sums, targets, strict=True):
                builder.store(builder.fneg(panels.load(target)), place)
            last = index(indptr, builder.add(row, one))
            with cgutils.for_range_slice(builder, index(indptr, row), last, one) as (k, _):
                numbers = [panels.load(place) for place in panels.row(x, index(indices, k))]
                panels.add_products(sums, panels.number(values, k), numbers)
            for place, target in zip(sums, targets, strict=True):
                panels.store(builder.load(place), target)
        return context.get_dummy_value()

    return signature, generate


def _overlap(
    typing_context: Any, width: Any, begin: Any, end: Any, left: Any, x: Any, out: Any
) -> tuple[Any, Callable[..., Any]]:
    """Set `out` to the products of some rows of x with `TOGETHER` left vectors."""
    columns = _width(width)
    signature = types.void(width, types.intp, types.intp, left, x, out)

    def generate(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
        _, begin, end, *arrays = arguments
        left, x, out = (
            context.make_array(kind)(context, builder, array).data
            for kind, array in zip(signature.args[3:], arrays, strict=True)
        )
        integer = begin.type
        panels = _Panels(builder, integer, columns)
        sums = [panels.variables() for _ in range(TOGETHER)]
        for part in sums:
            for place in part:
                builder.store(panels.nothing, place)
        with cgutils.for_range_slice(builder, begin, end, integer(1)) as (row, _):
            numbers = [panels.load(place) for place in panels.row(x, row)]
            first = builder.mul(row, integer(TOGETHER))
            for which, part in enumerate(sums):
                panels.add_products(part, panels.number(left, builder.add(first, integer(which))), numbers)
        for which, part in enumerate(sums):
            for place, target in zip(part, panels.row(out, integer(which)), strict=True):
                panels.store(builder.load(place), target)
        return context.get_dummy_value()

    return signature, generate


_step_rows: Any = intrinsic(prefer_literal=True)(_step)
_overlap_rows: Any = intrinsic(prefer_literal=True)(_overlap)


@njit()
def advance(indptr, indices, values, x, y, left, places, run, out, column):  # type: ignore[no-untyped-def]
    """Go through the recursion y = X x - y, with x and y exchanged each time, and keep the overlaps with left vectors.

    Parameters
    ----------
    indptr, indices, values : ndarray
        Rows of the matrix X, as `BlockOperator.rows`.
    x, y : ndarray of float, shape (n, m)
        A panel with one of the `WIDTHS`; the last result is in y if there is an odd number of steps.
    left : ndarray, shape (groups, n, TOGETHER)
        Elements of the left vectors in each row.
    places : ndarray of int, shape (groups, runs, TOGETHER)
        Which left vectors these belong to, for each run of rows.
    run : int
        Length of a run.
    out : ndarray, shape (steps, vectors, columns)
        Where the overlaps of each step go.
    column : int
        The first column of the panel there; those beyond the last one are left out.

    Examples
    --------
    >>> import scipy.sparse
    >>> from mpsnh.kernels.multivector import BlockOperator
    >>> rows = BlockOperator(scipy.sparse.diags([2.0]).tocsr()).rows
    >>> x, y, out = np.ones((1, 4)), np.zeros((1, 4)), np.empty((3, 1, 4))
    >>> advance(*rows, x, y, np.array([[[1.0, 0.0, 0.0, 0.0]]]), np.zeros((1, 1, 4), int), 1, out, 0)
    >>> out[:, 0, 0].tolist()
    [2.0, 3.0, 4.0]
    """
    n, width = x.shape
    used = min(width, out.shape[2] - column)
    products = np.empty((TOGETHER, width))
    for s in range(len(out)):
        out[s, :, column : column + used] = 0.0
        for part in range(places.shape[1]):
            begin, end = part * run, min(n, (part + 1) * run)
            if width == 16:
                _step_rows(16, begin, end, indptr, indices, values, x, y)
            elif width == 8:
                _step_rows(8, begin, end, indptr, indices, values, x, y)
            else:
                _step_rows(4, begin, end, indptr, indices, values, x, y)
            for group in range(len(places)):
                if width == 16:
                    _overlap_rows(16, begin, end, left[group], y, products)
                elif width == 8:
                    _overlap_rows(8, begin, end, left[group], y, products)
                else:
                    _overlap_rows(4, begin, end, left[group], y, products)
                for which in range(TOGETHER):
                    target = places[group, part, which]
                    for k in range(used):
                        out[s, target, column + k] += products[which, k]
        x, y = y, x


def panel_widths(columns: int, threads: int = 1) -> list[tuple[int, int]]:
    """Divide columns into panels: where each begins, and how wide it is.

    Parameters
    ----------
    columns : int
        How many.
    threads : int
        How many panels should be there at least.

    Examples
    --------
    >>> panel_widths(30), panel_widths(16, threads=2)
    ([(0, 16), (16, 8), (24, 4), (28, 4)], [(0, 8), (8, 8)])
    """
    panels, first = [], 0
    widest = next((width for width in WIDTHS if width * threads <= columns), WIDTHS[-1])
    while first < columns:
        width = next((width for width in WIDTHS if width <= min(widest, columns - first)), WIDTHS[-1])
        panels.append((first, width))
        first += width
    return panels
