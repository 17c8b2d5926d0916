"""What speaks for levels being the wanted ones, and against it, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpsnh.algorithms.known_levels import KnownLevel
from mpsnh.algorithms.level_problem import Certificate, Level

SPOILT = 1e3
"""Residual of a vector that is scaled back, in units of that in the gauge, that is told of."""


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


@dataclass(frozen=True)
class Evidence:
    """What speaks for levels being the wanted ones, and against it.

    Parameters
    ----------
    remarks : sequence of (str, bool)
        Sentences, and whether each one says that another level may come before the first one.

    Examples
    --------
    >>> told = Evidence([("2 of 2 random starts ended here", False), ("the level is not certified", True)])
    >>> told.text, told.doubted
    ('2 of 2 random starts ended here; the level is not certified', True)
    """

    remarks: Sequence[tuple[str, bool]]

    @property
    def text(self) -> str:
        """All of it."""
        return "; ".join(text for text, _ in self.remarks)

    @property
    def doubted(self) -> bool:
        """Whether something speaks for another level that comes before the first one."""
        return any(doubt for _, doubt in self.remarks)

    @classmethod
    def of(
        cls,
        levels: Sequence[KnownLevel],
        *,
        starts: int,
        certified: bool,
        variational: bool = False,
        inside: bool = False,
        far: bool = False,
        still: bool = False,
        late: Sequence[int] = (),
    ) -> Evidence:
        """Collect what is known of some levels, in their order.

        Parameters
        ----------
        levels : sequence of KnownLevel
            The levels.
        starts : int
            Random starts for each of them.
        certified : bool
            Whether all are known to be levels.
        variational : bool
            Whether no state can lie below the first level.
        inside : bool
            Whether levels inside of the spectrum were asked for.
        far : bool
            Whether terms reach farther than neighbours.
        still : bool
            Whether those that grow fastest were asked for, and the first one does not grow.
        late : sequence of int
            Levels that were found after some that come later.

        Examples
        --------
        >>> from mpsnh.algorithms.level_problem import Certificate
        >>> here, sure = Level((), None, 1.5, 1e-9), Certificate(1.5, 1e-9, None, None, (0.0, 0.0), 1.0)
        >>> known = KnownLevel(here, None, 1.0, sure, [here, here], [])
        >>> Evidence.of([known], starts=2, certified=True).text
        '2 of 2 random starts ended here; that it is the first one is not proven'
        """
        one, grown = len(levels) == 1, levels[0].grown
        told, which = list[tuple[str, bool]](), "the level is" if one else "the levels are"
        if not certified:
            told += [(f"{which} not certified, so that it proves little where starts ended", True)]
        if variational:
            told += [("the lowest level is at most " + ("this one" if one else "the first one"), False)]
        for k, level in enumerate(levels):
            agree = grown or len(level.same) > 1
            told += [(("" if one else f"level {k}: ") + ended(level.same, level.others, grown), not agree)]
        if late:
            which = f"level{'s' * (len(late) > 1)} {', '.join(map(str, late))} {'were' if len(late) > 1 else 'was'}"
            told += [(f"{which} found after later ones, so that searches do miss some", True)]
        if unsettled := sum(level.unsettled for level in levels):
            which = "the evolution" if unsettled == 1 else f"{unsettled} evolutions"
            told += [(f"{which} had not settled, so that others may grow faster", True)]
        if any(level.close for level in levels):
            told += [("levels grow too nearly alike to tell, so that others may grow faster", True)]
        if far and not variational:
            told += [("terms reach far, and with those sweeps can end at a later level", True)]
        if grown and starts == 1:
            told += [("one evolution does not show levels that are nearly as fast, or a little faster", True)]
        unproven = "that it is the first one is" if one else "that none before the last is missing is"
        told += [(f"{unproven} not proven", False)]
        if still:
            told += [("nothing grows within the error: if that is so of all levels, none is the fastest", True)]
        if spoilt := next((level.certificate.residuals for level in levels if _spoilt(level.certificate)), None):
            numbers = " and ".join(f"{residual:.1g}" for residual in spoilt)
            what = "scaled back, the right and the left vector have residuals of"
            told += [(f"{what} {numbers}, which the level has not", False)]
        if inside:
            told += [("inside of a spectrum starts often agree on a level that is not the closest", True)]
        return cls(told)


def _spoilt(certificate: Certificate) -> bool:
    """Tell whether the vectors of H itself are much worse than those in the gauge."""
    return max(certificate.residuals) > max(SPOILT * max(certificate.inner), certificate.error)
