"""Every public method that states inherit from quimb, on dense states and on states stored by charge.

A method gives what it gives on a plain dense state of quimb, and leaves a state whose measurements are right; or it is
refused by a sentence that says how to get a dense state. All methods are found by introspection: one that a new quimb
adds is called without arguments, or skipped until `tests.support.quimb_calls` has a line with those that it takes.
"""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

import numpy as np
import pytest
import quimb
import quimb.tensor as qtn

from mpsnh import MPS, OpSum, SymmetricMPS
from mpsnh.states.quimb_methods import TO_DENSE
from mpsnh.states.symmetric import from_blocks, symmetric
from tests.oracles import reference
from tests.support.quimb_calls import BROKEN, DRAWING, PIECES, REFUSALS, SITES, call, unknown

OPERATORS = """
    __add__ __and__ __copy__ __getitem__ __iadd__ __iand__ __imul__ __ior__ __irshift__ __isub__ __itruediv__ __ixor__
    __iter__ __matmul__ __mul__ __neg__ __or__ __rmul__ __rshift__ __sub__ __truediv__ __xor__
"""

METHODS = [name for name in dir(qtn.MatrixProductState) if not name.startswith("_")] + OPERATORS.split()

OPS = (OpSum() + (1, "Sx", 0, "Sz", 1) + (1j, "Sz", 3), OpSum() + (1, "Sp", 0, "Sm", 1), OpSum() + (1, "Sz", 2))


def dense_state() -> MPS:
    """A state of all charges and any norm, in no canonical gauge."""
    rng = np.random.default_rng(1)
    tensors = MPS.from_vector(reference.gaussian(rng, 24), SITES).site_tensors()
    for j in range(3):
        gauge = rng.normal(size=(tensors[j].shape[2],) * 2)
        tensors[j] = np.tensordot(tensors[j], gauge, 1)
        tensors[j + 1] = np.tensordot(np.linalg.inv(gauge), tensors[j + 1], 1)
    return MPS.from_tensors(tensors, SITES)


def state_by_charge() -> MPS:
    """A state as NHTEBD has it: of definite charge, with the orthogonality centre inside."""
    total = np.zeros(1)
    for site in SITES:
        total = np.add.outer(total, site.charges).ravel()
    vector = np.where(total == 1, reference.gaussian(np.random.default_rng(2), 24), 0)
    workspace = symmetric(MPS.from_vector(vector, SITES)).workspace()
    workspace.move_to(2)
    return from_blocks(workspace.view(), SITES, (2, 3))


STATES = {"dense": dense_state(), "by charge": state_by_charge()}


def values(result: Any) -> Any:
    """What may be compared of a result: numbers that depend on no gauge and no random name."""
    if isinstance(result, SymmetricMPS):
        with contextlib.suppress(ValueError):  # no chain any more
            result = result.to_mps()
    if isinstance(result, qtn.Tensor):
        result = result.as_network()
    if isinstance(result, qtn.TensorNetwork):
        return _of_network(result)
    if isinstance(result, dict):
        return values(list(result.values()))
    if isinstance(result, list | tuple) or inspect.isgenerator(result):
        return [values(part) for part in result]
    return result if isinstance(result, str | bool | int | float | complex | np.ndarray | np.generic) else None


def _of_network(network: qtn.TensorNetwork) -> Any:
    inds = sorted(network.outer_inds())
    if not all(isinstance(tensor.data, np.ndarray) for tensor in network):
        return None
    array = qtn.TensorNetwork(network.tensors).contract(output_inds=inds)
    array = np.asarray(getattr(array, "data", array)) * 10.0**network.exponent
    return array if all(i.startswith("k") for i in inds) else np.linalg.norm(array)


def same(ours: Any, theirs: Any) -> bool:
    if ours is None or theirs is None:
        return True
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(same(one, two) for one, two in zip(ours, theirs, strict=True))
    if isinstance(theirs, str):
        return bool(ours == theirs) or ours[0] == theirs[0] == "_"  # random names
    return np.allclose(ours, theirs, rtol=1e-5, atol=1e-5 * float(np.max(np.abs(theirs), initial=1)))


def assert_measured(state: MPS) -> None:
    """All measurements are those of the vector, whatever was done to the state; or its network is refused."""
    refusal = ""
    try:
        vector, sites = state.to_vector(), state._named_sites()
    except ValueError as error:
        refusal = str(error)
    if refusal:
        assert any(part in refusal for part in ("matrix-product state", "sites", TO_DENSE))
        return
    norm = np.linalg.norm(vector)
    if norm == 0:
        return
    single = all(tensor.data.dtype != np.complex64 for tensor in state.to_mps())
    tolerance = 1e-10 if single else 1e-5
    operators = [op for op in OPS if all("S" in str(op) for _ in sites)]
    expected = [reference.expectation(reference.operator(op, sites), vector) for op in operators]
    np.testing.assert_allclose(state.expect_each(*operators), expected, atol=tolerance)
    entropies = [reference.entropy(vector, bond + 1, sites) for bond in range(3)]
    np.testing.assert_allclose([state.entanglement_entropy(bond) for bond in range(3)], entropies, atol=tolerance)
    assert state.norm() == pytest.approx(norm, rel=tolerance)
    assert state.overlap(state) == pytest.approx(norm**2, rel=tolerance)


@pytest.mark.filterwarnings("ignore")  # quimb's own
@pytest.mark.parametrize("kind", STATES)
@pytest.mark.parametrize("name", [name for name in METHODS if name not in DRAWING.split()])
def test_methods_of_quimb(name, kind, capsys):
    original = STATES[kind]
    before = original.to_vector()
    state, plain = original.copy(), original.to_quimb()
    compared = kind == "dense" or name not in PIECES.split()
    if not callable(getattr(qtn.MatrixProductState, name)):
        assert not compared or same(values(getattr(state, name)), values(getattr(plain, name)))
        return
    try:
        expected = values(call(plain, name))
    except REFUSALS as error:
        if name not in BROKEN.split():
            if unknown(name, error):
                pytest.skip(f"quimb {quimb.__version__} has {name}, of which no arguments are known")
            raise
        with pytest.raises(REFUSALS):
            call(state, name)
        return
    result, refusal = outcome(state, name)
    if refusal:
        assert kind == "by charge"
        assert refusal.endswith((TO_DENSE, "make it with from_vector(vector, sites)"))
        np.testing.assert_array_equal(state.to_vector(), before)
        return
    assert not compared or same(values(result), expected)
    if isinstance(result, MPS) and result is not state:
        assert_measured(result)
    if any(one.data is not two.data for one, two in zip(state, original, strict=False)) or name.endswith("_"):
        assert_measured(state)
    np.testing.assert_array_equal(original.to_vector(), before)


def outcome(state: MPS, name: str) -> tuple[Any, str]:
    """The result of a method, or the sentence by which it is refused."""
    try:
        return call(state, name), ""
    except ValueError as refusal:
        return None, str(refusal)
