"""Spin currents of states."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.hamiltonian import CurrentModel
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.snapshot import Snapshot
from mpsnh.checks import require


class CurrentProfile(Observable[Snapshot]):
    """The current ⟨I_j⟩ through every bond, positive to the right.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=6, gamma=0.2)
    >>> data = nh.Simulation(chain, algorithms.NHTEBD(dt=0.1, t_max=0.2), {"current": CurrentProfile()}).run()
    >>> dict(data["current"].sizes)
    {'time': 3, 'bond': 5}
    """

    measures = Snapshot
    dims = ("bond",)
    long_name = "spin current through each bond"
    units = "J"

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        require_current(self, model)

    @override
    def __call__(self, record: Snapshot, model: Model) -> NDArray[np.float64]:
        """Return ⟨I_j⟩ for each bond j, in units of J."""
        chain = cast(CurrentModel, model)
        near = [j for j in chain.bonds if j + 1 < model.L]
        inner = record.state.expect_each(*(chain.current(j) for j in near)).real
        known = dict(zip(near, inner.tolist(), strict=True))
        # the bond that closes a ring spans a matrix-product state from end to end
        return np.array([known[j] if j in known else record.state.expect(chain.current(j)).real for j in chain.bonds])


class MidCurrent(Observable[Snapshot]):
    """The current per bond in the middle of the chain, averaged over 2ℓ₀ bonds.

    The window has an even number of bonds: currents after a Néel quench have a part that alternates from bond
    to bond, and an even window cancels it. It covers bonds L/2 - ℓ₀ … L/2 + ℓ₀ - 1; times 2ℓ₀ it is the J_mid of
    Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Fig. 3, whose j₀ it is per bond.

    Parameters
    ----------
    half_width : int
        ℓ₀, half the number of bonds.

    Raises
    ------
    ValueError
        If the window is larger than the chain.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=8, gamma=0.2)
    >>> data = nh.Simulation(chain, algorithms.NHTEBD(dt=0.1, t_max=1.0), {"j": MidCurrent(half_width=2)}).run()
    >>> bool(data["j"][-1] > 0)
    True
    """

    measures = Snapshot
    long_name = "spin current per bond in the middle of the chain"
    units = "J"
    half_width: int

    @override
    def validate(self) -> None:
        require(self.half_width >= 1, "half_width", self.half_width, "at least 1")

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        chain, most = require_current(self, model), (model.L - 1) // 2
        require(
            self.half_width <= most and self.bonds(model)[-1] in chain.bonds,
            "half_width",
            self.half_width,
            f"at most {most} for L = {model.L}",
        )

    def bonds(self, model: Model) -> range:
        """Return the bonds of the window."""
        return range(model.L // 2 - self.half_width, model.L // 2 + self.half_width)

    @override
    def __call__(self, record: Snapshot, model: Model) -> float:
        """Return the mean of ⟨I_j⟩ over the window, in units of J."""
        chain = cast(CurrentModel, model)
        return float(np.mean(record.state.expect_each(*(chain.current(j) for j in self.bonds(model))).real))


def require_current(observable: Observable[Any], model: Model) -> CurrentModel:
    """Return the model as one that carries a current, or raise.

    Parameters
    ----------
    observable : Observable
        Named in the message.
    model : Model
        The model.

    Raises
    ------
    TypeError
        If the model has no ``current(bond)`` and ``bonds``.

    Examples
    --------
    >>> require_current(CurrentProfile(), models.NonHermitianXXZ(L=4)).bonds
    range(0, 3)
    """
    if not isinstance(model, CurrentModel):
        raise TypeError(
            f"{type(observable).__name__} needs a model with `bonds` and `current(bond)`, "
            f"which {type(model).__name__} lacks: for which j there is a bond, and the OpSum of what flows right in it"
        )
    return model
