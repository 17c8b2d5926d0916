"""What computations tell between two records is heard where it is listened to."""

from __future__ import annotations

import re

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.base.stages import listening, tell

RING = models.NonHermitianXXZ(L=6, gamma=0.5, h=0.5, seed=1, boundary="periodic")


def test_only_who_listens_hears():
    heard = list[str]()
    tell("before")
    with listening(heard.append):
        tell("one")
        with listening(lambda text: heard.append(f"inner {text}")):
            tell("two")
        tell("three")
    tell("after")
    assert heard == ["one", "inner two", "three"]


def test_a_level_is_told_with_energy_and_residual():
    heard = list[str]()
    with listening(heard.append):
        (spectrum,) = algorithms.NHDMRG(which="growth", max_bond=8, starts=1).records(RING)
    assert [text.split()[0].strip(",") for text in heard[:1]] == ["evolution"]
    assert any(text.startswith("sweep 1, bond dimension 8: E = ") for text in heard)
    told = [re.fullmatch(r"a state with E = (\S+), residual (\S+)", text) for text in heard]
    numbers = [(complex(match[1]), float(match[2])) for match in told if match]
    assert min(abs(energy - spectrum.values[0]) for energy, residual in numbers if residual < 1e-10) < 1e-6


def test_a_bar_shows_it(capsys):
    algorithm = algorithms.NHDMRG(max_bond=8, starts=1)
    nh.Simulation(RING, algorithm, {"energy": observables.Eigenvalues()}).run(progress=True)
    shown = capsys.readouterr().err
    assert "1record" in shown
    assert "residual" in shown
