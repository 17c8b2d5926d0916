"""Filter diagonalisation against LAPACK; above all, it must not certify what is wrong."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

import mpsnh as nh
from mpsnh import models
from mpsnh.kernels.threads import Threads
from mpsnh.language.site import Fermion, Spin
from mpsnh.linalg.bounds import spectral_interval
from mpsnh.linalg.eigenpairs import Eigenpairs
from mpsnh.linalg.filter import moments as moments_module
from mpsnh.linalg.filter import spectrum as filter_diagonalisation
from mpsnh.linalg.filter import windows
from mpsnh.linalg.filter.spectrum import filter_spectrum
from mpsnh.linalg.filter.vectors import eigenvectors
from mpsnh.operators.sector import Sector


def ring(L: int, h: float, seed: int = 0, **parameters: float) -> scipy.sparse.csr_matrix:
    return models.NonHermitianXXZ(L=L, h=h, seed=seed, boundary="periodic", **parameters).matrix()


def nearly_diagonal(dim: int, strength: float, seed: int = 0) -> scipy.sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    hopping = scipy.sparse.random(dim, dim, min(5 / dim, 1), random_state=rng, data_rvs=rng.standard_normal)
    return (scipy.sparse.diags(rng.standard_normal(dim)) + strength * hopping).tocsr()


def spin_one_chain() -> scipy.sparse.csr_matrix:
    """Asymmetric exchange and single-ion terms, zero magnetisation; dimension 393."""
    rng = np.random.default_rng(5)
    terms = nh.OpSum()
    for j in range(7):
        k = (j + 1) % 7
        terms += nh.OpSum([(0.45, "Sp", j, "Sm", k), (0.55, "Sm", j, "Sp", k), (0.7, "Sz", j, "Sz", k)])
        terms += nh.OpSum([(rng.uniform(-2, 2), "Sz", j), (0.3, "Sz", j, "Sz", j)])
    return Sector([Spin(1)] * 7, 0).operator(terms)


def fermion_ring() -> scipy.sparse.csr_matrix:
    """Asymmetric hopping, interaction and a random potential, 5 fermions on 11 sites; dimension 462."""
    rng = np.random.default_rng(6)
    terms = nh.OpSum()
    for j in range(11):
        k = (j + 1) % 11
        terms += nh.OpSum([(0.9, "cdag", j, "c", k), (1.1, "cdag", k, "c", j), (1.5, "n", j, "n", k)])
        terms += nh.OpSum([(rng.uniform(-3, 3), "n", j)])
    return Sector([Fermion()] * 11, 5).operator(terms)


def farthest(values: np.ndarray, exact: np.ndarray) -> float:
    """Return the largest distance within the best one-to-one pairing."""
    distances = np.abs(values[:, None] - exact)
    pairs = scipy.optimize.linear_sum_assignment(distances)
    return float(distances[pairs].max())


def assert_right(found: Eigenpairs, matrix: scipy.sparse.csr_matrix) -> None:
    exact = np.linalg.eigvals(matrix.toarray())
    assert found.certified, found.certificate
    assert len(found) == matrix.shape[0] == len(exact)
    assert farthest(found.values, exact) < 1e-8
    largest = [np.sort(values.imag)[-6:] for values in (found.values, exact)]
    np.testing.assert_allclose(*largest, atol=1e-9)


MATRICES = {
    "strong disorder": ring(10, 8.0),
    "weak disorder": ring(10, 1.0),
    "strong asymmetry": ring(10, 5.0, gamma=0.4),
    "Hermitian": ring(10, 3.0, gamma=0.0),
    "open chain": models.NonHermitianXXZ(L=10, h=2.0, gamma=0.3).matrix(),
    "random": nearly_diagonal(600, 0.02),
    "random, complex": nearly_diagonal(600, 0.1),
    "spin 1": spin_one_chain(),
    "fermions": fermion_ring(),
    "shifted": ring(10, 3.0) + 1e3 * scipy.sparse.eye(252).tocsr(),
}


@pytest.mark.parametrize("name", MATRICES)
def test_spectra(name):
    assert_right(filter_spectrum(MATRICES[name]), MATRICES[name])


def test_units_do_not_matter():
    matrix = ring(10, 3.0)
    found, small = filter_spectrum(matrix), filter_spectrum(2.0**-40 * matrix)
    assert small.certified
    np.testing.assert_allclose(2.0**40 * small.values, found.values, atol=1e-10)


@pytest.mark.parametrize("h", [2.0, 3.0, 5.0, 8.0])
@pytest.mark.parametrize("seed", [101])
def test_disordered_rings(h, seed):
    matrix = ring(12, h, seed)
    assert_right(filter_spectrum(matrix, seed=seed), matrix)


@pytest.mark.parametrize("dim", [1, 2, 3, 5, 16, 20, 40, 64, 65, 100])
def test_small_matrices(dim):
    matrix = nearly_diagonal(dim, 0.05, seed=dim)
    assert_right(filter_spectrum(matrix), matrix)


def test_real_and_conjugate_eigenvalues_are_exactly_so():
    values = filter_spectrum(ring(10, 2.0)).values
    complex_ones = values[values.imag != 0]
    assert 0 < len(complex_ones) < len(values)
    np.testing.assert_array_equal(np.sort_complex(complex_ones), np.sort_complex(complex_ones.conj()))
    assert np.all(np.diff(values.real) >= 0)


def test_estimated_errors_are_upper_ones():
    """Of 2500 eigenvalues few are off by more than is said, and none by much more."""
    ratios = []
    for h, seed in itertools.product((1.0, 3.0, 20.0), range(2)):
        matrix = ring(11, h, seed, charge=1)
        found = filter_spectrum(matrix)
        exact = np.linalg.eigvals(matrix.toarray())
        ratios.append(np.abs(found.values[:, None] - exact).min(axis=1) / found.errors)
        assert found.errors.max() < 1e-7
    ratios = np.concatenate(ratios)
    assert len(ratios) > 2500
    assert np.mean(ratios > 1) < 0.004
    assert ratios.max() < 10


@pytest.mark.parametrize("split", [0.0, 1e-14, -1e-14, 1e-12, 1e-8, -1e-4])
def test_errors_near_exceptional_points_are_upper_ones(split):
    """Pairs of levels x ± √split in a larger spectrum, whose condition numbers are of the order of 1 / √split."""
    centres = np.random.default_rng(2).uniform(-1.5, 1.5, 5)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    pairs = [scipy.sparse.csr_matrix(turn @ [[x, 1.0], [split, x]] @ turn.T) for x in centres]
    found = filter_spectrum(scipy.sparse.block_diag([*pairs, nearly_diagonal(300, 0.02)], format="csr"))
    exact = np.concatenate([centres + np.emath.sqrt(split), centres - np.emath.sqrt(split)])
    distances = np.abs(exact[:, None] - found.values)
    covered = distances.min(axis=1) <= found.errors[distances.argmin(axis=1)]
    if found.certified or len(found) == 310:
        assert covered.all()
    assert found.certified == (abs(split) > 1e-11)  # condition numbers of a million leave too little


def test_results_are_reproducible_and_depend_on_the_seed():
    first, again, other = (filter_spectrum(ring(10, 3.0), seed=seed).values for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_allclose(first, other, atol=1e-9)


@pytest.mark.parametrize("h", [0.5, 3.0])
def test_threads_change_no_bit(h):
    matrix = ring(10, h)
    one, three = (filter_spectrum(matrix, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one.values, three.values)
    np.testing.assert_array_equal(one.errors, three.errors)
    assert str(one.certificate) == str(three.certificate)


@pytest.mark.parametrize(("grid", "sigma_order"), [(160, 0.5), (200, 1.5), (320, 2.6), (320, 5.0)])
def test_sums_over_moments_are_what_they_say(grid, sigma_order):
    """By cosine transforms, and term by term; also with more terms than the cosines on the grid have periods."""
    sigma = 2 * np.pi / grid
    probe, order = moments_module.probe_index(sigma), round(sigma_order * grid)
    size = order + probe
    # moments of an eigenvalue, and an envelope that makes the sums have this many terms
    angle = 1.1
    values = np.cos(np.outer(np.arange(size), [angle, 0.7, 2.0]))
    envelope = (np.arange(size) * sigma / 2) ** 2
    moments = moments_module.Moments(values, envelope, 10, complete=True)
    assert windows._order(grid, moments) == order
    means = np.array([0, 1, 17, grid // 2, grid])
    with Threads() as pool:
        sums = windows._sums(grid, means, moments, pool)
    s = np.arange(order)
    weights = sigma * np.where(s == 0, 1, 2) * np.exp(-((s * sigma / 2) ** 2))
    cosines = np.cos(np.outer(means * np.pi / grid, s)) * weights
    for q, total in zip((0, 1, probe), sums, strict=True):
        expected = cosines @ (values[:order] * values[q])  # T_s T_q of each eigenvalue
        np.testing.assert_allclose(total, expected, atol=1e-13)


@pytest.mark.parametrize(("n", "block"), [(50, 3), (300, 4), (3000, 16), (5000, 22)])
def test_left_vectors_share_the_rows_evenly(n, block):
    left = moments_module._Left(n, block, np.random.default_rng(0))
    matrix = left.matrix
    assert matrix.shape == (block, n)
    seen = np.bincount(left.places.ravel(), minlength=block)
    assert seen.max() - seen.min() <= 1
    if block % 4 == 0:
        np.testing.assert_array_equal(np.diff(matrix.tocsc().indptr), 4)
        assert np.unique(left.places, axis=1).shape[1] > 1


# ------------------------------------------------------------------------------------------------- degenerate levels


@pytest.mark.parametrize("copies", [2, 3, 5])
def test_multiplicities(copies):
    matrix = scipy.sparse.block_diag([ring(8, 3.0)] * copies).tocsr()
    assert_right(filter_spectrum(matrix), matrix)


@pytest.mark.parametrize("L", [8, 10])
def test_symmetries(L):
    """A clean ring, whose momenta ±k are degenerate."""
    matrix = ring(L, 0.0, gamma=0.05)
    assert_right(filter_spectrum(matrix), matrix)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_level_that_is_too_degenerate_is_not_certified(value):
    """Block Krylov spaces hold at most as many of its vectors as a block has."""
    found = filter_spectrum(value * scipy.sparse.eye(200).tocsr())
    assert not found.certified
    assert len(found) < 200


# ------------------------------------------------------------------------------------------------- failures are seen


@pytest.mark.parametrize("name", ["skew", "circular law"])
def test_spectra_far_from_the_real_axis_are_not_certified(name):
    rng = np.random.default_rng(0)
    matrix = scipy.sparse.random(400, 400, 0.1, random_state=rng, data_rvs=rng.standard_normal).tocsr()
    found = filter_spectrum(matrix - matrix.T if name == "skew" else matrix)
    assert not found.certified
    assert "not certified: 0 of 400 eigenvalues" in str(found.certificate)


@pytest.mark.parametrize(
    ("constant", "value"), [("OVERSAMPLING", 0.8), ("OVERSAMPLING", 1.2), ("MARGIN", 0), ("MARGIN", 1)]
)
@pytest.mark.parametrize("seed", range(5))
def test_too_few_filters_are_not_certified_unless_right(constant, value, seed, monkeypatch):
    monkeypatch.setattr(windows if constant == "MARGIN" else filter_diagonalisation, constant, value)
    matrix = ring(10, 3.0, seed)
    found = filter_spectrum(matrix, seed=seed, attempts=1)
    if found.certified:
        assert_right(found, matrix)
    else:
        assert str(found.certificate).startswith("not certified")


@pytest.mark.parametrize("h", [0.5, 1.0])
def test_the_growth_of_the_first_moments_says_how_large_a_block_must_be(h, monkeypatch):
    """One block that is too small, at most another one, and then one that is large enough."""
    tried = []

    def recorded(*arguments):
        tried.append((arguments[4], moments(*arguments)))
        return tried[-1][1]

    moments = filter_diagonalisation.moments_of
    monkeypatch.setattr(filter_diagonalisation, "moments_of", recorded)
    matrix = ring(12, h, 3)
    assert_right(filter_spectrum(matrix), matrix)
    blocks = [block for block, _ in tried]
    assert blocks[0] < blocks[-1]
    assert len(blocks) <= 3
    assert [found.complete for _, found in tried] == [False] * (len(blocks) - 1) + [True]
    tried.clear()
    assert not filter_spectrum(matrix, largest_block=blocks[-1] // 2).certified
    assert len(tried) == 1


def test_another_attempt_has_more_filters(monkeypatch):
    monkeypatch.setattr(filter_diagonalisation, "OVERSAMPLING", 0.7)
    matrix = ring(10, 3.0)
    assert not filter_spectrum(matrix, attempts=1).certified
    found = filter_spectrum(matrix, attempts=12)
    assert found.attempts > 1
    assert str(found.certificate).endswith(f"attempt {found.attempts}")
    assert_right(found, matrix)


def certify(matrix: scipy.sparse.csr_matrix, values: np.ndarray, error: float = 0.0) -> bool:
    centre, half = spectral_interval(matrix)
    errors = np.full(len(values), error)
    return filter_diagonalisation._certify(matrix, centre, half, (values - centre) / half, errors, 1).certified


def test_the_certificate():
    matrix = ring(10, 3.0)
    exact = np.sort(np.linalg.eigvals(matrix.toarray()))
    assert certify(matrix, exact)
    assert not certify(matrix, exact, error=1e-6)
    assert not certify(matrix, exact[1:])
    assert not certify(matrix, np.append(exact, 0.1))
    for level in range(len(exact) - 1):
        twice = exact.copy()
        twice[level] = exact[level + 1]
        assert not certify(matrix, twice)
    for levels, shifts in ((3, 1e-8), ([3, 7], [1e-8, -1e-8])):
        moved = exact.copy()
        moved[levels] += shifts
        assert not certify(matrix, moved)


# ------------------------------------------------------------------------------------------------------ eigenvectors


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", ["weak disorder", "strong disorder", "random, complex", "spin 1", "shifted"])
def test_eigenvectors(name, side):
    matrix = MATRICES[name]
    found = filter_spectrum(matrix)
    values = found.values
    order = np.argsort(-values.imag)
    chosen = values[[order[0], order[1], order[-1], 0, len(values) // 2]]
    vectors, residuals = eigenvectors(matrix, found, chosen, side=side)
    acting, expected = (matrix, chosen) if side == "right" else (matrix.T, chosen.conj())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), 1)
    np.testing.assert_allclose(np.linalg.norm(acting @ vectors - expected * vectors, axis=0), residuals, atol=1e-12)
    assert residuals.max() < 1e-9 * scipy.sparse.linalg.norm(matrix, 2)


def test_left_and_right_vectors_are_biorthogonal():
    matrix = ring(10, 2.0)
    found = filter_spectrum(matrix)
    values = found.values
    chosen = values[np.argsort(-values.imag)[:3]]
    right, left = (eigenvectors(matrix, found, chosen, side=side)[0] for side in ("right", "left"))
    overlaps = left.conj().T @ right
    np.testing.assert_allclose(overlaps - np.diag(np.diag(overlaps)), 0, atol=1e-7)
    assert np.abs(np.diag(overlaps)).min() > 0.1


def test_vectors_of_no_eigenvalues():
    matrix = ring(8, 2.0)
    vectors, residuals = eigenvectors(matrix, filter_spectrum(matrix), [])
    assert (vectors.shape, residuals.shape) == ((70, 0), (0,))


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.eye(3), "matrix = 'ndarray', but it must be a sparse matrix"),
        (scipy.sparse.csr_matrix((3, 4)), r"matrix shape = \(3, 4\), but it must be square and not empty"),
        (scipy.sparse.csr_matrix((0, 0)), r"matrix shape = \(0, 0\), but it must be square and not empty"),
        (scipy.sparse.eye(3, dtype=complex).tocsr(), "matrix dtype = 'complex128', but it must be real"),
        (scipy.sparse.csr_matrix([[np.inf]]), "the matrix has elements that are not finite"),
    ],
)
@pytest.mark.parametrize(
    "function", [filter_spectrum, lambda matrix: eigenvectors(matrix, filter_spectrum(ring(8, 2.0)), [1.0])]
)
def test_bad_matrices_are_refused(function, matrix, message):
    with pytest.raises(ValueError, match=message):
        function(matrix)


def test_other_bad_input_is_refused():
    matrix = ring(8, 2.0)
    with pytest.raises(ValueError, match="seed = -1, but it must be zero or positive"):
        filter_spectrum(matrix, seed=-1)
    with pytest.raises(ValueError, match="attempts = 0, but it must be positive"):
        filter_spectrum(matrix, attempts=0)
    with pytest.raises(ValueError, match="largest_block = 0, but it must be positive"):
        filter_spectrum(matrix, largest_block=0)
    with pytest.raises(ValueError, match="threads = 0, but it must be positive"):
        filter_spectrum(matrix, threads=0)
    found = filter_spectrum(matrix)
    with pytest.raises(ValueError, match="seed = -1, but it must be zero or positive"):
        eigenvectors(matrix, found, [1.0], seed=-1)
    with pytest.raises(ValueError, match="side = 'both', but it must be 'right' or 'left'"):
        eigenvectors(matrix, found, [1.0], side="both")
    with pytest.raises(ValueError, match=r"values shape = \(1, 1\), but it must be that of a list of numbers"):
        eigenvectors(matrix, found, [[1.0]])
    with pytest.raises(ValueError, match=r"values = .*, but it must be finite"):
        eigenvectors(matrix, found, [np.nan])
