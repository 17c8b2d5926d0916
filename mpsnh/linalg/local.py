"""A gate on a dense vector, with what rounding adds to a sample of its error."""

from __future__ import annotations

import math

import numpy as np

from mpsnh.kernels.compiling import njit


@njit(fastmath={"reassoc", "contract"})
def act(matrix, offsets, bases, pair, noise):  # type: ignore[no-untyped-def]
    """Apply a gate to a vector and a sample of its error, in place.

    Parameters
    ----------
    matrix : ndarray, shape (d, d)
        The gate.
    offsets : ndarray of int, shape (d,)
        Where the amplitudes that it mixes stand, counted from the first one.
    bases : ndarray of int
        Where these first ones stand.
    pair : ndarray, shape (n, 2)
        The vector and the sample.
    noise : ndarray, shape (n,)
        What each element of the sample gets of the terms that an amplitude sums up.

    Examples
    --------
    >>> pair = np.array([[1, 0], [0, 0]], complex)
    >>> act(np.array([[0, 1], [1, 0]], complex), np.arange(2), np.zeros(1, int), pair, np.full(2, 1e-16 + 0j))
    >>> pair.real.tolist()
    [[0.0, 0.0], [1.0, 1e-16]]
    """
    d = len(offsets)
    vector, sample = np.empty(d, np.complex128), np.empty(d, np.complex128)
    for base in bases:
        for j in range(d):
            vector[j], sample[j] = pair[base + offsets[j], 0], pair[base + offsets[j], 1]
        for i in range(d):
            total, error, size = 0j, 0j, 0.0
            for j in range(d):
                term = matrix[i, j] * vector[j]
                total += term
                error += matrix[i, j] * sample[j]
                size += term.real**2 + term.imag**2
            place = base + offsets[i]
            pair[place, 0] = total
            pair[place, 1] = error + noise[place] * math.sqrt(size)
