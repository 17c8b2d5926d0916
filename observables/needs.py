"""What observables of spectra need of an algorithm."""

from __future__ import annotations

from typing import Any

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.observable import Observable


def require_vectors(observable: Observable[Any], algorithm: Algorithm[Any], *enough: str) -> None:
    """Raise if an algorithm will not compute the eigenvectors that an observable needs.

    Parameters
    ----------
    observable : Observable
        Named in the message.
    algorithm : Algorithm
        Asked for its parameter ``vectors``, if it has one.
    *enough : str
        The values of it that will do.

    Raises
    ------
    ValueError
        With a value that will do.

    Examples
    --------
    >>> require_vectors(observables.SteadyStateEntropy(), algorithms.ExactDiag(vectors="none"), "right", "both")
    Traceback (most recent call last):
    ValueError: SteadyStateEntropy needs right eigenvectors: use ExactDiag(vectors='right')
    """
    if getattr(algorithm, "vectors", enough[0]) not in enough:
        raise ValueError(
            f"{type(observable).__name__} needs {enough[0]} eigenvectors: "
            f"use {type(algorithm).__name__}(vectors={enough[0]!r})"
        )


def require_complete(observable: Observable[Any], algorithm: Algorithm[Any]) -> None:
    """Raise if an algorithm computes only a part of the spectrum.

    Parameters
    ----------
    observable : Observable
        Named in the message.
    algorithm : Algorithm
        Asked for ``complete``, if it has that.

    Raises
    ------
    ValueError
        With an algorithm that will do.

    Examples
    --------
    >>> require_complete(observables.ImaginaryFraction(), algorithms.ExactDiag())
    """
    if not getattr(algorithm, "complete", True):
        raise ValueError(
            f"{type(observable).__name__} needs the whole spectrum, of which {type(algorithm).__name__} computes "
            "a part: use ExactDiag"
        )
