"""The reference page lists all models, algorithms and observables, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.language.site import Boson, Fermion, Spin

TEXT = (Path(__file__).parents[2] / "docs" / "reference.md").read_text(encoding="utf-8")


def rows(title):
    """The cells of the table under a title, without its head."""
    section = TEXT.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def classes(package):
    kinds = nh.Model, nh.Algorithm, nh.Observable
    return {name: thing for name, thing in vars_of(package) if isinstance(thing, type) and issubclass(thing, kinds)}


def vars_of(package):
    return [(name, getattr(package, name)) for name in package.__all__]


def names_of(kinds):
    listed = kinds if isinstance(kinds, tuple) else (kinds,)
    return ", ".join(
        f"`{kind.__name__.removeprefix('Truncated').removeprefix('Exact').removeprefix('Mixed')}`" for kind in listed
    )


@pytest.mark.parametrize("package", [models, algorithms, observables])
def test_all_are_listed(package):
    title = package.__name__.rpartition(".")[2].capitalize()
    assert sorted(row[0].strip("`") for row in rows(title)) == sorted(classes(package))


def test_what_is_said_of_algorithms_and_observables_is_so():
    assert {name.strip("`"): yields for name, _, yields in rows("Algorithms")} == {
        name: names_of(algorithm.yields) for name, algorithm in classes(algorithms).items()
    }
    assert {name.strip("`"): tuple(rest) for name, _, *rest in rows("Observables")} == {
        name: (names_of(observable.measures), ", ".join(observable.dims) or "–")
        for name, observable in classes(observables).items()
    }


def test_operators_of_sites_are_listed():
    sites = {"Spin(S)": Spin(0.5), "Fermion()": Fermion(), "Boson(n_max)": Boson(3)}
    for name, _, operators, _ in rows("Local spaces"):
        assert set(re.findall(r"\b[A-Za-z]{1,4}\b", operators.split(" for ")[0])) | {"Id", "F"} == set(
            sites[name.strip("`")].operators
        )
