"""Functions that advance a vector in time, keep its norm apart, and say how far rounding may have led it astray."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mpsnh.kernels.compiling import njit
from mpsnh.linalg.bounds import EPS

Vector = NDArray[np.complex128]

SAFETY = 20.0
"""Estimated errors are this times a random one: an error along one direction alone is larger in 1 of 400 cases."""

LARGEST_ERROR = 2.0
"""Of a normalised vector; what is known of one when nothing is."""

LARGEST_SAMPLE = 1e6
"""Norm to which a sample of the error is scaled down when it has left the vector far behind."""


@functools.lru_cache(maxsize=8)
def phases(dim: int) -> Vector:
    """Return random phases, the same at every call, as a change of the diagonal of any matrix.

    Parameters
    ----------
    dim : int
        How many.

    Examples
    --------
    >>> bool(np.allclose(abs(phases(5)), 1)), phases(5) is phases(5)
    (True, True)
    """
    chosen: Vector = np.exp(2j * np.pi * np.random.default_rng(dim).random(dim))
    return chosen


def normalise(pair: NDArray[np.complex128]) -> tuple[float, float]:
    """Divide a vector and the sample of its error by the norm of the vector.

    Parameters
    ----------
    pair : ndarray, shape (n, 2)
        The two, which are changed.

    Returns
    -------
    log_norm : float
        Logarithm of the norm that the vector had.
    sample : float
        Norm of the sample, which is scaled down to `LARGEST_SAMPLE`.

    Raises
    ------
    FloatingPointError
        If the norm is zero or not finite.

    Examples
    --------
    >>> normalise(np.array([[4.0, 1.0], [3.0, 0.0]], complex))[1]
    0.2
    """
    norm, sample = _normalise(pair, LARGEST_SAMPLE)
    if not 0 < norm < math.inf:
        raise FloatingPointError(f"the norm of the vector is {norm}, but it must be finite and positive")
    return math.log(norm), sample


@njit()
def _normalise(pair, most):  # type: ignore[no-untyped-def]
    """Divide both by the norm of the first, and the second again if it is then larger than `most`."""
    norms = np.zeros(2)
    for k in range(2):
        largest = 0.0
        for i in range(len(pair)):
            largest = max(largest, abs(pair[i, k].real), abs(pair[i, k].imag))
        unit = largest if 0 < largest < np.inf else 1.0
        for i in range(len(pair)):
            norms[k] += (pair[i, k].real / unit) ** 2 + (pair[i, k].imag / unit) ** 2
        norms[k] = math.sqrt(norms[k]) * unit
    norm = norms[0]
    if norm > 0 and norm < np.inf:
        sample = norms[1] / norm
        known = sample < np.inf
        shrink = min(most / sample, 1.0) if known and sample > 0 else 1.0
        for i in range(len(pair)):
            pair[i, 0] /= norm
            pair[i, 1] = pair[i, 1] / norm * shrink if known else most * pair[i, 0]
        norms[1] = sample * shrink if known else most
    return norm, norms[1]


@dataclass(frozen=True, eq=False)
class Evolving:
    """A vector on its way, with a sample of the error that rounding has led to so far.

    The sample is what the vector would differ by if the matrix had a random, fixed change of relative size ε: it is
    carried along by the same steps, which amplify or damp it as they do the true error. Rounding is such a change, of
    the vector's elements and of the matrix's own. The estimates are `SAFETY` times its norm. They are of first order,
    which fails once the error is as large as the vector; from then on the estimates say no more than what holds for
    any vector.

    Parameters
    ----------
    pair : ndarray, shape (n, 2)
        The vector, of unit norm, and the sample.
    log_norm : float
        The natural logarithm of the norm that the vector has.
    slack : float
        What the error of `log_norm` has besides: from adding up, and from times when the vector was lost.

    Examples
    --------
    >>> start = Evolving.of(np.array([3.0, 4.0]))
    >>> start.vector.real.tolist(), max(start.errors) < 1e-14
    ([0.6, 0.8], True)
    """

    pair: NDArray[np.complex128]
    log_norm: float = 0.0
    slack: float = 0.0

    @classmethod
    def of(cls, vector: NDArray[np.complexfloating] | NDArray[np.floating], *, exact: bool = True) -> Evolving:
        """Return a vector at the beginning, known to rounding; its norm is what `log_norm` counts from.

        Parameters
        ----------
        vector : ndarray, shape (n,)
            Of any norm.
        exact : bool
            Whether each element is known to rounding, so that zeros are exact, or only the vector as a whole.

        Raises
        ------
        FloatingPointError
            If its norm is zero or not finite.
        """
        start = np.asarray(vector, dtype=complex)
        sizes = start if exact else np.full(len(start), np.linalg.norm(start) / math.sqrt(len(start)), dtype=complex)
        pair = np.stack([start, EPS * phases(len(start)) * sizes], axis=1)
        normalise(pair)
        return cls(pair)

    @property
    def vector(self) -> Vector:
        """The vector, of unit norm."""
        return self.pair[:, 0]

    @functools.cached_property
    def errors(self) -> tuple[float, float]:
        """Estimated distance of the vector from the right one, both normalised and of one phase; and of `log_norm`."""
        along, across = (SAFETY * float(size) for size in _along_and_across(self.pair))
        square = along**2 + across**2
        rest = square + SAFETY * EPS  # what is of second order, and of the last digit
        error, of_norm = (LARGEST_ERROR if square >= 1 else min(size + rest, LARGEST_ERROR) for size in (across, along))
        return error, of_norm + self.slack


@njit()
def _along_and_across(pair):  # type: ignore[no-untyped-def]
    """Return the norms of the parts of the sample that are parallel and orthogonal to the vector."""
    overlap, across = 0j, 0.0
    for vector, sample in pair:
        overlap += vector.conjugate() * sample
    for vector, sample in pair:
        rest = sample - overlap * vector
        across += rest.real**2 + rest.imag**2
    return abs(overlap), math.sqrt(across)


class Propagator:
    """A linear map of vectors that is a step repeated many times, each so short that the norm stays in range.

    Parameters
    ----------
    step : callable
        Takes a vector and the sample of its error, shape (n, 2), and returns both after a step, with the error of the
        step added to the sample (see `Evolving`).
    times : int
        How often.
    log_factor : complex
        Logarithm of a number that the result is multiplied by.
    spread : float
        How much the logarithms of the norms of two vectors can grow apart in one step, at most.

    Examples
    --------
    A vector that grows beyond double precision:

    >>> vector, log_norm = Propagator(lambda pair: 2 * pair, times=2000).evolve(np.array([1.0, 0.0]))
    >>> vector.real.tolist(), round(log_norm / np.log(2))
    ([1.0, 0.0], 2000)
    """

    def __init__(
        self,
        step: Callable[[NDArray[np.complex128]], NDArray[np.complex128]],
        times: int,
        log_factor: complex = 0.0,
        spread: float = 0.0,
    ) -> None:
        self._step, self.times, self._log_factor, self._spread = step, times, complex(log_factor), spread

    def advance(self, start: Evolving) -> Evolving:
        """Advance a vector and the sample of its error.

        Parameters
        ----------
        start : Evolving
            At the beginning.

        Raises
        ------
        FloatingPointError
            If a norm is zero or not finite.
        """
        pair, growth, slack, factor = start.pair, 0.0, start.slack, self._log_factor
        for _ in range(self.times):
            pair = self._step(pair)
            more, sample = normalise(pair)
            growth += more
            slack += EPS * (4 + abs(growth)) + (self._spread if SAFETY * sample >= 1 else 0.0)
        log_norm = start.log_norm + growth + factor.real
        slack += EPS * (abs(log_norm) + abs(growth) + 2 * abs(factor.real))
        return Evolving(pair * np.exp(1j * factor.imag), log_norm, slack)

    def evolve(self, vector: Vector) -> tuple[Vector, float]:
        """Advance a vector.

        Parameters
        ----------
        vector : ndarray, shape (n,)
            At the beginning.

        Returns
        -------
        vector : ndarray of complex, shape (n,)
            At the end, of unit norm.
        log_norm : float
            The natural logarithm of the norm that it had, which may be out of the range of double precision itself.

        Raises
        ------
        FloatingPointError
            If a norm is zero or not finite.
        """
        start = Evolving.of(vector)
        end = self.advance(start)
        return end.vector, end.log_norm + math.log(float(np.linalg.norm(vector)))

    def __call__(self, vector: Vector) -> Vector:
        """Return the vector at the end, which is infinite or zero if its norm over- or underflows."""
        evolved, log_norm = self.evolve(vector)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            result: Vector = evolved * np.exp(log_norm)
        return result
