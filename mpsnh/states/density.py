"""A density matrix, measured like a state vector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.checks import require
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.sector import Sector
from mpsnh.states.state import Mixed, each_operator


@dataclass(frozen=True, eq=False)
class DensityMatrix(Mixed):
    """A density matrix ρ in a charge sector, with what an `mpsnh.MPS` and a mixed state have in common.

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

    @property
    def local_sites(self) -> tuple[Site, ...]:
        """The local spaces of the chain, as `mpsnh.MPS.local_sites`."""
        return self.sector.sites

    @override
    def purity(self) -> float:
        return float(np.linalg.norm(self.matrix) ** 2 / np.trace(self.matrix).real ** 2)

    @override
    def expect(self, op: OpSum) -> complex:
        weighted = self.sector.operator(op, projected=True).multiply(self.matrix.T)
        return complex(weighted.sum() / np.trace(self.matrix))

    @override
    def expect_each(self, *operators: str | OpSum) -> NDArray[np.complex128]:
        return np.array([self.expect(op) for op in each_operator(operators, len(self.sector.sites))], dtype=complex)

    @override
    def to_arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        yield "matrix", self.matrix

    @override
    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        return replace(self, matrix=arrays["matrix"])
