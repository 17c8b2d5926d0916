"""Truncation of many matrices at once, whose singular values compete: `mpsnh.kernels.tebd.truncate` for any device.

A batch of matrices is split into isometries (*near*) and the rest (*far*). Singular vectors come from the Gram matrix,
whose eigenvalues are known to 1e-16 of the largest, where what may be discarded is well above that; else from singular
value decompositions, which are made on the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.kernels.batched import Array, Sizes, adjoint, diagonal, eigenvectors, host, orthonormal, room, squared_norm

OVERSAMPLING = 0.25
"""Random vectors of the range finder, relative to the dimension kept."""

FAINT = 1e-26
"""Weight, relative to the whole, that is rounding."""

SKEW = 1e-10
"""Distance of a basis from an orthonormal one with which no weights are found."""


class Limits(NamedTuple):
    """What may be kept and discarded.

    Examples
    --------
    >>> Limits(2, 0.1).sizes([np.array([0.5, 0.2]), np.array([0.2, 0.1])], 1.0)[0].tolist()
    [2, 0]
    """

    max_bond: int
    cutoff: float
    min_bond: int = 1

    def sizes(self, weights: Sequence[NDArray[np.float64]], total: float, tail: float = 0.0) -> tuple[Sizes, float]:
        """Return how many weights of each matrix are kept, the largest ones, and the weight discarded.

        Parameters
        ----------
        weights : sequence of ndarray
            In decreasing order.
        total : float
            What `cutoff` is relative to.
        tail : float
            Weight that is lost already.
        """
        flat = np.concatenate(weights)
        order = np.argsort(-flat, kind="stable")[::-1]
        lost = tail + np.cumsum(flat[order])
        allowed = int(np.count_nonzero(lost <= self.cutoff * total))
        allowed = min(allowed, max(len(flat) - self.min_bond, int(np.count_nonzero(lost <= FAINT * total))))
        drop = min(len(flat) - 1, max(len(flat) - self.max_bond, allowed))
        matrix = np.repeat(np.arange(len(weights)), [len(each) for each in weights])
        kept = np.bincount(matrix[order[drop:]], minlength=len(weights))
        return kept.astype(np.int64), float(lost[drop - 1]) if drop else tail


class Split(NamedTuple):
    """Isometries, what is left, their common sizes, and the weight discarded.

    Examples
    --------
    >>> Split._fields
    ('near', 'far', 'sizes', 'lost')
    """

    near: Array
    far: Array
    sizes: Sizes
    lost: float


class Batch(NamedTuple):
    """Matrices that are to be split together.

    Examples
    --------
    >>> batch = Batch(np, np.array([[[3.0, 0.0], [0.0, 4.0]]], complex), np.ones((1, 2), bool), np.ones((1, 2), bool))
    >>> round(batch.exactly(Limits(1, 0.0), 25.0).lost, 12), round(batch.by_gram(Limits(1, 0.0), 25.0).lost, 12)
    (9.0, 9.0)
    """

    xp: Any
    """numpy or cupy."""
    x: Array
    """Shape (n, p, m)."""
    rows: NDArray[np.bool_]
    """Shape (n, p): which rows are not zero for lack of size."""
    columns: NDArray[np.bool_]

    def within(self, image: Array, present: Sizes, sizes: Sizes) -> Split:
        """Project on the range of a product: one step of subspace iteration.

        Parameters
        ----------
        image : ndarray, shape (n, p, k)
            The matrices times some columns.
        present : ndarray of int, shape (n,)
            How many columns each of these products has; the others are zero.
        sizes : ndarray of int, shape (n,)
            How many of them count.
        """
        if (sizes < present).any():
            image = image * self.xp.asarray((np.arange(image.shape[2]) < sizes[:, None])[:, None, :])
        near = orthonormal(self.xp, image, sizes, self.rows).astype(self.x.dtype, copy=False)
        return Split(near, adjoint(near) @ self.x, sizes, 0.0)

    def exactly(self, limits: Limits, total: float) -> Split:
        """Truncate by singular value decompositions.

        Parameters
        ----------
        limits : Limits
            What is kept.
        total : float
            Weight of all.
        """
        x = host(self.x)
        found = [svd(x[c][np.ix_(self.rows[c], self.columns[c])]) for c in range(len(x))]
        sizes, lost = limits.sizes([s.astype(float) ** 2 for _, s, _ in found], total)
        near = np.zeros((*x.shape[:2], room(sizes)), x.dtype)
        far = np.zeros((len(x), room(sizes), x.shape[2]), x.dtype)
        for c, ((u, s, v), k) in enumerate(zip(found, sizes, strict=True)):
            near[c, self.rows[c], :k] = u[:, :k]
            far[c, :k, self.columns[c]] = (s[:k, None] * v[:k]).T
        return Split(self.xp.asarray(near), self.xp.asarray(far), sizes, lost)

    def by_gram(self, limits: Limits, total: float, subspace: Split | None = None) -> Split:
        """Truncate by eigenvectors of Gram matrices.

        Parameters
        ----------
        limits : Limits
            What is kept.
        total : float
            Weight of all.
        subspace : Split, optional
            A projection: what it leaves out is looked for in some random directions only.
        """
        xp, lost = self.xp, 0.0
        image, basis, places = self.x, None, [np.flatnonzero(kept) for kept in self.rows]
        if subspace is not None:
            basis, places = self._sketch(subspace)
            if basis is None:
                return self.exactly(limits, total)
            image = adjoint(basis) @ self.x
            lost = max(0.0, total - float(squared_norm(xp, image)))
        wide = image.astype(np.complex128)
        gram = wide @ adjoint(wide)
        pairs = eigenvectors(xp, gram, places)
        values = np.split(host(xp.concatenate([w for w, _ in pairs])), np.cumsum([len(p) for p in places])[:-1])
        sizes, lost = limits.sizes([np.maximum(w[::-1], 0.0) for w in values], total, lost)
        turn = xp.zeros((*gram.shape[:2], room(sizes)), gram.dtype)
        for c, ((_, vectors), k) in enumerate(zip(pairs, sizes.tolist(), strict=True)):
            if k:
                turn[c, xp.asarray(places[c]), :k] = vectors[:, : -k - 1 : -1]
        turn = turn.astype(self.x.dtype)
        return Split(turn if basis is None else basis @ turn, adjoint(turn) @ image, sizes, lost)

    def _sketch(self, subspace: Split) -> tuple[Array | None, list[NDArray[np.intp]]]:
        """Return a basis of the range of a projection and of some of what it leaves out, and where it is not zero."""
        xp, near, k = self.xp, subspace.near, subspace.near.shape[2]
        rest = self.x - near @ subspace.far
        faint = host(xp.square(xp.abs(rest)).sum(axis=(1, 2))) <= FAINT * float(squared_norm(xp, self.x))
        most = np.minimum(self.rows.sum(axis=1), self.columns.sum(axis=1))
        more = np.maximum(4, (OVERSAMPLING * subspace.sizes).astype(np.int64))
        more = np.where(faint, 0, np.minimum(more, most - subspace.sizes))
        places = [np.concatenate([np.arange(n), k + np.arange(m)]) for n, m in zip(subspace.sizes, more, strict=True)]
        width = int(more.max())
        if width == 0:
            return near, places
        counts = xp.asarray((np.arange(width) < more[:, None])[:, None, :])
        noise = np.random.default_rng(0).uniform(-1, 1, (self.x.shape[2], width))
        found = (rest @ xp.asarray(noise.astype(self.x.dtype))).astype(np.complex128) * counts
        known = near.astype(np.complex128)
        for _ in range(2):  # as rounding of the first is not small next to what is left
            found = orthonormal(xp, found - known @ (adjoint(known) @ found), more, self.rows)
        basis = xp.concatenate([known, found], axis=2)
        there = np.zeros(basis.shape[::2])
        for row, place in zip(there, places, strict=True):
            row[place] = 1
        skew = adjoint(basis) @ basis
        diagonal(skew)[...] -= xp.asarray(there)
        straight = float(xp.abs(skew).max()) < max(SKEW, 100 * float(np.finfo(self.x.dtype).eps))
        return (basis.astype(self.x.dtype) if straight else None), places


def svd(x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return U, s and V† of a matrix U diag(s) V†, with as many columns of U as the matrix has in either direction.

    Parameters
    ----------
    x : ndarray, shape (n, m)
        The matrix.

    Examples
    --------
    >>> svd(np.array([[0.0, 2.0], [1.0, 0.0]]))[1].tolist()
    [2.0, 1.0]
    """
    try:
        u, s, v = scipy.linalg.svd(x, full_matrices=False, check_finite=False)
    except np.linalg.LinAlgError:  # divide and conquer may fail where plain QR iteration converges
        u, s, v = scipy.linalg.svd(x, full_matrices=False, check_finite=False, lapack_driver="gesvd")
    return u, s, v
