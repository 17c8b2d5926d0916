"""Time evolution of exact vectors by Chebyshev expansions of exp(-i H t)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.kernels.compiling import njit
from mpsnh.kernels.multivector import BlockOperator
from mpsnh.kernels.threads import Threads
from mpsnh.linalg.bounds import EPS, NumericalRange
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.propagator import Propagator, phases

CROUZEIX = 1 + math.sqrt(2)
"""‖f(H)‖ is at most this times the largest |f| on the numerical range (Crouzeix & Palencia, SIMAX 38, 649 (2017))."""


LONGEST = 400.0
"""Largest argument of the Bessel functions. Nothing is gained by a longer expansion."""


MAGNIFICATION = 2e3
"""How much cancellation in one factor magnifies rounding, at most."""


ROUNDING = 0.5
"""Error of an element by a factor, relative to the terms that it sums up, in units of ε times their number."""


LONGEST_ARGUMENT = 1e13
"""Largest time in units of the inverse width of the spectrum: rounding it changes phases by a thousandth."""


PANEL = 16
"""Real columns that go through a series together: what it reads and writes of more would leave the cache."""


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
    signs = (-1.0) ** (k // 2 % 2) * np.where(argument < 0, (-1.0) ** k, 1.0)
    coefficients: NDArray[np.float64] = 2 * signs * _bessel(abs(argument), orders)
    coefficients[0] /= 2
    return coefficients


@njit()
def _bessel(z, orders):  # type: ignore[no-untyped-def]
    """Return J_k(z) by downward recurrence (J. C. P. Miller), which library functions are less accurate than."""
    first = int(max(orders, z + 12 * z ** (1 / 3))) + 20
    first += first % 2
    values = np.zeros(first + 2)
    if z < 1e-40:
        values[0], values[1] = 1.0, z / 2
        return values[:orders]
    values[first] = 1e-300
    for k in range(first, 0, -1):
        values[k - 1] = 2 * k / z * values[k] - values[k + 1]
        if abs(values[k - 1]) > 1e250:
            values[k - 1 :] /= 1e250
    return values[:orders] / (values[0] + 2 * values[2::2].sum())


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
    operator: BlockOperator, coefficients: NDArray[np.float64], vectors: NDArray[np.complex128], threads: int = 1
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
    threads : int
        How many share the columns; the result is the same.

    Examples
    --------
    >>> half = BlockOperator(scipy.sparse.diags([0.5]).tocsr())
    >>> bool(np.isclose(chebyshev_step(half, bessel_coefficients(2.0, 30), np.ones(1, complex))[0], np.exp(-1j)))
    True
    """
    start = np.ascontiguousarray(vectors).reshape(len(vectors), -1).view(operator.dtype)
    total = np.empty((len(vectors), start.view(complex).shape[1]), complex)

    def advance(first: int) -> None:
        panel = start.view(float)[:, first : first + PANEL].copy().view(operator.dtype)
        even, odd, _ = operator.chebyshev_series(coefficients, panel)
        columns = slice(first // 2, (first + PANEL) // 2)
        np.multiply(odd.view(complex), -1j, out=total[:, columns])
        total[:, columns] += even.view(complex)

    with Threads(threads) as pool:
        pool.map(advance, range(0, 2 * total.shape[1], PANEL))
    return total.reshape(vectors.shape)


SMALLEST = 1e-3
"""Smallest distance of the foci, relative to the height of the numerical range; the width may be that of rounding."""


@dataclass(frozen=True)
class Expansion:
    """How exp(-i H t) is split: `steps` equal factors, each a Chebyshev series in (H - centre) / `radius`.

    The series converges in ellipses with foci centre ± radius, on the one of which around the numerical range
    Chebyshev polynomials grow as ρᵏ. Cancellation in a factor magnifies rounding by exp(growth), where it grows and
    shrinks again, `MAGNIFICATION` at most; longer times have more factors, not longer ones, so that the error at a
    time does not depend on how it was reached.

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
    >>> chosen.matvecs < 2200
    True
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
            Relative error of a factor by truncation.
        """
        radii = {around.width + stretch * around.height for stretch in STRETCHES}
        # far outside of small foci polynomials grow beyond double precision
        radii = {radius for radius in radii if radius > SMALLEST * around.height}
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
        steps = math.ceil(abs(time) * max(growth / math.log(MAGNIFICATION), radius / LONGEST))
        argument = radius * time / steps
        # J_k(z) ≤ (z/2)ᵏ/k!, so that terms beyond the last order are below exp(-60)
        coefficients = bessel_coefficients(argument, math.ceil(math.e * rho * abs(argument) / 2) + 60)
        sizes = np.abs(coefficients)
        kept = np.flatnonzero(sizes)
        sizes[kept] = np.exp(np.log(sizes[kept]) + kept * math.log(rho))
        tails = CROUZEIX * np.cumsum(sizes[::-1])[::-1]
        smallest_norm = math.exp(-around.height * abs(time) / steps)
        count = max(int(np.count_nonzero(tails > tolerance * smallest_norm)), 1)
        return cls(steps, radius, coefficients[:count])


class ChebyshevPropagator(Propagator):
    """The function v ↦ exp(-i H t) v of a sparse matrix, which need not be normal or have a basis of eigenvectors.

    It is a product of Chebyshev expansions (Tal-Ezer & Kosloff, J. Chem. Phys. 81, 3967 (1984)), each so short that a
    non-unitary factor does not spoil it; see `Expansion`. A real matrix is applied in real arithmetic.

    Parameters
    ----------
    matrix : Matrix or csr_matrix, shape (n, n)
        The Hamiltonian H, sparse, real or complex.
    time : float
        The time t, of either sign.
    tolerance : float
        Relative error of a factor by truncation; at least 1e-17, which is nothing beside rounding.
    dense : bool
        Whether a factor is made as a dense matrix first, which is faster for many factors of a small matrix.

    Attributes
    ----------
    expansion : Expansion
        How many factors, and with how many terms each.

    Raises
    ------
    ValueError
        If the matrix is not square or not finite, a number is out of range, or the time is so long that its own
        rounding makes phases unknown.

    Examples
    --------
    A vector that grows beyond double precision:

    >>> gain = scipy.sparse.csr_matrix([[1j, 0.5], [0.5, -1j]])
    >>> vector, log_norm = ChebyshevPropagator(gain, 2000.0).evolve(np.array([1.0, 0.0]))
    >>> round(log_norm / 2000, 3), round(float(np.linalg.norm(vector)), 12)
    (0.866, 1.0)
    """

    def __init__(
        self,
        matrix: Matrix | scipy.sparse.csr_matrix,
        time: float,
        tolerance: float = 1e-16,
        dense: bool = False,
    ) -> None:
        require(math.isfinite(time), "time", time, "finite")
        require(1e-17 <= tolerance < 1, "tolerance", tolerance, "at least 1e-17 and less than 1")
        hamiltonian = Matrix.of(matrix)
        around = hamiltonian.range
        size = around.width + around.height
        if abs(time) * size > LONGEST_ARGUMENT:
            require(False, "time", time, f"at most {LONGEST_ARGUMENT / size:.3g} with a Hamiltonian of this size")
        self.time = time
        self.expansion = Expansion.cheapest(around, time, tolerance)
        centre = around.centre.real if hamiltonian.real else around.centre
        identity = scipy.sparse.identity(hamiltonian.dim, format="csr")
        self._operator = BlockOperator((hamiltonian.array - centre * identity) if centre else hamiltonian.array)
        steps = self.expansion.steps
        self._noise = ROUNDING * EPS * len(self.expansion.coefficients) * phases(hamiltonian.dim)
        step = self._dense_step() if dense else self._step_by_series
        super().__init__(step, steps, -1j * centre * time, 2 * around.height * abs(time) / steps)

    def _series(self, vectors: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
        """Return the even and the odd part of a factor times vectors, and the squares of all terms."""
        chosen = self.expansion
        return self._operator.chebyshev_series(chosen.coefficients, vectors, chosen.radius, sizes=True)

    def _step_by_series(self, pair: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Advance by one factor, with the rounding of all its terms."""
        even, odd, squares = self._series(np.ascontiguousarray(pair).view(self._operator.dtype))
        advanced: NDArray[np.complex128] = even.view(complex) - 1j * odd.view(complex)
        advanced[:, 1] += self._noise * np.sqrt(squares[:, 0] + squares[:, 1])
        return advanced

    def _dense_step(self) -> Callable[[NDArray[np.complex128]], NDArray[np.complex128]]:
        """Return a function that does the same with a matrix that is made once."""
        identity = np.eye(self._operator.dim, dtype=self._operator.dtype)
        even, odd, squares = self._series(identity)
        if np.iscomplexobj(identity):
            squares = squares[:, ::2] + squares[:, 1::2]
        parts = even.real + odd.imag, even.imag - odd.real, squares

        def step(pair: NDArray[np.complex128]) -> NDArray[np.complex128]:
            advanced: NDArray[np.complex128] = _multiplied(*parts, pair, self._noise)
            return advanced

        return step


@njit(fastmath={"reassoc", "contract"})
def _multiplied(real, imag, squares, pair, noise):  # type: ignore[no-untyped-def]
    """Multiply a vector and the sample of its error by a matrix, and add the rounding of this to the sample."""
    n = len(pair)
    parts, advanced = np.empty((5, n)), np.empty((n, 2), np.complex128)
    for j in range(n):
        vector, sample = pair[j, 0], pair[j, 1]
        parts[0, j], parts[1, j], parts[2, j], parts[3, j] = vector.real, vector.imag, sample.real, sample.imag
        parts[4, j] = vector.real**2 + vector.imag**2
    for i in range(n):
        x = y = u = v = size = 0.0
        for j in range(n):
            a, b = real[i, j], imag[i, j]
            x += a * parts[0, j] - b * parts[1, j]
            y += a * parts[1, j] + b * parts[0, j]
            u += a * parts[2, j] - b * parts[3, j]
            v += a * parts[3, j] + b * parts[2, j]
            size += squares[i, j] * parts[4, j]
        advanced[i, 0] = complex(x, y)
        advanced[i, 1] = complex(u, v) + noise[i] * math.sqrt(size)
    return advanced
