"""Expectation values of any operators, and correlations of all pairs of sites."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.capability import Capability
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.snapshot import Snapshot
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.bonds import local_operator
from mpsnh.operators.localise import localise, product_matrix
from mpsnh.states.correlations import correlation_matrix
from mpsnh.states.mps import MPS
from mpsnh.states.vector import ExactState

HERMITIAN = 1e-14
"""Deviation of a local matrix from its adjoint, relative to its largest element, up to which it is Hermitian."""


NEAR = 4
"""Number of neighbouring sites on which an operator is measured together with others."""


class Expectation(Observable[Snapshot]):
    """The expectation value ⟨O⟩ of any operator, normalised; real where it must be.

    Parameters
    ----------
    operator : str, OpSum or sequence of OpSum
        A name, for that operator on every site; a sum, of any range, for one number; or one sum for each entry, such as
        one for each bond.
    along : str, optional
        Name of the dimension of several values: "site" for a name, "term" for sums, if not given.

    Raises
    ------
    ValueError
        If the model's sites have no such operator.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=4)
    >>> bonds = [OpSum([(1, "Sz", j, "Sz", j + 1)]) for j in range(3)]
    >>> wanted = {"sz": Expectation(operator="Sz"), "zz": Expectation(operator=bonds, along="bond")}
    >>> data = nh.Simulation(chain, algorithms.NHTEBD(dt=0.1, t_max=0.1), wanted).run()
    >>> data["sz"][0].values.tolist(), data["zz"][0].values.round(9).tolist()
    ([0.5, -0.5, 0.5, -0.5], [-0.25, -0.25, -0.25])
    """

    measures = Snapshot
    long_name = "expectation value"
    operator: str | OpSum | Sequence[OpSum]
    along: str | None = None

    @override
    def validate(self) -> None:
        several = not isinstance(self.operator, str | OpSum)
        if several:
            sums = tuple(self.operator) if isinstance(self.operator, Iterable) else ()
            if not sums or not all(isinstance(one, OpSum) for one in sums):
                allowed = "the name of an operator, an OpSum or a list of OpSums"
                raise TypeError(f"operator = {self.operator!r}, but it must be {allowed}")
            object.__setattr__(self, "operator", sums)
        single = isinstance(self.operator, OpSum)
        require(self.along is None or not single, "along", self.along, "left out, as the sum has one value")
        dims = () if single else (self.along or ("term" if several else "site"),)
        object.__setattr__(self, "dims", dims)

    def sums(self, model: Model) -> tuple[OpSum, ...]:
        """Return the operators, one for each value.

        Parameters
        ----------
        model : Model
            Says how many sites there are.
        """
        if isinstance(self.operator, str):
            return tuple(OpSum([(1, self.operator, j)]) for j in range(model.L))
        return (self.operator,) if isinstance(self.operator, OpSum) else tuple(self.operator)

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        for op in self.sums(model):
            localise(op, model.sites)

    @override
    def __call__(self, record: Snapshot, model: Model) -> NDArray[Any] | complex:
        """Return ⟨O⟩: one number, or one for each operator."""
        state, sums = record.state, self.sums(model)
        if isinstance(self.operator, str):
            values = state.expect_each(self.operator)
        elif all(_local(op) for op in sums):
            values = state.expect_each(*sums)
        else:
            values = np.array([state.expect(op) for op in sums])
        found: NDArray[Any] = values.real if all(_hermitian(op, model.sites) for op in sums) else values
        return found[0].item() if isinstance(self.operator, OpSum) else found


def _local(op: OpSum) -> bool:
    """Tell whether an operator acts on few neighbouring sites, so that one sweep may measure many such."""
    places = [site for term in op for _, site in term.factors]
    return not places or max(places) - min(places) < NEAR


@functools.lru_cache(maxsize=1024)  # the same for all records
def _hermitian(op: OpSum, sites: tuple[Site, ...]) -> bool:
    """Tell whether an operator is its own adjoint; of one that reaches far, whether each term has its adjoint there."""
    if _local(op):
        matrix = local_operator(op, sites)[1]
        return bool(np.abs(matrix - matrix.conj().T).max() <= HERMITIAN * np.abs(matrix).max())
    terms: list[tuple[complex, dict[int, NDArray[Any]]]] = [
        (term.term.coefficient, {j: product_matrix(sites[j], names) for j, names in term.matrices.items()})
        for term in localise(op, sites)
    ]
    return all(any(_adjoint(term, other) for other in terms) for term in terms)


def _adjoint(one: tuple[complex, dict[int, NDArray[Any]]], other: tuple[complex, dict[int, NDArray[Any]]]) -> bool:
    """Tell whether two products of one-site matrices, with their coefficients, are adjoint to each other."""
    return (
        abs(one[0] - np.conj(other[0])) <= HERMITIAN * abs(one[0])
        and one[1].keys() == other[1].keys()
        and all(np.allclose(matrix, other[1][j].conj().T, rtol=0, atol=HERMITIAN) for j, matrix in one[1].items())
    )


class CorrelationMatrix(Observable[Snapshot]):
    """The correlations ⟨a_i b_j⟩ of all pairs of sites, complex.

    Parameters
    ----------
    first, second : str
        Names of the operators a and b; fermionic ones get their Jordan–Wigner strings.
    connected : bool
        Whether to subtract ⟨a_i⟩⟨b_j⟩.

    Raises
    ------
    ValueError
        If the model's sites have no such operators, or they do not conserve the parity of fermions together.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=4)
    >>> wanted = {"zz": CorrelationMatrix(first="Sz", second="Sz", connected=True)}
    >>> data = nh.Simulation(chain, algorithms.ExactEvolution(dt=1.0, t_max=1.0), wanted).run()
    >>> data["zz"].dims, bool(abs(data["zz"][-1].sum()) < 1e-12)
    (('time', 'site', 'other_site'), True)
    """

    measures = Snapshot
    dims = ("site", "other_site")
    long_name = "correlations of pairs of sites"
    first: str
    second: str
    connected: bool = False

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        ends = {(0, 0), (0, model.L - 1), (model.L - 1, 0)}
        localise(OpSum.sum((1, self.first, i, self.second, j) for i, j in ends), model.sites)

    @override
    def __call__(self, record: Snapshot, model: Model) -> NDArray[np.complex128]:
        """Return ⟨a_i b_j⟩ for all i and j."""
        values = correlation_matrix(record.state, self.first, self.second)
        if self.connected and not self.first.startswith("c"):  # an odd operator has no average
            singles = (record.state.expect_each(name) for name in (self.first, self.second))
            values = values - np.outer(*singles)
        return values


class BiorthogonalExpectation(Observable[Spectrum]):
    """The biorthogonal expectation value ⟨L|O|R⟩/⟨L|R⟩ of one level, complex.

    Parameters
    ----------
    operator : str or OpSum
        A name, for that operator on every site, or a sum for one number.
    level : int
        The place of the level in the spectrum.

    Raises
    ------
    FloatingPointError
        If ⟨L|R⟩ is zero up to rounding, as at an exceptional point.
    ArithmeticError
        If the level is degenerate.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=6, gamma=0.3, h=1.0)
    >>> wanted = {"sz": BiorthogonalExpectation(operator="Sz")}
    >>> data = nh.Simulation(chain, algorithms.ExactDiag(vectors="both"), wanted).run()
    >>> data["sz"].dims, bool(abs(data["sz"].sum()) < 1e-12)
    (('site',), True)
    """

    measures = Spectrum
    needs = frozenset([Capability.RIGHT_VECTORS, Capability.LEFT_VECTORS])
    long_name = "biorthogonal expectation value"
    operator: str | OpSum
    level: int = 0

    @override
    def validate(self) -> None:
        if not isinstance(self.operator, str | OpSum):
            raise TypeError(f"operator = {self.operator!r}, but it must be the name of an operator or an OpSum")
        require(self.level >= 0, "level", self.level, "zero or positive")
        object.__setattr__(self, "dims", ("site",) if isinstance(self.operator, str) else ())

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        for op in self._sums(model):
            localise(op, model.sites)

    def _sums(self, model: Model) -> tuple[OpSum, ...]:
        return Expectation(operator=self.operator).sums(model)

    @override
    def __call__(self, record: Spectrum, model: Model) -> NDArray[np.complex128] | complex:
        """Return ⟨L|O|R⟩/⟨L|R⟩: one number, or one for each site."""
        assert record.left is not None  # it is needed
        copies = record.copies(self.level)
        if copies > 1:
            raise ArithmeticError(
                f"level {self.level} is degenerate: {copies} levels are the same within their errors, and each of "
                "their vectors has its own values"
            )
        right, left = record.state(self.level), record.left[self.level]
        if isinstance(right, MPS) and isinstance(left, MPS):
            values = np.array([right.expect_biorthogonal(op, left) for op in self._sums(model)])
        else:
            matrices = [model.sector.operator(op, projected=True) for op in self._sums(model)]
            values = _between(cast(ExactState, left).vector, cast(ExactState, right).vector, matrices)
        return values[0].item() if isinstance(self.operator, OpSum) else values


def _between(left: NDArray[Any], right: NDArray[Any], matrices: Sequence[Any]) -> NDArray[np.complex128]:
    left, right = left / np.linalg.norm(left), right / np.linalg.norm(right)
    overlap = np.vdot(left, right)
    if abs(overlap) <= len(left) * np.finfo(float).eps:
        raise FloatingPointError(f"⟨L|R⟩ = {abs(overlap):.1g} of the normalised states is zero up to rounding")
    return np.array([np.vdot(left, matrix @ right) / overlap for matrix in matrices])
