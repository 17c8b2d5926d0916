"""Without the packages of the extras a simulation runs, and what needs them says which extra brings them."""

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIG = configparser.ConfigParser()
CONFIG.read(ROOT / "setup.cfg", encoding="utf-8")
EXTRAS = {
    extra: re.findall(r"^([\w-]+)", CONFIG["options.extras_require"][extra].strip(), re.MULTILINE)
    for extra in ("plot", "store", "cli", "dask")
}

WITHOUT = """
import sys


class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *others):
        return None if name.partition(".")[0] in {missing} else self.finder.find_spec(name, *others)

    def __getattr__(self, name):
        return getattr(self.finder, name)


sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""

SIMULATION = """
import mpsnh as nh
from mpsnh import algorithms, models, observables


def one(h):
    return nh.Simulation(
        models.NonHermitianXXZ(L=4, h=h, boundary="periodic"),
        algorithms.ExactDiag(),
        {"gap": observables.SteadyStateGap()},
    )
"""


def run_without(missing, code):
    """Run code where packages are not installed, as far as it can see."""
    script = WITHOUT.format(missing=tuple(missing)) + code
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=200
    )


def test_a_simulation_needs_no_extra():
    everything = {package for packages in EXTRAS.values() for package in packages} | {"cycler", "dask", "pydantic"}
    code = SIMULATION + (
        "print(sorted(one(1.0).run().data_vars))\n"
        "print(dict(nh.sweep(one, {'h': [0.5, 1.0]}, progress=False).sizes))\n"
        "chain = nh.Simulation(models.NonHermitianXXZ(L=4), algorithms.NHTEBD(dt=0.1, t_max=0.2),\n"
        "                      {'sz': observables.Magnetization()})\n"
        "print(dict(chain.run().sizes))\n"
        f"print([name for name in {sorted(everything)} if name in sys.modules])\n"
    )
    done = run_without(everything, code)
    assert done.stdout.splitlines() == [
        "['attempts', 'certified', 'gap']",
        "{'h': 2}",
        "{'time': 3, 'site': 4}",
        "[]",
    ], done.stderr


@pytest.mark.parametrize(
    ("extra", "package", "code"),
    [
        ("store", "numcodecs", "from mpsnh.run.store import Store\nStore('a.zarr')"),
        ("store", "filelock", SIMULATION + "nh.sweep(one, {'h': [0.5]}, store='a.zarr')"),
        ("store", "fsspec", "from mpsnh.run.checkpoint import Checkpoint\nCheckpoint('a.npz', {})"),
        ("plot", "matplotlib", "import mpsnh.plots"),
        ("plot", "matplotlib", "import mpsnh.picture"),
        ("plot", "matplotlib", "from mpsnh.studies.brighi2025 import FIGURES"),
        ("plot", "matplotlib", "from mpsnh.studies.ha2023 import FIGURES"),
        ("cli", "typer", "import mpsnh.cli"),
        ("cli", "rich", "from mpsnh.studies.brighi2025 import reproduce"),
        ("cli", "rich", "from mpsnh.studies.ha2023 import reproduce"),
        ("cli", "rich", "import mpsnh.studies.study"),
    ],
)
def test_what_needs_an_extra_says_so(extra, package, code):
    assert package in EXTRAS[extra]
    said = run_without([package], code).stderr
    sentence = f'this needs {package}, which is not installed: pip install "mpsnh[{extra}]"'
    assert said.splitlines()[-1] == f"mpsnh.extras.MissingExtraError: {sentence}"


@pytest.mark.parametrize("package", EXTRAS["cli"])
def test_the_command_says_so_in_one_line(package):
    done = run_without([package], "import runpy\nrunpy.run_module('mpsnh', run_name='__main__')")
    assert done.stderr == f'this needs {package}, which is not installed: pip install "mpsnh[cli]"\n'
    assert done.returncode == 1


def test_the_command_runs():
    done = subprocess.run(
        [sys.executable, "-m", "mpsnh", "cite", "NHTEBD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("@")


def imported(tree):
    """Packages that a syntax tree imports anywhere."""
    for node in ast.walk(tree):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from (name.partition(".")[0] for name in names)


def trees():
    for path in sorted((ROOT / "mpsnh").rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_what_is_imported_by_an_extra_is_in_it():
    brought = {"cycler": "matplotlib"}
    found = set()
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.With) and (given := re.match(r"extra\('(\w+)'\)", ast.unparse(node.items[0]))):
                found |= {(given[1], brought.get(name, name)) for name in imported(node)}
    assert found == {("plot", "matplotlib"), ("cli", "typer"), ("cli", "rich")}


def test_nothing_else_imports_an_extra():
    """Packages of extras are imported in `extra` or by `mpsnh.run.storage`, so that the sentence is always said."""
    packages = {package for packages in EXTRAS.values() for package in packages}
    for path, tree in trees():
        for node in ast.walk(tree):
            text = ast.unparse(node) if isinstance(node, ast.With | ast.If) else ""
            if text.startswith(("with extra(", "if TYPE_CHECKING")):
                node.body = []
        assert not packages & set(imported(tree)), path
