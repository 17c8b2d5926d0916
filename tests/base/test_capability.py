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
@pytest.mark.parametrize("observable", [observables.GrowthRate(), observables.SteadyStateGap()])
def test_levels_in_another_order_have_no_steady_state_in_front(order, observable):
    spectrum = spectrum_of([1.0, 2.0j, 3.0, 0.5], order=order)
    with pytest.raises(ValueError, match="needs levels by decreasing growth"):
        observable(spectrum, RING)
    assert observables.Eigenvalues()(spectrum, RING).tolist() == [1.0, 2.0j, 3.0, 0.5]


def test_an_order_is_one_of_three():
    with pytest.raises(
        ValueError, match="order = 'foo', but it must be one of 'growth', 'phase', 'energy', 'distance'"
    ):
        spectrum_of([1.0, 2.0], order="foo")


@pytest.mark.parametrize(
    "observable", [observables.Eigenvalues(), observables.GrowthRate(), observables.SteadyStateGap()], ids=repr
)
def test_an_order_is_not_believed(observable):
    """A user's algorithm that sorts by energy and says growth; of a circuit, log |λ| counts."""
    with pytest.raises(
        ValueError, match=r"order = 'growth', but level 1 \(2\+0\.5j\) grows faster than level 0 \(1\+0j\)"
    ):
        observable(spectrum_of([1.0, 2.0 + 0.5j, 3.0]), RING)
    circuit = models.RandomFloquetCircuit(L=2, alpha=1.0)
    with pytest.raises(ValueError, match=r"level 2 .* grows faster than level 1"):
        observable(spectrum_of([1.0j, 0.5j, -0.7]), circuit)
    observable(spectrum_of([-1.0, 0.7j, 0.5j]), circuit)


ALGORITHMS = [
    algorithms.ExactDiag(vectors="none"),
    algorithms.ExactDiag(),
    algorithms.ExactDiag(vectors="both"),
    algorithms.SteadyState(vectors="none"),
    algorithms.SteadyState(),
    algorithms.SteadyState(vectors="both"),
    algorithms.SteadyState(k=1),
    algorithms.NHDMRG(),
    algorithms.NHDMRG(which="growth"),
    algorithms.NHDMRG(k=2),
    algorithms.ExactEvolution(dt=0.1, t_max=0.1),
    algorithms.NHTEBD(dt=0.1, t_max=0.1),
]


@pytest.mark.filterwarnings("ignore:NHDMRG. there may be no steady state")
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
        (algorithms.ExactEvolution(dt=0.1, t_max=0.1), {"log_norm", "error", "log_norm_error"}),
        (
            algorithms.NHTEBD(dt=0.1, t_max=0.1),
            {"log_norm", "discarded_weight", "discarded_step", "max_bond", "noise", "trust_time", "trotter"},
        ),
        (algorithms.ExactDiag(), {"certified", "attempts"}),
        (algorithms.SteadyState(), {"certified"}),
    ):
        assert set(nh.Simulation(chain, algorithm, {}).run().data_vars) == expected


def test_the_trust_time_is_a_time():
    for model, dt in ((models.NonHermitianXXZ(L=4), 0.1), (models.RandomFloquetCircuit(L=4, alpha=10.0), 1)):
        data = nh.Simulation(model, algorithms.NHTEBD(dt=dt, t_max=dt), {}).run()
        assert data["trust_time"].units == data["time"].units == model.time_units
        assert data["noise"].units == "1"


class Still(nh.TimeEvolution):
    """An evolution that forgets the norm."""

    def init(self, model, after):
        return model

    def advance(self, carry, t, dt, steps):
        return carry

    def record(self, carry, t):
        return nh.Snapshot(t, nh.MPS.product(carry.sites, ["up"] * carry.L))


def test_a_diagnostic_that_is_not_there_is_no_number():
    chain, still = models.NonHermitianXXZ(L=4), Still(dt=0.1, t_max=0.2)
    simulation = nh.Simulation(chain, still, {"sz": observables.Magnetization()})
    with pytest.raises(ValueError, match="Still has the diagnostic 'log_norm', but a Snapshot without it"):
        simulation.run()


@pytest.mark.parametrize("other", [{"charge": 2}, {"charge": None}])
def test_an_exact_evolution_goes_on_in_the_same_sector_only(other):
    """Three up and one down are as many states as one up and three down: equal dimensions must not be enough."""
    evolution = algorithms.ExactEvolution(dt=0.1, t_max=0.5, initial=lambda model: one_down(model, model.charge == 2))
    model = models.NonHermitianXXZ(L=4, charge=-2)
    first = next(evolution.records(model))
    changed = models.NonHermitianXXZ(**{"L": 4, "charge": -2} | other)
    with pytest.raises(ValueError, match=r"sector of the state = .* as the model has, on the same sites"):
        list(algorithms.ExactEvolution(dt=0.1, t_max=0.5, initial=evolution.initial).records(changed, after=first))


def one_down(model, mostly_up):
    one, rest = ("down", "up") if mostly_up else ("up", "down")
    return nh.MPS.product(model.sites, [one, *[rest] * (model.L - 1)])
