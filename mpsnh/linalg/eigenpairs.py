"""What every eigensolver returns: eigenvalues, their vectors, and why to believe them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


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
