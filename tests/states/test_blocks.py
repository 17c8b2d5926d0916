"""States by blocks of charge against dense vectors, on chains of mixed sites with random charges or none."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpsnh import MPS, Gate, Site, Spin
from mpsnh.states.blocks import (
    Blocks,
    bond_dimensions,
    charge_blocks,
    local_states,
)
from mpsnh.states.environments import density_matrices, environments, mirrored
from mpsnh.states.memory import memory_needed
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState
from tests.oracles import reference
from tests.oracles.reference import random_charged_vector, random_conserving_matrix, random_sites

every_case = pytest.mark.parametrize(("seed", "charged"), [*itertools.product(range(6), [True, False])])


class Case:
    """A random vector of definite charge, and the same by blocks."""

    def __init__(self, seed: int, charged: bool, L: int = 5) -> None:
        self.rng = np.random.default_rng([seed, charged])
        self.sites = random_sites(self.rng, L, charged=charged)
        self.charges = [site.charges for site in self.sites]
        self.vector = random_charged_vector(self.rng, self.sites)
        self.blocks = self.by_blocks(self.vector)

    def by_blocks(self, vector: np.ndarray) -> list[Blocks]:
        blocks = charge_blocks(MPS.from_vector(vector, self.sites).site_tensors(), self.charges)
        assert blocks is not None
        return blocks

    def workspace(self, max_bond: int = 64, dtype: Any = np.complex128) -> BlockState:
        return BlockState(self.blocks, self.charges, len(self.sites) - 1, max_bond, dtype)

    def layer(self) -> tuple[Gate, ...]:
        """Gates on one or two sites, here and there."""
        gates, j = [], 0
        while j < len(self.sites):
            width = int(self.rng.integers(1, 3))
            where = tuple(range(j, j + width))
            if where[-1] < len(self.sites) and self.rng.random() < 0.7:
                gates.append(Gate(random_conserving_matrix(self.rng, [self.sites[k] for k in where]), where))
            j += width
        return tuple(gates)


def dense_tensors(blocks: Sequence[Blocks], charges: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """Put blocks into dense tensors; bonds are ordered by charge."""
    ends: list[dict[int, int]] = [{} for _ in range(len(blocks) + 1)]
    for j, site in enumerate(blocks):
        for (q, c), block in site.items():
            for bond, charge, size in ((j, q, block.shape[0]), (j + 1, q + c, block.shape[2])):
                assert ends[bond].setdefault(charge, size) == size, "blocks of one charge of a bond have one size"
    starts = [dict(zip(sorted(end), np.cumsum([0, *(end[q] for q in sorted(end))]), strict=False)) for end in ends]
    tensors = []
    for j, site in enumerate(blocks):
        tensor = np.zeros((sum(ends[j].values()), len(charges[j]), sum(ends[j + 1].values())), dtype=complex)
        for (q, c), block in site.items():
            rows = starts[j][q] + np.arange(block.shape[0])
            columns = starts[j + 1][q + c] + np.arange(block.shape[2])
            tensor[np.ix_(rows, np.flatnonzero(np.array(charges[j]) == c), columns)] = block
        tensors.append(tensor)
    return tensors


def dense(blocks: Sequence[Blocks], charges: Sequence[Sequence[int]]) -> np.ndarray:
    """Multiply the blocks to a vector of the whole chain."""
    vector = np.ones((1, 1))
    for tensor in dense_tensors(blocks, charges):
        vector = np.tensordot(vector, tensor, 1).reshape(-1, tensor.shape[2])
    return vector.ravel()


def schmidt(vector: np.ndarray, cut: int, sites: Sequence[Site]) -> np.ndarray:
    return np.linalg.svd(vector.reshape(reference.dimension(sites[:cut]), -1), compute_uv=False)


# ------------------------------------------------------------------------------------------------ to and from blocks


@every_case
def test_blocks_are_the_state_in_canonical_form(seed, charged):
    case = Case(seed, charged)
    np.testing.assert_allclose(dense(case.blocks, case.charges), case.vector, atol=1e-13)
    for tensor in dense_tensors(case.blocks, case.charges)[:-1]:
        np.testing.assert_allclose(
            np.tensordot(tensor.conj(), tensor, ((0, 1), (0, 1))), np.eye(tensor.shape[2]), atol=1e-13
        )
    if not charged:
        assert all(list(site) == [(0, 0)] for site in case.blocks)


@every_case
def test_bonds_are_no_larger_than_the_state_needs(seed, charged):
    """Also if its tensors have redundant bonds, whose charges are mixed."""
    case = Case(seed, charged)
    state = MPS.from_vector(case.vector, case.sites)
    twice = (state + state).site_tensors()
    for j in range(len(twice) - 1):
        gauge = reference.gaussian(case.rng, twice[j].shape[2], twice[j].shape[2])
        twice[j], twice[j + 1] = twice[j] @ gauge, np.tensordot(np.linalg.inv(gauge), twice[j + 1], 1)
    blocks = charge_blocks(twice, case.charges)
    assert blocks is not None
    np.testing.assert_allclose(dense(blocks, case.charges), 2 * case.vector, atol=1e-10)
    ranks = [int(np.sum(schmidt(case.vector, cut, case.sites) > 1e-10)) for cut in range(len(case.sites) + 1)]
    assert bond_dimensions(case.blocks) == bond_dimensions(blocks) == ranks


def test_a_state_of_two_charges_has_no_blocks():
    sites = (Spin(0.5),) * 4
    for weight, mixed in ((1.0, True), (1e-6, True), (1e-20, False), (0.0, False)):
        vector = np.zeros(16)
        vector[[0b0101, 0b0111]] = 1, weight
        blocks = charge_blocks(MPS.from_vector(vector, sites).site_tensors(), [site.charges for site in sites])
        assert (blocks is None) == mixed, weight


def test_local_states_keep_their_order():
    assert local_states([3, -1, 3, 0, -1]) == {-1: [1, 4], 0: [3], 3: [0, 2]}


# ------------------------------------------------------------------------------------------------------ contractions


@every_case
def test_environments_are_overlaps_of_the_left_part(seed, charged):
    case = Case(seed, charged)
    other = case.by_blocks(case.vector * np.exp(0.5j * np.arange(len(case.vector))))
    tensors, others = dense_tensors(case.blocks, case.charges), dense_tensors(other, case.charges)
    expected = np.ones((1, 1))
    for environment, ket, bra in zip(environments(case.blocks, other), [*tensors, None], [*others, None], strict=True):
        sizes = [len(environment[q]) for q in sorted(environment)]
        assert sum(sizes) == len(expected)
        whole = np.zeros_like(expected, dtype=complex)
        for q, start in zip(sorted(environment), np.cumsum([0, *sizes]), strict=False):
            rows = slice(start, start + len(environment[q]))
            columns = slice(start, start + environment[q].shape[1])
            whole[rows, columns] = environment[q]
        np.testing.assert_allclose(whole, expected, atol=1e-12)
        if ket is not None:
            expected = np.einsum("ab,asc,bsd->cd", expected, bra.conj(), ket)
    assert complex(expected.item()) == pytest.approx(np.vdot(dense(other, case.charges), case.vector), abs=1e-12)


@every_case
def test_isometric_sites_may_be_skipped(seed, charged):
    """Without a bra environments have unit norm, and those of isometric sites are identities up to that."""
    case = Case(seed, charged)
    whole = list(environments(case.blocks))
    for skip in range(len(case.sites)):
        for kept, skipped in zip(whole[skip:], environments(case.blocks, skip=skip), strict=True):
            assert kept.keys() == skipped.keys()
            norm = np.sqrt(sum(np.linalg.norm(part) ** 2 for part in skipped.values()))
            for q, part in kept.items():
                np.testing.assert_allclose(part, skipped[q] / norm, atol=1e-13)


@every_case
def test_the_mirror_image(seed, charged):
    case = Case(seed, charged)
    mirror, total = mirrored(case.blocks)
    dims = [site.dim for site in case.sites]
    turned = case.vector.reshape(dims).transpose().ravel()
    np.testing.assert_allclose(dense(mirror, case.charges[::-1]), turned, atol=1e-13)
    assert total == reference.total_charges(case.sites)[np.argmax(np.abs(case.vector))]
    for site, again in zip(case.blocks, mirrored(mirror)[0], strict=True):
        assert site.keys() == again.keys()
        assert all(np.shares_memory(site[key], again[key]) for key in site)


def reduced(vector: np.ndarray, first: int, last: int, sites: Sequence[Site]) -> np.ndarray:
    """Density matrix of neighbouring sites, by tracing out the others."""
    inside = reference.dimension(sites[first : last + 1])
    amplitudes = vector.reshape(reference.dimension(sites[:first]), inside, -1)
    return np.einsum("asb,atb->st", amplitudes, amplitudes.conj())


@every_case
@pytest.mark.parametrize("centre", [None, 0, 2, 4])
def test_density_matrices_are_partial_traces(seed, charged, centre):
    case = Case(seed, charged)
    blocks, isometric = case.blocks, (0, 5)
    if centre is not None:
        workspace = case.workspace()
        workspace.move_to(centre)
        blocks, isometric = workspace.view(), (centre, centre + 1)
    spans = [(j, j + width) for width in range(3) for j in range(5 - width)]
    for chosen in (spans, spans[3:5], spans[-1:]):
        found = density_matrices(blocks, case.charges, chosen, isometric)
        for (first, last), density in zip(chosen, found, strict=True):
            expected = reduced(case.vector, first, last, case.sites)
            np.testing.assert_allclose(density / np.trace(density), expected, atol=1e-12)
    assert density_matrices(blocks, case.charges, [], isometric) == []


# --------------------------------------------------------------------------------------------------------- workspace


@every_case
def test_the_workspace_holds_the_state(seed, charged):
    case = Case(seed, charged)
    workspace = case.workspace()
    assert workspace.bond_dimensions() == bond_dimensions(case.blocks)
    for site in (4, 2, 0, 1, 3):
        workspace.move_to(site)
        assert workspace.centre == site
        np.testing.assert_allclose(dense(workspace.view(), case.charges), case.vector, atol=1e-12)
        tensors = dense_tensors(workspace.view(), case.charges)
        for j, tensor in enumerate(tensors):
            axes = (1, 2) if j > site else (0, 1)
            if j != site:
                gram = np.tensordot(tensor.conj(), tensor, (axes, axes))
                np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)
    for bond in (2, 0, 3, 1):
        values, expected = np.sort(workspace.schmidt_values(bond))[::-1], schmidt(case.vector, bond + 1, case.sites)
        np.testing.assert_allclose(values, expected[: len(values)], atol=1e-12)
        assert np.all(expected[len(values) :] < 1e-12)


@every_case
def test_single_precision_holds_the_state_to_its_rounding(seed, charged):
    case = Case(seed, charged)
    workspace = case.workspace(dtype=np.complex64)
    workspace.move_to(0)
    assert all(block.dtype == np.complex64 for site in workspace.view() for block in site.values())
    deviation = np.abs(dense(workspace.view(), case.charges) - case.vector).max()
    assert 1e-10 < deviation < 1e-6


def test_the_norm_is_taken_out_once():
    case = Case(1, charged=True)
    case.blocks[-1] = {key: 3 * block for key, block in case.blocks[-1].items()}
    workspace = case.workspace()
    workspace.normalise()
    assert workspace.log_norm == pytest.approx(np.log(3), abs=1e-13)
    before = [block.tobytes() for site in workspace.view() for block in site.values()]
    workspace.normalise()
    assert [block.tobytes() for site in workspace.view() for block in site.values()] == before


@pytest.mark.parametrize("factor", [0.0, np.nan, np.inf])
def test_a_state_without_a_norm_is_reported(factor):
    case = Case(1, charged=True)
    case.blocks[-1] = {key: np.full_like(block, factor) for key, block in case.blocks[-1].items()}
    for act in (BlockState.normalise, lambda state: state.move_to(0)):
        with np.errstate(invalid="ignore"), pytest.raises(FloatingPointError, match="the norm of the state became"):
            act(case.workspace())


def test_too_small_a_workspace_is_refused():
    case = Case(1, charged=True)
    widest = max(bond_dimensions(case.blocks))
    with pytest.raises(ValueError, match=f"max_bond = {widest - 1}, but it must be ≥ {widest}, as the initial state"):
        case.workspace(max_bond=widest - 1)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("local", [(1, -1), (0, 0), (2, 0, -2), (0, 1, 1, 5)], ids=str)
def test_the_memory_needed_is_what_is_allocated(local, dtype):
    charges = [local, local[::-1]] * 8
    tensors = [np.eye(len(each))[None, :1].transpose(0, 2, 1) for each in charges]
    blocks = charge_blocks(tensors, charges)
    assert blocks is not None
    tracemalloc.start()
    workspace = BlockState(blocks, charges, 15, 120, dtype)
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    allocated += workspace._chain.store.nbytes  # which tracemalloc does not see
    assert allocated == pytest.approx(memory_needed(charges, 120, dtype), rel=0.03)
    assert workspace.bond_dimensions() == [1] * 17
    assert memory_needed(charges, 60, dtype) < memory_needed(charges, 120, dtype) / 2


# ------------------------------------------------------------------------------------------- views that do not change


def all_blocks(views: Sequence[Blocks]) -> list[np.ndarray]:
    return [block for site in views for block in site.values()]


def address(workspace: BlockState) -> int:
    """Where the memory of the workspace is."""
    return min(block.__array_interface__["data"][0] for block in workspace.view()[0].values())


def test_blocks_are_views():
    workspace = Case(2, charged=True).workspace()
    for one, two in zip(all_blocks(workspace.view()), all_blocks(workspace.view()), strict=True):
        assert np.shares_memory(one, two)
        assert not one.flags.owndata


def test_memory_is_left_only_while_somebody_looks_at_it():
    case = Case(2, charged=True)
    workspace = case.workspace()
    workspace.move_to(0)
    place = address(workspace)
    workspace.apply(case.layer(), Truncation(max_bond=workspace.max_bond, cutoff=0.0, excess=0.0))
    workspace.move_to(0)
    assert address(workspace) == place
    held = workspace.view()[-1]
    workspace.move_to(1)
    assert address(workspace) != place
    assert all(not np.shares_memory(old, new) for old in held.values() for new in all_blocks(workspace.view()))
    del held
    place = address(workspace)
    workspace.move_to(0)
    workspace.move_to(1)
    assert address(workspace) == place


def test_two_looks_at_the_same_memory():
    """That the later one ends does not end the earlier one."""
    workspace = Case(2, charged=True).workspace()
    first, second = workspace.view(), workspace.view()
    before = [block.copy() for block in all_blocks(first)]
    del second
    workspace.move_to(0)
    for block, copy in zip(all_blocks(first), before, strict=True):
        np.testing.assert_array_equal(block, copy)


ACTIONS = ["apply", "move", "normalise", "schmidt", "hold", "hold a part", "look", "drop the first", "drop the last"]


@settings(max_examples=150)
@given(st.integers(0, 5), st.lists(st.sampled_from(ACTIONS), min_size=8, max_size=24))
def test_what_is_held_never_changes(seed, actions):
    case = Case(seed, charged=bool(seed % 2))
    workspace = case.workspace()
    held: list[tuple[list[np.ndarray], list[np.ndarray]]] = []
    for action in actions:
        match action:
            case "apply":
                workspace.apply(case.layer(), Truncation(max_bond=workspace.max_bond, cutoff=1e-3, excess=0.1))
            case "move":
                workspace.move_to(int(case.rng.integers(5)))
            case "normalise":
                workspace.normalise()
            case "schmidt":
                workspace.schmidt_values(int(case.rng.integers(4)))
            case "hold":
                views = all_blocks(workspace.view())
                held.append((views, [view.copy() for view in views]))
            case "hold a part":
                part = [all_blocks(workspace.view())[-1].T[:1]]
                held.append((part, [part[0].copy()]))
            case "look":
                workspace.view()
            case "drop the first" if held:
                held.pop(0)
            case "drop the last" if held:
                held.pop()
    for views, copies in held:
        for view, copy in zip(views, copies, strict=True):
            np.testing.assert_array_equal(view, copy)


def test_a_copy_goes_on_like_the_original():
    """Moving to other memory changes no bit of what follows."""
    one, two = (Case(3, charged=True) for _ in range(2))
    watched, alone = one.workspace(max_bond=64), two.workspace(max_bond=64)
    held = []
    for _ in range(4):
        held.append(watched.view())
        watched.apply(one.layer(), Truncation(max_bond=watched.max_bond, cutoff=1e-3, excess=0.1))
        alone.apply(two.layer(), Truncation(max_bond=alone.max_bond, cutoff=1e-3, excess=0.1))
    assert watched.log_norm == alone.log_norm
    for a, b in zip(all_blocks(watched.view()), all_blocks(alone.view()), strict=True):
        np.testing.assert_array_equal(a, b)
