"""Local and global properties of states."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.capability import Capability
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.snapshot import Snapshot
from mpsnh.checks import require
from mpsnh.states.state import Pure


class Magnetization(Observable[Snapshot]):
    """The magnetisation ⟨Sᶻ_j⟩ of every site.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=4)
    >>> data = nh.Simulation(chain, algorithms.NHTEBD(dt=0.1, t_max=0.1), {"sz": Magnetization()}).run()
    >>> data["sz"][0].values.tolist()
    [0.5, -0.5, 0.5, -0.5]
    """

    measures = Snapshot
    dims = ("site",)
    long_name = "magnetisation of each site"

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        for site in set(model.sites):
            site.op("Sz")

    @override
    def __call__(self, record: Snapshot, model: Model) -> NDArray[np.float64]:
        """Return ⟨Sᶻ_j⟩ for each site j."""
        return record.state.expect_each("Sz").real


class AcrossBond(Observable[Snapshot]):
    """Base of what is measured of the entanglement across one bond of a pure state.

    Parameters
    ----------
    bond : int, optional
        Between sites `bond` and `bond` + 1; the middle of the chain if not given.

    Raises
    ------
    ValueError
        If there is no such bond.
    """

    measures = Snapshot
    needs = frozenset([Capability.PURE_STATE])
    bond: int | None = None

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        chosen_bond(self.bond, model)


class EntanglementEntropy(AcrossBond):
    """The von Neumann entanglement entropy across one bond, in natural units.

    Parameters
    ----------
    bond : int, optional
        As for `AcrossBond`.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=4)
    >>> data = nh.Simulation(chain, algorithms.NHTEBD(dt=0.1, t_max=0.1), {"S": EntanglementEntropy()}).run()
    >>> bool(data["S"][0] < 1e-12) and bool(data["S"][1] > 1e-3)
    True
    """

    long_name = "von Neumann entanglement entropy"

    @override
    def __call__(self, record: Snapshot, model: Model) -> float:
        """Return the entropy."""
        return cast(Pure, record.state).entanglement_entropy(chosen_bond(self.bond, model))


class EntropyProfile(Observable[Snapshot]):
    """The von Neumann entanglement entropy between the sites on the left and on the right of every bond.

    One sweep measures all of them. On a ring there is no bond between its last site and its first one here, and the
    entropy is that of a segment which begins at the first site.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=4)
    >>> data = nh.Simulation(chain, algorithms.NHTEBD(dt=0.1, t_max=0.1), {"S": EntropyProfile()}).run()
    >>> data["S"].shape, bool((data["S"][1] > 1e-3).all())
    ((2, 3), True)
    """

    measures = Snapshot
    needs = frozenset([Capability.PURE_STATE])
    dims = ("bond",)
    long_name = "von Neumann entanglement entropy of each bond"

    @override
    def __call__(self, record: Snapshot, model: Model) -> NDArray[np.float64]:
        """Return the entropy for each bond."""
        return cast(Pure, record.state).entanglement_profile()


class Norm(Observable[Snapshot]):
    """The norm ‖ψ(t)‖ of the un-normalised state, relative to the initial one.

    Its logarithm is in every dataset as ``log_norm``, which never overflows.

    Raises
    ------
    FloatingPointError
        If the norm is too large or too small for a double-precision number.

    Examples
    --------
    >>> Norm()(nh.Snapshot(time=1.0, state=None, log_norm=0.0), None)
    1.0
    >>> Norm()(nh.Snapshot(time=1.0, state=None, log_norm=1e4), None)
    Traceback (most recent call last):
    FloatingPointError: the norm exp(10000) at t = 1 is not representable; use log_norm of the dataset
    """

    measures = Snapshot
    needs = frozenset([Capability.NORM])
    long_name = "norm of the un-normalised state"

    @override
    def __call__(self, record: Snapshot, model: Model) -> float:
        """Return the norm."""
        with np.errstate(over="ignore", under="ignore"):
            norm = float(np.exp(cast(float, record.log_norm)))
        if not (np.isfinite(norm) and norm > 0):
            raise FloatingPointError(
                f"the norm exp({record.log_norm:g}) at t = {record.time:g} is not representable; "
                "use log_norm of the dataset"
            )
        return norm


def chosen_bond(bond: int | None, model: Model) -> int:
    """Return a bond of a chain: the one that is given, or else the one in the middle.

    Parameters
    ----------
    bond : int or None
        Between sites `bond` and `bond` + 1.
    model : Model
        Says how long the chain is.

    Raises
    ------
    ValueError
        If there is no such bond.

    Examples
    --------
    >>> chosen_bond(None, models.NonHermitianXXZ(L=8)), chosen_bond(5, models.NonHermitianXXZ(L=8))
    (3, 5)
    """
    require(bond is None or 0 <= bond < model.L - 1, "bond", bond, f"from 0 to {model.L - 2}")
    return model.L // 2 - 1 if bond is None else bond
