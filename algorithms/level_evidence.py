"""What speaks for levels being the wanted ones, in words."""

from __future__ import annotations

from collections.abc import Sequence

from mpsnh.algorithms.known_levels import KnownLevel
from mpsnh.algorithms.level_problem import Level


def ended(same: Sequence[Level], others: Sequence[Level], grown: bool = False) -> str:
    """Say where the starts ended.

    Parameters
    ----------
    same, others : sequence of Level
        At this level, and elsewhere.
    grown : bool
        Whether each was without the levels that former ones had led to.

    Examples
    --------
    >>> slower = Level((), None, -1.5, 1e-9)
    >>> ended([None], [slower])
    '1 of 2 random starts ended here, others at -1.5 (residual 1e-09)'
    >>> ended([None], [slower], grown=True)
    '1 of 2 evolutions, each without what was found before, ended here, others at -1.5 (residual 1e-09)'
    """
    elsewhere = ", ".join(f"{level.energy:.6g} (residual {level.residual:.1g})" for level in others)
    total = len(same) + len(others)
    which = "evolutions, each without what was found before," if total > 1 else "evolutions"
    here = f"{len(same)} of {total} {which if grown else 'random starts'} ended here"
    return here + (f", others at {elsewhere}" if others else "")


def tied(known: KnownLevel, error: float) -> list[Level]:
    """Return the levels at which other starts ended that grow as fast as the one that came first, or faster.

    Parameters
    ----------
    known : KnownLevel
        The one that came first.
    error : float
        How far an eigenvalue may be from it.

    Examples
    --------
    >>> from mpsnh.algorithms.level_problem import Certificate
    >>> first, equal, slow = (Level((), None, energy, 1e-9) for energy in (1 + 0.5j, 2 + 0.5j, 0.4j))
    >>> sure = Certificate(first.energy, 1e-9, None, None, (0.0, 0.0), 1.0)
    >>> [level.energy for level in tied(KnownLevel(first, None, 1.0, sure, [first], [equal, slow]), 1e-9)]
    [(2+0.5j)]
    """
    fast = known.certificate.energy.imag
    return [level for level in known.others if level.energy.imag - fast >= -(level.residual + error)]


def evidence(
    starts: Sequence[tuple[Sequence[Level], Sequence[Level]]],
    *,
    variational: bool,
    certified: bool = True,
    inside: bool = False,
    still: bool = False,
    late: Sequence[int] = (),
    unsettled: int = 0,
    grown: bool = False,
    close: bool = False,
    alone: bool = False,
    lost: Sequence[float] = (),
) -> str:
    """Say what speaks for levels being the wanted ones.

    Parameters
    ----------
    starts : sequence of (sequence of Level, sequence of Level)
        For each level, where the starts ended: at this one, and elsewhere.
    variational : bool
        Whether no state can lie below the first level.
    certified : bool
        Whether all are known to be levels.
    inside : bool
        Whether levels inside of the spectrum were asked for.
    still : bool
        Whether those that grow fastest were, and the first one does not grow.
    late : sequence of int
        Levels that were found after some that come later.
    unsettled : int
        Starts whose evolution ended before it settled.
    grown : bool
        Whether starts were evolved, each without the levels that former ones had led to.
    close : bool
        Whether the last of them still led to a level that is nearly as fast.
    alone : bool
        Whether there was one evolution only for each level.
    lost : sequence of float
        Residuals of the right and the left vector, if they are large since the gauge was taken back.

    Examples
    --------
    >>> evidence([([None, None], [])], variational=True)
    'the lowest level is at most this one; 2 of 2 random starts ended here; that it is the first one is not proven'
    >>> evidence([([None], []), ([None], [])], variational=False, late=[1])
    'level 0: 1 of 1 random starts ended here; level 1: 1 of 1 random starts ended here; level 1 was found after ...'
    """
    one = len(starts) == 1
    doubt = f"the level{' is' if one else 's are'} not certified, so that it proves little where starts ended"
    parts = [] if certified else [doubt]
    parts += ["the lowest level is at most " + ("this one" if one else "the first one")] if variational else []
    parts += [("" if one else f"level {k}: ") + ended(*of_level, grown) for k, of_level in enumerate(starts)]
    if late:
        which = f"level{'s' * (len(late) > 1)} {', '.join(map(str, late))} {'were' if len(late) > 1 else 'was'}"
        parts += [f"{which} found after later ones, so that searches do miss some"]
    if unsettled:
        which = "the evolution" if unsettled == 1 else f"{unsettled} evolutions"
        parts += [f"{which} had not settled, so that others may grow faster"]
    parts += ["levels grow too nearly alike to tell, so that others may grow faster"] if close else []
    parts += ["one evolution does not show levels that are nearly as fast, or a little faster"] if alone else []
    parts += ["that it is the first one is not proven" if one else "that none before the last is missing is not proven"]
    parts += ["nothing grows within the error: if that is so of all levels, none is the fastest"] if still else []
    if lost:
        numbers = " and ".join(f"{residual:.1g}" for residual in lost)
        parts += [f"scaled back, the right and the left vector have residuals of {numbers}, which the level has not"]
    parts += ["inside of a spectrum starts often agree on a level that is not the closest"] if inside else []
    return "; ".join(parts)
