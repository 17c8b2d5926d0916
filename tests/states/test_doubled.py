"""The estimate of the Trotter error, against exact evolution."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models
from tests.oracles.circuits import Amplitudes, pairs_of, trace_distance


def errors_and_estimates(dt, order, every, **parameters):
    """Errors of neighbouring sites by steps, since neither run truncates, and what the run says of them."""
    model = models.NonHermitianXXZ(**{"L": 8, "gamma": 0.3, "h": 1.0, "seed": 1, **parameters})
    grid = {"dt": dt, "t_max": 4.0, "every": every}
    run = algorithms.NHTEBD(order=order, max_bond=64, cutoff=0.0, **grid).records(model)
    exact, rows = Amplitudes([True, False] * 4), []
    for record, right in zip(run, algorithms.ExactEvolution(**grid).records(model), strict=True):
        exact.psi = np.asarray(right.state.to_vector()).reshape((2,) * 8)
        rows.append((trace_distance(pairs_of(record.state.site_tensors()), exact.pairs()), record.trotter))
    return np.array(rows[1:]).T


@pytest.mark.parametrize(("order", "dt", "every"), [(1, 0.1, 2), (1, 0.05, 8), (2, 0.1, 2), (2, 0.2, 1), (4, 0.2, 2)])
@pytest.mark.parametrize("gamma", [0.0, 0.3])
def test_it_covers_the_error_and_is_not_much_larger(order, dt, every, gamma):
    error, estimate = errors_and_estimates(dt, order, every, gamma=gamma)
    later = estimate[1:] if every % 2 else estimate  # after one step there is nothing yet to compare with
    assert (later >= error[len(error) - len(later) :]).all()
    assert np.median(estimate / error) < 10


@pytest.mark.parametrize("order", [1, 2, 4])
def test_it_falls_like_the_error(order):
    (coarse, fine) = (errors_and_estimates(dt, order, round(1 / dt))[1][-1] for dt in (0.2, 0.1))
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.6)


def test_circuits_and_commuting_terms_have_none():
    circuit = models.RandomFloquetCircuit(L=6, alpha=3.0, seed=1)
    *_, last = algorithms.NHTEBD(dt=1, t_max=4).records(circuit)
    assert last.trotter == 0

    class Ising(nh.HamiltonianModel):
        sites = property(lambda self: (nh.Spin(0.5),) * self.L)

        def terms(self):
            return nh.OpSum([(1.0, "Sz", 0, "Sz", 1)])

    *_, last = algorithms.NHTEBD(dt=0.1, t_max=1.0).records(Ising(L=2))
    assert last.trotter == 0


def test_without_a_tolerance_nothing_is_known():
    *_, last = algorithms.NHTEBD(dt=0.1, t_max=0.4, tolerance=None).records(models.NonHermitianXXZ(L=4))
    assert last.trotter == 1


def test_it_is_inherited_where_a_run_goes_on_otherwise():
    model = models.NonHermitianXXZ(L=8, h=1.0, seed=1)
    *_, first = algorithms.NHTEBD(dt=0.2, t_max=2.0, order=1).records(model)
    *_, last = algorithms.NHTEBD(dt=0.1, t_max=2.4, order=4, max_bond=24).records(model, after=first)
    assert last.trotter >= first.trotter > 1e-3


def test_nothing_is_known_before_the_first_look_nor_from_product_states():
    model = models.NonHermitianXXZ(L=6, h=1.0, seed=1)
    for parameters in ({"t_max": 0.1}, {"t_max": 0.5, "every": 5}, {"t_max": 0.4, "every": 2, "max_bond": 2}):
        first, *_, last = algorithms.NHTEBD(dt=0.1, **parameters).records(model)
        assert (first.trotter, last.trotter) == (0, 1)


def test_the_first_look_sees_all_bonds():
    """The end of an odd chain is in no pair of the even bonds."""
    model = models.NonHermitianXXZ(L=5, gamma=0.5, charge=None, fields=[-1.7, -0.4, -4.0, -5.5, 3.9])
    way = algorithms.NHTEBD(dt=0.25, order=4, every=2, t_max=0.5, initial=["down"] * 4 + ["up"], cutoff=1e-14)
    *_, last = way.records(model)
    *_, exact = algorithms.ExactEvolution(dt=0.5, t_max=0.5, initial=way.initial).records(model)
    off = np.abs(last.state.expect_each("Sz") - exact.state.expect_each("Sz")).max()
    assert off < last.trotter < 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (algorithms.NHTEBD(dt=0.2, t_max=4.0, order=1), algorithms.NHTEBD(dt=0.2, t_max=6.0, order=4)),
        (algorithms.NHTEBD(dt=0.5, t_max=4.0, order=1), algorithms.NHTEBD(dt="auto", every=1.0, t_max=6.0)),
        (algorithms.NHTEBD(dt=0.5, t_max=4.0, order=1), algorithms.NHTEBD(dt=0.05, t_max=6.0, order=2)),
    ],
)
@pytest.mark.filterwarnings("ignore:NHTEBD")
def test_errors_of_steps_of_another_order_are_not_forgotten(first, second):
    model = models.NonHermitianXXZ(L=8, gamma=0.5, h=0.5, seed=1)
    *_, exact = algorithms.ExactEvolution(dt=6.0, t_max=6.0).records(model)
    *_, before = first.records(model)
    *_, last = second.records(model, after=before)
    off = np.abs(last.state.expect_each("Sz").real - exact.state.expect_each("Sz").real).max()
    assert off < last.noise + last.trotter
