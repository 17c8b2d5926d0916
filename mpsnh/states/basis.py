"""Whether two chains have the same local states, so that the numbers of one are those of the other."""

from __future__ import annotations

from collections.abc import Sequence

from mpsnh.checks import require
from mpsnh.language.site import Site


def require_same_basis(given: Sequence[Site] | None, needed: Sequence[Site] | None, whose: str, of: str) -> None:
    """Raise unless each site has the same states as the other: their names, in this order, and fermion parities.

    Charges only say what is conserved, and operators what can be measured: they may differ.

    Parameters
    ----------
    given, needed : sequence of Site, or None
        Two chains; None if a state does not know its sites, which says nothing against them.
    whose, of : str
        What has them, for the message.

    Raises
    ------
    ValueError
        If they differ; the message names the site.

    Examples
    --------
    >>> require_same_basis([nh.Boson(1)], [nh.Fermion()], "the state", "the model")
    Traceback (most recent call last):
    ValueError: site 0 of the state has the states '0', '1', but those of the model are 'full' (odd), 'empty'
    """
    if given is None or needed is None:
        return
    require(len(given) == len(needed), f"number of sites of {whose}", len(given), f"{len(needed)}, as of {of}")
    agreed: set[tuple[int, int]] = set()
    for j, (mine, theirs) in enumerate(zip(given, needed, strict=True)):
        if (id(mine), id(theirs)) in agreed:
            continue
        if (mine.states, mine.parities) != (theirs.states, theirs.parities):
            raise ValueError(
                f"site {j} of {whose} has the states {_shown(mine)}, but those of {of} are {_shown(theirs)}"
            )
        agreed.add((id(mine), id(theirs)))


def _shown(site: Site) -> str:
    return ", ".join(f"{name!r}" + " (odd)" * (p < 0) for name, p in zip(site.states, site.parities, strict=True))
