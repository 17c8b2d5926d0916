"""Matrix-product states of quimb that know their local spaces: how they are made, converted and stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import cotengra
import numpy as np
import quimb.tensor as qtn
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from mpsnh.checks import require
from mpsnh.language.site import Site, chain_of
from mpsnh.states.blocks import Array, Blocks

PATHS = cotengra.AutoOptimizer()
"""Finds the order of general contractions; optimal for networks as small as one site's."""


_BOND_KEPT = 1e-15
"""Singular value, relative to the largest, up to which it is rounding of a vector."""


class SiteMPS(qtn.MatrixProductState):
    """An MPS of quimb that knows its local spaces: all but what is measured in an `mpsnh.MPS`.

    Examples
    --------
    >>> SiteMPS.product([nh.Spin(0.5)] * 2, ["up", "down"]).local_sites
    (Spin(0.5), Spin(0.5))
    """

    # With a default on the class, every inherited constructor works although it never heard of the property.
    _EXTRA_PROPS: ClassVar[tuple[str, ...]] = (*qtn.MatrixProductState._EXTRA_PROPS, "_local_sites")
    _local_sites: tuple[Site, ...] | None = None

    @override
    def _update_properties(self, cls: type, **properties: Any) -> None:
        super()._update_properties(cls, **_with_sites(properties))

    @classmethod
    @override
    def from_TN(cls, tn: qtn.TensorNetwork, **properties: Any) -> Self:
        # The sites are those of `tn` or `like` if these know them.
        cast: Self = super().from_TN(tn, **_with_sites({"current": tn} | properties, drop="current"))
        return cast

    @property
    def local_sites(self) -> tuple[Site, ...] | None:
        """The local spaces of the chain, or None if the state came from plain quimb (whose ``sites`` are numbers)."""
        return self._local_sites

    def _named_sites(self) -> tuple[Site, ...]:
        sites = self._local_sites
        if sites is None:
            raise ValueError("this MPS does not know its sites; make it with MPS.from_quimb(mps, sites)")
        if len(sites) != self.L or any(self.phys_dim(j) != site.dim for j, site in enumerate(sites)):
            raise ValueError(f"the sites {sites} no longer fit this MPS; say what they are: MPS.from_quimb(mps, sites)")
        return sites

    @override
    def flip(self, inplace: bool = False) -> Self:
        flipped: Self = super().flip(inplace=inplace)
        flipped._local_sites = None if self._local_sites is None else self._local_sites[::-1]
        return flipped

    @classmethod
    def product(cls, sites: Sequence[Site], states: Sequence[str | ArrayLike]) -> Self:
        """Make a product state.

        Parameters
        ----------
        sites : sequence of Site
            The chain.
        states : sequence of str or array_like, shape (d,)
            Name of a state, or its amplitudes, for each site.

        Returns
        -------
        MPS
            Bond dimension 1.

        Raises
        ------
        ValueError
            If the numbers of sites and states differ, or a name is unknown.

        Examples
        --------
        >>> nh.MPS.product([nh.Boson(2)] * 3, ["2", "0", [0, 1, 1]]).expect_each("n").real.tolist()
        [2.0, 0.0, 1.5]
        """
        sites = chain_of(sites)
        if isinstance(states, str):
            raise TypeError(f"states = {states!r}, but it must have a state for each site, such as [{states!r}] * L")
        require(len(states) == len(sites), "number of states", len(states), f"{len(sites)}, one a site")
        vectors = [site.vector(state) for site, state in zip(sites, states, strict=True)]
        return cls.from_tensors([vector.reshape(1, -1, 1) for vector in vectors], sites)

    @classmethod
    def from_tensors(cls, tensors: Sequence[Array], sites: Sequence[Site]) -> Self:
        """Make a state from its tensors.

        Parameters
        ----------
        tensors : sequence of ndarray, shape (left bond, d, right bond)
            The outer bonds have dimension 1.
        sites : sequence of Site
            The chain.

        Raises
        ------
        ValueError
            If the shapes do not fit each other or the sites, or an element is not finite.

        Examples
        --------
        >>> nh.MPS.from_tensors([np.ones((1, 2, 1))] * 3, [nh.Spin(0.5)] * 3).expect_each("Sx").real.tolist()
        [0.5, 0.5, 0.5]
        """
        require(len(sites) >= 2, "number of sites", len(sites), "at least 2")
        require(len(tensors) == len(sites), "number of tensors", len(tensors), f"{len(sites)}, one a site")
        end = 1
        for j, (tensor, site) in enumerate(zip(tensors, sites, strict=True)):
            shape = np.shape(tensor)
            fits = len(shape) == 3 and shape[:2] == (end, site.dim) and (j < len(sites) - 1 or shape[2] == 1)
            require(fits, f"shape of tensor {j}", shape, f"({end}, {site.dim}, next bond)")
            end = shape[2]
            if not np.isfinite(tensor).all():
                raise ValueError(f"tensor {j} of the state has elements that are not finite")
        state = cls(plain_network(tensors))
        state._local_sites = tuple(sites)
        return state

    @classmethod
    def from_vector(cls, vector: ArrayLike, sites: Sequence[Site]) -> Self:
        """Make a state from its amplitudes, exactly.

        Parameters
        ----------
        vector : array_like, shape (∏ d_j,)
            Amplitudes of the product states; the first site is the most significant digit.
        sites : sequence of Site
            The chain.

        Returns
        -------
        MPS
            Left-canonical: the norm sits on the last site.

        Examples
        --------
        >>> nh.MPS.from_vector([0, 1, -1, 0], [nh.Spin(0.5)] * 2).to_vector().real.tolist()
        [0.0, 1.0, -1.0, 0.0]
        """
        rest = np.asarray(vector, dtype=complex).reshape(1, -1)
        if not np.isfinite(rest).all():
            raise ValueError("the vector has elements that are not finite")
        require(rest.size == np.prod([s.dim for s in sites]), "vector size", rest.size, "the product of the dimensions")
        tensors = []
        for site in sites[:-1]:
            u, s, vh = np.linalg.svd(rest.reshape(rest.shape[0] * site.dim, -1), full_matrices=False)
            rank = max(1, int(np.sum(s > _BOND_KEPT * s[0])))
            tensors.append(u[:, :rank].reshape(-1, site.dim, rank))
            rest = s[:rank, None] * vh[:rank]
        return cls.from_tensors([*tensors, rest.reshape(-1, sites[-1].dim, 1)], sites)

    @classmethod
    def from_quimb(cls, mps: qtn.MatrixProductState, sites: Sequence[Site]) -> Self:
        """Make a state from a plain quimb MPS by saying what its sites are.

        Parameters
        ----------
        mps : quimb.tensor.MatrixProductState
            Any open-boundary MPS.
        sites : sequence of Site
            The chain.

        Examples
        --------
        >>> plain = qtn.MPS_computational_state("0011")
        >>> nh.MPS.from_quimb(plain, [nh.Spin(0.5)] * 4).expect_each("Sz").real.tolist()
        [0.5, 0.5, -0.5, -0.5]
        """
        return cls.from_tensors(plain_tensors(mps), sites)

    def to_quimb(self) -> qtn.MatrixProductState:
        """Return the state as a plain quimb MPS.

        Examples
        --------
        >>> type(nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "up"]).to_quimb()).__name__
        'MatrixProductState'
        """
        return qtn.MatrixProductState(self)

    def to_vector(self) -> Array:
        """Return the amplitudes of all product states.

        Returns
        -------
        ndarray, shape (∏ d_j,)
            The first site is the most significant digit.

        Examples
        --------
        >>> nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]).to_vector().real.tolist()
        [0.0, 1.0, 0.0, 0.0]
        """
        return np.asarray(plain_network(plain_tensors(self)).to_dense(optimize=PATHS)).reshape(-1)

    def site_tensors(self) -> list[Array]:
        """Return the tensors, each of shape (left bond, d, right bond).

        Returns
        -------
        list of ndarray
            Copies; the outer bonds have dimension 1.

        Examples
        --------
        >>> [t.shape for t in nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]).site_tensors()]
        [(1, 2, 1), (1, 2, 1)]
        """
        return [np.array(tensor) for tensor in plain_tensors(self)]

    @override
    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the tensors by name, to be written to a file.

        Yields
        ------
        name : str
        array : ndarray
        """
        yield from ((f"tensor{j}", tensor) for j, tensor in enumerate(plain_tensors(self)))

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return a state on the same sites from what `arrays` returned.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            The tensors.
        """
        return self.from_tensors([arrays[f"tensor{j}"] for j in range(self.L)], self._named_sites())

    @property
    def canonical_centre(self) -> int | None:
        """The site around which the state is in canonical form, or None if there is no such site."""
        left, right = self._isometric()
        first, last = (
            (left, right - 1) if right == left + 1 else plain_network(plain_tensors(self)).calc_current_orthog_center()
        )
        return int(first) if first == last else None

    def blocks(self) -> tuple[list[Blocks], list[tuple[int, ...]]]:
        """Return the tensors by blocks of conserved charge (`mpsnh.states.blocks`): here one block without charge.

        Returns
        -------
        blocks : list of dict
            For each site.
        charges : list of tuple of int
            Charge of each local state, for each site.

        Raises
        ------
        ValueError
            If a state of definite charge has lost it by operations on the network.

        Examples
        --------
        >>> blocks, charges = nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]).blocks()
        >>> blocks[0][0, 0].shape, charges
        ((1, 2, 1), [(0, 0), (0, 0)])
        """
        return [{(0, 0): tensor} for tensor in plain_tensors(self)], [(0,) * self.phys_dim(j) for j in range(self.L)]

    def _dense(self, data: Any, j: int) -> Any:
        """Return the data of the tensor of site j, with indices (left bond, physical, right bond), as an array."""
        return data

    def _isometric(self) -> tuple[int, int]:
        """How many sites from the left are left-isometric, and where the right-isometric ones at the end begin.

        quimb marks isometric tensors, and drops the mark when a tensor changes.
        """
        marks = [frozenset(self[j].left_inds or ()) for j in range(self.L)]
        bonds = [frozenset()] + [frozenset(self[j].bonds(self[j + 1])) for j in range(self.L - 1)] + [frozenset()]
        own = [frozenset([self.site_ind(j)]) for j in range(self.L)]
        left, right = 0, self.L
        while left < self.L - 1 and marks[left] == bonds[left] | own[left]:
            left += 1
        while right > left + 1 and marks[right - 1] == bonds[right] | own[right - 1]:
            right -= 1
        return left, right


def _with_sites(properties: dict[str, Any], drop: str = "") -> dict[str, Any]:
    """Add the sites of a network given as `like` or `current` to quimb's properties, unless they are there."""
    known = [getattr(properties.get(source), "local_sites", None) for source in ("like", "current")]
    kept = {name: value for name, value in properties.items() if name != drop}
    return {"local_sites": known[0] or known[1]} | kept


def plain_tensors(mps: qtn.MatrixProductState) -> list[Array]:
    """Return the tensors of a state as plain arrays, with outer bonds of dimension 1.

    Parameters
    ----------
    mps : quimb.tensor.MatrixProductState
        Any open-boundary MPS.

    Returns
    -------
    list of ndarray, shape (left bond, d, right bond)
        Views, where that is possible.

    Raises
    ------
    ValueError
        If the boundaries are periodic.

    Examples
    --------
    >>> [tensor.shape for tensor in plain_tensors(qtn.MPS_computational_state("00"))]
    [(1, 2, 1), (1, 2, 1)]
    """
    if mps.cyclic:
        raise ValueError("periodic matrix-product states are not supported; use open boundaries")
    mps = mps.copy()
    mps.ensure_bonds_exist()
    bonds = [mps.bond(j, j + 1) for j in range(mps.L - 1)]
    tensors = []
    for j in range(mps.L):
        inds = [*bonds[max(0, j - 1) : j], mps.site_ind(j), *bonds[j : j + 1]]
        data = mps[j].transpose(*inds).data
        data = np.asarray(mps._dense(data, j) if isinstance(mps, SiteMPS) else data, dtype=complex)
        data = data * 10.0 ** (mps.exponent / mps.L) if mps.exponent else data
        tensors.append(data.reshape(1 if j == 0 else data.shape[0], mps.phys_dim(j), -1))
    return tensors


def plain_network(tensors: Sequence[Array]) -> qtn.MatrixProductState:
    """Return a quimb MPS of these tensors, which undoes `plain_tensors`.

    Parameters
    ----------
    tensors : sequence of ndarray, shape (left bond, d, right bond)
        The outer bonds have dimension 1.

    Examples
    --------
    >>> plain_network([np.ones((1, 2, 3)), np.ones((3, 2, 1))]).bond_sizes()
    [3]
    """
    first, *middle, last = tensors
    return qtn.MatrixProductState([first[0], *middle, last[:, :, 0]], shape="lpr")
