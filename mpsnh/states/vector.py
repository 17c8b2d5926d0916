"""An exact state vector in a charge sector, measured like an MPS."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike, NDArray
from typing_extensions import override

from mpsnh.checks import require
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.sector import Sector
from mpsnh.states.state import Pure, each_operator, entropy

if TYPE_CHECKING:
    from mpsnh.states.mps import MPS

SMALL = 2**16
"""Rows of all matrices up to which they are kept."""


@dataclass(frozen=True, eq=False)
class ExactState(Pure):
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
    >>> round(triplet.expect(OpSum() + (1, "Sp", 0, "Sm", 1)).real, 12)
    0.5
    """

    vector: NDArray[Any] = field(repr=False)
    sector: Sector

    def __post_init__(self) -> None:
        require(self.vector.shape == (self.sector.dim,), "vector shape", self.vector.shape, f"({self.sector.dim},)")
        norm = self.norm()
        if not (np.isfinite(norm) and norm > 0):
            raise ValueError(f"the state has norm {norm}, but it must be finite and positive")

    @classmethod
    def from_mps(cls, state: MPS, sector: Sector) -> Self:
        """Return a matrix-product state, normalised, by its amplitudes in the sector that it lies in.

        Parameters
        ----------
        state : MPS
            On the sites of the sector.
        sector : Sector
            The basis, of any size; the whole space may be as large as it likes.

        Raises
        ------
        ValueError
            If the state has weight outside of the sector.
        FloatingPointError
            If its norm is zero or not finite.

        Examples
        --------
        >>> sites = [nh.Boson(2)] * 100
        >>> ExactState.from_mps(nh.MPS.product(sites, ["1"] + ["0"] * 99), Sector(sites, 1)).sector.dim
        100
        """
        from mpsnh.states.chain import require_mps  # whose quimb exact methods need not wait for

        require_mps(state, "the state")
        vector = sector.amplitudes(state.canonical_tensors())
        kept = float(np.linalg.norm(vector))
        sector.require_inside(kept**2, 1.0)
        return cls(vector / kept, sector)

    @property
    def local_sites(self) -> tuple[Site, ...]:
        """The local spaces of the chain, as `mpsnh.MPS.local_sites`."""
        return self.sector.sites

    @override
    def expect(self, op: OpSum) -> complex:
        unit = self.vector / self.norm()
        return complex(np.vdot(unit, self.sector.apply(op, unit)) / np.vdot(unit, unit))

    @override
    def expect_each(self, *operators: str | OpSum) -> NDArray[np.complex128]:
        names = tuple(name for name in operators if isinstance(name, str))
        places = len(self.sector.sites) + 1 - len(names)
        if len(names) == len(operators) in (1, 2) and places * self.sector.dim <= SMALL:
            unit = self.vector / self.norm()
            images = (_stacked(self.sector, names) @ unit).reshape(places, -1)
            return np.asarray(images @ unit.conj() / np.vdot(unit, unit).real, dtype=complex)
        ops = each_operator(operators, len(self.sector.sites))
        return np.array([self.expect(op) for op in ops], dtype=complex)

    def norm(self) -> float:
        """Return the norm √⟨R|R⟩, as `mpsnh.MPS.norm` does."""
        largest = float(np.abs(self.vector).max(initial=0.0))
        if not 0 < largest < np.inf:
            return largest
        return largest * float(np.linalg.norm(self.vector / largest))  # squares of amplitudes may under- or overflow

    @override
    def overlap(self, other: ExactState) -> complex:
        same = (other.sector.sites, other.sector.charge) == (self.sector.sites, self.sector.charge)
        require(same, "sector of the other state", other.sector, repr(self.sector))
        return complex(np.vdot(other.vector, self.vector))

    @override
    def entanglement_entropy(self, bond: int) -> float:
        return _entropy(self.halves(bond).values())

    @override
    def entanglement_profile(self) -> NDArray[np.float64]:
        return np.array([_entropy(blocks.values()) for blocks in self.sector.halves(self.vector / self.norm())])

    def halves(self, bond: int) -> dict[int, NDArray[Any]]:
        """Return the amplitudes as matrices (left part, right part), by charge of the left part; of norm 1 together.

        Parameters
        ----------
        bond : int
            Between sites `bond` and `bond` + 1.

        Raises
        ------
        ValueError
            If there is no such bond.

        Examples
        --------
        >>> triplet = ExactState(np.array([1.0, 1.0]), Sector([nh.Spin(0.5)] * 2, 0))
        >>> {charge: matrix.round(6).tolist() for charge, matrix in triplet.halves(0).items()}
        {-1: [[0.707107]], 1: [[0.707107]]}
        """
        dims = self.sector.dims
        require(0 <= bond < len(dims) - 1, "bond", bond, f"from 0 to {len(dims) - 2}")
        return next(itertools.islice(self.sector.halves(self.vector / self.norm()), bond, None))

    def to_vector(self) -> NDArray[Any]:
        """Return the amplitudes in the whole space, as `mpsnh.MPS.to_vector` does."""
        return self.sector.embed(self.vector)

    @override
    def to_arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        yield "vector", self.vector

    @override
    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        return replace(self, vector=arrays["vector"])


@functools.lru_cache(maxsize=32)
def _stacked(sector: Sector, names: tuple[str, ...]) -> scipy.sparse.csr_matrix:
    """Return the matrices of a name on all sites, or two on all bonds, one below the other."""
    ops = each_operator(names, len(sector.sites))
    return scipy.sparse.vstack([sector.operator(op, projected=True) for op in ops], format="csr")


def _entropy(blocks: Iterable[NDArray[Any]]) -> float:
    """Return the entropy across a bond, given the amplitudes by charge of the left part."""
    return entropy(np.concatenate([np.linalg.svd(block, compute_uv=False) for block in blocks]))


@dataclass(frozen=True, eq=False)
class Eigenvectors(Sequence[ExactState]):
    """States that are the columns of one matrix, as exact methods find them.

    ``eigenvectors[k]`` is a state, a slice has the same columns of the same memory, and ``np.asarray(eigenvectors)``
    is the matrix.

    Parameters
    ----------
    matrix : ndarray, shape (dim, n)
        Amplitudes of n states, of any norm.
    sector : Sector
        The basis.

    Raises
    ------
    ValueError
        If the columns have the wrong length.

    Examples
    --------
    >>> both = Eigenvectors(np.array([[1.0, 3.0], [1.0, -4.0]]), Sector([nh.Spin(0.5)] * 2, 0))
    >>> len(both), both.norms()[-1].item(), round(both[0].expect(OpSum() + (1, "Sp", 0, "Sm", 1)).real, 12)
    (2, 5.0, 0.5)
    """

    matrix: NDArray[Any] = field(repr=False)
    sector: Sector

    def __post_init__(self) -> None:
        shape, dim = np.shape(self.matrix), self.sector.dim
        require(len(shape) == 2 and shape[0] == dim, "matrix shape", shape, f"({dim}, number of states)")

    def __len__(self) -> int:
        return int(self.matrix.shape[1])

    @overload
    def __getitem__(self, index: int) -> ExactState: ...
    @overload
    def __getitem__(self, index: slice) -> Eigenvectors: ...
    @override
    def __getitem__(self, index: int | slice) -> ExactState | Eigenvectors:
        if isinstance(index, slice):
            return replace(self, matrix=self.matrix[:, index])
        return ExactState(self.matrix[:, operator.index(index)], self.sector)

    @override
    def __contains__(self, state: object) -> bool:
        """Tell whether a state has the amplitudes of one of these, to the last bit."""
        if not isinstance(state, ExactState) or state.sector != self.sector:
            return False
        return bool((self.matrix == state.vector[:, None]).all(axis=0).any())

    def norms(self) -> NDArray[np.float64]:
        """Return the norm of each state."""
        return np.asarray(np.linalg.norm(self.matrix, axis=0))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.matrix, dtype=dtype, copy=copy)
