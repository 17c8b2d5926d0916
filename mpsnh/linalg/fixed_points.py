"""Positive matrices in the space that a positive, trace-preserving map leaves as it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.complex128]

SUPPORT = 1e-9
"""Eigenvalues of a fixed point of largest rank, relative to the largest one, that count as zero."""

APART = 1e-6
"""Distance of eigenvalues, relative to their spread, that tells fixed points apart."""


def extremal_fixed_points(space: Sequence[Array]) -> list[Array]:
    """Return positive fixed points of trace 1, of which none is a mixture of others.

    The positive and the negative part of a Hermitian fixed point are fixed points too, so that there is one, Y, whose
    support contains those of all others. The fixed points are Y^{1/2} A Y^{1/2} with A in an algebra of matrices
    (B. Baumgartner and H. Narnhofer, J. Phys. A 41, 395303 (2008)), and the eigenprojectors of a general Hermitian A
    give fixed points that are no mixtures. If the algebra is not commutative, there are fewer of them than dimensions.

    Parameters
    ----------
    space : sequence of ndarray, shape (n, n)
        A basis of all fixed points, as for that of eigenvectors of any phases.

    Raises
    ------
    ArithmeticError
        If it is no such space within rounding.

    Examples
    --------
    >>> space = [np.diag([1.0, 1.0, 1j]), np.diag([1.0, 1.0, -1j])]
    >>> [point.real.diagonal().round(12).tolist() for point in extremal_fixed_points(space)]
    [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    if len(space) == 1:
        trace = np.trace(space[0])
        if abs(trace) <= APART * np.linalg.norm(space[0]):
            raise ArithmeticError("the only fixed point has trace 0, so that it is none of a trace-preserving map")
        return [_positive(space[0] / trace)]
    unit = [matrix / np.linalg.norm(matrix) for matrix in space]
    hermitian = [_hermitian(phase * matrix) for matrix in unit for phase in (1, -1j)]
    values, vectors = np.linalg.eigh(sum(map(_modulus, hermitian), np.zeros_like(hermitian[0])))
    kept = values > SUPPORT * values[-1]
    root = vectors[:, kept] * np.sqrt(values[kept])
    inverse = vectors[:, kept] / np.sqrt(values[kept])
    weights = np.random.default_rng(0).normal(size=len(hermitian))
    general = sum((w * h for w, h in zip(weights, hermitian, strict=True)), np.zeros_like(hermitian[0]))
    levels, frame = np.linalg.eigh(_hermitian(inverse.conj().T @ general @ inverse))
    ends = np.flatnonzero(np.diff(levels) > APART * (levels[-1] - levels[0])) + 1
    halves = [root @ part for part in np.split(frame, ends, axis=1)]
    if len(halves) > len(space):
        raise ArithmeticError(f"{len(halves)} fixed points were found in a space of dimension {len(space)}")
    points = [half @ half.conj().T for half in halves]
    return sorted((point / np.trace(point).real for point in points), key=lambda point: int(np.abs(point).argmax()))


def _positive(matrix: Array) -> Array:
    """Return a matrix of trace 1 without what makes it not Hermitian or not positive, which must be little."""
    values, vectors = np.linalg.eigh(_hermitian(matrix))
    if values[0] < -APART:
        raise ArithmeticError(f"the fixed point has the negative eigenvalue {values[0]:.3g}")
    kept = np.maximum(values, 0.0)
    positive: Array = (vectors * (kept / kept.sum())) @ vectors.conj().T
    return positive


def _hermitian(matrix: Array) -> Array:
    return (matrix + matrix.conj().T) / 2


def _modulus(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    modulus: Array = (vectors * np.abs(values)) @ vectors.conj().T
    return modulus
