"""What every eigensolver returns: eigenvalues, their vectors, and why to believe them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-8
"""Largest estimated error of a level that is certified, relative to the root mean square of the singular values."""


class Certificate(NamedTuple):
    """Whether nothing is missing or wrong, and what speaks for it.

    Parameters
    ----------
    holds : bool
        Whether all that was asked for is there and accurate.
    reason : str
        What was compared with what.

    Examples
    --------
    >>> print(Certificate(False, "2 of 3 eigenvalues"))
    not certified: 2 of 3 eigenvalues
    """

    holds: bool
    reason: str

    def __str__(self) -> str:
        return f"{'certified' if self.holds else 'not certified'}: {self.reason}"


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues of a matrix, in the order that their solver names, with some or all vectors.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Eigenvalues.
    certificate : Certificate
        What speaks for their being all that were asked for, and right.
    right : ndarray, shape (dim, m), optional
        Right eigenvectors of the first m of them as columns of unit norm.
    residuals : ndarray, shape (m,), optional
        ‖H R - E R‖ of these.
    errors : ndarray, shape (n,), optional
        Estimated errors of the eigenvalues.
    attempts : int
        Random starts that were made.
    left : ndarray, shape (dim, m), optional
        Left ones, biorthonormal to these.
    conditions : ndarray, shape (m,), optional
        Condition numbers of these levels: the norm of the projector on the vectors of the level; infinite for
        a defective level.
    missing : str
        Why there are no vectors though they were asked for.

    Examples
    --------
    >>> pairs = Eigenpairs(np.array([1.0, 2.0]), Certificate(True, "2 of 2 eigenvalues"))
    >>> pairs.certified, len(pairs)
    (True, 2)
    """

    values: NDArray[Any]
    certificate: Certificate
    right: NDArray[Any] | None = field(default=None, repr=False)
    residuals: NDArray[np.float64] | None = field(default=None, repr=False)
    errors: NDArray[np.float64] | None = field(default=None, repr=False)
    attempts: int = 0
    left: NDArray[Any] | None = field(default=None, repr=False)
    conditions: NDArray[np.float64] | None = field(default=None, repr=False)
    missing: str = ""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def certified(self) -> bool:
        """Whether the certificate holds."""
        return self.certificate.holds

    @property
    def vectors(self) -> NDArray[Any]:
        """The right eigenvectors, which must be there."""
        if self.right is None:
            raise ValueError("this solver was not asked for eigenvectors")
        return self.right


def certificate_of(errors: NDArray[np.float64], scale: float) -> Certificate:
    """Return the certificate of all levels of a matrix, which holds if their errors are small.

    Parameters
    ----------
    errors : ndarray, shape (n,)
        Estimated errors of all of them.
    scale : float
        Root mean square of the singular values.

    Examples
    --------
    >>> print(certificate_of(np.array([1e-15, 1e-3]), 1.0))
    not certified: all eigenvalues with errors up to 0.001, but at most 1e-08 is allowed
    """
    worst, allowed = float(errors.max(initial=0.0)), TOLERANCE * scale
    reason = f"all eigenvalues with errors up to {worst:.1g}"
    if worst <= allowed:
        return Certificate(True, reason)
    return Certificate(False, f"{reason}, but at most {allowed:.1g} is allowed")
