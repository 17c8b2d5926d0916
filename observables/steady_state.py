"""Properties of the level that grows fastest."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.capability import Capability
from mpsnh.base.hamiltonian import CurrentModel
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.open_model import OpenModel
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require
from mpsnh.language.opsum import OpSum
from mpsnh.linalg.degeneracy import WIDEST, growing_alike
from mpsnh.observables.current import require_current
from mpsnh.observables.state import chosen_bond

AGREEMENT = 1e-9
"""Largest difference between Im E₁ and γ⟨I_tot⟩, relative to the largest |E|."""


class GrowthRate(Observable[Spectrum]):
    """The growth of the steady state: Im E₁ for a Hamiltonian, log |λ₁| for a Floquet map.

    For the non-Hermitian XXZ ring it is γ times the steady current.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=8, V=0.0, boundary="periodic")
    >>> data = nh.Simulation(ring, algorithms.ExactDiag(), {"growth": GrowthRate()}).run()
    >>> bool(np.isclose(data["growth"], 0.1 / np.sin(np.pi / 8)))
    True
    """

    measures = Spectrum
    needs = frozenset([Capability.BY_GROWTH])
    long_name = "growth rate of the steady state"
    units = "J"

    @override
    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return the largest growth."""
        return float(model.growth(record.values[:1])[0])


class SteadyStateGap(Observable[Spectrum]):
    """The gap Δ = Im E₁ - Im E₂ between the two distinct levels that grow fastest.

    That of a Lindblad equation is Re λ₁ - Re λ₂, the slowest decay (`algorithms.LindbladSpectrum`).

    Conjugate levels decay where these grow, so each pair counts once; levels that agree as complex numbers
    count as one, but levels that differ only in Re E have Δ = 0, as has an entirely real spectrum.
    (Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Fig. 1b.)

    Parameters
    ----------
    tolerance : float
        Levels closer than this, relative to the largest |E|, are the same; so are those closer than their errors.

    Raises
    ------
    ValueError
        If there is only one distinct level.
    ArithmeticError
        If there are few levels, and the errors of the first two are larger than the gap.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=8, V=0.0, boundary="periodic")
    >>> data = nh.Simulation(ring, algorithms.ExactDiag(), {"gap": SteadyStateGap()}).run()
    >>> bool(np.isclose(data["gap"], 0.2 * np.sin(np.pi / 8)))
    True
    """

    measures = Spectrum
    needs = frozenset([Capability.BY_GROWTH, Capability.SEVERAL_LEVELS])
    long_name = "gap between the two fastest-growing levels"
    units = "J"
    tolerance: float = 1e-10

    @override
    def validate(self) -> None:
        require(self.tolerance >= 0, "tolerance", self.tolerance, "zero or positive")

    @override
    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return Δ."""
        first = record.values[0]
        same = record.same()
        distinct = np.abs(record.values - first) > self.tolerance * np.abs(record.values).max()
        distinct &= same != same[0]
        if not distinct.any():
            hint = "" if record.complete else " among those found: ask for a larger k"
            raise ValueError(f"the spectrum has only one distinct level{hint}, so there is no gap")
        growth, errors = model.growth(record.values), record.resolution()
        second = int(np.argmax(np.where(distinct, growth, -np.inf)))
        gap, error = float(growth[0] - growth[second]), float(errors[0] + errors[second])
        if not record.complete and error > max(gap, WIDEST * float(np.abs(record.values).max())):
            raise ArithmeticError(
                f"the two fastest levels found, {first:.6g} and {record.values[second]:.6g}, are known to"
                f" {errors[0]:.1g} and {errors[second]:.1g} only, so that the gap is not known: use a larger"
                " max_bond or more starts"
            )
        return gap


class SteadyStateCurrent(Observable[Spectrum]):
    """The total current I_tot of the steady state, from its eigenvalue and from its eigenvector.

    H = H_Hermitian + iγ I_tot makes Im E₁ / γ and ⟨I_tot⟩ equal in a right eigenvector.
    The J_∞ of Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Fig. 1a, is Im E₁, that is γ I_tot.
    Both are zero if the whole spectrum is real, as that of an open chain with real fields is: its vectors are real,
    pile spins up at one end, and carry no current, so that zero is right there. What flows for a while is the current
    of an evolution.

    Raises
    ------
    ArithmeticError
        If the two differ, because the eigenvector is wrong or the model has other non-Hermitian terms.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=6, h=1.0, boundary="periodic")
    >>> data = nh.Simulation(ring, algorithms.ExactDiag(), {"I": SteadyStateCurrent()}).run()
    >>> a, b = data["I"].sel(estimate=["eigenvalue", "eigenvector"]).values
    >>> bool(np.isclose(a, b))
    True
    """

    measures = Spectrum
    needs = frozenset([Capability.BY_GROWTH, Capability.RIGHT_VECTORS])
    dims = ("estimate",)
    coords = {"estimate": ("eigenvalue", "eigenvector")}
    long_name = "total spin current of the steady state"
    units = "J"

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        require_current(self, model)
        allowed = "that of a Hamiltonian, whose current is Im E / gamma"
        energies = model.generator.circle is None and not isinstance(model, OpenModel)
        require(energies, "generator of the model", type(model.generator).__name__, allowed)
        gamma = getattr(model, "gamma", None)
        allowed = "not zero, since the current is Im E / gamma; OfLevel(observable=CurrentProfile()) measures any model"
        require(bool(gamma), "gamma", gamma, allowed)

    @override
    def __call__(self, record: Spectrum, model: Model) -> NDArray[np.float64]:
        """Return I_tot from the eigenvalue and from the eigenvector, in units of J."""
        chain = cast(CurrentModel, model)
        total, gamma = OpSum.sum(chain.current(j) for j in chain.bonds), cast(Any, model).gamma
        estimates = np.array([record.values[0].imag / gamma, record.state(0).expect(total).real])
        # They differ by Im(E₁ - ⟨H⟩), which is at most the residual.
        allowed = AGREEMENT * np.abs(record.values).max() + (0 if record.residuals is None else record.residuals[0])
        if abs(np.diff(estimates)[0]) * abs(gamma) > allowed:
            raise ArithmeticError(
                f"Im E₁/γ = {estimates[0]} and ⟨I_tot⟩ = {estimates[1]} must agree: the eigenvector is wrong, "
                "or the model has non-Hermitian terms besides iγ I_tot"
            )
        return estimates


def number_alike(spectrum: Spectrum, model: Model) -> int:
    """Return how many distinct levels grow as fast as the first one, within their errors.

    Parameters
    ----------
    spectrum : Spectrum
        By decreasing growth.
    model : Model
        Its model.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=6, gamma=0.3, h=1.0, seed=1, boundary="periodic")
    >>> (spectrum,) = algorithms.ExactDiag().records(ring)
    >>> number_alike(spectrum, ring)
    1
    """
    if spectrum.alike is not None:
        return spectrum.alike
    size = model.generator.amplification(spectrum.values)
    return growing_alike(spectrum.values, size, spectrum.resolution())


def steady_level(spectrum: Spectrum, model: Model) -> int:
    """Return the place of the level that grows fastest; in a real spectrum of energies, of the lowest one.

    Parameters
    ----------
    spectrum : Spectrum
        By decreasing growth.
    model : Model
        Its model.

    Raises
    ------
    ArithmeticError
        If several levels grow alike within their errors, as all do in a unitary circuit, or where these are large.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=8, V=0.0, boundary="periodic")
    >>> (spectrum,) = algorithms.ExactDiag().records(ring)
    >>> steady_level(spectrum, ring)
    0
    """
    errors, size = spectrum.resolution(), model.generator.amplification(spectrum.values)
    alike = np.flatnonzero(size[0] - size <= errors[0] + errors)
    lowest = int(alike[np.argmin(spectrum.values[alike].real)])
    count = number_alike(spectrum, model)
    if count == 1:
        return 0
    largest = np.abs(size).max() if spectrum.complete else spectrum.largest_imag
    if model.generator.circle is None and largest is not None and largest <= errors.max():
        return lowest
    if spectrum.evidence and not spectrum.certified:  # of a search, whose errors fall with the bond dimension
        known = f"the first level ({spectrum.values[0]:.6g}) is known to {errors[0]:.1g} only"
        way = "and another one may grow as fast within that; use a larger max_bond"
        raise ArithmeticError(f"the steady state is not known: {known}, {way}")
    raise ArithmeticError(
        f"there is no steady state, since {count} distinct levels grow alike within their errors; measure the states "
        "of an evolution instead, or break the symmetry"
    )


class SteadyStateEntropy(Observable[Spectrum]):
    """The von Neumann entanglement entropy of the steady state's right vector across one bond, in natural units.

    If the whole spectrum is real there is no steady state, and this is the entropy of the level lowest in Re E.
    A level that is degenerate has many vectors, and is refused, as are several levels that grow alike.

    Parameters
    ----------
    bond : int, optional
        Between sites `bond` and `bond` + 1; the middle of the chain if not given.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=8, V=0.0, boundary="periodic")
    >>> bool(nh.Simulation(ring, algorithms.ExactDiag(), {"S": SteadyStateEntropy()}).run()["S"] > 0.5)
    True
    """

    measures = Spectrum
    needs = frozenset([Capability.BY_GROWTH, Capability.RIGHT_VECTORS])
    long_name = "von Neumann entanglement entropy of the steady state"
    bond: int | None = None

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        chosen_bond(self.bond, model)
        require_vectors(self, model)

    @override
    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return the entropy."""
        return record.state(_one_level(record, model, "entropy")).entanglement_entropy(chosen_bond(self.bond, model))


class SteadyStateConditionNumber(Observable[Spectrum]):
    """The condition number 1/|⟨L|R⟩| of the steady state's eigenvalue, for vectors of unit norm.

    A change δH of the matrix moves the eigenvalue by up to this times ‖δH‖; it is 1 for a normal matrix. Of a
    degenerate steady state it is the norm of the projector on all of its vectors, and it is infinite at an exceptional
    point. Several levels that grow alike are no steady state, and are refused.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=8, V=0.0, boundary="periodic")
    >>> algorithm = algorithms.ExactDiag(vectors="both")
    >>> float(nh.Simulation(ring, algorithm, {"kappa": SteadyStateConditionNumber()}).run()["kappa"].round(9))
    1.0
    """

    measures = Spectrum
    needs = frozenset([Capability.BY_GROWTH, Capability.CONDITION_NUMBERS])
    long_name = "condition number of the steady state's eigenvalue"
    infinite = "at an exceptional point"

    @override
    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return the condition number."""
        known = record.conditions is not None  # of a degenerate level that of the projector
        level = steady_level(record, model) if known else _one_level(record, model, "condition number")
        return float(record.condition_numbers()[level])


def require_vectors(observable: Observable[Any], model: Model) -> None:
    """Raise if the levels of a model are no pure states but density matrices.

    Parameters
    ----------
    observable : Observable
        Named in the message.
    model : Model
        The model.

    Raises
    ------
    ValueError
        Naming what works.

    Examples
    --------
    >>> require_vectors(SteadyStateEntropy(), models.OpenXXZ(L=4))
    Traceback (most recent call last):
    ValueError: SteadyStateEntropy needs pure states, but the steady state of OpenXXZ is a density matrix: ...
    """
    if isinstance(model, OpenModel):
        raise ValueError(
            f"{type(observable).__name__} needs pure states, but the steady state of {type(model).__name__} is a "
            "density matrix: measure its entropy() or log_negativity(bond), or the levels of model.no_click()"
        )


def _one_level(record: Spectrum, model: Model, quantity: str) -> int:
    """Return the place of the steady level, which must have one vector only."""
    level = steady_level(record, model)
    copies = record.copies(level)
    if copies > 1:
        raise ArithmeticError(
            f"the steady state is degenerate: {copies} levels are the same within their errors, and each of their "
            f"vectors has its own {quantity}; break the symmetry, or choose a sector with charge"
        )
    return level
