"""What observables need is compared with what algorithms say they give, and with what their records hold."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.base.capability import Capability
from tests.support.spectra import spectrum_of

RING = models.NonHermitianXXZ(L=6, h=1.0, boundary="periodic")


class Few(nh.Algorithm[nh.Spectrum]):
    """A user's algorithm that finds 2 of 20 levels, and does not say what it gives."""

    yields = nh.Spectrum

    def records(self, model, after=None):
        yield nh.Spectrum(np.array([0.5, 0.25], complex), model.sector, order="growth")


class Boastful(Few):
    """One that says more than is true."""

    gives = frozenset([Capability.ALL_LEVELS, Capability.LARGEST_IMAGINARY_PART])


@pytest.mark.parametrize("algorithm", [Few(), Boastful()])
@pytest.mark.parametrize(
    "observable", [observables.ImaginaryFraction(), observables.GapRatio(), observables.ComplexSpacingRatio()]
)
def test_two_of_twenty_levels_are_no_spectrum(algorithm, observable):
    name = type(observable).__name__
    with pytest.raises(ValueError, match=f"{name} needs all levels, which this Spectrum does not give"):
        nh.Simulation(RING, algorithm, {"x": observable}).run()


def test_two_of_twenty_levels_do_not_know_the_largest():
    with pytest.raises(ValueError, match=r"RealSpectrum needs the largest \|Im E\|"):
        nh.Simulation(RING, Few(), {"x": observables.RealSpectrum()}).run()


@pytest.mark.parametrize("order", ["phase", "energy"])
@pytest.mark.parametrize(
    "observable", [observables.Eigenvalues(), observables.GrowthRate(), observables.SteadyStateGap()]
)
def test_levels_in_another_order_have_no_steady_state_in_front(order, observable):
    spectrum = spectrum_of([1.0, 2.0j, 3.0, 0.5], order=order)
    with pytest.raises(ValueError, match="needs levels by decreasing growth"):
        observable(spectrum, RING)


ALGORITHMS = [
    algorithms.ExactDiag(vectors="none"),
    algorithms.ExactDiag(),
    algorithms.ExactDiag(vectors="both"),
    algorithms.SteadyState(vectors="none"),
    algorithms.SteadyState(),
    algorithms.SteadyState(vectors="both"),
    algorithms.ExactEvolution(dt=0.1, t_max=0.1),
    algorithms.NHTEBD(dt=0.1, t_max=0.1),
]


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=repr)
def test_records_hold_what_was_said(algorithm):
    model = RING if issubclass(algorithm.yields, nh.Spectrum) else models.NonHermitianXXZ(L=6, h=1.0)
    for record in algorithm.records(model):
        assert record.holds == algorithm.gives


@pytest.mark.parametrize(
    "algorithm", [algorithms.OpenSystem(dt=1, t_max=1, gamma=0.1), algorithms.DegeneratePerturbationSolver()], ids=repr
)
def test_records_of_open_systems_hold_what_was_said(algorithm):
    for record in algorithm.records(models.RandomFloquetCircuit(L=3, alpha=10.0)):
        assert record.holds == algorithm.gives


@pytest.mark.parametrize(
    "observable", [observables.EntanglementEntropy(), observables.EntropyProfile(), observables.Norm()]
)
def test_a_mixed_state_is_refused_before_any_work(observable):
    system = algorithms.OpenSystem(dt=1, t_max=1, gamma=0.1)
    with pytest.raises(ValueError, match="which OpenSystem as it is set does not give"):
        nh.Simulation(models.RandomFloquetCircuit(L=3, alpha=10.0), system, {"x": observable})


def test_a_norm_that_is_not_known_is_not_one():
    state = nh.MPS.product([nh.Spin()] * 2, ["up", "up"])
    with pytest.raises(ValueError, match="Norm needs the norm of the un-normalised state"):
        observables.Norm()(nh.Snapshot(1.0, state), models.NonHermitianXXZ(L=2))


def test_datasets_hold_only_the_diagnostics_of_their_algorithm():
    chain = models.NonHermitianXXZ(L=4)
    for algorithm, expected in (
        (algorithms.ExactEvolution(dt=0.1, t_max=0.1), {"log_norm"}),
        (
            algorithms.NHTEBD(dt=0.1, t_max=0.1),
            {"log_norm", "discarded_weight", "discarded_step", "max_bond", "noise", "trust_time"},
        ),
        (algorithms.ExactDiag(), {"certified", "attempts"}),
        (algorithms.SteadyState(), {"certified"}),
    ):
        assert set(nh.Simulation(chain, algorithm, {}).run().data_vars) == expected
