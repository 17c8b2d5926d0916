"""Gates, Trotter schedules and Floquet models against products of dense matrices."""

import functools
import itertools
import re

import numpy as np
import pytest
import scipy.linalg

from mpsnh import Boson, Fermion, FloquetModel, Gate, HamiltonianModel, OpSum, Site, Spin
from mpsnh.language.circuit import ORDERS, apply_gate, merged, repeated, schedule, trotter
from mpsnh.models import NonHermitianXXZ
from mpsnh.operators.bonds import bond_hamiltonians
from tests.oracles import reference

DIMS = [2, 3, 2, 2, 3]


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def random_bonds(dims, seed, norm=1.0):
    rng = np.random.default_rng(seed)
    bonds = [reference.gaussian(rng, a * b, a * b) for a, b in itertools.pairwise(dims)]
    return [norm * bond / np.linalg.norm(bond, 2) for bond in bonds]


def whole(bonds, dims):
    return sum(reference.embedded(bond, j, dims) for j, bond in enumerate(bonds))


def product(layers, dims):
    """Multiply the gates of layers as matrices of the whole space, the first one rightmost."""
    gates = [reference.on_sites(gate.matrix, gate.where, dims) for layer in layers for gate in layer]
    return functools.reduce(lambda done, gate: gate @ done, gates, np.eye(int(np.prod(dims))))


# Schedules


@pytest.mark.parametrize("order", ORDERS)
def test_schedules_advance_both_parities_by_one_step(order):
    steps = schedule(order)
    for parity in (0, 1):
        assert sum(fraction for which, fraction in steps if which == parity) == pytest.approx(1, abs=1e-15)
    if order > 1:
        assert steps == steps[::-1]


@pytest.mark.parametrize("order", [0, 3, 5, "2", None])
def test_unknown_orders_are_refused(order):
    message = f"order = {order!r}, but it must be one of 1, 2, 4"
    for make in (lambda: schedule(order), lambda: trotter(random_bonds([2, 2], 1), 0.1, order)):
        with refused(message):
            make()


FIVE = [2, 2, 2, 2, 2]


def bonds_of(kind, seed=5):
    """Bonds of five spins: Hermitian, those of the chain with asymmetric hopping, or anything."""
    if kind == "asymmetric":
        model = NonHermitianXXZ(L=5, gamma=0.4, h=1.0, seed=seed)
        return bond_hamiltonians(model.terms(), model.sites)
    bonds = random_bonds(FIVE, seed)
    return [(bond + bond.conj().T) / 2 for bond in bonds] if kind == "Hermitian" else bonds


every_kind = pytest.mark.parametrize("kind", ["Hermitian", "asymmetric", "any"])


@every_kind
@pytest.mark.parametrize("order", ORDERS)
def test_error_falls_with_the_claimed_order(order, kind):
    """Five sites, evolved for unit time."""
    dims, bonds = FIVE, bonds_of(kind)
    exact = scipy.linalg.expm(-1j * whole(bonds, dims))
    counts = np.array([6, 12, 24])
    errors = []
    for steps in counts:
        once = product(trotter(bonds, 1 / steps, order), dims)
        errors.append(np.linalg.norm(np.linalg.matrix_power(once, steps) - exact))
    slope = np.polyfit(np.log(1 / counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.1)
    assert errors[-1] > 1e-11  # not yet rounding


def suzuki(bonds, dt):
    """Five second-order steps (M. Suzuki, Phys. Lett. A 146, 319 (1990)): ten layers in steps that are merged."""
    s = 1 / (4 - 4 ** (1 / 3))
    return merged([layer for part in (s, s, 1 - 4 * s, s, s) for layer in trotter(bonds, part * dt, 2)])


@every_kind
@pytest.mark.parametrize("seed", [5, 6, 7])
def test_fourth_order_takes_few_layers(kind, seed):
    """At 61 layers: five steps against six of Suzuki's, and two layers more than 29 second-order steps have."""
    bonds = bonds_of(kind, seed)
    exact = scipy.linalg.expm(-1j * whole(bonds, FIVE))
    circuits = [
        repeated(trotter(bonds, 1 / 5, 4), 5),
        repeated(suzuki(bonds, 1 / 6), 6),
        repeated(trotter(bonds, 1 / 29, 2), 29),
    ]
    assert [len(circuit) for circuit in circuits] == [61, 61, 59]
    found, of_suzuki, second = (np.linalg.norm(product(circuit, FIVE) - exact) for circuit in circuits)
    assert found < of_suzuki / 4
    assert found < second / 200


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dims", [[2, 3], [2, 2, 3]], ids=str)
def test_short_chains(order, dims):
    bonds, dt = random_bonds(dims, 2), 1e-3
    got = product(trotter(bonds, dt, order), dims)
    exact = scipy.linalg.expm(-1j * dt * whole(bonds, dims))
    np.testing.assert_allclose(got, exact, atol=1e-14 if len(dims) == 2 else dt ** (order + 1))


def test_a_step_is_made_of_disjoint_neighbours():
    for layer in trotter(random_bonds(DIMS, 1), 0.1, 4):
        touched = [j for gate in layer for j in gate.where]
        assert len(touched) == len(set(touched))
        assert all(gate.where[1] == gate.where[0] + 1 for gate in layer)


# Merging


def random_layers(seed):
    """Layers on a few patterns of sites, equal ones next to each other."""
    rng = np.random.default_rng(seed)
    patterns = [((0, 1), (2, 3)), ((1, 2), (4,)), ((0,), (3, 4))]

    def layer(pattern):
        sizes = [int(np.prod([DIMS[j] for j in where])) for where in pattern]
        return tuple(Gate(reference.gaussian(rng, d, d) / d, where) for d, where in zip(sizes, pattern, strict=True))

    return [layer(patterns[k]) for k in (0, 0, 1, 2, 2, 2, 0)]


def test_merged_is_the_plain_product():
    layers = random_layers(1)
    joined = merged(layers)
    assert [len(layers), len(joined)] == [7, 4]
    np.testing.assert_allclose(product(joined, DIMS), product(layers, DIMS), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dims", [DIMS, [2, 3], [3, 2, 2]], ids=str)
def test_repeated_is_the_plain_product(dims, order, times):
    step = trotter(random_bonds(dims, 3), 0.1, order)
    got = product(repeated(step, times), dims)
    np.testing.assert_allclose(got, product(step * times, dims), rtol=1e-12, atol=1e-14)


def test_repeated_joins_the_seams():
    step = trotter(random_bonds(DIMS, 3), 0.1, 2)
    assert [len(repeated(step, times)) for times in (1, 2, 10)] == [3, 5, 21]
    fourth = trotter(random_bonds(DIMS, 3), 0.1, 4)
    assert [len(repeated(fourth, times)) for times in (1, 2, 10)] == [13, 25, 121]
    assert len(repeated(trotter(random_bonds([2, 2], 3), 0.1, 2), 10)) == 1
    assert len(repeated(trotter(random_bonds(DIMS, 3), 0.1, 1), 10)) == 20
    layers = random_layers(2)
    np.testing.assert_allclose(product(repeated(layers, 3), DIMS), product(layers * 3, DIMS), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("times", [0, -1])
def test_repeating_less_than_once_is_refused(times):
    for dims in (DIMS, [2, 2]):
        with pytest.raises(ValueError, match=f"times = {times}, but it must be at least 1"):
            repeated(trotter(random_bonds(dims, 3), 0.1, 2), times)


# Gates on dense vectors


@pytest.mark.parametrize(
    "where", [(0,), (4,), (0, 1), (3, 4), (4, 3), (1, 3), (4, 0), (2, 1), (0, 2, 4), (3, 0, 1)], ids=str
)
def test_apply_gate_on_any_sites(where):
    rng = np.random.default_rng(sum(where))
    d = int(np.prod([DIMS[j] for j in where]))
    gate = Gate(reference.gaussian(rng, d, d), where)
    vectors = reference.gaussian(rng, 72, 3)
    expected = reference.on_sites(gate.matrix, where, DIMS) @ vectors
    np.testing.assert_allclose(apply_gate(vectors, gate, DIMS), expected, atol=1e-12)
    np.testing.assert_allclose(apply_gate(vectors[:, 0], gate, DIMS), expected[:, 0], atol=1e-12)
    np.testing.assert_allclose(
        apply_gate(vectors.reshape(72, 3, 1), gate, DIMS), expected.reshape(72, 3, 1), atol=1e-12
    )


def test_apply_gate_leaves_its_argument_alone():
    vector = np.arange(72.0)
    apply_gate(vector, Gate(np.zeros((2, 2)), (0,)), DIMS)
    np.testing.assert_array_equal(vector, np.arange(72.0))


# Floquet models


class Circuit(FloquetModel):
    """Random gates on mixed sites, one of them between distant sites."""

    seed: int = 0

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(Boson(2) if j % 2 else Spin(0.5) for j in range(self.L))

    def layers(self):
        rng = np.random.default_rng(self.seed)
        dims = [site.dim for site in self.sites]

        def gate(*where):
            d = int(np.prod([dims[j] for j in where]))
            return Gate(scipy.linalg.expm(0.3 * reference.gaussian(rng, d, d)), where)

        brickwork = [tuple(gate(j, j + 1) for j in range(parity, self.L - 1, 2)) for parity in (0, 1)]
        return [tuple(gate(j) for j in range(self.L)), *brickwork, (gate(self.L - 1, 0),)]


class Hopping(FloquetModel):
    """Fermions that hop with loss: conserves their number, does not conserve the norm."""

    tilt: float = 0.0

    @property
    def sites(self) -> tuple[Site, ...]:
        return (Fermion(),) * self.L

    def layers(self):
        op = OpSum() + (1, "cdag", 0, "c", 1) + (0.4, "cdag", 1, "c", 0) + (-0.3j, "n", 0)
        matrix = reference.operator(op, (Fermion(),) * 2) + self.tilt * np.kron(np.eye(2), [[0, 1], [1, 0]])
        gate = scipy.linalg.expm(-0.5j * matrix)
        return [tuple(Gate(gate, (j, j + 1)) for j in range(parity, self.L - 1, 2)) for parity in (0, 1)]


def test_floquet_map_is_the_product_of_its_gates():
    model = Circuit(L=4, seed=3)
    for layers in (model.layers(), model.step(), model.step(1.0, 4)):
        np.testing.assert_allclose(model.matrix(), product(layers, [2, 3, 2, 3]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("charge", range(6))
def test_floquet_map_in_a_sector_is_a_block(charge):
    whole = Hopping(L=5).matrix()
    model = Hopping(L=5, charge=charge)
    codes = model.sector.codes
    np.testing.assert_allclose(model.matrix(), whole[np.ix_(codes, codes)], atol=1e-14)
    assert np.linalg.norm(np.delete(whole[:, codes], codes, axis=0)) < 1e-14


@pytest.mark.parametrize("model", [Circuit(L=3), Hopping(L=5, charge=2)], ids=repr)
@pytest.mark.parametrize("periods", [0, 1, 3.0])
def test_floquet_propagator_applies_whole_periods(model, periods):
    once = model.matrix()
    vector = reference.gaussian(np.random.default_rng(1), len(once))
    before = vector.copy()
    expected = np.linalg.matrix_power(once, int(periods)) @ vector
    np.testing.assert_allclose(model.propagator(periods)(vector), expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(vector, before)
    real = model.propagator(periods)(vector.real)
    np.testing.assert_allclose(real, np.linalg.matrix_power(once, int(periods)) @ vector.real, rtol=1e-11, atol=1e-12)


def test_floquet_growth_is_log_of_the_modulus():
    model = Circuit(L=2)
    values = np.array([2j, -1, 1, np.exp(-3 + 1j)])
    np.testing.assert_allclose(model.growth(values), [np.log(2), 0, 0, -3], atol=1e-15)
    assert model.growth(np.array([0j]))[0] == -np.inf
    values, vectors = np.linalg.eig(model.matrix())
    grown = np.linalg.norm(model.propagator(1)(vectors[:, 0])) / np.linalg.norm(vectors[:, 0])
    assert np.log(grown) == pytest.approx(model.growth(values)[0], abs=1e-12)


def test_gates_that_do_not_conserve_the_charge_are_refused():
    model = Hopping(L=4, charge=2, tilt=1e-3)
    with refused("the gates do not conserve the charge 2; use charge=None for the whole space"):
        model.matrix()
    with refused("outside of the sector of charge 2"):
        model.propagator(1)(np.eye(6)[0])
    assert Hopping(L=4, tilt=1e-3).matrix().shape == (16, 16)


@pytest.mark.parametrize("dt", [0.5, 2, 0])
def test_floquet_steps_are_whole_periods(dt):
    with refused(f"dt = {dt!r}, but it must be 1, since a Floquet model advances by whole periods"):
        Circuit(L=3).step(dt, 2)


@pytest.mark.parametrize("time", [0.5, np.nan, -1])
def test_floquet_times_are_whole_periods(time):
    """A negative time must not silently be no time."""
    with pytest.raises(ValueError, match=re.escape(f"time = {time!r}, but it must be a whole number of periods")):
        Circuit(L=3).propagator(time)


def test_floquet_maps_that_do_not_fit_are_refused():
    with pytest.raises(MemoryError, match=r"the 1.1e\+12 × 40 Floquet map needs .* GiB"):
        Hopping(L=40, charge=1).matrix()


# Hamiltonian models


class Chain(HamiltonianModel):
    """A non-Hermitian Ising chain."""

    g: float = 0.7

    def terms(self):
        ising = OpSum.sum((1.0, "Sz", j, "Sz", j + 1) for j in range(self.L - 1))
        return ising + OpSum.sum((self.g * (1 + 0.5j), "Sx", j) for j in range(self.L))


@pytest.mark.parametrize("L", [4, 10])
def test_hamiltonian_propagator_is_the_exponential(L):
    """Ten sites are too many for the dense exponential, and take the other way."""
    model = Chain(L=L)
    vector = reference.gaussian(np.random.default_rng(1), 2**L)
    expected = term = vector
    for n in range(1, 60):
        term = -0.7j / n * (model.matrix() @ term)
        expected = expected + term
    np.testing.assert_allclose(model.propagator(0.7)(vector), expected, atol=1e-11)


def test_hamiltonian_model_hands_its_terms_on():
    model = Chain(L=4)
    dense = reference.operator(model.terms(), model.sites)
    np.testing.assert_allclose(model.matrix().toarray(), dense, atol=1e-15)
    np.testing.assert_allclose(model.mpo().to_matrix(), dense, atol=1e-14)
    exact = scipy.linalg.expm(-1e-3j * dense)
    np.testing.assert_allclose(product(model.step(1e-3, 4), [2] * 4), exact, atol=1e-13)
    np.testing.assert_array_equal(model.growth(np.array([1 + 2j, -3j])), [2, -3])


@pytest.mark.parametrize("L", [1, 0, -3])
def test_models_need_two_sites(L):
    with refused(f"L = {L}, but it must be at least 2"):
        Chain(L=L)
