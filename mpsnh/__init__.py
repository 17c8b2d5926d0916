"""Non-Hermitian quantum many-body physics with matrix-product states and exact methods.

The vocabulary: sites, operator sums, models, states, records, algorithms, observables, simulations and sweeps.
Concrete models, algorithms and observables live in `mpsnh.models`, `mpsnh.algorithms` and `mpsnh.observables`.
"""

from typing import Any

from mpsnh.checks import public_names

# The names in `__init__.pyi`, each of which loads its module when it is first used.
_load, __dir__, __all__ = public_names(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":  # asking for the metadata of the package takes longer than all the rest
        from importlib.metadata import version

        return version("mpsnh")
    return _load(name)
