"""Chebyshev recursion with overlaps against dense products, and that panels and threads change no bit."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from mpsnh.kernels.multivector import BlockOperator
from mpsnh.kernels.recursion import TOGETHER, WIDTHS, advance, panel_widths


def problem(n: int, run: int, groups: int, vectors: int):
    """Return a matrix, left vectors as the kernel wants them, and these as dense rows."""
    rng = np.random.default_rng(n)
    matrix = scipy.sparse.random(n, n, min(6 / n, 1), random_state=rng, data_rvs=rng.standard_normal).tocsr()
    runs = -(-n // run)
    places = rng.integers(0, vectors, (groups, runs, TOGETHER))
    elements = rng.standard_normal((groups, n, TOGETHER))
    dense = np.zeros((vectors, n))
    for group in range(groups):
        for row in range(n):
            np.add.at(dense[:, row], places[group, row // run], elements[group, row])
    return matrix, (elements, places, run), dense


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("n", "run", "groups"), [(1, 1, 1), (7, 3, 1), (40, 8, 2), (64, 64, 3)])
def test_steps_and_overlaps_are_those_of_dense_matrices(n, run, groups, width):
    matrix, left, dense = problem(n, run, groups, 5)
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, n, width))
    x, y, out = first.copy(), second.copy(), np.full((3, 5, width), np.nan)
    advance(*BlockOperator(matrix).rows, x, y, *left, out, 0)
    for moments in out:
        first, second = matrix @ first - second, first
        np.testing.assert_allclose(moments, dense @ first, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(y, first, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(x, second, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("columns", [1, 3, 4, 16, 22, 24, 36])
def test_panels_cover_all_columns_and_change_no_bit(columns, threads):
    matrix, left, _ = problem(50, 8, 1, 6)
    start = np.random.default_rng(1).standard_normal((2, 50, columns))
    panels = panel_widths(columns, threads)
    ends = [first + width for first, width in panels]
    assert [first for first, _ in panels] == [0, *ends[:-1]]
    assert columns <= ends[-1] < columns + WIDTHS[-1]

    def moments(panels):
        out = np.full((4, 6, columns), np.nan)
        for first, width in panels:
            x, y = np.zeros((2, 50, width))
            for array, whole in zip((x, y), start, strict=True):
                array[:, : columns - first] = whole[:, first : first + width]
            advance(*BlockOperator(matrix).rows, x, y, *left, out, first)
        return out

    narrow = [(first, 4) for first in range(0, columns, 4)]
    np.testing.assert_array_equal(moments(panels), moments(narrow))
