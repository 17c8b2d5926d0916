"""A density matrix, measured like a state vector."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.checks import described, require, require_memory
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.sector import Sector
from mpsnh.states.state import Mixed, each_operator, entropy

ROUNDING = 1e-9
"""Deviation from a Hermitian, positive matrix, relative to the trace, that is no reason to refuse it."""


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
        If the matrix has the wrong shape or is not finite, or its trace is not positive.

    Examples
    --------
    >>> mixed = DensityMatrix(np.diag([0.75, 0, 0, 0.25]), Sector([nh.Spin(0.5)] * 2, None))
    >>> mixed.expect(OpSum() + (1, "Sz", 0)).real
    0.25
    """

    matrix: NDArray[Any] = field(repr=False)
    sector: Sector

    def __post_init__(self) -> None:
        if not isinstance(self.sector, Sector):
            raise TypeError(
                f"sector is {described(self.sector)}, but it must be a basis, as model.sector is; "
                "DensityMPS.from_matrix(matrix, sites) takes sites"
            )
        dim = self.sector.dim
        require(self.matrix.shape == (dim, dim), "matrix shape", self.matrix.shape, f"({dim}, {dim})")
        if not np.isfinite(self.matrix).all():
            raise ValueError("the density matrix has elements that are not finite")
        require(bool(np.trace(self.matrix).real > 0), "trace", np.trace(self.matrix), "positive")

    @property
    def local_sites(self) -> tuple[Site, ...]:
        """The local spaces of the chain, as `mpsnh.MPS.local_sites`."""
        return self.sector.sites

    @override
    def expect(self, op: OpSum) -> complex:
        weighted = self.sector.operator(op, projected=True).multiply(self.matrix.T)
        return complex(weighted.sum() / np.trace(self.matrix))

    @override
    def expect_each(self, *operators: str | OpSum) -> NDArray[np.complex128]:
        return np.array([self.expect(op) for op in each_operator(operators, len(self.sector.sites))], dtype=complex)

    def probabilities(self) -> NDArray[np.float64]:
        """Return the eigenvalues of ρ in increasing order, normalised to a sum of 1.

        Raises
        ------
        ValueError
            If ρ is not Hermitian or not positive, by more than rounding.

        Examples
        --------
        >>> DensityMatrix(np.diag([3.0, 0, 0, 1.0]), Sector([nh.Spin(0.5)] * 2, None)).probabilities().tolist()
        [0.0, 0.0, 0.25, 0.75]
        """
        unit = self.matrix / np.trace(self.matrix)
        skew = float(np.abs(unit - unit.conj().T).max())
        require(skew <= ROUNDING, "|ρ - ρ†|", skew, f"at most {ROUNDING:g} of the trace, as ρ must be Hermitian")
        values: NDArray[np.float64] = np.linalg.eigvalsh(unit)
        least = float(values[0])
        require(least >= -ROUNDING, "smallest eigenvalue of ρ", least, "zero or positive, as a probability is")
        return values

    @override
    def purity(self) -> float:
        return float(np.vdot(self.matrix.conj().T, self.matrix).real / np.trace(self.matrix).real ** 2)

    def entropy(self) -> float:
        """Return the von Neumann entropy -Tr ρ ln ρ of the whole chain, in natural units; it is no entanglement.

        Raises
        ------
        ValueError
            If ρ is not Hermitian or not positive, by more than rounding.

        Examples
        --------
        >>> float(round(DensityMatrix(np.eye(4), Sector([nh.Spin(0.5)] * 2, None)).entropy() / np.log(4), 12))
        1.0
        """
        return entropy(np.sqrt(np.maximum(self.probabilities(), 0.0)))

    def whole(self) -> DensityMatrix:
        """Return the same state in the whole space of the chain, of all charges.

        Raises
        ------
        MemoryError
            If that is too large.

        Examples
        --------
        >>> DensityMatrix(np.eye(2), Sector([nh.Spin(0.5)] * 2, 0)).whole().matrix.diagonal()
        array([0., 1., 1., 0.])
        """
        size = math.prod(self.sector.dims)
        require_memory(32.0 * size**2, f"a density matrix of the whole space of {len(self.sector.dims)} sites")
        matrix = np.zeros((size, size), dtype=self.matrix.dtype)
        matrix[np.ix_(self.sector.codes, self.sector.codes)] = self.matrix
        return DensityMatrix(matrix, Sector(self.sector.sites, None))

    def reduced(self, sites: Sequence[int]) -> DensityMatrix:
        """Return the state of some sites, the others traced out.

        Parameters
        ----------
        sites : sequence of int
            Neighbours, in increasing order, so that no string of fermions acts in between.

        Raises
        ------
        ValueError
            If they are no neighbours of this chain.

        Examples
        --------
        >>> triplet = DensityMatrix(np.ones((2, 2)), Sector([nh.Spin(0.5)] * 2, 0))
        >>> float(round(triplet.reduced([0]).entropy() / np.log(2), 12))
        1.0
        """
        dims, kept = self.sector.dims, list(sites)
        allowed = f"neighbours from 0 to {len(dims) - 1}, in increasing order"
        run = bool(kept) and kept == list(range(kept[0], kept[0] + len(kept)))
        require(run and kept[0] >= 0 and kept[-1] < len(dims), "sites", kept, allowed)
        split = [math.prod(dims[: kept[0]]), math.prod(dims[j] for j in kept), math.prod(dims[kept[-1] + 1 :])]
        parts = self.whole().matrix.reshape(split * 2)
        traced = np.einsum("aibajb->ij", parts)
        return DensityMatrix(traced, Sector([self.sector.sites[j] for j in kept], None))

    def log_negativity(self, bond: int) -> float:
        """Return the logarithmic negativity ln ‖ρ^T‖₁ of the parts on the left and the right of a bond.

        It is zero without entanglement, and for a pure state the Rényi entropy of order 1/2.
        (M. B. Plenio, PRL 95, 090503 (2005), Eq. 1, there with the logarithm to base 2.)

        Parameters
        ----------
        bond : int
            Between sites `bond` and `bond` + 1.

        Raises
        ------
        ValueError
            If there is no such bond, or sites are fermionic, whose partial transpose is another one.

        Examples
        --------
        >>> singlet = DensityMatrix(np.array([[1.0, -1], [-1, 1]]), Sector([nh.Spin(0.5)] * 2, 0))
        >>> float(round(singlet.log_negativity(0) / np.log(2), 12))
        1.0
        """
        dims = self.sector.dims
        require(0 <= bond < len(dims) - 1, "bond", bond, f"from 0 to {len(dims) - 2}")
        for j, site in enumerate(self.sector.sites):
            require(min(site.parities) > 0, f"site {j}", site, "not fermionic for the partial transpose")
        whole = self.whole().matrix
        parts = whole.reshape([math.prod(dims[: bond + 1]), math.prod(dims[bond + 1 :])] * 2)
        transposed = parts.swapaxes(1, 3).reshape(whole.shape)
        norm = float(np.abs(np.linalg.eigvalsh(transposed)).sum())
        return max(0.0, math.log(norm / np.trace(whole).real))

    @override
    def to_arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        yield "matrix", self.matrix

    @override
    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        return replace(self, matrix=arrays["matrix"])
