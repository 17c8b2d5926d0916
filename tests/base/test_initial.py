"""States that evolutions begin with."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models
from mpsnh.language.opsum import OpSum

CHAIN = models.NonHermitianXXZ(L=8)


class Bosons(nh.HamiltonianModel):
    """Free bosons, with at most three on a site."""

    charge: int | None = 4

    sites = (nh.Boson(3),) * 3

    def terms(self):
        return OpSum.sum((1, "bdag", i, "b", j) for i, j in ((0, 1), (1, 0), (1, 2), (2, 1)))


def begun(initial, model=CHAIN, name="Sz"):
    first = next(iter(algorithms.NHTEBD(dt=0.1, t_max=0.1, initial=initial).records(model)))
    exact = next(iter(algorithms.ExactEvolution(dt=0.1, t_max=0.1, initial=initial).records(model)))
    values = first.state.expect_each(name).real
    np.testing.assert_allclose(exact.state.expect_each(name).real, values, atol=1e-14)
    return values.round(12).tolist()


def test_patterns():
    assert begun("10") == begun("neel") == begun(["up", "down"] * 4)
    assert begun("11001100") == begun("1100") == [0.5, 0.5, -0.5, -0.5] * 2
    assert begun("202", Bosons(L=3), "n") == [2, 0, 2]


def test_domain_walls():
    assert begun(nh.DomainWall()) == [0.5] * 4 + [-0.5] * 4
    assert begun(nh.DomainWall(left=3), models.NonHermitianXXZ(L=8, charge=-2)) == [0.5] * 3 + [-0.5] * 5


def test_random_products_have_the_charge_and_are_equally_likely():
    drawn = [tuple(nh.RandomProduct(seed=s)(models.NonHermitianXXZ(L=4)).expect_each("Sz").real) for s in range(600)]
    patterns, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(patterns) == 6
    assert (patterns.sum(axis=1) == 0).all()
    assert ((counts - 100) ** 2 / 100).sum() < 20.5  # χ² of five degrees of freedom: larger in 1 ‰
    assert nh.RandomProduct(seed=3) == nh.RandomProduct(seed=3)
    assert begun(nh.RandomProduct(seed=3)) == begun(nh.RandomProduct(seed=3))
    assert sum(begun(nh.RandomProduct(seed=5), Bosons(L=3), "n")) == 4


@pytest.mark.parametrize(
    ("initial", "model", "message"),
    [
        ("100", CHAIN, "a pattern whose length divides L = 8"),
        ("1000", CHAIN, "has charge -4"),
        ("3010", CHAIN, "a number of quanta that one state of site 0"),
        (nh.DomainWall(left=9), CHAIN, "left = 9, but it must be from 0 to L = 8"),
        (nh.DomainWall(left=3), CHAIN, "has charge -2"),
        (nh.RandomProduct(), models.NonHermitianXXZ(L=4, charge=6), "charge"),
        ("down", CHAIN, "a pattern such as '1010'"),
    ],
)
def test_states_that_cannot_be_are_refused(initial, model, message):
    with pytest.raises(ValueError, match=message):
        begun(initial, model)


def test_domain_walls_need_charges():
    class Neutral(nh.HamiltonianModel):
        sites = (nh.Site(["a", "b"], {"P": np.diag([1, 0])}),) * 4

        def terms(self):
            return OpSum.sum((1, "P", j) for j in range(4))

    with pytest.raises(ValueError, match="a list of names of states"):
        nh.DomainWall()(Neutral(L=4))


def test_stores_know_by_what_a_study_begins():
    one, other = (
        algorithms.NHTEBD(dt=0.1, t_max=0.1, initial=initial).parameters()
        for initial in (nh.RandomProduct(seed=1), nh.RandomProduct(seed=2))
    )
    assert one != other
