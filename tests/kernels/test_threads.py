"""Pieces of a computation in threads."""

import threading

import pytest

from mpsnh.kernels.threads import Threads


@pytest.mark.parametrize("number", [1, 2, 5])
def test_results_come_in_order(number):
    with Threads(number) as pool:
        assert pool.map(lambda k: k * k, range(20)) == [k * k for k in range(20)]
        assert pool.map(abs, []) == []


def test_as_many_run_at_a_time_and_one_stays_with_the_caller():
    together = threading.Barrier(2, timeout=30)
    with Threads(2) as pool:
        assert sorted(pool.map(lambda _: together.wait(), range(2))) == [0, 1]
    with Threads() as pool:
        assert pool.map(lambda _: threading.current_thread(), [0]) == [threading.current_thread()]


@pytest.mark.parametrize("number", [1, 3])
def test_errors_reach_the_caller(number):
    with pytest.raises(ZeroDivisionError), Threads(number) as pool:
        pool.map(lambda k: 1 / k, [1, 0, 2])
