"""The open XXZ chain whose no-click limit is the non-Hermitian one of Brighi et al. 2025."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from typing_extensions import override

from mpsnh.base.open_model import OpenModel
from mpsnh.checks import require
from mpsnh.language.opsum import OpSum
from mpsnh.models.xxz import NonHermitianXXZ


class OpenXXZ(OpenModel):
    """XXZ chain in a random field that loses spins from each bond in a superposition.

    H = Σ_j [(S⁺_j S⁻_{j+1} + S⁻_j S⁺_{j+1}) / 2 + V Sᶻ_j Sᶻ_{j+1} + h_j Sᶻ_j], with one jump operator a bond,
    √γ (S⁻_j + e^{iθ} S⁻_{j+1}). For θ = -π/2 a ring's no-click Hamiltonian is `NonHermitianXXZ` besides the decay
    -iγ Σ_j (Sᶻ_j + 1/2), which is the same for all states of one magnetisation.
    (Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Eqs. 1, 3.)

    Parameters
    ----------
    L : int
        Number of sites.
    gamma : float
        Rate γ, not negative.
    V : float
        Interaction.
    h : float
        Disorder strength, not negative.
    seed : int
        Names the realisation, that of `NonHermitianXXZ` with this seed.
    theta : float
        Phase θ.
    boundary : "open" or "periodic"
        Whether site L - 1 is coupled to site 0.
    fields : sequence of float, optional
        Explicit h_j, one a site, instead of the draw.
    charge : int or None
        2 Sᶻ of the sector in which exact methods work on the no-click limit; None, the default, for all sectors, as
        jumps change it.

    Raises
    ------
    ValueError
        If a parameter is out of its range; the message says what is allowed.

    Examples
    --------
    >>> ring = OpenXXZ(L=6, gamma=0.2, h=1.0, boundary="periodic", charge=0).no_click().matrix()
    >>> same = models.NonHermitianXXZ(L=6, gamma=0.2, h=1.0, boundary="periodic").matrix()
    >>> bool(abs(ring - same + 0.6j * np.eye(20)).max() < 1e-14)
    True
    """

    gamma: float = 0.1
    V: float = 1.1
    h: float = 0.0
    seed: int = 0
    theta: float = -math.pi / 2
    boundary: Literal["open", "periodic"] = "open"
    fields: Sequence[float] | None = None

    @override
    def validate(self) -> None:
        super().validate()
        require(self.gamma >= 0, "gamma", self.gamma, "zero or positive, as it is a rate")
        self._closed  # noqa: B018 - which checks the rest

    @cached_property
    def _closed(self) -> NonHermitianXXZ:
        """The chain without jumps."""
        return NonHermitianXXZ(
            L=self.L, gamma=0.0, V=self.V, h=self.h, seed=self.seed, boundary=self.boundary, fields=self.fields
        )

    @property
    def bonds(self) -> range:
        """The bonds, as those of `NonHermitianXXZ`."""
        return self._closed.bonds

    @override
    def terms(self) -> OpSum:
        return self._closed.terms()

    @override
    def jumps(self) -> list[OpSum]:
        amplitude, phase = math.sqrt(self.gamma), cmath.exp(1j * self.theta)
        pairs = [(j, (j + 1) % self.L) for j in self.bonds]
        return [OpSum([(amplitude, "Sm", i), (amplitude * phase, "Sm", j)]) for i, j in pairs]

    def current(self, bond: int) -> OpSum:
        """Return the spin current that H makes flow through a bond, as `NonHermitianXXZ.current`."""
        return self._closed.current(bond)
