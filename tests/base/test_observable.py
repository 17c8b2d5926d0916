"""What observables say that they need is held, whoever wrote the method, and said in one way only."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import models
from tests.support.spectra import spectrum_of

RING = models.NonHermitianXXZ(L=4, boundary="periodic")


class Counts:
    """No observable, but what observables are made of."""

    def __call__(self, record, model):
        return len(record.right)


class Vectors(Counts, nh.Observable[nh.Spectrum]):
    measures = nh.Spectrum
    needs = frozenset([nh.Capability.RIGHT_VECTORS])


def test_a_method_of_another_class_is_guarded():
    with pytest.raises(ValueError, match="Vectors needs right eigenvectors, which this Spectrum does not give"):
        Vectors()(spectrum_of([1.0, 2.0]), RING)
    with pytest.raises(TypeError, match="Silent does not say what it measures"):

        class Silent(Counts, nh.Observable): ...


@pytest.mark.parametrize(
    ("needs", "shown"),
    [
        ("right eigenvectors", "'right eigenvectors'"),
        (frozenset(["RIGHT_VECTORS"]), r"frozenset\({'RIGHT_VECTORS'}\)"),
        (nh.Capability.RIGHT_VECTORS, "<Capability.RIGHT_VECTORS.*"),
        (nh.Capability, "<enum 'Capability'>"),
        ([nh.Capability.RIGHT_VECTORS], r"\[<Capability.RIGHT_VECTORS.*\]"),
    ],
)
def test_what_is_needed_or_given_is_a_set_of_capabilities(needs, shown):
    with pytest.raises(TypeError, match=f"Mine.needs = {shown}, but it must be a set: {{nh.Capability"):
        type("Mine", (Vectors,), {"needs": needs})
    with pytest.raises(TypeError, match=f"Mine.gives = {shown}, but it must be a set: {{nh.Capability"):
        type("Mine", (nh.algorithms.ExactDiag,), {"gives": needs})


@pytest.mark.parametrize("text", ["up", np.array(["up"]), np.str_("up"), ["up", "down"], np.array([None])], ids=repr)
def test_text_is_no_number(text):
    class Says(nh.Observable[nh.Spectrum]):
        measures = nh.Spectrum

        def __call__(self, record, model):
            return text

    with pytest.raises(TypeError, match=r"Says returned .*, but it must return a number, or an array of numbers with"):
        Says()(spectrum_of([1.0, 2.0]), RING)
