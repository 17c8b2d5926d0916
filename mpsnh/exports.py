"""Names of a package that are imported when they are used, so that `import mpsnh` is quick."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from typing import Any


def lazy(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package whose imports wait until a name is used (PEP 562).

    The imports are those that the package has under `if TYPE_CHECKING:`, so that type checkers, editors and Python
    read one list.

    Parameters
    ----------
    package : str
        Name of the package, which is being imported.

    Examples
    --------
    >>> get, names = lazy("mpsnh.models")
    >>> get("NoClick") is models.NoClick, "NoClick" in names()
    (True, True)
    """
    where = imports(_source(package))

    def get(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        module = importlib.import_module(where[name])
        thing = module if where[name] == f"{package}.{name}" else getattr(module, name)
        setattr(sys.modules[package], name, thing)  # asked for once
        return thing

    def names() -> list[str]:
        return sorted(where)

    return get, names


def imports(source: str) -> dict[str, str]:
    r"""Return the names that a source imports under `if TYPE_CHECKING:`, each with the module it comes from.

    What is imported from a package right under `mpsnh` is taken for a module of it.

    Parameters
    ----------
    source : str
        Text of a module.

    Examples
    --------
    >>> imports("if TYPE_CHECKING:\n    from mpsnh import models\n    from mpsnh.states.mps import MPS")
    {'models': 'mpsnh.models', 'MPS': 'mpsnh.states.mps'}
    """
    found = {}
    for block in ast.parse(source).body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for line in block.body:
                if isinstance(line, ast.ImportFrom) and line.module is not None:
                    for alias in line.names:
                        inside = f".{alias.name}" if line.module == "mpsnh" else ""
                        found[alias.name] = f"{line.module}{inside}"
    return found


def _source(package: str) -> str:
    """Return the text of a package that is being imported, also from a zip file."""
    loader = getattr(sys.modules[package].__spec__, "loader", None)
    source = getattr(loader, "get_source", lambda package: None)(package)
    if source is None:
        raise ImportError(f"{package} cannot be imported without its source")
    return str(source)
