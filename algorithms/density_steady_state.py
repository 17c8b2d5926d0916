"""Steady states of open chains by evolution."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from typing_extensions import override

from mpsnh.algorithms.density_tebd import DensityTEBD, Mixture
from mpsnh.base.model import Model
from mpsnh.base.records import Diagnostic
from mpsnh.base.remembered import Remembered
from mpsnh.base.snapshot import Snapshot, TruncatedSnapshot
from mpsnh.checks import require, warn
from mpsnh.operators.mpo import MPO, mpo
from mpsnh.states.variance import residual


@dataclass(frozen=True)
class SteadySnapshot(TruncatedSnapshot):
    """A snapshot on the way to a steady state.

    Attributes
    ----------
    residual : float
        ‖𝓛 ρ‖ / ‖ρ‖ in the Hilbert–Schmidt norm, which is 0 in a steady state.

    Examples
    --------
    >>> SteadySnapshot(time=0.0, state=nh.DensityMPS.infinite_temperature([nh.Spin(0.5)] * 2), residual=0.5).residual
    0.5
    """

    residual: float = 0.0

    _NUMBERS: ClassVar[tuple[str, ...]] = (*TruncatedSnapshot._NUMBERS, "residual")


class DensitySteadyState(DensityTEBD):
    """The steady state of an open chain, by evolution of its density operator until ‖𝓛 ρ‖ / ‖ρ‖ is small.

    The residual is measured in each record with the Lindblad equation itself, so that it sees what steps and
    truncations do, in the Hilbert–Schmidt norm. Once it is small enough no gate acts any more, and all later records
    are the same. How far values are from those of the steady state is the residual over the rate of the slowest
    relaxation, which may be small: the current of a chain of N sites with dephasing relaxes in a time of N².

    Parameters
    ----------
    dt, t_max, every, order, max_bond, cutoff, excess, weight, tolerance, initial
        As for `DensityTEBD`. What the cutoff discards at each gate stays in the residual, which `dt` is divided by.
    until : float
        The residual at which the state counts as steady, in units of J. A run that ends before gives a warning.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> jumps = [nh.OpSum([(1.0, "Sp", 0)]), nh.OpSum([(1.0, "Sm", 3)])]
    >>> hop = nh.OpSum.sum((0.5, "Sp", j, "Sm", j + 1) for j in range(3))
    >>> driven = models.OpenChain(L=4, hamiltonian=hop + hop.dag(), jump_operators=jumps)
    >>> way = DensitySteadyState(dt=0.25, t_max=120.0, every=40, order=4, initial="infinite temperature")
    >>> *_, last = way.records(driven)
    >>> current = nh.OpSum([(0.5j, "Sp", 1, "Sm", 2), (-0.5j, "Sm", 1, "Sp", 2)])
    >>> last.residual < 1e-5, round(last.state.expect(current).real, 5)
    (True, 0.25)
    """

    yields = SteadySnapshot
    diagnostics = DensityTEBD.diagnostics | {
        "residual": Diagnostic("residual", "‖𝓛 ρ‖ / ‖ρ‖ in the Hilbert–Schmidt norm", "J")
    }
    cutoff: float = 1e-16
    until: float = 1e-5

    @override
    def validate(self) -> None:
        require(self.until > 0, "until", self.until, "positive")

    @functools.cached_property
    def _generators(self) -> Remembered[MPO]:
        return Remembered(lambda view: mpo(view.generator, view.sites))

    def _residual(self, carry: Mixture) -> float:
        vector = carry.state.weighted(1.0).mps
        return residual(self._generators.of(carry.sweep.model), vector, energy=0.0)

    @override
    def init(self, model: Model, after: Snapshot | None) -> Mixture:
        carry = super().init(model, after)
        carry.residual = after.residual if isinstance(after, SteadySnapshot) else self._residual(carry)
        return carry

    @override
    def advance(self, carry: Mixture, t: float, dt: float, steps: int) -> Mixture:
        if carry.residual <= self.until:
            return carry
        carry = super().advance(carry, t, dt, steps)
        carry.residual = self._residual(carry)
        if carry.residual > self.until and t + steps * dt > self.t_max - dt / 2:
            warn(
                f"DensitySteadyState: the residual is still {carry.residual:.1g} at t_max = {self.t_max:g}, above "
                f"until = {self.until:g}; use a larger t_max, or if it does not fall a larger max_bond or a smaller "
                "cutoff and dt",
                RuntimeWarning,
            )
        return carry

    @override
    def record(self, carry: Mixture, t: float) -> SteadySnapshot:
        now = super().record(carry, t)
        known: dict[str, Any] = {field.name: getattr(now, field.name) for field in fields(now)}
        return SteadySnapshot(**known, residual=carry.residual)
