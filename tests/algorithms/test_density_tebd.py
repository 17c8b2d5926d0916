"""DensityTEBD against the dense Lindblad equation, closed forms, and itself after an interruption."""

from __future__ import annotations

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.language.opsum import OpSum
from mpsnh.states.density_mps import DensityMPS
from tests.oracles.lindblad import evolved, trace_distance
from tests.oracles.reference import BOSON, FERMION, HALF

NAMES = {HALF: ("Sm", "Sz"), FERMION: ("c", "n"), BOSON: ("b", "n")}
EXACT = {"max_bond": 256, "cutoff": 1e-18}


def hopping(L: int) -> OpSum:
    return OpSum.sum((0.5, *pair) for j in range(L - 1) for pair in (("Sp", j, "Sm", j + 1), ("Sm", j, "Sp", j + 1)))


def dephasing(L: int, kappa: float) -> list[OpSum]:
    return [OpSum([(kappa**0.5, "Sz", j)]) for j in range(L)]


def current(bond: int) -> OpSum:
    return OpSum([(0.5j, "Sp", bond, "Sm", bond + 1), (-0.5j, "Sm", bond, "Sp", bond + 1)])


def random_chain(site: nh.Site, L: int, kind: str) -> models.OpenChain:
    """Draw hopping, interaction, fields and jumps on one site and on two neighbours."""
    rng = np.random.default_rng(3)
    lower, diagonal = NAMES[site]
    half = OpSum.sum((complex(*rng.normal(size=2)), f"{lower}†", j, lower, j + 1) for j in range(L - 1))
    own = OpSum.sum((rng.normal(), diagonal, j, diagonal, j + 1) for j in range(L - 1))
    own += OpSum.sum((rng.normal(), diagonal, j) for j in range(L))
    jumps = [OpSum([(rng.normal(), diagonal, j), (0.3j, "Id", j)]) for j in range(L)]
    if kind != "dephasing":
        jumps += [OpSum([(0.5 * rng.normal(), lower, j), (0.4j, lower, j + 1)]) for j in range(L - 1)]
    if kind == "gain":
        jumps += [OpSum([(rng.normal(), f"{lower}†", 0)]), OpSum([(0.5, lower, 1, lower, 2)])]
    if kind == "mixing":
        jumps += [OpSum([(0.4, lower, 1, f"{lower}†", 1), (0.6, lower, 0, lower, 1)])]
    return models.OpenChain(L=L, hamiltonian=half + half.dag() + own, jump_operators=jumps, site=site)


SYSTEMS = [(HALF, 4, kind) for kind in ("dephasing", "loss", "gain", "mixing")]
SYSTEMS += [(FERMION, 4, "loss"), (FERMION, 4, "gain"), (BOSON, 3, "gain")]


@pytest.mark.parametrize(("site", "L", "kind"), SYSTEMS)
def test_random_open_chains(site, L, kind):
    chain = random_chain(site, L, kind)
    names = [site.states[-(j % 2)] for j in range(L)]
    rho = DensityMPS.product([site] * L, names).to_dense()
    right = evolved(chain, rho, 1.0)
    for weight in (1.0, 2.0):
        way = algorithms.DensityTEBD(dt=0.04, t_max=1.0, every=25, order=4, weight=weight, initial=names, **EXACT)
        *_, last = way.records(chain)
        assert trace_distance(last.state.to_dense(), right) < 1e-6
        assert last.noise < 1e-5


@pytest.mark.parametrize(("order", "falls"), [(1, 2), (2, 4), (4, 16)])
def test_order_of_the_trotter_error(order, falls):
    chain = random_chain(HALF, 4, "gain")
    rho = DensityMPS.product([HALF] * 4, ["up", "down"] * 2).to_dense()
    right = evolved(chain, rho, 1.0)
    errors = []
    for dt in (0.2, 0.1, 0.05):
        *_, last = algorithms.DensityTEBD(dt=dt, t_max=1.0, every=100, order=order, **EXACT).records(chain)
        errors.append(trace_distance(last.state.to_dense(), right))
    assert errors[1] / errors[2] == pytest.approx(falls, rel=0.35)
    assert errors[0] / errors[1] == pytest.approx(falls, rel=0.5)


def test_steps_that_are_chosen_err_less_than_the_tolerance():
    chain = random_chain(HALF, 4, "gain")
    rho = DensityMPS.product([HALF] * 4, ["up", "down"] * 2).to_dense()
    right = evolved(chain, rho, 1.0)
    for tolerance in (0.1, 1e-3):
        way = algorithms.DensityTEBD(dt="auto", t_max=1.0, every=0.5, tolerance=tolerance, **EXACT)
        *_, last = way.records(chain)
        assert trace_distance(last.state.to_dense(), right) < tolerance


def test_textbook_spins():
    """Decay at rate γ: ⟨n⟩ = e^{-γt}; driven by Ω Sˣ with decay γ: ⟨n⟩ = Ω² / (γ² + 2Ω²) in the end."""
    gamma, omega = 0.7, 0.9
    loss = [OpSum([(gamma**0.5, "Sm", j)]) for j in range(2)]
    decay = models.OpenChain(L=2, hamiltonian=OpSum(), jump_operators=loss)
    for record in algorithms.DensityTEBD(dt=0.5, t_max=3.0, initial=["up", "up"]).records(decay):
        assert record.state.expect_each("Sz").real == pytest.approx([np.exp(-gamma * record.time) - 0.5] * 2)
    drive = OpSum.sum((omega, "Sx", j) for j in range(2))
    driven = models.OpenChain(L=2, hamiltonian=drive, jump_operators=loss)
    *_, last = algorithms.DensityTEBD(dt=0.5, t_max=60.0, every=40, initial=["up", "down"]).records(driven)
    occupied = omega**2 / (gamma**2 + 2 * omega**2)
    assert last.state.expect_each("Sz").real == pytest.approx([occupied - 0.5] * 2, abs=1e-8)


@pytest.mark.parametrize(
    ("N", "delta", "kappa", "J"), [(4, 1.0, 0.0, 5 / 36), (5, 1.0, 0.0, 9 / 89), (6, 0.0, 1.0, 1 / 14)]
)
def test_steady_currents_of_driven_chains(N, delta, kappa, J):
    ends = [OpSum([(1.0, "Sp", 0)]), OpSum([(1.0, "Sm", N - 1)])]
    interaction = OpSum.sum((delta, "Sz", j, "Sz", j + 1) for j in range(N - 1))
    jumps = ends + (dephasing(N, kappa) if kappa else [])
    chain = models.OpenChain(L=N, hamiltonian=hopping(N) + interaction, jump_operators=jumps)
    way = algorithms.DensityTEBD(dt=0.5, t_max=100.0, every=200, order=4, cutoff=1e-15, initial="infinite temperature")
    *_, last = way.records(chain)
    assert last.state.expect_each(*map(current, range(N - 1))).real == pytest.approx([J] * (N - 1), abs=3e-6)


@pytest.fixture(scope="module")
def quench():
    """The dephased Néel quench of free fermions, κ = .2 (10 sites), whose two-point functions close."""
    L, kappa = 10, 0.2
    h = 0.5 * (np.eye(L, k=1) + np.eye(L, k=-1))
    correlations = np.diag(1.0 - np.arange(L) % 2).astype(complex)
    step, exact = 0.001, {}
    kept = np.exp(-kappa * step * (1 - np.eye(L)))  # ⟨c†_i c_j⟩ loses κ/2 at each of two sites
    turned = np.linalg.eigh(h)
    half = turned[1] @ np.diag(np.exp(0.5j * step * turned[0])) @ turned[1].T
    for k in range(2001):
        if k % 1000 == 0:
            exact[k // 1000] = correlations.diagonal().real - 0.5
        correlations = half @ (kept * (half @ correlations @ half.conj().T)) @ half.conj().T
    return models.OpenChain(L=L, hamiltonian=hopping(L), jump_operators=dephasing(L, kappa)), exact


def test_dephased_quench_beyond_exact_sizes(quench):
    chain, exact = quench
    way = algorithms.DensityTEBD(dt=0.25, t_max=2.0, every=4, order=4, max_bond=32)
    for record in way.records(chain):
        error = np.abs(record.state.expect_each("Sz").real - exact[round(record.time)]).max()
        assert error <= max(record.noise, 1e-6)
        assert error < 1e-3
    assert record.trust_time == 1e300


def test_charges_do_not_change_numbers():
    """Those of kets and bras, their difference, and none at all."""
    names = {name: matrix for name, matrix in HALF.operators.items() if name not in ("Id", "F")}
    plain, jumps, values = nh.Site(HALF.states, names), dephasing(6, 0.5), []
    for site, weight in ((HALF, 1.0), (HALF, 2.0), (plain, 1.0)):
        chain = models.OpenChain(L=6, hamiltonian=hopping(6), jump_operators=jumps, site=site)
        way = algorithms.DensityTEBD(dt=0.1, t_max=1.0, every=10, weight=weight, initial=["up", "down"] * 3, **EXACT)
        *_, last = way.records(chain)
        values.append(last.state.expect_each("Sz").real)
        assert type(last.state.mps).__name__ == ("MPS" if site is plain else "SymmetricMPS")
    np.testing.assert_allclose(values[1:], [values[0]] * 2, atol=1e-8)


def test_a_mixture_of_charges_keeps_their_difference():
    """Where a strong symmetry would forbid blocks: a product of mixed states, with dephasing only."""
    jumps = dephasing(4, 0.5)
    chain = models.OpenChain(L=4, hamiltonian=hopping(4), jump_operators=jumps)
    local = [np.diag([0.9, 0.1]), np.diag([0.2, 0.8]), np.eye(2), np.diag([0.5, 0.7])]
    start = DensityMPS.product([HALF] * 4, local)
    right = evolved(chain, start.to_dense(), 1.0)
    for weight in (1.0, 2.0):
        way = algorithms.DensityTEBD(
            dt=0.1, t_max=1.0, every=10, order=4, weight=weight, initial=lambda model: start, **EXACT
        )
        *_, last = way.records(chain)
        assert type(last.state.mps).__name__ == "SymmetricMPS"
        assert trace_distance(last.state.to_dense(), right) < 1e-6


def test_resumed_runs_are_identical(tmp_path):
    chain = models.OpenXXZ(L=6, gamma=0.3)

    def run(t_max):
        way = algorithms.DensityTEBD(dt=0.1, t_max=t_max, every=2, max_bond=6, tolerance=0.5)
        measured = {"sz": observables.Magnetization(), "S": observables.OperatorEntanglement()}
        return nh.Simulation(chain, way, measured)

    run(0.6).run(checkpoint=tmp_path / "run.npz")
    assert run(1.0).run(checkpoint=tmp_path / "run.npz").identical(run(1.0).run())


def test_observables():
    chain = models.OpenXXZ(L=6, gamma=0.3)
    way = algorithms.DensityTEBD(dt=0.1, t_max=0.2)
    measured = {
        "sz": observables.Magnetization(),
        "current": observables.CurrentProfile(),
        "mid": observables.MidCurrent(half_width=1),
        "purity": observables.Purity(),
        "S": observables.OperatorEntanglement(),
    }
    data = nh.Simulation(chain, way, measured).run()
    assert data.purity[0] == pytest.approx(1)
    assert data.mid[-1] == pytest.approx(float(data.current[-1][2:4].mean()))
    says = r"\(EntropyProfile\) needs a pure state, which DensityTEBD .*does not give: .*Purity or OperatorEntanglement"
    with pytest.raises(ValueError, match=says):
        nh.Simulation(chain, way, {"S": observables.EntropyProfile()})
    with pytest.raises(ValueError, match=r"\(Norm\) needs the norm"):
        nh.Simulation(chain, way, {"norm": observables.Norm()})
    pure = algorithms.NHTEBD(dt=0.1, t_max=0.1)
    assert nh.Simulation(chain.no_click(), pure, {"purity": observables.Purity()}).run().purity[-1] == 1
    with pytest.raises(ValueError, match=r"\(OperatorEntanglement\) needs a density operator in matrix-product form"):
        nh.Simulation(chain.no_click(), pure, {"S": observables.OperatorEntanglement()})


def test_the_estimate_covers_the_error(quench):
    """Of a run that is truncated a lot, which says so; the trace alone tells it if identities have no weight."""
    chain, exact = quench
    for weight in (1.0, 2.0):
        way = algorithms.DensityTEBD(dt=0.25, t_max=2.0, every=4, order=4, max_bond=6, weight=weight)
        with pytest.warns(RuntimeWarning, match=r"DensityTEBD: truncation may have changed local values .* tolerance"):
            *_, last = way.records(chain)
        error = np.abs(last.state.expect_each("Sz").real - exact[2]).max()
        assert 1e-3 < error < last.noise
        assert last.trust_time < 2


LOSS = [OpSum([(1.0, "Sm", 0)])]


@pytest.mark.parametrize(
    ("terms", "jumps", "says"),
    [
        (OpSum(), [OpSum([(1.0, "Sm", 0), (1.0, "Sm", 2)])], r"jump 0, .*, acts on sites 0 to 2, but .*OpenSystem"),
        (OpSum([(1.0, "Sz", 0, "Sz", 2)]), LOSS, r"term .*Sz_0 Sz_2 acts on sites 0 to 2, but DensityTEBD needs"),
        (
            OpSum([(1.0, "Sz", 0, "Sz", 3)]),
            LOSS,
            r"sites 0 to 3, .*OpenSystem takes any range, and boundary='open'",
        ),
    ],
)
def test_what_gates_do_not_reach_is_refused(terms, jumps, says):
    chain = models.OpenChain(L=4, hamiltonian=terms, jump_operators=jumps)
    with pytest.raises(ValueError, match=says):
        nh.Simulation(chain, algorithms.DensityTEBD(dt=0.1, t_max=1.0), {})


def test_refusals():
    chain = models.OpenXXZ(L=4, gamma=0.1)

    def start(initial, **options):
        next(iter(algorithms.DensityTEBD(dt=0.1, t_max=1.0, initial=initial, **options).records(chain)))

    with pytest.raises(TypeError, match="needs an OpenModel, not a NonHermitianXXZ; NHTEBD evolves pure states"):
        algorithms.DensityTEBD(dt=0.1, t_max=1.0).check(models.NonHermitianXXZ(L=4))
    with pytest.raises(TypeError, match="not a DoubledModel: give it the model itself"):
        algorithms.DensityTEBD(dt=0.1, t_max=1.0).check(chain.lindbladian())
    with pytest.raises(TypeError, match="initial returned ndarray, but it must return an MPS or a DensityMPS"):
        start(lambda model: np.eye(4))
    with pytest.raises(ValueError, match="initial = 'thermal', but it must be 'neel' or 'infinite temperature', a"):
        start("thermal")
    with pytest.raises(ValueError, match="number of sites of the initial state = 3"):
        start(lambda model: DensityMPS.infinite_temperature([HALF] * 3))
    negative = DensityMPS.infinite_temperature([HALF] * 4).mps.to_mps()
    negative = negative - 2 * DensityMPS.product([HALF] * 4, ["up"] * 4).mps.to_mps()
    with pytest.raises(ValueError, match="smallest eigenvalue of two neighbours in the initial state = -"):
        start(lambda model: DensityMPS(nh.MPS.from_quimb(negative, DensityMPS.product([HALF] * 4, ["up"] * 4)._pairs)))
    with pytest.raises(ValueError, match="max_bond = 2, but it must be ≥ 4"):
        start(lambda model: nh.MPS.from_vector([0, 1, 1, 0] * 4, [HALF] * 4), max_bond=2)
    with pytest.raises(ValueError, match=r"weight = 0\.5, but it must be from 1"):
        algorithms.DensityTEBD(dt=0.1, t_max=1.0, weight=0.5)
    with pytest.raises(ValueError, match="order = 3, but it must be one of 1, 2, 4"):
        algorithms.DensityTEBD(dt=0.1, t_max=1.0, order=3)
    pure = nh.Snapshot(time=0.5, state=nh.MPS.product([HALF] * 4, ["up"] * 4))
    with pytest.raises(TypeError, match="DensityTEBD continues a DensityMPS, not MPS"):
        next(iter(algorithms.DensityTEBD(dt=0.1, t_max=1.0).records(chain, after=pure)))
    with pytest.raises(MemoryError, match=r"needs .* GiB"):
        algorithms.DensityTEBD(dt=0.1, t_max=1.0, max_bond=10**6).check(models.OpenXXZ(L=60))


@pytest.mark.parametrize("kind", [algorithms.NHTEBD, algorithms.DensityTEBD])
def test_an_order_that_is_chosen_is_not_named(kind):
    assert kind(dt="auto", every=0.5, t_max=1.0).parameters()["order"] == "auto"
    assert kind(dt=0.5, t_max=1.0).parameters()["order"] == 2
