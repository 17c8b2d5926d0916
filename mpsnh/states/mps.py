"""Matrix-product states on quimb, and how they are measured: quimb's own methods all stay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from typing_extensions import override

from mpsnh.checks import require
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.bonds import local_operator
from mpsnh.operators.mpo import MPO
from mpsnh.operators.networks import qtn
from mpsnh.states.basis import require_same_basis
from mpsnh.states.blocks import Array, bond_dimensions, schmidt_values, tamed
from mpsnh.states.canonical import overlap_with_error, right_canonical
from mpsnh.states.chain import SiteMPS, require_mps
from mpsnh.states.environments import density_matrices, environments, mirrored
from mpsnh.states.plain import PATHS, plain_network
from mpsnh.states.quimb_methods import take_dense
from mpsnh.states.state import each_operator, entropy
from mpsnh.states.workspace import BlockState


@take_dense
class MPS(SiteMPS):
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

    def to_mps(self) -> MPS:
        """Return the state with dense tensors: this very state, unless it is stored by charge (`mpsnh.SymmetricMPS`).

        Examples
        --------
        >>> state = MPS.product([nh.Spin(0.5)] * 2, ["up", "up"])
        >>> state.to_mps() is state
        True
        """
        return self

    def on_sites(
        self, sites: Sequence[Site], whose: str = "the state", of: str = "the chain"
    ) -> qtn.MatrixProductState:
        """Return the same state as one of these sites, which may have other charges or operators, but the same states.

        Parameters
        ----------
        sites : sequence of Site
            The chain.
        whose, of : str
            What has the sites of this state and those that are given, for the message.

        Raises
        ------
        ValueError
            If the numbers, names or fermion parities of the states of a site differ; the message names it.

        Examples
        --------
        >>> bosons = MPS.product([nh.Boson(1)] * 2, ["0", "1"])
        >>> bosons.on_sites([nh.Fermion()] * 2)
        Traceback (most recent call last):
        ValueError: site 0 of the state has the states '0', '1', but those of the chain are 'full' (odd), 'empty'
        """
        require(len(sites) == self.L, f"number of sites of {whose}", self.L, f"{len(sites)}, as {of} has")
        if self.local_sites is None:
            dims, needed = [self.phys_dim(j) for j in range(self.L)], [site.dim for site in sites]
            require(dims == needed, f"local dimensions of {whose}", dims, f"{needed}, as {of} has")
        require_same_basis(self.local_sites, sites, whose, of)
        if self.local_sites == tuple(sites):
            return self
        known = self.local_sites is not None and all(
            a.charges == b.charges for a, b in zip(self.local_sites, sites, strict=True)
        )
        state = (self if known else self.to_mps()).copy()
        state._local_sites = tuple(sites)
        return state

    def overlap(self, other: qtn.MatrixProductState) -> complex:
        """Return ⟨other|self⟩, quimb's convention, in O(L χ³).

        Parameters
        ----------
        other : MPS
            The bra; it is conjugated. Nothing is normalised.

        Examples
        --------
        >>> plus = MPS.product([nh.Spin(0.5)] * 2, [[1, 1], [1, 1j]])
        >>> plus.overlap(MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]))
        1j
        """
        require_mps(other, "the other state")
        require(other.L == self.L, "number of sites of the other state", other.L, f"{self.L}")
        bra, ket = (state if isinstance(state, MPS) else MPS.from_TN(state) for state in (other, self))
        require_same_basis(bra.local_sites, ket.local_sites, "the other state", "this one")
        forms = [state._form() for state in (bra, ket)]
        (bras, charges, _), (kets, same, _) = forms
        if charges != same:  # only one of them is stored by charges, or by others
            bras, kets = ([{(0, 0): tensor} for tensor in state._tensors()] for state in (bra, ket))
        (bras, of_bra), (kets, of_ket) = (tamed(blocks, (0, self.L)) for blocks in (bras, kets))
        *_, last = environments(kets, bras)
        with np.errstate(over="ignore"):
            scale = np.exp(of_bra + of_ket + math.log(10) * (bra.exponent + ket.exponent))
        return complex(scale * sum(block.item() for block in last.values()))

    @override
    def norm(self, output_inds: Any = None, squared: bool = False, **options: Any) -> Any:
        """Return the norm √⟨R|R⟩, also where the squares of amplitudes are no numbers of double precision.

        Parameters
        ----------
        output_inds, squared, options
            As in quimb, which does the work if `output_inds` or `options` are given, or this is a part of a state.

        Raises
        ------
        FloatingPointError
            If it is too large for a number of double precision, or not finite.

        Examples
        --------
        >>> round(MPS.from_vector([0, 3e-170, -4e-170, 0], [nh.Spin(0.5)] * 2).norm() / 1e-170, 9)
        5.0
        """
        if output_inds is not None or options or self.num_tensors != self.L:
            return super().norm(output_inds=output_inds, squared=squared, **options)
        log_norm = self.log_norm()
        with np.errstate(over="ignore", under="ignore"):
            norm = float(np.exp((1 + squared) * log_norm))
        if norm == math.inf:
            raise FloatingPointError(f"the norm exp({log_norm:g}) is too large for a number; use log_norm()")
        return norm

    def log_norm(self) -> float:
        """Return the natural logarithm of the norm √⟨R|R⟩, which no norm is too large or too small for.

        Raises
        ------
        FloatingPointError
            If the state is not finite.

        Examples
        --------
        >>> round(MPS.product([nh.Spin(0.5)] * 400, [[3, 4]] * 400).log_norm(), 9)  # 400 ln 5
        643.775164974
        """
        blocks, _, _ = self._form()
        if not all(np.isfinite(block).all() for site in blocks for block in site.values()):
            raise FloatingPointError("the state has elements that are not finite")
        try:
            return float(self.workspace().log_norm + math.log(10) * self.exponent)
        except FloatingPointError:
            return -math.inf

    def expect(self, op: OpSum | MPO) -> complex:
        """Return the normalised expectation value ⟨R|O|R⟩/⟨R|R⟩ of an operator of any range.

        Parameters
        ----------
        op : OpSum or MPO
            The operator; a sum is compiled to an MPO of minimal bond dimension.

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
        return self._ratio(op, self.canonical_tensors())

    def expect_biorthogonal(self, op: OpSum | MPO, left: MPS) -> complex:
        """Return ⟨L|O|R⟩/⟨L|R⟩, with this state as R.

        Parameters
        ----------
        op : OpSum or MPO
            The operator.
        left : MPS
            The left state L; it is conjugated.

        Raises
        ------
        FloatingPointError
            If the states are orthogonal up to rounding, or the result is not finite.

        Examples
        --------
        >>> spins = [nh.Spin(0.5)] * 2
        >>> right, left = MPS.product(spins, [[1, 1], [1, 0]]), MPS.product(spins, ["up", "up"])
        >>> round(right.expect_biorthogonal(OpSum() + (1, "Sp", 0), left).real, 12)
        1.0
        """
        require(left.L == self.L, "number of sites of the left state", left.L, f"{self.L}")
        require_same_basis(left.local_sites, self.local_sites, "the left state", "this one")
        bras, kets = left.canonical_tensors(), self.canonical_tensors()
        overlap, error = overlap_with_error(kets, bras)
        if abs(overlap) <= error / _DIGITS:
            raise FloatingPointError(
                f"an expectation value is not finite: ⟨L|R⟩ = {abs(overlap):.1g} of the normalised states is zero up to"
                f" rounding, {error:.1g}; a left state must overlap with the right one"
            )
        return self._ratio(op, bras, kets)

    def canonical_tensors(self) -> list[Array]:
        """Return the tensors of the normalised state, in right-canonical form.

        Returns
        -------
        list of ndarray, shape (left bond, d, right bond)
            The outer bonds have dimension 1.

        Raises
        ------
        FloatingPointError
            If the norm is zero or not finite.

        Examples
        --------
        >>> state = MPS.product([nh.Spin(0.5)] * 2, [[3e200, 0], [0, 4e200]])
        >>> [round(float(abs(tensor).max()), 12) for tensor in state.canonical_tensors()]
        [1.0, 1.0]
        """
        return right_canonical(self._tensors())[0]

    def _ratio(self, op: OpSum | MPO, bras: list[Array], kets: list[Array] | None = None) -> complex:
        mpo = op if isinstance(op, qtn.MatrixProductOperator) else MPO.from_opsum(op, self._named_sites())
        require(mpo.L == self.L, "number of sites of the operator", mpo.L, str(self.L))
        kets = bras if kets is None else kets
        dims, needed = [mpo.phys_dim(j) for j in range(self.L)], [tensor.shape[1] for tensor in kets]
        require(dims == needed, "local dimensions of the operator", dims, f"{needed}, as the state has")
        bra, ket = (plain_network(tensors) for tensors in (bras, kets))
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
        blocks, charges, isometric = self._form()
        blocks, _ = tamed(blocks, isometric)
        values = np.empty(len(compiled), dtype=complex)
        densities = density_matrices(blocks, charges, [span for span, _ in compiled], isometric)
        for k, ((_, matrix), density) in enumerate(zip(compiled, densities, strict=True)):
            with np.errstate(all="ignore"):
                values[k] = np.sum(matrix * density.T) / np.trace(density)
        _require_finite(values)
        return values

    def entanglement_entropy(self, bond: int) -> float:
        """Return the von Neumann entanglement entropy across a bond, in natural units (ln 2 for a singlet).

        Parameters
        ----------
        bond : int
            Between sites `bond` and `bond` + 1; from 0 to L - 2.

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
        blocks, _, (left, right) = self._form()
        if right == left + 1 and bond in (left - 1, left):  # next to the orthogonality centre: no need to move that
            blocks, _ = tamed(blocks, (left, right))
            return entropy(schmidt_values(blocks[left] if bond == left else mirrored(blocks[left:right])[0][0]))
        return entropy(self.workspace().schmidt_values(bond))

    def entanglement_profile(self) -> NDArray[np.float64]:
        """Return the von Neumann entanglement entropy across every bond, in natural units.

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
        blocks, charges, (left, right) = self._form()
        blocks, log_scale = tamed(blocks, (left, right))
        canonical = right == left + 1
        most = max_bond or max(bond_dimensions(blocks))
        state = BlockState(blocks, charges, left if canonical else self.L - 1, most, dtype)
        state.log_norm = log_scale
        if not canonical:
            state.move_to(0)
        state.normalise()
        return state


_DIGITS = 1e-3
"""Relative error of ⟨L|R⟩ from which on it counts as zero."""


def _require_finite(values: complex | NDArray[np.complex128]) -> None:
    if not np.all(np.isfinite(values)):
        raise FloatingPointError("an expectation value is not finite: the norm has vanished or overflowed")
