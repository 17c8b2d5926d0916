"""Matrix-product states of quimb that know their local spaces: how they are made, converted and stored."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from mpsnh.checks import require
from mpsnh.language.site import Site, chain_of
from mpsnh.operators.networks import qtn
from mpsnh.states.blocks import Array, Blocks
from mpsnh.states.plain import PATHS, chain_inds, plain_network, plain_tensors

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
        known = "_local_sites" in getattr(cls, "_EXTRA_PROPS", ())
        super()._update_properties(cls, **_with_sites(properties) if known else properties)

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
        if len(sites) != self.L or not self._holds(sites):
            chain_inds(self)  # which says so if this is no chain any more
            raise ValueError(f"the sites {sites} no longer fit this MPS; say what they are: MPS.from_quimb(mps, sites)")
        return sites

    def _holds(self, sites: Sequence[Site]) -> bool:
        """Tell whether the tensors may be those of these sites."""
        sizes = self.ind_sizes()
        return all(sizes.get(self.site_ind(j)) == site.dim for j, site in enumerate(sites))

    @override
    def flip(self, inplace: bool = False) -> Self:
        sites = self._local_sites
        flipped: Self = super().flip(inplace=inplace)
        flipped._local_sites = sites and sites[::-1]
        return flipped

    @override
    def swap_sites_with_compress(self, i: int, j: int, info: Any = None, inplace: bool = False, **options: Any) -> Self:
        # Of sites that are no neighbours quimb swaps neighbours, one pair after the other, by this method.
        swapped: Self = super().swap_sites_with_compress(i, j, info=info, inplace=inplace, **options)
        sites = swapped._local_sites
        if sites is not None and abs(i - j) == 1:
            first, second = sorted((i, j))
            swapped._local_sites = (*sites[:first], sites[second], sites[first], *sites[second + 1 :])
        return swapped

    swap_sites_with_compress_ = functools.partialmethod(swap_sites_with_compress, inplace=True)

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
        state = cls.from_tensors(mps._tensors() if isinstance(mps, SiteMPS) else plain_tensors(mps), sites)
        state.exponent = mps.exponent
        return state

    def to_quimb(self) -> qtn.MatrixProductState:
        """Return the state as a plain quimb MPS with dense tensors.

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
        return np.asarray(plain_network(self.site_tensors()).to_dense(optimize=PATHS)).reshape(-1)

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
        scale = 10.0 ** (self.exponent / self.L)
        return [scale * tensor for tensor in self._tensors()]

    def _tensors(self) -> list[Array]:
        """Return what `site_tensors` does, but for quimb's exponent, and as views where that is possible."""
        return plain_tensors(self)

    @override
    def to_arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the tensors by name, to be written to a file.

        Yields
        ------
        name : str
        array : ndarray
        """
        yield from ((f"tensor{j}", tensor) for j, tensor in enumerate(self.site_tensors()))

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return a state on the same sites from what `to_arrays` returned.

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
            (left, right - 1) if right == left + 1 else plain_network(self._tensors()).calc_current_orthog_center()
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
            If the network is no chain of one tensor a site any more.

        Examples
        --------
        >>> blocks, charges = nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]).blocks()
        >>> blocks[0][0, 0].shape, charges
        ((1, 2, 1), [(0, 0), (0, 0)])
        """
        blocks, charges, _ = self._form()
        scale = 10.0 ** (self.exponent / self.L)
        return [
            {key: scale * block for key, block in site.items()} for site in blocks
        ] if self.exponent else blocks, charges

    def _form(self) -> tuple[list[Blocks], list[tuple[int, ...]], tuple[int, int]]:
        """Return what `blocks` does, but for quimb's exponent, and which of them are isometric."""
        tensors = self._tensors()
        blocks = [{(0, 0): tensor} for tensor in tensors]
        return blocks, [(0,) * tensor.shape[1] for tensor in tensors], self._isometric()

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


def require_mps(state: Any, what: str) -> None:
    """Raise unless a state is a matrix-product state of a chain.

    Parameters
    ----------
    state : object
        Anything.
    what : str
        What it is, for the message.

    Raises
    ------
    TypeError
        Naming the way to one, if there is.

    Examples
    --------
    >>> require_mps(nh.states.folded.fold(nh.MPS.product([nh.Spin(0.5)] * 4, ["up"] * 4)), "the state")
    Traceback (most recent call last):
    TypeError: the state is a FoldedMPS, but it must be an MPS: to_mps() makes one of it
    """
    if not isinstance(state, qtn.MatrixProductState):
        way = ": to_mps() makes one of it" if hasattr(state, "to_mps") else ""
        raise TypeError(f"{what} is a {type(state).__name__}, but it must be an MPS{way}")


def _with_sites(properties: dict[str, Any], drop: str = "") -> dict[str, Any]:
    """Add the sites of a network given as `like` or `current` to quimb's properties, unless they are there."""
    known = [getattr(properties.get(source), "local_sites", None) for source in ("like", "current")]
    kept = {name: value for name, value in properties.items() if name != drop}
    return {"local_sites": known[0] or known[1]} | kept
