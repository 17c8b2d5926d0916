"""How the files lie: none is long, tests mirror the rooms, and nobody changes the path of Python."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ("mpsnh", "models", "algorithms", "observables")
TOO_LONG = 400

LONG = {
    # tests of one subject that share their examples
    "tests/algorithms/test_exact.py",
    "tests/algorithms/test_nhtebd.py",
    "tests/algorithms/test_slow_mode.py",
    "tests/observables/test_resonance.py",
    "tests/oracles/test_oracles.py",
    "tests/project/test_bad_input.py",
    "tests/run/test_sweep.py",
    "tests/states/test_mps.py",
}
"""Files of 400 lines and more; the list may only become shorter."""

SUBJECTS = {
    "studies/test_brighi2025_statements.py": [
        "mpsnh/studies/brighi2025/findings.py",
        "mpsnh/studies/brighi2025/statements.py",
    ],
    "algorithms/test_exact.py": ["algorithms/exact_diag.py", "algorithms/exact_evolution.py"],
    "algorithms/test_few_particles.py": ["algorithms/exact_evolution.py", "mpsnh/operators/configurations.py"],
    "algorithms/test_steady_state_complex.py": ["algorithms/steady_state.py", "mpsnh/linalg/subspace.py"],
    "algorithms/test_trajectory_runs.py": [
        "algorithms/trajectories.py",
        "mpsnh/base/clicks.py",
        "observables/clicks.py",
    ],
    "algorithms/test_slow_mode.py": ["algorithms/open_system.py", "algorithms/degenerate_perturbation.py"],
    "kernels/test_orthonormal.py": ["mpsnh/kernels/tebd/move.py"],
    "observables/test_circuits.py": [
        "observables/levels.py",
        "observables/level_statistics.py",
        "observables/steady_state.py",
    ],
    "observables/test_spectra.py": ["observables/levels.py", "observables/level_statistics.py"],
    "run/test_axes.py": ["mpsnh/run/grid.py", "mpsnh/run/form.py", "mpsnh/run/results.py"],
    "run/test_hostile_stores.py": [
        "mpsnh/run/place.py",
        "mpsnh/run/folder.py",
        "mpsnh/run/state.py",
        "mpsnh/run/chunks.py",
    ],
    "run/test_malice.py": ["mpsnh/run/layout.py", "mpsnh/run/store.py"],
    "run/test_labels.py": ["mpsnh/run/coordinates.py", "mpsnh/run/grid.py"],
    "run/test_object_store.py": ["mpsnh/run/objects.py", "mpsnh/run/log.py"],
    "run/test_executors.py": ["mpsnh/run/scheduler.py", "mpsnh/run/workers.py"],
    "run/test_hostile_points.py": ["mpsnh/run/failure.py", "mpsnh/run/display.py"],
    "run/test_searches_resume.py": ["mpsnh/run/checkpoint.py", "mpsnh/base/journal.py"],
    "run/test_interrupt.py": ["mpsnh/run/limits.py", "mpsnh/run/workers.py"],
    "run/test_names.py": ["mpsnh/run/provenance.py", "mpsnh/value.py"],
    "run/test_old_data.py": ["mpsnh/run/store.py", "mpsnh/run/checkpoint.py"],
    "tests/test_value_names.py": ["mpsnh/value.py"],
    "states/test_meaning.py": ["mpsnh/states/mps.py", "mpsnh/states/vector.py", "mpsnh/base/evolution.py"],
    "states/test_shadow.py": ["mpsnh/states/shadow.py", "algorithms/nhtebd.py"],
    "run/test_verify.py": ["mpsnh/run/verify.py", "mpsnh/run/export.py", "mpsnh/run/catalogue.py"],
    "run/test_same_study.py": ["mpsnh/run/code.py", "mpsnh/run/fingerprint.py", "mpsnh/run/reference.py"],
}
"""Tests of more than one file, by what they test."""


def sources(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def length(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def changes_of_the_path(source):
    """Lines that change `sys.path`."""
    tree = ast.parse(source)
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    stored = [node for node in ast.walk(tree) if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)]
    assigned = [node.target for node in ast.walk(tree) if isinstance(node, ast.AugAssign)] + stored
    changed = [node.value for node in calls if isinstance(node, ast.Attribute)] + assigned
    whole = [node.value if isinstance(node, ast.Subscript) else node for node in changed]
    taken = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "sys"]
    names = {"sys.path"} | {
        alias.asname or alias.name for node in taken for alias in node.names if alias.name == "path"
    }
    return sorted({node.lineno for node in whole if ast.unparse(node) in names})


def imports_of(source, package):
    """Lines that import a package."""
    return sorted(
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == package for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and not node.level and str(node.module).split(".")[0] == package)
    )


def test_no_file_is_long():
    found = {name_of(path) for path in sources(*PACKAGE, "tests", "benchmarks") if length(path) >= TOO_LONG}
    assert sorted(found - LONG) == [], "split these"
    assert sorted(LONG - found) == [], "no longer long: take these from the list"


@pytest.mark.parametrize("path", sources("tests"), ids=name_of)
def test_no_test_needs_the_benchmarks(path):
    assert imports_of(path.read_text(encoding="utf-8"), "benchmarks") == []


@pytest.mark.parametrize("path", sources(*PACKAGE, "tests", "benchmarks"), ids=name_of)
def test_the_path_of_python_is_left_alone(path):
    assert changes_of_the_path(path.read_text(encoding="utf-8")) == []


def test_every_room_has_its_tests():
    rooms = {path.parent.name for path in (ROOT / "mpsnh").glob("*/__init__.py")} | set(PACKAGE[1:])
    empty = sorted(room for room in rooms if not list((ROOT / "tests" / room).glob("test_*.py")))
    assert empty == []


def test_tests_are_named_after_what_they_test():
    for path in sources("tests"):
        room, name = path.parent.name, path.name.removeprefix("test_")
        if path.name == name or room in ("project", "oracles", "fuzz", "torture"):
            continue
        here = f"{room}/{path.name}"
        above = {"tests": "mpsnh"}.get(room, room if room in PACKAGE else f"mpsnh/{room}")
        tested = SUBJECTS.get(here, [f"{above}/{name}"])
        for subject in tested:
            file = ROOT / subject
            assert file.exists() or file.with_suffix("").is_dir(), f"{name_of(path)}: there is no {subject}"


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import sys\nsys.path.insert(0, 'x')", [2]),
        ("import sys\nsys.path.append('x')", [2]),
        ("import os, sys\nsys.path += ['x']", [2]),
        ("import sys\nsys.path[:0] = ['x']", [2]),
        ("import sys\nsys.path = []", [2]),
        ("def f():\n    from sys import path\n    path.insert(0, 'x')", [3]),
        ("import os\nos.path.join('x', 'y')", []),
        ("import sys\nprint(sys.path[0])", []),
        ("path = []\npath.append('x')", []),
        ("'sys.path.insert(0)'", []),
    ],
)
def test_the_check_finds_changes_of_the_path(source, lines):
    assert changes_of_the_path(source) == lines


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import benchmarks.sweep", [1]),
        ("from benchmarks import sweep", [1]),
        ("def f():\n    from benchmarks.sweep import main", [2]),
        ("from tests.support import benchmarks", []),
        ("from .benchmarks import main", []),
    ],
)
def test_the_check_finds_benchmarks(source, lines):
    assert imports_of(source, "benchmarks") == lines
