"""The levels of largest Im E of a large matrix, by evolving a block of random vectors.

exp(-i H t) amplifies each level as exp(t Im E), so that a block of vectors, made orthonormal again and again, turns
into the space of those that grow fastest, and the levels are found in it (Rayleigh and Ritz). This is subspace
iteration with a Chebyshev filter, as in Zhou, Saad, Tiago and Chelikowsky, J. Comput. Phys. 219, 172 (2006). Unlike
in a Krylov space, the number of vectors does not rise; and unlike with a real filter, the phases of the levels do not
matter. Of a real matrix, the upper one of each conjugate pair is found.

No level above those found can be missed: a block of m random vectors lacks a level by a factor ε with probability
about ε²ᵐ, and amplifies it by more than those found. To check it, new random vectors are evolved with the transposed
matrix, for so long that they would have grown into anything else. They must show the same levels; and being the left
vectors of these, they tell how far rounding and residuals can move them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.kernels.multivector import BlockOperator
from mpsnh.linalg.bounds import EPS, NumericalRange
from mpsnh.linalg.chebyshev import bessel_coefficients, chebyshev_step
from mpsnh.linalg.degeneracy import growing_alike
from mpsnh.linalg.eigenpairs import Certificate, Eigenpairs
from mpsnh.linalg.matrix import Matrix

SPARE = 14
"""Vectors in the block besides one for each level. The more, the sooner the levels stand out from the others."""

NEW = 6
"""Random vectors that are evolved with the transposed matrix."""

ROUGH = 1e-3
"""Residual of the left vectors, relative to half the width of the spectrum, at which they tell condition numbers."""

SURE = 1e-2
"""Error of the levels that the transposed matrix shows, to which they must be the same, in the same unit."""

MAGNIFIED = 1e3
"""Largest estimated error of a level in units of the residual that is allowed."""

COPY = 100.0
"""Largest residual of a copy of a level, in units of the residual that is allowed."""

ROUNDING = 10 * EPS
"""Error of a product with the matrix, relative to half the width of the spectrum, about."""

GROWTH = 35.0
"""Logarithm of the bound on Chebyshev polynomials in one series.

Rounding errors are amplified by far less than this bound in relation to the levels: with 35, residuals go down to
1e-13 or less, with 100 to 1e-11, with 200 to 1e-7.
"""

LONGEST = 1000.0
"""Largest degree of a series, about."""

WORK = 16.0
"""Products with the block to spend, per dimension of the matrix: about as long as finding its whole spectrum takes."""


SHOWN = 0.125
"""Fraction of the work after which the levels must show, by residuals smaller than Im E."""

PACE = 0.5
"""How fast residuals must fall from then on, in units of what is needed at least to converge in time."""


@dataclass(frozen=True)
class GrowingLevels(Eigenpairs):
    """Levels by decreasing Im E, with errors.

    Parameters
    ----------
    left : ndarray, shape (dim, k), optional
        Left eigenvectors of unit norm.
    multiplicities : ndarray of int, shape (k,)
        How often each level occurs, within the errors, copies that were not asked for included.
    alike : int
        How many distinct levels grow as fast as the first one, within the errors, those included.

    Examples
    --------
    >>> matrix = models.NonHermitianXXZ(L=10, h=0.5, boundary="periodic", seed=3).matrix()
    >>> pairs = growing_levels(matrix, 2, work=50.0, left=True)
    >>> float(np.abs(matrix.T @ pairs.left.conj() - pairs.left.conj() * pairs.values).max()) < 1e-8
    True
    """

    left: NDArray[np.complex128] | None = field(default=None, repr=False)
    multiplicities: NDArray[np.intp] = field(kw_only=True)
    alike: int = field(kw_only=True)


def growing_levels(
    matrix: Matrix | scipy.sparse.csr_matrix,
    k: int,
    *,
    tolerance: float = 1e-9,
    seed: int = 0,
    work: float = WORK,
    left: bool = False,
    threads: int = 1,
) -> GrowingLevels | None:
    """Return the levels of largest Im E of a sparse matrix; of conjugate ones of a real matrix, the upper.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
        Real or complex, and large compared to k.
    k : int
        Number of levels.
    tolerance : float
        Largest residual, relative to half the width of the spectrum; at least 1e-13.
    seed : int
        Of the random vectors.
    work : float
        Products of the matrix and the block to spend, relative to n, and as many of the transposed one.
    left : bool
        Whether left eigenvectors are wanted too.
    threads : int
        How many share the evolution of the blocks; the levels are the same.

    Returns
    -------
    GrowingLevels or None
        By decreasing Im E; certified, since the transposed matrix shows the same ones, and estimated errors are at most
        1000 times the largest residual allowed. None if they did not converge: because they have the growth rate of the
        average level, or stand out too little (the block can't tell apart more than about k + 14 levels that have the
        same Im E), or are too sensitive to rounding.

    Raises
    ------
    ValueError
        If the matrix is too small, or a number is out of range.

    Examples
    --------
    >>> matrix = models.NonHermitianXXZ(L=12, h=0.5, boundary="periodic", seed=2).matrix()
    >>> pairs = growing_levels(matrix, 2)
    >>> exact = np.linalg.eigvals(matrix.toarray())
    >>> bool(np.allclose(pairs.values.imag, np.sort(exact.imag)[:-3:-1], atol=1e-9))
    True
    """
    matrix = Matrix.of(matrix)
    dim = matrix.dim
    size = k + SPARE
    require(matrix.sparse, "matrix", type(matrix.array).__name__, "a sparse matrix")
    require(k >= 1, "k", k, "at least 1")
    require(size <= dim, "matrix dimension", dim, f"at least {size} for {k} levels")
    require(1e-13 <= tolerance < 1, "tolerance", tolerance, "at least 1e-13 and less than 1")
    around = matrix.range
    if around.height <= EPS * around.width:
        return None  # all levels grow alike
    rng = np.random.default_rng(seed)
    scale = max(around.width, around.height)
    search = _Search(matrix.array, around, math.ceil(work * dim), threads)
    ritz = search.iterate(_random(rng, dim, size), k, tolerance * scale)
    if ritz is None:
        return None
    mirror = _Search(matrix.array.T.tocsr(), around, math.ceil(work * dim), threads)
    # of a normal matrix, the conjugate vectors are the left ones
    block = np.hstack([ritz.vectors[:, :k].conj(), _random(rng, dim, SPARE if left else NEW)])
    allowed = tolerance if left else max(ROUGH, tolerance)
    # until a vector with a weight of 1/n in a level is nothing but that level
    time = math.log(100 * dim) / (ritz.values[k - 1].imag - search.average)
    while True:
        mirrored = mirror.iterate(block, k, allowed * scale, time)
        if mirrored is None:
            return None
        conditions = np.maximum(ritz.conditions, _conditions(ritz, mirrored))[:k]
        needed = max(SURE / conditions.max(), tolerance)
        if allowed <= needed:
            break
        block, allowed, time = mirrored.basis, needed, 0.0
    errors = conditions * (ritz.residuals[:k] + ROUNDING * scale)
    partners = _left_vectors(ritz, mirrored, errors, 10 * tolerance * scale) if left else None
    if left and partners is None:
        return None
    converged = ritz.residuals <= COPY * tolerance * scale  # as copies of a level do, and what grows like it
    reach = np.concatenate([errors, (ritz.conditions * ritz.residuals)[k:]])
    certificate = _certificate(ritz, mirrored, errors, conditions, MAGNIFIED * tolerance * scale)
    return GrowingLevels(
        ritz.values[:k],
        certificate,
        ritz.vectors[:, :k],
        ritz.residuals[:k],
        errors,
        left=partners,
        multiplicities=_multiplicities(ritz.values[converged], k, reach[converged]),
        alike=growing_alike(ritz.values[converged], ritz.values[converged].imag, reach[converged]),
    )


def _multiplicities(values: NDArray[np.complex128], k: int, errors: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return how often each of the first k levels occurs."""
    distances = np.abs(values[:k, None] - values)
    return np.asarray(np.count_nonzero(distances <= errors[:k, None] + errors, axis=1))


def _conditions(ritz: _Ritz, mirrored: _Ritz) -> NDArray[np.float64]:
    """Return the condition number of each level with those left vectors that may be its own."""
    conditions = np.empty(len(ritz.values))
    for i, value in enumerate(ritz.values):
        distances = np.abs(mirrored.values - value)
        nearest = distances.argmin()
        own = mirrored.vectors[:, distances <= 2 * (distances[nearest] + mirrored.residuals[nearest])].conj()
        overlap = np.linalg.norm(np.linalg.qr(own)[0].conj().T @ ritz.vectors[:, i])
        conditions[i] = 1 / max(float(overlap), EPS)
    return conditions


def _left_vectors(
    ritz: _Ritz, mirrored: _Ritz, errors: NDArray[np.float64], largest_residual: float
) -> NDArray[np.complex128] | None:
    """Return the left vectors of the first levels, or None if they are not among those that have converged.

    That happens if more levels than were asked for have the smallest of the Im E, so that the choice is arbitrary.
    """
    free, chosen = list(range(len(mirrored.values))), []
    for value, error in zip(ritz.values[: len(errors)], errors, strict=True):
        distances = np.abs(mirrored.values[free] - value)
        nearest = free[distances.argmin()]
        if distances.min() > 10 * error or mirrored.residuals[nearest] > largest_residual:
            return None
        free.remove(nearest)
        chosen.append(nearest)
    return mirrored.vectors[:, chosen].conj()


def _certificate(
    ritz: _Ritz, mirrored: _Ritz, errors: NDArray[np.float64], conditions: NDArray[np.float64], allowed: float
) -> Certificate:
    """Say whether the transposed matrix shows the same growth rates, and these are accurate."""
    k = len(errors)
    distances = np.abs(ritz.values[:k].imag - mirrored.values[:k].imag)
    unlike = distances > 3 * conditions * mirrored.residuals[:k] + errors
    if unlike.any():
        seen = mirrored.values[:k].imag[unlike][0]
        return Certificate(False, f"the transposed matrix has a level with Im E = {seen:.6g}")
    if not errors.max() <= allowed:
        reason = f"errors up to {errors.max():.1g} are estimated from condition numbers up to {conditions.max():.1g}"
        return Certificate(False, f"{reason}, but {allowed:.1g} is allowed")
    return Certificate(True, f"estimated errors up to {errors.max():.1g}")


def _random(rng: np.random.Generator, dim: int, count: int) -> NDArray[np.complex128]:
    """Return random vectors of about unit norm as columns."""
    real, imag = rng.standard_normal((2, dim, count)) / math.sqrt(2 * dim)
    block: NDArray[np.complex128] = real + 1j * imag
    return block


class _Ritz(NamedTuple):
    """What a block knows of the levels, by decreasing Im E."""

    basis: NDArray[np.complex128]
    values: NDArray[np.complex128]
    vectors: NDArray[np.complex128]
    residuals: NDArray[np.float64]
    conditions: NDArray[np.float64]
    """Condition numbers of the levels within the space of the block."""


class _Search:
    """Evolution of a block, and how much of it may still be done."""

    def __init__(self, matrix: scipy.sparse.csr_matrix, around: NumericalRange, work: int, threads: int) -> None:
        self.left = self.work = work
        self.threads = threads
        radius = around.width + around.height
        self.time = min(GROWTH / around.axes(radius)[1], LONGEST / radius)
        argument = radius * self.time
        coefficients = bessel_coefficients(argument, math.ceil(argument + 12 * argument ** (1 / 3) + 20))
        self.coefficients = coefficients[: np.flatnonzero(np.abs(coefficients) > EPS)[-1] + 1]
        identity = scipy.sparse.identity(matrix.shape[0], format="csr")
        self.matrix = BlockOperator(matrix)
        is_complex = np.iscomplexobj(matrix.data)
        self.scaled = BlockOperator(
            (matrix - (around.centre if is_complex else around.centre.real) * identity) / radius
        )
        self.average = float(matrix.trace().imag) / matrix.shape[0]

    def iterate(
        self, block: NDArray[np.complex128], k: int, largest_residual: float, time: float | None = None
    ) -> _Ritz | None:
        """Evolve a block until the first levels have converged; None if that is too much work.

        If a time is given, it is evolved for that at least. New random vectors may seem to grow for a while, so that
        all of the work is theirs.
        """
        evolved = 0.0
        while True:
            ritz = self.levels(block)
            rates = ritz.values[:k].imag - self.average
            residuals = ritz.residuals[:k]
            # the growth must be known not to be that of the average level, as it is in a real spectrum
            if evolved >= (time or 0.0) and residuals.max() <= largest_residual and (residuals < rates / 2).all():
                return ritz
            if self.left < 0 or (time is None and self.is_late(rates.clip(min=EPS), residuals, largest_residual)):
                return None
            block = chebyshev_step(self.scaled, self.coefficients, ritz.basis, self.threads)
            self.left -= len(self.coefficients)
            evolved += self.time

    def levels(self, block: NDArray[np.complex128]) -> _Ritz:
        """Return the levels in the space of a block."""
        vectors = np.ascontiguousarray(scipy.linalg.qr(block, mode="economic", check_finite=False)[0])
        images = np.empty_like(vectors)
        self.matrix.apply(vectors.view(self.matrix.dtype), images.view(self.matrix.dtype))
        values, left, right = scipy.linalg.eig(vectors.conj().T @ images, left=True)
        order = np.argsort(-values.imag)
        values, left, right = values[order], left[:, order], right[:, order]
        ritz = vectors @ right
        residuals = np.linalg.norm(images @ right - ritz * values, axis=0)
        with np.errstate(divide="ignore"):
            conditions = 1 / np.abs(np.sum(left.conj() * right, axis=0))
        return _Ritz(vectors, values, ritz, residuals, conditions)

    def is_late(self, rates: NDArray[np.float64], residuals: NDArray[np.float64], largest_residual: float) -> bool:
        """Tell whether the levels will not converge with the work that is left.

        Once the levels show, their residuals fall exponentially.
        """
        spent = 1 - self.left / self.work
        if spent < SHOWN:
            return False
        due = rates / 2 * (largest_residual / rates) ** (PACE * (spent - SHOWN))
        return bool((residuals > due).any())
