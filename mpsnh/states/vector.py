"""An exact state vector in a charge sector, measured like an MPS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.language.opsum import OpSum
from mpsnh.operators.sector import Sector
from mpsnh.states.state import each_operator, entropy


@dataclass(frozen=True, eq=False)
class ExactState:
    """A state vector in a charge sector, with the interface of an `mpsnh.MPS`.

    Parameters
    ----------
    vector : ndarray, shape (dim,)
        Amplitudes; expectation values are normalised.
    sector : Sector
        The basis.

    Raises
    ------
    ValueError
        If the vector has the wrong length, vanishes or is not finite.

    Examples
    --------
    >>> triplet = ExactState(np.array([1.0, 1.0]), Sector([nh.Spin(0.5)] * 2, 0))
    >>> round(triplet.expect(nh.OpSum() + (1, "Sp", 0, "Sm", 1)).real, 12)
    0.5
    """

    vector: NDArray[Any] = field(repr=False)
    sector: Sector

    def __post_init__(self) -> None:
        require(self.vector.shape == (self.sector.dim,), "vector shape", self.vector.shape, f"({self.sector.dim},)")
        norm = np.linalg.norm(self.vector)
        if not (np.isfinite(norm) and norm > 0):
            raise ValueError(f"the state has norm {norm}, but it must be finite and positive")

    def expect(self, op: OpSum) -> complex:
        """Return ⟨R|O|R⟩/⟨R|R⟩; parts of the operator that leave the sector give zero.

        Parameters
        ----------
        op : OpSum
            Any operator.

        Returns
        -------
        complex
        """
        image = self.sector.operator(op, projected=True) @ self.vector
        return complex(np.vdot(self.vector, image) / np.vdot(self.vector, self.vector))

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
        ops = each_operator(operators, len(self.sector.sites))
        return np.array([self.expect(op) for op in ops], dtype=complex)

    def norm(self) -> float:
        """Return the norm √⟨R|R⟩, as `mpsnh.MPS.norm` does."""
        return float(np.linalg.norm(self.vector))

    def overlap(self, other: ExactState) -> complex:
        """Return ⟨other|self⟩, not normalised, in the convention of `mpsnh.MPS.overlap`.

        Parameters
        ----------
        other : ExactState
            A state in the same sector; it is conjugated.

        Returns
        -------
        complex
        """
        same = (other.sector.sites, other.sector.charge) == (self.sector.sites, self.sector.charge)
        require(same, "sector of the other state", other.sector, repr(self.sector))
        return complex(np.vdot(other.vector, self.vector))

    def entanglement_entropy(self, bond: int) -> float:
        """Return the von Neumann entropy across a bond, in natural units.

        Parameters
        ----------
        bond : int
            Between sites `bond` and `bond` + 1; from 0 to L - 2.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If there is no such bond.
        """
        dims = self.sector.dims
        require(0 <= bond < len(dims) - 1, "bond", bond, f"from 0 to {len(dims) - 2}")
        matrix = self.sector.embed(self.vector).reshape(int(np.prod(dims[: bond + 1])), -1)
        return entropy(np.linalg.svd(matrix, compute_uv=False))

    def entanglement_profile(self) -> NDArray[np.float64]:
        """Return the von Neumann entropy across every bond, in natural units.

        Returns
        -------
        ndarray, shape (L - 1,)
        """
        return np.array([self.entanglement_entropy(bond) for bond in range(len(self.sector.dims) - 1)])

    def to_vector(self) -> NDArray[Any]:
        """Return the amplitudes in the whole space, as `mpsnh.MPS.to_vector` does.

        Returns
        -------
        ndarray, shape (∏ d_j,)
        """
        return self.sector.embed(self.vector)

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the amplitudes by name, to be written to a file.

        Yields
        ------
        name : str
        array : ndarray
        """
        yield "vector", self.vector

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return a state in the same sector from what `arrays` returned.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            The amplitudes.

        Returns
        -------
        ExactState
        """
        return replace(self, vector=arrays["vector"])


class Eigenvectors(Sequence[ExactState]):
    """The columns of one matrix, each of which is a state.

    Parameters
    ----------
    matrix : ndarray, shape (dim, n)
        The states as columns.
    sector : Sector
        The basis.

    Examples
    --------
    >>> vectors = Eigenvectors(np.eye(2), Sector([nh.Spin(0.5)] * 2, 0))
    >>> len(vectors), vectors[-1].vector.tolist(), np.asarray(vectors[:1]).tolist()
    (2, [0.0, 1.0], [[1.0], [0.0]])
    """

    def __init__(self, matrix: NDArray[Any], sector: Sector) -> None:
        self.matrix, self.sector = matrix, sector

    def __len__(self) -> int:
        return int(self.matrix.shape[1])

    @overload
    def __getitem__(self, k: int) -> ExactState: ...

    @overload
    def __getitem__(self, k: slice) -> Eigenvectors: ...

    def __getitem__(self, k: int | slice) -> ExactState | Eigenvectors:
        if isinstance(k, slice):
            return Eigenvectors(self.matrix[:, k], self.sector)
        return ExactState(self.matrix[:, k], self.sector)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.matrix, dtype=dtype, copy=copy)

    def norms(self) -> NDArray[np.float64]:
        """Return the norm of each state."""
        norms: NDArray[np.float64] = np.linalg.norm(self.matrix, axis=0)
        return norms
