"""A computation of nested steps that is killed anywhere ends as if it had not been."""

import numpy as np
import pytest

from mpsnh.base.journal import DamagedError, Journal, reach, reached, step, written


class KilledError(Exception):
    """Stands for the end of the process."""


class Walk:
    """A random walk in steps of steps, which counts what it does and is killed after so many of them."""

    def __init__(self, life: int = 10**6) -> None:
        self.life = life

    def run(self) -> list[float]:
        rng, found = np.random.default_rng(1), []
        for _ in range(3):
            found.append(step("stretch", lambda: self.stretch(rng), self.pack, self.unpack, rng))
            found.append(rng.normal())  # as it would have been
        return found

    def stretch(self, rng: np.random.Generator) -> float:
        if (there := reached(lambda arrays: (float(arrays["place"]), int(arrays["number"])), rng)) is not None:
            place, number = there
        else:
            place, number = step("one", lambda: self.one(rng), self.pack, self.unpack, rng), 0
        for k in range(number, 4):
            place += step("one", lambda: self.one(rng), self.pack, self.unpack, rng)
            place += step("one", lambda: self.one(rng), self.pack, self.unpack, rng)
            reach(lambda place=place, k=k: {"place": np.array(place), "number": np.array(k + 1)}, rng)
        return place + rng.normal()

    def one(self, rng: np.random.Generator) -> float:
        if self.life == 0:
            raise KilledError
        self.life -= 1
        return rng.normal()

    pack = staticmethod(lambda number: {"it": np.array(number)})
    unpack = staticmethod(lambda arrays: float(arrays["it"]))


def test_killed_anywhere_it_ends_with_the_same_numbers():
    whole = Walk()
    expected, all_of_it = whole.run(), 10**6 - whole.life
    for life in range(all_of_it):
        journal = Journal()
        with pytest.raises(KilledError), written(journal):
            Walk(life).run()
        with written(journal):
            again = Walk()
            assert again.run() == expected
        done = 10**6 - again.life
        assert done == all_of_it - life


def test_killed_again_and_again():
    journal, tries = Journal(), 0
    while True:
        try:
            with written(journal):
                assert Walk(3).run() == Walk().run()
                break
        except KilledError:
            tries += 1
    assert tries > 4


def test_a_finished_step_forgets_what_it_was_made_of():
    with written(Journal()) as journal:
        Walk().run()
    assert sorted(journal.entries) == ["0:stretch", "1:stretch", "2:stretch"]
    calls = []
    with pytest.raises(KilledError), written(Journal(), lambda: calls.append(1)) as journal:
        Walk(4).run()
    assert sorted(journal.entries) == ["0.0:one", "0.reached"]
    assert len(calls) == journal.changes == 5


def test_without_a_journal_nothing_is_packed():
    walk = Walk()
    walk.pack = pytest.fail
    assert walk.run() == Walk().run()


def test_what_is_no_result_is_told():
    with written(Journal()) as journal:
        Walk().run()
    del journal.entries["1:stretch"]["it"]
    with pytest.raises(DamagedError, match=r"step 1:stretch can't be read: KeyError: 'it'"), written(journal):
        Walk().run()
    journal.entries["1:another"] = journal.entries.pop("1:stretch")
    with written(journal):
        assert Walk().run() == Walk().run(), "a step of another kind is taken anew"
