"""xarray, loaded when it is first used: whoever makes no dataset, as a worker of a sweep, need not wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = lazy_loader.load("xarray")

__all__ = ["xr"]
