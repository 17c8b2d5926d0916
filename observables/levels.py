"""The eigenvalues of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require
from mpsnh.observables.needs import require_complete


class Eigenvalues(Observable[Spectrum]):
    """The eigenvalues, ordered by decreasing growth: all of them, or as many as the algorithm finds.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=4, boundary="periodic")
    >>> nh.Simulation(ring, algorithms.ExactDiag(), {"E": Eigenvalues()}).run()["E"].sizes["level"]
    6
    """

    measures = Spectrum
    dims = ("level",)
    long_name = "eigenvalues by decreasing growth"
    units = "J"

    def __call__(self, record: Spectrum, model: Model) -> NDArray[np.complex128]:
        """Return the eigenvalues."""
        return record.values


class ImaginaryFraction(Observable[Spectrum]):
    """The fraction f_Im of eigenvalues with |Im E| above a threshold.

    (Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Fig. 2b.)

    Parameters
    ----------
    threshold : float
        In units of J. Real matrices have exactly real eigenvalues, for which any small threshold does.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=8, boundary="periodic")
    >>> float(nh.Simulation(ring, algorithms.ExactDiag(), {"f": ImaginaryFraction()}).run()["f"])
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
    >>> chain = models.NonHermitianXXZ(L=8, h=2.0)
    >>> float(nh.Simulation(chain, algorithms.ExactDiag(), {"real": RealSpectrum(threshold=1e-9)}).run()["real"])
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
