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

import math
from dataclasses import replace

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import scipy.special
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.linalg.eigenpairs import Certificate, Eigenpairs
from mpsnh.linalg.filter.moments import BLOCK, level_density, moments_of
from mpsnh.linalg.filter.windows import banks_of, joined, solved_windows
from mpsnh.linalg.matrix import Matrix

LARGEST_BLOCK = 128
"""Random vectors beyond which a spectrum counts as too far from the real axis, unless another number is given."""


OVERSAMPLING = 2.0
"""Filtered vectors for each eigenvalue: 1.5 is the least that separates all of them to machine precision."""


SHARPEST = 1.25e-4
"""Smallest σ to begin with: the number of moments grows as 1/σ, and with it their rounding errors."""


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

The estimates are some hundreds of times the actual errors. A ghost that just passed `GHOST` fails this by far.
"""


def filter_spectrum(
    matrix: Matrix | scipy.sparse.csr_matrix,
    *,
    seed: int = 0,
    attempts: int = 3,
    largest_block: int = LARGEST_BLOCK,
    threads: int = 1,
) -> Eigenpairs:
    """Return all eigenvalues of a large real sparse matrix, with a certificate.

    The spectrum should be near the real axis, and no eigenvalue more than a few times degenerate; if not, the
    result is not certified. For dimensions below about 500, a dense solver is faster. It takes about
    20 n kilobytes: 1 GiB for n = 50 000. Non-normality that the imaginary gauge removes is no matter.

    Parameters
    ----------
    matrix : Matrix or csr_matrix, shape (n, n)
        A real sparse matrix.
    seed : int
        Of the random vectors.
    attempts : int
        How many random starts may be made until a result is certified.
    largest_block : int
        Random vectors beyond which a spectrum counts as too far from the real axis: time and memory grow with them.
    threads : int
        How many share the work; the results are the same.

    Returns
    -------
    Eigenpairs
        The first certified result, or the last one; look at `certified` before using it. Eigenvalues come in increasing
        order of the real part, complex ones in exact conjugate pairs, with errors that are upper ones: the pencil's own
        error of the filters, and its rounding errors times condition numbers.

    Raises
    ------
    ValueError
        If the matrix is complex, not square or not finite, or a number is out of range.

    Examples
    --------
    >>> matrix = models.NonHermitianXXZ(L=10, h=2.0, boundary="periodic").matrix()
    >>> pairs = filter_spectrum(matrix)
    >>> pairs.certified, len(pairs)
    (True, 252)
    >>> exact = np.linalg.eigvals(matrix.toarray())
    >>> bool(np.isclose(pairs.values.imag.max(), exact.imag.max()))
    True
    """
    matrix = Matrix.of(matrix)
    matrix.require_real_sparse()
    if matrix.gauge is not None:
        frame = Matrix(matrix.gauge.array)
        pairs = filter_spectrum(frame, seed=seed, attempts=attempts, largest_block=largest_block, threads=threads)
        errors = pairs.errors if pairs.errors is None else pairs.errors + matrix.gauge.mismatch * frame.norm
        return replace(pairs, values=pairs.values.real if frame.hermitian else pairs.values, errors=errors)
    require(seed >= 0, "seed", seed, "zero or positive")
    require(attempts >= 1, "attempts", attempts, "positive")
    require(largest_block >= 1, "largest_block", largest_block, "positive")
    require(threads >= 1, "threads", threads, "positive")
    centre, half = matrix.interval
    angles, density = level_density(matrix.array, centre, half, np.random.default_rng([seed, 0]))
    block, oversampling = BLOCK, OVERSAMPLING
    while (
        block < largest_block and min(bank.sigma for bank in banks_of(angles, density, block, oversampling)) < SHARPEST
    ):
        block = _rounded(1.5 * block)
    for attempt in range(1, attempts + 1):
        while True:
            banks = banks_of(angles, density, block, oversampling)
            narrowest = min(bank.sigma for bank in banks)
            moments = moments_of(
                matrix.array, centre, half, narrowest, block, np.random.default_rng([seed, attempt]), threads
            )
            if moments.complete:
                break
            block = _rounded(max(block * moments.least_sigma / narrowest, block + 1))
            if block > largest_block:
                return _certify(matrix.array, centre, half, np.empty(0, complex), np.empty(0), attempt)
        levels = joined(solved_windows(banks, moments, threads))
        spectrum = _certify(matrix.array, centre, half, *levels, attempt)
        if spectrum.certified:
            break
        block, oversampling = _rounded(1.5 * block), 1.2 * oversampling
    return spectrum


def _rounded(block: float) -> int:
    """Return the next number of random vectors that makes good use of vector registers."""
    return 4 * math.ceil(block / 4)


def _certify(
    matrix: scipy.sparse.csr_matrix,
    centre: float,
    half: float,
    x: NDArray[np.complex128],
    errors: NDArray[np.float64],
    attempt: int,
) -> Eigenpairs:
    """Compare the number of eigenvalues, their sum and the sum of their squares with those of the matrix."""
    n = matrix.shape[0]
    x = np.where(np.abs(x.imag) < REAL, x.real, x)
    scaled = (matrix - centre * scipy.sparse.eye(n, format="csr")) / half
    traces = math.fsum(scaled.diagonal()), math.fsum(scaled.multiply(scaled.T).data)
    missed = [abs(math.fsum((x**k).real) - trace) for k, trace in enumerate(traces, start=1)]
    traces_agree = max(missed) < TRACE_TOLERANCE * math.sqrt(n)
    certified = len(x) == n and traces_agree and bool(errors.max() < ERROR_TOLERANCE)
    order = np.lexsort((x.imag, x.real))
    reason = (
        f"{len(x)} of {n} eigenvalues, traces agree to {half * missed[0]:.1g} and {half**2 * missed[1]:.1g}, "
        f"attempt {attempt}"
    )
    return Eigenpairs(
        centre + half * x[order], Certificate(certified, reason), errors=half * errors[order], attempts=attempt
    )
