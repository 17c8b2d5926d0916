"""Properties of spectra."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mpsnh.algorithm import Algorithm
from mpsnh.model import CurrentModel, Model
from mpsnh.observable import Observable
from mpsnh.observables.current import require_current
from mpsnh.opsum import OpSum
from mpsnh.records import Spectrum
from mpsnh.value import require

AGREEMENT = 1e-9
"""Largest difference between Im E₁ and γ⟨I_tot⟩, relative to the largest |E|."""


class Eigenvalues(Observable[Spectrum]):
    """All eigenvalues, ordered by decreasing growth.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> ring = models.NonHermitianXXZ(L=4, boundary="periodic")
    >>> Simulation(ring, algorithms.ExactDiag(), {"E": Eigenvalues()}).run()["E"].sizes["level"]
    6
    """

    measures = Spectrum
    dims = ("level",)
    long_name = "eigenvalues by decreasing growth"
    units = "J"

    def __call__(self, record: Spectrum, model: Model) -> NDArray[np.complex128]:
        """Return the eigenvalues."""
        return record.values


class GrowthRate(Observable[Spectrum]):
    """The growth of the steady state: Im E₁ for a Hamiltonian, log |λ₁| for a Floquet map.

    For the non-Hermitian XXZ ring it is γ times the steady current.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> ring = models.NonHermitianXXZ(L=8, V=0.0, boundary="periodic")
    >>> data = Simulation(ring, algorithms.ExactDiag(), {"growth": GrowthRate()}).run()
    >>> bool(np.isclose(data["growth"], 0.1 / np.sin(np.pi / 8)))
    True
    """

    measures = Spectrum
    long_name = "growth rate of the steady state"
    units = "J"

    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return the largest growth."""
        return float(model.growth(record.values[:1])[0])


class SteadyStateGap(Observable[Spectrum]):
    """The gap Δ = Im E₁ - Im E₂ between the two distinct levels that grow fastest.

    Conjugate levels decay where these grow, so each pair counts once; levels that agree as complex numbers
    count as one, but levels that differ only in Re E have Δ = 0, as has an entirely real spectrum.
    (Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Fig. 1b.)

    Parameters
    ----------
    tolerance : float
        Levels closer than this, relative to the largest |E|, are the same.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> ring = models.NonHermitianXXZ(L=8, V=0.0, boundary="periodic")
    >>> data = Simulation(ring, algorithms.ExactDiag(), {"gap": SteadyStateGap()}).run()
    >>> bool(np.isclose(data["gap"], 0.2 * np.sin(np.pi / 8)))
    True
    """

    measures = Spectrum
    long_name = "gap between the two fastest-growing levels"
    units = "J"
    tolerance: float = 1e-10

    def validate(self) -> None:
        """Check the tolerance."""
        require(self.tolerance >= 0, "tolerance", self.tolerance, "zero or positive")

    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return Δ."""
        first = record.values[0]
        distinct = np.abs(record.values - first) > self.tolerance * np.abs(record.values).max()
        if not distinct.any():
            raise ValueError("the spectrum has only one distinct level, so there is no gap")
        growth = model.growth(record.values)
        return float(growth[0] - growth[distinct].max())


class SteadyStateCurrent(Observable[Spectrum]):
    """The total current I_tot of the steady state, from its eigenvalue and from its eigenvector.

    H = H_Hermitian + iγ I_tot makes Im E₁ / γ and ⟨I_tot⟩ equal in a right eigenvector.
    The J_∞ of Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Fig. 1a, is Im E₁, that is γ I_tot.
    Both are zero if the whole spectrum is real.

    Raises
    ------
    ArithmeticError
        If the two differ, because the eigenvector is wrong or the model has other non-Hermitian terms.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> ring = models.NonHermitianXXZ(L=6, h=1.0, boundary="periodic")
    >>> data = Simulation(ring, algorithms.ExactDiag(), {"I": SteadyStateCurrent()}).run()
    >>> a, b = data["I"].sel(estimate=["eigenvalue", "eigenvector"]).values
    >>> bool(np.isclose(a, b))
    True
    """

    measures = Spectrum
    dims = ("estimate",)
    coords = {"estimate": ("eigenvalue", "eigenvector")}
    long_name = "total spin current of the steady state"
    units = "J"

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if the model has no current, gamma is zero or there will be no eigenvectors."""
        require_current(self, model)
        gamma = getattr(model, "gamma", None)
        require(bool(gamma), "gamma", gamma, "not zero, since the current is Im E / gamma")
        if getattr(algorithm, "vectors", "right") == "none":
            raise ValueError("SteadyStateCurrent needs right eigenvectors: use ExactDiag(vectors='right')")

    def __call__(self, record: Spectrum, model: Model) -> NDArray[np.float64]:
        """Return I_tot from the eigenvalue and from the eigenvector, in units of J."""
        chain = cast(CurrentModel, model)
        total = OpSum.sum(chain.current(j) for j in chain.bonds)
        estimates = np.array([record.values[0].imag / chain.gamma, record.state(0).expect(total).real])
        if abs(np.diff(estimates)[0]) * abs(chain.gamma) > AGREEMENT * np.abs(record.values).max():
            raise ArithmeticError(
                f"Im E₁/γ = {estimates[0]} and ⟨I_tot⟩ = {estimates[1]} must agree: the eigenvector is wrong, "
                "or the model has non-Hermitian terms besides iγ I_tot"
            )
        return estimates


class ImaginaryFraction(Observable[Spectrum]):
    """The fraction f_Im of eigenvalues with |Im E| above a threshold.

    (Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Fig. 2b.)

    Parameters
    ----------
    threshold : float
        In units of J. Real matrices have exactly real eigenvalues, for which any small threshold does.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> ring = models.NonHermitianXXZ(L=8, boundary="periodic")
    >>> float(Simulation(ring, algorithms.ExactDiag(), {"f": ImaginaryFraction()}).run()["f"])
    0.0
    """

    measures = Spectrum
    long_name = "fraction of complex eigenvalues"
    threshold: float = 1e-13

    def validate(self) -> None:
        """Check the threshold."""
        require(self.threshold >= 0, "threshold", self.threshold, "zero or positive")

    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return the fraction."""
        return float(np.mean(np.abs(record.values.imag) > self.threshold))


class RealSpectrum(Observable[Spectrum]):
    """1 if no eigenvalue has |Im E| above a threshold, else 0; its disorder average is f_noSS.

    (Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Fig. 2a.)

    Parameters
    ----------
    threshold : float
        In units of J, as for `ImaginaryFraction`.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> chain = models.NonHermitianXXZ(L=8, h=2.0)
    >>> float(Simulation(chain, algorithms.ExactDiag(), {"real": RealSpectrum(threshold=1e-9)}).run()["real"])
    1.0
    """

    measures = Spectrum
    long_name = "whether the whole spectrum is real"
    threshold: float = 1e-13

    def validate(self) -> None:
        """Check the threshold."""
        require(self.threshold >= 0, "threshold", self.threshold, "zero or positive")

    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return 1 or 0."""
        return float(np.all(np.abs(record.values.imag) <= self.threshold))
