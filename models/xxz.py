"""The disordered non-Hermitian XXZ chain of Brighi et al. 2025."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.hamiltonian import HamiltonianModel
from mpsnh.checks import require
from mpsnh.language.opsum import OpSum

FIELD_STREAM = 0
"""Stream of the random generator that the fields are drawn from."""


class NonHermitianXXZ(HamiltonianModel):
    """XXZ chain with asymmetric hopping in a random field.

    H = Σ_j [(1-γ)/2 S⁺_j S⁻_{j+1} + (1+γ)/2 S⁻_j S⁺_{j+1} + V Sᶻ_j Sᶻ_{j+1} + h_j Sᶻ_j],
    with h_j independent and uniform in [-h, h], in units of the hopping J = 1
    (Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Eq. 4).

    Parameters
    ----------
    L : int
        Number of sites.
    gamma : float
        Asymmetry γ of the hopping; |γ| < 1 for an open chain.
    V : float
        Interaction.
    h : float
        Disorder strength, not negative.
    seed : int
        Names the realisation: the same seed gives the same pattern h_j / h for all h.
    boundary : "open" or "periodic"
        Whether site L - 1 is coupled to site 0.
    fields : sequence of numbers, optional
        Explicit h_j, one a site, instead of the draw; complex ones are gain and loss.
    charge : int or None
        2 Sᶻ of the sector in which exact methods work; zero magnetisation by default, None for all sectors.

    Raises
    ------
    ValueError
        If a parameter is out of its range; the message says what is allowed.

    Examples
    --------
    >>> print(NonHermitianXXZ(L=2, gamma=0.2, V=1.0, fields=[0.5, 0]).terms())
    0.4 Sp_0 Sm_1 + 0.6 Sm_0 Sp_1 + 1 Sz_0 Sz_1 + 0.5 Sz_0 + 0 Sz_1
    """

    gamma: float = 0.1
    V: float = 1.1
    h: float = 0.0
    seed: int = 0
    boundary: Literal["open", "periodic"] = "open"
    fields: Sequence[complex] | None = None
    charge: int | None = 0

    @override
    def validate(self) -> None:
        super().validate()
        require(self.h >= 0, "h", self.h, "zero or positive")
        require(self.seed >= 0, "seed", self.seed, "zero or positive")
        require(
            self.boundary == "periodic" or abs(self.gamma) < 1,
            "gamma",
            self.gamma,
            "between -1 and 1 for an open chain, which is singular at |gamma| = 1 where hopping is one-way",
        )
        require(
            self.boundary == "open" or self.L >= 3,
            "L",
            self.L,
            "at least 3 for a periodic chain, whose two sites would be coupled twice",
        )
        if self.fields is not None:
            try:
                fields = np.asarray(self.fields, dtype=complex)
            except (TypeError, ValueError):
                raise TypeError(f"fields = {self.fields!r}, but it must be a list of L = {self.L} numbers") from None
            fields = fields if fields.imag.any() else fields.real
            require(fields.shape == (self.L,), "fields", fields.tolist(), f"a list of L = {self.L} numbers")
            require(bool(np.isfinite(fields).all()), "fields", fields.tolist(), "finite")
            object.__setattr__(self, "fields", tuple(fields.tolist()))

    @property
    def bonds(self) -> range:
        """The bonds; bond j couples sites j and j + 1, and the last one of a periodic chain L - 1 and 0."""
        return range(self.L if self.boundary == "periodic" else self.L - 1)

    def local_fields(self) -> NDArray[np.float64] | NDArray[np.complex128]:
        """Return the fields h_j of this realisation.

        Returns
        -------
        ndarray, shape (L,)
            In units of J.
        """
        if self.fields is not None:
            return np.array(self.fields)
        return self.h * np.random.default_rng([self.seed, FIELD_STREAM]).uniform(-1, 1, self.L)

    @override
    def terms(self) -> OpSum:
        """Return the Hamiltonian."""
        pairs = [(j, (j + 1) % self.L) for j in self.bonds]
        return (
            OpSum.sum(((1 - self.gamma) / 2, "Sp", i, "Sm", j) for i, j in pairs)
            + OpSum.sum(((1 + self.gamma) / 2, "Sm", i, "Sp", j) for i, j in pairs)
            + OpSum.sum((self.V, "Sz", i, "Sz", j) for i, j in pairs)
            + OpSum.sum((field, "Sz", j) for j, field in enumerate(self.local_fields().tolist()))
        )

    def current(self, bond: int) -> OpSum:
        """Return the spin current through a bond, I_j = (i/2)(S⁺_j S⁻_{j+1} - S⁻_j S⁺_{j+1}).

        It is Hermitian and positive to the right, so that H = H_Hermitian + iγ Σ_j I_j
        and i[H_Hermitian, Sᶻ_j] = I_{j-1} - I_j. It is minus the current that would make Eq. (5) of the paper
        Hermitian.

        Parameters
        ----------
        bond : int
            The bond j.

        Returns
        -------
        OpSum
            In units of J.

        Raises
        ------
        ValueError
            If there is no such bond.

        Examples
        --------
        >>> print(NonHermitianXXZ(L=4).current(1))
        0.5j Sp_1 Sm_2 - 0.5j Sm_1 Sp_2
        """
        require(bond in self.bonds, "bond", bond, f"from 0 to {self.bonds[-1]}")
        i, j = bond, (bond + 1) % self.L
        return OpSum([(0.5j, "Sp", i, "Sm", j), (-0.5j, "Sm", i, "Sp", j)])
