"""Refusals that name a parameter, its value and what is allowed, before any work starts."""

from __future__ import annotations

import psutil


def require_memory(nbytes: float, what: str) -> None:
    """Raise before work starts if an allocation can't fit.

    Parameters
    ----------
    nbytes : float
        Bytes that the work needs.
    what : str
        What needs them, to begin the error message with.

    Raises
    ------
    MemoryError
        If that is more than what the machine has available.

    Examples
    --------
    >>> require_memory(1e30, "a dense matrix of dimension 10^14")
    Traceback (most recent call last):
    MemoryError: a dense matrix of dimension 10^14 needs 9.31e+20 GiB, but only ... GiB are available
    """
    available = psutil.virtual_memory().available
    if nbytes > available:
        raise MemoryError(f"{what} needs {nbytes / 2**30:.3g} GiB, but only {available / 2**30:.3g} GiB are available")


def require(condition: bool, name: str, value: object, allowed: str) -> None:
    """Raise a `ValueError` that names a bad parameter, its value and what is allowed.

    Parameters
    ----------
    condition : bool
        Whether the value is acceptable.
    name : str
        Name of the parameter, as the user wrote it.
    value : object
        The value given.
    allowed : str
        What is allowed, completing the sentence "… must be …".

    Raises
    ------
    ValueError
        If `condition` is false.

    Examples
    --------
    >>> require(False, "dt", -0.1, "positive")
    Traceback (most recent call last):
    ValueError: dt = -0.1, but it must be positive
    """
    if not condition:
        raise ValueError(f"{name} = {value!r}, but it must be {allowed}")
