"""All eigenvalues of a large real matrix whose spectrum lies near the real axis, by filter diagonalisation.

The matrix H, scaled so that its spectrum is x = cos θ with θ between 0 and π, enters through the moments
c_s = Lᵀ T_s(H) R of a few random vectors L and R only. In the space spanned by the vectors f_φ(H) R, with filters
f_φ(cos θ) = exp[-(θ-φ)²/2σ²] at a few angles φ a distance σ apart, H is a small matrix pencil, whose eigenvalues in
the middle of that window are eigenvalues of H. The product of two Gaussians is a Gaussian, so that the elements of the
pencil are f_φ(H) f_φ'(H) = exp[-(φ-φ')²/4σ²] F_(φ+φ')/2(H), with F of width σ/√2: one sum over moments for each mean
angle. Windows next to each other cover the spectrum, at a cost that grows as the square of the dimension.

The method is that of Neuhauser, J. Chem. Phys. 93, 2611 (1990), with Gaussian filters as in Wall and Neuhauser,
J. Chem. Phys. 102, 8011 (1995), the Chebyshev recursion of Mandelshtam and Taylor, J. Chem. Phys. 106, 5085 (1997)
and blocks of vectors as in Mandelshtam and Taylor, J. Chem. Phys. 107, 6756 (1997).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import scipy.special
from numpy.typing import ArrayLike, NDArray

from mpsnh.eigenvectors import biorthonormal, require_small
from mpsnh.kernels.block import BlockOperator
from mpsnh.value import require

BLOCK = 16
"""Random vectors to begin with. More of them need fewer moments, and larger matrices in each window."""

LARGEST_BLOCK = 128
"""Random vectors beyond which a spectrum counts as too far from the real axis, unless another number is given."""

OVERSAMPLING = 2.0
"""Filtered vectors for each eigenvalue: 1.5 is the least that separates all of them to machine precision."""

CENTRE = 7
"""Width of a window in units of σ, all eigenvalues of which are kept."""

MARGIN = 3
"""Width on either side of a window, in units of σ, in which there are filters but no eigenvalues are kept."""

ZONE = 8
"""Most windows that share one σ, and with it their sums over moments."""

NARROWEST = 1e-6
"""Half-width of a spectrum, relative to its largest eigenvalue, below which its levels count as one."""

BROADEST = 0.04
"""Largest σ, an angle. The filters must not reach from the end of the spectrum to the edges at θ = 0 and π."""

SHARPEST = 1.25e-4
"""Smallest σ to begin with: the number of moments grows as 1/σ, and with it their rounding errors."""

PADDING = 1.05
"""Half-width of the Chebyshev interval in units of that of the spectrum."""

TRUNCATION = 1e-12
"""Size of the terms at which sums over moments end."""

LEAST_PIVOT = 3e-12
"""Pivot of a pencil, relative to the largest, that counts as zero; it must exceed what sums over moments leave out."""

ROUNDING = 2 * np.finfo(float).eps
"""Rounding error of the moment c_s, relative to s: below it, too, pivots count as zero."""

DYNAMIC_RANGE = 30.0
"""How much more than its share a complex eigenvalue may contribute to a sum over moments: digits are lost to it."""

SHARE = 12
"""Least number of left vectors that have elements in the same rows."""

SAFETY = 1.15
"""How much wider filters are made than the growth of the first moments says."""

CHUNK = 64
"""Moments between two tests of whether there are enough."""

GHOST = 1e-3
"""Error of cos(qθ), with qσ = 1/2, above which an eigenvalue of a pencil is not one of H."""

BANK = 8
"""Filters at neighbouring angles, in whose common space the eigenvector of one level is sought."""

COLUMNS = 16
"""Random vectors that they are applied to."""

BATCH = 16
"""Chebyshev polynomials that enter the sums over them at once."""

SPACING = 2.0
"""Distance of these angles, relative to 1 / M for filters of degree M."""

SPARE = 16
"""Filtered vectors that are more than the levels which the filters may leave."""

STEEPNESS = (27.0, 40.0, 60.0)
"""Parameters β of the filters for eigenvectors that are tried; beyond the nearest levels they are about exp(-β)."""

DEGREES = np.geomspace(0.05, 3.0, 24)
"""Degrees of these filters that are tried, relative to the one at which the nearest levels are just not damped."""

DIGITS = 26.0
"""Logarithm of how much a filter should damp all other levels: by more than single out one of 10¹¹."""

NOISE = 9.0
"""Logarithm of how much a filter may amplify rounding errors relative to the level it is for."""

STEPS = 12
"""Most filters that are applied for one eigenvector."""

GROUP = 8
"""Eigenvectors whose first filters are applied together."""

RESIDUAL = 2e-10
"""Residual of an eigenvector, relative to the half-width of the spectrum, at which it is good enough."""

REAL = 1e-11
"""Imaginary part, relative to the half-width of the spectrum, below which a pair of eigenvalues counts as real."""

TRACE_TOLERANCE = 1e-12
"""Largest error of a trace in a certified spectrum, per √n and relative to the half-width of the spectrum.

Rounding leaves about a tenth of it. An eigenvalue that is missing while another one counts twice changes the traces by
their distance: so even at n = 10⁵ all but pairs closer than 3·10⁻¹⁰ would show, far less than the mean spacing, and for
those it does not matter.
"""

ERROR_TOLERANCE = 1e-8
"""Largest estimated error of an eigenvalue in a certified spectrum, relative to the half-width of the spectrum.

The estimates are about a hundred times the actual errors. A ghost that just passed `GHOST` fails this by far.
"""


@dataclass(frozen=True)
class FilteredSpectrum:
    """Eigenvalues of a real matrix and what speaks for their being all and right.

    Attributes
    ----------
    values : ndarray of complex, shape (count,)
        In increasing order of the real part; complex ones come in exact conjugate pairs.
    errors : ndarray, shape (count,)
        Estimated errors, which are upper ones: the pencil's own error of the filters.
    certified : bool
        Whether there are as many eigenvalues as the matrix has and both traces agree.
    dim : int
        Dimension n of the matrix.
    trace_error, trace2_error : float
        |Σ (λ - c)ᵏ - tr (H - c)ᵏ| for k = 1 and 2, with c the middle of the spectrum.
    attempts : int
        Random starts that were made.
    centre, half_width : float
        Of an interval that contains the real parts of all eigenvalues.

    Examples
    --------
    >>> FilteredSpectrum(np.array([1 + 0j]), np.array([1e-12]), False, 2, 0.1, 0.2, 1, 0.0, 1.0).count
    1
    """

    values: NDArray[np.complex128]
    errors: NDArray[np.float64]
    certified: bool
    dim: int
    trace_error: float
    trace2_error: float
    attempts: int
    centre: float
    half_width: float

    @property
    def count(self) -> int:
        """Number of eigenvalues found, with their multiplicities."""
        return len(self.values)

    @property
    def report(self) -> str:
        """What the certificate says, as a sentence.

        Examples
        --------
        >>> import scipy.sparse
        >>> filter_spectrum(scipy.sparse.diags([1.0, 2.0, 4.0]).tocsr()).report
        'certified: 3 of 3 eigenvalues, traces agree to ... and ..., attempt 1'
        """
        return (
            f"{'certified' if self.certified else 'not certified'}: {self.count} of {self.dim} eigenvalues, "
            f"traces agree to {self.trace_error:.1g} and {self.trace2_error:.1g}, attempt {self.attempts}"
        )


def filter_spectrum(
    matrix: scipy.sparse.csr_matrix, *, seed: int = 0, attempts: int = 3, largest_block: int = LARGEST_BLOCK
) -> FilteredSpectrum:
    """Return all eigenvalues of a large real sparse matrix, with a certificate.

    The spectrum should be near the real axis, and no eigenvalue more than a few times degenerate; if not, the
    result is not certified. For dimensions below about 500, a dense solver is faster. It takes about
    20 n kilobytes: 1 GiB for n = 50 000.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
        A real sparse matrix.
    seed : int
        Of the random vectors.
    attempts : int
        How many random starts may be made until a result is certified.
    largest_block : int
        Random vectors beyond which a spectrum counts as too far from the real axis: time and memory grow with them.

    Returns
    -------
    FilteredSpectrum
        The first certified result, or the last one; look at `certified` before using it.

    Raises
    ------
    ValueError
        If the matrix is complex, not square or not finite, or a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from mpsnh import models
    >>> matrix = models.NonHermitianXXZ(L=10, h=2.0, boundary="periodic").matrix()
    >>> found = filter_spectrum(matrix)
    >>> found.certified, found.count
    (True, 252)
    >>> exact = np.linalg.eigvals(matrix.toarray())
    >>> bool(np.isclose(found.values.imag.max(), exact.imag.max()))
    True
    """
    _check(matrix)
    require(seed >= 0, "seed", seed, "zero or positive")
    require(attempts >= 1, "attempts", attempts, "positive")
    require(largest_block >= 1, "largest_block", largest_block, "positive")
    operator = BlockOperator(matrix)
    centre, half = _interval(matrix)
    angles, density = _density(matrix, centre, half, np.random.default_rng([seed, 0]))
    block, oversampling = BLOCK, OVERSAMPLING
    while block < largest_block and min(z.sigma for z in _zones(angles, density, block, oversampling)) < SHARPEST:
        block = _rounded(1.5 * block)
    for attempt in range(1, attempts + 1):
        while True:
            zones = _zones(angles, density, block, oversampling)
            narrowest = min(zone.sigma for zone in zones)
            moments = _moments(operator, centre, half, narrowest, block, np.random.default_rng([seed, attempt]))
            if moments.complete:
                break
            block = _rounded(max(block * moments.least_sigma / narrowest, block + 1))
            if block > largest_block:
                return _certify(matrix, centre, half, np.empty(0, complex), np.empty(0), attempt)
        levels = _joined([window for zone in zones for window in _solve(zone, moments)])
        spectrum = _certify(matrix, centre, half, *levels, attempt)
        if spectrum.certified:
            break
        block, oversampling = _rounded(1.5 * block), 1.2 * oversampling
    return spectrum


def eigenvectors(
    matrix: scipy.sparse.csr_matrix,
    spectrum: FilteredSpectrum,
    values: ArrayLike,
    *,
    side: Literal["right", "left"] = "right",
    seed: int = 0,
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return eigenvectors of a few eigenvalues of a large real sparse matrix whose spectrum is known.

    A few filters single an eigenvalue and others near it out of a random block, and a Rayleigh-Ritz step tells these
    apart; that is repeated if need be (subspace iteration). Each filter is the Fourier transform of a Kaiser
    window, sinh √(β² - M²(θ-φ)²), the narrowest known one for its degree M and for how much it damps (Kaiser and
    Schafer, IEEE Trans. Acoust. Speech Signal Process. 28, 105 (1980)). As it favours complex eigenvalues, M and β are
    chosen knowing all of them.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
        A real sparse matrix.
    spectrum : FilteredSpectrum
        All of its eigenvalues, from `filter_spectrum`.
    values : array_like of complex, shape (m,)
        Those of them whose vectors are wanted.
    side : "right" or "left"
        Whether H r = λ r or ⟨l| H = λ ⟨l|, that is Hᵀ l = λ* l.
    seed : int
        Of the random vectors.

    Returns
    -------
    vectors : ndarray, shape (n, m)
        Normalised vectors, as columns.
    residuals : ndarray, shape (m,)
        The norms of H r - λ r or Hᵀ l - λ* l, to be compared with that of H. They are below 1e-9 of it unless so many
        eigenvalues of larger imaginary part are so near that the iteration ran out of steps.

    Raises
    ------
    ValueError
        If the matrix is complex, not square or not finite, an eigenvalue not finite or the side unknown.
    ArithmeticError
        If the spectrum is too far from the real axis.

    Examples
    --------
    >>> import numpy as np
    >>> from mpsnh import models
    >>> matrix = models.NonHermitianXXZ(L=10, h=2.0, boundary="periodic").matrix()
    >>> found = filter_spectrum(matrix)
    >>> steady = found.values[np.argmax(found.values.imag)]
    >>> vectors, residuals = eigenvectors(matrix, found, [steady])
    >>> bool(np.linalg.norm(matrix @ vectors[:, 0] - steady * vectors[:, 0]) < 1e-8)
    True
    """
    _check(matrix)
    require(side in ("right", "left"), "side", side, "'right' or 'left'")
    require(seed >= 0, "seed", seed, "zero or positive")
    targets = np.asarray(values, dtype=complex)
    require(targets.ndim == 1, "values shape", targets.shape, "that of a list of numbers")
    require(bool(np.isfinite(targets).all()), "values", targets, "finite")
    n, centre, half = matrix.shape[0], spectrum.centre, spectrum.half_width
    operator = BlockOperator(matrix if side == "right" else matrix.T.tocsr())
    # The real and imaginary parts of a conjugate pair span the same space, so that the upper one will do.
    x = (targets - centre) / half
    upper = x.real + 1j * np.abs(x.imag)
    angles = np.arccos((spectrum.values - centre) / half)
    filters = [_Filter.of(target, angles, n) for target in upper]
    vectors, residuals = np.empty((n, len(targets)), complex), np.empty(len(targets))
    for first in range(0, len(targets), GROUP):
        group = range(first, min(first + GROUP, len(targets)))
        start = np.random.default_rng(seed).standard_normal((n, min(COLUMNS, n)))
        blocks = _filtered(operator, centre, half, [filters[level] for level in group], start)
        for level, block in zip(group, blocks, strict=True):
            for _ in range(STEPS):
                block = np.ascontiguousarray(np.linalg.qr(block).Q)
                image = operator.apply(block, np.empty_like(block), scale=1 / half, shift=centre)
                ritz, small = np.linalg.eig(block.T @ image)
                nearest = np.argmin(np.abs(ritz - upper[level]))
                vector = block @ small[:, nearest]
                norm = np.linalg.norm(vector)
                residual = np.linalg.norm(image @ small[:, nearest] - upper[level] * vector) / norm
                if residual < RESIDUAL:
                    break
                (block,) = _filtered(operator, centre, half, [filters[level]], block)
            conjugate = (x[level].imag < 0) != (side == "left")
            vectors[:, level] = (vector.conj() if conjugate else vector) / norm
            residuals[level] = half * residual
    return vectors, residuals


def right_and_left(
    matrix: scipy.sparse.csr_matrix,
    spectrum: FilteredSpectrum,
    values: ArrayLike,
    *,
    left: bool,
    largest_residual: float,
    seed: int = 0,
) -> tuple[NDArray[np.complex128], NDArray[np.complex128] | None, NDArray[np.float64]]:
    """Return accurate right eigenvectors of a few eigenvalues, and left ones that are biorthonormal to them.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
        A real sparse matrix.
    spectrum : FilteredSpectrum
        All of its eigenvalues, from `filter_spectrum`.
    values : array_like of complex, shape (m,)
        Those of them whose vectors are wanted.
    left : bool
        Whether left vectors are wanted.
    largest_residual : float
        Largest norm of H r - λ r, and of Hᵀ l - λ* l for l of unit norm, that is accepted.
    seed : int
        Of the random vectors.

    Returns
    -------
    right : ndarray, shape (n, m)
        Normalised vectors, as columns.
    left : ndarray, shape (n, m), or None
        The left ones.
    residuals : ndarray, shape (m,)
        Those of the right ones.

    Raises
    ------
    ArithmeticError
        If a residual is larger, the spectrum is too far from the real axis or a level too close to an exceptional
        point.

    Examples
    --------
    >>> import numpy as np
    >>> from mpsnh import models
    >>> matrix = models.NonHermitianXXZ(L=10, h=2.0, boundary="periodic").matrix()
    >>> found = filter_spectrum(matrix)
    >>> right, left, residuals = right_and_left(matrix, found, found.values[:2], left=True, largest_residual=1e-8)
    >>> bool(np.allclose(left.conj().T @ right, np.eye(2)))
    True
    """
    right, residuals = eigenvectors(matrix, spectrum, values, seed=seed)
    require_small(residuals, largest_residual)
    if not left:
        return right, None, residuals
    others, other_residuals = eigenvectors(matrix, spectrum, values, side="left", seed=seed)
    require_small(other_residuals, largest_residual)
    return right, biorthonormal(np.asarray(values), others, right), residuals


@dataclass(frozen=True)
class _Filter:
    """Filters of degree M at a few angles next to each other."""

    angles: NDArray[np.float64]
    steepness: float
    degree: int

    @classmethod
    def of(cls, x: complex, angles: NDArray[np.complex128], dim: int) -> _Filter:
        """Return the cheapest ones for the eigenvalue x among those at some angles."""
        target = np.arccos(x)
        kept = min(BANK * COLUMNS - SPARE, dim - 1)
        away = np.abs(angles.real - target.real)
        nearest = max(float(np.partition(away, kept)[kept]), 1e-6)
        best, cheapest = None, math.inf
        for steepness, factor in itertools.product(STEEPNESS, DEGREES):
            degree = math.ceil(factor * steepness / nearest)
            own = float(_log_filter(steepness, degree, 1j * abs(target.imag)))
            noise = float(_log_filter(steepness, degree, 1j * np.abs(angles.imag).max())) - own
            if noise > NOISE:
                break
            reach = SPACING / degree * (BANK - 1) / 2
            others = _log_filter(steepness, degree, np.maximum(away - reach, 0) + 1j * angles.imag)
            contrast = own - float(np.partition(others, -kept - 1)[-kept - 1])
            if contrast > 1 and (cost := degree * math.ceil(DIGITS / contrast)) < cheapest:
                bank = target.real + SPACING / degree * (np.arange(BANK) - (BANK - 1) / 2)
                best, cheapest = cls(bank, steepness, degree), cost
        if best is None:
            raise ArithmeticError("the spectrum is too far from the real axis to filter an eigenvector out of it")
        return best

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """Those of the Chebyshev polynomials, a row for each angle."""
        s = np.arange(self.degree + 1)
        argument = self.steepness * np.sqrt(1 - (s / (self.degree + 1)) ** 2)
        window = scipy.special.ive(0, argument) * np.exp(argument - self.steepness) * np.where(s == 0, 1, 2)
        return np.asarray(window * np.cos(np.outer(self.angles, s)))


def _log_filter(steepness: float, degree: int, angle: ArrayLike) -> NDArray[np.float64]:
    """Return a bound on the logarithm of a filter at complex angles from its middle."""
    root = np.sqrt(steepness**2 - (degree * np.asarray(angle, dtype=complex)) ** 2)
    return np.asarray(np.abs(root.real) - np.log(np.maximum(np.abs(root), 1)))


def _filtered(
    operator: BlockOperator, centre: float, half: float, filters: list[_Filter], block: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return several sets of filters applied to a block, those of each set side by side."""
    series = [each.coefficients for each in filters]
    totals = [np.zeros((block.size, BANK), order="F") for _ in filters]
    # T_s R of one batch after the other, all of which enter the sums at once
    batch = np.empty((BATCH, *block.shape))
    batch[0] = block
    operator.apply(block, batch[1], scale=1 / half, shift=centre)
    for first in range(0, max(rows.shape[1] for rows in series), BATCH):
        for k in range(2 if first == 0 else 0, BATCH):
            # batch[k - 1] and batch[k - 2] are the last two, also where k - 1 and k - 2 are negative
            np.copyto(batch[k], batch[k - 2])
            operator.apply(batch[k - 1], batch[k], scale=2 / half, shift=centre, keep=-1.0)
        for rows, total in zip(series, totals, strict=True):
            part = rows[:, first : first + BATCH].T
            if len(part):
                terms = batch[: len(part)].reshape(len(part), -1).T
                scipy.linalg.blas.dgemm(1.0, terms, part, beta=1.0, c=total, overwrite_c=True)
    return [total.T.reshape(BANK, *block.shape).transpose(1, 0, 2).reshape(len(block), -1) for total in totals]


def _rounded(block: float) -> int:
    """Return the next number of random vectors that makes good use of vector registers."""
    return 4 * math.ceil(block / 4)


def _check(matrix: Any) -> None:
    require(scipy.sparse.issparse(matrix), "matrix", type(matrix).__name__, "a sparse matrix")
    require(not np.iscomplexobj(matrix), "matrix dtype", matrix.dtype.name, "real")
    require(matrix.shape[0] == matrix.shape[1] > 0, "matrix shape", matrix.shape, "square and not empty")
    if not np.isfinite(matrix.data).all():
        raise ValueError("the matrix has elements that are not finite")


def _interval(matrix: scipy.sparse.csr_matrix) -> tuple[float, float]:
    """Return centre and half-width of an interval that contains the real parts of all eigenvalues.

    They lie between the extremal eigenvalues of the symmetric part.
    """
    symmetric = (matrix + matrix.T) / 2
    n = matrix.shape[0]
    if not symmetric.count_nonzero():
        ends = np.zeros(2)
    elif n <= 4 * BLOCK:
        ends = np.linalg.eigvalsh(symmetric.toarray())
    else:
        start = np.random.default_rng(0).standard_normal(n)
        ends = scipy.sparse.linalg.eigsh(symmetric, 2, which="BE", tol=1e-3, v0=start, return_eigenvectors=False)
    low, high = float(ends.min()), float(ends.max())
    half, largest = (high - low) / 2, max(abs(low), abs(high))
    if half <= NARROWEST * largest:
        half = largest or 1.0
    return (low + high) / 2, PADDING * half


@np.errstate(over="ignore", invalid="ignore")
def _density(
    matrix: scipy.sparse.csr_matrix, centre: float, half: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate the number of eigenvalues per angle with the kernel polynomial method.

    See Weiße et al., Rev. Mod. Phys. 78, 275 (2006); few moments suffice, in single precision.
    """
    n = matrix.shape[0]
    order = min(1000, max(50, n // 10))
    operator = BlockOperator(matrix, np.float32)
    start = rng.choice(np.array([-1, 1], dtype=np.float32), size=(n, 32))
    before, current = start.copy(), np.empty_like(start)
    operator.apply(before, current, scale=1 / half, shift=centre)
    moments = np.empty(order + 1)
    moments[:2] = start.size, np.vdot(start, current)
    for s in range(2, order + 1):
        before, current = current, operator.apply(current, before, scale=2 / half, shift=centre, keep=-1.0)
        if not np.linalg.norm(current) < 10 * np.linalg.norm(start):  # complex eigenvalues outgrow the others
            order = s - 1
            break
        moments[s] = np.vdot(start, current)
    indices = np.arange(order + 1)
    end = np.pi / (order + 2)
    jackson = ((order - indices + 2) * np.cos(indices * end) + np.sin(indices * end) / np.tan(end)) / (order + 2)
    angles = np.linspace(0, np.pi, 4 * order)
    sums = np.cos(np.outer(angles, indices)) @ (jackson * moments[: order + 1] * np.where(indices == 0, 1, 2))
    return angles, n * sums / (np.pi * start.size)


@dataclass(frozen=True)
class _Zone:
    """Some windows that share the width σ of their filters."""

    start: float
    sigma: float
    windows: int

    @property
    def edges(self) -> NDArray[np.float64]:
        """The angles at which the windows begin and end."""
        return self.start + self.sigma * CENTRE * np.arange(self.windows + 1, dtype=float)

    @property
    def mean_angles(self) -> NDArray[np.float64]:
        """The mean angles of all pairs of filters, σ/2 apart."""
        first = self.start + self.sigma * (0.5 - MARGIN)
        return first + self.sigma / 2 * np.arange(2 * (self.windows * CENTRE + 2 * MARGIN) - 1, dtype=float)


def _probe(sigma: float) -> int:
    """Return the index q of the polynomial T_q that tells eigenvalues from ghosts, qσ = 1/2."""
    return round(0.5 / sigma)


def _zones(angles: NDArray[np.float64], density: NDArray[np.float64], block: int, oversampling: float) -> list[_Zone]:
    """Cover the spectrum with windows that have enough filters for the eigenvalues in them."""
    widths = np.minimum(block / (oversampling * np.maximum(density, 1e-3)), BROADEST)
    widths = np.minimum(widths, 8 * widths.min())

    def narrowest(start: float, end: float) -> float:
        inside = (angles >= start - angles[1]) & (angles <= end + angles[1])
        return float(widths[inside].min())

    edge = math.acos(1 / PADDING)
    start, zones = edge - BROADEST, []
    while start < np.pi - edge + BROADEST:
        sigma = narrowest(start, start)
        for _ in range(3):
            sigma = narrowest(start - MARGIN * sigma, start + (CENTRE + MARGIN) * sigma)
        windows = 1
        while windows < ZONE and start + windows * CENTRE * sigma < np.pi - edge + BROADEST:
            end = start + windows * CENTRE * sigma
            if not 0.95 < narrowest(end, end + (CENTRE + MARGIN) * sigma) / sigma < 1.2:
                break
            windows += 1
        zones.append(_Zone(start, sigma, windows))
        start = float(zones[-1].edges[-1])
    return zones


@dataclass(frozen=True)
class _Moments:
    """Moments Lᵀ T_s(H) R, one a row, relative to |Lᵀ R|: all, or those before complex eigenvalues outgrew the rest."""

    values: NDArray[np.float64]
    envelope: NDArray[np.float64]
    dim: int
    complete: bool

    @property
    def least_sigma(self) -> float:
        """The σ of filters that would have tamed their growth, judging by the last third of them."""
        last = len(self.envelope) - 1
        rate = float(self.envelope[last] - self.envelope[2 * last // 3]) / (last - 2 * last // 3)
        # log |c_s| = a + s |Im θ|, of which exp(-s²σ²/4) leaves a + |Im θ|² / σ² at most
        start = float(self.envelope[last]) - rate * last
        return SAFETY * rate / math.sqrt(max(math.log(DYNAMIC_RANGE) - start, 1.0))


def _damped(envelope: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return the logarithms of bounds on the terms of a sum over moments."""
    return envelope - (np.arange(len(envelope)) * sigma / 2) ** 2


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _moments(
    operator: BlockOperator, centre: float, half: float, sigma: float, block: int, rng: np.random.Generator
) -> _Moments:
    """Return as many moments as filters of width σ need, or fewer if complex eigenvalues outgrow all others.

    T_s grows as exp(s |Im θ|), which the Gaussian exp(-s²σ²/4) tames in the end.
    """
    n = operator.dim
    # In a large block each left vector has elements in some of the rows only, those of a part of the basis that is as
    # good as random: moments then cost as n times the block, not its square.
    share = max(block // SHARE, 1)
    sizes = np.diff(np.linspace(0, block, share + 1).astype(int))
    left = [rng.standard_normal((size, len(range(part, n, share)))) for part, size in enumerate(sizes)]
    ends = np.cumsum(sizes)

    def overlaps(vectors: NDArray[np.float64], out: NDArray[np.float64]) -> None:
        for part, (rows, end) in enumerate(zip(left, ends, strict=True)):
            np.matmul(rows, vectors[part::share], out=out[end - len(rows) : end])

    before, current = rng.standard_normal((n, block)), np.empty((n, block))
    operator.apply(before, current, scale=1 / half, shift=centre)
    tall, small = math.log(DYNAMIC_RANGE), math.log(TRUNCATION)
    probe = _probe(sigma)
    # Enough for the fastest growth within the dynamic range; the system provides only the pages that are used.
    capacity = math.ceil(2 * (math.sqrt(tall) + math.sqrt(tall - small)) / sigma) + probe + 2 * CHUNK
    values, envelope = np.empty((capacity, block, block)), np.empty(capacity)
    overlaps(before, values[0])
    overlaps(current, values[1])
    norm = float(np.linalg.norm(values[0]))
    s, needed = 2, capacity
    while s < needed:
        chunk = range(s, min(s + CHUNK, capacity))
        for t in chunk:
            before, current = current, operator.apply(current, before, scale=2 / half, shift=centre, keep=-1.0)
            overlaps(current, values[t])
        s = chunk.stop
        sizes = np.linalg.norm(values[:s] if chunk.start == 2 else values[chunk.start : s], axis=(1, 2)) / norm
        envelope[s - len(sizes) : s] = np.log(sizes)
        envelope[:s] = np.maximum.accumulate(envelope[:s])
        terms = _damped(envelope[:s], sigma)
        if not terms.max() < tall:
            s = int(np.flatnonzero(~(terms < tall))[0]) + 1
            return _Moments(values[:0], envelope[:s], n, complete=False)
        if needed == capacity and terms[-1] < small:
            needed = min(s + probe, capacity)
    values[:s] /= norm  # in place: this is the largest array
    return _Moments(values[:s].reshape(s, -1), envelope[:s], n, complete=True)


@dataclass(frozen=True)
class _Window:
    """Eigenvalues x = cos θ in an interval of Re θ and a little beyond, with their errors."""

    low: float
    high: float
    overlap: float
    values: NDArray[np.complex128]
    errors: NDArray[np.float64]

    @property
    def angles(self) -> NDArray[np.float64]:
        """Real parts of θ."""
        return np.arccos(self.values).real


def _solve(zone: _Zone, moments: _Moments) -> Iterator[_Window]:
    """Yield the eigenvalues of the windows of a zone."""
    sigma, probe = zone.sigma, _probe(zone.sigma)
    order = int(np.flatnonzero(_damped(moments.envelope, sigma) > math.log(TRUNCATION))[-1]) + 1
    order = min(order, len(moments.values) - probe)
    s = np.arange(order)
    gauss = sigma * np.where(s == 0, 1, 2) * np.exp(-((s * sigma / 2) ** 2))
    sums = np.cos(np.outer(zone.mean_angles, s)) * gauss
    block = math.isqrt(moments.values.shape[1])
    filtered = [
        (_times_chebyshev(sums, q, order + q) @ moments.values[: order + q]).reshape(-1, block, block)
        for q in (0, 1, probe)
    ]
    filters = np.arange(CENTRE + 2 * MARGIN)
    overlap = np.exp(-(((filters[:, None] - filters) / 2) ** 2))[:, :, None, None]
    size = len(filters) * block
    rounding = max(LEAST_PIVOT, ROUNDING * order)
    for number, (low, high) in enumerate(itertools.pairwise(zone.edges)):
        pairs = 2 * CENTRE * number + filters[:, None] + filters
        pencils = [(overlap * part[pairs]).transpose(0, 2, 1, 3).reshape(size, size) for part in filtered]
        # One eigenvalue contributes about 1 / √n: a window without any is not to take rounding errors for some.
        x, errors = _pencil_eigenvalues(pencils, probe, rounding, rounding / math.sqrt(moments.dim))
        angles = np.arccos(x).real
        kept = (errors < GHOST) & (angles > low - sigma) & (angles < high + sigma)
        # An error e of cos(qθ) at qσ = 1/2 is one of about 8eσ in θ.
        yield _Window(low, high, sigma, x[kept], 8 * sigma * np.sin(angles[kept]) * errors[kept])


def _times_chebyshev(sums: NDArray[np.float64], q: int, length: int) -> NDArray[np.float64]:
    """Return the coefficients of Σ_s a_s T_s T_q, with T_s T_q = (T_{s+q} + T_{|s-q|}) / 2."""
    order = sums.shape[1]
    product = np.zeros((len(sums), length))
    product[:, q : q + order] = sums / 2
    product[:, : order - q] += sums[:, q:] / 2
    product[:, 1 : q + 1] += sums[:, :q][:, ::-1] / 2
    return product


def _pencil_eigenvalues(
    pencils: list[NDArray[np.float64]], q: int, rounding: float, smallest: float
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return the eigenvalues x of H in a window, and by how much T_q(x) misses the expectation value of T_q(H).

    The matrices of 1, H and T_q(H) are given. The first one, the metric, is singular, as there are more filters than
    eigenvalues. A rank-revealing decomposition, Q Tᵀ Zᵀ with a triangular T, gives bases in which it is the identity.
    """
    metric, pencil, probe = pencils
    q_basis, upper, pivots = scipy.linalg.qr(metric, pivoting=True, check_finite=False)
    pivot_sizes = np.abs(np.diag(upper))
    rank = int(np.count_nonzero(pivot_sizes > max(rounding * pivot_sizes[0], smallest)))
    if rank == 0:
        return np.empty(0, complex), np.empty(0)
    z_basis, triangle = scipy.linalg.qr(upper[:rank].T, mode="economic", check_finite=False)
    weights = np.sqrt(np.abs(np.diag(triangle)))[:, None]
    left = weights * scipy.linalg.solve_triangular(triangle, q_basis[:, :rank].T, trans=1, check_finite=False)
    right = np.empty_like(z_basis)
    right[pivots] = z_basis / weights.T
    x, vectors = scipy.linalg.eig(left @ pencil @ right, check_finite=False)
    expected = np.einsum("ij,ji->i", np.linalg.inv(vectors), left @ probe @ right @ vectors)
    return x, np.abs(expected - np.cos(q * np.arccos(x)))


def _joined(windows: list[_Window]) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return the eigenvalues of all windows, cut where there are none.

    Both windows next to an edge know the eigenvalues there. The cut is in the widest gap between them, so that
    rounding can't make two of one or lose it.
    """
    cuts = [-np.inf]
    for left, right in itertools.pairwise(windows):
        reach = min(left.overlap, right.overlap) / 2
        angles = np.concatenate([left.angles, right.angles])
        near = angles[np.abs(angles - left.high) < reach]
        points = np.sort(np.concatenate([near, [left.high - reach, left.high + reach]]))
        widest = np.argmax(np.diff(points))
        cuts.append(float(points[widest : widest + 2].mean()))
    cuts.append(np.inf)
    inside = [
        (window.angles >= low) & (window.angles < high)
        for window, (low, high) in zip(windows, itertools.pairwise(cuts), strict=True)
    ]
    return (
        np.concatenate([window.values[kept] for window, kept in zip(windows, inside, strict=True)]),
        np.concatenate([window.errors[kept] for window, kept in zip(windows, inside, strict=True)]),
    )


def _certify(
    matrix: scipy.sparse.csr_matrix,
    centre: float,
    half: float,
    x: NDArray[np.complex128],
    errors: NDArray[np.float64],
    attempt: int,
) -> FilteredSpectrum:
    """Compare the number of eigenvalues, their sum and the sum of their squares with those of the matrix."""
    n = matrix.shape[0]
    x = np.where(np.abs(x.imag) < REAL, x.real, x)
    scaled = (matrix - centre * scipy.sparse.eye(n, format="csr")) / half
    traces = math.fsum(scaled.diagonal()), math.fsum(scaled.multiply(scaled.T).data)
    missed = [abs(math.fsum((x**k).real) - trace) for k, trace in enumerate(traces, start=1)]
    traces_agree = max(missed) < TRACE_TOLERANCE * math.sqrt(n)
    certified = len(x) == n and traces_agree and bool(errors.max() < ERROR_TOLERANCE)
    order = np.lexsort((x.imag, x.real))
    return FilteredSpectrum(
        centre + half * x[order],
        half * errors[order],
        certified,
        n,
        half * missed[0],
        half**2 * missed[1],
        attempt,
        centre,
        half,
    )
