"""What else a whole spectrum is asked: entropy in the middle of it, and what an extremal solver makes of its edge."""

from __future__ import annotations

import numpy as np
import scipy.sparse.linalg
from typing_extensions import override

from mpsnh.base.capability import Capability
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require


class CentralEntropy(Observable[Spectrum]):
    """The mean half-chain entropy of right eigenvectors in the middle of the spectrum, per site.

    These are the levels nearest to the mean of all (J. Mák, M. J. Bhaseen and A. Pal, Commun. Phys. 7, 92 (2024)).

    Parameters
    ----------
    levels : int
        Number of levels; all of a smaller spectrum.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=8, h=1.0, boundary="periodic")
    >>> data = nh.Simulation(ring, algorithms.ExactDiag(), {"S": CentralEntropy(levels=10)}).run()
    >>> bool(0.1 < data["S"] < 0.3)
    True
    """

    measures = Spectrum
    needs = frozenset([Capability.ALL_LEVELS, Capability.RIGHT_VECTORS])
    long_name = "half-chain entropy of central eigenvectors, per site"
    levels: int = 20

    @override
    def validate(self) -> None:
        require(self.levels >= 1, "levels", self.levels, "at least 1")

    @override
    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return the mean entropy divided by the number of sites."""
        central = np.argsort(np.abs(record.values - record.values.mean()), kind="stable")[: self.levels]
        bond = model.L // 2 - 1
        return float(np.mean([record.state(int(k)).entanglement_entropy(bond) for k in central])) / model.L


class ExtremalSolver(Observable[Spectrum]):
    """How far below the largest Im E an extremal solver ends: ARPACK with its defaults, asked for two levels.

    It is NaN where the solver gives up.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=8, h=1.0, boundary="periodic")
    >>> data = nh.Simulation(ring, algorithms.ExactDiag(vectors="none"), {"short": ExtremalSolver()}).run()
    >>> bool(data["short"] > -1e-9)
    True
    """

    measures = Spectrum
    needs = frozenset([Capability.ALL_LEVELS, Capability.BY_GROWTH])
    long_name = "largest growth, less that of an extremal solver"
    units = "J"

    @override
    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return Im E₁ less the largest Im E that ARPACK returns."""
        matrix = model.matrix()
        start = np.random.default_rng(0).normal(size=matrix.shape[0])
        try:
            found = scipy.sparse.linalg.eigs(matrix, k=2, which="LI", v0=start, return_eigenvectors=False)
        except scipy.sparse.linalg.ArpackError:
            return np.nan
        return float(record.values[0].imag - np.abs(found.imag).max())
