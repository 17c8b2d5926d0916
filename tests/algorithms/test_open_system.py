"""The exact evolution of open systems against matrices of the whole space, closed forms and textbooks."""

import functools
import itertools

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.algorithms.density_evolution import charges_of
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.sector import Sector
from tests.oracles import lindblad, precise, reference

SITES = {"spins": nh.Spin(0.5), "fermions": nh.Fermion(), "bosons": nh.Boson(2), "spins 1": nh.Spin(1)}
every_kind = pytest.mark.parametrize("kind", SITES)
every_symmetry = pytest.mark.parametrize("symmetry", ["none", "weak", "strong"])


def product(site: Site, L: int) -> list[str]:
    """Names that are no state of all sites alike."""
    return [site.states[-(j % 2)] for j in range(L)]


def pure(sites, names):
    vector = functools.reduce(np.kron, [site.state(name) for site, name in zip(sites, names, strict=True)])
    return np.outer(vector, vector.conj())


CHAINS = [(kind, L) for kind in SITES for L in (2, 3, 4) if SITES[kind].dim ** L <= 16]
"""For which a dense superoperator is small."""


@every_symmetry
@pytest.mark.parametrize(("kind", "L"), CHAINS)
def test_evolution_against_kronecker_products(kind, symmetry, L):
    """From a product state, of one charge, and from a random mixed state, of all."""
    site = SITES[kind]
    if {2: 4, 3: 2}[site.dim] < L:
        pytest.skip("too large for a dense superoperator")
    rng = np.random.default_rng([L, len(kind), len(symmetry)])
    model = lindblad.random_open(site, L, symmetry, rng)
    kets = Sector(model.sites, None)
    mixed = lindblad.random_density(model.sites, rng)
    for initial, rho in (
        (product(site, L), pure(model.sites, product(site, L))),
        (lambda model: nh.DensityMatrix(3.0 * mixed, kets), mixed),
    ):
        system = algorithms.OpenSystem(dt=0.35, t_max=0.7, initial=initial)
        for snapshot in system.records(model):
            exact = lindblad.evolved(model, rho, snapshot.time)
            np.testing.assert_allclose(snapshot.state.matrix, exact, atol=1e-11)
            assert np.linalg.norm(snapshot.state.matrix - exact, "nuc") < 1e-11
            assert snapshot.error < 1e-11
            assert abs(snapshot.trace_deviation) < 1e-12


@every_kind
def test_the_charge_of_a_model_is_that_of_kets_and_bras(kind):
    site = SITES[kind]
    model = lindblad.random_open(site, 2, "strong", np.random.default_rng(3))
    names = product(site, 2)
    charge = sum(site.charges[site.states.index(name)] for name in names)
    fixed = models.OpenChain(
        L=2, hamiltonian=model.hamiltonian, jump_operators=model.jump_operators, site=site, charge=charge
    )
    system = algorithms.OpenSystem(dt=1.0, t_max=1.0, initial=names)
    whole, inside = (list(system.records(one))[-1].state for one in (model, fixed))
    np.testing.assert_allclose(inside.whole().matrix, whole.matrix, atol=1e-14)
    up = reference.RAISING[site]
    for op in (
        OpSum([(1.0, reference.NEUTRAL[site], 0)]),
        OpSum([(1j, up, 0, f"{up}†", 1)]),
        OpSum([(1.0, up, 0, up, 1)]),
    ):
        assert inside.expect(op) == pytest.approx(whole.expect(op), abs=1e-14)


def test_symmetry_decides_what_is_evolved():
    rng = np.random.default_rng(0)
    sizes = {}
    for symmetry in ("none", "weak", "strong"):
        model = lindblad.random_open(nh.Spin(0.5), 4, symmetry, rng)
        start = algorithms.OpenSystem(dt=1.0, t_max=1.0).init(model, None)
        sizes[symmetry] = [part.model.sector.dim for part in start.parts]
    assert sizes == {"none": [256], "weak": [70], "strong": [36]}


def test_symmetry_does_not_change_numbers(monkeypatch):
    """A random chain of five spins, with its charges and without."""
    model = lindblad.random_open(nh.Spin(0.5), 5, "weak", np.random.default_rng(7))
    system = algorithms.OpenSystem(dt=0.5, t_max=1.5)
    with_charges = [snapshot.state.matrix for snapshot in system.records(model)]
    blind = lindblad.random_open(nh.Spin(0.5), 5, "weak", np.random.default_rng(7))
    blind.__dict__["_doubled_sites"] = tuple(nh.language.doubled.DoubledSite(site, 0, 0) for site in blind.sites)
    without = [snapshot.state.matrix for snapshot in system.records(blind)]
    assert len(charges_of(nh.DensityMatrix(with_charges[0], model.sector), blind)) == 1
    assert blind.lindbladian().sector.dim == 1024
    np.testing.assert_allclose(with_charges, without, atol=1e-13)


def test_numbers_do_not_depend_on_the_time_grid_nor_on_a_stop(tmp_path):
    model = models.OpenXXZ(L=4, gamma=0.4, h=1.0, boundary="periodic")
    fine = list(algorithms.OpenSystem(dt=0.25, t_max=3.0).records(model))
    coarse = list(algorithms.OpenSystem(dt=1.5, t_max=3.0).records(model))
    for a, b in itertools.product(fine, coarse):
        if a.time == b.time:
            assert np.linalg.norm(a.state.matrix - b.state.matrix, "nuc") < min(1e-13, a.error + b.error)
    for stop in (0, 3, 11):
        resumed = list(algorithms.OpenSystem(dt=0.25, t_max=3.0).records(model, after=fine[stop]))
        for again, before in zip(resumed, fine[stop + 1 :], strict=True):
            np.testing.assert_array_equal(again.state.matrix, before.state.matrix)
            assert (again.error, again.trace_deviation) == (before.error, before.trace_deviation)
    auto = list(algorithms.OpenSystem(dt="auto", t_max=3.0, every=1.5).records(model))
    for one, other in zip(auto, coarse, strict=True):
        np.testing.assert_array_equal(one.state.matrix, other.state.matrix)
    measured, place = {"sz": observables.Magnetization(), "I": observables.CurrentProfile()}, tmp_path / "run.npz"
    runs = [nh.Simulation(model, algorithms.OpenSystem(dt=0.5, t_max=t), measured) for t in (1.0, 2.0)]
    runs[0].run(checkpoint=place)
    assert runs[1].run(checkpoint=place).identical(runs[1].run())


@pytest.mark.parametrize("symmetry", ["none", "weak"])
def test_errors_are_covered(symmetry):
    """Random systems and times up to a hundred, against integers of hundreds of digits."""
    covered, errors = 0, []
    for seed in range(8):
        rng = np.random.default_rng([seed, 5])
        model, time = lindblad.random_open(nh.Spin(0.5), 2, symmetry, rng), float(10 ** rng.uniform(-1, 2))
        rho = lindblad.random_density(model.sites, rng)
        initial = lambda model, rho=rho: nh.DensityMatrix(rho, model.sector)  # noqa: E731
        *_, last = algorithms.OpenSystem(dt=time / 4, t_max=time, initial=initial).records(model)
        vector, _ = precise.evolved(1j * lindblad.superoperator(model), time, rho.ravel())
        exact = vector.reshape(4, 4) / np.trace(vector.reshape(4, 4))
        errors.append(np.linalg.norm(last.state.matrix - exact, "nuc"))
        covered += errors[-1] <= last.error
        assert last.error < 1e-11
    assert covered == 8, errors


# ------------------------------------------------------------------------------------------------------- closed forms


def spins(hamiltonian, jumps):
    """Two spins of which nothing acts on the second one."""
    return models.OpenChain(L=2, hamiltonian=hamiltonian, jump_operators=jumps)


def test_a_decaying_spin():
    """⟨Sz⟩ = e^{-Γt} - 1/2 and a coherence that decays with Γ/2 and turns with the field."""
    rate, field = 0.7, 1.3
    model = spins(OpSum([(field, "Sz", 0)]), [OpSum([(rate**0.5, "Sm", 0)])])
    plus = lambda model: nh.MPS.product(model.sites, [[1.0, 1.0], [1.0, 0.0]])  # noqa: E731
    for snapshot in algorithms.OpenSystem(dt=0.5, t_max=4.0, initial=plus).records(model):
        t = snapshot.time
        assert snapshot.state.expect(OpSum([(1.0, "Sz", 0)])) == pytest.approx(np.exp(-rate * t) / 2 - 0.5, abs=1e-12)
        coherence = np.exp(-rate * t / 2 + 1j * field * t) / 2
        assert snapshot.state.expect(OpSum([(1.0, "Sp", 0)])) == pytest.approx(coherence, abs=1e-12)
    up = algorithms.OpenSystem(dt=0.5, t_max=4.0, initial=["up", "up"])
    for snapshot in up.records(model):
        p = np.exp(-rate * snapshot.time)
        assert snapshot.state.purity() == pytest.approx(p**2 + (1 - p) ** 2, abs=1e-12)
        entropy = -sum(x * np.log(x) for x in (p, 1 - p) if x > 1e-12)
        assert snapshot.state.entropy() == pytest.approx(entropy, abs=1e-10)


def test_optical_bloch_equations():
    """d(u, v, w)/dt of a driven, decaying, dephased spin, integrated as a 4 × 4 matrix; and the steady state."""
    omega, delta, decay, dephasing = 1.1, 0.4, 0.5, 0.3
    drive = OpSum([(omega, "Sx", 0), (delta, "Sz", 0)])
    model = spins(drive, [OpSum([(decay**0.5, "Sm", 0)]), OpSum([(dephasing**0.5, "Z", 0)])])
    across = decay / 2 + 2 * dephasing
    bloch = np.array([[-across, -delta, 0, 0], [delta, -across, -omega, 0], [0, omega, -decay, -decay], [0, 0, 0, 0]])
    system = algorithms.OpenSystem(dt=0.5, t_max=60.0, every=10, initial=["up", "up"])
    for snapshot in system.records(model):
        from_start = lindblad.scipy.linalg.expm(bloch * snapshot.time) @ [0, 0, 1, 1]
        got = [2 * snapshot.state.expect(OpSum([(1.0, name, 0)])).real for name in ("Sx", "Sy", "Sz")]
        np.testing.assert_allclose(got, from_start[:3], atol=1e-12)
    saturation = omega**2 * across / decay / (across**2 + delta**2)
    assert got[2] == pytest.approx(-1 / (1 + saturation), abs=1e-9)


def driven(L, delta=0.0, kappa=0.0):
    """Raising on the first site, lowering on the last one, dephasing of all."""
    hop = OpSum.sum((0.5, a, j, b, j + 1) for j in range(L - 1) for a, b in (("Sp", "Sm"), ("Sm", "Sp")))
    hop += OpSum.sum((delta, "Sz", j, "Sz", j + 1) for j in range(L - 1))
    jumps = [OpSum([(1.0, "Sp", 0)]), OpSum([(1.0, "Sm", L - 1)])]
    if kappa:
        jumps += [OpSum([(kappa**0.5, "Sz", j)]) for j in range(L)]
    return models.OpenChain(L=L, hamiltonian=hop, jump_operators=jumps)


def currents(L):
    return [OpSum([(0.5j, "Sp", j, "Sm", j + 1), (-0.5j, "Sm", j, "Sp", j + 1)]) for j in range(L - 1)]


@pytest.mark.parametrize(
    ("L", "delta", "kappa", "current"),
    [(4, 1.0, 0.0, 5 / 36), (5, 1.0, 0.0, 9 / 89)] + [(L, 0.0, 0.8, 1 / (4 + 1.6 * (L - 1))) for L in (2, 3, 4, 5, 6)],
)
def test_currents_of_driven_chains(L, delta, kappa, current):
    *_, last = algorithms.OpenSystem(dt=200.0, t_max=200.0).records(driven(L, delta, kappa))
    np.testing.assert_allclose(last.state.expect_each(*currents(L)), current, atol=1e-9)


# ---------------------------------------------------------------------------------------------------- what is refused


def start(model, **parameters):
    return algorithms.OpenSystem(dt=0.5, t_max=1.0, **parameters).check(model)


def mixed(matrix):
    return lambda model: nh.DensityMatrix(np.array(matrix), Sector(model.sites, None))


ATOMS = models.OpenChain(L=2, hamiltonian=OpSum(), jump_operators=[OpSum([(1.0, "Sm", 0)])])


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.diag([1.5, 0, 0, -0.5]), r"smallest eigenvalue of ρ = -0.5, but it must be zero or positive"),
        (np.diag([1.0, 0, 0, -1.0]), r"trace = .*0.0.*, but it must be positive"),
        (np.diag([1.0, 0, 0, np.nan]), "elements that are not finite"),
        ([[1.0, 1.0, 0, 0], [0, 1, 0, 0], [0] * 4, [0] * 4], r"\|ρ - ρ†\| = 0.5, but it must be at most"),
        (np.eye(3), r"matrix shape = \(3, 3\), but it must be \(4, 4\)"),
    ],
)
def test_what_is_no_density_matrix_is_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        start(ATOMS, initial=mixed(matrix))


def test_what_open_systems_refuse():
    with pytest.raises(ValueError, match=r"gamma = 0.1, but it must be left out, as the jumps of an OpenModel have"):
        start(ATOMS, gamma=0.1)
    with pytest.raises(ValueError, match="gamma = None, but it must be a number, the coupling of the bath"):
        start(models.NonHermitianXXZ(L=4, gamma=0.0, charge=None))
    growing = models.OpenChain(L=2, hamiltonian=OpSum([(0.1j, "Sz", 0)]), jump_operators=[])
    with pytest.raises(ValueError, match=r"OpenChain.terms must be Hermitian"):
        start(growing)
    broken = models.OpenChain(L=2, hamiltonian=OpSum(), jump_operators=[OpSum([(1.0, "Sm", 0)])], charge=0)
    with pytest.raises(ValueError, match="charge = 0, but it must be None for a density matrix, as the jumps"):
        start(broken)
    with pytest.raises(MemoryError, match=r"the density matrix of 20 sites needs .* GiB, but only"):
        start(models.OpenXXZ(L=20))
    with pytest.raises(TypeError, match="initial returned int, but it must return an MPS or a DensityMatrix"):
        start(ATOMS, initial=lambda model: 3)
    with pytest.raises(ValueError, match=r"sector of the state = .*charge=0.*, but it must be .*charge=None"):
        start(ATOMS, initial=lambda model: nh.DensityMatrix(np.eye(2), Sector(model.sites, 0)))
    hopping = models.OpenChain(L=2, hamiltonian=OpSum(), jump_operators=[], site=nh.Fermion())
    with pytest.raises(
        ValueError, match=r"coherence between fermion parities = 0.5.*, but it must be 0, as no state is"
    ):
        start(hopping, initial=lambda model: nh.MPS.product(model.sites, [[1.0, 1.0], "empty"]))


def test_what_open_systems_do_not_continue():
    system = algorithms.OpenSystem(dt=0.5, t_max=1.0)
    state = nh.MPS.product(ATOMS.sites, ["up", "down"])
    with pytest.raises(TypeError, match="OpenSystem continues a DensityMatrix, not MPS"):
        next(system.records(ATOMS, after=nh.Snapshot(0.5, state)))
    wrong = nh.DensityMatrix(np.diag([1.5, 0, 0, -0.5]), ATOMS.sector)
    with pytest.raises(ValueError, match=r"smallest eigenvalue of ρ = -0.5"):
        next(system.records(ATOMS, after=nh.Snapshot(0.5, wrong)))


def test_a_rate_that_is_not_finite_is_refused():
    with pytest.raises((ValueError, TypeError), match="nan"):
        start(models.OpenChain(L=2, hamiltonian=OpSum(), jump_operators=[OpSum([(float("nan"), "Sm", 0)])]))
    with pytest.raises((ValueError, TypeError), match="inf"):
        start(models.OpenChain(L=2, hamiltonian=OpSum([(float("inf"), "Sz", 0)]), jump_operators=[]))


@pytest.mark.parametrize("hamiltonian", [True, False])
def test_errors_beside_a_bath_are_covered(hamiltonian):
    """A closed system with a bath, against integers of hundreds of digits."""
    for seed, steps in ((0, 3), (1, 200)):
        if hamiltonian:
            model = lindblad.random_open(nh.Spin(0.5), 2, "strong", np.random.default_rng(seed))
            closed = models.NoClick(L=2, hamiltonian=model.hamiltonian, jumps=())
        else:
            closed = models.RandomFloquetCircuit(L=2, alpha=3.0, seed=seed)
        system = algorithms.OpenSystem(dt=1, t_max=steps, every=(steps + 1) // 2, gamma=0.01)
        superoperator = system.superoperator(closed)
        first, *_, last = system.records(closed)
        rho = first.state.matrix.ravel()
        if hamiltonian:
            vector, _ = precise.evolved(1j * superoperator, steps, rho)
        else:
            vector, _ = precise.mapped([superoperator] * steps, rho, bits=400)
        exact = vector.reshape(4, 4) / np.trace(vector.reshape(4, 4))
        assert np.linalg.norm(last.state.matrix - exact, "nuc") <= last.error < 1e-9
        assert abs(last.trace_deviation) < 1e-10


class Hopping(nh.FloquetModel):
    """Bosons of a hard core that hop from one site to the other."""

    angle: float = 0.4

    @property
    def sites(self):
        return (nh.Boson(1),) * self.L

    def layers(self):
        c, s = np.cos(self.angle), -1j * np.sin(self.angle)
        gate = np.array([[1, 0, 0, 0], [0, c, s, 0], [0, s, c, 0], [0, 0, 0, 1]])
        return [[nh.Gate(gate, (j, j + 1))] for j in range(self.L - 1)]


def test_a_channel_that_is_not_unital():
    """One that fills the last site of a Floquet chain, against its Kraus operators; at last all sites are full."""
    model, bath, gamma = Hopping(L=3), nh.Bath(jumps=("n", "bdag")), 0.3
    system = algorithms.OpenSystem(dt=1, t_max=400, every=2, gamma=gamma, bath=bath, initial=["0", "1", "0"])
    snapshots = list(system.records(model))
    unitary = model.matrix()
    jumps = [reference.operator(OpSum([(1.0, name, 2)]), model.sites) for name in bath.jumps]
    rho = snapshots[0].state.matrix
    for _ in range(4):
        rho = unitary @ rho @ unitary.conj().T
        rho = (rho + gamma * sum(jump @ rho @ jump.conj().T for jump in jumps)) / (1 + gamma)
    np.testing.assert_allclose(snapshots[2].state.matrix, rho, atol=1e-14)
    np.testing.assert_allclose(snapshots[-1].state.expect_each("n").real, 1, atol=1e-9)
    with pytest.raises(ValueError, match="operators with Σ EE† proportional to the identity"):
        algorithms.DegeneratePerturbationSolver(bath=bath).check(model)
