"""Operators put together from all sectors, and sums and refusals that tests share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mpsnh import OpSum, Site
from mpsnh.operators.sector import Sector
from tests.oracles import reference


def from_sectors(op: OpSum, sites: Sequence[Site]) -> np.ndarray:
    """Put the blocks of all charges together."""
    charges = reference.total_charges(sites)
    whole = np.zeros((len(charges),) * 2, dtype=complex)
    for charge in set(charges.tolist()):
        inside = np.flatnonzero(charges == charge)
        whole[np.ix_(inside, inside)] = Sector(sites, charge).operator(op).toarray()
    return whole


def xxz(L: int, ring: bool = False) -> OpSum:
    """Asymmetric hopping, interaction and fields."""
    pairs = [(j, (j + 1) % L) for j in range(L if ring else L - 1)]
    hops = OpSum.sum((a, one, i, two, j) for i, j in pairs for a, one, two in [(0.45, "Sp", "Sm"), (0.55, "Sm", "Sp")])
    return hops + OpSum.sum((1.1, "Sz", i, "Sz", j) for i, j in pairs) + OpSum.sum((0.3 + j, "Sz", j) for j in range(L))


def refused(message: str) -> Any:
    """Expect a refusal with this text."""
    return pytest.raises(ValueError, match=re.escape(message))
