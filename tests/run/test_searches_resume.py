"""A search for levels that is killed goes on from its last sweep, and ends with the same numbers."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.base.stages import listening

RING = models.NonHermitianXXZ(L=6, gamma=0.3, h=0.5, seed=1, boundary="periodic")
SEARCHES = {
    "growth": nh.Simulation(
        RING,
        algorithms.NHDMRG(which="growth", max_bond=8),
        {
            "current": observables.SteadyStateCurrent(),
            "sz": observables.OfLevel(observable=observables.Magnetization()),
        },
    ),
    "energy": nh.Simulation(
        models.NonHermitianXXZ(L=8, gamma=0.3, h=1.0, seed=2),
        algorithms.NHDMRG(k=2, max_bond=16),
        {
            "levels": observables.Eigenvalues(),
            "sz": observables.OfLevel(observable=observables.Magnetization(), level=1),
        },
    ),
    "target": nh.Simulation(
        RING,
        algorithms.NHDMRG(which=0.1 + 0.01j, max_bond=8, starts=1),
        {"levels": observables.Eigenvalues()},
    ),
}


class Life:
    """Hears what a search tells, and ends it after so many times."""

    def __init__(self, length: float = np.inf) -> None:
        self.length, self.heard, self.last = length, 0, ""

    def __call__(self, text: str) -> None:
        self.heard, self.last = self.heard + 1, text
        if self.heard > self.length:
            raise KeyboardInterrupt


def run(simulation, life, **options):
    with listening(life):
        return simulation.run(checkpoint_every=0, **options)


@pytest.mark.filterwarnings("ignore:NHDMRG:RuntimeWarning")
@pytest.mark.parametrize("which", SEARCHES)
def test_killed_again_and_again_it_ends_with_the_same_levels(which, tmp_path):
    simulation, whole, place = SEARCHES[which], Life(), tmp_path / "levels.npz"
    expected = run(simulation, whole)
    heard, tries, length = 0, 0, max(6, whole.heard // 5)
    while True:
        life = Life(length)
        try:
            found = run(simulation, life, checkpoint=place)
            break
        except KeyboardInterrupt:
            tries, heard = tries + 1, heard + life.heard
    assert tries >= 2
    assert heard + life.heard < 2 * whole.heard
    for name, variable in expected.data_vars.items():
        np.testing.assert_allclose(found[name], variable, rtol=0, atol=1e-7, err_msg=name)
    assert found.attrs == expected.attrs


@pytest.mark.filterwarnings("ignore:NHDMRG:RuntimeWarning")
def test_one_that_is_finished_is_not_repeated(tmp_path):
    simulation, place, again = SEARCHES["growth"], tmp_path / "levels.npz", Life()
    first = run(simulation, Life(), checkpoint=place)
    assert run(simulation, again, checkpoint=place).identical(first)
    assert again.heard <= 4
    assert again.last.startswith("a state with E"), "states are measured, but none is sought"


def growth(h):
    ring = models.NonHermitianXXZ(L=6, gamma=0.3, h=h, seed=1, boundary="periodic")
    return nh.Simulation(
        ring, algorithms.NHDMRG(which="growth", max_bond=8), {"current": observables.SteadyStateCurrent()}
    )


@pytest.mark.filterwarnings("ignore:NHDMRG:RuntimeWarning")
def test_a_point_of_a_sweep_goes_on(tmp_path):
    whole, second, options = Life(), Life(), {"store": tmp_path / "rings.zarr", "checkpoint_every": 1e-9}
    with listening(whole):
        expected = nh.sweep(growth, over={"h": [0.5]})
    with listening(Life(whole.heard - 4)), pytest.raises(ValueError, match="every point of the grid failed"):
        nh.sweep(growth, over={"h": [0.5]}, **options)
    assert list((tmp_path / "rings.zarr.checkpoints").glob("*.npz"))
    with listening(second):
        found = nh.sweep(growth, over={"h": [0.5]}, **options)
    assert second.heard <= 8 < whole.heard
    np.testing.assert_allclose(found["current"], expected["current"], rtol=1e-9)
    assert not list((tmp_path / "rings.zarr.checkpoints").glob("*.npz"))


def test_a_checkpoint_of_another_search_is_refused(tmp_path):
    place = tmp_path / "levels.npz"
    with pytest.raises(KeyboardInterrupt, match=f"what is finished is in {place}"):
        run(SEARCHES["energy"], Life(6), checkpoint=place)
    other = nh.Simulation(SEARCHES["energy"].model, algorithms.NHDMRG(k=2, max_bond=32), SEARCHES["energy"].observables)
    with pytest.raises(ValueError, match=r"holds another run: .*max_bond"):
        other.run(checkpoint=place)


class Fails(nh.Observable[nh.Spectrum]):
    """Ends a run after the search."""

    measures = nh.Spectrum

    def __call__(self, spectrum, model):
        raise OSError("after the search")


@pytest.mark.filterwarnings("ignore:NHDMRG:RuntimeWarning")
def test_what_is_measured_may_change(tmp_path):
    search, place, again = SEARCHES["target"], tmp_path / "levels.npz", Life()
    with pytest.raises(OSError, match="after the search"):
        run(nh.Simulation(search.model, search.algorithm, {"it": Fails()}), Life(), checkpoint=place)
    run(search, again, checkpoint=place)
    assert again.last.startswith("a state with E")
    assert again.heard <= 4


def edited(place, change):
    with np.load(place) as arrays:
        known = dict(arrays)
    change(known)
    np.savez(place, **known)


@pytest.mark.filterwarnings("ignore:NHDMRG:RuntimeWarning")
@pytest.mark.parametrize("part", ["tensor0", "keys0", "rng"])
@pytest.mark.parametrize("change", ["removed", "another"])
def test_a_step_that_is_damaged_is_told(part, change, tmp_path):
    place = tmp_path / "levels.npz"
    expected = run(SEARCHES["target"], Life(), checkpoint=place)

    def damage(known):
        for name in [name for name in known if name.endswith(f"/{part}")]:
            known[name] = np.array("none")
            if change == "removed":
                del known[name]

    whole = place.read_bytes()
    edited(place, damage)
    with pytest.raises(
        ValueError, match=r"levels.npz' is damaged \(step .* can't be read: .*\); remove it to start anew"
    ):
        run(SEARCHES["target"], Life(), checkpoint=place)
    place.write_bytes(whole)
    assert run(SEARCHES["target"], Life(), checkpoint=place).identical(expected)
