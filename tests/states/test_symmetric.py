"""States with a conserved charge measure and convert like the dense states that they stand for."""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence

import numpy as np
import pytest
import quimb.tensor as qtn
import symmray

from mpsnh import MPO, MPS, Gate, OpSum, Simulation, Site, Snapshot, Spin, algorithms, models
from mpsnh.states.blocks import charge_blocks
from mpsnh.states.symmetric import SymmetricMPS, from_blocks, require_charge, symmetric
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState
from tests.oracles import reference
from tests.oracles.reference import random_charged_vector, random_conserving_matrix, random_sites

TOLERANCE = 1e-12
HALF = (Spin(0.5),) * 6

every_seed = pytest.mark.parametrize("seed", range(4))


def refused(message, error=ValueError):
    return pytest.raises(error, match=re.escape(message))


class Case:
    """A random vector of definite charge on mixed sites, as a dense and as a block-sparse state."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.sites = random_sites(self.rng, 5)
        self.vector = random_charged_vector(self.rng, self.sites)
        self.dense = MPS.from_vector(self.vector, self.sites)
        self.state = symmetric(self.dense)
        assert type(self.state) is SymmetricMPS
        self.first, self.last = (OpSum() + (1, name, j) for name, j in (("A", 0), ("B", 4)))

    def expected(self, op: OpSum) -> complex:
        return reference.expectation(reference.operator(op, self.sites), self.vector)


def views(state: MPS) -> list[np.ndarray]:
    return [block for site in state.blocks()[0] for block in site.values()]


def sizes(state: MPS) -> list[int]:
    """Dimensions of the bonds as quimb has them."""
    return [state.bond_size(j, j + 1) for j in range(state.L - 1)]


# ------------------------------------------------------------------------------------------------------------- views


def test_blocks_go_in_and_out_without_a_copy():
    workspace = Case(1).state.workspace()
    given = workspace.view()
    state = from_blocks(given, Case(1).sites, (workspace.centre, workspace.centre + 1))
    for one, two in zip([block for site in given for block in site.values()], views(state), strict=True):
        assert np.shares_memory(one, two)
    for copied in (state.site_tensors(), [array for _, array in state.to_arrays()]):
        assert not any(np.shares_memory(array, block) for array in copied for block in views(state))


def test_records_hold_views_that_do_not_change():
    """Records of one run share memory only as long as the next step does not need it."""
    model = models.NonHermitianXXZ(L=8, gamma=0.3, h=1.0)
    records = list(algorithms.NHTEBD(dt=0.1, t_max=0.5, max_bond=6).records(model))
    again = [record.state.to_vector() for record in algorithms.NHTEBD(dt=0.1, t_max=0.5, max_bond=6).records(model)]
    for record, vector in zip(records, again, strict=True):
        assert not any(block.flags.owndata for block in views(record.state))
        np.testing.assert_array_equal(record.state.to_vector(), vector)


# ------------------------------------------------------------------------------------------------------- conversions


@every_seed
def test_round_trips(seed):
    case = Case(seed)
    state = case.state
    others = {
        "tensors": MPS.from_tensors(state.site_tensors(), case.sites),
        "there and back": symmetric(MPS.from_tensors(state.site_tensors(), case.sites)),
        "blocks": from_blocks(state.blocks()[0], case.sites, (0, 5)),
        "arrays": state.with_arrays(dict(state.to_arrays())),
        "pickle": pickle.loads(pickle.dumps(state)),
        "copy": state.copy(),
        "symmetric": symmetric(state),
        "conj twice": state.conj().conj(),
        "canonical": symmetric(case.dense.canonicalize(2)),
    }
    for name, other in others.items():
        assert type(other) is (MPS if name == "tensors" else SymmetricMPS), name
        assert other.local_sites == case.sites, name
        np.testing.assert_allclose(other.to_vector(), case.vector, atol=TOLERANCE, err_msg=name)
    assert others["symmetric"] is state
    for a, b in zip(views(others["arrays"]), views(state), strict=True):
        np.testing.assert_array_equal(a, b)
    assert others["arrays"].canonical_centre == state.canonical_centre == 4


@every_seed
def test_tensors_have_local_states_in_order_of_charge(seed):
    case = Case(seed)
    dims = [site.dim for site in case.sites]
    order = np.ix_(*(np.argsort(site.charges, kind="stable") for site in case.sites))
    sorted_vector = case.vector.reshape(dims)[order].ravel()
    inds = [f"k{j}" for j in range(5)]
    contracted = qtn.TensorNetwork(case.state.tensors).contract(output_inds=inds).data.to_dense()
    np.testing.assert_allclose(np.asarray(contracted).ravel(), sorted_vector, atol=TOLERANCE)
    contracted = case.state.contract(output_inds=inds).data  # as of the dense state
    np.testing.assert_allclose(contracted.ravel(), case.vector, atol=TOLERANCE)
    assert all(isinstance(case.state[j].data, symmray.U1Array) for j in range(5))


@every_seed
def test_what_quimb_does_keeps_the_blocks(seed):
    case = Case(seed)
    for made, vector in ((2j * case.state, 2j * case.vector), (case.state.H, case.vector.conj())):
        assert type(made) is SymmetricMPS
        np.testing.assert_allclose(made.to_vector(), vector, atol=TOLERANCE)
        expected = reference.expectation(reference.operator(case.first, case.sites), vector)
        assert made.expect(case.first) == pytest.approx(expected, abs=TOLERANCE)
        assert made.expect_each(case.first)[0] == pytest.approx(expected, abs=TOLERANCE)
        assert made.norm() == pytest.approx(np.linalg.norm(vector), abs=TOLERANCE)
    assert case.state.H @ (2j * case.state) == pytest.approx(2j, abs=TOLERANCE)


# ------------------------------------------------------------------------------------------------------- measurement


@every_seed
@pytest.mark.parametrize("centre", [None, 0, 2, 4])
def test_expectation_values_are_those_of_the_vector(seed, centre):
    case = Case(seed)
    state = case.state
    if centre is not None:
        workspace = state.workspace()
        workspace.move_to(centre)
        state = from_blocks(workspace.view(), case.sites, (centre, centre + 1))
        assert state.canonical_centre == centre
    for name in ("A", "B"):
        single = [case.expected(OpSum() + (1, name, j)) for j in range(5)]
        np.testing.assert_allclose(state.expect_each(name), single, atol=TOLERANCE)
        pairs = [case.expected(OpSum() + (1, name, j, "B†", j + 1)) for j in range(4)]
        np.testing.assert_allclose(state.expect_each(name, "B†"), pairs, atol=10 * TOLERANCE)
    far = OpSum() + (2j, "A", 0, "B", 2, "A†", 4) + (1, "B", 1) + (0.5,)
    for op in (far, case.first + case.last):
        assert state.expect(op) == pytest.approx(case.expected(op), abs=10 * TOLERANCE)
        mpo = MPO.from_opsum(op, case.sites)
        assert state.expect(mpo) == pytest.approx(case.expected(op), abs=10 * TOLERANCE)
        assert state.expect_each(op)[0] == pytest.approx(case.expected(op), abs=10 * TOLERANCE)
    for bond, found in enumerate(state.entanglement_profile()):
        expected = reference.entropy(case.vector, bond + 1, case.sites)
        assert found == pytest.approx(expected, abs=1e-11)
        assert state.entanglement_entropy(bond) == pytest.approx(expected, abs=1e-11)


@every_seed
def test_overlaps_with_states_of_either_kind(seed):
    case = Case(seed)
    factor = np.exp(case.rng.normal(size=len(case.vector)) * (1 + 1j))
    other_vector = case.vector * factor
    other = symmetric(MPS.from_vector(other_vector, case.sites))
    whole = reference.gaussian(case.rng, len(case.vector))
    mixed = MPS.from_vector(whole, case.sites)
    size = np.linalg.norm(other_vector) + np.linalg.norm(whole)
    for ket, bra, expected in (
        (case.state, other, np.vdot(other_vector, case.vector)),
        (other, case.state, np.vdot(case.vector, other_vector)),
        (case.state, case.dense, 1),
        (case.state, mixed, np.vdot(whole, case.vector)),
        (mixed, case.state, np.vdot(case.vector, whole)),
    ):
        assert ket.overlap(bra) == pytest.approx(expected, abs=TOLERANCE * size)


def test_states_of_different_charge_are_orthogonal():
    up, down = (symmetric(MPS.product(HALF, [name] * 6)) for name in ("up", "down"))
    assert up.overlap(down) == 0
    assert up.overlap(up) == 1
    with refused("an expectation value is not finite", FloatingPointError):
        up.expect_biorthogonal(OpSum() + (1, "Sz", 0), down)


# --------------------------------------------------------------------------------- charges that truncation strands


def stranded() -> tuple[SymmetricMPS, Sequence[Site]]:
    """A state whose bonds have charges that only one of their tensors has: a gate far away has cut the way there."""
    for seed in range(100):
        rng = np.random.default_rng(seed)
        sites = random_sites(rng, 6)
        charges = [site.charges for site in sites]
        vector = random_charged_vector(rng, sites)
        blocks = charge_blocks(MPS.from_vector(vector, sites).site_tensors(), charges)
        assert blocks is not None
        workspace = BlockState(blocks, charges, 5, 64)
        workspace.move_to(0)
        workspace.max_bond = 2
        workspace.apply(
            (Gate(random_conserving_matrix(rng, sites[2:4]), (2, 3)),),
            Truncation(max_bond=workspace.max_bond, cutoff=0.0, excess=0.0),
        )
        state = from_blocks(workspace.view(), sites, (3, 4))
        assert isinstance(state, SymmetricMPS)
        left, right = ({q + c for q, c in state.blocks()[0][3]}, {q for q, _ in state.blocks()[0][4]})
        if left < right:
            return state, sites
    raise AssertionError("no such state among many")


def test_stranded_charges_do_no_harm():
    state, sites = stranded()
    dense = MPS.from_tensors(state.site_tensors(), sites)
    vector = dense.to_vector()
    np.testing.assert_allclose(state.to_vector(), vector, atol=TOLERANCE)
    assert np.linalg.norm(vector) == pytest.approx(1)
    again = state.with_arrays(dict(state.to_arrays()))
    assert sizes(again) == sizes(state)
    for each in (state, again, symmetric(dense)):
        np.testing.assert_allclose(each.expect_each("B"), dense.expect_each("B"), atol=TOLERANCE)
        op = OpSum() + (1, "A", 0, "A", 5)
        assert each.expect(op) == pytest.approx(dense.expect(op), abs=TOLERANCE)
        np.testing.assert_allclose(each.entanglement_profile(), dense.entanglement_profile(), atol=1e-11)
        assert each.overlap(dense) == pytest.approx(1, abs=TOLERANCE)


# -------------------------------------------------------------------------------------------------------- wrong input


def test_states_without_a_definite_charge_stay_dense():
    for vector, kind in (([0, 1, -1, 0], SymmetricMPS), ([1, 1, -1, 0], MPS)):
        assert type(symmetric(MPS.from_vector(vector, HALF[:2]))) is kind
    plain = Site(["a", "b"], {})
    assert type(symmetric(MPS.product([plain] * 3, ["a", "b", "a"]))) is MPS
    unknown = MPS(symmetric(MPS.product(HALF, ["up"] * 6)).to_quimb())
    assert type(symmetric(unknown)) is MPS


def changed(arrays, **others):
    return {**arrays, **{name: change(arrays[name]) for name, change in others.items()}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tensor2": lambda a: a * np.nan}, "tensor 2 of the state has elements that are not finite"),
        ({"keys2": lambda k: k + [1, 0, 0, 0, 0]}, "blocks of tensor 2 = [(1, 1)], but it must be those that"),
        ({"keys0": lambda k: k + [4, 0, 0, 0, 0]}, "blocks of tensor 0 = [(4, "),
        ({"keys2": lambda k: k[:0], "tensor2": lambda a: a[:0]}, "blocks of tensor 2 = [], but it must be those that"),
    ],
)
def test_stored_blocks_that_do_not_fit_are_refused(change, message):
    state = symmetric(MPS.product(HALF, ["up", "down"] * 3))
    with refused(message):
        state.with_arrays(changed(dict(state.to_arrays()), **change))


@pytest.mark.parametrize("charge", [2, None, 0])
def test_an_initial_state_has_the_charge_of_the_model(charge):
    model = models.NonHermitianXXZ(L=6, gamma=0.3, charge=charge)
    algorithm = algorithms.NHTEBD(dt=0.1, t_max=0.2, initial=lambda m: MPS.product(m.sites, ["up"] * 4 + ["down"] * 2))
    if charge == 0:
        with refused("weight 1 outside of the sector of charge 0"):
            Simulation(model, algorithm, {})
        return
    *_, last = algorithm.records(model)
    assert isinstance(last, Snapshot)
    assert last.state.expect_each("Sz").sum() == pytest.approx(1)
    assert type(last.state) is SymmetricMPS


def test_a_superposition_of_charges_says_its_weight_in_others():
    bell = MPS.from_vector([0.6, 0, 0, 0.8j], HALF[:2])
    require_charge(bell, None)
    with refused("weight 0.36 outside of the sector of charge -2"):
        require_charge(bell, -2)
    with refused("weight 1 outside of the sector of charge 0"):
        require_charge(bell, 0)


def test_a_state_of_another_charge_is_not_gone_on_with():
    up = models.NonHermitianXXZ(L=4, gamma=0.3, charge=4)
    *_, last = algorithms.NHTEBD(dt=0.1, t_max=0.1, initial=["up"] * 4).records(up)
    with refused("outside of the sector of charge 0"):
        list(algorithms.NHTEBD(dt=0.1, t_max=0.2).records(models.NonHermitianXXZ(L=4, gamma=0.3), after=last))


class Tilted(models.NonHermitianXXZ):
    """A field across the axis breaks the charge."""

    charge: int | None = None

    def terms(self):
        return super().terms() + OpSum.sum((0.3, "Sx", j) for j in range(self.L))


@pytest.mark.parametrize("kind", [models.NonHermitianXXZ, Tilted])
def test_the_entropy_next_to_the_centre_is_that_of_a_moved_centre(kind):
    *_, last = algorithms.NHTEBD(dt=0.1, t_max=1.0).records(kind(L=8, gamma=0.3, h=1.0, seed=1))
    assert isinstance(last.state, SymmetricMPS) == (kind is not Tilted)
    centre, profile = last.state.canonical_centre, last.state.entanglement_profile()
    assert centre == 4
    for bond in (centre - 1, centre, 0):
        assert last.state.entanglement_entropy(bond) == pytest.approx(profile[bond], rel=1e-10)


def compressed(state):
    state.compress(cutoff=0)
    return state


@pytest.mark.parametrize(
    ("change", "order"),
    [
        (compressed, range(10)),
        (lambda state: state.flip(), range(10)[::-1]),
        (lambda state: state.swap_sites_with_compress(2, 3, cutoff=0), [0, 1, 3, 2, *range(4, 10)]),
        (lambda state: state.canonicalize(7), range(10)),
        (lambda state: state + state, range(10)),
        (lambda state: state.H.H, range(10)),
    ],
    ids=["compress", "flip", "swap", "canonicalize", "plus", "H"],
)
@pytest.mark.filterwarnings("ignore:No method, absorb:UserWarning")  # of quimb
def test_records_that_quimb_has_changed(change, order):
    *_, last = algorithms.NHTEBD(dt=0.1, t_max=1.0).records(models.NonHermitianXXZ(L=10, gamma=0.3, h=1.0, seed=1))
    vector = last.state.to_vector()
    made = change(last.state.copy())
    expected = vector.reshape([2] * 10).transpose(order).ravel()
    weights = np.abs(expected.reshape([2] * 10)) ** 2
    up = [weights.take(0, axis=j).sum() for j in range(10)]
    np.testing.assert_allclose(made.expect_each("Sz").real, np.array(up) - 0.5, atol=1e-12)
    entropies = [reference.entropy(expected, bond + 1, (Spin(0.5),) * 10) for bond in range(9)]
    np.testing.assert_allclose(made.entanglement_profile(), entropies, atol=1e-10)
    np.testing.assert_array_equal(last.state.to_vector(), vector)
