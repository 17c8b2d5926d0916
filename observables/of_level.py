"""Observables of states, measured in an eigenvector."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike
from typing_extensions import override

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.capability import Capability
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.snapshot import Snapshot
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require, warn
from mpsnh.observables.steady_state import number_alike, require_vectors

TOLD = ("dims", "coords", "long_name", "units", "infinite")
"""What an observable says of its result."""


class OfLevel(Observable[Spectrum]):
    """An observable of states, in the right vector of one level.

    A level that is degenerate has many vectors, and is refused. That of `NHDMRG` is known to be so only if two of its
    starts ended with different vectors: with one start nothing is known of it. Of levels that grow alike it is chance
    which one comes first, and there is a warning.

    Parameters
    ----------
    observable : Observable of a Snapshot
        What to measure, such as `CurrentProfile()`; it may need neither a time nor a norm.
    level : int
        The place of the level in the spectrum.

    Raises
    ------
    TypeError
        If this is no observable of states.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=20, gamma=0.2, h=3.0)
    >>> profile = OfLevel(observable=observables.Magnetization())
    >>> data = nh.Simulation(chain, algorithms.NHDMRG(), {"sz": profile}).run()
    >>> data["sz"].dims, bool(abs(data["sz"].sum()) < 1e-9)
    (('site',), True)
    """

    measures = Spectrum
    needs = frozenset([Capability.RIGHT_VECTORS])
    long_name = "that of the observable"
    observable: Observable[Any]
    level: int = 0

    @override
    def validate(self) -> None:
        inner: Any = self.observable
        kinds = getattr(inner, "measures", ()) if isinstance(inner, Observable) else ()
        if Snapshot not in (kinds if isinstance(kinds, tuple) else (kinds,)):
            raise TypeError(f"observable = {inner!r}, but it must be an observable of states, such as Magnetization()")
        require(
            Capability.NORM not in inner.needs, "observable", inner, "one that needs no norm, which levels have not"
        )
        require(self.level >= 0, "level", self.level, "zero or positive")
        for name in TOLD:
            object.__setattr__(self, name, getattr(inner, name))

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        if Capability.PURE_STATE in self.observable.needs:
            require_vectors(self.observable, model)
        found = getattr(algorithm, "k", None)
        if isinstance(found, int):
            who = f"{type(algorithm).__name__} with k = {found}"
            require(self.level < found, "level", self.level, f"less than the number of levels that {who} finds")
        self.observable.check(model, algorithm)

    @override
    def __call__(self, record: Spectrum, model: Model) -> ArrayLike:
        """Return what the observable measures in the level's right vector."""
        state, copies = record.state(self.level), record.copies(self.level)
        if copies > 1:
            raise ArithmeticError(
                f"level {self.level} is degenerate: {copies} levels are the same within their errors, and each of "
                "their vectors has its own values; break the symmetry, or choose a sector with charge"
            )
        grows = (
            record.order == "growth" and model.generator.amplification(record.values[:1])[0] > record.resolution()[0]
        )
        if grows and (alike := number_alike(record, model)) > max(self.level, 1):
            warn(
                f"level {self.level} is one of {alike} that grow alike within their errors: which of them comes "
                "first is chance",
                RuntimeWarning,
            )
        return self.observable(Snapshot(time=0.0, state=state), model)
