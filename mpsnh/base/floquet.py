"""Models that evolve by whole periods, as circuits of gates."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import ClassVar

from typing_extensions import override

from mpsnh.base.model import Model
from mpsnh.checks import require
from mpsnh.language.circuit import Layer
from mpsnh.language.generator import Circuit


class FloquetModel(Model):
    """A model that evolves by whole periods; a new model must only write `layers`.

    The gates need not be unitary. Time is counted in periods.

    Examples
    --------
    >>> import scipy.linalg
    >>> from mpsnh.language.circuit import Gate
    >>> class Kicked(FloquetModel):
    ...     angle: float = 0.1
    ...     def layers(self):
    ...         kick = scipy.linalg.expm(-1j * self.angle * self.sites[0].op("X"))
    ...         return [tuple(Gate(kick, (j,)) for j in range(self.L))]
    >>> bool(np.allclose(np.abs(np.linalg.eigvals(Kicked(L=2).matrix())), 1))
    True
    """

    time_units: ClassVar[str] = "period"

    @abstractmethod
    def layers(self) -> list[Layer]:
        """Return the layers of gates of one period, in the order in which they act."""

    @cached_property
    @override
    def generator(self) -> Circuit:
        return Circuit(self.layers())

    @override
    def check_time_step(self, dt: float) -> None:
        require(dt == 1, "dt", dt, "1, since a Floquet model advances by whole periods")
