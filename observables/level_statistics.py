"""Statistics of neighbouring levels and of singular values."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.spatial
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.capability import Capability
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.slow_mode import SlowMode
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require, require_memory
from mpsnh.linalg.bounds import EPS
from mpsnh.linalg.degeneracy import same_levels
from mpsnh.linalg.matrix import Matrix
from mpsnh.observables.bulk import Bulk

SINGULAR = 8 * EPS
"""Error of a singular value, relative to the Frobenius norm of the matrix."""

REAL = 1e-9
"""Growth rate, relative to the largest level (or to 1), below which a level counts as real."""


def mean_ratio(spacings: NDArray[np.float64], following: NDArray[np.float64]) -> float:
    """Return the mean of min(s, s′) / max(s, s′) over pairs of spacings, of which those of two zeros don't count.

    Parameters
    ----------
    spacings, following : ndarray, shape (n,)
        s and s′.

    Examples
    --------
    >>> mean_ratio(np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    0.75
    """
    larger, smaller = np.maximum(spacings, following), np.minimum(spacings, following)
    return float(np.mean(smaller[larger > 0] / larger[larger > 0]))


def one_of_each(same: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the places of the first of each group of levels that are the same within their errors.

    Parameters
    ----------
    same : ndarray of int, shape (n,)
        From `Spectrum.same`.

    Examples
    --------
    >>> one_of_each(np.array([0, 1, 0, 2])).tolist()
    [0, 1, 3]
    """
    return np.sort(np.unique(same, return_index=True)[1])


class GapRatio(Observable[Spectrum | SlowMode]):
    """The mean gap ratio ⟨r⟩ of real levels: energies of a Hamiltonian, or phases of a Floquet map.

    r = min(s_n, s_{n+1}) / max(s_n, s_{n+1}) of adjacent spacings, for phases around the circle. The mean is 0.3863 for
    independent levels and 0.5996 for random unitary matrices (CUE).
    Levels that are the same within their errors count once, and complex ones are refused.
    (Oganesyan and Huse, PRB 75, 155111 (2007); Atas et al., PRL 110, 084101 (2013).)

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=7, alpha=1.0)
    >>> data = nh.Simulation(circuit, algorithms.ExactDiag(vectors="none"), {"r": GapRatio()}).run()
    >>> bool(0.5 < data["r"] < 0.7)
    True
    """

    definition = 2  # levels that are the same within their errors count once
    measures = (Spectrum, SlowMode)
    needs = frozenset([Capability.ALL_LEVELS])
    long_name = "mean gap ratio of the levels"

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        require(model.sector.dim >= 4, "dimension of the sector", model.sector.dim, "at least 4")

    @override
    def __call__(self, record: Spectrum | SlowMode, model: Model) -> float:
        spectrum = record.spectrum if isinstance(record, SlowMode) else record
        generator, values = model.generator, spectrum.values
        growth, circle = np.abs(generator.amplification(values)), generator.circle
        errors = spectrum.resolution()
        if (growth > np.maximum(REAL * max(1.0, float(np.abs(values).max())), errors)).any():
            raise ValueError(
                f"GapRatio is for real levels, but these grow or decay by up to {growth.max():.2g}; "
                "use ComplexSpacingRatio"
            )
        levels = generator.levels(values)
        # phases are the same across ±π too
        points: NDArray[np.complex128] = levels.astype(complex) if circle is None else np.exp(1j * levels)
        levels = levels[one_of_each(same_levels(points, errors))]
        require(len(levels) >= 4, "number of distinct levels", len(levels), "at least 4")
        levels = np.sort(levels)
        if circle is None:
            spacings = np.diff(levels)
            spacings, following = spacings[:-1], spacings[1:]
        else:
            spacings = np.diff(levels, append=levels[0] + circle)
            following = np.roll(spacings, -1)
        return mean_ratio(spacings, following)


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
    bulk : Bulk, optional
        Average over levels in this box or ellipse only; those outside still are neighbours.

    Raises
    ------
    ValueError
        If fewer than three distinct levels are left, or none of them is in the bulk.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=10, gamma=0.0, h=8.0)
    >>> data = nh.Simulation(chain, algorithms.ExactDiag(vectors="none"), {"z": ComplexSpacingRatio()}).run()
    >>> bool(abs(data["z"].sel(moment="modulus") - 0.5) < 0.1)
    True
    """

    definition = 2  # levels that are the same within their errors count once
    measures = Spectrum
    needs = frozenset([Capability.ALL_LEVELS])
    dims = ("moment",)
    coords = {"moment": ("modulus", "cosine")}
    long_name = "mean complex spacing ratio"
    threshold: float | None = None
    bulk: Bulk | None = None

    @override
    def validate(self) -> None:
        if not isinstance(self.bulk, Bulk | None):
            raise TypeError(f"bulk = {self.bulk!r}, but it must be a Bulk(width=…, height=…)")

    @override
    def __call__(self, record: Spectrum, model: Model) -> NDArray[np.float64]:
        """Return ⟨|z|⟩ and ⟨cos arg z⟩."""
        levels = record.values[one_of_each(record.same())]  # a level that is degenerate has no spacing
        if self.threshold is not None:
            levels = levels[levels.imag > self.threshold]
        if len(levels) < 3:
            raise ValueError(f"spacing ratios need at least 3 distinct levels, but there are {len(levels)}")
        points = np.stack([levels.real, levels.imag], axis=1)
        _, neighbours = scipy.spatial.cKDTree(points).query(points, k=3)
        nearest, second = levels[neighbours[:, 1:]].T
        ratio = (nearest - levels) / (second - levels)
        if self.bulk is not None:
            ratio = ratio[self.bulk.contains(levels)]
            require(len(ratio) > 0, "bulk", self.bulk, "around some of the levels")
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
    >>> ring = models.NonHermitianXXZ(L=10, h=1.0, boundary="periodic")
    >>> data = nh.Simulation(ring, algorithms.ExactDiag(vectors="none"), {"r": SingularValueGapRatio()}).run()
    >>> bool(0.3 < data["r"] < 0.6)
    True
    """

    definition = 2  # singular values that are the same within their errors count once
    measures = Spectrum
    long_name = "mean gap ratio of the singular values"
    central: float = 1.0

    @override
    def validate(self) -> None:
        require(0 < self.central <= 1, "central", self.central, "above 0, at most 1")

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        n = model.sector.dim
        require(n >= 4, "dimension of the sector", n, "at least 4, for two spacings and more")
        require_memory(24.0 * n**2, f"the singular values of a matrix of dimension {n}")

    @override
    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return the mean gap ratio."""
        singular = scipy.linalg.svdvals(Matrix(model.matrix(), f"the matrix of {model!r}").dense)
        errors = np.full(len(singular), SINGULAR * float(np.linalg.norm(singular)))
        singular = np.sort(singular[one_of_each(same_levels(singular, errors))])
        require(len(singular) >= 4, "number of distinct singular values", len(singular), "at least 4")
        spacings = np.diff(singular)
        skipped = int((1 - self.central) / 2 * len(spacings))
        spacings = spacings[skipped : len(spacings) - skipped]
        return mean_ratio(spacings[:-1], spacings[1:])
