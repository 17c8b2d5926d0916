"""Functions that advance a vector in time and keep its norm apart, so that nothing over- or underflows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.complex128]


class Propagator:
    """A linear map of vectors that is a step repeated many times, each so short that the norm stays in range.

    Parameters
    ----------
    step : callable
        Takes and returns a vector.
    times : int
        How often.
    log_factor : complex
        Logarithm of a number that the result is multiplied by.

    Examples
    --------
    A vector that grows beyond double precision:

    >>> vector, log_norm = Propagator(lambda v: 2 * v, times=2000).evolve(np.array([1.0, 0.0]))
    >>> vector.real.tolist(), round(log_norm / np.log(2))
    ([1.0, 0.0], 2000)
    """

    def __init__(self, step: Callable[[Vector], Vector], times: int, log_factor: complex = 0.0) -> None:
        self._step, self._times, self._log_factor = step, times, complex(log_factor)

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
        log_norm = self._log_factor.real
        evolved = np.ascontiguousarray(vector, dtype=complex).copy()
        for step in range(self._times + 1):
            evolved = self._step(evolved) if step else evolved
            norm = float(np.linalg.norm(evolved))
            if not 0 < norm < math.inf:
                raise FloatingPointError(f"the norm of the vector is {norm}, but it must be finite and positive")
            evolved = evolved / norm
            log_norm += math.log(norm)
        return evolved * np.exp(1j * self._log_factor.imag), log_norm

    def __call__(self, vector: Vector) -> Vector:
        """Return the vector at the end, which is infinite or zero if its norm over- or underflows."""
        evolved, log_norm = self.evolve(vector)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            result: Vector = evolved * np.exp(log_norm)
        return result
