"""Density operators in matrix-product form, measured like state vectors."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from mpsnh.checks import require, require_memory
from mpsnh.language.doubled import DoubledSite, on_kets
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.lindblad import doubled
from mpsnh.operators.localise import localise
from mpsnh.states.mps import MPS
from mpsnh.states.state import Mixed, each_operator
from mpsnh.states.traced import Traced
from mpsnh.states.vectorised import (
    as_matrix,
    as_vector,
    covector,
    difference_tensors,
    emphasis,
    equal_weights,
    projector,
    require_density,
    require_one_parity,
    stored,
)

MOST_OPEN = 4096
"""Largest dimension of the sites that a reduced density matrix is made of."""


@dataclass(frozen=True, eq=False)
class DensityMPS(Mixed):
    """A density operator ρ as a matrix-product state |ρ⟩⟩ of sites that hold a ket and a bra.

    All that is measured is relative to the trace, which may be too large or small for a number. Make one with
    `from_pure`, `infinite_temperature`, `product` or `from_matrix`; `mpsnh.algorithms.DensityTEBD` yields them.

    Parameters
    ----------
    mps : MPS
        |ρ⟩⟩, on sites of `DoubledSite`, as those of ``model.lindbladian()``.
    weight : float
        By what the identity on each site is multiplied in `mps` (`emphasis`); 1 for |ρ⟩⟩ itself.

    Raises
    ------
    TypeError
        If the sites are others.

    Examples
    --------
    >>> mixed = DensityMPS.infinite_temperature([nh.Spin(0.5)] * 40)
    >>> bool(abs(mixed.expect_each("Sz")).max() < 1e-15), round(float(mixed.renyi_entropy() / np.log(2)), 9)
    (True, 40.0)
    """

    mps: MPS
    weight: float = 1.0

    def __post_init__(self) -> None:
        sites = self.mps.local_sites
        if sites is None or not all(isinstance(site, DoubledSite) for site in sites):
            raise TypeError(
                "a DensityMPS needs an MPS of doubled sites, such as those of model.lindbladian(); "
                "DensityMPS.from_pure(state) makes one of a pure state"
            )

    @classmethod
    def from_pure(cls, state: MPS) -> Self:
        """Return |ψ⟩⟨ψ|, whose bond dimensions are the squares of those of |ψ⟩.

        Parameters
        ----------
        state : MPS
            |ψ⟩, of any norm; it must know its sites.

        Raises
        ------
        ValueError
            If it is a superposition of even and odd numbers of fermions.

        Examples
        --------
        >>> DensityMPS.from_pure(nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"])).expect_each("Sz").real.tolist()
        [0.5, -0.5]
        """
        sites, tensors = state._named_sites(), state.canonical_tensors()
        require_one_parity(tensors, sites)
        sizes = [16.0 * (t.shape[0] * t.shape[1] * t.shape[2]) ** 2 for t in tensors]
        require_memory(4 * sum(sizes), f"the density operator of a state of bond dimension {state.max_bond()}")
        return cls(stored(list(projector(tensors, sites)), doubled(sites)))

    @classmethod
    def infinite_temperature(cls, sites: Sequence[Site], charge: int | None = None) -> Self:
        """Return the state in which all states of a charge, or all there are, have the same probability.

        Parameters
        ----------
        sites : sequence of Site
            The chain.
        charge : int, optional
            The charge.

        Raises
        ------
        ValueError
            If no state has this charge.

        Examples
        --------
        >>> DensityMPS.infinite_temperature([nh.Spin(0.5)] * 4, charge=2).expect_each("Sz").real.round(12).tolist()
        [0.25, 0.25, 0.25, 0.25]
        """
        if charge is None:
            return cls.product(sites, [np.eye(site.dim) for site in sites])
        return cls(stored(equal_weights(sites, charge), doubled(sites)))

    @classmethod
    def product(cls, sites: Sequence[Site], states: Sequence[str | ArrayLike]) -> Self:
        """Return a product of states of single sites.

        Parameters
        ----------
        sites : sequence of Site
            The chain.
        states : sequence of str or array_like
            For each site the name of a state, its amplitudes (shape (d,)) or its density matrix (shape (d, d)).

        Raises
        ------
        ValueError
            If a matrix is no density operator: not Hermitian, not positive, of trace zero, or not even in fermions.

        Examples
        --------
        >>> spins = [nh.Spin(0.5)] * 2
        >>> DensityMPS.product(spins, ["up", np.diag([0.75, 0.25])]).expect_each("Sz").real.tolist()
        [0.5, 0.25]
        """
        require(len(states) == len(sites), "number of states", len(states), f"{len(sites)}, one a site")
        matrices = []
        for j, (site, state) in enumerate(zip(sites, states, strict=True)):
            matrix = np.asarray(state if not isinstance(state, str) else 0, dtype=complex)
            if matrix.ndim != 2:
                vector = site.vector(state)
                matrix = np.outer(vector, vector.conj())
            require_density(matrix, [site], f"states[{j}]")
            matrices.append(matrix / np.trace(matrix))
        return cls(stored([matrix.reshape(1, -1, 1) for matrix in matrices], doubled(sites)))

    @classmethod
    def from_matrix(cls, matrix: ArrayLike, sites: Sequence[Site]) -> Self:
        """Return a density matrix of the whole space in this form, exactly.

        Parameters
        ----------
        matrix : array_like, shape (∏ d_j, ∏ d_j)
            ρ; the first site is the most significant digit.
        sites : sequence of Site
            The chain.

        Raises
        ------
        ValueError
            If it is no density matrix.

        Examples
        --------
        >>> DensityMPS.from_matrix(np.diag([0.5, 0, 0, 0.5]), [nh.Spin(0.5)] * 2).expect_each("Sz", "Sz").real.tolist()
        [0.25]
        """
        array = np.asarray(matrix, dtype=complex)
        require_density(array, sites, "matrix")
        pairs = doubled(sites)
        state = MPS.from_vector(as_vector(array / np.trace(array), sites), pairs)
        return cls(stored(state.site_tensors(), pairs))

    @functools.cached_property
    def local_sites(self) -> tuple[Site, ...]:
        """The local spaces of the chain, as `mpsnh.MPS.local_sites`."""
        return tuple(site.single for site in self._pairs)

    @functools.cached_property
    def _pairs(self) -> tuple[DoubledSite, ...]:
        return tuple(site for site in self.mps.local_sites or () if isinstance(site, DoubledSite))

    def max_bond(self) -> int:
        """Return the largest bond dimension."""
        return int(self.mps.max_bond())

    def _covector(self, j: int, names: tuple[str, ...] = ()) -> NDArray[Any]:
        """Return what takes the trace over a site after operators have acted on it."""
        return covector(self._pairs[j], names, self.weight)

    @functools.cached_property
    def _traced(self) -> Traced:
        blocks, charges = self.mps.blocks()
        return Traced(blocks, charges, [self._covector(j) for j in range(self.mps.L)])

    def log_trace(self) -> complex:
        """Return the logarithm of the trace of ρ as it is stored; all that is measured is relative to it.

        Raises
        ------
        ValueError
            If the trace is zero up to rounding.
        """
        return self._traced.log_trace

    @override
    def expect(self, op: OpSum) -> complex:
        value = 0j
        for local in localise(on_kets(op), self._pairs):
            covectors = {j: self._covector(j, names) for j, names in local.matrices.items()}
            value += local.term.coefficient * self._traced.ratio(covectors)
        return value

    @override
    def expect_each(self, *operators: str | OpSum) -> NDArray[np.complex128]:
        return np.array([self.expect(op) for op in each_operator(operators, self.mps.L)], dtype=complex)

    def reduced(self, sites: Sequence[int]) -> NDArray[np.complex128]:
        """Return the density matrix of a few sites, of trace 1.

        Parameters
        ----------
        sites : sequence of int
            In increasing order; the first one is the most significant digit.

        Raises
        ------
        ValueError
            If there are no such sites, or they have too many states.

        Examples
        --------
        >>> DensityMPS.infinite_temperature([nh.Spin(0.5)] * 9).reduced([4]).real.round(12).tolist()
        [[0.5, 0.0], [0.0, 0.5]]
        """
        L, where = self.mps.L, list(sites)
        known = bool(where) and where == sorted(set(where)) and where[0] >= 0 and where[-1] < L
        require(known, "sites", where, f"numbers from 0 to {L - 1} in increasing order")
        chosen = [self.local_sites[j] for j in where]
        dim = math.prod(site.dim for site in chosen)
        require(dim <= MOST_OPEN, "sites", where, f"fewer, since these have {dim} states and {MOST_OPEN} is the most")
        opened = self._traced.open(where).reshape([site.dim**2 for site in chosen])
        for k, site in enumerate(chosen):
            opened = np.moveaxis(np.tensordot(emphasis(site, 1 / self.weight), opened, (1, k)), 0, k)
        return as_matrix(opened.ravel(), chosen)

    def smallest_eigenvalue(self, width: int = 2) -> float:
        """Return the smallest eigenvalue of the density matrices of neighbours, which is negative if ρ is no state.

        Parameters
        ----------
        width : int
            How many neighbours.

        Examples
        --------
        >>> DensityMPS.product([nh.Spin(0.5)] * 3, [np.diag([0.75, 0.25])] * 3).smallest_eigenvalue(width=1)
        0.25
        """
        L = self.mps.L
        require(1 <= width <= L, "width", width, f"from 1 to {L}")
        pairs = (self.reduced(range(j, j + width)) for j in range(L - width + 1))
        return float(min(np.linalg.eigvalsh((pair + pair.conj().T) / 2)[0] for pair in pairs))

    def log_negativity(self, first: Sequence[int], second: Sequence[int]) -> float:
        """Return the logarithmic negativity of two groups of sites, ln ‖ρ^{T₂}‖₁, when the others are traced out.

        (G. Vidal and R. F. Werner, PRA 65, 032314 (2002), Eq. 4, in natural units.)

        Parameters
        ----------
        first, second : sequence of int
            The groups, each in increasing order.

        Raises
        ------
        ValueError
            If they share sites, or there are fermions, of which the partial transpose is another one.

        Examples
        --------
        >>> singlet = nh.MPS.from_vector([0, 1, -1, 0], [nh.Spin(0.5)] * 2)
        >>> round(DensityMPS.from_pure(singlet).log_negativity([0], [1]), 12)  # ln 2
        0.69314718056
        """
        require(not set(first) & set(second), "second", list(second), f"sites that are not in first = {list(first)}")
        where = sorted([*first, *second])
        chosen = [self.local_sites[j] for j in where if 0 <= j < self.mps.L]
        if any(min(site.parities) < 0 for site in chosen):
            raise ValueError("log_negativity is that of spins and bosons; the partial transpose of fermions is another")
        n, dims = len(where), [site.dim for site in chosen]
        axes = list(range(2 * n))
        matrix = self.reduced(where).reshape(dims + dims)
        for place in (where.index(j) for j in second):
            axes[place], axes[n + place] = axes[n + place], axes[place]
        transposed = matrix.transpose(axes).reshape(math.prod(dims), -1)
        return float(max(0.0, np.log(np.linalg.svd(transposed, compute_uv=False).sum())))

    def renyi_entropy(self) -> float:
        """Return the second Rényi entropy -ln (Tr ρ² / (Tr ρ)²) of the whole chain, where `purity` may be too small."""
        plain = self.weighted(1.0)
        return 2 * (plain.log_trace().real - plain.mps.log_norm())

    @override
    def purity(self) -> float:
        return math.exp(-self.renyi_entropy())

    def operator_entanglement(self) -> NDArray[np.float64]:
        """Return the operator entanglement across every bond: the von Neumann entropy of |ρ⟩⟩ / ‖ρ‖, a pure state.

        It says which bond dimension ρ needs, and is not the entanglement of the two parts.

        Examples
        --------
        >>> DensityMPS.infinite_temperature([nh.Spin(0.5)] * 3).operator_entanglement().tolist()
        [0.0, 0.0]
        """
        return self.weighted(1.0).mps.entanglement_profile()

    def hermiticity(self) -> float:
        """Return ‖ρ - ρ†‖ / ‖ρ‖, in the Hilbert–Schmidt norm, after ρ is divided by its trace.

        Examples
        --------
        >>> DensityMPS.infinite_temperature([nh.Spin(0.5)] * 3).hermiticity() < 1e-14
        True
        """
        plain = self.weighted(1.0)
        phase = np.exp(1j * plain.log_trace().imag / plain.mps.L)
        tensors = [tensor / phase for tensor in plain.mps.canonical_tensors()]
        adjoint = []
        for tensor, site in zip(tensors, self.local_sites, strict=True):
            left, right = tensor.shape[0], tensor.shape[2]
            swapped = tensor.conj().reshape(left, site.dim, site.dim, right).transpose(0, 2, 1, 3)
            odd = np.not_equal.outer(np.array(site.parities), np.array(site.parities))
            # of an even number 2m of odd sites, exchanging their kets and bras makes the sign (-1)^m
            adjoint.append((swapped * np.where(odd, 1j, 1)[:, :, None]).reshape(tensor.shape))
        difference = MPS.from_tensors(difference_tensors(tensors, adjoint), self._pairs)
        return math.exp(difference.log_norm())

    def to_dense(self) -> NDArray[np.complex128]:
        """Return ρ / Tr ρ as a matrix of the whole space; the first site is the most significant digit.

        Examples
        --------
        >>> DensityMPS.product([nh.Spin(0.5)] * 2, ["up", "down"]).to_dense().diagonal().real.tolist()
        [0.0, 1.0, 0.0, 0.0]
        """
        return self.reduced(range(self.mps.L))

    def weighted(self, weight: float) -> Self:
        """Return the same density operator with another weight of identities in its tensors.

        Parameters
        ----------
        weight : float
            As the parameter of the class.

        Examples
        --------
        >>> state = DensityMPS.product([nh.Spin(0.5)] * 2, ["up", "down"])
        >>> state.weighted(2.0).expect_each("Sz").real.round(12).tolist()
        [0.5, -0.5]
        """
        if weight == self.weight:
            return self
        matrices = [emphasis(site.single, weight / self.weight) for site in self._pairs]
        tensors = [np.einsum("st,atb->asb", w, t) for w, t in zip(matrices, self.mps.canonical_tensors(), strict=True)]
        return replace(self, mps=stored(tensors, self._pairs), weight=weight)

    @override
    def to_arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        yield from self.mps.to_arrays()

    @override
    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        return replace(self, mps=self.mps.with_arrays(arrays))
