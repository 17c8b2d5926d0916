"""Who may import whom: models, algorithms and observables only the core, and the core none of them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("models", "algorithms", "observables")
ON_TOP = ("studies", "cli")
"""Parts of the core package that stand above everything else and may import it."""


def imported(source, package):
    """Absolute names of the modules that a source imports, anywhere in it; a name from a package may be a module."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


def forbidden(package):
    """Modules that a package must not import."""
    own = package.removeprefix("mpsnh.")
    others = [name for name in (*FOLDERS, *ON_TOP) if name != own]
    return [f"mpsnh.{name}" for name in others] + list(FOLDERS)


def violations(source, package):
    """Imports of a source that its layer must not have."""
    return sorted(
        name for name in imported(source, package) for bad in forbidden(package) if f"{name}.".startswith(f"{bad}.")
    )


def files():
    """Every file of the layers, with its package."""
    for path in sorted((ROOT / "mpsnh").rglob("*.py")):
        inside = path.relative_to(ROOT / "mpsnh").with_suffix("").parts
        if inside[0] not in ON_TOP:
            yield path, ".".join(["mpsnh", *inside[:-1]])
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT / folder).parts
            yield path, ".".join(["mpsnh", folder, *inside[:-1]])


@pytest.mark.parametrize(("path", "package"), list(files()), ids=lambda part: getattr(part, "name", part))
def test_imports_stay_in_their_layer(path, package):
    assert violations(path.read_text(encoding="utf-8"), package) == []


def test_every_layer_is_looked_at():
    assert {package for _, package in files()} >= {"mpsnh", *(f"mpsnh.{folder}" for folder in FOLDERS)}


@pytest.mark.parametrize(
    ("package", "source", "found"),
    [
        ("mpsnh", "import mpsnh.models", ["mpsnh.models"]),
        ("mpsnh", "from mpsnh import models", ["mpsnh.models"]),
        ("mpsnh", "from mpsnh import MPS, observables as o", ["mpsnh.observables"]),
        ("mpsnh", "from . import models", ["mpsnh.models"]),
        ("mpsnh", "from .algorithms import NHTEBD", ["mpsnh.algorithms", "mpsnh.algorithms.NHTEBD"]),
        ("mpsnh.kernels", "from .. import models", ["mpsnh.models"]),
        ("mpsnh", "def f():\n    import mpsnh.algorithms.nhtebd as n", ["mpsnh.algorithms.nhtebd"]),
        ("mpsnh", "if TYPE_CHECKING:\n    from mpsnh.studies import brighi2025", 2),
        ("mpsnh", "import models", ["models"]),
        ("mpsnh.models", "import mpsnh.algorithms", ["mpsnh.algorithms"]),
        ("mpsnh.models", "from mpsnh.observables.current import MidCurrent", 2),
        ("mpsnh.models", "from .. import observables", ["mpsnh.observables"]),
        ("mpsnh.models", "from models.xxz import NonHermitianXXZ", 2),
        ("mpsnh.observables", "from mpsnh import models", ["mpsnh.models"]),
        ("mpsnh.algorithms", "import mpsnh.cli", ["mpsnh.cli"]),
        ("mpsnh.algorithms", "from mpsnh.algorithms.nhtebd import NHTEBD", []),
        ("mpsnh.models", "from . import xxz\nfrom .xxz import NonHermitianXXZ", []),
        ("mpsnh.models", "import numpy as np\nfrom mpsnh import MPS, circuit\nfrom mpsnh.base.model import Model", []),
        ("mpsnh", "from mpsnh.base.model import Model\nimport mpsnh.base.model\nfrom mpsnh import observable", []),
        ("mpsnh", '"""import mpsnh.models"""', []),
    ],
)
def test_the_check_finds_planted_imports(package, source, found):
    got = violations(source, package)
    assert len(got) == found if isinstance(found, int) else got == found


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_refuse_to_be_imported_by_themselves(folder):
    """From the root of the repository that would make a second copy of every class."""
    run = subprocess.run(
        [sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stderr.strip().endswith(f"ImportError: import mpsnh.{folder}, not {folder}")
