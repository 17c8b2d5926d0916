"""`import mpsnh` and `mpsnh --help` are quick: what is heavy is imported when it is used, and everything is there."""

import importlib
import inspect
import pickle
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import mpsnh as nh
from tests.support.exports import exports

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "mpsnh": ROOT / "mpsnh",
    "mpsnh.models": ROOT / "models",
    "mpsnh.algorithms": ROOT / "algorithms",
    "mpsnh.observables": ROOT / "observables",
}
HEAVY = ("numba", "quimb", "cotengra", "scipy", "zarr", "xarray", "pandas", "matplotlib", "threadpoolctl", "symmray")

every_package = pytest.mark.parametrize("name", PACKAGES)


def fresh(code, *options):
    """Run code in a new process, somewhere else than in the checkout, and return what it prints."""
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=True, timeout=120).stdout.strip()


def loaded(after):
    """Heavy modules that are loaded after some code."""
    return fresh(f"{after}\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])").split()


def test_importing_loads_nothing_heavy():
    assert loaded("import mpsnh") == []
    assert loaded("from mpsnh import models, algorithms, observables") == []


def test_help_loads_nothing_heavy():
    code = "import contextlib, io\nfrom typer.testing import CliRunner\nfrom mpsnh.cli import app\n"
    for options in (["--help"], ["reproduce", "--help"], ["show", "--help"]):
        assert loaded(code + f"assert CliRunner().invoke(app, {options}).exit_code == 0") == []


def test_the_check_sees_what_is_loaded():
    assert {"quimb", "numba"} <= set(loaded("import mpsnh\nmpsnh.MPS"))
    assert "scipy" in loaded("import mpsnh\nmpsnh.statistics")


def test_language_alone_needs_no_tensor_networks():
    assert set(loaded("import mpsnh as nh\nnh.OpSum([(1.0, 'Sz', 0)]), nh.Spin(), nh.Fermion()")) == set()


EXACT = """
import mpsnh as nh
ring = nh.models.NonHermitianXXZ(L=4, h=1.0, boundary="periodic")
measured = {"gap": nh.observables.SteadyStateGap(), "current": nh.observables.SteadyStateCurrent()}
one = nh.Simulation(ring, nh.algorithms.ExactDiag(), measured)
one.measured()
"""


def test_exact_spectra_need_no_tensor_networks():
    assert not {"quimb", "cotengra"} & set(loaded(EXACT + "one.run()"))
    assert "quimb" in loaded(EXACT + "ring.mpo()")


def test_points_of_sweeps_need_no_datasets():
    """What workers run; a module that is loaded lazily is there, but not what it imports."""
    seen = "\nimport sys\nprint('xarray.core.dataset' in sys.modules, 'pandas' in sys.modules)"
    assert fresh("import mpsnh.run.sweep, mpsnh.run.task" + EXACT + seen) == "False False"
    assert fresh(EXACT + "one.run()" + seen) == "True True"


@every_package
def test_all_public_names_are_listed(name):
    package = importlib.import_module(name)
    listed = exports((PACKAGES[name] / "__init__.pyi").read_text(encoding="utf-8"), name)
    assert sorted(listed) == sorted(package.__all__) == dir(package)
    assert package.__all__ == sorted(package.__all__)


@every_package
def test_names_lead_to_what_they_name(name):
    package = importlib.import_module(name)
    for public in package.__all__:
        thing = getattr(package, public)
        if inspect.ismodule(thing):
            assert thing is importlib.import_module(f"{name}.{public}")
        elif public != "Layer":  # another name of a tuple
            assert thing.__name__ == public
        assert getattr(package, public) is thing


def test_unknown_names_are_refused_as_everywhere():
    with pytest.raises(AttributeError, match="No mpsnh attribute MPX"):
        _ = nh.MPX
    with pytest.raises(ImportError, match="cannot import name 'Tebd'"):
        from mpsnh.algorithms import Tebd  # noqa: F401
    assert not hasattr(nh, "numpy")


def test_a_function_and_a_module_of_one_name():
    code = "import mpsnh as nh\nimport mpsnh.run.sweep as m\nimport mpsnh.statistics.kink as k\n"
    assert fresh(code + "print(type(nh.sweep).__name__, type(m).__name__, nh.statistics.kink.__name__)") == (
        "function module kink"
    )
    assert fresh("import mpsnh as nh\nprint(nh.sweep.__module__, nh.run.sweep.__name__)") == (
        "mpsnh.run.sweep mpsnh.run.sweep"
    )


def test_every_way_of_importing():
    assert fresh("from mpsnh import Spin\nprint(Spin.__name__)") == "Spin"
    assert fresh("from mpsnh import *\nprint(MPS.__name__, models.NoClick.__name__, sweep.__name__)") == (
        "MPS NoClick sweep"
    )
    assert fresh("from mpsnh.models import *\nprint(NonHermitianXXZ.__name__)") == "NonHermitianXXZ"
    assert fresh("import mpsnh.models\nprint(mpsnh.models.NoClick.__name__)") == "NoClick"
    assert fresh("import mpsnh as nh\nprint(nh.observables.Norm.__name__)") == "Norm"


def test_classes_are_what_they_were():
    for package in map(importlib.import_module, PACKAGES):
        for public in package.__all__:
            thing = getattr(package, public)
            if inspect.isclass(thing):
                assert pickle.loads(pickle.dumps(thing)) is thing
    chain = nh.models.NonHermitianXXZ(L=4)
    assert isinstance(chain, nh.Model)
    assert fresh(f"import pickle\nprint(pickle.loads({pickle.dumps(chain)!r}))") == repr(chain)


AWAY = {"MPO": nh.MPO, "MPS": nh.MPS}
"""Names that stand in annotations of exact methods, which do not wait for quimb."""


def functions(thing):
    """A function, or a class with all functions and properties that it or a base of the package defines."""
    yield thing.__qualname__, thing
    for base in thing.__mro__ if inspect.isclass(thing) else ():
        if base.__module__.partition(".")[0] == "mpsnh":
            for name, member in vars(base).items():
                member = getattr(member, "fget", None) or getattr(member, "func", None) or member
                member = getattr(member, "__func__", member)
                own = name != "__init__"  # of dataclasses, with the annotations of bases in other modules
                if own and inspect.isfunction(member) and member.__module__.partition(".")[0] == "mpsnh":
                    yield f"{base.__qualname__}.{name}", member


@every_package
def test_annotations_can_be_evaluated(name):
    package = importlib.import_module(name)
    failed = set()
    for thing in (getattr(package, public) for public in package.__all__ if public != "Layer"):
        for called, function in functions(thing) if callable(thing) else ():
            try:
                typing.get_type_hints(function)
            except NameError:
                failed.add(called)
                typing.get_type_hints(function, localns=AWAY)
    assert failed <= {"HamiltonianModel.mpo", "ExactState.from_mps"}
