"""Threads that share the blocks of a gate change no bit, whoever takes which."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from mpsnh import MPS, algorithms, models
from mpsnh.kernels.tebd.share import HALF, OPEN
from mpsnh.states import helpers
from mpsnh.states.symmetric import symmetric
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState

CHAIN = models.NonHermitianXXZ(L=14, gamma=0.3, h=0.5, seed=2)


def evolved(threads: int, dtype: type, excess: float, cutoff: float = 0.0) -> BlockState:
    """A state after layers whose bonds grow to 64 and are truncated then, by all ways that there are."""
    state = symmetric(MPS.product(CHAIN.sites, ["up", "down"] * 7)).workspace(64, dtype)
    state.threads = threads
    for layer in CHAIN.step(0.3, 2) * 14:
        state.apply(layer, Truncation(max_bond=64, cutoff=cutoff, excess=excess))
    state.move_to(3)
    return state


@pytest.mark.parametrize(
    ("dtype", "excess", "cutoff"),
    [(np.complex128, 0.1, 0.0), (np.complex128, 0.0, 1e-14), (np.complex64, 0.1, 0.0)],
)
def test_threads_change_no_bit(dtype, excess, cutoff):
    alone = evolved(1, dtype, excess, cutoff)
    for threads in (2, 3):
        state = evolved(threads, dtype, excess, cutoff)
        assert state.threads == threads
        assert state._work.job[OPEN] // HALF > 10, "loops that were shared"
        assert state.log_norm == alone.log_norm
        assert all((state.carry()[name] == array).all() for name, array in alone.carry().items())
        for site, other in zip(state.view(), alone.view(), strict=True):
            assert site.keys() == other.keys()
            assert all((site[key] == other[key]).all() for key in site)
    assert alone._work.job[OPEN] == 0
    assert max(alone.bond_dimensions()) == 64


def test_what_there_is_nothing_to_share_of_is_left_to_one_thread(monkeypatch):
    """Narrow bonds, and bonds of a single charge."""

    def started(self):
        raise AssertionError("a thread")

    monkeypatch.setattr(threading.Thread, "start", started)
    dense = MPS.product(CHAIN.sites, ["up", "down"] * 7)
    for initial, pays in ((symmetric(dense), helpers.PAYS), (dense, 1)):
        monkeypatch.setattr(helpers, "PAYS", pays)
        state = initial.workspace(64)
        state.threads = 2
        for layer in CHAIN.step(0.3, 2):
            state.apply(layer, Truncation(max_bond=64))


def test_no_thread_is_left_and_a_failure_is_told(monkeypatch):
    monkeypatch.setattr(helpers, "PAYS", 1)
    state = symmetric(MPS.product(CHAIN.sites, ["up", "down"] * 7)).workspace(64)
    state.threads = 3
    before = threading.active_count()
    state.apply(CHAIN.step(0.3, 2)[0], Truncation(max_bond=64))
    assert threading.active_count() == before
    broken = tuple(gate._replace(matrix=np.nan * gate.matrix) for gate in CHAIN.step(0.3, 2)[0])
    with pytest.raises(FloatingPointError, match="the norm of the state became nan on sites"):
        state.apply(broken, Truncation(max_bond=64))
    assert threading.active_count() == before


def test_a_thread_that_cannot_start_is_done_without(monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(helpers, "PAYS", 1)
    monkeypatch.setattr(threading.Thread, "start", refused)
    state = symmetric(MPS.product(CHAIN.sites, ["up", "down"] * 7)).workspace(64)
    state.threads = 2
    state.apply(CHAIN.step(0.3, 2)[0], Truncation(max_bond=64))
    assert state._work.job[OPEN] == 0


def test_threads_of_a_run(monkeypatch):
    """They are no part of what it is known by, and a run may go on with another number of them."""
    monkeypatch.setattr(helpers, "PAYS", 16)

    def run(threads: int) -> algorithms.NHTEBD:
        return algorithms.NHTEBD(dt=0.2, t_max=3.0, every=5, max_bond=32, threads=threads)

    assert run(2).parameters() == run(1).parameters()
    *_, last = run(1).records(CHAIN)
    _, middle, *_, other = run(2).records(CHAIN)
    *_, resumed = run(1).records(CHAIN, after=middle)
    for each in (other, resumed):
        assert (each.state.to_vector() == last.state.to_vector()).all()
        assert (each.discarded, each.noise, each.trotter) == (last.discarded, last.noise, last.trotter)
    assert last.state.max_bond() >= helpers.PAYS


@pytest.mark.parametrize(
    ("threads", "error", "said"),
    [
        (0, ValueError, "threads = 0, but it must be at least 1"),
        (2.5, TypeError, "must be an integer"),
        (True, TypeError, "must be an integer"),
        ("2", TypeError, "must be an integer"),
    ],
)
def test_numbers_of_threads_that_are_refused(threads, error, said):
    with pytest.raises(error, match=said):
        algorithms.NHTEBD(dt=0.1, t_max=1.0, threads=threads)


def test_no_more_threads_than_cores():
    number = helpers.cores() + 1
    with pytest.raises(ValueError, match=f"threads = {number}, but it must be at most {number - 1}, the cores"):
        algorithms.NHTEBD(dt=0.1, t_max=1.0, threads=number).check(CHAIN)


def test_threads_are_for_single_runs_on_the_cpu():
    with pytest.raises(ValueError, match="threads = 2, but it must be 1 with device"):
        algorithms.NHTEBD(dt=0.1, t_max=1.0, threads=2, device="cuda")
    open_chain = models.OpenXXZ(L=4)
    with pytest.raises(ValueError, match="threads = 2, but it must be 1 for trajectories"):
        algorithms.NHTEBD(dt=0.1, t_max=1.0, threads=2).paths(open_chain)
