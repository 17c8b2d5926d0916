"""Models that evolve by whole periods, as circuits of gates."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.model import Model
from mpsnh.checks import require, require_memory
from mpsnh.language import circuit
from mpsnh.linalg.propagator import Propagator
from mpsnh.operators.sector import LEAK


class FloquetModel(Model):
    """A model that evolves by whole periods; a new model must only write `layers`.

    The gates need not be unitary. Time is counted in periods.

    Examples
    --------
    >>> import scipy.linalg
    >>> class Kicked(FloquetModel):
    ...     angle: float = 0.1
    ...     def layers(self):
    ...         kick = scipy.linalg.expm(-1j * self.angle * self.sites[0].op("X"))
    ...         return [tuple(nh.Gate(kick, (j,)) for j in range(self.L))]
    >>> bool(np.allclose(np.abs(np.linalg.eigvals(Kicked(L=2).matrix())), 1))
    True
    """

    time_units: ClassVar[str] = "period"

    @abstractmethod
    def layers(self) -> list[circuit.Layer]:
        """Return the layers of gates of one period, in the order in which they act."""

    def check_time_step(self, dt: float) -> None:
        """Raise unless the step is one period.

        Parameters
        ----------
        dt : float
            Must be 1.

        Raises
        ------
        ValueError
            If it is not.
        """
        require(dt == 1, "dt", dt, "1, since a Floquet model advances by whole periods")

    def step(self, dt: float = 1.0, order: int = 2) -> list[circuit.Layer]:
        """Return the gates of one period.

        Parameters
        ----------
        dt : float
            Must be 1: one period.
        order : int
            Ignored, since a period is not split.

        Returns
        -------
        list of Layer

        Raises
        ------
        ValueError
            If `dt` is not 1.
        """
        self.check_time_step(dt)
        return self.layers()

    def matrix(self) -> NDArray[np.complex128]:
        """Return the map of one period in the model's sector.

        Returns
        -------
        ndarray, shape (dim, dim)

        Raises
        ------
        ValueError
            If the gates do not conserve the charge.
        MemoryError
            If the matrix does not fit in memory.
        """
        basis = self.sector
        size = float(np.prod(basis.dims, dtype=float))
        require_memory(3 * 16 * size * basis.dim, f"the {size:.3g} × {basis.dim} Floquet map")
        columns = np.zeros((int(size), basis.dim), dtype=complex)
        columns[basis.codes, np.arange(basis.dim)] = 1
        columns = self._period(columns)
        inside = columns[basis.codes]
        if np.linalg.norm(columns) ** 2 - np.linalg.norm(inside) ** 2 > LEAK * np.linalg.norm(columns) ** 2:
            raise ValueError(f"the gates do not conserve the charge {self.charge}; use charge=None for the whole space")
        return inside

    def propagator(self, time: float) -> Propagator:
        """Return the function that applies a whole number of periods, gate by gate.

        Parameters
        ----------
        time : float
            Number of periods.

        Returns
        -------
        callable
            Takes and returns a vector of the sector.

        Raises
        ------
        ValueError
            If `time` is not a whole number.
        """
        require(time >= 0 and float(time).is_integer(), "time", time, "a whole number of periods")
        basis = self.sector
        return Propagator(lambda vector: basis.project(self._period(basis.embed(vector))), int(time))

    def _period(self, vectors: NDArray[np.complex128]) -> NDArray[np.complex128]:
        dims = self.sector.dims
        for layer in self.layers():
            for gate in layer:
                vectors = circuit.apply_gate(vectors, gate, dims)
        return vectors

    def growth(self, eigenvalues: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return log |λ|, the growth of the norm of each eigenstate in one period.

        Parameters
        ----------
        eigenvalues : ndarray of complex
            Eigenvalues of the map of one period.

        Returns
        -------
        ndarray
        """
        with np.errstate(divide="ignore"):
            return np.log(np.abs(eigenvalues))
