"""Who may import whom, downward only: the rooms of `mpsnh`, and models, algorithms and observables on top of them."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.exports import exports

ROOT = Path(__file__).parents[2]
FOLDERS = ("models", "algorithms", "observables")
BELOW_BASE = ("checks", "value", "kernels", "language", "linalg", "operators", "states")
CORE = (*BELOW_BASE, "base")
EVERYTHING = (*CORE, *FOLDERS, "run", "statistics", "plots", "picture", "notebook", "papers", "starter", "extras")

MAY_IMPORT = {
    "checks": (),
    "extras": (),
    "notebook": (),
    "value": ("checks", "notebook"),
    "kernels": ("checks",),
    "language": ("checks", "notebook"),
    "statistics": ("checks",),
    "linalg": ("checks", "kernels"),
    "operators": ("checks", "language", "linalg"),
    "states": ("checks", "value", "kernels", "language", "operators"),
    "base": ("checks", "notebook", "value", "language", "linalg", "operators", "states"),
    "models": CORE,
    "algorithms": CORE,
    "observables": CORE,
    "run": (*CORE, "notebook", "extras"),
    "plots": (*CORE, "statistics", "extras"),
    "picture": ("checks", "extras", "run", "statistics", "plots"),
    "papers": (),
    "starter": (),
    "studies": EVERYTHING,
    "cli": (*EVERYTHING, "studies"),
    "__main__": ("extras", "cli"),
}
"""The rooms of `mpsnh`, which are folders or single files, each with those that it may import besides itself."""

FRONT_DOORS = {
    "mpsnh": (*CORE, *FOLDERS, "run", "statistics"),
    **{f"mpsnh.{folder}": ("checks",) for folder in FOLDERS},
}
"""The packages that a user imports from, with what their stub may import (besides the files of its folder)."""

PUBLIC = exports((ROOT / "mpsnh" / "__init__.pyi").read_text(encoding="utf-8"), "mpsnh")
"""Where the public names come from."""


def room_of(module):
    """The room that a module belongs to."""
    return module.split(".")[1]


LOADERS = {"import_module", "__import__", "load", "attach", "attach_stub", "find_spec", "modules"}
"""What takes the name of a module as a text: of importlib, lazy_loader and sys."""


def imported(source, package):
    """Absolute names of what a source imports or reaches, anywhere in it; public names by where they come from."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            listed = {alias.name for alias in node.names}
            names |= {public(name) for name in listed} if module == "mpsnh" else {module}
        elif isinstance(node, ast.Attribute) and re.fullmatch(r"mpsnh\.\w+", text := ast.unparse(node)):
            names.add(public(text.removeprefix("mpsnh.")))  # by way of the package, which another import has bound
        elif isinstance(node, ast.Call | ast.Subscript):
            names |= set(loaded(node))
    return names


def public(name):
    """Where what the package offers comes from."""
    return PUBLIC.get(name, f"mpsnh.{name}")


def loaded(node):
    """Names of modules that are written as texts, absolute or relative to a package that follows."""
    of = node.func if isinstance(node, ast.Call) else node.value
    owner = of.value if isinstance(of, ast.Attribute) and of.attr in ("get", "pop", "setdefault") else of
    if ast.unparse(owner).rpartition(".")[2] not in LOADERS:
        return
    given = node.args if isinstance(node, ast.Call) else [node.slice]
    first, *rest = [part.value for part in given if isinstance(part, ast.Constant) and isinstance(part.value, str)] or [
        ""
    ]
    if first.startswith("."):
        parents = rest[0].split(".") if rest else ["mpsnh", "unknown"]
        up = len(first) - len(first.lstrip(".")) - 1
        first = ".".join([*parents[: len(parents) - up], first.lstrip(".")])
    if first:
        yield first


def is_allowed(name, rooms):
    """Tell whether what is imported is of one of the rooms, or no part of the project at all."""
    top, *inside = name.split(".")
    if top == "mpsnh":
        return bool(inside) and inside[0] in rooms  # the whole package would be everything
    return top not in (*FOLDERS, "tests", "benchmarks")


def violations(source, module, is_package=False):
    """Imports of a module that its room must not have."""
    if is_package and module in FRONT_DOORS:
        rooms = {*module.split(".")[1:], *FRONT_DOORS[module]}
    else:
        rooms = {room_of(module), *MAY_IMPORT[room_of(module)]}
    package = module if is_package else module.rpartition(".")[0]
    return sorted(name for name in imported(source, package) if not is_allowed(name, rooms))


def files():
    """Every file of the package, with the name of its module and whether it is a package."""
    for folder, package in {"mpsnh": "mpsnh", **{name: f"mpsnh.{name}" for name in FOLDERS}}.items():
        for path in sorted((ROOT / folder).rglob("*.py*")):
            if path.suffix in (".py", ".pyi"):
                parts = [package, *path.relative_to(ROOT / folder).with_suffix("").parts]
                is_package = parts[-1] == "__init__"
                yield path, ".".join(parts[:-1] if is_package else parts), is_package


FILES = list(files())


@pytest.mark.parametrize(("path", "module", "is_package"), FILES, ids=[module for _, module, _ in FILES])
def test_imports_stay_in_their_layer(path, module, is_package):
    assert violations(path.read_text(encoding="utf-8"), module, is_package) == []


def test_every_room_is_in_the_table_and_looked_at():
    assert {room_of(module) for _, module, _ in FILES if module != "mpsnh"} == set(MAY_IMPORT)
    assert {module for _, module, is_package in FILES if is_package} >= set(FRONT_DOORS)


def test_the_table_leads_downward_only():
    """No room may be reached from itself."""
    below = {room: set(rooms) for room, rooms in MAY_IMPORT.items()}
    for _ in MAY_IMPORT:
        below = {room: rooms.union(*(below[each] for each in rooms)) for room, rooms in below.items()}
    assert [room for room, rooms in below.items() if room in rooms] == []


def at_start(tree):
    """Import statements that run when a module is imported: not those of functions, nor for type checkers only."""
    only_types = isinstance(tree, ast.If) and ast.unparse(tree.test).endswith("TYPE_CHECKING")
    for node in tree.orelse if only_types else ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.expr):
            yield from at_start(node)


def circle(graph):
    """Modules of a graph that import themselves by way of others."""
    left = {module: set(others) for module, others in graph.items()}
    while free := {module for module, others in left.items() if not others & left.keys()}:
        left = {module: others for module, others in left.items() if module not in free}
    return sorted(left)


def test_no_modules_import_each_other():
    graph = {}
    for path, module, is_package in FILES:
        package = module if is_package else module.rpartition(".")[0]
        source = "\n".join(map(ast.unparse, at_start(ast.parse(path.read_text(encoding="utf-8")))))
        graph[module] = {name for name in imported(source, package) if name != module}
    assert circle(graph) == []


@pytest.mark.parametrize(
    ("source", "runs"),
    [
        ("try:\n    import a\nexcept ImportError:\n    import b\nelse:\n    import c\nfinally:\n    import d", "abcd"),
        ("with x:\n    import a", "a"),
        ("class A:\n    import a\n    class B:\n        import b", "ab"),
        ("if x:\n    import a\nelif y:\n    import b\nelse:\n    import c", "abc"),
        ("for i in x:\n    import a\nwhile x:\n    import b", "ab"),
        ("match x:\n    case 1:\n        import a", "a"),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", "b"),
        ("if typing.TYPE_CHECKING:\n    import a", ""),
        ("def f():\n    import a\nclass A:\n    def g(self):\n        import b", ""),
    ],
)
def test_the_check_of_circles_sees_what_runs_at_import(source, runs):
    assert "".join(alias.name for node in at_start(ast.parse(source)) for alias in node.names) == runs


def test_the_check_finds_circles():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"e"}, "e": set()}) == ["a", "b", "c"]
    assert circle({"a": {"b", "numpy"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        # one at least for each row of the table
        ("mpsnh.checks", "from mpsnh.value import Value", ["mpsnh.value"]),
        ("mpsnh.value", "from mpsnh.language.site import Site", ["mpsnh.language.site"]),
        ("mpsnh.kernels.tebd.gate", "from mpsnh.states.blocks import Blocks", ["mpsnh.states.blocks"]),
        ("mpsnh.kernels.tebd.gate", "from ... import models", ["mpsnh.models"]),
        ("mpsnh.language.site", "from mpsnh.value import Value", ["mpsnh.value"]),
        ("mpsnh.language.opsum", "from mpsnh.operators.mpo import MPO", ["mpsnh.operators.mpo"]),
        ("mpsnh.statistics.kink", "from mpsnh.run.simulation import Simulation", ["mpsnh.run.simulation"]),
        ("mpsnh.linalg.filter.windows", "from mpsnh.language.opsum import OpSum", ["mpsnh.language.opsum"]),
        ("mpsnh.linalg.bounds", "from mpsnh import OpSum", ["mpsnh.language.opsum"]),
        ("mpsnh.operators.mpo", "from mpsnh.states.mps import MPS", ["mpsnh.states.mps"]),
        ("mpsnh.operators.mpo", "from mpsnh.kernels.lapack import fortran", ["mpsnh.kernels.lapack"]),
        ("mpsnh.states.mps", "from mpsnh.base.model import Model", ["mpsnh.base.model"]),
        ("mpsnh.states.mps", "from mpsnh.linalg.bounds import EPS", ["mpsnh.linalg.bounds"]),
        ("mpsnh.base.model", "from mpsnh.run.sweep import sweep", ["mpsnh.run.sweep"]),
        ("mpsnh.base.model", "from mpsnh.kernels.lapack import fortran", ["mpsnh.kernels.lapack"]),
        ("mpsnh.models.xxz", "import mpsnh.algorithms", ["mpsnh.algorithms"]),
        ("mpsnh.models.xxz", "from mpsnh.observables.current import MidCurrent", ["mpsnh.observables.current"]),
        ("mpsnh.models.xxz", "from .. import observables", ["mpsnh.observables"]),
        ("mpsnh.models.xxz", "from models.xxz import NonHermitianXXZ", ["models.xxz"]),
        ("mpsnh.models.xxz", "from mpsnh import sweep", ["mpsnh.run.sweep"]),
        ("mpsnh.algorithms.nhtebd", "import mpsnh.cli", ["mpsnh.cli"]),
        ("mpsnh.algorithms.nhtebd", "from mpsnh.run.store import Store", ["mpsnh.run.store"]),
        ("mpsnh.observables.state", "from mpsnh import models", ["mpsnh.models"]),
        ("mpsnh.observables.state", "from mpsnh.statistics import kink", ["mpsnh.statistics"]),
        ("mpsnh.run.sweep", "from mpsnh.picture import picture", ["mpsnh.picture"]),
        ("mpsnh.run.sweep", "from mpsnh.statistics.averages import typical", ["mpsnh.statistics.averages"]),
        ("mpsnh.plots", "from mpsnh.picture import picture", ["mpsnh.picture"]),
        ("mpsnh.picture", "from mpsnh.studies.study import PaperStudy", ["mpsnh.studies.study"]),
        ("mpsnh.picture", "from mpsnh.states.mps import MPS", ["mpsnh.states.mps"]),
        ("mpsnh.notebook", "from mpsnh.value import Value", ["mpsnh.value"]),
        ("mpsnh.papers", "from mpsnh.cli import app", ["mpsnh.cli"]),
        ("mpsnh.starter", "from mpsnh.base.model import Model", ["mpsnh.base.model"]),
        ("mpsnh.studies.study", "from mpsnh.cli import app", ["mpsnh.cli"]),
        ("mpsnh.cli", "from benchmarks import sweep", ["benchmarks"]),
        ("mpsnh.__main__", "from mpsnh.checks import say", ["mpsnh.checks"]),
        ("mpsnh.extras", "from mpsnh.checks import say", ["mpsnh.checks"]),
        # however it is written
        ("mpsnh.base.model", "import mpsnh.models", ["mpsnh.models"]),
        ("mpsnh.base.model", "import mpsnh", ["mpsnh"]),
        ("mpsnh.base.model", "from mpsnh import *", ["mpsnh.*"]),
        ("mpsnh.base.model", "from mpsnh import MPS, observables as o", ["mpsnh.observables"]),
        ("mpsnh.base.model", "from .. import models", ["mpsnh.models"]),
        ("mpsnh.base.model", "from ..algorithms import NHTEBD", ["mpsnh.algorithms"]),
        ("mpsnh.base.model", "def f():\n    import mpsnh.algorithms.nhtebd as n", ["mpsnh.algorithms.nhtebd"]),
        ("mpsnh.base.model", "if TYPE_CHECKING:\n    from mpsnh.studies import brighi2025", ["mpsnh.studies"]),
        ("mpsnh.base.model", "import models", ["models"]),
        ("mpsnh.base.model", "import mpsnh.base.records\nmpsnh.models.XXZ(L=2)", ["mpsnh.models"]),
        ("mpsnh.base.model", "import mpsnh.base.records\nmpsnh.sweep(f)", ["mpsnh.run.sweep"]),
        ("mpsnh.base.model", "importlib.import_module('mpsnh.models.xxz')", ["mpsnh.models.xxz"]),
        ("mpsnh.base.model", "import_module('..models', 'mpsnh.base')", ["mpsnh.models"]),
        ("mpsnh.base.model", "__import__('mpsnh.run.sweep')", ["mpsnh.run.sweep"]),
        ("mpsnh.base.model", "lazy_loader.load('mpsnh.algorithms')", ["mpsnh.algorithms"]),
        ("mpsnh.base.model", "lazy_loader.attach_stub('mpsnh.algorithms', f)", ["mpsnh.algorithms"]),
        ("mpsnh.base.model", "sys.modules['mpsnh.observables'].X", ["mpsnh.observables"]),
        ("mpsnh.base.model", "sys.modules.get('models.xxz')", ["models.xxz"]),
        ("mpsnh.base.model", "from tests.oracles.gaussian import propagator", ["tests.oracles.gaussian"]),
        # what is allowed
        ("mpsnh.algorithms.steady_state", "from mpsnh.algorithms.nhtebd import NHTEBD", []),
        ("mpsnh.models.ring", "from . import xxz\nfrom .xxz import NonHermitianXXZ", []),
        ("mpsnh.models.ring", "import numpy as np\nfrom mpsnh import MPS\nfrom mpsnh.base.model import Model", []),
        ("mpsnh.base.bath", "from mpsnh.base.model import Model\nimport mpsnh.base.model", []),
        ("mpsnh.base.bath", '"""import mpsnh.models"""', []),
        ("mpsnh.base.bath", "import mpsnh.base.records\nmpsnh.base.records.Record()", []),
        ("mpsnh.base.bath", "importlib.import_module('scipy.sparse')\nsys.modules['mpsnh.base.model']\nnp.load(f)", []),
        ("mpsnh.studies.ha2023.data", "from mpsnh import algorithms, models\nimport mpsnh.picture", []),
    ],
)
def test_the_check_finds_planted_imports(module, source, found):
    assert violations(source, module) == found


@pytest.mark.parametrize(
    ("package", "source", "found"),
    [
        ("mpsnh", "from mpsnh.studies import ha2023", ["mpsnh.studies"]),
        ("mpsnh", "import lazy_loader\nfrom mpsnh import models", []),
        ("mpsnh.models", "from mpsnh.base.model import Model", ["mpsnh.base.model"]),
        ("mpsnh.models", "import lazy_loader\nfrom .xxz import NonHermitianXXZ", []),
        ("mpsnh.algorithms", "from mpsnh.models.xxz import NonHermitianXXZ", ["mpsnh.models.xxz"]),
        ("mpsnh.observables", "from .. import run", ["mpsnh.run"]),
        ("mpsnh.kernels", "from .. import language", ["mpsnh.language"]),
    ],
)
def test_the_check_finds_planted_imports_of_packages(package, source, found):
    assert violations(source, package, is_package=True) == found


def test_every_row_has_a_planted_violation():
    (planted,) = [mark for mark in test_the_check_finds_planted_imports.pytestmark if mark.name == "parametrize"]
    assert {room_of(module) for module, _, found in planted.args[1] if found} == set(MAY_IMPORT)


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_refuse_to_be_imported_by_themselves(folder):
    """From the root of the repository that would make a second copy of every class."""
    run = subprocess.run(
        [sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stderr.strip().endswith(f"ImportError: import mpsnh.{folder}, not {folder}")
