"""Observables of spectra for circuits, whose eigenvalues are λ = exp(-iε): what grows is log |λ|, not Im λ."""

import numpy as np
import pytest
import scipy.stats

import mpsnh as nh
from mpsnh import algorithms, models, observables
from tests.support.spectra import spectrum_of

PHASES = np.array([np.pi, np.pi, np.pi, 0.3, 1.0, 2.0, -1.0, -2.0])


class Map(nh.FloquetModel):
    """One gate on three spins with chosen eigenvalues, and orthonormal eigenvectors."""

    L: int = 3
    values: np.ndarray

    def layers(self):
        vectors = scipy.stats.unitary_group.rvs(8, random_state=5)
        return [(nh.Gate(vectors @ np.diag(self.values) @ vectors.conj().T, (0, 1, 2)),)]


def measured(model, observable, **options):
    algorithm = algorithms.ExactDiag(**options)
    return nh.Simulation(model, algorithm, {"x": observable}).run()["x"].values


@pytest.mark.parametrize("model", [Map(values=np.exp(1j * PHASES)), models.RandomFloquetCircuit(L=4, alpha=1.0)])
def test_quasienergies_of_a_unitary_circuit_are_real(model):
    assert measured(model, observables.ImaginaryFraction()) == 0
    assert measured(model, observables.RealSpectrum()) == 1
    assert measured(model, observables.GrowthRate()) == pytest.approx(0, abs=1e-13)
    assert measured(model, observables.SteadyStateGap()) == pytest.approx(0, abs=1e-13)


def test_a_level_that_grows_or_vanishes_is_complex_whatever_its_phase():
    """Two of eight levels: λ = 1.5 is real, and decays or grows nevertheless, as does λ = 0."""
    values = np.exp(1j * PHASES)
    values[3], values[4] = 1.5, 0.0
    model = Map(values=values)
    assert measured(model, observables.ImaginaryFraction(threshold=1e-9)) == 0.25
    assert measured(model, observables.RealSpectrum(threshold=1e-9)) == 0
    assert measured(model, observables.ImaginaryFraction(threshold=0.5)) == 0.125  # log 1.5 is .41
    assert measured(model, observables.SteadyStateGap()) == pytest.approx(np.log(1.5), abs=1e-12)


def test_an_unitary_circuit_has_no_steady_state():
    model = Map(values=np.exp(1j * PHASES))
    for observable in (observables.SteadyStateEntropy(), observables.SteadyStateConditionNumber()):
        with pytest.raises(ArithmeticError, match="there is no steady state, since 6 distinct levels grow alike"):
            measured(model, observable, vectors="both")
    model = Map(values=np.exp(1j * PHASES) * np.array([0.9, 0.9, 0.9, 0.9, 1.1, 0.9, 0.9, 0.9]))
    assert measured(model, observables.SteadyStateConditionNumber(), vectors="both") == pytest.approx(1)
    vector = scipy.stats.unitary_group.rvs(8, random_state=5)[:, 4].reshape(2, 4)
    weights = np.linalg.svd(vector, compute_uv=False) ** 2
    entropy = measured(model, observables.SteadyStateEntropy(bond=0))
    assert entropy == pytest.approx(-np.sum(weights * np.log(weights)), rel=1e-9)


def test_levels_that_grow_alike_are_no_steady_state_of_a_hamiltonian():
    """In a complex matrix rounding decides which comes first; in a real spectrum it is the lowest one."""
    model = models.NonHermitianXXZ(L=4, charge=None)
    ordered = spectrum_of([1.0 + 0.5j, -1.0 + (0.5 - 1e-15) * 1j, 0.3, 0.1], conditions=np.ones(4))
    with pytest.raises(ArithmeticError, match="since 2 distinct levels grow alike within their errors"):
        observables.SteadyStateConditionNumber()(ordered, model)
    real = spectrum_of([1.0 + 1e-15j, 0.3, -2.0 - 1e-15j, 0.1], conditions=np.arange(1.0, 5.0))
    assert observables.SteadyStateConditionNumber()(real, model) == 3


@pytest.mark.parametrize("turn", [0.0, 1e-15, -1e-15, 3e-15])
def test_phases_on_both_sides_of_pi_count_once(turn):
    model = Map(values=np.exp(1j * PHASES))
    distinct = np.sort(PHASES[2:])
    gaps = np.diff(distinct, append=distinct[0] + 2 * np.pi)
    ratios = np.minimum(gaps, np.roll(gaps, 1)) / np.maximum(gaps, np.roll(gaps, 1))
    turned = PHASES + turn * np.array([1, -1, 0, 0, 0, 0, 0, 0])
    assert observables.GapRatio()(spectrum_of(np.exp(1j * turned)), model) == pytest.approx(ratios.mean(), rel=1e-12)
    assert measured(model, observables.GapRatio()) == pytest.approx(ratios.mean(), rel=1e-10)
    # a phase is one whatever the modulus that rounding, or an error, gives it
    rough = spectrum_of(np.exp(1j * turned) * (1 + 1e-10 * np.arange(8)))
    assert observables.GapRatio()(rough, model) == pytest.approx(ratios.mean(), rel=1e-9)


def test_a_current_is_read_from_energies_only():
    class Driven(Map):
        gamma: float = 0.1
        bonds = range(2)

        def current(self, bond):
            return nh.OpSum([(1.0, "Sz", bond)])

    with pytest.raises(ValueError, match="generator of the model = 'Circuit', but it must be that of a Hamiltonian"):
        measured(Driven(values=np.exp(1j * PHASES)), observables.SteadyStateCurrent())
