"""What jumps bring to sites: the continuity equation of density matrices, with any jumps."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.language.opsum import OpSum
from mpsnh.operators.lindblad import dissipated
from mpsnh.operators.sector import Sector
from tests.oracles import lindblad, reference


@pytest.mark.parametrize("site", [nh.Spin(0.5), nh.Spin(1), nh.Boson(2), nh.Fermion()], ids=repr)
@pytest.mark.parametrize("symmetry", ["none", "weak", "strong"])
def test_changes_by_jumps_are_those_of_the_adjoint_map(site, symmetry):
    rng = np.random.default_rng(11)
    model = lindblad.random_open(site, 2 if site.dim > 2 else 3, symmetry, rng)
    name, rho = reference.NEUTRAL[site], lindblad.random_density(model.sites, rng)
    whole = models.OpenChain(L=model.L, hamiltonian=OpSum(), jump_operators=model.jump_operators, site=site)
    change = (lindblad.superoperator(whole) @ rho.ravel()).reshape(rho.shape)
    snapshot = nh.Snapshot(0.0, nh.DensityMatrix(rho, Sector(model.sites, None)))
    got = observables.InjectedCurrent(operator=name)(snapshot, model)
    numbers = [reference.operator(OpSum([(1.0, name, j)]), model.sites) for j in range(model.L)]
    np.testing.assert_allclose(got, [np.trace(change @ number).real for number in numbers], atol=1e-12)


@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_the_continuity_equation(boundary):
    """d⟨Sz_j⟩/dt = I_{j-1} - I_j + what jumps inject: jumps on bonds, gain, and dephasing of two sites at once."""

    class Chain(models.OpenXXZ):
        def jumps(self):
            gain = [OpSum([(0.7, "Sp", 0)]), OpSum([(0.4, "Sp", 1, "Sm", 3)]), OpSum([(0.5, "Sz", 1), (0.3j, "Sx", 2)])]
            return [*super().jumps(), *gain]

    model = Chain(L=4, gamma=0.3, h=1.0, boundary=boundary)
    rng = np.random.default_rng(2)
    rho = lindblad.random_density(model.sites, rng)
    snapshot = nh.Snapshot(0.0, nh.DensityMatrix(rho, model.sector))
    change = (lindblad.superoperator(model) @ rho.ravel()).reshape(rho.shape)
    rates = [np.trace(change @ reference.operator(OpSum([(1.0, "Sz", j)]), model.sites)).real for j in range(4)]
    flow = observables.CurrentProfile()(snapshot, model)
    out = np.append(flow, 0.0) if boundary == "open" else flow
    injected = observables.InjectedCurrent()(snapshot, model)
    np.testing.assert_allclose(rates, np.roll(out, 1) - out + injected, atol=1e-13)
    assert np.abs(injected).min() > 1e-3


def test_the_same_of_states_as_matrix_products():
    model = models.OpenXXZ(L=6, gamma=0.3)
    state = reference.random_mps(model.sites, seed=3)
    vector = state.to_dense().ravel()
    rho = np.outer(vector, vector.conj())
    measure = observables.InjectedCurrent()
    mixed = nh.Snapshot(0.0, nh.DensityMatrix(rho, model.sector))
    np.testing.assert_allclose(measure(nh.Snapshot(0.0, state), model), measure(mixed, model), atol=1e-11)


def test_it_goes_into_a_dataset():
    measured = {
        "sz": observables.Magnetization(),
        "in": observables.InjectedCurrent(),
        "I": observables.MidCurrent(half_width=1),
    }
    model = models.OpenXXZ(L=4, gamma=0.5)
    data = nh.Simulation(model, algorithms.OpenSystem(dt=0.01, t_max=0.02), measured).run()
    assert (data["in"].sum("site") < 0).all()  # only losses
    total = data["sz"].sum("site")
    assert float(total[2] - total[0]) / 0.02 == pytest.approx(float(data["in"].sum("site")[1]), rel=1e-3)


def test_what_has_no_jumps_is_refused():
    for model in (models.NonHermitianXXZ(L=4), models.OpenXXZ(L=4).no_click()):
        with pytest.raises(TypeError, match="InjectedCurrent needs an OpenModel, whose jumps it asks for"):
            nh.Simulation(model, algorithms.ExactEvolution(dt=0.1, t_max=0.1), {"I": observables.InjectedCurrent()})


def test_far_jumps_change_nothing():
    assert not list(dissipated(OpSum([(1.0, "Sz", 0)]), [OpSum([(1.0, "Sm", 3)])]))
