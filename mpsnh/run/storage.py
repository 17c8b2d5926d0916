"""Packages of the extra ``store``: whoever keeps nothing on disk needs none of them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from mpsnh.extras import Lazy, extra

if TYPE_CHECKING:
    import filelock
    import fsspec
    import numcodecs
else:
    filelock, fsspec, numcodecs = (Lazy(name, "store") for name in ("filelock", "fsspec", "numcodecs"))

__all__ = ["filelock", "fsspec", "numcodecs", "require_storage"]


def require_storage() -> None:
    """Raise before any work, instead of after it, if what writes its results is not installed.

    Examples
    --------
    >>> require_storage()
    """
    with extra("store"):
        for name in ("filelock", "fsspec", "numcodecs"):
            importlib.import_module(name)
