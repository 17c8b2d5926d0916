"""The eigenvalues of a model."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.capability import Capability
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require


class Eigenvalues(Observable[Spectrum]):
    """The eigenvalues as the algorithm sorts them: all of them, or as many as it finds.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=4, boundary="periodic")
    >>> nh.Simulation(ring, algorithms.ExactDiag(), {"E": Eigenvalues()}).run()["E"].sizes["level"]
    6
    """

    measures = Spectrum
    dims = ("level",)
    long_name = "eigenvalues"
    units = "J"

    @override
    def __call__(self, record: Spectrum, model: Model) -> NDArray[np.complex128]:
        """Return the eigenvalues."""
        if record.order == "growth":
            record.require_by_growth(model)
        return record.values


class _Threshold(Observable[Spectrum]):
    """Base of what is said of the levels whose growth is above a threshold."""

    threshold: float = 1e-13

    @override
    def validate(self) -> None:
        require(self.threshold >= 0, "threshold", self.threshold, "zero or positive")


class ImaginaryFraction(_Threshold):
    """The fraction f_Im of eigenvalues with |Im E| above a threshold; of a circuit E is the quasienergy i log λ.

    (Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Fig. 2b.)

    Parameters
    ----------
    threshold : float
        In units of J, or 1 / period. Real matrices have exactly real eigenvalues, for which any small threshold does.
        An imaginary part below the estimated error of its level is none.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=8, boundary="periodic")
    >>> float(nh.Simulation(ring, algorithms.ExactDiag(), {"f": ImaginaryFraction()}).run()["f"])
    0.0
    """

    measures = Spectrum
    needs = frozenset([Capability.ALL_LEVELS])
    long_name = "fraction of complex eigenvalues"

    @override
    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return the fraction."""
        return float(np.mean(_imaginary_parts(record, model) > self.threshold))


class RealSpectrum(_Threshold):
    """1 if no eigenvalue has |Im E| above a threshold, else 0; its disorder average is f_noSS.

    Of a circuit E is the quasienergy i log λ, so that the spectrum of a unitary one is real.

    (Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Fig. 2a.)

    Parameters
    ----------
    threshold : float
        As for `ImaginaryFraction`.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=8, h=2.0)
    >>> float(nh.Simulation(chain, algorithms.ExactDiag(), {"real": RealSpectrum(threshold=1e-9)}).run()["real"])
    1.0
    """

    measures = Spectrum
    needs = frozenset([Capability.LARGEST_IMAGINARY_PART])
    long_name = "whether the whole spectrum is real"

    @override
    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return 1 or 0."""
        largest = _imaginary_parts(record, model).max() if record.complete else record.largest_imag
        return float(cast(float, largest) <= self.threshold)


def _imaginary_parts(record: Spectrum, model: Model) -> NDArray[np.float64]:
    """Return the rate |Im E| at which each level grows or decays, or 0 where its error is larger."""
    rates: NDArray[np.float64] = np.abs(model.growth(record.values))
    if record.errors is None:
        return rates
    return np.where(np.abs(model.generator.amplification(record.values)) > record.errors, rates, 0.0)
