"""Concrete models."""

if __name__ != "mpsnh.models":
    raise ImportError("import mpsnh.models, not models")

import lazy_loader

# The names in `__init__.pyi`, each of which loads its module when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
