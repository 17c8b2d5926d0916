"""Concrete models."""

if __name__ != "mpsnh.models":
    raise ImportError("import mpsnh.models, not models")

from mpsnh.checks import public_names

# The names in `__init__.pyi`, each of which loads its module when it is first used.
__getattr__, __dir__, __all__ = public_names(__name__, __file__)
