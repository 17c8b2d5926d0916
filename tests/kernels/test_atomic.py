"""Words that threads share: none is lost, and none is taken twice."""

from __future__ import annotations

import threading

import numba
import numpy as np

from mpsnh.kernels.atomic import add, give_way, load, store, swap

LEFT, TAKEN, SEEN = 0, 8, 16


@numba.njit(nogil=True)
def take(words, takers):
    """Count a word down, and mark each number that was found in it."""
    while True:
        number = load(words, LEFT)
        if number == 0:
            break
        if swap(words, LEFT, number, number - 1):
            takers[number - 1] += 1
            add(words, TAKEN, 1)
            if number % 1000 == 0:
                give_way()
    store(words, SEEN, load(words, TAKEN))


def test_threads_share_numbers():
    words, takers = np.zeros(24, np.int64), np.zeros(1_000_000, np.int64)
    take(words, takers)  # compiles
    words[LEFT] = len(takers)
    threads = [threading.Thread(target=take, args=(words, takers)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (takers == 1).all()
    assert words[[LEFT, TAKEN]].tolist() == [0, len(takers)]
    assert words[SEEN] == len(takers)  # of the thread that came last


def test_a_word_that_has_changed_is_left_alone():
    @numba.njit
    def exchange(words, old, new):
        return swap(words, 1, old, new)

    words = np.array([5, 6, 7])
    assert not exchange(words, 5, 9)
    assert exchange(words, 6, 9)
    assert words.tolist() == [5, 9, 7]
