"""Trajectories as runs: orders of time steps, resuming, sweeps, and what is refused."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.language.opsum import OpSum
from mpsnh.run.sweep import sweep

CHAIN = models.OpenXXZ(L=5, gamma=0.3, h=1.0, seed=2)
LOSS = [OpSum([(1.0, "Sm", 0)])]


def exact(**options):
    return algorithms.ExactEvolution(**{"dt": 0.5, "t_max": 2.0} | options)


def tebd(**options):
    return algorithms.NHTEBD(**{"dt": 0.1, "t_max": 2.0, "every": 5, "max_bond": 16, "tolerance": None} | options)


INNERS = [exact(), tebd(), tebd(order=4), tebd(dt="auto", every=0.5, tolerance=0.01), tebd(max_bond=3)]


@pytest.mark.parametrize(("order", "least"), [(1, 0.8), (2, 1.8), (4, 3.4)])
def test_order_in_dt(order, least):
    """Of averages over the same trajectories, clicks included, whose times are found to the same order."""
    steps = (0.25, 0.125) if order < 4 else (0.5, 0.25)
    apart = []
    for dt in steps:
        inner = tebd(dt=dt, order=order, every=round(0.5 / dt), cutoff=1e-14)
        difference, clicks = 0.0, 0
        for seed in (0, 1, 2, 4):
            one, other = (
                list(algorithms.Trajectories(inner=way, seed=seed).records(CHAIN)) for way in (exact(), inner)
            )
            assert one[-1].which.tolist() == other[-1].which.tolist()
            values = [[record.state.expect_each("Sz").real for record in records] for records in (one, other)]
            difference, clicks = difference + np.subtract(*values), clicks + one[-1].clicks
        assert clicks > 4
        apart.append(np.abs(difference).mean())
    assert least < np.log2(apart[0] / apart[1]) < order + 1.5


@pytest.mark.parametrize("inner", INNERS, ids=["exact", "order 2", "order 4", "auto", "truncated"])
@pytest.mark.parametrize("stop", [0, 1, 3])
def test_a_resumed_trajectory_has_the_same_bits(inner, stop):
    way = algorithms.Trajectories(inner=inner, seed=3)
    whole = list(way.records(CHAIN))
    saved = dict(whole[stop].arrays())
    rest = list(way.records(CHAIN, after=next(way.records(CHAIN)).with_arrays(saved)))
    assert whole[-1].clicks > 0
    assert [record.time for record in rest] == [record.time for record in whole[stop + 1 :]]
    for one, other in zip(rest, whole[stop + 1 :], strict=True):
        mine, theirs = dict(one.arrays()), dict(other.arrays())
        assert list(mine) == list(theirs)
        for name, array in mine.items():
            np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def test_a_checkpoint_is_extended(tmp_path):
    place = tmp_path / "run.npz"

    def run(t_max):
        way = algorithms.Trajectories(inner=exact(t_max=t_max), seed=4)
        return nh.Simulation(CHAIN, way, {"sz": observables.Magnetization(), "t": observables.ClickTimes(most=9)})

    run(1.0).run(checkpoint=place)
    extended = run(2.0).run(checkpoint=place)
    assert extended.identical(run(2.0).run())
    assert extended["clicks"][-1] > 0
    with pytest.raises(ValueError, match=r"has reached time = 2, past inner.t_max = 1"):
        run(1.0).run(checkpoint=place)


def test_a_sweep_is_an_ensemble():
    def make(realisation, trajectory):
        model = models.OpenXXZ(L=4, gamma=0.3, h=1.0, seed=realisation)
        way = algorithms.Trajectories(inner=exact(), seed=(realisation, trajectory))
        return nh.Simulation(model, way, {"sz": observables.Magnetization(), "n": observables.ClickNumbers(most=4)})

    data = sweep(make, over={"realisation": [1, 2], "trajectory": range(6)})
    assert data["sz"].mean("trajectory").dims == ("realisation", "time", "site")
    silent = data["sz"].where(data["clicks"] == 0).mean("trajectory").isel(realisation=1, time=1)
    no_click = nh.Simulation(
        models.OpenXXZ(L=4, gamma=0.3, h=1.0, seed=2).no_click(), exact(), {"sz": observables.Magnetization()}
    ).run()
    np.testing.assert_allclose(silent, no_click["sz"].isel(time=1), atol=1e-12)
    assert ((data["n"] >= 0).sum("click") == data["clicks"]).all()


def test_tables_that_are_too_small_are_refused():
    way = algorithms.Trajectories(inner=exact(), seed=3)
    with pytest.raises(ValueError, match=r"most = 1, but it must be at least \d, as there were so many clicks"):
        nh.Simulation(CHAIN, way, {"t": observables.ClickTimes(most=1)}).run()


def chain_of(*jumps, hamiltonian=None, L=4, **options):
    terms = OpSum([(1.0, "Sz", 0)]) if hamiltonian is None else hamiltonian
    return models.OpenChain(L=L, hamiltonian=terms, jump_operators=[OpSum([jump]) for jump in jumps], **options)


def test_what_is_no_inner_evolution_or_open_model_is_refused():
    for inner in (algorithms.OpenSystem(dt=1, t_max=1, gamma=0.1), algorithms.ExactDiag(), 3, algorithms.NHTEBD):
        with pytest.raises(TypeError, match=r"inner = .*must be an evolution of pure states that can jump"):
            algorithms.Trajectories(inner=inner)
    with pytest.raises(TypeError, match=r"needs an mpsnh.OpenModel, which has jumps, not NonHermitianXXZ"):
        nh.Simulation(models.NonHermitianXXZ(L=4), algorithms.Trajectories(inner=exact()), {})
    for seed in (-1, (0, -2), True, 0.5):
        with pytest.raises((ValueError, TypeError), match="seed"):
            algorithms.Trajectories(inner=exact(), seed=seed)


def test_jumps_that_gates_cannot_make_are_refused():
    far = (1.0, "X", 0, "X", 3)
    ways = [algorithms.Trajectories(inner=inner, seed=0) for inner in (tebd(), exact())]
    with pytest.raises(ValueError, match=r"jump 0, 1 X_0 X_3, acts on other sites than two .* inner=ExactEvolution"):
        list(ways[0].records(chain_of(far)))
    assert len(list(ways[1].records(chain_of(far)))) == 5
    with pytest.raises(ValueError, match=r"inner=ExactEvolution"):
        list(ways[0].records(models.OpenXXZ(L=4, gamma=0.3, boundary="periodic")))
    with pytest.raises(ValueError, match="terms must be Hermitian"):
        list(ways[0].records(chain_of((1.0, "Sm", 0), hamiltonian=OpSum([(0.1j, "Sz", 0)]))))
    with pytest.raises(ValueError, match=r"charge = 0, but it must be None"):
        list(ways[1].records(chain_of((1.0, "Sx", 0), charge=0)))


def test_steps_in_which_a_jump_may_click_twice_are_warned_of():
    with pytest.warns(RuntimeWarning, match=r"jump 0 may click twice in a step of 0.1 with probability 0.5, above"):
        list(algorithms.Trajectories(inner=tebd()).records(chain_of((10.0**0.5, "Sm", 0))))


class Wrong(models.OpenChain):
    """A model whose evolution between clicks is not that of its jumps."""

    rate: float = 0.0

    def no_click(self):
        loss = OpSum([(-0.5j * self.rate, "Sp", 0, "Sm", 0)])
        return Silent(L=self.L, hamiltonian=loss)


class Silent(nh.HamiltonianModel):
    hamiltonian: OpSum

    def terms(self):
        return self.hamiltonian


@pytest.mark.parametrize("inner", [exact(), tebd()], ids=["exact", "tebd"])
def test_norms_that_cannot_be_are_refused(inner):
    given = {"L": 2, "hamiltonian": OpSum([(1.0, "Sz", 0)])}
    with pytest.raises(FloatingPointError, match=r"the norm grew by a factor .* without a click until t = 0.5"):
        list(algorithms.Trajectories(inner=inner).records(Wrong(rate=-1.0, jump_operators=LOSS, **given)))
    nothing = Wrong(rate=5.0, jump_operators=[OpSum([(1.0, "Sm", 1)])], **given)
    with pytest.raises(FloatingPointError, match=r"no jump is possible at t = .*: all rates are zero"):
        list(algorithms.Trajectories(inner=inner).records(nothing))


def test_snapshots_of_others_are_refused():
    way = algorithms.Trajectories(inner=exact(), seed=0)
    with pytest.raises(TypeError, match="continues a ClickSnapshot, not a ExactSnapshot"):
        list(way.records(CHAIN, after=next(exact().records(CHAIN.no_click()))))
    first = next(algorithms.Trajectories(inner=tebd()).records(CHAIN))
    with pytest.raises(TypeError, match="a trajectory by ExactEvolution continues an ExactState"):
        list(way.records(CHAIN, after=first))
    with pytest.raises(TypeError, match="a trajectory by NHTEBD continues an MPS"):
        list(algorithms.Trajectories(inner=tebd()).records(CHAIN, after=next(way.records(CHAIN))))
