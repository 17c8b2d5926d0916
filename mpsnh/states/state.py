"""What a quantum state is to those who measure it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.opsum import OpSum


def each_operator(operators: Sequence[str | OpSum], L: int) -> list[OpSum]:
    """Resolve the arguments of `MPS.expect_each` into one sum for each value.

    Parameters
    ----------
    operators : sequence of str or OpSum
        One name, two names, or sums.
    L : int
        Number of sites.

    Raises
    ------
    TypeError
        If names and sums are mixed, or there are more than two names.

    Examples
    --------
    >>> len(each_operator(["Sz", "Sz"], 4))
    3
    """
    sums = [op for op in operators if isinstance(op, OpSum)]
    if len(sums) == len(operators):
        return sums
    names = [op for op in operators if isinstance(op, str)]
    if len(names) != len(operators) or len(names) > 2:
        raise TypeError(f"expect_each takes one name, two names or OpSums, not {operators!r}")
    if len(names) == 1:
        return [OpSum([(1, names[0], j)]) for j in range(L)]
    return [OpSum([(1, names[0], j, names[1], j + 1)]) for j in range(L - 1)]


def entropy(singular_values: NDArray[np.floating[Any]]) -> float:
    """Return the von Neumann entropy of a Schmidt spectrum, normalising it first.

    Parameters
    ----------
    singular_values : ndarray
        Schmidt values, of any norm.

    Returns
    -------
    float
        In natural units, not negative.

    Raises
    ------
    FloatingPointError
        If they vanish or are not finite.

    Examples
    --------
    >>> entropy(np.array([3.0, 0.0]))
    0.0
    """
    total = float(np.sum(singular_values**2))
    if not 0 < total < np.inf:
        raise FloatingPointError(f"the norm of the state became {total**0.5}")
    p = singular_values**2 / total
    p = p[p > 0]
    return float(max(0.0, -np.sum(p * np.log(p))))


@runtime_checkable
class State(Protocol):
    """All that observables can measure of a quantum state, pure or mixed, and how it is stored."""

    def expect(self, op: OpSum, /) -> complex:
        """Return the normalised expectation value of an operator of any range: ⟨R|O|R⟩/⟨R|R⟩, or Tr(ρO)/Tr ρ.

        Parameters
        ----------
        op : OpSum
            Any operator; parts that leave a state's sector give zero.
        """
        ...

    def expect_each(self, *operators: str | OpSum) -> NDArray[np.complex128]:
        """Return the normalised expectation values of many local operators at once.

        Parameters
        ----------
        *operators : str or OpSum
            One name (that operator on every site), two names (their product on every bond) or sums.

        Returns
        -------
        ndarray of complex
            Shape (L,) for one name, (L - 1,) for two, else one value for each sum.
        """
        ...

    def to_arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield all there is to know of the state besides its sites, by name, to be written to a file."""
        ...

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return a state of the same kind and on the same sites from the arrays of another one.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            What `to_arrays` yielded.
        """
        ...


@runtime_checkable
class Pure(State, Protocol):
    """A state that one vector describes, so that the entropy of a part of it measures entanglement."""

    def overlap(self, other: Self, /) -> complex:
        """Return ⟨other|self⟩; nothing is normalised.

        Parameters
        ----------
        other : Pure
            The bra, a state of the same kind; it is conjugated.
        """
        ...

    def norm(self) -> float:
        """Return √⟨ψ|ψ⟩."""
        ...

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
        """
        ...

    def entanglement_profile(self) -> NDArray[np.float64]:
        """Return the von Neumann entanglement entropy across every bond, in natural units.

        Raises
        ------
        FloatingPointError
            If the state has vanished or is not finite.
        """
        ...


@runtime_checkable
class Mixed(State, Protocol):
    """A state that a density operator describes."""

    def purity(self) -> float:
        """Return Tr ρ² / (Tr ρ)², 1 for a pure state."""
        ...


@runtime_checkable
class MatrixProduct(State, Protocol):
    """A state that is a product of tensors, pure or mixed."""

    def max_bond(self) -> int:
        """Return the largest bond dimension."""
        ...
