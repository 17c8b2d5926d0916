"""Properties of spectra."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.spatial
from numpy.typing import NDArray

from mpsnh.algorithm import Algorithm
from mpsnh.model import CurrentModel, Model
from mpsnh.observable import Observable
from mpsnh.observables.current import require_current
from mpsnh.observables.state import chosen_bond
from mpsnh.opsum import OpSum
from mpsnh.records import Spectrum
from mpsnh.sector import require_memory
from mpsnh.value import require

AGREEMENT = 1e-9
"""Largest difference between Im E₁ and γ⟨I_tot⟩, relative to the largest |E|."""


class Eigenvalues(Observable[Spectrum]):
    """The eigenvalues, ordered by decreasing growth: all of them, or as many as the algorithm finds.

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
            hint = "" if record.complete else " among those found: ask for a larger k"
            raise ValueError(f"the spectrum has only one distinct level{hint}, so there is no gap")
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
        require_vectors(self, algorithm, "right", "both")

    def __call__(self, record: Spectrum, model: Model) -> NDArray[np.float64]:
        """Return I_tot from the eigenvalue and from the eigenvector, in units of J."""
        chain = cast(CurrentModel, model)
        total = OpSum.sum(chain.current(j) for j in chain.bonds)
        estimates = np.array([record.values[0].imag / chain.gamma, record.state(0).expect(total).real])
        # They differ by Im(E₁ - ⟨H⟩), which is at most the residual.
        allowed = AGREEMENT * np.abs(record.values).max() + (0 if record.residuals is None else record.residuals[0])
        if abs(np.diff(estimates)[0]) * abs(chain.gamma) > allowed:
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

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if the algorithm does not compute the whole spectrum."""
        require_complete(self, algorithm)

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
        largest = np.abs(record.values.imag).max() if record.complete else record.largest_imag
        if largest is None:
            raise ValueError("RealSpectrum needs all eigenvalues or the largest |Im E|, which this spectrum lacks")
        return float(largest <= self.threshold)


class ComplexSpacingRatio(Observable[Spectrum]):
    """The mean complex spacing ratio z = (E_NN - E) / (E_NNN - E) of levels with their nearest and second neighbours.

    As ⟨|z|⟩ and ⟨cos arg z⟩, which need no unfolding. ⟨|z|⟩ is 0.738 for non-Hermitian random matrices without
    symmetry (GinUE), 0.722 in class AI†, 2/3 for independent levels in the plane, and 1/2 for independent real levels.
    (Sá, Ribeiro and Prosen, PRX 10, 021019 (2020), Eq. 1.)

    Parameters
    ----------
    threshold : float, optional
        Count only levels with Im E above this, in units of J, as neighbours too: one of each conjugate pair of a real
        matrix. By default all levels count.

    Raises
    ------
    ValueError
        If fewer than three distinct levels are left.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> chain = models.NonHermitianXXZ(L=10, gamma=0.0, h=8.0)
    >>> data = Simulation(chain, algorithms.ExactDiag(vectors="none"), {"z": ComplexSpacingRatio()}).run()
    >>> bool(abs(data["z"].sel(moment="modulus") - 0.5) < 0.1)
    True
    """

    measures = Spectrum
    dims = ("moment",)
    coords = {"moment": ("modulus", "cosine")}
    long_name = "mean complex spacing ratio"
    threshold: float | None = None

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if the algorithm does not compute the whole spectrum."""
        require_complete(self, algorithm)

    def __call__(self, record: Spectrum, model: Model) -> NDArray[np.float64]:
        """Return ⟨|z|⟩ and ⟨cos arg z⟩."""
        levels = record.values if self.threshold is None else record.values[record.values.imag > self.threshold]
        levels = np.unique(levels)  # a level that is degenerate has no spacing
        if len(levels) < 3:
            raise ValueError(f"spacing ratios need at least 3 distinct levels, but there are {len(levels)}")
        points = np.stack([levels.real, levels.imag], axis=1)
        _, neighbours = scipy.spatial.cKDTree(points).query(points, k=3)
        nearest, second = levels[neighbours[:, 1:]].T
        ratio = (nearest - levels) / (second - levels)
        return np.array([np.mean(np.abs(ratio)), np.mean(np.cos(np.angle(ratio)))])


class SingularValueGapRatio(Observable[Spectrum]):
    """The mean gap ratio of the singular values of H, min(s_n, s_{n+1}) / max(s_n, s_{n+1}) of adjacent spacings.

    Singular values are real and robust where eigenvalues are ill-conditioned. The mean is 0.5307 for the Gaussian
    orthogonal ensemble and 0.3863 for independent values.
    (Kawabata, Xiao, Ohtsuki and Shindou, PRX Quantum 4, 040312 (2023); Atas et al., PRL 110, 084101 (2013).)

    Parameters
    ----------
    central : float
        Fraction of the spacings that counts, in the middle of the spectrum.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> ring = models.NonHermitianXXZ(L=10, h=1.0, boundary="periodic")
    >>> data = Simulation(ring, algorithms.ExactDiag(vectors="none"), {"r": SingularValueGapRatio()}).run()
    >>> bool(0.3 < data["r"] < 0.6)
    True
    """

    measures = Spectrum
    long_name = "mean gap ratio of the singular values"
    central: float = 1.0

    def validate(self) -> None:
        """Check the fraction."""
        require(0 < self.central <= 1, "central", self.central, "above 0, at most 1")

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if the dense matrix will not fit in memory."""
        n = model.sector.dim
        require(n >= 4, "dimension of the sector", n, "at least 4, for two spacings and more")
        require_memory(24.0 * n**2, f"the singular values of a matrix of dimension {n}")

    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return the mean gap ratio."""
        matrix = model.matrix()
        dense = matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)
        spacings = -np.diff(scipy.linalg.svdvals(dense))
        skipped = int((1 - self.central) / 2 * len(spacings))
        spacings = spacings[skipped : len(spacings) - skipped]
        larger = np.maximum(spacings[1:], spacings[:-1])
        smaller = np.minimum(spacings[1:], spacings[:-1])
        return float(np.mean(smaller[larger > 0] / larger[larger > 0]))


class SteadyStateEntropy(Observable[Spectrum]):
    """The von Neumann entanglement entropy of the steady state's right vector across one bond, in natural units.

    If the whole spectrum is real there is no steady state, and this is the entropy of the level lowest in Re E.

    Parameters
    ----------
    bond : int, optional
        Between sites `bond` and `bond` + 1; the middle of the chain if not given.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> ring = models.NonHermitianXXZ(L=8, V=0.0, boundary="periodic")
    >>> bool(Simulation(ring, algorithms.ExactDiag(), {"S": SteadyStateEntropy()}).run()["S"] > 0.5)
    True
    """

    measures = Spectrum
    long_name = "von Neumann entanglement entropy of the steady state"
    bond: int | None = None

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if there is no such bond or there will be no eigenvectors."""
        chosen_bond(self.bond, model)
        require_vectors(self, algorithm, "right", "both")

    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return the entropy."""
        return record.state(0).entanglement_entropy(chosen_bond(self.bond, model))


class SteadyStateConditionNumber(Observable[Spectrum]):
    """The condition number 1/|⟨L|R⟩| of the steady state's eigenvalue, for vectors of unit norm.

    A change δH of the matrix moves the eigenvalue by up to this times ‖δH‖; it is 1 for a normal matrix.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> ring = models.NonHermitianXXZ(L=8, V=0.0, boundary="periodic")
    >>> algorithm = algorithms.ExactDiag(vectors="both")
    >>> float(Simulation(ring, algorithm, {"kappa": SteadyStateConditionNumber()}).run()["kappa"].round(9))
    1.0
    """

    measures = Spectrum
    long_name = "condition number of the steady state's eigenvalue"

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if there will be no left vectors."""
        require_vectors(self, algorithm, "both")

    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return the condition number."""
        return float(record.condition_numbers()[0])


def require_vectors(observable: Observable[Any], algorithm: Algorithm[Any], *enough: str) -> None:
    """Raise if an algorithm will not compute the eigenvectors that an observable needs.

    Parameters
    ----------
    observable : Observable
        Named in the message.
    algorithm : Algorithm
        Asked for its parameter ``vectors``, if it has one.
    *enough : str
        The values of it that will do.

    Raises
    ------
    ValueError
        With a value that will do.

    Examples
    --------
    >>> from mpsnh import algorithms
    >>> require_vectors(SteadyStateEntropy(), algorithms.ExactDiag(vectors="none"), "right", "both")
    Traceback (most recent call last):
    ValueError: SteadyStateEntropy needs right eigenvectors: use ExactDiag(vectors='right')
    """
    if getattr(algorithm, "vectors", enough[0]) not in enough:
        raise ValueError(
            f"{type(observable).__name__} needs {enough[0]} eigenvectors: "
            f"use {type(algorithm).__name__}(vectors={enough[0]!r})"
        )


def require_complete(observable: Observable[Any], algorithm: Algorithm[Any]) -> None:
    """Raise if an algorithm computes only a part of the spectrum.

    Parameters
    ----------
    observable : Observable
        Named in the message.
    algorithm : Algorithm
        Asked for ``complete``, if it has that.

    Raises
    ------
    ValueError
        With an algorithm that will do.

    Examples
    --------
    >>> from mpsnh import algorithms
    >>> require_complete(ImaginaryFraction(), algorithms.ExactDiag())
    """
    if not getattr(algorithm, "complete", True):
        raise ValueError(
            f"{type(observable).__name__} needs the whole spectrum, of which {type(algorithm).__name__} computes "
            "a part: use ExactDiag"
        )
