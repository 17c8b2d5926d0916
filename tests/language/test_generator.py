"""What a model is, and what is made of it in one place each."""

import numpy as np
import pytest
import scipy.linalg

import mpsnh as nh
from mpsnh import algorithms, models
from mpsnh.language.circuit import apply_gate
from mpsnh.language.generator import Circuit, Hamiltonian
from mpsnh.operators.gates import gates
from mpsnh.operators.matrix import matrix, require_closed
from mpsnh.operators.mpo import mpo
from mpsnh.operators.propagator import propagator

CHAIN = models.NonHermitianXXZ(L=4, gamma=0.3, h=1.0, charge=None)
CIRCUIT = models.RandomFloquetCircuit(L=4, alpha=5.0)


def test_a_model_is_its_generator():
    assert isinstance(CHAIN.generator, Hamiltonian)
    assert isinstance(CIRCUIT.generator, Circuit)
    assert CHAIN.generator is CHAIN.generator
    assert CHAIN.generator.terms == CHAIN.terms()
    assert (CHAIN.generator.period, CIRCUIT.generator.period) == (None, 1.0)


@pytest.mark.parametrize("model", [CHAIN, CIRCUIT])
def test_all_that_is_made_agrees(model):
    """The matrix, the gates and the propagator are the same map, and the MPO the same matrix."""
    generator, sites, sector = model.generator, model.sites, model.sector
    dense = matrix(generator, sector)
    dense = dense if isinstance(dense, np.ndarray) else dense.toarray()
    dt = 1.0 if generator.period else 1e-4
    step = dense if generator.period else scipy.linalg.expm(-1j * dt * dense)
    start = np.random.default_rng(0).normal(size=sector.dim) + 0j
    circuit = start
    for layer in gates(generator, sites, 0.0, dt, 4):
        for gate in layer:
            circuit = apply_gate(circuit, gate, sector.dims)
    np.testing.assert_allclose(circuit, step @ start, atol=1e-12)
    np.testing.assert_allclose(propagator(generator, sector, 2.0, dt)(start), step @ start, atol=1e-12)
    if not generator.period:
        np.testing.assert_allclose(mpo(generator, sites).to_matrix(), dense, atol=1e-13)


def test_growth_and_levels():
    values = np.array([2.0 + 0.5j, -1j])
    assert Hamiltonian.growth(CHAIN.generator, values).tolist() == [0.5, -1.0]
    assert CHAIN.generator.levels(values).tolist() == [2.0, 0.0]
    np.testing.assert_allclose(CIRCUIT.generator.growth(np.exp(values)), [2.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(CIRCUIT.generator.levels(np.exp(values)), [0.5, -1.0])


def test_an_unknown_kind_of_generator_is_named():
    class Lindbladian:
        period = circle = None

    unknown, sector = Lindbladian(), CHAIN.sector
    for make in (
        lambda: gates(unknown, CHAIN.sites, 0.0, 0.1, 2),
        lambda: matrix(unknown, sector),
        lambda: propagator(unknown, sector, 0.0, 1.0),
        lambda: mpo(unknown, CHAIN.sites),
        lambda: require_closed(unknown, sector),
    ):
        with pytest.raises(TypeError, match=r"there is no way to make .* of a Lindbladian"):
            make()
    with pytest.raises(TypeError, match="matrix-product operator of a Circuit"):
        mpo(CIRCUIT.generator, CIRCUIT.sites)


def test_a_model_that_overrides_its_steps_is_believed():
    """What a user changes in a model reaches the algorithms."""

    class Doubled(models.NonHermitianXXZ):
        def step(self, dt=1.0, order=2, t=0.0):
            return super().step(2 * dt, order, t)

    (*_, once), (*_, twice) = (
        algorithms.NHTEBD(dt=0.1, t_max=0.2 * n).records(kind(L=4, gamma=0.2))
        for kind, n in ((Doubled, 1), (models.NonHermitianXXZ, 2))
    )
    np.testing.assert_allclose(once.state.to_vector(), twice.state.to_vector(), atol=1e-3)


def test_generators_are_not_pickled_with_their_model():
    import pickle

    CHAIN.generator  # noqa: B018 - found once, and kept
    copy = pickle.loads(pickle.dumps(CHAIN))
    assert copy == CHAIN
    assert "generator" not in vars(copy)


def test_gates_of_a_layer_must_not_overlap():
    """In which order they act would be left to the algorithm."""
    hop, flip = np.eye(4), np.array([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="layer 1 has more than one gate on site 0, but the gates of a layer act"):
        Circuit([(nh.Gate(flip, (0,)),), (nh.Gate(hop, (0, 1)), nh.Gate(flip, (0,)))])

    class Overlapping(nh.FloquetModel):
        def layers(self):
            return [(nh.Gate(hop, (0, 1)), nh.Gate(flip, (0,)))]

    evolutions = [kind(dt=1, t_max=1) for kind in (algorithms.NHTEBD, algorithms.ExactEvolution)]
    for algorithm in (*evolutions, algorithms.ExactDiag()):
        with pytest.raises(ValueError, match="layer 0 has more than one gate on site 0"):
            nh.Simulation(Overlapping(L=3), algorithm, {}).run()


def test_layers_may_be_iterators():
    flip = nh.Gate(np.array([[0, 1], [1, 0]], dtype=complex), (0,))
    for layers in ([(gate for gate in (flip,))], iter([[flip]]), [iter([flip])], (tuple(reversed([flip])),)):
        circuit = Circuit(layers)
        assert [[gate.where for gate in layer] for layer in circuit.layers] == [[(0,)]]
        assert [[gate.where for gate in layer] for layer in circuit.layers] == [[(0,)]]


@pytest.mark.parametrize("layer", [nh.Gate(np.eye(2), (0,)), 3, ["gate"]])
def test_a_layer_is_a_sequence_of_gates(layer):
    with pytest.raises(TypeError, match=r"(?s)layer 1 of the circuit is .* must be a sequence of Gate"):
        Circuit([(), layer])
