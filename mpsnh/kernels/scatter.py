"""Parts of matrices, added to parts of others: all of them in one compiled call."""

from __future__ import annotations

from mpsnh.kernels.compiling import njit


@njit()
def add_parts(source, target, moves, factors):  # type: ignore[no-untyped-def]
    """Add multiples of rectangles of numbers to others.

    Parameters
    ----------
    source, target : ndarray, shape (n,)
        Any number of matrices, one after the other; the target is changed.
    moves : ndarray of int64, shape (m, 6)
        Of each rectangle: its first element in the source and the length of a row there, the same in the target, and
        its numbers of rows and columns.
    factors : ndarray, shape (m,)
        What each is multiplied with.

    Examples
    --------
    >>> target = np.zeros(4)
    >>> add_parts(np.arange(6.0), target, np.array([[1, 3, 0, 2, 2, 2]]), np.array([10.0]))
    >>> target.tolist()
    [10.0, 20.0, 40.0, 50.0]
    """
    for i in range(len(moves)):
        origin, stride, goal, width, rows, columns = moves[i]
        factor = factors[i]
        for row in range(rows):
            a, b = origin + row * stride, goal + row * width
            for column in range(columns):
                target[b + column] += factor * source[a + column]
