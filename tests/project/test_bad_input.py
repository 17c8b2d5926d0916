"""Wrong input is refused with a sentence that says what is wrong and what is allowed, before any work starts.

Everything here fails when a parameter object or a `Simulation` is made, unless a test says otherwise.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.checks import ALSO_CALLED


class Terms(nh.HamiltonianModel):
    """Any Hamiltonian."""

    op: nh.OpSum

    def terms(self) -> nh.OpSum:
        return self.op


class BosonTerms(Terms):
    """Any Hamiltonian of bosons."""

    @property
    def sites(self) -> tuple[nh.Site, ...]:
        return (nh.Boson(2),) * self.L


class OneGate(nh.FloquetModel):
    """A period of one gate."""

    where: tuple[int, ...]
    dim: int = 4

    def layers(self) -> list[nh.Layer]:
        return [(nh.Gate(np.eye(self.dim, dtype=complex), self.where),)]


def refused(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=re.escape(message))


def chain(L: int = 4, **parameters: Any) -> models.NonHermitianXXZ:
    return models.NonHermitianXXZ(L=L, **parameters)


def terms(*term: Any, L: int = 4, **parameters: Any) -> Terms:
    return Terms(L=L, op=nh.OpSum([term]), **parameters)


def tebd(**parameters: Any) -> algorithms.NHTEBD:
    return algorithms.NHTEBD(**{"dt": 0.1, "t_max": 0.2, **parameters})


def exact(**parameters: Any) -> algorithms.ExactEvolution:
    return algorithms.ExactEvolution(**{"dt": 0.1, "t_max": 0.2, **parameters})


def simulation(model: Any = None, algorithm: Any = None, **measured: Any) -> nh.Simulation[Any]:
    return nh.Simulation(chain() if model is None else model, tebd() if algorithm is None else algorithm, measured)


every_algorithm = pytest.mark.parametrize("algorithm", [tebd(), exact(), algorithms.ExactDiag()], ids=repr)
every_evolution = pytest.mark.parametrize("evolution", [tebd, exact])

# --------------------------------------------------------------------------------------------------------- models

SINGULAR = (
    "but it must be between -1 and 1 for an open chain, which is singular at |gamma| = 1 where hopping is one-way"
)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"L": 1}, ValueError, "L = 1, but it must be at least 2"),
        ({"L": 0}, ValueError, "L = 0, but it must be at least 2"),
        ({"L": 4.0}, TypeError, "L = 4.0, but it must be an integer"),
        ({"L": "4"}, TypeError, "L = '4', but it must be an integer"),
        ({"L": True}, TypeError, "L = True, but it must be an integer"),
        ({"L": 2, "boundary": "periodic"}, ValueError, "L = 2, but it must be at least 3 for a periodic chain"),
        ({"gamma": np.nan}, ValueError, "gamma = nan, but it must be a finite number"),
        ({"gamma": np.inf}, ValueError, "gamma = inf, but it must be a finite number"),
        ({"gamma": 0.1j}, TypeError, "gamma = 0.1j, but it must be a real number"),
        ({"gamma": 1}, ValueError, f"gamma = 1.0, {SINGULAR}"),
        ({"gamma": -1.0}, ValueError, f"gamma = -1.0, {SINGULAR}"),
        ({"gamma": 1.5}, ValueError, f"gamma = 1.5, {SINGULAR}"),
        ({"V": np.nan}, ValueError, "V = nan, but it must be a finite number"),
        ({"h": -0.5}, ValueError, "h = -0.5, but it must be zero or positive"),
        ({"h": np.inf}, ValueError, "h = inf, but it must be a finite number"),
        ({"h": None}, TypeError, "h = None, but it must be a real number"),
        ({"seed": -1}, ValueError, "seed = -1, but it must be zero or positive"),
        ({"seed": 1.5}, TypeError, "seed = 1.5, but it must be an integer"),
        ({"fields": [1, 2, 3]}, ValueError, "fields = [1.0, 2.0, 3.0], but it must be a list of L = 4 numbers"),
        ({"fields": np.eye(4)}, ValueError, "but it must be a list of L = 4 numbers"),
        ({"fields": 0.5}, ValueError, "fields = 0.5, but it must be a list of L = 4 numbers"),
        ({"fields": [1, 2, np.nan, 4]}, ValueError, "fields = [1.0, 2.0, nan, 4.0], but it must be finite"),
        ({"fields": [1, 2, 3, -np.inf]}, ValueError, "fields = [1.0, 2.0, 3.0, -inf], but it must be finite"),
        ({"fields": "abcd"}, TypeError, "fields = 'abcd', but it must be"),
        ({"fields": [1, 2, 3, 4j, 5]}, ValueError, "(5+0j)], but it must be a list of L = 4 numbers"),
        ({"fields": [1, 2, 3, 1j * np.inf]}, ValueError, "infj)], but it must be finite"),
        ({"boundary": "closed"}, ValueError, "boundary = 'closed', but it must be one of 'open', 'periodic'"),
        ({"boundary": None}, ValueError, "boundary = None, but it must be one of 'open', 'periodic'"),
        ({"charge": 0.5}, TypeError, "charge = 0.5, but it must be an integer"),
    ],
)
def test_the_chain(parameters, error, message):
    with refused(error, message):
        models.NonHermitianXXZ(**{"L": 4, **parameters})


def test_a_ring_is_not_singular():
    assert chain(boundary="periodic", gamma=1.5).gamma == 1.5


def test_jump_operators():
    with refused(TypeError, "jumps[0] = 'Sm', but it must be an OpSum"):
        models.NoClick(L=4, hamiltonian=nh.OpSum(), jumps=("Sm",))
    with refused(TypeError, "hamiltonian = None, but it must be an OpSum"):
        models.NoClick(L=4, hamiltonian=None, jumps=())
    with refused(TypeError, "jumps = 3, but it must be a sequence"):
        models.NoClick(L=4, hamiltonian=nh.OpSum(), jumps=3)


# ----------------------------------------------------------------------------------------------------- algorithms


@every_evolution
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"dt": 0}, ValueError, "dt = 0.0, but it must be positive"),
        ({"dt": -0.1}, ValueError, "dt = -0.1, but it must be positive"),
        ({"dt": np.nan}, ValueError, "dt = nan, but it must be a finite number"),
        ({"dt": 0.1j}, TypeError, "dt = 0.1j, but it must be a real number"),
        ({"t_max": 0}, ValueError, "t_max = 0.0, but it must be positive"),
        ({"t_max": -1.0}, ValueError, "t_max = -1.0, but it must be positive"),
        ({"t_max": 0.25}, ValueError, "t_max = 0.25, but it must be a multiple of dt = 0.1"),
        ({"t_max": 0.05}, ValueError, "t_max = 0.05, but it must be a multiple of dt = 0.1"),
        ({"every": 0}, ValueError, "every = 0, but it must be at least 1"),
        ({"every": 1.5}, ValueError, "every = 1.5, but it must be a number of steps"),
        (
            {"initial": "up"},
            ValueError,
            "initial = 'up', but it must be 'neel', a pattern",
        ),
        (
            {"initial": None},
            ValueError,
            "initial = None, but it must be 'neel', a pattern",
        ),
        ({"initial": np.ones(16)}, ValueError, "but it must be 'neel', a pattern"),
        (
            {"initial": nh.MPS.product([nh.Spin()] * 4, ["up"] * 4)},
            ValueError,
            "but it must be 'neel', a pattern",
        ),
    ],
)
def test_time_evolution(evolution, parameters, error, message):
    with refused(error, message):
        evolution(**parameters)


@pytest.mark.parametrize("t_max", [0.3, 0.7, 1.1, 7.3, 100.1])
def test_rounding_does_not_spoil_a_multiple(t_max):
    assert tebd(t_max=t_max).t_max == t_max


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"order": 3}, ValueError, "order = 3, but it must be one of 1, 2, 4"),
        ({"order": 0}, ValueError, "order = 0, but it must be one of 1, 2, 4"),
        ({"order": 2.5}, TypeError, "order = 2.5, but it must be an integer"),
        ({"max_bond": 0}, ValueError, "max_bond = 0, but it must be at least 1"),
        ({"max_bond": None}, TypeError, "max_bond = None, but it must be an integer"),
        ({"cutoff": -1e-9}, ValueError, "cutoff = -1e-09, but it must be from 0 to below 1"),
        ({"cutoff": 1}, ValueError, "cutoff = 1.0, but it must be from 0 to below 1"),
        ({"cutoff": np.nan}, ValueError, "cutoff = nan, but it must be a finite number"),
    ],
)
def test_tebd(parameters, error, message):
    with refused(error, message):
        tebd(**parameters)


def test_exact_diagonalisation():
    with refused(ValueError, "vectors = 'left', but it must be one of 'none', 'right', 'both'"):
        algorithms.ExactDiag(vectors="left")


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"which": "lowest"}, ValueError, "which = 'lowest', but it must be 'energy' or 'growth' or a number"),
        ({"which": None}, TypeError, "which = None, but it must be a number"),
        ({"which": np.nan}, ValueError, "which = (nan+0j), but it must be a finite number"),
        ({"which": complex(0, np.inf)}, ValueError, "but it must be a finite number"),
        ({"k": 0}, ValueError, "k = 0, but it must be at least 1"),
        ({"k": 2.0}, TypeError, "k = 2.0, but it must be an integer"),
        ({"max_bond": 0}, ValueError, "max_bond = 0, but it must be at least 1"),
        ({"max_bond": 64.0}, TypeError, "max_bond = 64.0, but it must be an integer"),
        ({"cutoff": 1}, ValueError, "cutoff = 1.0, but it must be from 0 to below 1"),
        ({"cutoff": -1e-9}, ValueError, "cutoff = -1e-09, but it must be from 0 to below 1"),
        ({"sweeps": 0}, ValueError, "sweeps = 0, but it must be at least 1"),
        ({"tolerance": 0}, ValueError, "tolerance = 0.0, but it must be positive"),
        ({"tolerance": np.inf}, ValueError, "tolerance = inf, but it must be a finite number"),
        ({"starts": 0}, ValueError, "starts = 0, but it must be at least 1"),
        ({"seed": -1}, ValueError, "seed = -1, but it must be zero or positive"),
    ],
)
def test_single_levels(parameters, error, message):
    with refused(error, message):
        algorithms.NHDMRG(**parameters)


@pytest.mark.parametrize(
    ("model", "parameters", "error", "message"),
    [
        (
            chain(),
            {"which": 9j},
            ValueError,
            "which = 9j, but it must be at most 3.825 in size, the sum of the norms of all",
        ),
        (chain(charge=5), {}, ValueError, "charge = 5, but 4 sites of {Spin(0.5)} have: -4, -2, 0, 2, 4"),
        (terms(1, "X", 0, charge=0), {}, ValueError, "the term 1 X_0 does not conserve the charge 0; use charge=None"),
        (
            terms(1e-120, "X", 0),
            {},
            ValueError,
            "sum of the norms of all terms = 1e-120, but it must be 0 or from 1e-100",
        ),
        (OneGate(L=4, where=(0, 1)), {}, TypeError, "NHDMRG needs the terms of a Hamiltonian, not OneGate("),
        (chain(400), {"max_bond": 10**7}, MemoryError, "NHDMRG with max_bond = 10000000 needs"),
        (
            models.NonHermitianXXZ(L=400, boundary="periodic"),
            {"which": "growth", "max_bond": 10**5},
            MemoryError,
            "NHDMRG with max_bond = 100000 needs",
        ),
        (chain(), {"k": 7}, ValueError, "k = 7, but it must be at most the dimension of the sector, 6"),
    ],
)
def test_single_levels_of_models(model, parameters, error, message):
    with refused(error, message):
        simulation(model, algorithms.NHDMRG(**parameters))


def test_a_gap_needs_two_levels():
    with refused(ValueError, "(SteadyStateGap) needs more than one level, which NHDMRG as it is set does not give"):
        simulation(None, algorithms.NHDMRG(which="growth"), x=observables.SteadyStateGap())
    with refused(ValueError, "(GrowthRate) needs levels by decreasing growth, which NHDMRG as it is set does not give"):
        simulation(None, algorithms.NHDMRG(), x=observables.GrowthRate())


def test_observables_in_a_level():
    for wrong in (observables.GrowthRate(), "Sz", None):
        with refused(TypeError, f"observable = {wrong!r}, but it must be an observable of states, such as Magnetiz"):
            observables.OfLevel(observable=wrong)
    with refused(ValueError, "observable = Norm(), but it must be one that needs no norm, which levels have not"):
        observables.OfLevel(observable=observables.Norm())
    with refused(ValueError, "half_width = 2, but it must be at most 1 for L = 4"):
        simulation(None, algorithms.NHDMRG(), x=observables.OfLevel(observable=observables.MidCurrent(half_width=2)))


@pytest.mark.parametrize(
    ("observable", "parameters", "error", "message"),
    [
        (observables.MidCurrent, {"half_width": 0}, ValueError, "half_width = 0, but it must be at least 1"),
        (observables.MidCurrent, {"half_width": 1.5}, TypeError, "half_width = 1.5, but it must be an integer"),
        (observables.EntanglementEntropy, {"bond": "1"}, TypeError, "bond = '1', but it must be an integer"),
        (
            observables.SteadyStateGap,
            {"tolerance": -1},
            ValueError,
            "tolerance = -1.0, but it must be zero or positive",
        ),
        (
            observables.ImaginaryFraction,
            {"threshold": -1},
            ValueError,
            "threshold = -1.0, but it must be zero or posit",
        ),
        (
            observables.RealSpectrum,
            {"threshold": np.nan},
            ValueError,
            "threshold = nan, but it must be a finite number",
        ),
    ],
)
def test_observables(observable, parameters, error, message):
    with refused(error, message):
        observable(**parameters)


# -------------------------------------------------------------------------------------------- names of parameters


@pytest.mark.parametrize(
    ("make", "parameters", "message"),
    [
        (
            chain,
            {"gama": 0.1},
            "NonHermitianXXZ has no parameter 'gama' (did you mean 'gamma'?); it has: L, charge, ga",
        ),
        (chain, {"spin": 1}, "NonHermitianXXZ has no parameter 'spin'; it has: L, charge, gamma, V, h, seed,"),
        (chain, {"W": 2}, "NonHermitianXXZ has no parameter 'W' (did you mean 'h'?)"),
        (chain, {"disorder": 1}, "NonHermitianXXZ has no parameter 'disorder' (did you mean 'h'?)"),
        (chain, {"Delta": 1}, "NonHermitianXXZ has no parameter 'Delta' (did you mean 'V'?)"),
        (chain, {"Jz": 1}, "NonHermitianXXZ has no parameter 'Jz' (did you mean 'V'?)"),
        (tebd, {"tol": 1e-3}, "NHTEBD has no parameter 'tol' (did you mean 'tolerance'?)"),
        (exact, {"tol": 1e-3}, "ExactEvolution has no parameter 'tol'; it has: dt, t_max, every"),
        (algorithms.NHDMRG, {"D": 50}, "NHDMRG has no parameter 'D' (did you mean 'max_bond'?)"),
        (algorithms.NHDMRG, {"nsweeps": 9}, "NHDMRG has no parameter 'nsweeps' (did you mean 'sweeps'?)"),
        (
            tebd,
            {"chi": 32},
            "NHTEBD has no parameter 'chi' (did you mean 'max_bond'?); it has: dt, t_max, every, initial, order, max_",
        ),
        (tebd, {"bond_dim": 32}, "NHTEBD has no parameter 'bond_dim' (did you mean 'max_bond'?)"),
        (algorithms.NHDMRG, {"maxdim": 32}, "NHDMRG has no parameter 'maxdim' (did you mean 'max_bond'?)"),
        (chain, {"N": 8}, "NonHermitianXXZ has no parameter 'N' (did you mean 'L'?)"),
        (chain, {"ring": True}, "NonHermitianXXZ has no parameter 'ring' (did you mean 'boundary'?)"),
        (chain, {"PBC": True}, "NonHermitianXXZ has no parameter 'PBC' (did you mean 'boundary'?)"),
        (tebd, {"T": 8}, "NHTEBD has no parameter 'T' (did you mean 't_max'?)"),
        (tebd, {"max_bonds": 8}, "NHTEBD has no parameter 'max_bonds' (did you mean 'max_bond'?); it has: dt"),
        (
            exact,
            {"tmax": 8},
            "ExactEvolution has no parameter 'tmax' (did you mean 't_max'?); it has: dt, t_max, every",
        ),
        (algorithms.ExactDiag, {"vector": "both"}, "ExactDiag has no parameter 'vector' (did you mean 'vectors'?)"),
        (
            observables.MidCurrent,
            {"halfwidth": 2},
            "MidCurrent has no parameter 'halfwidth' (did you mean 'half_width'",
        ),
        (observables.Norm, {"bond": 2}, "Norm has no parameter 'bond'; it has: none"),
        (models.NonHermitianXXZ, {}, "missing 1 required keyword-only argument: 'L'"),
        (observables.MidCurrent, {}, "missing 1 required keyword-only argument: 'half_width'"),
    ],
)
def test_names_of_parameters(make, parameters, message):
    with refused(TypeError, message):
        make(**parameters)


def test_names_elsewhere_lead_to_parameters_that_there_are_each_to_one():
    rooms = (models, algorithms, observables)
    there = {
        name for room in rooms for each in room.__all__ for name in inspect.signature(getattr(room, each)).parameters
    }
    assert ALSO_CALLED.keys() <= there
    elsewhere = [name for names in ALSO_CALLED.values() for name in names]
    assert len(set(elsewhere)) == len(elsewhere)
    assert all(name == name.lower() for name in elsewhere)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: models.NonHermitianXXZ(4, 0.1),
            "NonHermitianXXZ takes its parameters by name: L, charge, gamma, V, h,",
        ),
        (lambda: algorithms.NHTEBD(0.1, 1.0), "NHTEBD takes its parameters by name: dt, t_max, every, initial, order"),
        (lambda: observables.MidCurrent(3), "MidCurrent takes its parameters by name: half_width"),
    ],
)
def test_parameters_have_no_order(make, message):
    with refused(TypeError, message):
        make()


@pytest.mark.parametrize("value", [chain(), tebd(), observables.MidCurrent(half_width=1)], ids=repr)
def test_values_do_not_change(value):
    with pytest.raises(AttributeError, match="cannot assign to field"):
        value.L = 3


# ------------------------------------------------------------------------------------- models that TEBD can't treat


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            terms(1, "Sz", 0, "Sz", 2),
            "term 1 Sz_0 Sz_2 spans sites 0 to 2; gates on bonds need terms on one site or on two neighbouring sites; "
            "ExactEvolution (short chains) and NHDMRG (levels) take any",
        ),
        (terms(2, "Sz", 1, "Sz", 2, "Sz", 3), "term 2 Sz_1 Sz_2 Sz_3 spans sites 1 to 3; gates on bonds need terms on"),
        (OneGate(L=4, where=(0, 2)), "a gate acts on sites (0, 2); NHTEBD needs gates on one site or on neighbours"),
        (OneGate(L=4, where=(2, 1)), "a gate acts on sites (2, 1); NHTEBD needs gates on one site or on neighbours"),
        (OneGate(L=4, where=(3, 4)), "a gate acts on sites (3, 4); NHTEBD needs gates on one site or on neighbours"),
        (OneGate(L=4, where=(-1, 0)), "a gate acts on sites (-1, 0); NHTEBD needs gates on one site or on neighbours"),
        (OneGate(L=4, where=(0, 1, 2), dim=8), "a gate acts on sites (0, 1, 2); NHTEBD needs gates on one site or on"),
        (OneGate(L=4, where=(), dim=1), "a gate acts on sites (); NHTEBD needs gates on one site or on neighbours"),
        (OneGate(L=4, where=(1,)), "gate shape on (1,) = (4, 4), but it must be (2, 2)"),
    ],
)
def test_tebd_needs_neighbours(model, message):
    with refused(ValueError, message):
        simulation(model, tebd(dt=1, t_max=1))


@every_evolution
def test_a_circuit_has_no_half_periods(evolution):
    with refused(ValueError, "dt = 0.5, but it must be 1, since a Floquet model advances by whole periods"):
        simulation(OneGate(L=4, where=(0, 1)), evolution(dt=0.5, t_max=1))


# --------------------------------------------------------------------------------------- operators and their sites


@every_algorithm
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            terms(1, "Sq", 0),
            "Spin(0.5) has no operator 'Sq'; it has: F, Id, Sm, Sp, Sx, Sy, Sz, X, Y, Z (add † for the",
        ),
        (terms(1, "Sz", 4), "term 1 Sz_4 acts on site 4, but the chain has sites 0 … 3"),
        (BosonTerms(L=4, op=nh.OpSum([(1, "Sz", 0)])), "Boson(2) has no operator 'Sz'; it has: F, Id, b, bdag, n"),
    ],
)
def test_operators_of_a_model(model, message, algorithm):
    with refused(ValueError, message):
        simulation(model, algorithm)


# ----------------------------------------------------------------------------------------------- charges and states


@pytest.mark.parametrize("algorithm", [exact(), algorithms.ExactDiag()], ids=repr)
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (chain(charge=1), "charge = 1, but 4 sites of {Spin(0.5)} have: -4, -2, 0, 2, 4"),
        (
            chain(5),
            "charge = 0, but 5 sites of {Spin(0.5)} have: -5, -3, -1, 1, 3, 5; the nearest is charge=1, and",
        ),
        (chain(charge=6), "charge = 6, but 4 sites of {Spin(0.5)} have: -4, -2, 0, 2, 4"),
        (chain(20, charge=1), "charge = 1, but 20 sites of {Spin(0.5)} have: -20, -18, -16, -14, …, 14, 16, 18, 20"),
    ],
)
def test_a_charge_that_no_state_has(model, message, algorithm):
    with refused(ValueError, message):
        simulation(model, algorithm)


@every_evolution
def test_an_initial_state_of_another_charge(evolution):
    with refused(
        ValueError, "the state has weight 1 outside of the sector of charge 2; set the model's charge to that"
    ):
        simulation(chain(charge=2), evolution())


@every_algorithm
def test_a_term_that_changes_the_charge(algorithm):
    hop = nh.OpSum([(1, "Sp", 0, "Sm", 1), (0.5, "Sx", 1, "Sx", 2), (0.5, "Sy", 1, "Sy", 2)])
    assert simulation(Terms(L=4, op=hop, charge=0), algorithm).model.charge == 0
    with refused(ValueError, "the term 0.3 Sx_2 does not conserve the charge 0; use charge=None for the whole space"):
        simulation(Terms(L=4, op=hop + (0.3, "Sx", 2), charge=0), algorithm)
    assert simulation(Terms(L=4, op=hop + (0.3, "Sx", 2)), algorithm).model.charge is None


@pytest.mark.parametrize(
    "op",
    [
        nh.OpSum([(1, "X", 0, "Z", 1), (-2, "X", 0, "Sz", 1)]),
        nh.OpSum([(1, "X", 0, "Sp", 1, "Sm", 1), (1, "X", 0, "Sm", 1, "Sp", 1), (-1, "X", 0), (1, "Sz", 2)]),
    ],
)
def test_terms_that_conserve_the_charge_together(op):
    data = simulation(Terms(L=4, op=op, charge=0), exact(), sz=observables.Magnetization()).run()
    np.testing.assert_allclose(data["sz"][-1], data["sz"][0], atol=1e-12)


def test_a_sector_that_a_term_does_not_leave():
    """All spins are down, whatever lowers one leads nowhere."""
    lowering = nh.OpSum([(1, "Sm", 0), (0.5, "Sz", 1)])
    data = simulation(Terms(L=4, op=lowering, charge=-4), algorithms.ExactDiag(), E=observables.Eigenvalues()).run()
    np.testing.assert_allclose(data["E"], [-0.25])
    with refused(ValueError, "the term 1 X_2 does not conserve the charge -4"):
        simulation(Terms(L=4, op=lowering + (1, "X", 2), charge=-4), algorithms.ExactDiag())
    with refused(ValueError, "the term 1 Sm_0 does not conserve the charge 0"):
        simulation(Terms(L=20, op=lowering, charge=0), algorithms.ExactDiag(vectors="none"))


@every_evolution
@pytest.mark.parametrize(
    ("initial", "error", "message"),
    [
        (lambda model: 3, TypeError, "initial returned int, but it must return an MPS"),
        (lambda model: np.ones(16), TypeError, "initial returned ndarray, but it must return an MPS"),
        (lambda model: None, TypeError, "initial returned NoneType, but it must return an MPS"),
        (lambda model: nh.MPS.product([nh.Spin()] * 6, ["up"] * 2 + ["down"] * 4), ValueError, "initial state"),
        (lambda model: nh.MPS.product([nh.Boson(3)] * 4, ["0"] * 4), ValueError, "initial state"),
    ],
)
def test_an_initial_state_that_is_none(evolution, initial, error, message):
    with refused(error, message):
        simulation(chain(charge=None), evolution(initial=initial))


def scaled(factor: float) -> Callable[[nh.Model], nh.MPS]:
    """The Néel state with one tensor multiplied by a number."""

    def initial(model: nh.Model) -> nh.MPS:
        state = nh.MPS.product(model.sites, ["up", "down"] * 2)
        data = state[1].data
        state[1].modify(data=np.where(data == 0, 0, factor))
        return state

    return initial


@every_evolution
@pytest.mark.parametrize("charge", [None, 0])
@pytest.mark.parametrize(("factor", "norm"), [(0.0, "0.0"), (np.nan, "nan"), (np.inf, "nan")])
def test_an_initial_state_without_a_norm(evolution, charge, factor, norm):
    with refused(ValueError, f"norm of the initial state = {norm}, but it must be finite and positive"):
        simulation(chain(charge=charge), evolution(initial=scaled(factor)))


@every_evolution
def test_an_initial_state_of_any_norm(evolution):
    """Also where the square of the norm is no number of double precision."""
    expected = simulation(chain(charge=0), evolution()).run()["log_norm"]
    for factor in (1e-100, 1e-160, 1e90, 1e200):
        data = simulation(chain(charge=0), evolution(initial=scaled(factor))).run()
        np.testing.assert_allclose(data["log_norm"], expected, atol=1e-13)


class Rotation(nh.FloquetModel):
    """A period of one gate that mixes charges."""

    sites_of_gate: tuple[int, ...]

    def layers(self) -> list[nh.Layer]:
        flip = np.array([[1, 0.5], [-0.5, 1]], dtype=complex)
        return [(nh.Gate(flip if len(self.sites_of_gate) == 1 else np.kron(np.eye(2), flip), self.sites_of_gate),)]


@pytest.mark.parametrize(("where", "charges"), [((2,), (-1, 1)), ((1, 2), (0, 2))])
def test_a_gate_that_breaks_the_conserved_charge(where, charges):
    message = (
        f"the gate on sites {where} takes a state of charge {charges[0]} to one of charge {charges[1]}, "
        "but the model has charge = 0; use charge=None if none is conserved"
    )
    with refused(ValueError, message):
        simulation(Rotation(L=4, charge=0, sites_of_gate=where), tebd(dt=1, t_max=1))
    without = simulation(Rotation(L=4, sites_of_gate=where), tebd(dt=1, t_max=1), sz=observables.Magnetization()).run()
    assert abs(without["sz"].sum("site")[-1]) > 0.1


def test_an_initial_state_needs_its_bonds():
    def entangled(model: nh.Model) -> nh.MPS:
        return nh.MPS.from_vector(np.random.default_rng(1).normal(size=16), model.sites)

    assert simulation(chain(charge=None), tebd(initial=entangled, max_bond=4)).run().sizes["time"] == 3
    with refused(ValueError, "max_bond = 3, but it must be ≥ 4, as the initial state needs"):
        simulation(chain(charge=None), tebd(initial=entangled, max_bond=3))


# ------------------------------------------------------------------------------------------ parts that do not fit


@pytest.mark.parametrize(
    ("observable", "algorithm", "message"),
    [
        (
            observables.Magnetization(),
            algorithms.ExactDiag(),
            "measures Snapshot, but ExactDiag yields Spectrum; in a level it is observables.OfLevel(observable=Magneti",
        ),
        (observables.MidCurrent(half_width=1), algorithms.ExactDiag(), "measures Snapshot, but ExactDiag yields Spec"),
        (observables.SteadyStateGap(), tebd(), "measures Spectrum, but NHTEBD yields TruncatedSnapshot"),
        (observables.Eigenvalues(), exact(), "measures Spectrum, but ExactEvolution yields ExactSnapshot"),
    ],
)
def test_an_observable_of_another_algorithm(observable, algorithm, message):
    with refused(TypeError, f"observable 'x' {message}"):
        simulation(chain(), algorithm, x=observable)


@pytest.mark.parametrize(
    ("L", "half_width", "most"), [(4, 2, 1), (5, 3, 2), (6, 3, 2), (20, 10, 9), (20, 1000, 9), (2, 1, 0)]
)
def test_a_window_of_the_current_that_is_too_large(L, half_width, most):
    with refused(ValueError, f"half_width = {half_width}, but it must be at most {most} for L = {L}"):
        simulation(chain(L, charge=L % 2), x=observables.MidCurrent(half_width=half_width))
    if most:
        simulation(chain(L, charge=L % 2), x=observables.MidCurrent(half_width=most))


@pytest.mark.parametrize("bond", [-1, 3, 100])
def test_an_entropy_across_no_bond(bond):
    with refused(ValueError, f"bond = {bond}, but it must be from 0 to 2"):
        simulation(x=observables.EntanglementEntropy(bond=bond))


@pytest.mark.parametrize(
    ("observable", "algorithm"),
    [
        (observables.CurrentProfile(), tebd()),
        (observables.MidCurrent(half_width=1), tebd()),
        (observables.SteadyStateCurrent(), algorithms.ExactDiag()),
    ],
)
def test_a_model_without_a_current(observable, algorithm):
    name = type(observable).__name__
    with refused(TypeError, f"{name} needs a model with `bonds` and `current(bond)`, which Terms lacks"):
        simulation(terms(1, "Sz", 0), algorithm, x=observable)


@pytest.mark.parametrize("wrong", ["Sz", [(1, "Sz", 0)]])
def test_an_operator_that_is_no_sum(wrong):
    message = f"op is {wrong!r}, but it must be an OpSum, such as OpSum([(1.0, 'Sz', 0)])"
    (spectrum,) = algorithms.ExactDiag().records(chain())
    for state in (nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "up"]), spectrum.state(0)):
        with refused(TypeError, message):
            state.expect(wrong)


def test_a_magnetisation_of_bosons():
    with refused(ValueError, "Boson(2) has no operator 'Sz'; it has: F, Id, b, bdag, n"):
        simulation(BosonTerms(L=4, op=nh.OpSum([(1, "n", 0)])), x=observables.Magnetization())


def test_a_steady_current_needs_vectors_and_gamma():
    current = observables.SteadyStateCurrent()
    message = "observable 'x' (SteadyStateCurrent) needs right eigenvectors, which ExactDiag as it is set does not give"
    with refused(ValueError, message):
        simulation(chain(boundary="periodic"), algorithms.ExactDiag(vectors="none"), x=current)
    with refused(ValueError, "gamma = 0.0, but it must be not zero, since the current is Im E / gamma"):
        simulation(chain(boundary="periodic", gamma=0), algorithms.ExactDiag(), x=current)


@pytest.mark.parametrize("algorithm", [algorithms.ExactDiag(vectors="none"), exact()], ids=repr)
def test_a_problem_that_does_not_fit_in_memory(algorithm):
    with pytest.raises(MemoryError, match=r"needs [\d.e+]+ GiB, but only [\d.e+-]+ GiB are available"):
        simulation(chain(36), algorithm)


def test_the_parts_of_a_simulation():
    with refused(TypeError, "but it must be a Model"):
        simulation(models.NonHermitianXXZ)
    with refused(TypeError, "but it must be an Algorithm"):
        simulation(chain(), algorithms.NHTEBD)
    with refused(TypeError, "observable 'x' is 'Sz', but it must be an Observable"):
        simulation(x="Sz")
    with refused(TypeError, "but it must be an Observable"):
        simulation(x=observables.Norm)


@pytest.mark.parametrize("measured", [[observables.Norm()], observables.Norm(), None], ids=repr)
def test_observables_must_have_names(measured):
    with refused(TypeError, "observables = "):
        nh.Simulation(chain(), tebd(), measured)


@pytest.mark.parametrize("name", ["time", "site", "log_norm", "discarded_weight"])
def test_names_that_are_taken(name):
    """The dataset has a coordinate or a diagnostic of this name, which must not be lost or overwritten."""
    with pytest.raises(ValueError, match=name):
        simulation(**{name: observables.Magnetization()})


# ------------------------------------------------------------------------------------------------------- resuming


@every_evolution
@pytest.mark.parametrize("time", [0.05, 0.3, -0.1])
def test_resuming_from_another_time_grid(evolution, time):
    (start, *_) = evolution().records(chain())
    after = nh.Snapshot(time, start.state)
    with refused(ValueError, f"after.time = {time}, but it must be a multiple of dt = 0.1 up to t_max = 0.2"):
        simulation(chain(), evolution()).run(after=after)


@every_evolution
def test_resuming_from_the_end(evolution):
    (*_, last) = evolution().records(chain())
    with refused(ValueError, "there is nothing to run: the record to continue after is the last one at time = 0.2"):
        simulation(chain(), evolution()).run(after=last)


@every_evolution
def test_resuming_from_another_kind_of_record(evolution):
    (spectrum,) = algorithms.ExactDiag().records(chain())
    for after, name in ((spectrum, "Spectrum"), (3, "int")):
        with pytest.raises(TypeError, match=f"after .*{name}"):
            simulation(chain(), evolution()).run(after=after)


def states() -> list[tuple[Callable[..., Any], Any, str]]:
    (of_tebd, *_), (of_exact, *_) = tebd().records(chain()), exact().records(chain())
    return [
        (tebd, of_exact, "NHTEBD continues an MPS, not ExactState"),
        (exact, of_tebd, "ExactEvolution continues an ExactState, not SymmetricMPS"),
    ]


@pytest.mark.parametrize(("evolution", "after", "message"), states())
def test_resuming_from_another_kind_of_state(evolution, after, message):
    with refused(TypeError, message):
        simulation(chain(), evolution()).run(after=after)


@every_evolution
def test_resuming_another_chain(evolution):
    (start, *_) = evolution().records(chain(6))
    with pytest.raises(ValueError, match="6"):
        simulation(chain(), evolution()).run(after=start)


def test_an_observable_of_the_wrong_shape():
    class Odd(nh.Observable[nh.Snapshot]):
        measures, dims = nh.Snapshot, ("site",)

        def __call__(self, record: nh.Snapshot, model: nh.Model) -> float:
            return 1.0

    with refused(ValueError, "observable 'x' returned shape (), but its dims are ('site',)"):
        simulation(x=Odd()).run()

    class Undeclared(nh.Observable[nh.Snapshot]):
        measures = nh.Snapshot

        def __call__(self, record: nh.Snapshot, model: nh.Model) -> Any:
            return np.zeros((2, 3))

    names = "its dims are (); name each dimension in the class, as in `dims = ('axis_0', 'axis_1')`"
    with refused(ValueError, f"observable 'x' returned shape (2, 3), but {names}"):
        simulation(x=Undeclared()).run()


def test_a_norm_that_no_number_holds():
    snapshot = nh.Snapshot(time=1.0, state=nh.MPS.product([nh.Spin()] * 4, ["up"] * 4), log_norm=-1e4)
    with refused(FloatingPointError, "the norm exp(-10000) at t = 1 is not representable; use log_norm of the dataset"):
        observables.Norm()(snapshot, chain())
