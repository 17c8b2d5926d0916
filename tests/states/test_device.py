"""A state in the memory of a device: what it shows, carries and refuses, and what NHTEBD makes of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models
from mpsnh.kernels import batched
from mpsnh.language.circuit import repeated
from mpsnh.states.device import DeviceState
from mpsnh.states.shadow import distance, swept
from mpsnh.states.symmetric import from_blocks, symmetric
from mpsnh.states.truncation import Truncation
from tests.oracles.circuits import Amplitudes, evolved, pairs_of, trace_distance
from tests.support.workspaces import KINDS, defect, gpu, missing, of

every_kind = pytest.mark.parametrize("kind", KINDS)
DEVICES = ["numpy", pytest.param("cupy", marks=gpu)]
QUIET = pytest.mark.filterwarnings("ignore:NHTEBD. truncation may:RuntimeWarning")


def chain(L=12, **parameters):
    return models.NonHermitianXXZ(**({"L": L, "gamma": 0.3, "h": 1.0, "seed": 3} | parameters))


def started(model, kind, max_bond, dtype=np.complex128):
    neel = symmetric(nh.MPS.product(model.sites, ["up", "down"] * (model.L // 2)))
    return of(neel.workspace(max_bond, dtype), kind)


def seen(workspace, model):
    return from_blocks(workspace.view(), model.sites, (workspace.centre, workspace.centre + 1))


@pytest.fixture
def device(request, monkeypatch):
    """NHTEBD(device="cuda") on a GPU, or on numpy in its place."""
    if request.param == "numpy":
        monkeypatch.setattr("mpsnh.algorithms.nhtebd.cuda", lambda: np)


# -------------------------------------------------------------------------------------------------------- evolutions


@every_kind
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_full_bonds_are_projected_as_well_as_decomposed(kind, dtype):
    """Against the whole vector, and the form stays canonical."""
    model, exact, infidelities = chain(), Amplitudes(np.arange(12) % 2 == 0), []
    layers = repeated(model.step(0.2, 2), 30)
    evolved(exact, layers)
    for excess in (0.0, 0.1):
        state = started(model, kind, 24, dtype)
        swept(state, layers, 0, Truncation(max_bond=24, excess=excess))
        vector = seen(state, model).to_vector()
        infidelities.append(1 - abs(np.vdot(exact.psi.ravel(), vector)) ** 2 / np.linalg.norm(vector) ** 2)
        assert max(state.bond_dimensions()) == 24
        assert state.log_norm == pytest.approx(exact.log_norm, abs=0.01)
        assert defect(state) < (1e-12 if dtype == np.complex128 else 1e-5)
    assert 1e-3 < infidelities[1] < 1.2 * infidelities[0] < 0.01


@every_kind
def test_pairs_are_those_of_the_state(kind):
    model = chain(8)
    state = started(model, kind, 16)
    layers = repeated(model.step(0.2, 2), 5)
    _, pairs = swept(state, layers, len(model.step(0.2, 2)), Truncation(max_bond=16, cutoff=0.0))
    exact = Amplitudes(np.arange(8) % 2 == 0)
    other = started(model, KINDS[0].values[0], 16)
    _, expected = swept(other, layers, len(model.step(0.2, 2)), Truncation(max_bond=16, cutoff=0.0))
    assert distance(pairs, expected) < 1e-12
    assert trace_distance(pairs_of(seen(state, model).site_tensors()), evolved(exact, layers)) < 1e-11


@every_kind
def test_what_was_seen_never_changes(kind):
    model = chain(8)
    state = started(model, kind, 8)
    swept(state, repeated(model.step(0.2, 2), 5), 0, Truncation(max_bond=8))
    before = state.view()
    kept = [{key: block.copy() for key, block in site.items()} for site in before]
    swept(state, repeated(model.step(0.2, 2), 5), 0, Truncation(max_bond=8))
    for site, other in zip(before, kept, strict=True):
        for key, block in site.items():
            np.testing.assert_array_equal(block, other[key])


@every_kind
def test_packed_states_go_on_as_they_would_have(kind):
    model, truncation = chain(10), Truncation(max_bond=16)
    state, layers = started(model, kind, 16), repeated(model.step(0.2, 2), 8)
    swept(state, layers, 0, truncation)
    state.move_to(5)
    other, unfit = started(model, kind, 16), started(chain(8), kind, 16)
    assert other.unpack(state.packed())
    assert not unfit.unpack(state.packed())
    assert max(unfit.bond_dimensions()) == 1
    assert not other.unpack({})
    for one in (state, other):
        swept(one, layers, 0, truncation)
    assert abs(seen(state, model).overlap(seen(other, model))) == pytest.approx(1, abs=1e-12)
    assert state.bond_dimensions() == other.bond_dimensions()
    for name, array in state.carry().items():
        np.testing.assert_allclose(array, other.carry()[name], rtol=1e-6)


@every_kind
def test_refusals(kind):
    model = chain(4)
    state = started(model, kind, 4)
    with pytest.raises(ValueError, match="max_bond = 8, but it must be at most 4, for which there is room"):
        state.apply((), Truncation(max_bond=8))
    swept(state, model.step(0.2, 2) * 3, 0, Truncation(max_bond=4))
    with pytest.raises(ValueError, match="max_bond = 2, but it must be ≥ 4, the largest bond dimension"):
        state.apply((), Truncation(max_bond=2))
    with pytest.raises(ValueError, match=r"the gate on sites \(0,\) breaks the charge"):
        state.apply((nh.Gate(np.array([[0, 1], [1, 0]]), (0,)),), Truncation(max_bond=4))
    for where, size in (((0, 1), 4), ((0,), 2)):
        with pytest.raises(FloatingPointError, match=r"the norm of the state became 0.0 on sites \(0"):
            started(model, kind, 4).apply((nh.Gate(np.zeros((size, size)), where),), Truncation(max_bond=4))
        with pytest.raises(FloatingPointError, match=r"the norm of the state became (nan|inf) on sites \(0"):
            started(model, kind, 4).apply((nh.Gate(1e200 * np.eye(size), where),), Truncation(max_bond=4))
    with pytest.raises(ValueError, match="max_bond = 2, but it must be ≥ 4, as the initial state needs"):
        state.like(state.view(), state.centre, 2)


# ------------------------------------------------------------------------------------------------------------- NHTEBD


@QUIET
@pytest.mark.parametrize("device", DEVICES, indirect=True)
@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.usefixtures("device")
def test_records_are_those_of_the_cpu(precision):
    model = chain(10, charge=None)
    options = {"dt": 0.1, "t_max": 2.0, "every": 5, "max_bond": 24, "precision": precision}
    cpu, gpu = (list(algorithms.NHTEBD(device=d, **options).records(model)) for d in ("cpu", "cuda"))
    close = 1e-8 if precision == "double" else 1e-4
    for one, other in zip(cpu, gpu, strict=True):
        assert one.time == other.time
        assert other.log_norm == pytest.approx(one.log_norm, abs=close)
        np.testing.assert_allclose(other.state.expect_each("Sz"), one.state.expect_each("Sz"), atol=close)
        assert other.noise == pytest.approx(one.noise, rel=0.1, abs=close)
        assert other.trotter == pytest.approx(one.trotter, rel=0.1, abs=close)
        assert other.discarded == pytest.approx(one.discarded, rel=0.1, abs=close)


@QUIET
@pytest.mark.parametrize("device", DEVICES, indirect=True)
@pytest.mark.parametrize("charged", [True, False])
@pytest.mark.usefixtures("device")
def test_resumed_runs_are_uninterrupted_ones(charged):
    model = chain(8) if charged else models.NoClick(L=8, hamiltonian=nh.OpSum([(1.0, "Sx", 0, "Sx", 1)]), jumps=())
    options = {"dt": 0.1, "every": 5, "max_bond": 16, "device": "cuda"}
    first, *_, half = algorithms.NHTEBD(t_max=1.0, **options).records(model)
    *_, whole = algorithms.NHTEBD(t_max=2.0, **options).records(model)
    for after in (half, first.with_arrays(dict(half.arrays()))):
        *_, resumed = algorithms.NHTEBD(t_max=2.0, **options).records(model, after=after)
        np.testing.assert_allclose(resumed.state.expect_each("Sz"), whole.state.expect_each("Sz"), atol=1e-13)
        assert resumed.log_norm == pytest.approx(whole.log_norm, abs=1e-13)
        assert (resumed.noise, resumed.trotter) == pytest.approx((whole.noise, whole.trotter), abs=1e-7)


@pytest.mark.skipif(not missing(), reason="there is a GPU")
def test_without_a_gpu_nothing_begins():
    algorithm = algorithms.NHTEBD(dt=0.1, t_max=1.0, device="cuda")
    with pytest.raises(ValueError, match=r'device = "cuda".* use device = "cpu"|device = "cuda" needs CuPy'):
        nh.Simulation(chain(4), algorithm, {})


def test_a_cupy_that_sees_no_gpu(monkeypatch):
    class MissingError(Exception):
        pass

    class Runtime:
        CUDARuntimeError = MissingError

        @staticmethod
        def getDeviceCount():
            raise MissingError("no CUDA-capable device is detected")

    cupy = dataclasses.make_dataclass("cupy", ["cuda"])(dataclasses.make_dataclass("cuda", ["runtime"])(Runtime))
    monkeypatch.setitem(__import__("sys").modules, "cupy", cupy)
    with pytest.raises(ValueError, match=r"CuPy can use no GPU \(no CUDA-capable device is detected\); use device"):
        batched.cuda()


def test_the_device_must_be_known():
    with pytest.raises((ValueError, TypeError), match="device"):
        algorithms.NHTEBD(dt=0.1, t_max=1.0, device="tpu")


def test_a_copy_has_the_same_norm():
    state = nh.MPS.product(chain(4).sites, ["up", "down"] * 2).workspace(4)
    state.log_norm = 3.0
    assert DeviceState.of(state).log_norm == 3.0
