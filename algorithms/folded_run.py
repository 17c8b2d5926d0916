"""The evolution of a ring as that of a ladder."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from mpsnh.base.evolution import TimeEvolution
from mpsnh.base.model import Model
from mpsnh.base.snapshot import Snapshot
from mpsnh.language.site import Site
from mpsnh.states.folded import FoldedMPS, fold
from mpsnh.states.mps import MPS

A = TypeVar("A", bound=TimeEvolution[Any])


def for_ladders(algorithm: A, ring: Model) -> A:
    """Return the algorithm that evolves a folded ring as another one is to evolve the ring.

    Parameters
    ----------
    algorithm : TimeEvolution
        Of the ring.
    ring : Model
        The ring, which must live as long as the initial state may be asked for.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=6, boundary="periodic")
    >>> for_ladders(algorithms.NHTEBD(dt=0.1, t_max=1.0), ring).initial(None).local_sites[0].states
    ('up,up', 'up,down', 'down,up', 'down,down')
    """
    known = weakref.ref(ring)  # what is remembered of a model must not keep it alive

    def initial(_: Model) -> MPS:
        ring = known()
        assert ring is not None
        return fold(algorithm.initial_state(ring)).ladder

    parameters = {field.name: getattr(algorithm, field.name) for field in fields(algorithm)}
    return type(algorithm)(**parameters | {"initial": initial})


def on_ladder(after: Snapshot | None) -> Snapshot | None:
    """Return a snapshot of a ring as one of its ladder.

    Parameters
    ----------
    after : Snapshot or None
        Of a ring.

    Raises
    ------
    TypeError
        If its state is not folded.

    Examples
    --------
    >>> on_ladder(nh.Snapshot(0.0, nh.MPS.product([nh.Spin(0.5)] * 4, ["up"] * 4)))
    Traceback (most recent call last):
    TypeError: on a ring a FoldedMPS is continued, not MPS
    """
    if after is None:
        return None
    if not isinstance(after.state, FoldedMPS):
        raise TypeError(f"on a ring a FoldedMPS is continued, not {type(after.state).__name__}")
    return replace(after, state=after.state.ladder)


def on_ring(records: Iterator[Snapshot], sites: Sequence[Site]) -> Iterator[Snapshot]:
    """Return snapshots of a ladder as those of its ring.

    Parameters
    ----------
    records : iterator of Snapshot
        Of the ladder.
    sites : sequence of Site
        Those of the ring.

    Examples
    --------
    >>> from mpsnh.language.rung import rungs
    >>> sites = [nh.Spin(0.5)] * 4
    >>> ladder = nh.Snapshot(0.0, nh.MPS.product(rungs(sites), ["up,up", "down,down"]))
    >>> next(on_ring(iter([ladder]), sites)).state.expect_each("Sz").real.tolist()
    [0.5, -0.5, -0.5, 0.5]
    """

    def unfolded(record: Snapshot) -> Snapshot:
        assert isinstance(record.state, MPS)
        return replace(record, state=FoldedMPS(record.state, tuple(sites)))

    # `map` holds no snapshot, whose state would have to be copied before the next step.
    return map(unfolded, records)
