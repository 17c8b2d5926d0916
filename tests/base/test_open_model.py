"""Open systems: what they refuse, and their views."""

import pickle

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.language.opsum import OpSum

LOSS = [OpSum([(1.0, "Sm", 0)])]


@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_no_click_is_the_chain_of_the_paper(boundary):
    """Besides the edge term of open chains, which Eq. (4) leaves out."""
    given = {"L": 6, "gamma": 0.3, "h": 1.0, "seed": 2, "boundary": boundary, "charge": 2}
    edge = OpSum([(0.15j, "Sz", 0), (0.15j, "Sz", 5)]) if boundary == "open" else OpSum()
    bonds = 5 if boundary == "open" else 6
    model = models.NonHermitianXXZ(**given)
    right = model.terms() + edge - OpSum.sum((0.3j, "Sz", j) for j in range(6)) - (0.15j * bonds, "Id", 0)
    ours = models.OpenXXZ(**given).no_click().matrix().toarray()
    np.testing.assert_allclose(ours, model.sector.operator(right).toarray(), atol=1e-14)


def test_no_click_knows_what_its_model_knows():
    view = models.OpenXXZ(L=6, gamma=0.3).no_click()
    assert view.gamma == 0.3
    assert str(view.current(2)) == str(models.NonHermitianXXZ(L=6).current(2))
    assert pickle.loads(pickle.dumps(view)) == view
    with pytest.raises(AttributeError, match="gama"):
        view.gama  # noqa: B018
    way = algorithms.ExactEvolution(dt=0.5, t_max=1.0)
    result = nh.Simulation(view, way, {"current": observables.MidCurrent(half_width=1)}).run()
    assert abs(result.current[-1]) > 0.01


def test_what_is_no_open_system_is_refused():
    growing = OpSum([(0.1j, "Sz", 0)])
    with pytest.raises(ValueError, match=r"OpenChain.terms must be Hermitian.*\|H - H†\| reaches 0.1; decay belongs"):
        models.OpenChain(L=2, hamiltonian=growing, jump_operators=LOSS).check()
    jumps = [OpSum([(1.0, "c", 0), (1.0, "n", 0)])]
    with pytest.raises(ValueError, match=r"jump 0, .*odd and with even numbers"):
        models.OpenChain(L=2, hamiltonian=OpSum(), jump_operators=jumps, site=nh.Fermion()).check()
    with pytest.raises(ValueError, match="charge = 0, but it must be None, as the jumps or the Hamiltonian change it"):
        models.OpenChain(L=2, hamiltonian=OpSum([(1.0, "Sx", 0)]), jump_operators=LOSS, charge=0).lindbladian()
    with pytest.raises(TypeError, match="jumps returned"):
        models.OpenChain(L=2, hamiltonian=OpSum(), jump_operators=[1.0]).check()
    with pytest.raises(ValueError, match=r"site 5, but the chain has sites 0 … 1"):
        models.OpenChain(L=2, hamiltonian=OpSum(), jump_operators=[OpSum([(1.0, "Sm", 5)])]).check()
    with pytest.raises(ValueError, match=r"gamma = -1.0, but it must be zero or positive, as it is a rate"):
        models.OpenXXZ(L=4, gamma=-1.0)


def test_a_matrix_names_the_views():
    with pytest.raises(TypeError, match=r"a matrix of a Lindbladian; model.no_click\(\) and model.lindbladian\(\)"):
        models.OpenXXZ(L=4).matrix()


@pytest.mark.parametrize(
    "way",
    [
        algorithms.ExactEvolution(dt=0.5, t_max=1.0),
        algorithms.NHTEBD(dt=0.5, t_max=1.0),
        algorithms.ExactDiag(),
        algorithms.SteadyState(),
        algorithms.NHDMRG(max_bond=8),
    ],
)
def test_algorithms_of_hamiltonians_name_those_of_open_systems(way):
    """When the simulation is made."""
    chain = models.OpenChain(L=4, hamiltonian=OpSum(), jump_operators=LOSS)
    with pytest.raises(TypeError, match=rf"{type(way).__name__} takes no OpenChain, as it has jumps: .*OpenSystem"):
        nh.Simulation(chain, way, {})


def test_a_current_needs_no_gamma():
    class Hopping(nh.OpenModel):
        """Of three sites, the last of which loses."""

        def terms(self):
            return OpSum.sum((0.5, *p) for j in (0, 1) for p in (("Sp", j, "Sm", j + 1), ("Sm", j, "Sp", j + 1)))

        def jumps(self):
            return [OpSum([(1.0, "Sm", 2)])]

        @property
        def bonds(self):
            return range(2)

        def current(self, bond):
            return OpSum([(0.5j, "Sp", bond, "Sm", bond + 1), (-0.5j, "Sm", bond, "Sp", bond + 1)])

    way = algorithms.OpenSystem(dt=0.5, t_max=1.0, initial=["up", "down", "down"])
    result = nh.Simulation(Hopping(L=3), way, {"current": observables.CurrentProfile()}).run()
    assert float(result["current"][-1, 0]) > 0.05
