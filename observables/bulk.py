"""The bulk of a complex spectrum."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.checks import require
from mpsnh.value import Value


class Bulk(Value):
    """An ellipse or a box in the complex plane, away from the edges of a spectrum.

    Statistics of levels are those of random matrices in the bulk; near the edges, and near the real axis of real
    matrices, they are not.

    Parameters
    ----------
    width, height : float
        Half of its extent along the real and the imaginary axis, in units of the levels.
    real, imag : float
        Its centre.
    shape : "ellipse" or "box"
        What it is.

    Raises
    ------
    ValueError
        If an extent is not positive.

    Examples
    --------
    >>> Bulk(width=2.0, height=1.0).contains(np.array([0.0, 1.9j, 1.9 + 0.9j])).tolist()
    [True, False, False]
    >>> Bulk(width=2.0, height=1.0, shape="box").contains(np.array([0.0, 1.9j, 1.9 + 0.9j])).tolist()
    [True, False, True]
    """

    width: float
    height: float
    real: float = 0.0
    imag: float = 0.0
    shape: Literal["ellipse", "box"] = "ellipse"

    @override
    def validate(self) -> None:
        for name in ("width", "height"):
            require(getattr(self, name) > 0, name, getattr(self, name), "positive")

    def contains(self, levels: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which levels lie in it.

        Parameters
        ----------
        levels : ndarray, shape (n,)
            Real or complex.
        """
        x, y = (levels.real - self.real) / self.width, (np.imag(levels) - self.imag) / self.height
        inside: NDArray[np.bool_] = np.hypot(x, y) <= 1 if self.shape == "ellipse" else np.maximum(abs(x), abs(y)) <= 1
        return inside
