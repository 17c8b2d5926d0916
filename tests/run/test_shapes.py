"""What observables return must fit into one dataset; what does not is refused in one sentence, and early."""

from __future__ import annotations

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables


class Returns(nh.Observable[nh.Snapshot]):
    """Whatever it is told to, at each of the records in turn."""

    measures = nh.Snapshot
    values: object = ()

    def __call__(self, snapshot, model):
        return self.values[round(10 * snapshot.time)]


class Along(Returns):
    dims = ("x",)


class Labelled(Along):
    coords = {"x": ("a", "b")}


def simulation(**observables):
    return nh.Simulation(models.NonHermitianXXZ(L=2), algorithms.ExactEvolution(dt=0.1, t_max=0.2), observables)


@pytest.mark.parametrize(
    ("observables", "error", "message"),
    [
        ({"x0": Returns(values=[None] * 3)}, TypeError, "Returns returned None"),
        ({"d": Returns(values=[{"a": 1}] * 3)}, TypeError, "Returns returned .*, but it must return a number"),
        ({"s": Returns(values=["text"] * 3)}, TypeError, "Returns returned .*, but it must return a number"),
        ({"r": Along(values=[[[1], [1, 2]]] * 3)}, TypeError, "Along returned .*, but it must return a number"),
        (
            {"g": Along(values=[[1], [1], [1, 2]])},
            ValueError,
            r"'g' returned the shape \(2,\) at one record and \(1,\)",
        ),
        ({"n": Along(values=[1.0] * 3)}, ValueError, r"'n' returned shape \(\), but its dims are \('x',\)"),
        (
            {"a": Along(values=[[1, 2]] * 3), "b": Along(values=[[1, 2, 3]] * 3)},
            ValueError,
            "the dimension 'x' has the size 3 in observable 'b' and 2 in observable 'a'",
        ),
        (
            {"a": Labelled(values=[[1, 2, 3]] * 3)},
            ValueError,
            "'x' has the size 3 in observable 'a' and 2 in the labels of observable 'a'",
        ),
    ],
)
def test_refused_results(observables, error, message):
    with pytest.raises(error, match=message):
        simulation(**observables).run()
    with pytest.raises(error, match=message):
        nh.sweep(lambda seed: simulation(**observables), {"seed": [0]}, on_error="raise")


def test_a_result_that_changes_its_shape_stops_the_run_at_once(tmp_path):
    """And not at its end, after hours; what was measured before is kept."""
    with pytest.raises(ValueError, match="returned the shape"):
        simulation(g=Along(values=[[1], [1, 2], [1]])).run(checkpoint=tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as arrays:
        assert arrays["labels"].tolist() == [0.0]


def test_an_observable_may_fill_the_same_array_again():
    buffer = np.zeros(1)

    class Filling(nh.Observable[nh.Snapshot]):
        measures, dims = nh.Snapshot, ("x",)

        def __call__(self, snapshot, model):
            buffer[0] = snapshot.time
            return buffer

    assert simulation(t=Filling()).run()["t"].values.tolist() == [[0.0], [0.1], [0.2]]


def declared(**attributes):
    return type("Declared", (Returns,), attributes)(values=[0.0] * 3)


@pytest.mark.parametrize(
    ("name", "observable", "error", "message"),
    [
        ("x", declared(dims=["site"]), TypeError, r"'x' has dims = \['site'\], but they must be a tuple of names"),
        ("x", declared(dims=("time",)), ValueError, "dims = .* but the records have that one already"),
        ("x", declared(dims=("site", "site")), ValueError, "dims = .* but each must be there once"),
        ("x", declared(coords={"site": (0, 1)}), ValueError, r"labels of observable 'x' = 'site', but .* dims \(\)"),
        ("a/b", declared(), ValueError, "observable name = 'a/b', but it must be a name that files can hold"),
        (".zattrs", declared(), ValueError, "observable name = '.zattrs', but"),
        ("", declared(), ValueError, "observable name = '', but"),
    ],
)  # fmt: skip
def test_refused_declarations(name, observable, error, message):
    with pytest.raises(error, match=message):
        simulation(**{name: observable})


def test_what_is_no_number_is_said():
    class Sick(nh.Observable[nh.Snapshot]):
        measures = nh.Snapshot

        def __call__(self, record, model):
            return np.nan if record.time > 0.5 else 1.0

    way = algorithms.ExactEvolution(dt=1.0, t_max=2.0)
    sick = nh.Simulation(models.NonHermitianXXZ(L=4), way, {"sz": observables.Magnetization(), "sick": Sick()})
    with pytest.warns(RuntimeWarning, match="the result 'sick' is not finite; a sweep would count it as failed"):
        result = sick.run()
    assert result.sick[0] == 1.0
