"""Every paper that a docstring of a public class names has an entry of BibTeX."""

import re

import pytest

from mpsnh import algorithms, models, observables
from mpsnh.papers import PAPERS, cited, described

NAMED = re.compile(r"([A-Z][A-Za-z. ]+ \d+, \d+) \(\d{4}\)|(DOI [\w./-]+)")


@pytest.mark.parametrize("package", [models, algorithms, observables])
def test_every_paper_has_an_entry(package):
    kinds = [base for name in package.__all__ for base in getattr(package, name).__mro__]
    texts = [described(kind) for kind in kinds if kind.__module__.startswith("mpsnh.")]
    named = {"".join(found) for text in texts for found in NAMED.findall(text)}
    assert [paper for paper in sorted(named) if not any(name in paper for name in PAPERS)] == []
    assert named


def test_entries_are_well_formed_and_of_the_paper_named():
    for name, entry in PAPERS.items():
        assert entry.count("{") == entry.count("}")
        assert re.match(r"@\w+\{\w+,\n", entry)
        number = re.findall(r"[\d-]+(?:, \d+)?$", name)[0]
        assert all(part in entry for part in number.split(", "))


def test_what_is_cited():
    assert re.findall(r"@\w+\{(\w+)", cited(models.RandomFloquetCircuit, algorithms.NHDMRG)) == [
        "mpsnh",
        "ha2023",
        "morningstar2022",
        "white1992",
        "kahan1982",
    ]
