"""The mode that grows fastest, seen in a series of states that a linear flow led through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Array = NDArray[Any]

NOISE = 1e-11
"""Eigenvalue of a matrix of overlaps, relative to the largest one, below which a direction is what truncation left."""

RESOLVED = 1e-7
"""Residual that overlaps of double precision, which hold its square, can tell from zero."""


class Mode(NamedTuple):
    """A combination of the later states of a series that the flow changes least but for a factor.

    Parameters
    ----------
    factor : complex
        The factor.
    coefficients : ndarray, shape (n,)
        Those of the states after the first one, with which its norm is 1 but for the residual.
    residual : float
        ‖U v - λ v‖ / |λ| with v of unit norm.

    Examples
    --------
    >>> Mode(0.5 + 0j, np.ones(1), 0.0).factor
    (0.5+0j)
    """

    factor: complex
    coefficients: Array
    residual: float


def growing_mode(overlaps: Array, growths: Sequence[float]) -> Mode | None:
    """Return the mode that grows fastest, or None if the last state itself is closer to one.

    With ψ₀ … ψ_n of unit norm and U ψ_j = g_j ψ_{j+1}, all that U does in the span of the first n states is known by
    overlaps (P. J. Schmid, J. Fluid Mech. 656, 5 (2010)), also how far a Ritz vector is from a vector of U.

    Parameters
    ----------
    overlaps : ndarray, shape (n + 1, n + 1)
        ⟨ψ_i|ψ_j⟩.
    growths : sequence of float
        g_j.

    Examples
    --------
    >>> U, states = np.diag([1.0, 0.9, 0.5]), [np.ones(3) / 3**0.5]
    >>> for _ in range(3):
    ...     states.append(U @ states[-1] / np.linalg.norm(U @ states[-1]))
    >>> growths = [np.linalg.norm(U @ state) for state in states[:-1]]
    >>> mode = growing_mode(np.array(states) @ np.array(states).T, growths)
    >>> round(mode.factor.real, 9), np.abs(mode.coefficients @ states[1:]).round(6).tolist()
    (1.0, [1.0, 0.0, 0.0])
    """
    g = np.asarray(growths) / np.max(growths)
    inside, after = overlaps[:-1, :-1], overlaps[:-1, 1:] * g
    images = g[:, None] * overlaps[1:, 1:] * g
    last = abs(after[-1, -1])
    plain = _residual(images[-1, -1].real, last) if last else np.inf
    weights, vectors = scipy.linalg.eigh(inside)
    real = weights > NOISE * weights[-1]
    basis = vectors[:, real] / np.sqrt(weights[real])
    factors, coordinates = np.linalg.eig(basis.conj().T @ after @ basis)
    coordinates /= np.linalg.norm(coordinates, axis=0)
    k = int(np.argmax(np.abs(factors)))
    if not factors[k]:
        return None
    coefficients = basis @ coordinates[:, k]
    residual = _residual((coefficients.conj() @ images @ coefficients).real, abs(factors[k]))
    return (
        Mode(complex(factors[k] * np.max(growths)), g / abs(factors[k]) * coefficients, residual)
        if residual <= plain + RESOLVED
        else None
    )


def _residual(image: float, factor: float) -> float:
    """Return ‖U v - λ v‖ / |λ| from ‖U v‖² and the Ritz value |λ|, with v of unit norm."""
    return float(np.sqrt(max(0.0, image / factor**2 - 1)))
