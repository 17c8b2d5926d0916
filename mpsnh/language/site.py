"""Local Hilbert spaces: named operators, named states and a conserved charge for each state."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpsnh.checks import described, did_you_mean, require

DAGGER = "†"
"""Suffix of an operator name that takes the Hermitian conjugate: ``"Sm†"`` is the adjoint of ``"Sm"``."""


def is_fermionic(name: str) -> bool:
    """Tell whether an operator name stands for a fermionic (parity-odd) operator: those that begin with ``c``.

    Examples
    --------
    >>> is_fermionic("cdag"), is_fermionic("Sp")
    (True, False)
    """
    return name.startswith("c")


class Site:
    """A local Hilbert space with named states and operators.

    Parameters
    ----------
    states : sequence of str
        Names of the basis states, in the order of the rows of the operators.
    operators : mapping of str to array_like, shape (d, d)
        The named operators. ``"Id"`` and the fermion parity ``"F"`` are added.
        Names that begin with ``c`` are fermionic: they anticommute between sites, and must flip the parity.
    charges : sequence of int, optional
        Conserved charge of each state (for a spin, 2 Sᶻ); without it nothing is conserved.
    parities : sequence of int, optional
        Fermion parity ±1 of each state; all +1 if not given.

    Raises
    ------
    ValueError
        If a shape does not fit, a name is repeated, or a fermionic name and a parity contradict each other.

    Examples
    --------
    >>> qutrit = Site(["a", "b", "c"], {"P": np.diag([0, 1, 0])}, charges=[0, 1, 1])
    >>> qutrit.dim, qutrit.op("P")[1, 1]
    (3, np.complex128(1+0j))
    >>> qutrit.op("Sz")
    Traceback (most recent call last):
    ValueError: Site has no operator 'Sz'; it has: F, Id, P (add † for the adjoint)
    """

    def __init__(
        self,
        states: Sequence[str],
        operators: Mapping[str, ArrayLike],
        charges: Sequence[int] | None = None,
        parities: Sequence[int] | None = None,
    ) -> None:
        if not (isinstance(states, Sequence) and all(isinstance(name, str) for name in states)):
            raise TypeError(f"states = {states!r}, but they must be a list of names, such as ['up', 'down']")
        if not isinstance(operators, Mapping):
            raise TypeError(
                f"operators is {described(operators)}, but it must map names to matrices, such as {{'n': matrix}}"
            )
        self.states = tuple(states)
        d = len(self.states)
        require(d >= 1 and len(set(self.states)) == d, "states", self.states, "at least one, each name once")
        given = (0,) * d if charges is None else tuple(charges)
        require(all(float(q).is_integer() for q in given), "charges", given, "integers, for a spin 2 Sz")
        self.charges: tuple[int, ...] = tuple(int(q) for q in given)
        self.parities: tuple[int, ...] = (1,) * d if parities is None else tuple(int(p) for p in parities)
        require(len(self.charges) == d, "charges", self.charges, f"one integer for each of the {d} states")
        require(
            len(self.parities) == d and set(self.parities) <= {1, -1},
            "parities",
            self.parities,
            f"+1 or -1 for each of the {d} states",
        )
        parity = np.diag(self.parities)
        self.operators: dict[str, NDArray[np.complex128]] = {}
        for name in ("Id", "F"):
            require(name not in operators, "operator name", name, "another one, since Id and F are always there")
        for name, matrix in {"Id": np.eye(d), "F": parity, **operators}.items():
            array = np.array(matrix, dtype=complex)
            require(not name.endswith(DAGGER), "operator name", name, f"without {DAGGER}, which is added in use")
            require(array.shape == (d, d), f"operator {name!r} shape", array.shape, f"({d}, {d})")
            require(bool(np.isfinite(array).all()), f"operator {name!r}", matrix, "finite")
            sign = -1 if is_fermionic(name) else 1
            if not np.array_equal(parity @ array @ parity, sign * array):
                raise ValueError(
                    f"operator {name!r} must {'flip' if sign < 0 else 'keep'} the fermion parity: "
                    "names that begin with 'c' are kept for fermionic operators"
                )
            array.flags.writeable = False
            self.operators[name] = array

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for array in self.operators.values():  # whose flag copies and pickles lose
            array.flags.writeable = False

    @property
    def dim(self) -> int:
        """Dimension d of the local space."""
        return len(self.states)

    def op(self, name: str) -> NDArray[np.complex128]:
        """Return the matrix of a named operator.

        Parameters
        ----------
        name : str
            Name of the operator; a trailing ``†`` takes the Hermitian conjugate.

        Returns
        -------
        ndarray, shape (d, d)
            Read-only; row = bra, column = ket.

        Raises
        ------
        ValueError
            If there is no such operator; the message lists those that exist.

        Examples
        --------
        >>> bool((Spin(0.5).op("Sm†") == Spin(0.5).op("Sp")).all())
        True
        """
        base = name.removesuffix(DAGGER)
        if base not in self.operators:
            have = f"{', '.join(sorted(self.operators))} (add {DAGGER} for the adjoint)"
            raise ValueError(f"{self!r} has no operator {name!r}{did_you_mean(base, self.operators)}; it has: {have}")
        matrix = self.operators[base]
        if base == name:
            return matrix
        adjoint: NDArray[np.complex128] = matrix.conj().T
        return adjoint

    def state(self, name: str) -> NDArray[np.complex128]:
        """Return a named basis state as a vector.

        Parameters
        ----------
        name : str
            Name of the state.

        Raises
        ------
        ValueError
            If there is no such state; the message lists those that exist.

        Examples
        --------
        >>> Spin(0.5).state("down").real
        array([0., 1.])
        """
        if name not in self.states:
            raise ValueError(
                f"{self!r} has no state {name!r}{did_you_mean(name, self.states)}; it has: {', '.join(self.states)}"
            )
        vector: NDArray[np.complex128] = np.eye(self.dim, dtype=complex)[self.states.index(name)]
        return vector

    def vector(self, state: str | ArrayLike) -> NDArray[np.complex128]:
        """Return a state that is given by its name or by its amplitudes.

        Parameters
        ----------
        state : str or array_like, shape (d,)
            The state.

        Raises
        ------
        ValueError
            If there is no such state, or not one amplitude for each basis state.

        Examples
        --------
        >>> Spin(0.5).vector([1, 1j])
        array([1.+0.j, 0.+1.j])
        >>> Boson(1).vector(1)
        Traceback (most recent call last):
        ValueError: state = 1, but it must be a name, one of '0', '1', or an array of 2 amplitudes
        """
        if isinstance(state, str):
            return self.state(state)
        allowed = f"a name, one of {', '.join(map(repr, self.states))}, or an array of {self.dim} amplitudes"
        try:
            amplitudes = np.asarray(state, dtype=complex)
        except (TypeError, ValueError):
            raise ValueError(f"state = {state!r}, but it must be {allowed}") from None
        require(amplitudes.shape == (self.dim,), "state", state, allowed)
        return amplitudes

    def with_operators(self, **operators: ArrayLike) -> Site:
        """Return the same space with more named operators.

        Parameters
        ----------
        **operators : array_like, shape (d, d)
            The new operators by name.

        Examples
        --------
        >>> spin = Spin(1).with_operators(Sz2=np.diag([1, 0, 1]))
        >>> spin.op("Sz2").real.diagonal()
        array([1., 0., 1.])
        """
        known = {name: matrix for name, matrix in self.operators.items() if name not in ("Id", "F")}
        return Site(self.states, {**known, **operators}, self.charges, self.parities)

    def _key(self) -> tuple[Any, ...]:
        operators = tuple((name, matrix.tobytes()) for name, matrix in sorted(self.operators.items()))
        return self.states, self.charges, self.parities, operators

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Site) and (self is other or self._key() == other._key())

    def __hash__(self) -> int:
        return hash((self.states, self.charges, self.parities))

    def __repr__(self) -> str:
        return "Site"


def chain_of(sites: Sequence[Site]) -> tuple[Site, ...]:
    """Return the sites of a chain as a tuple, or raise.

    Parameters
    ----------
    sites : sequence of Site
        The chain.

    Raises
    ------
    TypeError
        If they are anything else, such as a single site.

    Examples
    --------
    >>> chain_of([Spin(0.5)] * 2)
    (Spin(0.5), Spin(0.5))
    """
    if isinstance(sites, Site) or not isinstance(sites, Iterable) or not all(isinstance(s, Site) for s in tuple(sites)):
        some = f"[{sites!r}] * L" if isinstance(sites, Site) else "[Spin(0.5)] * L"
        raise TypeError(f"sites is {described(sites)}, but it must be a sequence of sites, such as {some}")
    return tuple(sites)


class Spin(Site):
    """A spin S with states ordered from +S to -S and charge 2 Sᶻ.

    Operators: ``Sz Sp Sm Sx Sy``, and for S = 1/2 the Pauli matrices ``X Y Z``.
    The states are called by their Sᶻ (``"+1"``, ``"0"``, ``"-1"``); for S = 1/2 they are ``"up"`` and ``"down"``.

    Parameters
    ----------
    S : float
        1/2, 1, 3/2, …

    Raises
    ------
    ValueError
        If `S` is not a positive multiple of 1/2.

    Examples
    --------
    >>> Spin(1).states, Spin(1).charges
    (('+1', '0', '-1'), (2, 0, -2))
    """

    def __init__(self, S: float = 0.5) -> None:
        is_spin = isinstance(S, numbers.Real) and S > 0 and float(2 * S).is_integer()
        require(is_spin, "S", S, "1/2, 1, 3/2, …")
        S = self.S = float(S)
        m = S - np.arange(round(2 * S) + 1)
        raise_ = np.diag(np.sqrt(S * (S + 1) - m[1:] * (m[1:] + 1)), k=1)
        operators = {
            "Sz": np.diag(m),
            "Sp": raise_,
            "Sm": raise_.T,
            "Sx": (raise_ + raise_.T) / 2,
            "Sy": (raise_ - raise_.T) / 2j,
        }
        if S == 0.5:
            names = ["up", "down"]
            operators |= {pauli: 2 * operators[spin] for pauli, spin in (("X", "Sx"), ("Y", "Sy"), ("Z", "Sz"))}
        else:
            names = [f"{value:+g}" if value else "0" for value in m]
        super().__init__(names, operators, charges=[round(2 * value) for value in m])

    def __repr__(self) -> str:
        return f"Spin({self.S:g})"


class Fermion(Site):
    """A spinless fermion level with states ``"full"`` and ``"empty"``, whose charge is the occupation.

    Operators: ``c cdag n``. They anticommute between sites: products get their Jordan–Wigner strings when compiled.
    "full" comes first, so that it corresponds to spin up.

    Examples
    --------
    >>> bool((Fermion().op("cdag") @ Fermion().op("c") == Fermion().op("n")).all())
    True
    """

    def __init__(self) -> None:
        create = np.array([[0, 1], [0, 0]])
        operators = {"c": create.T, "cdag": create, "n": np.diag([1, 0])}
        super().__init__(["full", "empty"], operators, charges=[1, 0], parities=[-1, 1])

    def __repr__(self) -> str:
        return "Fermion()"


class Boson(Site):
    """A boson mode truncated at `n_max` quanta, with states ``"0"``, ``"1"``, … and the occupation as charge.

    Operators: ``b bdag n``. The truncation makes [b, b†] = 1 wrong in the highest state only.

    Parameters
    ----------
    n_max : int
        Largest occupation kept, at least 1.

    Raises
    ------
    ValueError
        If `n_max` < 1.

    Examples
    --------
    >>> Boson(3).dim
    4
    """

    def __init__(self, n_max: int) -> None:
        require(isinstance(n_max, numbers.Integral) and n_max >= 1, "n_max", n_max, "an integer of at least 1")
        self.n_max = int(n_max)
        n = np.arange(n_max + 1)
        lower = np.diag(np.sqrt(n[1:]), k=1)
        operators = {"b": lower, "bdag": lower.T, "n": np.diag(n)}
        super().__init__([str(k) for k in n], operators, charges=n.tolist())

    def __repr__(self) -> str:
        return f"Boson({self.n_max})"
