"""Single levels as matrix-product states, against exact diagonalisation and closed forms."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from tests.oracles.reference import operator
from tests.support.chains import Terms, box, ising, ssh


def level(model, **parameters):
    (spectrum,) = algorithms.NHDMRG(**parameters).records(model)
    return spectrum


def long_range(L, seed):
    """Complex hopping and interaction between all sites, as 1/r²."""
    rng, op = np.random.default_rng(seed), nh.OpSum()
    for i in range(L):
        for j in range(i + 1, L):
            there, back, both = (rng.normal(size=(3, 2)) @ [1, 1j]) / (j - i) ** 2
            op += (there, "Sp", i, "Sm", j)
            op += (back, "Sm", i, "Sp", j)
            op += (both, "Sz", i, "Sz", j)
    return Terms(L=L, op=op, charge=0)


def without_charge(L, seed):
    """Complex fields and couplings of all directions."""
    rng = np.random.default_rng(seed)
    fields = ((complex(*rng.normal(size=2)), a, j) for a in "XYZ" for j in range(L))
    bonds = ((complex(*rng.normal(size=2)), a, j, b, j + 1) for a, b in ("XY", "ZX", "YZ") for j in range(L - 1))
    return Terms(L=L, op=nh.OpSum([*fields, *bonds]))


RING = {"boundary": "periodic"}
CASES = [
    pytest.param(models.NonHermitianXXZ(L=10, gamma=0.5, h=2.0), id="open"),
    pytest.param(models.NonHermitianXXZ(L=8, gamma=0.3, h=1.0, **RING), id="ring"),
    pytest.param(
        models.NonHermitianXXZ(L=8, gamma=0.6, fields=(1j * np.linspace(-1, 1, 8)).tolist()), id="gain and loss"
    ),
    pytest.param(models.NonHermitianXXZ(L=8, gamma=0.0, h=1.0, **RING), id="Hermitian"),
    pytest.param(models.NonHermitianXXZ(L=8, gamma=0.0, h=1.0, charge=None), id="Hermitian, all charges"),
    pytest.param(long_range(6, 1), id="long range"),
    pytest.param(without_charge(6, 2), id="without charge"),
]


@pytest.mark.parametrize("which", ["energy", "growth"])
@pytest.mark.parametrize("model", CASES)
def test_extreme_levels_of_small_chains(model, which):
    (exact,) = algorithms.ExactDiag(vectors="both").records(model)
    sizes = exact.values.real if which == "energy" or exact.largest_imag == 0 else -exact.values.imag
    place = int(np.argmin(sizes - 1e-9 * exact.values.imag))
    if not np.any(np.abs(exact.values.imag) > exact.resolution()):
        place = int(np.argmin(exact.values.real))
    spectrum = level(model, which=which)
    assert spectrum.certified, spectrum
    assert abs(spectrum.values[0] - exact.values[place]) <= spectrum.errors[0]
    assert spectrum.errors[0] <= 1e-5
    right, left = spectrum.right[0], spectrum.left[0]
    for state, known in ((right, exact.right[place]), (left, exact.left[place])):
        cosine = abs(np.vdot(state.to_vector()[exact.sector.codes], known.vector)) / state.norm() / known.norm()
        assert cosine == pytest.approx(1, abs=1e-6)
    assert right.norm() == pytest.approx(1)
    assert right.overlap(left) == pytest.approx(1)
    assert spectrum.conditions[0] == pytest.approx(exact.condition_numbers()[place], rel=1e-4)
    assert spectrum.conditions[0] == pytest.approx(left.norm(), rel=1e-8)


def test_the_level_closest_to_a_number():
    model = models.NonHermitianXXZ(L=6, gamma=0.4, h=1.0, **RING)
    (exact,) = algorithms.ExactDiag(vectors="none").records(model)
    for target in exact.values[[3, 10, 17]] + 0.01:
        spectrum = level(model, which=complex(target), starts=1)
        closest = exact.values[np.argmin(np.abs(exact.values - target))]
        assert spectrum.certified
        assert spectrum.values[0] == pytest.approx(closest, abs=1e-8)
        assert spectrum.order == "distance"


@pytest.mark.parametrize("kind", [long_range, without_charge])
@pytest.mark.parametrize("seed", [10])
def test_what_is_certified_is_a_level(kind, seed):
    """Also with bonds that are much too small for the state."""
    model = kind(6, seed)
    exact = np.linalg.eigvals(np.asarray(model.matrix().todense()))
    for max_bond in (2, 3, 8):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            spectrum = level(model, which="growth", max_bond=max_bond, starts=1, sweeps=6)
        distance = np.abs(exact - spectrum.values[0]).min()
        assert distance <= spectrum.errors[0]
        assert spectrum.certified == (spectrum.errors[0] <= 1e-5)


COMPLEX_FIELD = nh.OpSum([*((-1, "Sz", j, "Sz", j + 1) for j in range(11)), *((-0.5j, "Sx", j) for j in range(12))])


@pytest.mark.parametrize(
    ("model", "parameters", "exact", "error"),
    [
        pytest.param(models.NonHermitianXXZ(L=24, gamma=0.6, V=0.0), {"max_bond": 48}, box(24, 0.6), 1e-7, id="box"),
        pytest.param(ssh(10, (0.9, 1.1)), {}, -12.3448634773, 1e-8, id="SSH"),
        pytest.param(ssh(10, (1.3, 1.1), V=7.0), {}, -5.293279722, 1e-8, id="interacting SSH"),
        pytest.param(Terms(L=12, op=COMPLEX_FIELD), {}, -2.081905719, 1e-8, id="Ising in a complex field"),
        pytest.param(models.NonHermitianXXZ(L=8, V=1.1, **RING), {}, -3.7741588876, 1e-9, id="Bethe ansatz"),
    ],
)
def test_energies_of_closed_forms(model, parameters, exact, error):
    """Free particles; references by exact diagonalisation in other programs, and the Bethe ansatz."""
    spectrum = level(model, starts=1, tolerance=1e-3, **parameters)
    assert spectrum.certified
    assert spectrum.values[0] == pytest.approx(exact, abs=error)
    assert abs(spectrum.values[0] - exact) <= spectrum.errors[0] + 1e-10  # of the reference


@pytest.mark.parametrize(
    ("model", "exact"),
    [
        pytest.param(ising(8, 0.2 + 0.75j), 3.977766050908, id="no-click Ising"),
        pytest.param(models.NonHermitianXXZ(L=8, V=0.0, **RING), 0.1 / np.sin(np.pi / 8), id="free ring"),
    ],
)
def test_growth_of_closed_forms(model, exact):
    spectrum = level(model, which="growth")
    assert spectrum.certified
    assert spectrum.values[0].imag == pytest.approx(exact, abs=1e-9)


def test_a_real_spectrum_is_known_to_be_real():
    """In the imaginary gauge, at an asymmetry where the eigenvalues of the plain matrix come out complex."""
    model = models.NonHermitianXXZ(L=10, gamma=0.9, h=1.0)
    growing, lowest = (level(model, which=which) for which in ("growth", "energy"))
    assert growing.values[0] == lowest.values[0]
    assert growing.values[0].imag == 0
    assert (growing.largest_imag, growing.order, lowest.order) == (0.0, "growth", "energy")
    assert "the lowest level is at most this one" in lowest.evidence
    (exact,) = algorithms.ExactDiag(vectors="none").records(model)
    assert abs(lowest.values[0] - exact.values.real.min()) <= lowest.errors[0] + 1e-9


def test_bonds_that_are_too_small_are_said_to_be():
    ring = models.NonHermitianXXZ(L=10, gamma=0.3, h=1.0, **RING)
    with pytest.warns(RuntimeWarning, match=r"NHDMRG: the level .* is known to .* only, above tolerance = 1e-05"):
        spectrum = level(ring, which="growth", max_bond=4, sweeps=5)
    assert not spectrum.certified
    assert spectrum.errors[0] > 1e-3


def test_other_starts_are_told_of():
    """Two levels of the same Im E; and starts that end elsewhere."""
    op = nh.OpSum([(1j, "Z", 0, "Z", 1), (0.5, "Z", 2), (0.5, "Z", 3)])
    with pytest.warns(RuntimeWarning, match=r"there may be no steady state: the level .* grows as fast"):
        spectrum = level(Terms(L=4, op=op), which="growth", starts=3, seed=1)
    assert spectrum.certified
    assert spectrum.values[0].imag == pytest.approx(1)
    assert "of 3 evolutions, each without what was found before, ended here" in spectrum.evidence
    assert "that it is the first one is not proven" in spectrum.evidence


def test_degenerate_levels_are_noticed():
    ferromagnet = Terms(L=6, op=nh.OpSum.sum((-1.0, "Z", j, "Z", j + 1) for j in range(5)))
    spectrum = level(ferromagnet, starts=4)
    assert spectrum.values[0] == pytest.approx(-5)
    assert spectrum.copies(0) == 2
    unique = Terms(L=6, op=ferromagnet.op + (0.1, "Z", 0))
    assert level(unique, starts=4).copies(0) == 1


def test_a_level_without_a_left_vector_is_not_certain():
    """Sp lowers nothing: its only level is 0, with right and left vectors that are orthogonal."""
    with pytest.warns(RuntimeWarning, match="condition number inf"):
        spectrum = level(Terms(L=3, op=nh.OpSum([(1.0, "Sp", j) for j in range(3)])))
    assert not spectrum.certified
    assert spectrum.errors[0] == np.inf
    assert spectrum.left is None
    assert "orthogonal" in spectrum.missing


@pytest.mark.parametrize("max_bond", [5, 16])
def test_near_an_exceptional_point_the_condition_is_in_the_error(max_bond):
    """A pair of levels of the ring of six meets at this γ, with a condition number of 5e3."""
    model = models.NonHermitianXXZ(L=6, gamma=0.16897863, V=1.1, **RING)
    (exact,) = algorithms.ExactDiag(vectors="both").records(model)
    worst = int(np.argmax(exact.condition_numbers()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        spectrum = level(model, which=complex(exact.values[worst]) + 1e-4, max_bond=max_bond, starts=1, sweeps=6)
    assert np.abs(exact.values - spectrum.values[0]).min() <= spectrum.errors[0]
    assert spectrum.certified == (max_bond == 16)
    if spectrum.certified:
        assert spectrum.conditions[0] == pytest.approx(exact.condition_numbers()[worst], rel=0.01)


def test_starts_and_seeds_are_reproducible():
    model = long_range(6, 3)
    one, same, other = (level(model, seed=seed, starts=1) for seed in (0, 0, 1))
    assert one.values[0] == same.values[0]
    assert one.values[0] == pytest.approx(other.values[0], abs=1e-9)


def test_a_chain_of_any_length_goes_into_a_dataset():
    model = models.NonHermitianXXZ(L=24, gamma=0.3, h=8.0, charge=0)
    measured = {"E": observables.Eigenvalues(), "S": observables.SteadyStateEntropy()}
    data = nh.Simulation(model, algorithms.NHDMRG(which="growth", max_bond=16, starts=1), measured).run()
    assert data["certified"]
    assert float(data["level_error"]) <= 1e-5
    assert 0 <= float(data["S"]) < np.log(2)
    assert data["E"].values[0].imag == 0


def test_the_energy_is_that_of_the_vectors():
    model = long_range(6, 4)
    spectrum, matrix = level(model), operator(model.op, model.sites)
    right, left = (states[0].to_vector() for states in (spectrum.right, spectrum.left))
    assert np.vdot(left, matrix @ right) == pytest.approx(spectrum.values[0], abs=1e-10)
    assert np.linalg.norm(matrix @ right - spectrum.values[0] * right) == pytest.approx(
        spectrum.residuals[0], abs=1e-11
    )


def test_all_levels_alike():
    """A multiple of the identity has one level, and every state is a vector of it."""
    spectrum = level(Terms(L=4, op=nh.OpSum([(2 + 1j,)]), charge=0), which="growth")
    assert spectrum.values[0] == pytest.approx(2 + 1j)
    assert spectrum.copies(0) == 2
    with pytest.raises(ArithmeticError, match="the steady state is degenerate: 2 levels are the same"):
        observables.SteadyStateEntropy()(spectrum, Terms(L=4, op=nh.OpSum([(2 + 1j,)]), charge=0))


@pytest.mark.parametrize(
    ("L", "V", "h", "seed"), [pytest.param(12, 1.1, 0.0, 0, marks=pytest.mark.long), (9, 1.1, 0.5, 0)]
)
def test_steady_states_of_rings_are_found_by_evolution(L, V, h, seed):
    ring = models.NonHermitianXXZ(L=L, gamma=0.3, V=V, h=h, seed=seed, boundary="periodic", charge=L % 2)
    (ours,) = algorithms.NHDMRG(which="growth", max_bond=64).records(ring)
    (exact,) = algorithms.SteadyState(k=1).records(ring)
    assert ours.certified
    assert abs(ours.values[0] - exact.values[0]) < min(1e-7, ours.errors[0])


def test_a_level_that_does_not_grow_is_told_of():
    """Of a ring whose spectrum is entirely real, where any level is as fast as any other."""
    ring = models.NonHermitianXXZ(L=5, gamma=0.3, h=1.0, seed=1, charge=1, **RING)
    with pytest.warns(RuntimeWarning, match="there may be no steady state: the first level does not grow"):
        still = level(ring, which="growth", max_bond=4, starts=1)
    assert "nothing grows within the error" in still.evidence
    growing = models.NonHermitianXXZ(L=6, gamma=0.5, V=0.0, **RING)
    assert "nothing grows" not in level(growing, which="growth", max_bond=8, starts=1).evidence


@pytest.mark.parametrize("size", [1e3, 1e5])
@pytest.mark.parametrize("which", ["growth", "energy", -0.5 + 0.2j])
def test_a_large_number_that_is_added_changes_no_search(which, size):
    rng = np.random.default_rng(5)
    fields = (rng.normal(size=6) + 0.3j * rng.normal(size=6)).tolist()
    ring = models.NonHermitianXXZ(L=6, gamma=0.3, fields=fields, charge=2, **RING)
    (exact,) = algorithms.ExactDiag(vectors="none").records(ring)
    uniform = nh.OpSum.sum((size, "Sz", j) for j in range(6))  # 1 in the sector
    moved = Terms(L=6, op=ring.terms() + uniform + (3 * size,), charge=2)
    target = which if isinstance(which, str) else which + 4 * size
    found = level(moved, which=target, max_bond=8, starts=1)
    sizes = {"growth": -exact.values.imag, "energy": exact.values.real}
    place = np.argmin(sizes[which] if isinstance(which, str) else abs(exact.values - which))
    off = abs(found.values[0] - 4 * size - exact.values[place])
    assert off <= found.errors[0] + 1e-15 * size
    assert found.certified
    assert found.errors[0] < 1e-7


@pytest.mark.parametrize("seed", [300166, 300169])
def test_small_bonds_that_are_exact_miss_no_faster_level(seed):
    rng = np.random.default_rng(seed)
    fields = (rng.uniform(-1, 1, 8) + 0.5j * rng.uniform(-1, 1, 8)).tolist()
    chain = models.NonHermitianXXZ(L=8, gamma=0.10368571319590231, fields=fields)
    (exact,) = algorithms.ExactDiag(vectors="none").records(chain)
    found = level(chain, which="growth", max_bond=16, starts=1)
    assert abs(found.values[0] - exact.values[np.argmax(exact.values.imag)]) < 1e-8


@pytest.mark.long
def test_levels_that_grow_alike_are_no_steady_state():
    """Free hops around a ring with gain and loss in turns: many levels have the same largest Im E."""
    phase = np.exp(0.3j) / 2
    hops = nh.OpSum.sum((phase, "Sm", j, "Sp", (j + 1) % 10) for j in range(10))
    gain = nh.OpSum.sum((0.3j * (-1) ** j, "Sz", j) for j in range(10))
    ring = Terms(L=10, op=hops + hops.dag() + gain, charge=0)
    message = r"there may be no steady state: the level .* grows as fast within the error"
    with pytest.warns(RuntimeWarning, match=message):
        spectrum = level(ring, which="growth", max_bond=32)
    with pytest.raises(ArithmeticError, match="there is no steady state, since 2 distinct levels grow alike"):
        observables.SteadyStateEntropy()(spectrum, ring)


@pytest.mark.parametrize("charge", [0, 2])
@pytest.mark.parametrize("field", [1e3, 1e6, 1e8])
def test_rounding_of_a_large_number_is_in_the_error_even_if_it_cancels(field, charge):
    chain = models.NonHermitianXXZ(L=4, gamma=0.0, V=0.0, charge=charge)
    (exact,) = algorithms.ExactDiag(vectors="none").records(chain)
    uniform = nh.OpSum.sum((field, "Sz", j) for j in range(4)) + (-field * charge / 2,)  # 0 in the sector
    found = level(Terms(L=4, op=chain.terms() + uniform, charge=charge), max_bond=4, starts=1)
    assert abs(found.values[0] - exact.values[0]) <= found.errors[0] <= 1e-13 * field
