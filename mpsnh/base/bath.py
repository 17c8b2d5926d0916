"""A weakly coupled bath at infinite temperature on one site of a closed chain."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.model import Model
from mpsnh.checks import require
from mpsnh.language.circuit import Gate, apply_gate
from mpsnh.language.site import is_fermionic
from mpsnh.linalg.normal import gram
from mpsnh.value import Value

CHANNEL = 1e-12
"""Largest relative deviation from the conditions on the jump operators that counts as rounding."""

COMPARABLE = 1e-3
"""Size, relative to the largest, from which on elements of jump operators may be mixed with each other."""

ROUNDING = 1e-15
"""Size, relative to the largest, below which an element of equivalent jump operators is none."""


class Bath(Value):
    """Jump operators E_j that act on one site, with Σ_j E_j† E_j = κ.

    They change the density matrix once each period of a Floquet model, ρ ↦ (ρ + γ Σ_j E_j ρ E_j†) / (1 + κγ), or all
    the time, dρ/dt = -i[H, ρ] + γ (Σ_j E_j ρ E_j† - κρ). If also Σ_j E_j E_j† = κ, it relaxes towards the identity.
    The coupling γ is no part of the bath, since the limit of small γ does not depend on it.
    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Eq. 1, where κ = 3.)

    Parameters
    ----------
    site : int
        Where the bath acts; negative numbers count from the end, so that -1 is the last site.
    jumps : tuple of str
        Names of the jump operators, as the site knows them.

    Raises
    ------
    ValueError
        If there are no jump operators.

    Examples
    --------
    >>> Bath().strength(models.RandomFloquetCircuit(L=4, alpha=10.0))
    3.0
    """

    site: int = -1
    jumps: tuple[str, ...] = ("X", "Y", "Z")

    @override
    def validate(self) -> None:
        require(len(self.jumps) > 0, "jumps", self.jumps, "at least one operator")

    def check(self, model: Model) -> None:
        """Raise if the bath does not fit a model, or does not lead to infinite temperature.

        That means Σ_j E_j† E_j = Σ_j E_j E_j† = κ (probability is kept, and the identity is stationary), and that
        Σ_j E_j ρ E_j† is its own adjoint (detailed balance: a jump is as likely as its reverse).

        Parameters
        ----------
        model : Model
            The closed system.

        Raises
        ------
        ValueError
            If there is no such site or operator, the model is restricted to one charge, or a condition fails.
        """
        self.check_channel(model)
        operators, strength = self.operators(model), self.strength(model)
        dim = operators.shape[1]
        back = np.einsum("jab,jcb->ac", operators, operators.conj())
        superoperator = np.einsum("jab,jcd->acbd", operators, operators.conj()).reshape(dim**2, dim**2)
        for deviation, allowed in (
            (back - strength * np.eye(dim), "operators with Σ EE† proportional to the identity"),
            (superoperator - superoperator.conj().T, "operators such that each jump is as likely as its reverse"),
        ):
            require(bool(np.abs(deviation).max() <= CHANNEL * strength), "jumps", self.jumps, allowed)

    def check_channel(self, model: Model) -> None:
        """Raise if the bath does not fit a model, or does not keep probability: Σ_j E_j† E_j = κ.

        Parameters
        ----------
        model : Model
            The closed system.

        Raises
        ------
        ValueError
            If there is no such site or operator, the model is restricted to one charge, or the condition fails.
        """
        L = model.L
        require(-L <= self.site < L, "site of the bath", self.site, f"from {-L} to {L - 1}, as the chain has {L} sites")
        require(model.charge is None, "charge", model.charge, "None, since the bath changes the charge")
        for name in self.jumps:
            require(not is_fermionic(name), "jumps", self.jumps, "operators that are not fermionic")
        operators = self.operators(model)
        dim = operators.shape[1]
        forth = np.einsum("jba,jbc->ac", operators.conj(), operators)
        strength = np.trace(forth).real / dim
        require(strength > 0, "jumps", self.jumps, "operators of which one is not zero")
        deviation = float(np.abs(forth - strength * np.eye(dim)).max())
        allowed = "operators with Σ E†E proportional to the identity"
        require(deviation <= CHANNEL * strength, "jumps", self.jumps, allowed)

    def place(self, model: Model) -> int:
        """Return the site, counted from 0.

        Parameters
        ----------
        model : Model
            The closed system.
        """
        return self.site % model.L

    def operators(self, model: Model) -> NDArray[np.complex128]:
        """Return the matrices E_j on the local space.

        Parameters
        ----------
        model : Model
            The closed system.
        """
        site = model.sites[self.place(model)]
        return np.array([site.op(name) for name in self.jumps])

    def strength(self, model: Model) -> float:
        """Return κ, the rate of jumps in units of γ.

        Parameters
        ----------
        model : Model
            The closed system.
        """
        operators = self.operators(model)
        return float(np.sum(np.abs(operators) ** 2) / operators.shape[1])

    def apply(self, name: str, vectors: NDArray[np.complex128], model: Model) -> NDArray[np.complex128]:
        """Apply a named operator of the bath's site to vectors of the whole space.

        Parameters
        ----------
        name : str
            As the site knows it; any operator, not only a jump.
        vectors : ndarray, shape (dim, …)
            One vector, or several as columns.
        model : Model
            The closed system.

        Returns
        -------
        ndarray
            Same shape as `vectors`.
        """
        place = self.place(model)
        return apply_gate(vectors, Gate(model.sites[place].op(name), (place,)), [site.dim for site in model.sites])

    def transitions(self, states: NDArray[np.complex128], model: Model) -> NDArray[np.float64]:
        """Return S_mn = (1/κ) Σ_j |⟨m|E_j|n⟩|², which is symmetric and doubly stochastic.

        (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Eq. 3.) The matrix elements of all jump operators come from
        the overlaps of the parts of the states with each local state.

        Parameters
        ----------
        states : ndarray, shape (dim, dim)
            Orthonormal eigenstates as columns.
        model : Model
            The closed system.

        Examples
        --------
        >>> Bath().transitions(np.eye(4), models.RandomFloquetCircuit(L=2, alpha=10.0))[0].round(3).tolist()
        [0.333, 0.667, 0.0, 0.0]
        """
        place, dims = self.place(model), [site.dim for site in model.sites]
        d, n = dims[place], states.shape[1]
        parts = np.moveaxis(states.reshape(-1, d, int(np.prod(dims[place + 1 :])), n), 1, 0).reshape(d, -1, n)
        overlaps: dict[tuple[int, int], NDArray[np.complex128]] = {}
        for a, b in itertools.combinations_with_replacement(range(d), 2):
            if a < d - 1:  # the states are complete: the last overlap is the rest
                overlaps[a, b] = gram(parts[a]) if a == b else parts[a].conj().T @ parts[b]
        transitions = np.zeros((n, n))
        for operator in _equivalent(self.operators(model)):
            weights = operator - operator[-1, -1] * np.eye(d)
            element = np.diag(np.full(n, operator[-1, -1]))
            for a, b in np.argwhere(weights).tolist():
                element += weights[a, b] * (overlaps[a, b] if a <= b else overlaps[b, a].conj().T)
            transitions += np.square(element.real)
            transitions += np.square(element.imag)
        transitions /= self.strength(model)
        return transitions


def _equivalent(operators: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return jump operators of the same Σ_j E_j ρ E_j† that have as few elements each as that allows.

    Those with elements of very different sizes stay as they are, since small ones would lose their digits.
    """
    sizes = np.abs(operators[operators != 0])
    if not sizes.size or sizes.min() < COMPARABLE * sizes.max():
        return operators
    upper = np.linalg.qr(operators.reshape(len(operators), -1)).R
    upper[np.abs(upper) < ROUNDING * np.abs(upper).max()] = 0
    return np.asarray(upper.reshape(-1, *operators.shape[1:]))
