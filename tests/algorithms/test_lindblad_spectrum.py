"""Steady states and spectra of Lindblad equations against matrices of the whole space and closed forms."""

import numpy as np
import pytest
import scipy.optimize

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.language.opsum import OpSum
from tests.algorithms.test_open_system import currents, driven
from tests.oracles import lindblad

every_symmetry = pytest.mark.parametrize("symmetry", ["none", "weak", "strong"])


def spectrum(model, **parameters):
    (record,) = algorithms.LindbladSpectrum(**parameters).records(model)
    return record


def distance(a, b):
    """Largest distance of two sets of numbers, each number of one with one of the other."""
    apart = np.abs(np.asarray(a)[:, None] - np.asarray(b))
    return apart[scipy.optimize.linear_sum_assignment(apart)].max()


def require_steady(record, model):
    """Each is positive, of trace 1 and stationary; they are independent."""
    matrix = lindblad.superoperator(model)
    whole = [state.whole().matrix for state in record.steady]
    for rho, residual in zip(whole, record.steady_residuals, strict=True):
        assert np.trace(rho).real == pytest.approx(1, abs=1e-12)
        assert np.linalg.eigvalsh(rho).min() > -1e-12
        change = np.linalg.norm(matrix @ rho.ravel())
        assert change < 1e-9
        assert change == pytest.approx(residual, abs=1e-12)
    assert np.linalg.matrix_rank([rho.ravel() for rho in whole], tol=1e-8) == len(whole)


@every_symmetry
@pytest.mark.parametrize(("site", "L"), [(nh.Spin(0.5), 3), (nh.Fermion(), 3), (nh.Spin(0.5), 2), (nh.Boson(2), 2)])
def test_all_levels_and_steady_states(site, L, symmetry):
    model = lindblad.random_open(site, L, symmetry, np.random.default_rng(4))
    exact = np.linalg.eigvals(lindblad.superoperator(model))
    record = spectrum(model, k=None)
    assert record.complete
    assert record.certified
    if not isinstance(site, nh.Fermion):  # of which operators that are odd evolve in another way
        assert distance(record.values, exact) < 1e-8
        assert record.copies(0) == np.count_nonzero(np.abs(exact) < 1e-9)
    require_steady(record, model)
    few = spectrum(model, k=3, vectors="both")
    assert len(few.values) >= 3
    assert distance(few.values, record.values[: len(few.values)]) < 1e-8
    overlaps = np.array([[np.vdot(left, right) for right in few.modes] for left in few.left_modes])
    np.testing.assert_allclose(overlaps, np.eye(len(overlaps)), atol=1e-9)


def test_modes_are_eigenvectors():
    model = lindblad.random_open(nh.Spin(0.5), 3, "weak", np.random.default_rng(9))
    matrix, record = lindblad.superoperator(model), spectrum(model, vectors="both", k=4)
    for value, right, left in zip(record.values, record.modes, record.left_modes, strict=True):
        np.testing.assert_allclose(matrix @ right.ravel(), value * right.ravel(), atol=1e-10)
        np.testing.assert_allclose(left.conj().ravel() @ matrix, value * left.conj().ravel(), atol=1e-9)
    conserved = record.left_modes[0]
    np.testing.assert_allclose(conserved, conserved[0, 0] * np.eye(8), atol=1e-9)


def test_strong_symmetry_has_a_steady_state_for_each_charge():
    """A dephased chain: the most mixed state of each charge."""
    hop = OpSum.sum((0.5, a, j, b, j + 1) for j in range(3) for a, b in (("Sp", "Sm"), ("Sm", "Sp")))
    model = models.OpenChain(L=4, hamiltonian=hop, jump_operators=[OpSum([(0.6, "Sz", j)]) for j in range(4)])
    record = spectrum(model)
    assert (record.count, record.copies(0)) == (5, 5)
    require_steady(record, model)
    purities = sorted(state.purity() for state in record.steady)
    np.testing.assert_allclose(purities, [1 / 6, 1 / 4, 1 / 4, 1, 1], atol=1e-12)
    one = models.OpenChain(L=4, hamiltonian=hop, jump_operators=model.jump_operators, charge=2)
    assert spectrum(one).steady[0].purity() == pytest.approx(1 / 4)


@pytest.mark.parametrize(
    ("jumps", "steady", "zeros"),
    [
        ([OpSum([(1.0, "Sm", 0)])], 2, 4),  # the other spin never changes: its 4 operators
        ([OpSum([(1.0, "Sm", 0), (1.0, "Sm", 1)])], 2, 4),  # the singlet is dark, and coherent with down, down
        ([OpSum([(1.0, "X", 0, "X", 1)])], 2, 8),  # what commutes with XX: two algebras of 2 × 2 matrices
        ([], 4, 16),
    ],
)
def test_degenerate_steady_states(jumps, steady, zeros):
    model = models.OpenChain(L=2, hamiltonian=OpSum(), jump_operators=jumps)
    exact = np.linalg.eigvals(lindblad.superoperator(model))
    record = spectrum(model)
    require_steady(record, model)
    assert record.copies(0) == zeros == np.count_nonzero(np.abs(exact) < 1e-9)
    assert record.count >= steady


@pytest.mark.parametrize(
    ("L", "delta", "kappa", "current"),
    [(4, 1.0, 0.0, 5 / 36), (5, 1.0, 0.0, 9 / 89)] + [(L, 0.0, 1.0, 1 / (4 + 2 * (L - 1))) for L in (2, 4, 6)],
)
def test_driven_chains(L, delta, kappa, current):
    record = spectrum(driven(L, delta, kappa), coherences=False)
    assert record.certified
    assert record.largest_residual < 1e-10
    np.testing.assert_allclose(record.steady[0].expect_each(*currents(L)), current, atol=1e-10)


def test_the_sparse_matrix_of_the_view_has_the_same_gap():
    """`SteadyState` and `ExactDiag` of the doubled sites; the gap of a decaying spin is Γ/2, of populations Γ."""
    decay = models.OpenChain(L=4, hamiltonian=OpSum(), jump_operators=[OpSum([(0.8**0.5, "Sm", j)]) for j in range(4)])
    gap = {"gap": observables.SteadyStateGap(), "growth": observables.GrowthRate()}
    for way, expected in (
        (algorithms.LindbladSpectrum(), 0.4),
        (algorithms.LindbladSpectrum(coherences=False), 0.8),
    ):
        data = nh.Simulation(decay, way, gap).run()
        assert float(data["gap"]) == pytest.approx(expected, abs=1e-9)
        assert float(data["growth"]) == 0
    for way in (algorithms.ExactDiag(), algorithms.SteadyState(k=9)):
        data = nh.Simulation(decay.lindbladian(), way, gap).run()
        assert float(data["gap"]) == pytest.approx(0.4, abs=1e-9)


def test_observables_of_the_steady_state():
    model = models.OpenXXZ(L=4, gamma=0.5)
    pumped = models.OpenChain(L=4, hamiltonian=model.terms(), jump_operators=[*model.jumps(), OpSum([(1.0, "Sp", 0)])])
    profile = observables.OfLevel(observable=observables.Magnetization())
    injected = observables.OfLevel(observable=observables.InjectedCurrent())
    data = nh.Simulation(pumped, algorithms.LindbladSpectrum(), {"sz": profile, "in": injected}).run()
    rho = spectrum(pumped).steady[0]
    np.testing.assert_allclose(data["sz"], rho.expect_each("Sz").real, atol=1e-12)
    flow = np.append(rho.expect_each(*currents(4)).real, 0.0)
    np.testing.assert_allclose(np.roll(flow, 1) - flow + data["in"].values, 0, atol=1e-9)
    assert int(data["steady_states"]) == 1


def test_what_is_refused():
    model = models.OpenXXZ(L=4)
    for observable in (
        observables.SteadyStateEntropy(),
        observables.OfLevel(observable=observables.EntanglementEntropy()),
    ):
        with pytest.raises(ValueError, match=r"Entropy needs pure states, but the steady state of OpenXXZ is a"):
            nh.Simulation(model, algorithms.LindbladSpectrum(), {"S": observable})
    with pytest.raises(ValueError, match="generator of the model = 'Lindbladian', but it must be that of a Ham"):
        nh.Simulation(model, algorithms.LindbladSpectrum(), {"I": observables.SteadyStateCurrent()})
    with pytest.raises(TypeError, match="LindbladSpectrum needs an OpenModel, which NonHermitianXXZ is not"):
        algorithms.LindbladSpectrum().check(models.NonHermitianXXZ(L=4))
    with pytest.raises(MemoryError, match=r"the Lindblad equation of 20 sites needs .* GiB, but only"):
        algorithms.LindbladSpectrum().check(models.OpenXXZ(L=20))
    with pytest.raises(ValueError, match="charge = 0, but it must be None for a density matrix"):
        algorithms.LindbladSpectrum().check(models.OpenXXZ(L=4, charge=0))
    with pytest.raises(ValueError, match="k = 1, but it must be at least 2, for a gap"):
        algorithms.LindbladSpectrum(k=1)
    with pytest.raises(ValueError, match=r"level = 1, but it must be one of the 1 steady states; others have trace 0"):
        spectrum(model).state(1)


@pytest.mark.parametrize("rate", [1e-3, 1e-6, 1e-9])
def test_slow_decay_is_no_steady_state(rate):
    """Losses of any rate leave one steady state, and populations decay with the rate."""
    model = models.OpenChain(
        L=2,
        hamiltonian=OpSum([(0.5, "Sp", 0, "Sm", 1), (0.5, "Sm", 0, "Sp", 1), (0.7, "Sz", 0)]),
        jump_operators=[OpSum([(rate**0.5, "Sm", j)]) for j in range(2)],
    )
    record = spectrum(model)
    assert (record.count, record.copies(0)) == (1, 1)
    assert record.steady[0].expect_each("Sz").real == pytest.approx([-0.5, -0.5], abs=1e-6)
    assert -record.values[1].real == pytest.approx(rate / 2, rel=1e-4)
    faint = models.OpenChain(
        L=2, hamiltonian=model.hamiltonian, jump_operators=[OpSum([(1e-6, "Sm", j)]) for j in range(2)]
    )
    with pytest.raises(ArithmeticError, match=r"too slow to be told from a steady state next to the norm"):
        spectrum(faint)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_the_unit_of_energy_does_not_matter(unit):
    model = driven(4, 1.0)
    jumps = [unit**0.5 * jump for jump in model.jump_operators]
    scaled = models.OpenChain(L=4, hamiltonian=unit * model.hamiltonian, jump_operators=jumps)
    record = spectrum(scaled)
    assert record.certified
    np.testing.assert_allclose(record.steady[0].expect_each(*currents(4)), 5 / 36, atol=1e-10)
    assert record.values[1].real / unit == pytest.approx(-0.0905001, abs=1e-6)


def test_what_oscillates_without_decay_is_no_steady_state():
    """A closed system, and one with a dark subspace: eigenstates of H are steady, coherences oscillate."""
    hop = OpSum([(0.5, "Sp", 0, "Sm", 1), (0.5, "Sm", 0, "Sp", 1), (0.7, "Sz", 0), (0.2, "Sz", 1)])
    for jumps in ([], [OpSum([(0.3, "Sz", 0, "Sz", 1)])], [OpSum([(0.5, "Sp", 0, "Sp", 1)])]):
        model = models.OpenChain(L=2, hamiltonian=hop, jump_operators=jumps)
        record = spectrum(model)
        matrix = lindblad.superoperator(model)
        null = np.count_nonzero(np.linalg.svd(matrix, compute_uv=False) < 1e-12)
        assert record.copies(0) == null
        require_steady(record, model)
        assert record.count >= 3


def test_several_steady_states_of_a_sector_are_never_certain():
    """A loss of 10⁷ leaves a mode that decays with 5e-8, which rounding of the matrix hides."""
    hop = OpSum([(0.5, "Sp", 0, "Sm", 1), (0.5, "Sm", 0, "Sp", 1)])
    for rate in (1e7, 1e16):
        model = models.OpenChain(L=2, hamiltonian=hop, jump_operators=[OpSum([(rate**0.5, "Sm", 0)])])
        record = spectrum(model)
        assert len(record.steady) == 1 or not record.certified


def test_elements_that_should_cancel_do_not_spoil_vectors():
    hop = OpSum([(0.5, "Sp", 0, "Sm", 1), (0.5, "Sm", 0, "Sp", 1)])
    jumps = [OpSum([(1.0, "Sp", 0)]), OpSum([(0.5, "Sz", 0), (0.3j, "Id", 0)])]
    model = models.OpenChain(L=2, hamiltonian=hop, jump_operators=jumps)
    exact = np.linalg.eigvals(lindblad.superoperator(model))
    record = spectrum(model)
    assert record.certified
    assert np.abs(np.sort(exact.real)[::-1][:2] - record.values.real[:2]).max() < 1e-10
