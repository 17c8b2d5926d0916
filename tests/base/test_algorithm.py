"""What algorithms say of their records is compared with what they yield, whoever wrote the method."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.base.records import Diagnostic

RING = models.NonHermitianXXZ(L=4, h=1.0, boundary="periodic")


class Draws:
    """No algorithm, but what algorithms are made of."""

    number = 1

    def records(self, model, after=None):
        dim = model.sector.dim
        yield from (nh.Spectrum(np.arange(dim) - k + 0j, model.sector, order="energy") for k in range(self.number))


class One(Draws, nh.Algorithm[nh.Spectrum]):
    yields = nh.Spectrum


class Two(One):
    number = 2


class Wrong(Draws, nh.Algorithm[nh.Snapshot]):
    yields = nh.Snapshot


def test_what_is_more_than_one_spectrum_is_not_dropped():
    measured = {"r": observables.GapRatio()}
    assert nh.Simulation(RING, One(), measured).run()["r"].dims == ()
    with pytest.raises(TypeError, match=r"Two.records yielded more than one Spectrum, but there must be one only"):
        nh.Simulation(RING, Two(), measured).run()


def test_records_of_another_kind_are_refused_whoever_yields_them():
    with pytest.raises(TypeError, match=r"Wrong.records yielded a Spectrum, but it must yield a Snapshot"):
        list(Wrong().records(RING))
    with pytest.raises(TypeError, match="Silent does not say what it yields"):

        class Silent(Draws, nh.Algorithm): ...


def test_a_diagnostic_must_be_a_number_of_the_records():
    with pytest.raises(TypeError, match=r"has the diagnostic 'x', but a Spectrum has no field 'atempts' .*'attempts'"):

        class Misspelt(One):
            diagnostics = {"x": Diagnostic("atempts", "random starts")}

    with pytest.raises(TypeError, match=r"diagnostics\['x'\] = 'attempts', but it must be a Diagnostic"):

        class Named(One):
            diagnostics = {"x": "attempts"}

    class Right(One):
        diagnostics = {"whole": Diagnostic("complete", "whether all levels are there")}

    assert nh.Simulation(RING, Right(), {}).run()["whole"]


class Dephased(nh.TimeEvolution):
    """An evolution of a user, of density matrices."""

    diagnostics = {}

    def init(self, model, after):
        return model

    def advance(self, carry, t, dt, steps):
        return carry

    def record(self, carry, t):
        return nh.Snapshot(t, nh.DensityMatrix(np.eye(carry.sector.dim) / carry.sector.dim, carry.sector))


def test_an_evolution_promises_no_pure_state_that_it_may_not_have():
    assert Dephased(dt=0.1, t_max=0.1).gives is None
    chain = models.NonHermitianXXZ(L=2, charge=None)
    with pytest.raises(ValueError, match="Norm needs the norm of the un-normalised state, which this Snapshot does"):
        nh.Simulation(chain, Dephased(dt=0.1, t_max=0.1), {"n": observables.Norm()}).run()
    sz = nh.Simulation(chain, Dephased(dt=0.1, t_max=0.1), {"sz": observables.Magnetization()}).run()["sz"]
    assert not sz.values.any()
    for evolution in (algorithms.ExactEvolution(dt=0.1, t_max=0.1), algorithms.NHTEBD(dt=0.1, t_max=0.1)):
        assert evolution.gives == {nh.Capability.PURE_STATE, nh.Capability.NORM}
