"""Levels of matrix-product states: closed forms, open chains, and steady states of rings next to exact ones.

Each part prints a table: what is right, what is found, how far off it is and is said to be, and the time.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np

from mpsnh import algorithms, models
from mpsnh.base.model import Model
from mpsnh.base.spectrum import Spectrum
from mpsnh.language.opsum import OpSum
from tests.oracles.levels import ClosedForm, closed_forms


def found(model: Model, **parameters: object) -> tuple[Spectrum, float]:
    """Return what NHDMRG finds, and the CPU time that it takes."""
    begin = time.process_time()
    (spectrum,) = algorithms.NHDMRG(**parameters).records(model)  # type: ignore[arg-type]
    return spectrum, time.process_time() - begin
