"""A density matrix, measured like a state vector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.language.opsum import OpSum
from mpsnh.operators.sector import Sector
from mpsnh.states.state import each_operator


@dataclass(frozen=True, eq=False)
class DensityMatrix:
    """A density matrix ρ in a charge sector, with the interface of an `mpsnh.MPS` as far as a mixed state has it.

    Parameters
    ----------
    matrix : ndarray, shape (dim, dim)
        ρ; expectation values are normalised.
    sector : Sector
        The basis.

    Raises
    ------
    ValueError
        If the matrix has the wrong shape, or its trace is not positive.

    Examples
    --------
    >>> mixed = DensityMatrix(np.diag([0.75, 0, 0, 0.25]), Sector([nh.Spin(0.5)] * 2, None))
    >>> mixed.expect(OpSum() + (1, "Sz", 0)).real
    0.25
    """

    matrix: NDArray[Any] = field(repr=False)
    sector: Sector

    def __post_init__(self) -> None:
        dim = self.sector.dim
        require(self.matrix.shape == (dim, dim), "matrix shape", self.matrix.shape, f"({dim}, {dim})")
        require(bool(np.trace(self.matrix).real > 0), "trace", np.trace(self.matrix), "positive")

    def expect(self, op: OpSum) -> complex:
        """Return Tr(ρO)/Tr ρ.

        Parameters
        ----------
        op : OpSum
            Any operator; parts that leave the sector give zero.

        Returns
        -------
        complex
        """
        weighted = self.sector.operator(op, projected=True).multiply(self.matrix.T)
        return complex(weighted.sum() / np.trace(self.matrix))

    def expect_each(self, *operators: str | OpSum) -> NDArray[np.complex128]:
        """Return the expectation values of many operators, given as for `mpsnh.MPS.expect_each`.

        Parameters
        ----------
        *operators : str or OpSum
            One name (every site), two names (every bond) or sums.

        Returns
        -------
        ndarray of complex
        """
        return np.array([self.expect(op) for op in each_operator(operators, len(self.sector.sites))], dtype=complex)

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the matrix by name, to be written to a file.

        Yields
        ------
        name : str
        array : ndarray
        """
        yield "matrix", self.matrix

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return a state in the same sector from what `arrays` returned.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            The matrix.

        Returns
        -------
        DensityMatrix
        """
        return replace(self, matrix=arrays["matrix"])
