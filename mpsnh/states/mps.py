"""Matrix-product states on quimb: behaviour is added, quimb's own methods all stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import cotengra
import numpy as np
import quimb.tensor as qtn
from numpy.typing import ArrayLike, DTypeLike, NDArray

from mpsnh.checks import require
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.bonds import local_operator
from mpsnh.operators.mpo import MPO
from mpsnh.states.blocks import Blocks, bond_dimensions, density_matrices, environments, mirrored, schmidt_values
from mpsnh.states.canonical import right_canonical
from mpsnh.states.state import each_operator, entropy
from mpsnh.states.workspace import BlockState

Array = NDArray[np.complex128]


PATHS = cotengra.AutoOptimizer()
"""Finds the order of general contractions; optimal for networks as small as one site's."""


_BOND_KEPT = 1e-15


class MPS(qtn.MatrixProductState):
    """A matrix-product state that knows its local spaces, so that operators can be given by name.

    Make one with `product`, `from_vector`, `from_tensors` or `from_quimb`.
    All methods of `quimb.tensor.MatrixProductState` work and keep the type.
    Expectation values are right–right and normalised, ⟨R|O|R⟩/⟨R|R⟩, in whatever gauge the state is.

    Examples
    --------
    >>> neel = MPS.product([nh.Spin(0.5)] * 4, ["up", "down"] * 2)
    >>> neel.expect_each("Sz").real.tolist()
    [0.5, -0.5, 0.5, -0.5]
    >>> round(neel.expect(OpSum() + (1, "Sz", 0, "Sz", 3)).real, 12)
    -0.25
    """

    # With a default on the class, every inherited constructor works although it never heard of the property.
    _EXTRA_PROPS: ClassVar[tuple[str, ...]] = (*qtn.MatrixProductState._EXTRA_PROPS, "_local_sites")
    _local_sites: tuple[Site, ...] | None = None

    def _update_properties(self, cls: type, **properties: Any) -> None:
        super()._update_properties(cls, **_with_sites(properties))

    @classmethod
    def from_TN(cls, tn: qtn.TensorNetwork, **properties: Any) -> Self:
        """Cast a network as an MPS, as quimb does; the sites are those of `tn` or ``like`` if these know them."""
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

    def flip(self, inplace: bool = False) -> Self:
        """Reverse the order of the sites, of the tensors and of `local_sites`, as quimb does."""
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
        >>> MPS.product([nh.Boson(2)] * 3, ["2", "0", [0, 1, 1]]).expect_each("n").real.tolist()
        [2.0, 0.0, 1.5]
        """
        require(len(states) == len(sites), "number of states", len(states), f"{len(sites)}, one a site")
        vectors = [
            site.state(state) if isinstance(state, str) else np.asarray(state, dtype=complex)
            for site, state in zip(sites, states, strict=True)
        ]
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

        Returns
        -------
        MPS

        Raises
        ------
        ValueError
            If the shapes do not fit each other or the sites, or an element is not finite.

        Examples
        --------
        >>> MPS.from_tensors([np.ones((1, 2, 1))] * 3, [nh.Spin(0.5)] * 3).expect_each("Sx").real.tolist()
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
        state = cls(_network(tensors))
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
        >>> MPS.from_vector([0, 1, -1, 0], [nh.Spin(0.5)] * 2).to_vector().real.tolist()
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

        Returns
        -------
        MPS

        Examples
        --------
        >>> plain = qtn.MPS_computational_state("0011")
        >>> MPS.from_quimb(plain, [nh.Spin(0.5)] * 4).expect_each("Sz").real.tolist()
        [0.5, 0.5, -0.5, -0.5]
        """
        return cls.from_tensors(_tensors(mps), sites)

    def to_quimb(self) -> qtn.MatrixProductState:
        """Return the state as a plain quimb MPS.

        Returns
        -------
        quimb.tensor.MatrixProductState

        Examples
        --------
        >>> type(MPS.product([nh.Spin(0.5)] * 2, ["up", "up"]).to_quimb()).__name__
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
        >>> MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]).to_vector().real.tolist()
        [0.0, 1.0, 0.0, 0.0]
        """
        return np.asarray(_network(_tensors(self)).to_dense(optimize=PATHS)).reshape(-1)

    def site_tensors(self) -> list[Array]:
        """Return the tensors, each of shape (left bond, d, right bond).

        Returns
        -------
        list of ndarray
            Copies; the outer bonds have dimension 1.

        Examples
        --------
        >>> [t.shape for t in MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]).site_tensors()]
        [(1, 2, 1), (1, 2, 1)]
        """
        return [np.array(tensor) for tensor in _tensors(self)]

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the tensors by name, to be written to a file.

        Yields
        ------
        name : str
        array : ndarray
        """
        yield from ((f"tensor{j}", tensor) for j, tensor in enumerate(_tensors(self)))

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return a state on the same sites from what `arrays` returned.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            The tensors.

        Returns
        -------
        MPS
        """
        return self.from_tensors([arrays[f"tensor{j}"] for j in range(self.L)], self._named_sites())

    @property
    def canonical_centre(self) -> int | None:
        """The site around which the state is in canonical form, or None if there is no such site."""
        left, right = self._isometric()
        first, last = (left, right - 1) if right == left + 1 else _network(_tensors(self)).calc_current_orthog_center()
        return int(first) if first == last else None

    def overlap(self, other: qtn.MatrixProductState) -> complex:
        """Return ⟨other|self⟩, quimb's convention, in O(L χ³).

        Parameters
        ----------
        other : MPS
            The bra; it is conjugated. Nothing is normalised.

        Returns
        -------
        complex

        Examples
        --------
        >>> plus = MPS.product([nh.Spin(0.5)] * 2, [[1, 1], [1, 1j]])
        >>> plus.overlap(MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]))
        1j
        """
        require(other.L == self.L, "number of sites of the other state", other.L, f"{self.L}")
        bra, ket = (state if isinstance(state, MPS) else MPS.from_TN(state) for state in (other, self))
        (bras, charges), (kets, same) = bra.blocks(), ket.blocks()
        if charges != same:  # only one of them is stored by charges
            bras, kets = ([{(0, 0): tensor} for tensor in _tensors(state)] for state in (bra, ket))
        *_, last = environments(kets, bras)
        return complex(sum(each.item() for each in last.values()))

    def expect(self, op: OpSum | MPO) -> complex:
        """Return the normalised expectation value ⟨R|O|R⟩/⟨R|R⟩ of an operator of any range.

        Parameters
        ----------
        op : OpSum or MPO
            The operator; a sum is compiled to an MPO of minimal bond dimension.

        Returns
        -------
        complex

        Raises
        ------
        FloatingPointError
            If the result is not finite (norm under- or overflow).

        Examples
        --------
        >>> singlet = MPS.from_vector([0, 1, -1, 0], [nh.Spin(0.5)] * 2)
        >>> round(singlet.expect(OpSum() + (1, "Sp", 0, "Sm", 1)).real, 12)
        -0.5
        """
        return self._ratio(op, self)

    def expect_biorthogonal(self, op: OpSum | MPO, left: MPS) -> complex:
        """Return ⟨L|O|R⟩/⟨L|R⟩, with this state as R.

        Parameters
        ----------
        op : OpSum or MPO
            The operator.
        left : MPS
            The left state L; it is conjugated.

        Returns
        -------
        complex

        Raises
        ------
        FloatingPointError
            If the result is not finite, because the states are orthogonal or their norms under- or overflow.

        Examples
        --------
        >>> spins = [nh.Spin(0.5)] * 2
        >>> right, left = MPS.product(spins, [[1, 1], [1, 0]]), MPS.product(spins, ["up", "up"])
        >>> round(right.expect_biorthogonal(OpSum() + (1, "Sp", 0), left).real, 12)
        1.0
        """
        return self._ratio(op, left)

    def _ratio(self, op: OpSum | MPO, left: MPS) -> complex:
        mpo = MPO.from_opsum(op, self._named_sites()) if isinstance(op, OpSum) else op
        for what, length in (("operator", mpo.L), ("left state", left.L)):
            require(length == self.L, f"number of sites of the {what}", length, str(self.L))
        # Of unit norm and in canonical form, nothing in the contraction can over- or underflow.
        bra, ket = (_network(right_canonical(_tensors(state))[0]) for state in (left, self))
        bra = bra.conj()
        norm = (bra & ket).contract(slice(0, self.L), optimize=PATHS)
        bra.reindex_({bra.site_ind(j): mpo.upper_ind(j) for j in range(self.L)})
        ket.reindex_({ket.site_ind(j): mpo.lower_ind(j) for j in range(self.L)})
        value = (bra & mpo & ket).contract(slice(0, self.L), optimize=PATHS)
        with np.errstate(all="ignore"):
            ratio = complex(np.divide(value, norm))
        _require_finite(ratio)
        return ratio

    def expect_each(self, *operators: str | OpSum) -> NDArray[np.complex128]:
        """Return the normalised expectation values of many local operators in one O(L χ³) sweep.

        Parameters
        ----------
        *operators : str or OpSum
            One name: that operator on every site.
            Two names: their product on every bond, the first on the left site.
            Sums: each of them; each must act on few neighbouring sites.

        Returns
        -------
        ndarray of complex
            Shape (L,) for one name, (L - 1,) for two, else one value for each sum.

        Raises
        ------
        TypeError
            If names and sums are mixed, or there are more than two names.
        FloatingPointError
            If a result is not finite (norm under- or overflow).

        Examples
        --------
        >>> neel = MPS.product([nh.Spin(0.5)] * 4, ["up", "down"] * 2)
        >>> neel.expect_each("Sz", "Sz").real.tolist()
        [-0.25, -0.25, -0.25]
        >>> neel.expect_each(OpSum() + (2, "Sz", 1)).real.tolist()
        [-1.0]
        """
        sites = self._named_sites()
        compiled = [local_operator(op, sites) for op in each_operator(operators, self.L)]
        blocks, charges = self.blocks()
        values = np.empty(len(compiled), dtype=complex)
        densities = density_matrices(blocks, charges, [span for span, _ in compiled], self._isometric())
        for k, ((_, matrix), density) in enumerate(zip(compiled, densities, strict=True)):
            with np.errstate(all="ignore"):
                values[k] = np.sum(matrix * density.T) / np.trace(density)
        _require_finite(values)
        return values

    def blocks(self) -> tuple[list[Blocks], list[tuple[int, ...]]]:
        """Return the tensors by blocks of conserved charge (`mpsnh.states.blocks`), here one block without charge.

        Returns
        -------
        blocks : list of dict
            For each site.
        charges : list of tuple of int
            Charge of each local state, for each site.

        Examples
        --------
        >>> blocks, charges = MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]).blocks()
        >>> blocks[0][0, 0].shape, charges
        ((1, 2, 1), [(0, 0), (0, 0)])
        """
        return [{(0, 0): tensor} for tensor in _tensors(self)], [(0,) * self.phys_dim(j) for j in range(self.L)]

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

    def entanglement_entropy(self, bond: int) -> float:
        """Return the von Neumann entanglement entropy across a bond, in natural units (ln 2 for a singlet).

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
        FloatingPointError
            If the state has vanished or is not finite.

        Examples
        --------
        >>> round(MPS.from_vector([0, 1, -1, 0], [nh.Spin(0.5)] * 2).entanglement_entropy(0), 12)
        0.69314718056
        """
        require(0 <= bond < self.L - 1, "bond", bond, f"from 0 to {self.L - 2}")
        left, right = self._isometric()
        if right == left + 1 and bond in (left - 1, left):  # next to the orthogonality centre: no need to move that
            blocks, _ = self.blocks()
            return entropy(schmidt_values(blocks[left] if bond == left else mirrored(blocks[left:right])[0][0]))
        return entropy(self.workspace().schmidt_values(bond))

    def entanglement_profile(self) -> NDArray[np.float64]:
        """Return the von Neumann entanglement entropy across every bond, in natural units.

        Returns
        -------
        ndarray, shape (L - 1,)

        Raises
        ------
        FloatingPointError
            If the state has vanished or is not finite.

        Examples
        --------
        >>> MPS.product([nh.Spin(0.5)] * 3, ["up", "down", "up"]).entanglement_profile().tolist()
        [0.0, 0.0]
        """
        workspace = self.workspace()
        return np.array([entropy(workspace.schmidt_values(bond)) for bond in range(self.L - 1)])

    def workspace(self, max_bond: int | None = None, dtype: DTypeLike = np.complex128) -> BlockState:
        """Return a copy, of unit norm and in canonical form, in memory where gates can act on it.

        Parameters
        ----------
        max_bond : int, optional
            Largest bond dimension that there is to be room for; that of this state if not given.
        dtype : dtype
            complex128 or complex64.

        Returns
        -------
        BlockState

        Raises
        ------
        ValueError
            If `max_bond` is less than the state needs.
        FloatingPointError
            If the norm is zero or not finite.

        Examples
        --------
        >>> MPS.from_vector([0, 1, -1, 0], [nh.Spin(0.5)] * 2).workspace().bond_dimensions()
        [1, 2, 1]
        """
        blocks, charges = self.blocks()
        left, right = self._isometric()
        canonical = right == left + 1
        most = max_bond or max(bond_dimensions(blocks))
        state = BlockState(blocks, charges, left if canonical else self.L - 1, most, dtype)
        if not canonical:
            state.move_to(0)
        state.normalise()
        return state


def _with_sites(properties: dict[str, Any], drop: str = "") -> dict[str, Any]:
    """Add the sites of a network given as `like` or `current` to quimb's properties, unless they are there."""
    known = [getattr(properties.get(source), "local_sites", None) for source in ("like", "current")]
    kept = {name: value for name, value in properties.items() if name != drop}
    return {"local_sites": known[0] or known[1]} | kept


def _tensors(mps: qtn.MatrixProductState) -> list[Array]:
    """Tensors in the order (left, physical, right), with outer bonds of dimension 1."""
    if mps.cyclic:
        raise ValueError("periodic matrix-product states are not supported; use open boundaries")
    mps = mps.copy()
    mps.ensure_bonds_exist()
    bonds = [mps.bond(j, j + 1) for j in range(mps.L - 1)]
    tensors = []
    for j in range(mps.L):
        inds = [*bonds[max(0, j - 1) : j], mps.site_ind(j), *bonds[j : j + 1]]
        data = mps[j].transpose(*inds).data
        data = np.asarray(mps._dense(data, j) if isinstance(mps, MPS) else data, dtype=complex)
        data = data * 10.0 ** (mps.exponent / mps.L) if mps.exponent else data
        tensors.append(data.reshape(1 if j == 0 else data.shape[0], mps.phys_dim(j), -1))
    return tensors


def _network(tensors: Sequence[Array]) -> qtn.MatrixProductState:
    first, *middle, last = tensors
    return qtn.MatrixProductState([first[0], *middle, last[:, :, 0]], shape="lpr")


def _require_finite(values: complex | NDArray[np.complex128]) -> None:
    if not np.all(np.isfinite(values)):
        raise FloatingPointError("an expectation value is not finite: the norm has vanished or overflowed")
