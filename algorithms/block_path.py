"""A matrix-product state on its way from click to click."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.clicks import GROWTH, ClickSnapshot
from mpsnh.language.circuit import Layer
from mpsnh.states.symmetric import from_blocks
from mpsnh.states.workspace import BlockState

if TYPE_CHECKING:
    from mpsnh.algorithms.block_paths import BlockPaths

CLOSE = 1e-9
"""Difference of the logarithm of a norm from where a click is that is as good as none, beside errors of time steps."""

SAME = 1e-9
"""Relative difference of times that is rounding."""


class Kept(NamedTuple):
    """A state to which a path may return.

    Examples
    --------
    >>> Kept({}, -0.1, 0.0).log_norm
    -0.1
    """

    arrays: dict[str, NDArray[Any]]
    log_norm: float
    discarded: float


class BlockPath:
    """A matrix-product state on its way from click to click (`mpsnh.base.clicks.Path`).

    Parameters
    ----------
    paths : BlockPaths
        Of its model.
    workspace : BlockState
        The state, which is changed in place.
    discarded : float
        Weight that was discarded before.

    Examples
    --------
    >>> chain, inner = models.OpenXXZ(L=4, gamma=0.5), algorithms.NHTEBD(dt=0.1, t_max=1.0)
    >>> path = inner.paths(chain).begin(inner.initial_state(chain))
    >>> path.jump(0)
    >>> path.record(0.0, np.zeros(1), np.zeros(1, int)).state.expect_each("Sz").real.round(12).tolist()
    [-0.5, -0.5, 0.5, -0.5]
    """

    def __init__(self, paths: BlockPaths, workspace: BlockState, discarded: float = 0.0) -> None:
        self._paths, self._workspace, self._discarded = paths, workspace, discarded
        rounding = float(np.finfo(workspace.dtype).eps)
        self.growth = max(GROWTH, 1e4 * rounding)
        self._close = max(CLOSE, 10 * rounding)

    @property
    def log_norm(self) -> float:
        """Logarithm of the norm since the last click."""
        return self._workspace.log_norm

    def until(self, begin: float, end: float, log_norm: float) -> float | None:
        """Evolve between two times of an interval, but only until the norm has fallen so far; return when, or None.

        Parameters
        ----------
        begin, end : float
            Counted from the last record.
        log_norm : float
            Where `log_norm` is to stop.
        """
        paths, t = self._paths, begin
        while t < end:
            whole = math.floor((end - t) / paths.length + SAME)
            done, at_end = self._whole_steps(whole, log_norm) if whole else (0, None)
            t = end if end - t < (done + SAME) * paths.length else t + done * paths.length
            if done < whole or not whole:
                step = min(paths.length, end - t)
                fallen = self._within(step, log_norm, at_end)
                if fallen is not None:
                    return t + fallen
                t = end if step == end - t else t + step
        self._workspace.move_to(len(paths.sites) // 2)  # as NHTEBD does at records
        return None

    def _apply(self, layers: Sequence[Layer]) -> None:
        for layer in layers:
            self._discarded += float(self._workspace.apply(layer, self._paths.truncation).sum())

    def _keep(self) -> Kept:
        return Kept(self._workspace.packed(), self._workspace.log_norm, self._discarded)

    def _restore(self, kept: Kept) -> None:
        self._workspace.unpack(kept.arrays)
        self._workspace.log_norm, self._discarded = kept.log_norm, kept.discarded

    def _whole_steps(self, number: int, log_norm: float) -> tuple[int, float | None]:
        """Take steps until the norm would fall so far in the next one; return how many, and its norm then, if known."""
        paths = self._paths
        last, closing = self._keep(), list[Layer]()  # what a step is closed with before the norm falls
        self._apply([*paths.opening, *paths.body])
        for done in range(number):
            opened = self._keep()
            self._apply(paths.seam if done + 1 < number else paths.closing)
            # gates only take from the norm, so that it had not fallen at the end of the step if not after the seam
            if self.log_norm > log_norm:
                last, closing = opened, paths.closing
                self._apply(paths.body if done + 1 < number else [])
                continue
            if done + 1 < number:
                self._restore(opened)
                self._apply(paths.closing)
                if self.log_norm > log_norm:
                    return done + 1, None
            at_end = self.log_norm
            self._restore(last)
            self._apply(closing)
            return done, at_end
        return number, None

    def _within(self, step: float, log_norm: float, at_end: float | None) -> float | None:
        """Bring the state to the time within a step where the norm has fallen so far; return it, or None at the end."""
        kept = self._keep()
        if at_end is None:
            self._apply(self._paths.parts.of(step))
            at_end = self.log_norm
            if at_end > log_norm:
                return None
        times, values = [0.0, step], [kept.log_norm - log_norm, at_end - log_norm]
        low, high, time = 0.0, step, step
        while abs(values[-1]) > self._close and high - low > SAME * step:
            time = _inverse(times, values)
            if not low < time < high:
                time = (low + high) / 2
            self._restore(kept)
            self._apply(self._paths.parts.of(time))
            times, values = [*times, time], [*values, self.log_norm - log_norm]
            low, high = (time, high) if values[-1] > 0 else (low, time)
        return time

    def rates(self) -> NDArray[np.float64]:
        """Return ⟨L_k† L_k⟩ of each jump."""
        before = self._workspace.log_norm
        rates, lost = self._paths.rates(self._workspace)
        self._workspace.log_norm = before
        self._discarded += lost
        return rates

    def jump(self, number: int) -> None:
        """Let a jump act, and begin with `log_norm` = 0 again.

        Parameters
        ----------
        number : int
            Which one.
        """
        self._workspace, lost = self._paths.jumped(self._workspace, number)
        self._discarded += lost

    def record(self, t: float, times: NDArray[np.float64], which: NDArray[np.int64]) -> ClickSnapshot:
        """Return a snapshot with the clicks so far.

        Parameters
        ----------
        t : float
            The time.
        times, which : ndarray
            Of the clicks.
        """
        now = self._workspace
        state = from_blocks(now.view(), self._paths.sites, (now.centre, now.centre + 1))
        return ClickSnapshot(t, state, now.log_norm, now.carry(), times=times, which=which, discarded=self._discarded)


def _inverse(times: Sequence[float], values: Sequence[float]) -> float:
    """Interpolate times as a polynomial of the values, and return it at zero."""
    total = 0.0
    for k, (time, value) in enumerate(zip(times, values, strict=True)):
        weight = 1.0
        for other in (other for j, other in enumerate(values) if j != k):
            weight *= other / (other - value) if other != value else math.inf
        total += weight * time
    return total
