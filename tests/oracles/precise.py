"""exp(-i H t) v in integers of hundreds of digits, for any matrix: nothing but integer sums and products is used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

DIGITS = 200
"""Bits that are right in what is returned, and more."""


def evolved(matrix: np.ndarray, time: float, vector: np.ndarray) -> tuple[np.ndarray, float]:
    """Return exp(-i H t) v, normalised, and the logarithm of its norm relative to that of v.

    The exponential is the Taylor series of a fraction of the time, squared as often as needed. Numbers are integers
    in units of 2^-bits, so many that the square of what growth and decay can make of them is resolved.
    """
    size = float(np.abs(matrix).sum(axis=1).max() * abs(time))
    halvings = max(math.ceil(math.log2(max(size, 1.0))), 0) + 8
    bits = DIGITS + math.ceil(2 * size / math.log(2)) + 2 * halvings
    real, imag = (_fixed(part, bits, Fraction(time) / 2**halvings) for part in (matrix.imag, -matrix.real))
    dim = len(matrix)
    total = term = (_fixed(np.eye(dim), bits), _fixed(np.zeros((dim, dim)), bits))
    order = 0
    while any((abs(part) > 1).any() for part in term):  # a negative number is rounded to -1 at last
        order += 1
        term = tuple(part // order for part in _product(term, (real, imag), bits))
        total = (total[0] + term[0], total[1] + term[1])
    for _ in range(halvings):
        total = _product(total, total, bits)
    start = _fixed(vector.real[:, None], bits), _fixed(vector.imag[:, None], bits)
    return _normalised(_product(total, start, bits), start)


def mapped(matrices: Sequence[np.ndarray], vector: np.ndarray, bits: int = 2000) -> tuple[np.ndarray, float]:
    """Return the product of matrices, the first of which acts first, and a vector, as `evolved` does."""
    start = end = _fixed(vector.real[:, None], bits), _fixed(vector.imag[:, None], bits)
    for matrix in matrices:
        end = _product((_fixed(matrix.real, bits), _fixed(matrix.imag, bits)), end, bits)
    return _normalised(end, start)


def _normalised(end: Any, start: Any) -> tuple[np.ndarray, float]:
    squares = [sum(int(x) ** 2 for part in pair for x in part.ravel()) for pair in (end, start)]
    norm = math.isqrt(squares[0])
    pairs = zip(*(part.ravel().tolist() for part in end), strict=True)
    found = np.array([complex(Fraction(x, norm), Fraction(y, norm)) for x, y in pairs])
    return found, _log(*squares) / 2


def _fixed(numbers: np.ndarray, bits: int, factor: Fraction = Fraction(1)) -> np.ndarray:
    flat = [math.floor(Fraction(float(number)) * factor * 2**bits) for number in np.ravel(numbers)]
    fixed = np.empty(len(flat), dtype=object)
    fixed[:] = flat
    return fixed.reshape(np.shape(numbers))


def _product(a: Any, b: Any, bits: int) -> tuple[np.ndarray, np.ndarray]:
    return (a[0] @ b[0] - a[1] @ b[1]) >> bits, (a[0] @ b[1] + a[1] @ b[0]) >> bits


def _log(a: int, b: int) -> float:
    """Return the logarithm of the ratio of two integers out of the range of floats."""
    powers = a.bit_length() - b.bit_length()
    return math.log(Fraction(a, b) / Fraction(2) ** powers) + powers * math.log(2)
