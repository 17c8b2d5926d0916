"""Sparse matrices applied to many vectors at once."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numpy.typing import DTypeLike, NDArray

from mpsnh.checks import require
from mpsnh.kernels.compiling import njit

VECTOR_BYTES = 64
"""Widest vector in the generated code. LLVM splits it where registers are narrower, as in AVX2 and NEON."""

# Lets LLVM contract products and sums into fused multiply-adds and no more, so that nan and inf survive.
CONTRACT = ("contract",)


def _tile(
    typing_context: Any,
    width: Any,
    first: Any,
    indptr: Any,
    indices: Any,
    values: Any,
    x: Any,
    out: Any,
    scale: Any,
    shift: Any,
    keep: Any,
) -> tuple[Any, Callable[..., Any]]:
    """Set columns first … first + width - 1 of `out` to scale * (A - shift) x + keep * out.

    The sum over a row is held in registers. `x` and `out` are real: those of a complex matrix hold interleaved real
    and imaginary parts, and the products with Re A and Im A are summed apart and combined at the end of the row.
    """
    if not isinstance(width, types.IntegerLiteral):
        raise TypingError("the width of a tile must be a constant")
    scalar = x.dtype
    is_complex = isinstance(values.dtype, types.Complex)
    signature = types.void(width, types.intp, indptr, indices, values, x, out, scalar, scalar, scalar)

    def generate(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
        if is_complex and width.literal_value == 1:
            return context.get_dummy_value()  # there is always a pair of columns
        first = arguments[1]
        kinds = signature.args[2:7]
        indptr, indices, values, x, out = (
            context.make_array(kind)(context, builder, argument)
            for kind, argument in zip(kinds, arguments[2:7], strict=True)
        )
        scale, shift, keep = arguments[7:]
        element = context.get_value_type(scalar)
        size = scalar.bitwidth // 8
        lanes = min(width.literal_value, VECTOR_BYTES // size)
        tiles = range(0, width.literal_value, lanes)
        vector = ir.VectorType(element, lanes)
        integer = first.type
        zero, one = integer(0), integer(1)
        rows, columns = (builder.extract_value(out.shape, axis) for axis in range(2))

        def offset(pointer: Any, position: Any) -> Any:
            return builder.gep(pointer, [position])

        def index(array: Any, position: Any) -> Any:
            return builder.sext(builder.load(offset(array.data, position)), integer)

        def new_variable(start: Any) -> Any:
            with builder.goto_entry_block():
                place = builder.alloca(start.type)  # there, it becomes a register
            builder.store(start, place)
            return place

        def row_of(array: Any, row: Any) -> list[Any]:
            start = builder.add(builder.mul(row, columns), first)
            places = (offset(array.data, builder.add(start, integer(tile))) for tile in tiles)
            return [builder.bitcast(place, vector.as_pointer()) for place in places]

        def load(pointer: Any) -> Any:
            loaded = builder.load(pointer)
            loaded.align = size
            return loaded

        def broadcast(number: Any) -> Any:
            undefined = ir.Constant(vector, ir.Undefined)
            lane = builder.insert_element(undefined, number, ir.IntType(32)(0))
            return builder.shuffle_vector(
                lane, undefined, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            )

        def add_product(factor: Any, other: Any, term: Any) -> Any:
            return builder.fadd(builder.fmul(factor, other, flags=CONTRACT), term, flags=CONTRACT)

        def times_i(number: Any) -> Any:
            undefined = ir.Constant(vector, ir.Undefined)
            order = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [lane ^ 1 for lane in range(lanes)])
            swapped = builder.shuffle_vector(number, undefined, order)
            return builder.fmul(swapped, ir.Constant(vector, [-1.0, 1.0] * (lanes // 2)))

        def sum_row(row: Any) -> list[Any]:
            parts = 2 if is_complex else 1
            nothing = ir.Constant(vector, None)
            sums: list[list[Any]] = [[new_variable(nothing) for _ in tiles] for _ in range(parts)]
            scalars = builder.bitcast(values.data, element.as_pointer())
            end = index(indptr, builder.add(row, one))
            with cgutils.for_range_slice(builder, index(indptr, row), end, one) as (k, _):
                numbers = [load(place) for place in row_of(x, index(indices, k))]
                for part in range(parts):
                    place = offset(scalars, builder.add(builder.mul(k, integer(parts)), integer(part)))
                    factor = broadcast(builder.load(place))
                    for target, number in zip(sums[part], numbers, strict=True):
                        builder.store(add_product(factor, number, builder.load(target)), target)
            totals = [[builder.load(place) for place in part] for part in sums]
            if is_complex:
                return [builder.fadd(real, times_i(imag)) for real, imag in zip(*totals, strict=True)]
            return totals[0]

        scales, shifts, keeps = map(broadcast, (scale, builder.fneg(shift), keep))
        # With keep = 0 `out` may be uninitialised, and 0 * nan is not 0.
        overwrites = builder.fcmp_ordered("==", keep, element(0.0))
        with cgutils.for_range_slice(builder, zero, rows, one) as (row, _):
            sums = sum_row(row)
            targets = row_of(out, row)
            numbers = [load(place) for place in row_of(x, row)]
            results = [
                builder.fmul(scales, add_product(shifts, number, total), flags=CONTRACT)
                for number, total in zip(numbers, sums, strict=True)
            ]
            with builder.if_else(overwrites) as (overwrite, accumulate):
                with overwrite:
                    for target, result in zip(targets, results, strict=True):
                        builder.store(result, target).align = size
                with accumulate:
                    for target, result in zip(targets, results, strict=True):
                        builder.store(add_product(keeps, load(target), result), target).align = size
        return context.get_dummy_value()

    return signature, generate


_apply_to_columns: Any = intrinsic(prefer_literal=True)(_tile)


@njit()
def apply_rows(indptr, indices, values, x, out, scale, shift, keep):  # type: ignore[no-untyped-def]
    """Set `out` to scale * (A - shift) x + keep * out, given the rows of A; complex numbers are two columns.

    Parameters
    ----------
    indptr, indices, values : ndarray
        As `BlockOperator.rows`.
    x, out : ndarray of float, shape (n, m)
        Real and imaginary parts are columns of their own.
    scale, shift, keep : float
        Of their precision.

    Examples
    --------
    >>> import scipy.sparse
    >>> double, out = BlockOperator(scipy.sparse.diags([2.0]).tocsr()), np.zeros((1, 1))
    >>> apply_rows(*double.rows, np.ones((1, 1)), out, 1.0, 0.0, 0.0)
    >>> out.tolist()
    [[2.0]]
    """
    columns = out.shape[1]
    first = 0
    while columns - first >= 32:
        _apply_to_columns(32, first, indptr, indices, values, x, out, scale, shift, keep)
        first += 32
    if columns & 16:
        _apply_to_columns(16, first, indptr, indices, values, x, out, scale, shift, keep)
        first += 16
    if columns & 8:
        _apply_to_columns(8, first, indptr, indices, values, x, out, scale, shift, keep)
        first += 8
    if columns & 4:
        _apply_to_columns(4, first, indptr, indices, values, x, out, scale, shift, keep)
        first += 4
    if columns & 2:
        _apply_to_columns(2, first, indptr, indices, values, x, out, scale, shift, keep)
        first += 2
    if columns & 1:
        _apply_to_columns(1, first, indptr, indices, values, x, out, scale, shift, keep)


@njit()
def _chebyshev(indptr, indices, values, half, coefficients, block, other, even, odd, squares):  # type: ignore[no-untyped-def]
    """Add b_k T_k(A) V to `even` or `odd`, and its squared elements to `squares` unless that is empty."""
    size = block.size
    for k in range(len(coefficients)):
        if k == 1:
            apply_rows(indptr, indices, values, block, other, 1.0 / half, 0.0, 0.0)
        elif k > 1:
            apply_rows(indptr, indices, values, block, other, 2.0 / half, 0.0, -1.0)
        if k > 0:
            block, other = other, block
        total, terms, sizes = (odd if k % 2 else even).ravel(), block.ravel(), squares.ravel()
        coefficient = coefficients[k]
        if sizes.size:
            for i in range(size):
                term = coefficient * terms[i]
                total[i] += term
                sizes[i] += term * term
        else:
            for i in range(size):
                total[i] += coefficient * terms[i]


def aligned(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy whose first element, and so each row of 16 numbers, begins a cache line.

    Parameters
    ----------
    array : ndarray
        Of any form.

    Examples
    --------
    >>> aligned(np.ones((3, 16))).ctypes.data % 64
    0
    """
    memory = np.empty(array.nbytes + VECTOR_BYTES, dtype=np.uint8)
    begin = -memory.ctypes.data % VECTOR_BYTES
    copy: NDArray[Any] = memory[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class BlockOperator:
    """A sparse matrix applied to many vectors at once.

    A row of the result is accumulated in vector registers, one fused multiply-add for each stored element and vector
    of columns, so that the matrix is read once for up to 32 columns. The number of columns is best a multiple of 8.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
        Any square sparse matrix; a copy is kept.
    dtype : dtype
        Of the vectors and the arithmetic: float64, float32 or complex128. A complex matrix always gives complex128.

    Attributes
    ----------
    dtype : dtype
        What the vectors must have.

    Raises
    ------
    ValueError
        If the matrix is not square or not finite, or the dtype is another one.

    Examples
    --------
    >>> import scipy.sparse
    >>> swap = BlockOperator(scipy.sparse.csr_matrix([[0.0, 1.0], [1.0, 0.0]]))
    >>> swap.apply(np.array([[1.0, 2.0], [3.0, 4.0]]), out=np.empty((2, 2)))
    array([[3., 4.],
           [1., 2.]])
    """

    def __init__(self, matrix: scipy.sparse.csr_matrix, dtype: DTypeLike = np.float64) -> None:
        require(scipy.sparse.issparse(matrix), "matrix", type(matrix).__name__, "a sparse matrix")
        require(matrix.shape[0] == matrix.shape[1], "matrix shape", matrix.shape, "square")
        allowed = [np.dtype(kind) for kind in (np.float64, np.float32, np.complex128)]
        require(np.dtype(dtype) in allowed, "dtype", np.dtype(dtype).name, "float64, float32 or complex128")
        is_complex = np.iscomplexobj(matrix.data)
        self.dtype = np.dtype(np.complex128) if is_complex else np.dtype(dtype)
        rows = scipy.sparse.csr_matrix(matrix)
        # The vectors are passed on as real ones, which have twice as many columns if they are complex.
        self._real = np.dtype(np.float32) if self.dtype == np.float32 else np.dtype(np.float64)
        integer = np.int32 if rows.nnz < 2**31 else np.int64
        self._indptr = rows.indptr.astype(integer)
        self._indices = rows.indices.astype(integer)
        with np.errstate(over="ignore"):
            self._values = rows.data.astype(np.complex128 if is_complex else self._real)
        if not np.isfinite(self._values).all():
            raise ValueError(f"the matrix has elements that are not finite in {self.dtype}")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.dim, self.dim

    @property
    def rows(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Where rows begin, the columns of the elements, and the elements."""
        return self._indptr, self._indices, self._values

    @property
    def dim(self) -> int:
        """Dimension n of the space."""
        return len(self._indptr) - 1

    def apply(
        self, x: NDArray[Any], out: NDArray[Any], scale: float = 1.0, shift: float = 0.0, keep: float = 0.0
    ) -> NDArray[Any]:
        """Compute out = scale * (A x - shift * x) + keep * out in place.

        Parameters
        ----------
        x : ndarray, shape (n, m)
            The vectors, as columns of a C-contiguous array.
        out : ndarray, shape (n, m)
            Where the result goes; it may be uninitialised if `keep` is 0.
        scale, shift, keep : float
            The coefficients, which are real.

        Returns
        -------
        ndarray, shape (n, m)
            `out`.

        Raises
        ------
        ValueError
            If an array has another shape, dtype or layout, or the two overlap.

        Examples
        --------
        A step of the Chebyshev recursion, T_2(A) x = 2 A T_1(A) x - T_0(A) x:

        >>> import scipy.sparse
        >>> A = BlockOperator(scipy.sparse.diags([0.5, -1.0]).tocsr())
        >>> x = np.ones((2, 1))
        >>> A.apply(A.apply(x, np.empty_like(x)), out=x, scale=2, keep=-1).ravel()
        array([-0.5,  1. ])
        """
        # Names for messages are made only if needed: to make them takes as long as to apply a small matrix.
        for name, array in (("x", x), ("out", out)):
            if array.ndim != 2 or len(array) != len(self._indptr) - 1:
                require(False, f"{name} shape", array.shape, f"({self.dim}, any number)")
            if array.dtype != self.dtype:
                require(False, f"{name} dtype", array.dtype.name, self.dtype.name)
            require(array.flags.c_contiguous, f"{name} strides", array.strides, "those of a C-contiguous array")
        if x.shape != out.shape:
            require(False, "out shape", out.shape, f"that of x, {x.shape}")
        require(not np.may_share_memory(x, out), "out", "an array that overlaps x", "separate from it")
        for name, number in (("scale", scale), ("shift", shift), ("keep", keep)):
            require(isinstance(number, numbers.Real), name, number, "a real number")
        coefficients = [self._real.type(number) for number in (scale, shift, keep)]
        apply_rows(*self.rows, x.view(self._real), out.view(self._real), *coefficients)
        return out

    def chebyshev_series(
        self,
        coefficients: NDArray[np.float64],
        x: NDArray[Any],
        half: float = 1.0,
        centre: float = 0.0,
        sizes: bool = False,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
        """Return the sums of b_k T_k(A / half) x over even and over odd k, without leaving compiled code.

        Parameters
        ----------
        coefficients : ndarray
            The b_k.
        x : ndarray, shape (n, m)
            The vectors, in double precision and of the dtype of the operator.
        half : float
            What the matrix is divided by.
        sizes : bool
            Whether the size of the terms is wanted as well, which tells how much of it cancels.

        Returns
        -------
        even, odd : ndarray, shape (n, m)
            The two sums.
        squares : ndarray, shape (n, m), or (n, 2 m) if the operator is complex
            Squared elements of all terms, added up; real and imaginary parts are columns of their own. Empty if they
            are not wanted.

        Examples
        --------
        >>> import scipy.sparse
        >>> A = BlockOperator(scipy.sparse.diags([0.5]).tocsr())
        >>> even, odd, squares = A.chebyshev_series(np.array([1.0, 2.0, 3.0]), np.ones((1, 1)), sizes=True)
        >>> float(even[0, 0]), float(odd[0, 0]), float(squares[0, 0])
        (-0.5, 1.0, 4.25)
        """
        start = np.array(x, order="C").view(np.float64)
        other, even, odd = np.empty_like(start), np.zeros_like(start), np.zeros_like(start)
        squares = np.zeros(start.shape if sizes else (0, 0))
        _chebyshev(*self.rows, half, coefficients, start, other, even, odd, squares)
        return even.view(self.dtype), odd.view(self.dtype), squares

    def __repr__(self) -> str:
        return f"BlockOperator(dim={self.dim}, nnz={len(self._indices)}, dtype={self.dtype})"
