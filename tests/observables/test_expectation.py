"""Expectation values of any operator, echoes and entropies, through simulations, against dense numbers."""

import numpy as np
import pytest
import scipy.linalg

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.language.opsum import OpSum
from mpsnh.observables.entanglement import spread

CHAIN = models.NonHermitianXXZ(L=8, gamma=0.3, h=1.0, seed=4)
EXACT = algorithms.ExactEvolution(dt=0.5, t_max=1.0)
TEBD = algorithms.NHTEBD(dt=0.05, order=4, cutoff=1e-15, every=10, t_max=1.0, max_bond=32)
BONDS = [CHAIN.current(j) for j in range(7)]
WANTED = {
    "sz": observables.Expectation(operator="Sz"),
    "energy": observables.Expectation(operator=CHAIN.terms()),
    "current": observables.Expectation(operator=BONDS, along="bond"),
    "far": observables.Expectation(operator=OpSum([(1, "Sz", 0, "Sz", 7)])),
    "zz": observables.CorrelationMatrix(first="Sz", second="Sz", connected=True),
    "pm": observables.CorrelationMatrix(first="Sp", second="Sm"),
    "spectrum": observables.EntanglementSpectrum(levels=20),
    "S2": observables.RenyiEntropy(order=2),
    "S1": observables.RenyiEntropy(order=1),
    "S": observables.EntanglementEntropy(),
    "echo": observables.LoschmidtEcho(),
    "profile": observables.CurrentProfile(),
    "magnetization": observables.Magnetization(),
}


@pytest.fixture(scope="module")
def both():
    return [nh.Simulation(CHAIN, way, WANTED).run() for way in (EXACT, TEBD)]


def test_exact_and_matrix_product_states_agree(both):
    exact, tebd = both
    for name in WANTED:
        if name != "spectrum":
            np.testing.assert_allclose(tebd[name], exact[name], atol=3e-6, err_msg=name)
    weights = [data["spectrum"].sel(of="weight") for data in both]
    np.testing.assert_allclose(*weights, atol=3e-6)


def test_special_cases_agree_with_their_own_observables(both):
    for data in both:
        np.testing.assert_allclose(data["current"], data["profile"], atol=1e-13)
        np.testing.assert_allclose(data["sz"], data["magnetization"], atol=1e-13)
        np.testing.assert_allclose(data["S1"], data["S"], atol=1e-9)
        connected = data["zz"].isel(site=0, other_site=7) + data["sz"].isel(site=0) * data["sz"].isel(site=7)
        np.testing.assert_allclose(connected, data["far"], atol=1e-12)


def test_what_is_hermitian_is_real(both):
    exact, _ = both
    for name in ("sz", "current", "far"):
        assert exact[name].dtype == float
    assert exact["energy"].dtype == complex
    assert exact["pm"].dtype == complex


def test_operators_that_reach_far_are_real_if_their_terms_have_adjoints():
    hops = OpSum([(0.5, "Sp", 0, "Sm", 7), (0.5, "Sm", 0, "Sp", 7)])
    twisted = OpSum([(0.5j, "Sp", 0, "Sm", 7), (-0.5j, "Sm", 0, "Sp", 7)])
    wanted = {
        "hops": observables.Expectation(operator=hops),
        "twisted": observables.Expectation(operator=twisted),
        "one_way": observables.Expectation(operator=OpSum([(0.5, "Sp", 0, "Sm", 7)])),
        "wrong_sign": observables.Expectation(operator=OpSum([(0.5j, "Sp", 0, "Sm", 7), (0.5j, "Sm", 0, "Sp", 7)])),
    }
    data = nh.Simulation(CHAIN, EXACT, wanted).run()
    assert data["hops"].dtype == data["twisted"].dtype == float
    assert data["one_way"].dtype == data["wrong_sign"].dtype == complex
    np.testing.assert_allclose(data["hops"], 2 * data["one_way"].real, atol=1e-14)
    np.testing.assert_allclose(data["wrong_sign"], 1j * data["hops"], atol=1e-14)


def test_schmidt_states_that_do_not_exist_have_no_charge():
    for way in (EXACT, TEBD):
        first = nh.Simulation(CHAIN, way, {"p": observables.EntanglementSpectrum(levels=6)}).run()["p"][0]
        assert first.sel(of="weight").values.round(12).tolist() == [1, 0, 0, 0, 0, 0]
        assert first.sel(of="charge").values.tolist() == [0, 0, 0, 0, 0, 0]


def test_energy_and_echo_are_those_of_dense_vectors(both):
    matrix = CHAIN.matrix().toarray()
    start = algorithms.ExactEvolution(dt=1.0, t_max=1.0).records(CHAIN)
    first, last = (record.state.vector for record in start)
    last = last / np.linalg.norm(last)
    exact, _ = both
    assert exact["energy"][-1].item() == pytest.approx(np.vdot(last, matrix @ last))
    assert exact["echo"][-1].item() == pytest.approx(abs(np.vdot(first, last)) ** 2)
    p = abs(last) ** 2
    for order, expected in ((1.0, -(p[p > 0] * np.log(p[p > 0])).sum()), (2.0, -np.log((p**2).sum()))):
        wanted = {"S": observables.ParticipationEntropy(order=order)}
        found = nh.Simulation(CHAIN, algorithms.ExactEvolution(dt=1.0, t_max=1.0), wanted).run()
        assert found["S"][-1].item() == pytest.approx(expected)


def test_biorthogonal_values_are_those_of_dense_vectors():
    values, left, right = scipy.linalg.eig(CHAIN.matrix().toarray(), left=True)
    wanted = {
        "sz": observables.BiorthogonalExpectation(operator="Sz", level=3),
        "energy": observables.BiorthogonalExpectation(operator=CHAIN.terms(), level=3),
        "levels": observables.Eigenvalues(),
    }
    data = nh.Simulation(CHAIN, algorithms.ExactDiag(vectors="both"), wanted).run()
    k = int(np.argmin(abs(values - data["levels"][3].item())))
    assert data["energy"].item() == pytest.approx(values[k])
    for j in range(8):
        operator = CHAIN.sector.operator(OpSum([(1, "Sz", j)])).toarray()
        expected = np.vdot(left[:, k], operator @ right[:, k]) / np.vdot(left[:, k], right[:, k])
        assert data["sz"][j].item() == pytest.approx(expected)


def test_levels_of_matrix_product_states_have_biorthogonal_values():
    chain = models.NonHermitianXXZ(L=10, gamma=0.2, h=1.0)
    wanted = {"sz": observables.BiorthogonalExpectation(operator="Sz")}
    found = nh.Simulation(chain, algorithms.NHDMRG(which="energy"), wanted).run()
    levels = nh.Simulation(chain, algorithms.ExactDiag(vectors="both"), {"E": observables.Eigenvalues()}).run()["E"]
    lowest = int(np.argmin(levels.real.values))
    wanted = {"sz": observables.BiorthogonalExpectation(operator="Sz", level=lowest)}
    exact = nh.Simulation(chain, algorithms.ExactDiag(vectors="both"), wanted).run()
    np.testing.assert_allclose(found["sz"], exact["sz"], atol=1e-5)


def test_observables_of_states_work_in_levels():
    chain = models.NonHermitianXXZ(L=8, h=2.0, boundary="periodic")
    wanted = {
        "zz": observables.OfLevel(observable=observables.CorrelationMatrix(first="Sz", second="Sz")),
        "sz": observables.OfLevel(observable=observables.Expectation(operator="Sz")),
        "p": observables.OfLevel(observable=observables.ParticipationEntropy()),
    }
    data = nh.Simulation(chain, algorithms.ExactDiag(), wanted).run()
    np.testing.assert_allclose(data["zz"].sum("other_site"), 0, atol=1e-12)
    assert data["sz"].dims == ("site",)
    assert data["p"] > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: observables.Expectation(operator=3), "operator = 3"),
        (lambda: observables.Expectation(operator=[]), "operator"),
        (lambda: observables.Expectation(operator=OpSum([(1, "Sz", 0)]), along="site"), "along = 'site'"),
        (lambda: observables.RenyiEntropy(order=0), "order = 0"),
        (lambda: observables.EntanglementSpectrum(levels=0), "levels = 0"),
        (lambda: observables.BiorthogonalExpectation(operator="Sz", level=-1), "level = -1"),
    ],
)
def test_bad_parameters_are_refused(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize(
    ("wanted", "algorithm", "message"),
    [
        (observables.Expectation(operator="Sq"), EXACT, "Sq"),
        (observables.Expectation(operator=OpSum([(1, "Sz", 9)])), EXACT, "9"),
        (observables.CorrelationMatrix(first="Sz", second="n"), EXACT, "'n'"),
        (observables.LoschmidtEcho(initial="1100"), EXACT, "that of the algorithm: 'neel'"),
        (observables.RenyiEntropy(bond=7), EXACT, "bond = 7"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(wanted, algorithm, message):
    with pytest.raises(ValueError, match=message):
        nh.Simulation(CHAIN, algorithm, {"x": wanted})


def test_odd_pairs_are_refused():
    class Fermions(nh.HamiltonianModel):
        sites = (nh.Fermion(),) * 4

        def terms(self):
            return OpSum.sum((1, "n", j) for j in range(self.L))

    with pytest.raises(ValueError, match="odd number of fermionic"):
        nh.Simulation(Fermions(L=4), EXACT, {"x": observables.CorrelationMatrix(first="cdag", second="n")})


def test_amplitudes_of_matrix_product_states_are_refused_with_a_way():
    with pytest.raises(TypeError, match="use ExactEvolution"):
        nh.Simulation(CHAIN, TEBD, {"x": observables.ParticipationEntropy()}).run()


def test_echoes_of_trajectories_begin_with_the_same_state_and_vanish_after_clicks():
    chain = models.OpenXXZ(L=6, gamma=0.3, h=0.5)
    for inner in (algorithms.ExactEvolution(dt=0.5, t_max=2.0), algorithms.NHTEBD(dt=0.1, t_max=2.0, every=5)):
        run = algorithms.Trajectories(inner=inner, seed=1)
        wanted = {"echo": observables.LoschmidtEcho()}
        np.testing.assert_allclose(nh.Simulation(chain, run, wanted).run()["echo"], [1, 0, 0, 0, 0], atol=1e-12)
    other = algorithms.Trajectories(inner=algorithms.NHTEBD(dt=0.1, t_max=0.2, initial="111000"), seed=1)
    with pytest.raises(ValueError, match="that of the algorithm: '111000'"):
        nh.Simulation(chain, other, {"echo": observables.LoschmidtEcho()})


def test_degenerate_levels_have_no_biorthogonal_values():
    ring = models.NonHermitianXXZ(L=6, gamma=0.3, h=0.0, boundary="periodic")
    wanted = {"b": observables.BiorthogonalExpectation(operator="Sz", level=3)}
    with pytest.raises(ArithmeticError, match="level 3 is degenerate: 2 levels"):
        nh.Simulation(ring, algorithms.ExactDiag(vectors="both"), wanted).run()


def test_entropies_are_continuous_in_their_order():
    p = np.array([0.6, 0.3, 0.1])
    exact = -(p * np.log(p)).sum()
    for distance in (1e-15, 1e-12, 1e-9, 1e-6):
        for order in (1 - distance, 1 + distance):
            assert spread(p, order) == pytest.approx(exact, abs=1e-8 + distance)
    noisy = np.array([0.5, 0.5, 1e-33, 1e-33])
    assert spread(noisy, 0.01) == pytest.approx(np.log(2), abs=1e-12)
