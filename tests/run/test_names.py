"""Data record where a user finds a class or function, so that neither moving a file nor how a script runs matters."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.run.provenance import todays_names
from mpsnh.run.store import DONE, Store
from mpsnh.value import public_name
from tests.support.comparison import assert_same_bits

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", [nh, models, algorithms, observables])
def test_what_a_package_offers_is_named_by_it(package):
    things = {name: getattr(package, name) for name in package.__all__}
    things = {name: thing for name, thing in things.items() if not isinstance(thing, types.ModuleType)}
    named = {name: thing for name, thing in things.items() if thing.__module__.startswith("mpsnh.")}
    assert len(named) >= len(things) - 1, "one is an alias of a tuple"
    for name, thing in named.items():
        assert public_name(thing) == f"{package.__name__}.{name}"


LAZY = {
    "__init__.py": """
import importlib

def __getattr__(name):
    if name == "Shown":
        return importlib.import_module("offering.deep.inside").Shown
    if name == "broken":
        raise RuntimeError("not installed")
    raise AttributeError(name)
""",
    "deep/__init__.py": "from offering.deep.inside import Shown, Deeper, renamed as other\n",
    "deep/inside.py": """
class Shown:
    class Nested: ...

    def method(self): ...

class Deeper: ...
class Hidden: ...
class broken: ...
def renamed(): ...
def maker():
    class Local: ...
    return Local
""",
}


@pytest.fixture
def offering(tmp_path, monkeypatch):
    """A package of somebody else that loads what it offers when it is asked for it."""
    for name, text in LAZY.items():
        path = tmp_path / "offering" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("offering.deep.inside")
    for name in [name for name in sys.modules if name.partition(".")[0] == "offering"]:
        del sys.modules[name]


def test_other_packages_name_theirs_in_the_same_way(offering):
    assert public_name(offering.Shown) == "offering.Shown"
    assert public_name(offering.Shown.Nested) == "offering.Shown.Nested"
    assert public_name(offering.Shown.method) == "offering.Shown.method"
    assert public_name(offering.Deeper) == "offering.deep.Deeper"
    assert public_name(offering.Hidden) == "offering.deep.inside.Hidden"
    assert public_name(offering.broken) == "offering.deep.inside.broken"
    assert public_name(offering.renamed) == "offering.deep.inside.renamed"
    assert public_name(offering.maker()) == "offering.deep.inside.maker.<locals>.Local"


SCRIPT = '''
import sys
import mpsnh as nh
from mpsnh import models
from tests.support import sweep_functions as functions

class Drawn(functions.Drawn):
    """An algorithm of this script."""

class Total(functions.Total):
    """An observable of this script."""

def make(h, seed):
    return nh.Simulation(functions.MODEL, Drawn(h=h, seed=seed), {"total": Total()})

if __name__ == "__main__":
    place, workers, *seeds = sys.argv[1:]
    over = {"h": [1.0], "seed": [int(seed) for seed in seeds]}
    nh.sweep(make, over, store=place, workers=int(workers) or None, progress=False)
'''


def test_a_script_has_one_name_whether_it_is_run_or_imported(tmp_path, monkeypatch):
    """Also in the processes that it starts; a store that one way made is extended by the others."""
    first, second = Store(tmp_path / "script.zarr"), Store(tmp_path / "module.zarr")
    for folder in (tmp_path, tmp_path / "package"):
        folder.mkdir(exist_ok=True)
        (folder / "t3.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def run(*command):
        subprocess.run([sys.executable, *map(str, command)], cwd=tmp_path, env=environment, check=True)

    monkeypatch.syspath_prepend(tmp_path)
    try:
        run("t3.py", first.url, 1, 0, 1)
        run("-m", "t3", first.url, 0, 0, 1, 2)
        run("-m", "package.t3", second.url, 1, 0, 1)
        for store, name in ((first, "t3"), (second, "package.t3")):
            module = importlib.import_module(name)
            over = {"h": [1.0], "seed": [0, 1, 2, 3]}
            assert_same_bits(nh.sweep(module.make, over, store=store.url), nh.sweep(module.make, over))
            assert (store.status() == DONE).all()
            assert store.identity["algorithm"]["type"] == f"{name}.Drawn"
            assert store.identity["observables"]["total"]["type"] == f"{name}.Total"
    finally:
        for name in ("t3", "package.t3", "package"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("mpsnh.observables.spectral.SteadyStateGap", "mpsnh.observables.SteadyStateGap", True),
        ("mpsnh.observables.spectral.SteadyStateGap", "mpsnh.observables.GrowthRate", False),
        ("mpsnh.observables.spectral.SteadyStateGap", "mpsnh.models.SteadyStateGap", False),
        ("mpsnh.observables.resonance.Level", "mpsnh.observables.demixing.Level", True),
        ("mpsnh.site.Spin", "mpsnh.Spin", True),
        ("mpsnh.site.Spin", "mpsnh.language.site.Spin", True),
        ("mpsnh.site.Spin", "mpsnh.observables.Spin", False),
        ("mpsnh.studies.brighi2025.Scale", "mpsnh.studies.brighi2025.scales.Scale", True),
        ("mpsnh.studies.brighi2025.Scale", "mpsnh.studies.ha2023.Scale", False),
        ("mpsnh.studies.ha2023.Scale", "mpsnh.Scale", False),
        ("__main__.Total", "t3.Total", True),
        ("__main__.Total", "package.t3.Total", True),
        ("t3.Total", "__main__.Total", True),
        ("__main__.Total", "t3.Other", False),
        ("__main__.Norm", "mpsnh.observables.Norm", False),
        ("mpsnh.observables.state.Norm", "__main__.Norm", False),
        ("t3.Total", "t4.Total", False),
        ("neel", "mpsnh.neel", False),
        ("1.5", "2.5", False),
    ],
)
def test_names_of_0_1_0_are_known(old, new, same):
    assert todays_names({"type": [old]}, {"type": [new]}) == {"type": [new if same else old]}


def test_a_name_that_is_read_is_not_looked_up(monkeypatch, tmp_path):
    """Whatever a file names, nothing of it is imported."""
    (tmp_path / "canary.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    theirs = json.loads('{"type": "canary.X", "function": "mpsnh.canary.X", "list": ["__main__.X"]}')
    todays_names(theirs, {"type": "t3.X", "function": "mpsnh.X", "list": ["t3.X"]})
    assert set(sys.modules) == before
