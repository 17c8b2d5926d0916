"""Points of a store are taken only where the same would be computed now, whatever of it changed and at which point."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.run.provenance import versions
from mpsnh.run.store import Store
from tests.run.test_same_study import STUDY, study
from tests.support.comparison import assert_same_bits
from tests.support.stores import identities, rewrite
from tests.support.sweep_functions import draw, logged

H = [0.5, 1.0, 1.5, 2.0, 2.5]
GRID = {"h": H, "seed": [0, 1, 2]}

EDITS = {
    "twice the field": ("h=h,", "h=2 * h,"),
    "twice the field in the middle": ("h=h,", "h=2 * h if h == 1.5 else h,"),
    "another seed": ("seed=seed,", "seed=seed + 1,"),
    "another seed in the middle": ("seed=seed,", "seed=seed + 3 * (seed == 1),"),
    "a constant in the middle": ("L=4,", "L=4, gamma=0.2 if h == 1.5 else 0.1,"),
    "an observable": ("* helper(value)", "- helper(value)"),
    "a Hamiltonian in the middle": ("1j * self.field", "(2j if self.h == 1.5 else 1j) * self.field"),
    "what is captured in the middle": ("powers(2)", "powers(3 if h == 1.5 else 2)"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_results_of_two_functions_never_mix(edit, tmp_path):
    """Also if all that was recorded of the study as a whole is the same, as with version 0.1.0."""
    place = tmp_path / "data.zarr"
    nh.sweep(study().make, GRID, store=place, batch=1)
    rewrite(place, identities(lambda identity: identity.pop("computes")))
    changed = study(STUDY.replace(*EDITS[edit]))
    before = Store(place).status()
    with pytest.raises(ValueError, match=r"holds another study: (at h = .*|.* there and .* here)"):
        nh.sweep(changed.make, {**GRID, "seed": [0, 1, 2, 3]}, store=place)
    assert Store(place).grid().axes["seed"] == range(3)
    assert np.array_equal(Store(place).status(), before)
    assert_same_bits(nh.sweep(study().make, GRID, store=place), nh.sweep(study().make, GRID))


def test_a_function_that_is_written_in_another_way_makes_the_same_points(tmp_path):
    place, log = tmp_path / "data.zarr", tmp_path / "log"
    nh.sweep(functools.partial(draw, log=log), {"h": H, "seed": [0, 1]}, store=place)
    ran = logged(log).total()
    nh.sweep(lambda h, seed: draw(h, seed, log=log), {"h": H, "seed": [0, 1]}, store=place)
    assert logged(log).total() == ran


def test_without_a_number_of_the_hamiltonian_its_code_must_be_the_same(tmp_path, monkeypatch):
    """As for the most points of a sweep whose points take no time."""
    monkeypatch.setattr("mpsnh.run.seal.FREE", -1e9)
    place = tmp_path / "data.zarr"
    nh.sweep(study().make, GRID, store=place)
    other_words = study(STUDY.replace("1j * self.field * np.cos(j)", "self.field * np.cos(j) * 1j"))
    with pytest.raises(ValueError, match="no number was kept of the Hamiltonian, whose code is another one"):
        nh.sweep(other_words.make, GRID, store=place)
    nh.sweep(study(STUDY.replace("class Chain", "\n\nclass Chain")).make, GRID, store=place)


def test_values_that_come_from_elsewhere_are_compared(tmp_path):
    """The function is the same, and reads what no code shows."""
    place, factors = tmp_path / "data.zarr", tmp_path / "factors"
    factors.write_text("1 1 1 1 1")

    def make(k):
        return draw(float(factors.read_text().split()[k]), seed=k)

    nh.sweep(make, {"k": range(5)}, store=place)
    factors.write_text("1 1 2 1 1")
    with pytest.raises(ValueError, match="at k = 2 a parameter is another one than when it was computed"):
        nh.sweep(make, {"k": range(5)}, store=place)


@pytest.mark.parametrize("kind", ["a counter", "a generator"])
@pytest.mark.parametrize("stored", [False, True])
def test_a_function_of_more_than_its_arguments_is_found(kind, stored, tmp_path):
    numbers, random = itertools.count(), np.random.default_rng(1)

    def make(h):
        return draw(h, seed=next(numbers) if kind == "a counter" else int(random.integers(10**9)))

    with pytest.raises(ValueError, match=r"make gave two simulations of the same point, h = 1.0 \(algorithm.seed is"):
        nh.sweep(make, {"h": [1.0, 2.0]}, store=tmp_path / "data.zarr" if stored else None)
    assert list(tmp_path.glob("data.zarr")) == []


def test_what_computed_a_point_is_recorded(tmp_path):
    place = tmp_path / "data.zarr"
    nh.sweep(draw, {"seed": [0, 1]}, store=place, batch=2)
    (origin,) = Store(place).state.origins.values()
    assert origin["versions"] == dict(versions())
    assert all(library["kernel"] and library["library"] for library in origin["blas"])
    seals = Store(place).seals((slice(0, 2),))
    assert len(set(seals["parameters"])) == 2
    assert len(set(seals["code"])) == 1
