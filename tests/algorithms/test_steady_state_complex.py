"""Few levels of complex matrices, against LAPACK, free particles and other closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.linalg.subspace import growing_levels
from tests.oracles import reference


class ComplexFields(models.NonHermitianXXZ):
    """Random gain and loss on all sites."""

    loss: float = 0.5

    def gains(self) -> np.ndarray:
        return self.loss * np.random.default_rng([self.seed, 1]).uniform(-1, 1, self.L)

    def terms(self) -> nh.OpSum:
        return super().terms() + nh.OpSum.sum((1j * gain, "Sz", j) for j, gain in enumerate(self.gains()))


class Flux(models.NonHermitianXXZ):
    """A ring around a magnetic flux, so that hopping is complex."""

    flux: float = 1.0

    def terms(self) -> nh.OpSum:
        terms = []
        for number, factors in super().terms().terms:
            phase = np.exp(1j * self.flux / self.L * {"Sp": 1, "Sm": -1}.get(factors[0][0], 0))
            terms.append((number * phase, *(x for factor in factors for x in factor)))
        return nh.OpSum(terms)


class ComplexIsing(nh.HamiltonianModel):
    """−Σ Sᶻ Sᶻ − 0.5i Σ Sˣ."""

    def terms(self) -> nh.OpSum:
        bonds = nh.OpSum.sum((-1.0, "Sz", j, "Sz", j + 1) for j in range(self.L - 1))
        return bonds + nh.OpSum.sum((-0.5j, "Sx", j) for j in range(self.L))


def ring(kind: type[models.NonHermitianXXZ], L: int, **parameters: Any) -> models.NonHermitianXXZ:
    return kind(**{"L": L, "h": 1.0, "boundary": "periodic", **parameters})


def steady(model: nh.Model, **parameters: Any) -> nh.Spectrum:
    (found,) = algorithms.SteadyState(**parameters).records(model)
    return found


def dense_levels(matrix: Any, k: int) -> np.ndarray:
    values = np.linalg.eigvals(matrix.toarray())
    return values[np.argsort(-values.imag)][:k]


def check(found: Any, matrix: scipy.sparse.csr_matrix) -> None:
    """The levels are those of LAPACK, within the errors that are said."""
    assert found.certified
    expected = dense_levels(matrix, len(found))
    assert (np.abs(found.values - expected) <= found.errors + 1e-11).all()


@pytest.fixture
def uncertain(monkeypatch):
    """Diagonalise nothing that is not certain otherwise."""
    monkeypatch.setattr("mpsnh.algorithms.steady_state.SMALL_COMPLEX", 0)
    monkeypatch.setattr("mpsnh.algorithms.steady_state.LARGEST_DENSE", 0)


@pytest.mark.parametrize("kind", [ComplexFields, Flux])
@pytest.mark.parametrize("seed", range(15))
def test_disordered_rings(kind, seed):
    gamma, h = (0.0, 0.1, 0.5)[seed % 3] or 0.3, (0.0, 1.0, 2.0)[seed // 3 % 3]
    matrix = ring(kind, 8, seed=seed, gamma=gamma, h=h).matrix()
    found = growing_levels(matrix, 1 + seed % 3, seed=seed, work=100.0)
    assert found is not None or kind is Flux  # whose spectrum is nearly real
    if found is not None:
        check(found, matrix)


@pytest.mark.usefixtures("uncertain")
@pytest.mark.parametrize("kind", [ComplexFields, Flux])
@pytest.mark.parametrize("vectors", ["none", "right", "both"])
def test_levels_and_vectors(kind, vectors):
    model = ring(kind, 10, gamma=0.4, seed=2)
    matrix, found = model.matrix(), steady(model, k=3, vectors=vectors)
    assert np.iscomplexobj(matrix)
    np.testing.assert_allclose(found.values, dense_levels(matrix, 3), atol=1e-8)
    if vectors == "none":
        assert found.right is found.left is None
        return
    right = np.asarray(found.right)
    residuals = np.linalg.norm(matrix @ right - right * found.values, axis=0)
    np.testing.assert_allclose(found.residuals, residuals, atol=1e-12)
    assert residuals.max() < 1e-8
    if vectors == "both":
        left = np.asarray(found.left)
        np.testing.assert_allclose(left.conj().T @ right, np.eye(3), atol=1e-10)
        scale = np.linalg.norm(left, axis=0)
        assert (np.linalg.norm(matrix.conj().T @ left - left * found.values.conj(), axis=0) / scale).max() < 1e-7


@pytest.mark.parametrize("seed", range(2))
def test_free_particles_in_complex_fields(seed):
    """At V = 0 and dimension 3432, Im E₁ is the sum of the largest Im ε, with the sign of the ring for 7 particles."""
    model = ring(ComplexFields, 14, V=0.0, seed=seed, gamma=0.2)
    assert model.sector.dim == 3432
    fields = model.local_fields() + 1j * model.gains()
    one = np.diag(fields)
    for j in range(14):
        one[j, (j + 1) % 14] += 0.4
        one[(j + 1) % 14, j] += 0.6
    rates = np.sort(np.linalg.eigvals(one).imag)[::-1]
    first = rates[:7].sum() - fields.imag.sum() / 2
    found = steady(model)
    np.testing.assert_allclose(found.values.imag, [first, first - rates[6] + rates[7]], atol=1e-8)
    assert found.certified


def test_an_ising_chain_in_an_imaginary_field():
    """Its largest Im E at L = 12, found independently: 2.342080570."""
    assert steady(ComplexIsing(L=12), k=1).values[0].imag == pytest.approx(2.342080570, abs=2e-9)


def test_one_particle_on_many_sites():
    """A sector by its own size: a ring with flux has the levels cos(k + φ/L) − iγ sin(k + φ/L)."""
    L, flux = 400, 1.0
    model = ring(Flux, L, h=0.0, V=0.0, gamma=0.2, charge=2 - L)
    k = (2 * np.pi * np.arange(L) + flux) / L
    exact = np.sort(-0.2 * np.sin(k))[::-1]
    found = steady(model)
    np.testing.assert_allclose(found.values.imag, exact[:2], atol=1e-9)


@pytest.mark.parametrize("copies", [2, 3])
def test_degenerate_levels_count_as_often_as_they_occur(copies):
    one = ring(ComplexFields, 8, seed=4).matrix()
    found = growing_levels(scipy.sparse.block_diag([one] * copies, format="csr"), copies + 1)
    first, second = dense_levels(one, 2)
    np.testing.assert_allclose(found.values, [first] * copies + [second], atol=1e-8)
    assert found.certified


@pytest.mark.parametrize("split", [0.0, 1e-12, 1e-6, 1e-2])
def test_levels_that_merge(split):
    """Two levels 3i ± √split, also at the exceptional point, where errors are of the order of √ε."""
    rng = np.random.default_rng(0)
    rest = scipy.sparse.csr_matrix(reference.gaussian(rng, 80, 80) / 20)
    pair = scipy.sparse.csr_matrix([[3j, 1.0], [split, 3j]])
    found = growing_levels(scipy.sparse.block_diag([pair, rest], format="csr"), 2)
    distances = np.abs(found.values[:, None] - (3j + np.array([1, -1]) * split**0.5)).min(axis=1)
    assert (distances <= found.errors + 1e-12).all()
    assert found.errors.max() < 1e-5


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("L", [8, 10])
def test_open_chains_in_the_imaginary_gauge(L, gamma):
    """Rounding moves levels far where the skin effect is strong: they are right within their errors, or uncertified."""
    model = ComplexFields(L=L, gamma=gamma, h=1.0, loss=0.3, seed=1)
    # without the gauge factor, both hops have the amplitude √(1 − γ²)/2
    hop = (1 - gamma**2) ** 0.5
    symmetric = ComplexFields(L=L, gamma=0.0, h=1.0, loss=0.3, seed=1).terms()
    scaled = [
        ((hop if factors[0][0] in ("Sp", "Sm") else 1.0) * number, *(x for factor in factors for x in factor))
        for number, factors in symmetric.terms
    ]
    exact = dense_levels(model.sector.operator(nh.OpSum(scaled)), 2)
    found = growing_levels(model.matrix(), 2, work=100.0)
    if found is not None and found.certified:
        assert (np.abs(found.values - exact) <= found.errors + 1e-11).all()
    assert gamma > 0.5 or (found is not None and found.certified)


def test_what_does_not_stand_out():
    assert growing_levels(scipy.sparse.csr_matrix((50, 50), dtype=complex), 1) is None
    assert growing_levels(1j * scipy.sparse.identity(50, format="csr"), 1) is None
    assert growing_levels(ring(ComplexFields, 8, gamma=0.0, loss=1e-7).matrix(), 1) is None


def test_without_certainty_a_complex_matrix_is_diagonalised(request):
    model = ring(ComplexFields, 10, gamma=0.0, loss=1e-7)
    np.testing.assert_allclose(steady(model).values, dense_levels(model.matrix(), 2), atol=1e-11)
    request.getfixturevalue("uncertain")
    message = "the levels of largest Im E are not certain: they do not stand out from the others; try another seed or"
    with pytest.raises(ArithmeticError, match=message):
        steady(model)


def test_levels_that_decay_fastest_are_not_known():
    """So that the largest |Im E| of a complex matrix isn't either."""
    measured = {"real": observables.RealSpectrum()}
    with pytest.raises(ValueError, match=r"the largest \|Im E\| of all levels"):
        nh.Simulation(ring(ComplexFields, 10), algorithms.SteadyState(), measured).run()
    rate = nh.Simulation(ring(ComplexFields, 10), algorithms.SteadyState(), {"rate": observables.GrowthRate()}).run()
    assert rate["rate"] == pytest.approx(dense_levels(ring(ComplexFields, 10).matrix(), 1)[0].imag, abs=1e-8)


@pytest.mark.parametrize("seed", [4, 7, 8])
@pytest.mark.parametrize("coupling", [0.0, 1e-10])
def test_copies_of_the_steady_state_are_no_gap(seed, coupling):
    """Two rings that are alike: the steady level occurs twice, within the errors, which are part of the spectrum."""

    class TwoRings(nh.HamiltonianModel):
        charge: int | None = 0

        def terms(self):
            half, total = self.L // 2, nh.OpSum([(coupling, "Sz", 0, "Sz", self.L // 2)])
            fields = np.random.default_rng(seed).uniform(-1, 1, half)
            for j in range(half):
                for first in (0, half):
                    a, b = first + j, first + (j + 1) % half
                    total += nh.OpSum([(0.3, "Sp", a, "Sm", b), (0.7, "Sm", a, "Sp", b), (0.8, "Sz", a, "Sz", b)])
                    total += (fields[j] * (1 + 0.3j), "Sz", a)
            return total

    model, gap = TwoRings(L=10), {"gap": observables.SteadyStateGap()}
    exact = float(nh.Simulation(model, algorithms.ExactDiag(vectors="none"), gap).run()["gap"])
    (spectrum,) = algorithms.SteadyState(k=3).records(model)
    assert spectrum.errors.max() < 1e-7
    assert float(nh.Simulation(model, algorithms.SteadyState(k=3), gap).run()["gap"]) == pytest.approx(exact, abs=1e-7)
    with pytest.raises(ValueError, match="only one distinct level among those found: ask for a larger k"):
        nh.Simulation(model, algorithms.SteadyState(k=2), gap).run()
