"""ExactDiag, ExactEvolution and what is measured in spectra, against dense numpy on the whole space."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.linalg.eigenpairs import Certificate
from mpsnh.linalg.filter.spectrum import filter_spectrum
from mpsnh.operators.propagator import DENSE_PROPAGATOR
from tests.oracles import reference
from tests.support.spectra import spectrum_of

UNCERTAIN = Certificate(False, "252 of 252 eigenvalues")


class Lossy(models.NonHermitianXXZ):
    """A complex matrix: asymmetric hopping and losses."""

    loss: float = 0.3

    def terms(self) -> nh.OpSum:
        return super().terms() + nh.OpSum.sum((-1j * self.loss, "Sz", j) for j in range(0, self.L, 2))


class Twisted(nh.HamiltonianModel):
    """A complex Hermitian matrix: hopping with a phase."""

    def terms(self) -> nh.OpSum:
        hop = nh.OpSum.sum((0.5 * np.exp(0.3j * (j + 1)), "Sp", j, "Sm", (j + 1) % self.L) for j in range(self.L))
        return hop + hop.dag() + nh.OpSum.sum((0.1 * j, "Sz", j) for j in range(self.L))


class Dimer(nh.HamiltonianModel):
    """Two spins, one with gain and one with loss: exceptional points at loss = ±1 in the sector of charge 0."""

    loss: float

    def terms(self) -> nh.OpSum:
        fields = [(0.5j * self.loss, "Sz", 0), (-0.5j * self.loss, "Sz", 1)]
        return nh.OpSum([(0.5, "Sp", 0, "Sm", 1), (0.5, "Sm", 0, "Sp", 1), *fields])


class Circuit(nh.FloquetModel):
    """Random gates on all bonds; conserving ones mix only up-down with down-up."""

    unitary: bool = False
    conserving: bool = False

    def layers(self) -> list[nh.Layer]:
        return [(nh.Gate(self.gate(j), (j, j + 1)),) for j in (*range(0, self.L - 1, 2), *range(1, self.L - 1, 2))]

    def gate(self, bond: int) -> np.ndarray:
        mixing = reference.gaussian(np.random.default_rng([7, bond]), 4, 4)
        if self.conserving:
            mixing *= np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]])
        return scipy.linalg.expm(0.3j * (mixing + mixing.conj().T) if self.unitary else 0.3 * mixing)


def ring(L: int = 8, **parameters: Any) -> models.NonHermitianXXZ:
    return models.NonHermitianXXZ(**{"L": L, "gamma": 0.4, "h": 1.0, "boundary": "periodic", "seed": 2, **parameters})


MODELS: dict[str, nh.Model] = {
    "disordered ring": ring(),
    "clean ring": ring(h=0.0),
    "free clean ring": ring(6, h=0.0, V=0.0),
    "real spectrum": ring(h=8.0),
    "open chain": ring(boundary="open", gamma=0.1),
    "all sectors": ring(6, charge=None),
    "other sector": ring(charge=-4),
    "lossy": Lossy(L=8, gamma=0.2, h=1.0, boundary="periodic"),
    "Hermitian": ring(gamma=0.0),
    "complex Hermitian": Twisted(L=6, charge=0),
    "dimer": Dimer(L=2, loss=0.5, charge=0),
    "circuit": Circuit(L=6),
    "unitary circuit": Circuit(L=6, unitary=True),
    "conserving circuit": Circuit(L=6, conserving=True, charge=2),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@functools.cache
def dense(model: nh.Model) -> np.ndarray:
    """Hamiltonian or Floquet map by Kronecker products over the whole space, cut to the sector."""
    if isinstance(model, nh.FloquetModel):
        whole = np.eye(2**model.L, dtype=complex)
        for layer in model.layers():
            for gate in layer:
                whole = reference.on_sites(gate.matrix, gate.where, [2] * model.L) @ whole
    else:
        whole = reference.operator(model.terms(), model.sites)
    if model.charge is None:
        return whole
    kept = np.flatnonzero(reference.total_charges(model.sites) == model.charge)
    return whole[np.ix_(kept, kept)]


def spectrum(model: nh.Model, vectors: str = "both") -> nh.Spectrum:
    (found,) = algorithms.ExactDiag(vectors=vectors).records(model)
    return found


def growth(model: nh.Model, values: np.ndarray) -> np.ndarray:
    return np.log(np.abs(values)) if isinstance(model, nh.FloquetModel) else values.imag


def farthest(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest distance between two sets of numbers, matched as well as possible."""
    assert found.shape == expected.shape
    distances = np.abs(found[:, None] - expected[None, :])
    return float(distances[scipy.optimize.linear_sum_assignment(distances)].max())


# ------------------------------------------------------------------------------------------- exact diagonalisation


@every_model
@pytest.mark.parametrize("vectors", ["none", "right", "both"])
def test_eigenvalues(model, vectors):
    found, matrix = spectrum(model, vectors), dense(model)
    assert found.sector.dim == len(matrix) == len(found.values)
    assert farthest(found.values, np.linalg.eigvals(matrix)) < 1e-11
    assert (found.right is None) == (vectors == "none")
    assert (found.left is None) == (vectors != "both")


@every_model
def test_levels_are_ordered_by_growth(model):
    """What grows alike but for rounding is ordered by energy or phase, so that rounding decides nothing."""
    levels = spectrum(model, "none").values
    rates = growth(model, levels)
    assert (np.diff(rates) <= 1e-12).all()
    keys = np.angle(levels) if isinstance(model, nh.FloquetModel) else levels.real
    ties = np.abs(np.diff(rates)) < 1e-14
    assert (np.diff(keys)[ties] >= 0).all()


@every_model
@pytest.mark.parametrize("vectors", ["right", "both"])
def test_right_vectors(model, vectors):
    found, matrix = spectrum(model, vectors), dense(model)
    assert np.abs(matrix @ found.right.matrix - found.right.matrix * found.values).max() < 1e-12
    np.testing.assert_allclose(np.linalg.norm(found.right.matrix, axis=0), 1, rtol=1e-12)


@every_model
def test_left_vectors_are_biorthonormal(model):
    found, matrix = spectrum(model), dense(model)
    scale = np.linalg.norm(found.left.matrix, axis=0)
    assert (np.abs(matrix.conj().T @ found.left.matrix - found.left.matrix * found.values.conj()) / scale).max() < 1e-11
    np.testing.assert_allclose(found.left.matrix.conj().T @ found.right.matrix, np.eye(len(matrix)), atol=1e-10)
    # Together they are a resolution of the identity and give back the matrix.
    np.testing.assert_allclose((found.right.matrix * found.values) @ found.left.matrix.conj().T, matrix, atol=1e-9)


def test_the_clean_ring_is_degenerate():
    """What the test above needs to have covered."""
    values = spectrum(MODELS["free clean ring"], "none").values
    gaps = np.abs(values[:, None] - values[None, :]) + np.eye(len(values))
    assert (gaps < 1e-12).any()


@pytest.mark.parametrize("name", ["disordered ring", "clean ring", "open chain", "all sectors"])
def test_a_real_matrix_has_exact_conjugate_pairs(name):
    values = spectrum(MODELS[name], "none").values
    assert set(values.tolist()) == set(values.conj().tolist())
    assert np.array_equal(np.sort(values.imag), np.sort(-values.imag))


def test_an_open_chain_has_exactly_real_eigenvalues():
    assert not spectrum(ring(boundary="open", gamma=0.1, h=2.0), "none").values.imag.any()


@pytest.mark.parametrize("name", ["Hermitian", "complex Hermitian"])
def test_hermitian_matrices_keep_their_structure(name):
    found = spectrum(MODELS[name])
    assert not found.values.imag.any()
    assert (np.diff(found.values.real) >= 0).all()
    np.testing.assert_allclose(found.right.matrix.conj().T @ found.right.matrix, np.eye(len(found.values)), atol=1e-13)
    assert np.array_equal(found.left.matrix, found.right.matrix)
    np.testing.assert_allclose(found.condition_numbers(), 1, rtol=1e-12)


def test_a_unitary_circuit_neither_grows_nor_decays():
    assert np.abs(growth(MODELS["unitary circuit"], spectrum(MODELS["unitary circuit"]).values)).max() < 1e-13


@pytest.mark.parametrize("name", ["disordered ring", "lossy", "circuit"])
def test_condition_numbers_by_definition(name):
    found = spectrum(MODELS[name])
    values, left, right = scipy.linalg.eig(dense(MODELS[name]), left=True, right=True)
    expected = 1 / np.abs(np.sum(left.conj() * right, axis=0))
    partner = np.argmin(np.abs(found.values[:, None] - values[None, :]), axis=1)
    np.testing.assert_allclose(found.condition_numbers(), expected[partner], rtol=1e-8)
    assert (found.condition_numbers() >= 1 - 1e-12).all()
    assert found.condition_numbers().max() > 1.5


@pytest.mark.parametrize("name", ["disordered ring", "lossy", "circuit"])
@pytest.mark.parametrize("level", [0, 1, 7, -1])
def test_condition_number_is_the_response_to_the_worst_perturbation(name, level):
    found, eps = spectrum(MODELS[name]), 1e-7
    left, right = (
        vectors[:, level] / np.linalg.norm(vectors[:, level]) for vectors in (found.left.matrix, found.right.matrix)
    )
    perturbed = np.linalg.eigvals(dense(MODELS[name]) + eps * np.outer(left, right.conj()))
    moved = np.abs(perturbed - found.values[level]).min()
    assert moved == pytest.approx(eps * found.condition_numbers()[level], rel=1e-4)


@pytest.mark.parametrize("loss", [0.0, 0.6, 0.99, 1.01, 2.0])
def test_near_an_exceptional_point_condition_numbers_diverge(loss):
    """The matrix ½ [[iγ, 1], [1, -iγ]] has E = ±½ √(1 - γ²) and condition number max(1, γ) / √|1 - γ²|."""
    found = spectrum(Dimer(L=2, loss=loss, charge=0))
    root = np.sqrt(complex(1 - loss**2))
    assert farthest(found.values, np.array([root, -root]) / 2) < 1e-13
    np.testing.assert_allclose(found.condition_numbers(), max(1, loss) / np.abs(root), rtol=1e-10)


@pytest.mark.parametrize("loss", [1.0, -1.0])
def test_an_exceptional_point_has_no_biorthonormal_vectors(loss):
    """But it has eigenvalues, and they are kept."""
    dimer = Dimer(L=2, loss=loss, charge=0)
    found = spectrum(dimer)
    assert np.abs(found.values).max() < 1e-7
    assert np.isinf(found.condition_numbers()).all()
    assert found.left is None
    assert "exceptional point" in found.missing
    assert np.abs(spectrum(dimer, "right").values).max() < 1e-7


def test_a_jordan_block_is_an_exceptional_point():
    lowering = models.NoClick(L=2, hamiltonian=nh.OpSum([(1, "Sm", 0)]), jumps=())
    found = spectrum(lowering)
    assert not found.values.any()
    assert np.isinf(found.condition_numbers()).all()
    assert found.left is None
    assert "exceptional point" in found.missing


def test_degenerate_levels_with_a_skin_effect_are_no_exceptional_point():
    """Levels of an open clean chain that a symmetry makes equal have large condition numbers, but can be told apart."""
    found = spectrum(models.NonHermitianXXZ(L=10, gamma=0.7, V=0.0))
    assert found.condition_numbers().max() > 1e8
    np.testing.assert_allclose(found.left.matrix.conj().T @ found.right.matrix, np.eye(len(found.values)), atol=1e-9)


def test_eigenstates_can_be_measured():
    model = ring(6)
    found = spectrum(model)
    for level in (0, 3):
        vector = model.sector.embed(found.right.matrix[:, level])
        state = found.state(level)
        assert state.expect(model.terms()) == pytest.approx(found.values[level], abs=1e-12)
        magnetisation = [
            reference.expectation(reference.embedded(np.diag([0.5, -0.5]), j, [2] * 6), vector) for j in range(6)
        ]
        np.testing.assert_allclose(state.expect_each("Sz"), magnetisation, atol=1e-13)


def test_missing_vectors_are_asked_for():
    with pytest.raises(ValueError, match=r"eigenstates need right eigenvectors: use ExactDiag\(vectors='right'\)"):
        spectrum(ring(6), "none").state(0)
    with pytest.raises(ValueError, match=r"condition numbers need both eigenvectors: use ExactDiag\(vectors='both'\)"):
        spectrum(ring(6), "right").condition_numbers()


def test_there_is_nothing_to_continue():
    with pytest.raises(ValueError, match="ExactDiag has nothing to continue"):
        list(algorithms.ExactDiag().records(ring(6), after=spectrum(ring(6))))


def test_a_circuit_must_conserve_the_charge_of_its_sector():
    with pytest.raises(ValueError, match="the gates do not conserve the charge 0; use charge=None"):
        spectrum(Circuit(L=4, charge=0))


class NotFinite(Circuit):
    """Gates that are no numbers."""

    def gate(self, bond: int) -> np.ndarray:
        return np.full((4, 4), np.nan, dtype=complex)


def test_a_matrix_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"the matrix of NotFinite\(.*\) has elements that are not finite"):
        spectrum(NotFinite(L=2))


# ------------------------------------------------------------------------------------------------ exact evolution


def evolved(model: nh.Model, dt: float, t_max: float, initial: Any = "neel", every: int = 1) -> list[nh.Snapshot]:
    return list(algorithms.ExactEvolution(dt=dt, t_max=t_max, every=every, initial=initial).records(model))


def assert_evolves(snapshot: nh.Snapshot, expected: np.ndarray) -> None:
    """Compare with an un-normalised vector of the sector, phase included."""
    norm = np.linalg.norm(expected)
    assert snapshot.log_norm == pytest.approx(np.log(norm), abs=1e-12)
    np.testing.assert_allclose(snapshot.state.vector, expected / norm, atol=1e-12)
    assert not hasattr(snapshot, "discarded")


@pytest.fixture(params=["matrix exponential", "Krylov"])
def route(request, monkeypatch):
    if request.param == "Krylov":
        monkeypatch.setattr("mpsnh.operators.propagator.DENSE_PROPAGATOR", 0)


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize(
    "name",
    ["disordered ring", "open chain", "all sectors", "lossy", "Hermitian", "complex Hermitian", "dimer"],
)
def test_evolution_under_a_hamiltonian(name):
    model, matrix = MODELS[name], dense(MODELS[name])
    records = evolved(model, 0.7, 2.8)
    assert [record.time for record in records] == pytest.approx([0, 0.7, 1.4, 2.1, 2.8])
    for record in records:
        assert_evolves(record, scipy.linalg.expm(-1j * record.time * matrix) @ records[0].state.vector)


def test_evolution_in_a_large_sector():
    model = ring(12)
    assert model.sector.dim == 924 > DENSE_PROPAGATOR
    first, last = evolved(model, 1.5, 1.5)
    matrix = model.matrix()
    expected, term = first.state.vector.astype(complex), first.state.vector.astype(complex)
    for k in range(1, 80):  # the Taylor series, each term of which is far from overflow
        term = -1.5j / k * (matrix @ term)
        expected = expected + term
    assert np.linalg.norm(term) < 1e-30
    assert_evolves(last, expected)


def test_the_time_step_does_not_matter():
    model = ring()
    *_, one = evolved(model, 2.4, 2.4)
    for dt, every in ((0.1, 1), (0.1, 7), (0.8, 2)):
        *_, other = evolved(model, dt, 2.4, every=every)
        np.testing.assert_allclose(other.state.vector, one.state.vector, atol=1e-12)
        assert other.log_norm == pytest.approx(one.log_norm, abs=1e-12)


@pytest.mark.parametrize("name", ["circuit", "unitary circuit", "conserving circuit"])
def test_evolution_by_periods(name):
    model, vector = MODELS[name], reference.gaussian(np.random.default_rng(1), MODELS[name].sector.dim)
    vector /= np.linalg.norm(vector)
    records = evolved(
        model, 1, 5, lambda given: nh.MPS.from_vector(3 * model.sector.embed(vector), given.sites), every=2
    )
    assert [record.time for record in records] == [0, 2, 4, 5]
    for record in records:
        expected = np.linalg.matrix_power(dense(model), int(record.time)) @ vector
        phase = np.vdot(vector, records[0].state.vector)
        assert_evolves(record, phase * expected)


def test_the_initial_state_must_lie_in_the_sector():
    with pytest.raises(ValueError, match=r"weight 1 outside of the sector of charge 2; set the model's charge to that"):
        evolved(ring(charge=2), 0.1, 0.1)

    def half(model: nh.Model) -> nh.MPS:
        return nh.MPS.product(model.sites, ["up", "down"] * 3 + ["up", [1, 1]])

    with pytest.raises(ValueError, match=r"weight 0.5 outside of the sector of charge 0"):
        evolved(ring(), 0.1, 0.1, half)
    assert len(evolved(ring(charge=None), 0.1, 0.1, half)) == 2


class Explosion(nh.HamiltonianModel):
    """Multiplies the norm by exp(rate) in unit time."""

    rate: float

    def terms(self) -> nh.OpSum:
        return nh.OpSum([(1j * self.rate,)])


@pytest.mark.parametrize("rate", [300.0, -300.0, 800.0, -800.0])
def test_log_norm_outlives_double_precision(rate):
    """From one record to the next too."""
    *_, last = evolved(Explosion(L=4, rate=rate), 1, 4)
    assert last.log_norm == pytest.approx(4 * rate, rel=1e-12)


def test_resuming_needs_an_exact_state():
    snapshot = nh.Snapshot(0.1, nh.MPS.product(ring().sites, ["up", "down"] * 4))
    with pytest.raises(TypeError, match="ExactEvolution continues an ExactState, not MPS"):
        list(algorithms.ExactEvolution(dt=0.1, t_max=1).records(ring(), after=snapshot))


# ---------------------------------------------------------------------------------------------- what spectra give


def measured(model: nh.Model, vectors: str = "right", **measures: nh.Observable[nh.Spectrum]) -> dict[str, Any]:
    data = nh.Simulation(model, algorithms.ExactDiag(vectors=vectors), measures).run()
    return {name: data[name].values for name in measures}


def made_up(*values: complex) -> nh.Spectrum:
    ordered = sorted(map(complex, values), key=lambda value: (-value.imag, value.real))
    return spectrum_of(ordered)


SPECTRA = [ring(8, seed=seed, h=h) for h in (1.0, 3.0, 8.0) for seed in range(4)] + [Lossy(L=6), Circuit(L=4)]


@pytest.mark.parametrize("model", SPECTRA, ids=str)
def test_observables_of_spectra(model):
    found = measured(
        model,
        E=observables.Eigenvalues(),
        rate=observables.GrowthRate(),
        gap=observables.SteadyStateGap(),
        fraction=observables.ImaginaryFraction(threshold=1e-9),
        real=observables.RealSpectrum(threshold=1e-9),
    )
    values = np.linalg.eigvals(dense(model))
    rates = growth(model, values)
    first = values[np.argmax(rates)]
    others = rates[np.abs(values - first) > 1e-9]
    assert farthest(found["E"], values) < 1e-11
    assert found["rate"] == pytest.approx(rates.max(), abs=1e-11)
    assert found["gap"] == pytest.approx(rates.max() - others.max(), abs=1e-11)
    assert found["fraction"] == np.mean(np.abs(values.imag) > 1e-9)
    assert found["real"] == float(np.abs(values.imag).max() <= 1e-9)


def test_the_spectra_above_cover_all_cases():
    reals = [measured(model, real=observables.RealSpectrum(threshold=1e-9))["real"] for model in SPECTRA[:-2]]
    assert 0 in reals
    assert 1 in reals


@pytest.mark.parametrize(
    ("values", "gap"),
    [
        ([0.3 + 1j, 0.3 - 1j, 0.1 + 0.4j, 0.1 - 0.4j, -0.2], 0.6),  # a conjugate pair counts once
        ([0.3 + 1j, 0.3 - 1j, -0.2, 0.5], 1.0),  # the next level is real
        ([1j, 1j, -1j, -1j, 0.25j, -0.25j], 0.75),  # a degenerate level counts once
        ([1j, 1j * (1 - 1e-13), -1j, 0.25j, -0.25j], 0.75),  # degenerate up to rounding
        ([0.5 + 1j, -0.5 + 1j, 0.5 - 1j, -0.5 - 1j], 0.0),  # two levels that differ in Re E only
        ([0.1, 0.2, 0.3, 0.3], 0.0),  # all real
        ([1j, -1j], 2.0),  # nothing but one pair
        ([-1j, -3j], 2.0),  # both decay
    ],
)
def test_gap_counts_distinct_levels(values, gap):
    assert observables.SteadyStateGap()(made_up(*values), ring()) == pytest.approx(gap, abs=1e-12)


def test_gap_tolerance_decides_what_is_distinct():
    spectrum = made_up(1j, 1j - 1e-4, 0.5j)
    assert observables.SteadyStateGap()(spectrum, ring()) == 0
    assert observables.SteadyStateGap(tolerance=1e-3)(spectrum, ring()) == pytest.approx(0.5)


def test_a_single_level_has_no_gap():
    with pytest.raises(ValueError, match="only one distinct level"):
        observables.SteadyStateGap()(made_up(0.5j, 0.5j), ring())


@pytest.mark.parametrize("threshold", [0.0, 1e-13, 0.1, 1.0])
def test_thresholds_of_imaginary_parts(threshold):
    values = (1 + 1j, 1 - 1j, 0.1j, -0.1j, 1e-14j, -1e-14j, 3.0, 0.0)
    share = np.mean([abs(complex(value).imag) > threshold for value in values])
    assert observables.ImaginaryFraction(threshold=threshold)(made_up(*values), ring()) == share
    assert observables.RealSpectrum(threshold=threshold)(made_up(*values), ring()) == float(share == 0)


@pytest.mark.parametrize("seed", range(4))
def test_steady_state_current(seed):
    model = ring(8, seed=seed, h=2.0)
    by_value, by_vector = measured(model, current=observables.SteadyStateCurrent())["current"]
    values, vectors = np.linalg.eig(dense(model))
    best = np.argmax(values.imag)
    total = sum(reference.operator(model.current(bond), model.sites) for bond in range(8))
    kept = np.flatnonzero(reference.total_charges(model.sites) == 0)
    expected = reference.expectation(total[np.ix_(kept, kept)], vectors[:, best])
    assert expected.imag == pytest.approx(0, abs=1e-12)
    assert by_value == pytest.approx(values[best].imag / 0.4, abs=1e-11)
    assert by_vector == pytest.approx(expected.real, abs=1e-11)
    assert by_value >= 0


def test_a_real_spectrum_carries_no_current():
    model = ring(8, h=8.0)
    found = measured(model, current=observables.SteadyStateCurrent(), real=observables.RealSpectrum())
    assert found["real"] == 1
    np.testing.assert_allclose(found["current"], 0, atol=1e-12)


def test_current_estimates_must_agree():
    with pytest.raises(ArithmeticError, match=r"must agree: .* non-Hermitian terms besides iγ I_tot"):
        measured(Lossy(L=6, gamma=0.2, h=1.0, boundary="periodic"), current=observables.SteadyStateCurrent())


# ---------------------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize(
    ("vectors", "gib"), [("none", 32 * 2704156**2), ("right", 128 * 2704156**2), ("both", 168 * 2704156**2)]
)
def test_a_diagonalisation_that_cannot_fit_says_how_much_it_needs(vectors, gib):
    simulation = (ring(24), algorithms.ExactDiag(method="dense", vectors=vectors), {})
    needed = f"{gib / 2**30:.3g}".replace("+", r"\+")
    with pytest.raises(MemoryError, match=f"a matrix of dimension 2704156 needs {needed} GiB, but only .* GiB are"):
        nh.Simulation(*simulation)


@pytest.mark.parametrize(
    ("model", "algorithm"),
    [
        (ring(40), algorithms.ExactDiag()),
        (ring(40, charge=None), algorithms.ExactDiag()),
        (Circuit(L=40), algorithms.ExactDiag(vectors="none")),
        (ring(40), algorithms.ExactEvolution(dt=0.1, t_max=1)),
        (ring(100), algorithms.ExactEvolution(dt=0.1, t_max=1)),
    ],
)
def test_hopeless_problems_are_refused_at_once(model, algorithm):
    with pytest.raises(MemoryError, match=r"needs .* GiB, but only .* GiB are available"):
        nh.Simulation(model, algorithm, {})


def test_an_astronomical_basis_is_refused():
    with pytest.raises(MemoryError, match=r"a matrix of dimension 100891344545564193334812497256 needs .* GiB"):
        nh.Simulation(ring(100), algorithms.ExactDiag(), {})


@pytest.mark.parametrize(
    ("algorithm", "model"),
    [(algorithms.ExactDiag(), ring(14)), (algorithms.ExactEvolution(dt=0.1, t_max=1), ring(16))],
)
def test_the_memory_of_the_machine_decides(algorithm, model, monkeypatch):
    nh.Simulation(model, algorithm, {})

    class Full:
        available = 2**16

    monkeypatch.setattr("mpsnh.checks.psutil.virtual_memory", Full)
    with pytest.raises(MemoryError, match=r"but only 6.1e-05 GiB are available"):
        nh.Simulation(model, algorithm, {})


# ----------------------------------------------------------------------- filter diagonalisation, few eigenvectors


def diagonalised(model: nh.Model, **options: Any) -> nh.Spectrum:
    (spectrum,) = algorithms.ExactDiag(**options).records(model)
    return spectrum


def filtered(model: nh.Model, **options: Any) -> nh.Spectrum:
    (spectrum,) = algorithms.ExactDiag(**({"method": "filter", "leading": 2} | options)).records(model)
    return spectrum


def assert_same_levels(a: nh.Spectrum, b: nh.Spectrum, tolerance: float) -> None:
    assert len(a.values) == len(b.values)
    distances = np.abs(a.values[:, None] - b.values)
    assert distances[scipy.optimize.linear_sum_assignment(distances)].max() < tolerance


@pytest.mark.parametrize("h", [2.0, 5.0])
def test_filter_diagonalisation_is_lapack(h):
    model = ring(10, gamma=0.1, h=h, seed=3)
    ours, exact = filtered(model, vectors="both"), diagonalised(model, vectors="both")
    assert ours.certified
    assert ours.attempts >= 1
    assert exact.attempts == 0
    assert_same_levels(ours, exact, 1e-9)
    matrix = model.matrix()
    norm = np.linalg.norm(matrix.toarray())
    values = ours.values[:2]
    assert np.linalg.norm(matrix @ ours.right.matrix - ours.right.matrix * values) < 1e-8 * norm
    assert np.linalg.norm(matrix.T @ ours.left.matrix - ours.left.matrix * values.conj()) < 1e-7 * norm
    np.testing.assert_allclose(ours.left.matrix.conj().T @ ours.right.matrix, np.eye(2), atol=1e-7)


@pytest.mark.parametrize("vectors", ["right", "both"])
@pytest.mark.parametrize(
    "model",
    [
        ring(8, h=1.0),
        ring(8, h=0.0, V=0.0),  # degenerate levels
        models.NonHermitianXXZ(L=4, h=2.0, seed=1, boundary="periodic"),
        models.NonHermitianXXZ(L=8, h=1.0, gamma=0.0),  # Hermitian
        Lossy(L=6, h=1.0, boundary="periodic"),  # complex
    ],
    ids=repr,
)
def test_vectors_of_the_leading_levels(model, vectors):
    some, every = diagonalised(model, vectors=vectors, leading=3), diagonalised(model, vectors="none")
    np.testing.assert_allclose(some.values, every.values, atol=1e-10)
    assert some.right.matrix.shape == (model.sector.dim, 3)
    matrix = model.matrix()
    assert np.abs(matrix @ some.right.matrix - some.right.matrix * some.values[:3]).max() < 1e-9
    np.testing.assert_allclose(np.linalg.norm(some.right.matrix, axis=0), 1, rtol=1e-12)
    if vectors == "both":
        assert np.abs(matrix.conj().T @ some.left.matrix - some.left.matrix * some.values[:3].conj()).max() < 1e-8
    with pytest.raises(ValueError, match="level = 3, but it must be one of the 3 that have eigenvectors"):
        some.state(3)


def test_lapack_follows_where_filter_diagonalisation_is_not_certain(monkeypatch):
    model = ring(10, h=0.2, seed=1)
    uncertain = dataclasses.replace(filter_spectrum(model.matrix()), certificate=UNCERTAIN, attempts=2)
    monkeypatch.setattr("mpsnh.algorithms.exact_diag.filter_spectrum", lambda *_, **__: uncertain)
    found = filtered(model)
    assert (found.certified, found.attempts) == (True, 2)
    np.testing.assert_array_equal(found.values, diagonalised(model, vectors="none").values)


def test_no_memory_for_lapack_is_an_error(monkeypatch):
    model = ring(10, h=2.0, seed=1)
    uncertain = dataclasses.replace(filter_spectrum(model.matrix()), certificate=UNCERTAIN)
    monkeypatch.setattr("mpsnh.algorithms.exact_diag.filter_spectrum", lambda *_, **__: uncertain)

    def nothing_left(nbytes, what):
        if what == "LAPACK":
            raise MemoryError(f"{what} needs {nbytes} bytes, but there are none")

    monkeypatch.setattr("mpsnh.algorithms.exact_diag.require_memory", nothing_left)
    with pytest.raises(ArithmeticError, match=r"not certified.*and LAPACK needs 3048192.0 bytes, but there are none"):
        filtered(model)


def test_vectors_that_are_not_accurate_lead_to_lapack(monkeypatch):
    model = ring(10, gamma=0.1, h=2.0, seed=1)

    def inaccurate(matrix, spectrum, values, **_):
        return np.zeros((matrix.dim, len(values)), complex), np.full(len(values), np.nan)

    monkeypatch.setattr("mpsnh.linalg.filter.vectors.eigenvectors", inaccurate)
    found = filtered(model)
    assert np.abs(model.matrix() @ found.right.matrix - found.right.matrix * found.values[:2]).max() < 1e-9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leading": 0}, "leading = 0, but it must be at least 1"),
        ({"attempts": 0}, "attempts = 0, but it must be at least 1"),
        ({"seed": -1}, "seed = -1, but it must be zero or positive"),
        ({"method": "fast"}, "method = 'fast', but it must be one of 'auto', 'dense', 'filter'"),
    ],
)
def test_options_that_are_not_allowed(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        algorithms.ExactDiag(**options)


def test_matrices_that_filter_diagonalisation_can_not_treat():
    for model in (Lossy(L=6, boundary="periodic"), models.NonHermitianXXZ(L=6, gamma=0.0)):
        with pytest.raises(ValueError, match="method = 'filter' needs a sparse real matrix that is not symmetric"):
            filtered(model)
    with pytest.raises(ValueError, match="leading = 100, but it must be at most 20, the number of levels"):
        nh.Simulation(ring(6), algorithms.ExactDiag(leading=100), {})
