"""What Brighi et al. 2025 say (DOI 10.1103/crwj-x7j8), statement by statement, and what is found for each."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mpsnh.studies.brighi2025.data import Study
from mpsnh.studies.brighi2025.findings import unknown
from mpsnh.studies.brighi2025.quench_statements import QUENCHES
from mpsnh.studies.brighi2025.ring_statements import RINGS
from mpsnh.studies.brighi2025.spectrum_statements import SPECTRA

STATEMENTS = RINGS | SPECTRA | QUENCHES
"""What the paper says, by name."""


def compare(study: Study) -> xr.Dataset:
    """Compare what the paper says with what a study finds.

    Parameters
    ----------
    study : Study
        Its data are computed where needed.

    Returns
    -------
    Dataset
        By finding: ``statement``, ``at``, ``value``, ``low``, ``high`` and ``verdict``; and by statement what it says,
        what is measured and the bounds.

    Examples
    --------
    >>> compare(Study("huge", "out"))
    Traceback (most recent call last):
    ValueError: scale 'huge' is unknown; there are: ...
    """
    rows = [
        (name, *found, found.verdict(statement.allowed))
        for name, statement in STATEMENTS.items()
        for found in statement.find(study) or [unknown()]
    ]
    columns = ("of", "at", "value", "low", "high", "verdict")
    data = {name: ("finding", list(column)) for name, column in zip(columns, zip(*rows, strict=True), strict=True)}
    known = list(STATEMENTS.values())
    return xr.Dataset(
        {
            **data,
            "says": ("statement", [statement.says for statement in known]),
            "measured": ("statement", [statement.measured for statement in known]),
            "allowed": (("statement", "bound"), [statement.allowed or (-np.inf, np.inf) for statement in known]),
            "bounded": ("statement", [statement.allowed is not None for statement in known]),
        },
        {"statement": list(STATEMENTS), "bound": ["low", "high"]},
    )
