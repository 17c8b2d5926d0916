"""Dense eigenvalues: their errors cover the difference from 60 digits, and nothing wrong is certified."""

import mpmath
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize

from mpsnh import models
from mpsnh.linalg import schur
from mpsnh.linalg.degeneracy import by_growth
from mpsnh.linalg.dense import dense_levels
from mpsnh.linalg.matrix import Matrix


def order(values, errors):
    return np.lexsort((values.real, -values.imag))


def solved(array, vectors="none", leading=None):
    return dense_levels(Matrix(array), order, vectors, leading)


def to_sixty_digits(array):
    """Eigenvalues by mpmath, with 60 digits also of a level that occurs three times."""
    scale = 2.0 ** int(np.log2(np.abs(array).max() or 1.0))
    with mpmath.workdps(200):
        values = mpmath.eig(mpmath.matrix((array / scale).tolist()), left=False, right=False)
        return np.array([complex(value) for value in values]) * scale


def distances(values, exact):
    """Distance of each level from its partner in the best one-to-one pairing."""
    table = np.abs(values[:, None] - exact)
    return table[scipy.optimize.linear_sum_assignment(table)]


def jordan(rng, n):
    return np.diag(rng.integers(-1, 2, size=n).astype(float)) + np.diag(rng.integers(0, 2, size=n - 1), 1)


def similar(rng, array):
    mixing = rng.normal(size=array.shape)
    return mixing @ array @ np.linalg.inv(mixing)


def permuted(rng, array):
    places = rng.permutation(len(array))
    return array[places][:, places]


FAMILIES = {
    "random": lambda rng, n: rng.normal(size=(n, n)),
    "complex": lambda rng, n: rng.normal(size=(n, n, 2)) @ [1, 1j],
    "triangular": lambda rng, n: permuted(rng, np.triu(rng.normal(size=(n, n)))),
    "Jordan": lambda rng, n: permuted(rng, jordan(rng, n)),
    "Jordan, hidden": lambda rng, n: similar(rng, jordan(rng, n)),
    "nearly defective": lambda rng, n: jordan(rng, n) + 10 ** rng.uniform(-15, -2) * rng.normal(size=(n, n)),
    "Toeplitz": lambda rng, n: scipy.linalg.toeplitz(
        [0.3, 10 ** rng.uniform(-4, 0), *[0] * (n - 2)], [0.3, 1, 0.7, *[0] * (n - 3)]
    ),
    "scaled": lambda rng, n: permuted(
        rng, np.exp(np.subtract.outer(s := rng.uniform(-40, 40, size=n), s)) * rng.normal(size=(n, n))
    ),
    "disconnected": lambda rng, n: permuted(
        rng, scipy.linalg.block_diag(block := rng.normal(size=(n // 2, n // 2)), block)
    ),
    "one way": lambda rng, n: permuted(
        rng, np.kron(np.eye(2), block := rng.normal(size=(n // 2, n // 2))) + np.kron([[0, 1], [0, 0]], block @ block)
    ),
    "large": lambda rng, n: 1e150 * rng.normal(size=(n, n)),
    "small": lambda rng, n: 1e-150 * rng.normal(size=(n, n)),
    "integers": lambda rng, n: rng.integers(-1, 2, size=(n, n)) * (rng.uniform(size=(n, n)) < 0.3) * 1.0,
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(2))
def test_errors_cover_what_sixty_digits_say(family, seed):
    for n in (3, 6):
        array = FAMILIES[family](np.random.default_rng([seed, n]), n)
        exact = to_sixty_digits(array)
        for vectors, leading in (("none", None), ("both", None), ("both", 2)):
            pairs = solved(array, vectors, leading)
            actual = distances(pairs.values, exact)
            assert (actual <= pairs.errors + 1e-60 * np.abs(array).max()).all()
            assert not pairs.certified or actual.max() <= 1e-8 * Matrix(array).scale
            if pairs.right is not None:
                unit = np.abs(array).max() or 1.0
                shown = pairs.values[: pairs.right.shape[1]] / unit
                missed = np.linalg.norm(array / unit @ pairs.right - pairs.right * shown, axis=0)
                assert missed.max() <= 3e-7 * Matrix(array / unit).norm
                np.testing.assert_allclose(np.linalg.norm(pairs.right, axis=0), 1, rtol=1e-12)
            if pairs.left is not None:
                worst = np.abs(pairs.left.conj().T @ pairs.right - np.eye(pairs.right.shape[1])).max()
                assert worst <= 1e-6 + 1e-13 * pairs.conditions.max()
            else:
                assert vectors == "none" or pairs.missing


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("h", [0.5, 4.0])
def test_open_chains_have_real_levels_and_their_condition_numbers(gamma, h):
    """Against 60 digits of the symmetric matrix and of D, for condition numbers up to thousands."""
    matrix = models.NonHermitianXXZ(L=6, gamma=gamma, h=h, seed=2).matrix()
    pairs = solved(matrix, "both")
    chain = models.NonHermitianXXZ(L=6, gamma=0.0, h=h, seed=2)
    with mpmath.workdps(60):
        root = mpmath.sqrt((1 - mpmath.mpf(gamma)) * (1 + mpmath.mpf(gamma)))
        symmetric = mpmath.matrix(chain.matrix().toarray().tolist())
        n = symmetric.rows
        for i in range(n):
            for j in range(n):
                if i != j:
                    symmetric[i, j] *= root
        values, vectors = mpmath.eigsy(symmetric)
        powers = np.array([chain.sector.digits(j) * j for j in range(6)]).sum(axis=0)  # Σ j n_j of spins down
        scale = [((1 + mpmath.mpf(gamma)) / (1 - mpmath.mpf(gamma))) ** (mpmath.mpf(int(p)) / 2) for p in powers]
        exact = [
            float(
                mpmath.sqrt(
                    sum((scale[i] * vectors[i, k]) ** 2 for i in range(n))
                    * sum((vectors[i, k] / scale[i]) ** 2 for i in range(n))
                )
            )
            for k in range(n)
        ]
    assert not pairs.values.imag.any()
    ranked = np.argsort([float(value) for value in values])
    np.testing.assert_allclose(pairs.values.real, [float(values[int(k)]) for k in ranked], atol=1e-14)
    np.testing.assert_allclose(pairs.conditions, np.array(exact)[ranked], rtol=1e-8)
    assert pairs.certified


@pytest.mark.parametrize("leading", [None, 1, 3])
def test_degenerate_levels_have_the_condition_number_of_their_projector(leading):
    """A level that occurs three times, in a skewed basis: any basis of it, and any number of its vectors, say so."""
    rng = np.random.default_rng(8)
    mixing = rng.normal(size=(7, 7))
    dual = np.linalg.inv(mixing)
    array = (mixing * [2, 2, 2, 1, 0, -1, -2]) @ dual
    pairs = dense_levels(Matrix(array), lambda values, errors: np.argsort(-values.real), "both", leading)
    projector = np.linalg.norm(mixing[:, :3] @ dual[:3], 2)
    np.testing.assert_allclose(pairs.conditions[:3], projector, rtol=1e-9)
    assert not pairs.missing


@pytest.mark.parametrize("vectors", ["none", "right", "both"])
@pytest.mark.parametrize("kind", ["unitary", "rotation", "times i"])
def test_normal_matrices_keep_orthonormal_vectors(kind, vectors):
    rng = np.random.default_rng(4)
    basis = np.linalg.qr(rng.normal(size=(30, 30, 2)) @ [1, 1j])[0]
    phases = np.exp(0.5j * np.pi * rng.integers(0, 4, size=30))
    array = {
        "unitary": (basis * phases) @ basis.conj().T,
        "rotation": np.linalg.qr(rng.normal(size=(30, 30)))[0],
        "times i": 1j * (basis * rng.integers(-1, 2, size=30)) @ basis.conj().T,
    }[kind]
    pairs = solved(array, vectors)
    assert pairs.certified
    if vectors != "none":
        np.testing.assert_allclose(pairs.right.conj().T @ pairs.right, np.eye(30), atol=1e-13)
        np.testing.assert_allclose(array @ pairs.right, pairs.right * pairs.values, atol=1e-13)
    if vectors == "both":
        np.testing.assert_allclose(pairs.conditions, 1, rtol=1e-12)
    if kind == "rotation":
        np.testing.assert_array_equal(np.sort_complex(pairs.values), np.sort_complex(pairs.values.conj()))


@pytest.mark.parametrize("kind", [float, complex])
def test_condition_numbers_of_a_sample_are_upper_ones(kind, monkeypatch):
    rng = np.random.default_rng(1)
    array = rng.normal(size=(200, 200)) + (1j * rng.normal(size=(200, 200)) if kind is complex else 0)
    values, every = schur.schur_values(array)
    monkeypatch.setattr(schur, "SAMPLED_FROM", 100)
    same, some = schur.schur_values(array)
    np.testing.assert_array_equal(same, values)
    known = np.isclose(some, every, rtol=1e-9)
    assert 64 <= known.sum() < 200
    assert (some >= 0.999 * every).mean() > 0.97
    reference, left, right = scipy.linalg.eig(array, left=True)
    partner = np.abs(values[:, None] - reference).argmin(axis=1)
    expected = 1 / np.abs(np.sum(left.conj() * right, axis=0))[partner]
    np.testing.assert_allclose(every, expected, rtol=1e-8)


def test_a_matrix_that_rounding_makes_wrong_is_not_certified():
    """A ring with one weak bond: no gauge, and condition numbers beyond double precision."""
    n, gamma = 60, 0.9
    array = np.diag(np.full(n - 1, (1 + gamma) / 2), 1) + np.diag(np.full(n - 1, (1 - gamma) / 2), -1)
    array[0, -1], array[-1, 0] = 1e-40, 1e-38
    pairs = solved(array)
    exact = np.sqrt(1 - gamma**2) * np.cos(np.pi * np.arange(1, n + 1) / (n + 1))
    assert distances(pairs.values, exact).max() > 1e-3
    assert not pairs.certified
    assert "but at most" in str(pairs.certificate)


def test_some_sizes():
    assert solved(np.zeros((4, 4)), "both").conditions.tolist() == [1, 1, 1, 1]
    assert solved(np.array([[3.0 - 1j]]), "both").values.tolist() == [3 - 1j]
    assert solved(np.array([[0.0, 1e200], [1e-200, 0.0]])).values.real.tolist() == pytest.approx([-1, 1])


def test_levels_that_grow_alike_agree_pair_by_pair():
    """A chain of levels, each within its error of the next, is no group: its ends are in order."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        growth, levels = np.cumsum(rng.uniform(0, 3e-13, 60)), rng.normal(size=60)
        errors = rng.uniform(0.5, 1.5, 60) * 1e-13
        ranked = by_growth(growth, levels, errors)
        rise = growth[ranked][1:] - growth[ranked][:-1]
        assert (rise <= errors[ranked][1:] + errors[ranked][:-1]).all()
        assert sorted(ranked) == list(range(60))
    assert by_growth(np.zeros(5), np.array([3.0, 1, 2, 5, 4]), np.full(5, 1e-14)).tolist() == [1, 2, 0, 4, 3]


def test_a_matrix_that_is_normal_to_first_order_only():
    """Its commutator with its adjoint is the square of what it lacks to be normal, which is no rounding."""
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    inner = np.diag([1.0, 2.0, 0.0, 0.0])
    inner[2, 3] = 1e-9
    pairs = dense_levels(Matrix(rotation @ inner @ rotation.T + 0j), lambda values, errors: np.argsort(values), "right")
    assert (np.abs(pairs.values - [0, 0, 1, 2]) <= pairs.errors).all()
    assert pairs.errors.max() < 1e-7


def test_an_amplitude_without_all_digits_costs_no_vectors():
    """One of 5e-309 in a vector of a defective matrix: divided by its size it was NaN, and all vectors were lost."""
    array = np.array([[0, 0, 0, 0, 0], [0, 0, 1, 1, 0], [0, -1, 0, 0, 0], [1, 1, -3, 0, 0], [1, 0, 2, -1, 0.0]])
    levels = dense_levels(Matrix(array), lambda values, errors: np.lexsort((values.real, -values.imag)), "right")
    assert levels.right is not None
    residuals = np.linalg.norm(array @ levels.right - levels.right * levels.values, axis=0)
    assert residuals.max() < 1e-7
