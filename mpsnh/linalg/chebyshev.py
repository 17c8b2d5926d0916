"""Time evolution of exact vectors by Chebyshev expansions of exp(-i H t)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.special
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.kernels.compiling import njit
from mpsnh.kernels.multivector import BlockOperator
from mpsnh.linalg.bounds import EPS, NumericalRange
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.propagator import Propagator

CROUZEIX = 1 + math.sqrt(2)
"""‖f(H)‖ is at most this times the largest |f| on the numerical range (Crouzeix & Palencia, SIMAX 38, 649 (2017))."""


LONGEST = 400.0
"""Largest argument of the Bessel functions. Nothing is gained by a longer expansion."""


STRETCHES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Half distances between the foci that are tried, minus the width of the numerical range, in units of its height."""


def bessel_coefficients(argument: float, orders: int) -> NDArray[np.float64]:
    """Return the b_k of exp(-i z x) = Σ_k (-i)^(k mod 2) b_k T_k(x), which are ± 2 J_k(z) but J_0(z).

    Parameters
    ----------
    argument : float
        The number z.
    orders : int
        How many.

    Examples
    --------
    >>> b = bessel_coefficients(1.0, 20)
    >>> even, odd = (np.polynomial.chebyshev.chebval(0.3, b * (np.arange(20) % 2 == parity)) for parity in (0, 1))
    >>> bool(np.isclose(even - 1j * odd, np.exp(-0.3j)))
    True
    """
    k = np.arange(orders)
    with np.errstate(under="ignore"):
        coefficients: NDArray[np.float64] = 2 * (-1.0) ** (k // 2 % 2) * scipy.special.jv(k, argument)
    coefficients[0] /= 2
    return coefficients


def chebyshev_blocks(
    operator: BlockOperator, ring: Sequence[NDArray[Any]], half: float = 1.0, centre: float = 0.0
) -> Iterator[NDArray[Any]]:
    """Yield T_k(X) V for k = 0, 1, 2, … without end, with X = (H - centre) / half.

    T_1 = X and T_{k+1} = 2 X T_k - T_{k-1}, of which the last is overwritten.

    Parameters
    ----------
    operator : BlockOperator
        The matrix H.
    ring : sequence of ndarray, shape (n, m)
        At least two blocks in the precision of the operator, of which the first holds V. The results go round them, so
        that each stays as it is until as many more have come.
    half, centre : float
        What the matrix is scaled and shifted by.

    Examples
    --------
    >>> blocks = chebyshev_blocks(BlockOperator(scipy.sparse.diags([0.5]).tocsr()), [np.ones((1, 1)), np.ones((1, 1))])
    >>> [float(next(blocks)[0, 0]) for _ in range(4)]
    [1.0, 0.5, -0.5, -1.0]
    """
    size = len(ring)
    yield ring[0]
    yield operator.apply(ring[0], ring[1], scale=1 / half, shift=centre)
    for k in itertools.count(2):
        block = ring[k % size]
        if size > 2:  # else T_{k-2} is there already
            np.copyto(block, ring[(k - 2) % size])
        yield operator.apply(ring[(k - 1) % size], block, scale=2 / half, shift=centre, keep=-1.0)


def chebyshev_step(
    operator: BlockOperator, coefficients: NDArray[np.float64], vectors: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    """Return Σ_k (-i)^(k mod 2) b_k T_k(A) v for one vector v or a block of them.

    Parameters
    ----------
    operator : BlockOperator
        The matrix A, in double precision. Vectors are complex even if it is real; their real and imaginary parts are
        then columns of their own.
    coefficients : ndarray
        The b_k, as from `bessel_coefficients`.
    vectors : ndarray of complex, shape (n,) or (n, m)
        The vectors.

    Examples
    --------
    >>> half = BlockOperator(scipy.sparse.diags([0.5]).tocsr())
    >>> bool(np.isclose(chebyshev_step(half, bessel_coefficients(2.0, 30), np.ones(1, complex))[0], np.exp(-1j)))
    True
    """
    start = np.ascontiguousarray(vectors).reshape(len(vectors), -1).view(operator.dtype)
    even, odd = np.zeros_like(start), np.zeros_like(start)
    blocks = chebyshev_blocks(operator, [start.copy(), np.empty_like(start)])
    for k, (coefficient, block) in enumerate(zip(coefficients, blocks, strict=False)):
        _add((odd if k % 2 else even).view(np.float64), block.view(np.float64), coefficient)
    total: NDArray[np.complex128] = even.view(complex) - 1j * odd.view(complex)
    return total.reshape(vectors.shape)


@njit()
def _add(total, term, factor):  # type: ignore[no-untyped-def]
    """Add a multiple of a block to another one, without a temporary."""
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += factor * term[i, j]


@dataclass(frozen=True)
class Expansion:
    """How exp(-i H t) is split: `steps` equal factors, each a Chebyshev series in (H - centre) / `radius`.

    The series converges in ellipses with foci centre ± radius, on the one of which around the numerical range
    Chebyshev polynomials grow as ρᵏ. With the error of a truncated series goes that of rounding, which cancellation
    magnifies by exp(growth) where it grows and shrinks again; factors are so many that both stay small relative to
    the smallest norm that the result can have.

    Parameters
    ----------
    steps : int
        Number of factors.
    radius : float
        Half of the distance between the foci.
    coefficients : ndarray
        Of the Chebyshev polynomials, as for `chebyshev_step`.

    Examples
    --------
    >>> chosen = Expansion.cheapest(NumericalRange(0j, width=10.0, height=0.5), time=100.0, tolerance=1e-12)
    >>> chosen.steps < 20, chosen.matvecs < 2500
    (True, True)
    """

    steps: int
    radius: float
    coefficients: NDArray[np.float64]

    @property
    def matvecs(self) -> int:
        """Number of products of the matrix and a vector."""
        return self.steps * (len(self.coefficients) - 1)

    @classmethod
    def cheapest(cls, around: NumericalRange, time: float, tolerance: float) -> Expansion:
        """Return the one with the fewest matrix–vector products.

        Parameters
        ----------
        around : NumericalRange
            Of the matrix.
        time : float
            The time t.
        tolerance : float
            Relative error for each unit of time, or in all if the time is shorter.
        """
        radii = {around.width + stretch * around.height for stretch in STRETCHES} - {0.0}
        if not radii or time == 0:
            return cls(1, 1.0, np.ones(1))
        return min(
            (cls._of_radius(around, time, tolerance, radius) for radius in radii), key=lambda found: found.matvecs
        )

    @classmethod
    def _of_radius(cls, around: NumericalRange, time: float, tolerance: float, radius: float) -> Expansion:
        axes = around.axes(radius)
        rho = sum(axes) / radius
        growth = axes[1] + around.height
        allowed = tolerance * max(abs(time), 1.0) / 2  # half for truncation, half for rounding
        steps, needed = 0, 1
        while steps < needed:
            steps = needed
            room = math.log(max(allowed / (EPS * steps), 2.0))
            needed = math.ceil(abs(time) * max(growth / room, radius / LONGEST))
        argument = radius * time / steps
        # J_k(z) ≤ (z/2)ᵏ/k!, so that terms beyond the last order are below exp(-60)
        coefficients = bessel_coefficients(argument, math.ceil(math.e * rho * abs(argument) / 2) + 60)
        sizes = np.abs(coefficients)
        kept = np.flatnonzero(sizes)
        sizes[kept] = np.exp(np.log(sizes[kept]) + kept * math.log(rho))
        tails = CROUZEIX * np.cumsum(sizes[::-1])[::-1]
        smallest_norm = math.exp(-around.height * abs(time) / steps)
        count = max(int(np.count_nonzero(tails > allowed / steps * smallest_norm)), 1)
        return cls(steps, radius, coefficients[:count])


class ChebyshevPropagator(Propagator):
    """The function v ↦ exp(-i H t) v of a sparse matrix, which need not be Hermitian.

    It is a product of Chebyshev expansions (Tal-Ezer & Kosloff, J. Chem. Phys. 81, 3967 (1984)), each so short that a
    non-unitary factor does not spoil it; see `Expansion`. A real matrix is applied in real arithmetic.

    Parameters
    ----------
    matrix : Matrix or csr_matrix, shape (n, n)
        The Hamiltonian H, sparse, real or complex.
    time : float
        The time t, of either sign.
    tolerance : float
        Relative error for each unit of time, or in all if the time is shorter; at least 1e-14. Errors of the vector
        that grow faster than the vector itself do so here as well.

    Attributes
    ----------
    expansion : Expansion
        How many factors, and with how many terms each.

    Raises
    ------
    ValueError
        If the matrix is not square or not finite, or a number is out of range.

    Examples
    --------
    A vector that grows beyond double precision:

    >>> gain = scipy.sparse.csr_matrix([[1j, 0.5], [0.5, -1j]])
    >>> vector, log_norm = ChebyshevPropagator(gain, 2000.0).evolve(np.array([1.0, 0.0]))
    >>> round(log_norm / 2000, 3), round(float(np.linalg.norm(vector)), 12)
    (0.866, 1.0)
    """

    def __init__(self, matrix: Matrix | scipy.sparse.csr_matrix, time: float, tolerance: float = 1e-12) -> None:
        require(math.isfinite(time), "time", time, "finite")
        require(1e-14 <= tolerance < 1, "tolerance", tolerance, "at least 1e-14 and less than 1")
        hamiltonian = Matrix.of(matrix)
        around = hamiltonian.range
        self.time = time
        self.expansion = Expansion.cheapest(around, time, tolerance)
        centre = around.centre.real if hamiltonian.real else around.centre
        identity = scipy.sparse.identity(hamiltonian.dim, format="csr")
        self._operator = BlockOperator((hamiltonian.array - centre * identity) / self.expansion.radius)
        super().__init__(self._advance, self.expansion.steps, -1j * centre * time)

    def _advance(self, vector: NDArray[np.complex128]) -> NDArray[np.complex128]:
        return chebyshev_step(self._operator, self.expansion.coefficients, vector)
