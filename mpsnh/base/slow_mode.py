"""The slow mode of a closed system with a weak bath."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.bath import Bath
from mpsnh.base.capability import Capability
from mpsnh.base.records import Record
from mpsnh.base.spectrum import Spectrum
from mpsnh.linalg.normal import gram
from mpsnh.operators.sector import Sector


@dataclass(frozen=True)
class SlowMode(Record):
    """The slowest relaxation of a closed system that is weakly coupled to a bath at infinite temperature.

    It is the operator τ = Σ_n c_n |n⟩⟨n| of the eigenstates, which decays with the rate κγΓ to first order in the
    coupling γ. (Ha, Morningstar and Huse, PRL 130, 250405 (2023), where κ = 3.)

    Attributes
    ----------
    spectrum : Spectrum
        All levels of the closed system, e^{iθ} or E, ordered by θ or E, with the eigenstates as right vectors.
    transitions : ndarray, shape (dim, dim)
        S_mn = (1/κ) Σ_j |⟨m|E_j|n⟩|² (Eq. 3).
    weights : ndarray, shape (dim,)
        c_n, with Σ c_n = 0 and Σ c_n² = dim; the largest |c_n| is positive.
    rate : float
        Γ.
    next_rate : float
        That of the second slowest mode. The slowest one is well defined if the two differ.
    bath : Bath
        The bath.
    strength : float
        κ, the rate of jumps in units of γ.
    order : int
        The order in γ up to which the rate is right: its relative error is of order γ.
    smallest_gap : float
        Smallest distance of two levels. First order in γ is meaningful for γ far below it.

    Examples
    --------
    >>> (mode,) = algorithms.DegeneratePerturbationSolver().records(models.RandomFloquetCircuit(L=4, alpha=10.0))
    >>> bool(abs(mode.contributions().sum() / 2 - 16 * mode.rate) < 1e-12)
    True
    """

    spectrum: Spectrum
    transitions: NDArray[np.float64] = field(repr=False)
    weights: NDArray[np.float64] = field(repr=False)
    rate: float
    next_rate: float
    bath: Bath
    strength: float
    order: int
    smallest_gap: float

    @property
    @override
    def holds(self) -> frozenset[Capability]:
        return self.spectrum.holds

    @property
    def sector(self) -> Sector:
        """The basis of the eigenstates."""
        return cast(Sector, self.spectrum.sector)

    @cached_property
    def states(self) -> NDArray[np.complex128]:
        """The eigenstates |n⟩ as columns."""
        if self.spectrum.right is None:
            raise ValueError("this slow mode has no eigenstates")
        return np.asarray(self.spectrum.right)

    @cached_property
    def quasienergies(self) -> NDArray[np.float64]:
        """The phases θ_n, from -π to π, or the energies E_n."""
        values = self.spectrum.values
        return np.angle(values) if self.spectrum.order == "phase" else values.real

    def contributions(self) -> NDArray[np.float64]:
        """Return D_mn = S_mn (c_m - c_n)², whose sum over pairs is Γ dim (Eqs. 4, 5)."""
        contributions = self.weights[:, None] - self.weights
        contributions *= contributions
        contributions *= self.transitions
        return contributions

    @cached_property
    def dominant(self) -> tuple[int, int]:
        """The pair of eigenstates μ < ν that contributes most to the relaxation."""
        first, second = np.unravel_index(np.argmax(self.contributions()), self.transitions.shape)
        return int(min(first, second)), int(max(first, second))

    def operator(self) -> NDArray[np.complex128]:
        """Return τ = Σ_n c_n |n⟩⟨n| in the product basis, normalised to Tr τ² = dim."""
        growing = self.weights > 0
        parts = (self.states[:, chosen] * np.sqrt(np.abs(self.weights[chosen])) for chosen in (growing, ~growing))
        operator, other = (gram(part.conj().T) for part in parts)
        operator -= other
        return operator

    def splitting(self, m: int, n: int) -> float:
        """Return the distance of two levels, for phases around the circle.

        Parameters
        ----------
        m, n : int
            The levels.
        """
        distance = abs(float(self.quasienergies[m] - self.quasienergies[n]))
        return min(distance, 2 * np.pi - distance) if self.spectrum.order == "phase" else distance
