"""What is said of levels, and whether that is a doubt."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.algorithms.known_levels import KnownLevel
from mpsnh.algorithms.level_evidence import Evidence
from mpsnh.algorithms.level_problem import Certificate, Level
from tests.support.chains import Terms


def known(same=2, others=(), **details):
    here = Level((), None, 1 + 1j, 1e-9)
    sure = Certificate(here.energy, 1e-9, None, None, details.pop("residuals", (0.0, 0.0)), 1.0)
    elsewhere = [Level((), None, energy, 1e-9) for energy in others]
    return KnownLevel(here, None, 1.0, sure, [here] * same, elsewhere, **details)


@pytest.mark.parametrize(
    ("level", "options", "said"),
    [
        (known(), {"certified": False}, "the level is not certified"),
        (known(same=1, others=[2]), {}, "1 of 2 random starts ended here, others at 2 (residual 1e-09)"),
        (known(same=1), {"starts": 1}, "1 of 1 random starts ended here"),
        (known(unsettled=2, grown=True), {}, "2 evolutions had not settled, so that others may grow faster"),
        (known(close=True, grown=True), {}, "levels grow too nearly alike to tell"),
        (known(same=1, grown=True), {"starts": 1}, "one evolution does not show levels that are nearly as fast"),
        (known(), {"late": [0]}, "level 0 was found after later ones"),
        (known(), {"far": True}, "terms reach far, and with those sweeps can end at a later level"),
        (known(), {"still": True}, "nothing grows within the error"),
        (known(), {"inside": True}, "inside of a spectrum"),
    ],
)
def test_each_doubt_is_said(level, options, said):
    evidence = Evidence.of([level], **{"starts": 2, "certified": True} | options)
    assert evidence.doubted
    assert said in evidence.text


def test_what_is_no_doubt():
    assert not Evidence.of([known()], starts=2, certified=True, variational=True, far=True).doubted
    assert not Evidence.of([known(same=1, others=[2], grown=True)], starts=2, certified=True).doubted
    spoilt = Evidence.of([known(residuals=(0.5, 0.5))], starts=2, certified=True)
    assert not spoilt.doubted
    assert "have residuals of 0.5 and 0.5" in spoilt.text


def search(which, **options):
    ring = models.NonHermitianXXZ(L=6, gamma=0.3, h=0.5, seed=1, boundary="periodic")
    measured = {"sz": observables.OfLevel(observable=observables.Magnetization())}
    return nh.Simulation(ring, algorithms.NHDMRG(which=which, max_bond=8, **options), measured)


def test_a_dataset_keeps_it():
    alone = search("growth", starts=1).run()
    assert "1 of 1 evolutions ended here" in alone.attrs["evidence"]
    swept = nh.sweep(lambda starts: search("growth", starts=starts), {"starts": [1, 2]})
    assert alone["doubted"]
    assert np.array_equal(swept["doubted"], [True, False])
    exact = nh.Simulation(search("growth").model, algorithms.ExactDiag(), search("growth").observables).run()
    assert "evidence" not in exact.attrs


@pytest.mark.parametrize("which", ["energy", "growth"])
def test_terms_that_reach_far_are_a_doubt(which):
    far = nh.OpSum.sum((0.5 + 0.1 * (j - i), "Sp", i, "Sm", j) for i in range(6) for j in range(6) if i != j)
    gain = nh.OpSum.sum((0.3j * (-1) ** j, "Sz", j) for j in range(6))
    (spectrum,) = algorithms.NHDMRG(which=which, max_bond=8).records(Terms(L=6, op=far + gain, charge=0))
    assert spectrum.doubted
    assert "terms reach far" in spectrum.evidence
    (hermitian,) = algorithms.NHDMRG(max_bond=8).records(Terms(L=6, op=far + far.dag(), charge=0))
    assert "terms reach far" not in hermitian.evidence, "no state lies below the lowest level"
