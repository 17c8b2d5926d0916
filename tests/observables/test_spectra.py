"""Statistics of levels and properties of the steady state, against loops and random-matrix values."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg

import mpsnh as nh
from mpsnh import algorithms, models, observables
from tests.support.spectra import spectrum_of


def ring(L=8, **parameters):
    return models.NonHermitianXXZ(**{"L": L, "h": 1.0, "seed": 3, "boundary": "periodic"} | parameters)


def spectrum(model, **options):
    (record,) = algorithms.ExactDiag(**options).records(model)
    return record


def levels(values):
    """A spectrum of given eigenvalues."""
    return spectrum_of(values)


def slow_ratios(values):
    """Complex spacing ratios by their definition, one level after the other."""
    found = []
    for k, level in enumerate(values):
        others = np.delete(values, k)
        nearest, second = others[np.argsort(np.abs(others - level))[:2]]
        found.append((nearest - level) / (second - level))
    return np.array(found)


@pytest.mark.parametrize("threshold", [None, 0.0])
def test_complex_spacing_ratios_are_those_of_the_definition(threshold):
    values = np.random.default_rng(0).normal(size=(200, 2)) @ [1, 1j]
    counted = values if threshold is None else values[values.imag > threshold]
    ratios = slow_ratios(counted)
    expected = [np.mean(np.abs(ratios)), np.mean(ratios.real / np.abs(ratios))]
    found = observables.ComplexSpacingRatio(threshold=threshold)(levels(values), None)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("draw", "modulus"),
    [
        (lambda rng: rng.uniform(size=3000), 1 / 2),
        (lambda rng: rng.uniform(size=(3000, 2)) @ [1, 1j], 2 / 3),
        (lambda rng: np.linalg.eigvals(rng.normal(size=(700, 700, 2)) @ [1, 1j]), 0.738),
    ],
    ids=["real, independent", "complex, independent", "GinUE"],
)
def test_complex_spacing_ratios_of_random_levels(draw, modulus):
    rng = np.random.default_rng(1)
    means = [observables.ComplexSpacingRatio()(levels(draw(rng)), None)[0] for _ in range(4)]
    assert np.mean(means) == pytest.approx(modulus, abs=0.01)


def test_degenerate_levels_have_no_spacing():
    values = np.array([0.0, 0.0, 1.0, 3.0, 3.0, 3.0])
    expected = np.abs(slow_ratios(np.array([0.0, 1.0, 3.0]))).mean()
    assert observables.ComplexSpacingRatio()(levels(values), None)[0] == pytest.approx(expected)
    with pytest.raises(ValueError, match="at least 3 distinct levels, but there are 2"):
        observables.ComplexSpacingRatio()(levels([0.0, 1.0, 1.0]), None)


def test_singular_values_repel_or_not():
    """Random matrices, and independent singular values on the diagonal."""
    rng = np.random.default_rng(2)
    ratio = observables.SingularValueGapRatio()
    real = SimpleNamespace(matrix=lambda: rng.normal(size=(300, 300)))
    independent = SimpleNamespace(matrix=lambda: np.diag(rng.uniform(size=800)))
    assert np.mean([ratio(None, real) for _ in range(8)]) == pytest.approx(0.5307, abs=0.015)
    assert np.mean([ratio(None, independent) for _ in range(5)]) == pytest.approx(0.3863, abs=0.015)


def test_singular_values_are_those_of_the_matrix():
    model = ring()
    gaps = np.diff(np.sort(scipy.linalg.svdvals(model.matrix().toarray())))
    ratios = [min(a, b) / max(a, b) for a, b in zip(gaps[1:], gaps[:-1], strict=True)]
    assert observables.SingularValueGapRatio()(None, model) == pytest.approx(np.mean(ratios), rel=1e-9)


def test_the_entropy_is_that_of_the_eigenvector():
    model = ring()
    record = spectrum(model)
    whole = model.sector.embed(record.right.matrix[:, 0]).reshape(16, 16)
    weights = np.linalg.svd(whole, compute_uv=False) ** 2
    weights = weights[weights > 1e-30] / weights.sum()
    found = observables.SteadyStateEntropy()(record, model)
    assert found == pytest.approx(-np.sum(weights * np.log(weights)), rel=1e-9)


def test_the_condition_number_says_how_far_a_level_moves():
    """First-order perturbation theory: the worst direction moves it by the condition number."""
    model = ring(gamma=0.4)
    record = spectrum(model, vectors="both")
    number = observables.SteadyStateConditionNumber()(record, model)
    assert number > 1.05
    right, left = record.right.matrix[:, 0], record.left.matrix[:, 0] / np.linalg.norm(record.left.matrix[:, 0])
    step = 1e-6
    moved = np.linalg.eigvals(model.matrix().toarray() + step * np.outer(left, right.conj()))
    assert np.abs(moved - record.values[0]).min() / step == pytest.approx(number, rel=1e-4)


@pytest.mark.parametrize(
    ("observable", "algorithm", "message"),
    [
        (observables.SteadyStateEntropy(), algorithms.ExactDiag(vectors="none"), "needs right eigenvectors"),
        (observables.SteadyStateConditionNumber(), algorithms.ExactDiag(), "needs left eigenvectors"),
        (observables.ComplexSpacingRatio(), algorithms.SteadyState(), "needs all levels"),
        (observables.ImaginaryFraction(), algorithms.SteadyState(), "needs all levels"),
        (observables.SteadyStateEntropy(bond=7), algorithms.ExactDiag(), "bond = 7, but it must be from 0 to 6"),
    ],
)
def test_what_does_not_fit_is_refused(observable, algorithm, message):
    with pytest.raises(ValueError, match=message):
        nh.Simulation(ring(), algorithm, {"x": observable})


@pytest.mark.parametrize("central", [0.0, -1.0, 1.5])
def test_the_central_fraction(central):
    with pytest.raises(ValueError, match=f"central = {central}, but it must be above 0, at most 1"):
        observables.SingularValueGapRatio(central=central)


# ------------------------------------------------------------------------------------------------ degenerate levels


def counted_once(values):
    """Levels that differ in the ninth digit, one after the other."""
    kept = []
    for value in values:
        if all(abs(value - other) > 1e-9 for other in kept):
            kept.append(value)
    return np.array(kept)


def gap_ratio_by_loops(levels):
    levels = np.sort(levels)
    gaps = [b - a for a, b in itertools.pairwise(levels)]
    return np.mean([min(a, b) / max(a, b) for a, b in itertools.pairwise(gaps)])


@pytest.mark.parametrize("gamma", [0.0, 0.3])
def test_levels_of_the_clean_ring_count_once(gamma):
    """Translations make them degenerate, and rounding splits them by 1e-14, which is no spacing."""
    model = models.NonHermitianXXZ(L=10, gamma=gamma, boundary="periodic")
    values = counted_once(np.linalg.eigvals(model.matrix().toarray()))
    singular = counted_once(np.linalg.svd(model.matrix().toarray(), compute_uv=False))
    assert len(values) < 0.7 * model.sector.dim
    assert observables.SingularValueGapRatio()(spectrum(model), model) == pytest.approx(
        gap_ratio_by_loops(singular), rel=1e-4
    )
    moments = observables.ComplexSpacingRatio()(spectrum(model), model)
    ratios = slow_ratios(values) if gamma else [1.0]
    if gamma:
        assert moments[0] == pytest.approx(np.mean(np.abs(ratios)), rel=1e-4)
        assert moments[0] == pytest.approx(0.624, abs=1e-3)
        with pytest.raises(ValueError, match=r"GapRatio is for real levels, but these grow .* use ComplexSpacingRatio"):
            observables.GapRatio()(spectrum(model), model)
    else:
        found = observables.GapRatio()(spectrum(model), model)
        assert found == pytest.approx(gap_ratio_by_loops(values.real), rel=1e-4)
        assert found == pytest.approx(0.396, abs=1e-3)


def test_too_few_distinct_levels_have_no_ratio():
    model = models.NonHermitianXXZ(L=4, V=0.0, gamma=0.0, boundary="periodic")
    with pytest.raises(ValueError, match="number of distinct"):
        observables.GapRatio()(spectrum_of([1.0, 1.0 + 1e-14, 2.0, 3.0]), model)


def test_levels_closer_than_their_errors_count_once():
    values = np.array([0.0, 1e-6, 1.0, 3.0, 3.5])
    rough = spectrum_of(values, errors=np.full(5, 1e-6))
    expected = np.abs(slow_ratios(np.array([0.0, 1.0, 3.0, 3.5]))).mean()
    assert observables.ComplexSpacingRatio()(rough, None)[0] == pytest.approx(expected, rel=1e-5)
    assert observables.ComplexSpacingRatio()(spectrum_of(values), None)[0] == pytest.approx(
        np.abs(slow_ratios(values)).mean()
    )
    noisy = spectrum_of([1e-9j, -1e-9j, 2.0, 1.0 + 0.5j], errors=np.full(4, 1e-8))
    assert observables.ImaginaryFraction()(noisy, ring()) == 0.25


# -------------------------------------------------------------------------------------------------------- the bulk


@pytest.mark.parametrize("shape", ["ellipse", "box"])
def test_ratios_of_the_bulk_have_neighbours_outside_of_it(shape):
    values = np.random.default_rng(5).normal(size=(300, 2)) @ [1, 1j]
    bulk = observables.Bulk(width=0.8, height=0.5, real=0.2, imag=-0.1, shape=shape)
    x, y = np.abs(values.real - 0.2) / 0.8, np.abs(values.imag + 0.1) / 0.5
    inside = (x**2 + y**2 <= 1) if shape == "ellipse" else (x <= 1) & (y <= 1)
    ratios = slow_ratios(values)[inside]
    expected = [np.mean(np.abs(ratios)), np.mean(ratios.real / np.abs(ratios))]
    found = observables.ComplexSpacingRatio(bulk=bulk)(levels(values), None)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_bulk_of_random_matrices():
    """Class A, 600 × 600: ⟨|z|⟩ = .736(2) and ⟨cos θ⟩ = -.254(5), measured independently."""
    rng = np.random.default_rng(6)
    bulk = observables.Bulk(width=0.7 * np.sqrt(400), height=0.7 * np.sqrt(400))
    draws = [np.linalg.eigvals(rng.normal(size=(400, 400, 2)) @ [1, 1j] / np.sqrt(2)) for _ in range(4)]
    means = np.mean([observables.ComplexSpacingRatio(bulk=bulk)(levels(draw), None) for draw in draws], axis=0)
    np.testing.assert_allclose(means, [0.736, -0.254], atol=0.03)


def test_a_bulk_must_be_one():
    with pytest.raises(ValueError, match=r"width = -1\.0, but it must be positive"):
        observables.Bulk(width=-1.0, height=1.0)
    with pytest.raises(TypeError, match="bulk = 'box', but it must be a Bulk"):
        observables.ComplexSpacingRatio(bulk="box")
    far = observables.Bulk(width=0.1, height=0.1, real=50.0)
    with pytest.raises(ValueError, match="around some of the levels"):
        observables.ComplexSpacingRatio(bulk=far)(levels([0.0, 1.0, 3.0]), None)
