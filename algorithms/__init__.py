"""Concrete algorithms."""

if __name__ != "mpsnh.algorithms":
    raise ImportError("import mpsnh.algorithms, not algorithms")

import lazy_loader

# The names in `__init__.pyi`, each of which loads its module when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
