"""The levels of largest Im E of a large real matrix, by evolving a block of random vectors.

exp(-i H t) amplifies each level as exp(t Im E), so that a block of vectors, made orthonormal again and again, turns
into the space of those that grow fastest, and the levels are found in it (Rayleigh and Ritz). This is subspace
iteration with a Chebyshev filter, as in Zhou, Saad, Tiago and Chelikowsky, J. Comput. Phys. 219, 172 (2006). Unlike
in a Krylov space, the number of vectors does not rise; and unlike with a real filter, the phases of the levels do not
matter. Of a real matrix, the upper one of each conjugate pair is found.

No level above those found can be missed: a block of m random vectors lacks a level by a factor ε with probability
about ε²ᵐ, and amplifies it by more than those found. To check it, new random vectors join them and are evolved in turn
for so long that they would have grown into anything else.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.kernels.multivector import BlockOperator
from mpsnh.linalg.bounds import EPS, NumericalRange
from mpsnh.linalg.chebyshev import bessel_coefficients, chebyshev_step
from mpsnh.linalg.eigenpairs import Certificate, Eigenpairs
from mpsnh.linalg.matrix import Matrix

SPARE = 14
"""Vectors in the block besides one for each level. The more, the sooner the levels stand out from the others."""

NEW = 6
"""Random vectors that join the levels found."""

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


def growing_levels(
    matrix: Matrix | scipy.sparse.csr_matrix, k: int, *, tolerance: float = 1e-9, seed: int = 0, work: float = WORK
) -> Eigenpairs | None:
    """Return the complex levels of largest Im E of a real sparse matrix, of conjugate ones the upper.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
        Real, and large compared to k.
    k : int
        Number of levels.
    tolerance : float
        Largest residual, relative to half the width of the spectrum; at least 1e-13.
    seed : int
        Of the random vectors.
    work : float
        Products of the matrix and the block to spend, relative to n.

    Returns
    -------
    Eigenpairs or None
        By decreasing Im E; certified, since new random vectors did not grow into anything else. None if they did not
        converge, because they are not complex or stand out too little: the block can't tell apart more than about
        k + 14 levels that have the same Im E.

    Raises
    ------
    ValueError
        If the matrix is complex or too small, or a number is out of range.

    Examples
    --------
    >>> matrix = models.NonHermitianXXZ(L=12, h=0.5, boundary="periodic", seed=2).matrix()
    >>> found = growing_levels(matrix, 2)
    >>> exact = np.linalg.eigvals(matrix.toarray())
    >>> bool(np.allclose(found.values.imag, np.sort(exact.imag)[:-3:-1], atol=1e-9))
    True
    """
    matrix = Matrix.of(matrix)
    dim = matrix.dim
    size = k + SPARE
    matrix.require_real_sparse()
    require(k >= 1, "k", k, "at least 1")
    require(size <= dim, "matrix dimension", dim, f"at least {size} for {k} levels")
    require(1e-13 <= tolerance < 1, "tolerance", tolerance, "at least 1e-13 and less than 1")
    around = matrix.range
    if around.height == 0:
        return None  # a symmetric matrix
    rng = np.random.default_rng(seed)
    search = _Search(matrix.array, around, k, tolerance, math.ceil(work * dim))
    levels = search.iterate(_random(rng, dim, size), 0.0)
    while levels is not None:
        # Until a vector with a weight of 1/n in a level is nothing but that level.
        time = math.log(100 * dim) / levels.values[-1].imag
        checked = search.iterate(np.hstack([levels.vectors, _random(rng, dim, NEW)]), time)
        if checked is None or np.abs(checked.values.imag - levels.values.imag).max() <= 100 * search.largest_residual:
            return checked
        levels = checked
    return None


def _random(rng: np.random.Generator, dim: int, count: int) -> NDArray[np.complex128]:
    """Return random vectors of about unit norm as columns."""
    real, imag = rng.standard_normal((2, dim, count)) / math.sqrt(2 * dim)
    block: NDArray[np.complex128] = real + 1j * imag
    return block


class _Search:
    """Evolution of a block, and how much of it may still be done."""

    def __init__(
        self, matrix: scipy.sparse.csr_matrix, around: NumericalRange, k: int, tolerance: float, work: int
    ) -> None:
        self.k = k
        self.largest_residual = tolerance * max(around.width, around.height)
        self.left = self.work = work
        radius = around.width + around.height
        self.time = min(GROWTH / around.axes(radius)[1], LONGEST / radius)
        argument = radius * self.time
        coefficients = bessel_coefficients(argument, math.ceil(argument + 12 * argument ** (1 / 3) + 20))
        self.coefficients = coefficients[: np.flatnonzero(np.abs(coefficients) > EPS)[-1] + 1]
        identity = scipy.sparse.identity(matrix.shape[0], format="csr")
        self.matrix = BlockOperator(matrix)
        self.scaled = BlockOperator((matrix - around.centre.real * identity) / radius)

    def iterate(self, block: NDArray[np.complex128], time: float) -> Eigenpairs | None:
        """Evolve a block for a time at least, and until the levels have converged; None if that is too much work."""
        checking = time > 0
        while True:
            vectors = np.ascontiguousarray(scipy.linalg.qr(block, mode="economic", check_finite=False)[0])
            images = np.empty_like(vectors)
            self.matrix.apply(vectors.view(np.float64), images.view(np.float64))
            values, ritz = np.linalg.eig(vectors.conj().T @ images)
            first = np.argsort(-values.imag)[: self.k]
            values, ritz = values[first], ritz[:, first]
            residuals = np.linalg.norm(images @ ritz - (vectors @ ritz) * values, axis=0)
            complex_ones = residuals < values.imag / 2
            if time <= 0 and complex_ones.all() and residuals.max() <= self.largest_residual:
                largest = f"residuals up to {residuals.max():.1g}"
                return Eigenpairs(values, Certificate(checking, largest), vectors @ ritz, residuals)
            # New random vectors may seem to grow for a while; the work that remains is theirs.
            if self.left < 0 or (not checking and self.is_late(values.imag.clip(min=EPS), residuals)):
                return None
            block = chebyshev_step(self.scaled, self.coefficients, vectors)
            self.left -= len(self.coefficients)
            time -= self.time

    def is_late(self, rates: NDArray[np.float64], residuals: NDArray[np.float64]) -> bool:
        """Tell whether the levels will not converge with the work that is left.

        Once the levels show, their residuals fall exponentially.
        """
        spent = 1 - self.left / self.work
        if spent < SHOWN:
            return False
        due = rates / 2 * (self.largest_residual / rates) ** (PACE * (spent - SHOWN))
        return bool((residuals > due).any())
