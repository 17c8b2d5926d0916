"""SteadyState and its subspace iteration, against LAPACK and exact levels."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import flint
import numpy as np
import pytest
import scipy.sparse

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.linalg.eigenpairs import Certificate, Eigenpairs
from mpsnh.linalg.filter.spectrum import filter_spectrum
from mpsnh.linalg.subspace import growing_levels
from tests.oracles import gaussian

UNCERTAIN = Certificate(False, "252 of 252 eigenvalues")


def ring(L: int = 12, **parameters: Any) -> models.NonHermitianXXZ:
    return models.NonHermitianXXZ(**{"L": L, "gamma": 0.1, "h": 1.0, "boundary": "periodic", **parameters})


class Lossy(models.NonHermitianXXZ):
    """A complex matrix."""

    def terms(self) -> nh.OpSum:
        return super().terms() + nh.OpSum.sum((-0.1j * (j + 1), "Sz", j) for j in range(0, self.L, 2))


def steady(model: nh.Model, **parameters: Any) -> nh.Spectrum:
    (found,) = algorithms.SteadyState(**parameters).records(model)
    return found


@functools.cache
def lapack(model: nh.HamiltonianModel) -> np.ndarray:
    """All eigenvalues, of conjugate pairs of a real matrix the upper one, by decreasing Im E."""
    matrix = model.matrix().toarray()
    values = np.linalg.eigvals(matrix)
    values = values if np.iscomplexobj(matrix) else values[values.imag >= 0]
    return values[np.lexsort((values.real, -values.imag))]


@pytest.fixture
def large(monkeypatch):
    """Do not diagonalise any sector at once."""
    monkeypatch.setattr("mpsnh.algorithms.steady_state.SMALL", 0)


@pytest.fixture
def certain(monkeypatch):
    """Do not diagonalise any sector at all."""
    monkeypatch.setattr("mpsnh.algorithms.steady_state.SMALL", 0)
    monkeypatch.setattr("mpsnh.algorithms.steady_state.LARGEST_DENSE", 0)


def check_vectors(found: nh.Spectrum, model: nh.HamiltonianModel, tolerance: float = 1e-8) -> None:
    matrix = model.matrix()
    residuals = np.linalg.norm(matrix @ found.right.matrix - found.right.matrix * found.values, axis=0)
    assert residuals.max() < tolerance
    if found.residuals is not None:
        np.testing.assert_allclose(found.residuals, residuals, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found.right.matrix, axis=0), 1, rtol=1e-10)
    if found.left is not None:
        np.testing.assert_allclose(
            found.left.matrix.conj().T @ found.right.matrix, np.eye(len(found.values)), atol=1e-10
        )
        scale = np.linalg.norm(found.left.matrix, axis=0)
        assert (
            np.abs(matrix.conj().T @ found.left.matrix - found.left.matrix * found.values.conj()) / scale
        ).max() < tolerance


@pytest.mark.usefixtures("certain")
@pytest.mark.parametrize("h", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("seed", range(3))
def test_levels_and_vectors_against_lapack(h, seed):
    model = ring(h=h, seed=seed)
    found = steady(model, vectors="both")
    np.testing.assert_allclose(found.values, lapack(model)[:2], atol=1e-8)
    assert found.largest_imag == pytest.approx(lapack(model)[0].imag, abs=1e-8)
    assert not found.complete
    check_vectors(found, model)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("gamma", [0.1, 0.5, -0.3])
def test_subspace_iteration(k, gamma):
    model = ring(h=0.5, seed=3, gamma=gamma)
    found = growing_levels(model.matrix(), k, work=50.0)
    np.testing.assert_allclose(found.values, lapack(model)[:k], atol=1e-9)
    assert found.residuals.max() < 1e-8


def test_the_phase_of_a_level_does_not_decide():
    """A level that a cosine filter of the same length, instead of the exponential, damps for its Re E."""
    matrix = models.NonHermitianXXZ(L=14, h=1.0, boundary="periodic").matrix()
    found = growing_levels(matrix, 2, work=100.0)
    np.testing.assert_allclose(found.values, [-1.40677385 + 0.03016565j, -0.86244537 + 0.02494946j], atol=1e-8)


def test_subspace_iteration_gives_up_on_a_real_spectrum():
    assert growing_levels(ring(h=6.0).matrix(), 1) is None
    assert growing_levels(ring(boundary="open").matrix(), 1) is None
    assert growing_levels(scipy.sparse.identity(100, format="csr"), 1) is None


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8, 1e-12])
def test_residuals_obey_the_tolerance(tolerance):
    found = growing_levels(ring(h=0.5, seed=3).matrix(), 3, tolerance=tolerance, work=50.0)
    assert found.residuals.max() < 10 * tolerance


@pytest.mark.usefixtures("certain")
@pytest.mark.parametrize("h", [6.0, 8.0])
def test_an_entirely_real_spectrum(h):
    reals = 0
    for seed in range(3):
        model = ring(h=h, seed=seed)
        found = steady(model)
        is_real = not lapack(model).imag.any()
        reals += is_real
        assert (found.largest_imag == 0) == is_real
        np.testing.assert_allclose(found.values, lapack(model)[:2], atol=1e-8)
        check_vectors(found, model)
    assert reals > 0


@pytest.mark.parametrize("L", [12, 16])
@pytest.mark.usefixtures("large")
def test_clean_free_ring(L):
    """Oracle 2: for L = 0 mod 4, Im E₁ = γ / sin(π/L) and Δ = 2γ sin(π/L)."""
    (found,) = algorithms.SteadyState().records(ring(L, V=0.0, h=0.0))
    rates = found.values.imag
    assert rates[0] == pytest.approx(0.1 / np.sin(np.pi / L), abs=1e-9)
    assert rates[0] - rates[1] == pytest.approx(0.2 * np.sin(np.pi / L), abs=1e-9)


@pytest.mark.parametrize(("L", "h"), [(14, 0.0), (14, 0.2), (16, 0.2)])
def test_free_fermions_in_a_field(L, h):
    """Oracle 3: Im E₁ is the sum of the L/2 largest Im ε; for L = 14 in no field E₁ is degenerate, with Δ = 0."""
    model = ring(L, V=0.0, h=h, seed=1)
    one_particle = np.linalg.eigvals(gaussian.single_particle(model, particles=L // 2)).imag
    rates = np.sort(one_particle)[::-1]
    first = rates[: L // 2].sum()
    second = first - rates[L // 2 - 1] + rates[L // 2]
    found = steady(model)
    np.testing.assert_allclose(found.values.imag, [first, second], atol=1e-8)
    check_vectors(found, model)


def test_degenerate_levels_count_as_often_as_they_occur():
    """Two independent copies of the same ring."""
    one = ring(h=0.5, seed=3).matrix()
    found = growing_levels(scipy.sparse.block_diag([one, one], format="csr"), 4)
    first, second = lapack(ring(h=0.5, seed=3))[:2]
    np.testing.assert_allclose(found.values, [first, first, second, second], atol=1e-8)


@pytest.mark.parametrize(
    "model", [Lossy(L=8, h=1.0), ring(8, gamma=0.0), ring(8), ring(8, boundary="open"), ring(8, h=8.0)], ids=str
)
@pytest.mark.parametrize("vectors", ["none", "right", "both"])
def test_small_sectors_and_other_matrices(model, vectors, request):
    for fixture in ("none", "large"):
        if fixture == "large":
            if not np.iscomplexobj(model.matrix()) and model.gamma:
                continue
            request.getfixturevalue("large")
        found = steady(model, k=3, vectors=vectors)
        np.testing.assert_allclose(found.values, lapack(model)[:3], atol=1e-11)
        assert found.largest_imag == pytest.approx(np.abs(lapack(model).imag).max(), abs=1e-12)
        assert (found.right is None) == (vectors == "none")
        assert (found.left is None) == (vectors != "both")
        if found.right is not None:
            check_vectors(found, model)


def test_observables():
    model = ring(10, seed=5)
    measured = {
        "rate": observables.GrowthRate(),
        "gap": observables.SteadyStateGap(),
        "current": observables.SteadyStateCurrent(),
        "real": observables.RealSpectrum(),
        "E": observables.Eigenvalues(),
    }
    few = nh.Simulation(model, algorithms.SteadyState(), measured).run()
    every = nh.Simulation(model, algorithms.ExactDiag(), measured).run()
    for name in ("rate", "gap", "current", "real"):
        np.testing.assert_allclose(few[name], every[name], atol=1e-10)
    assert few.sizes["level"] == 2
    assert few["real"] == 0
    real = nh.Simulation(ring(8, h=8.0), algorithms.SteadyState(), {"real": observables.RealSpectrum()}).run()
    assert real["real"] == 1


def test_observables_of_the_whole_spectrum_are_refused():
    with pytest.raises(
        ValueError, match=r"\(ImaginaryFraction\) needs all levels, which SteadyState .* does not give: use ExactDiag"
    ):
        nh.Simulation(ring(8), algorithms.SteadyState(), {"f": observables.ImaginaryFraction()})
    with pytest.raises(ValueError, match=r"needs more than one level, which SteadyState .* does not give: use .*k=2"):
        nh.Simulation(ring(8), algorithms.SteadyState(k=1), {"gap": observables.SteadyStateGap()})


@pytest.mark.parametrize("model", [ring(L=14, h=0.5), ring(L=14, h=4.0), Lossy(L=12, gamma=0.1, h=1.0)])
def test_threads_change_no_bit(model):
    """Of an evolved block, of filters, and of a complex matrix."""
    one, two = (steady(model, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.errors, two.errors)
    np.testing.assert_array_equal(np.asarray(one.right), np.asarray(two.right))


@pytest.mark.usefixtures("certain")
def test_what_is_not_certain_is_not_returned(monkeypatch):
    monkeypatch.setattr("mpsnh.algorithms.steady_state.growing_levels", lambda *_, **__: None)
    found = filter_spectrum(ring(10, h=3.0).matrix())

    def uncertified(*_: Any, **__: Any) -> Eigenpairs:
        return dataclasses.replace(found, certificate=UNCERTAIN)

    steady(ring(10, h=3.0))
    monkeypatch.setattr("mpsnh.algorithms.steady_state.filter_spectrum", uncertified)
    with pytest.raises(ArithmeticError, match=r"not certain: .* all eigenvalues are not certified: 252 of 252"):
        steady(ring(10, h=3.0))
    monkeypatch.setattr("mpsnh.algorithms.steady_state.filter_spectrum", lambda *_, **__: found)
    vectors = np.ones((252, 2)), np.array([1e-12, 1e-5])
    monkeypatch.setattr("mpsnh.linalg.filter.vectors.eigenvectors", lambda *_, **__: vectors)
    with pytest.raises(ArithmeticError, match=r"not certain: .* the residuals of eigenvectors are up to 1e-05, but"):
        steady(ring(10, h=3.0))


@pytest.mark.parametrize("trouble", [np.nan, ArithmeticError("lost digits"), np.linalg.LinAlgError("no convergence")])
@pytest.mark.parametrize("fallback", ["large", "certain"])
def test_vectors_that_fail_are_not_returned(trouble, fallback, request, monkeypatch):
    """A matrix is diagonalised instead if it is small enough."""
    request.getfixturevalue(fallback)
    model = ring(10, h=3.0)

    def failing(matrix: Any, spectrum: Any, values: Any, **_: Any) -> Any:
        if isinstance(trouble, Exception):
            raise trouble
        return np.zeros((matrix.dim, len(values)), complex), np.full(len(values), trouble)

    monkeypatch.setattr("mpsnh.algorithms.steady_state.growing_levels", lambda *_, **__: None)
    monkeypatch.setattr("mpsnh.linalg.filter.vectors.eigenvectors", failing)
    if fallback == "large":
        found = steady(model)
        np.testing.assert_allclose(found.values, lapack(model)[:2], atol=1e-11)
        check_vectors(found, model)
    else:
        reason = f"but {trouble}" if isinstance(trouble, Exception) else "the residuals of eigenvectors are up to nan"
        with pytest.raises(ArithmeticError, match=f"not certain: .* {reason}"):
            steady(model)


@pytest.mark.usefixtures("large")
def test_without_certificate_a_matrix_is_diagonalised(monkeypatch):
    model = ring(10, h=3.0)
    found = dataclasses.replace(filter_spectrum(model.matrix()), certificate=UNCERTAIN)
    monkeypatch.setattr("mpsnh.algorithms.steady_state.filter_spectrum", lambda *_, **__: found)
    np.testing.assert_allclose(steady(model).values, lapack(model)[:2], atol=1e-12)


class Far(nh.HamiltonianModel):
    """Asymmetric hopping to the next site, and hopping to the one after it, which no diagonal similarity balances."""

    asymmetry: float

    def terms(self) -> nh.OpSum:
        there, back = np.exp(self.asymmetry), np.exp(-self.asymmetry)
        hops = [(there, "Sp", j, "Sm", j + 1) for j in range(self.L - 1)]
        hops += [(back, "Sm", j, "Sp", j + 1) for j in range(self.L - 1)]
        hops += [(0.5, *pair) for j in range(self.L - 2) for pair in (("Sp", j, "Sm", j + 2), ("Sm", j, "Sp", j + 2))]
        return nh.OpSum(hops)


@pytest.mark.parametrize(("L", "asymmetry", "certain"), [(20, 1.0, True), (60, 1.0, False), (24, 2.0, False)])
def test_a_small_sector_is_certified_if_its_levels_are(L, asymmetry, certain):
    """One particle in an open chain: the errors must cover the distance from levels of 120 digits."""
    model = Far(L=L, asymmetry=asymmetry, charge=2 - L)
    found = steady(model, vectors="both")
    assert found.certified == certain
    assert found.errors.shape == found.conditions.shape == (2,)
    assert (found.missing != "") == (found.left is None)
    flint.ctx.prec = 400
    values = flint.acb_mat(model.matrix().toarray().real.tolist()).eig(algorithm="approx")
    distances = np.abs(found.values[:, None] - np.array([complex(value) for value in values])).min(axis=1)
    assert (distances <= found.errors).all()
    data = nh.Simulation(model, algorithms.SteadyState(vectors="none"), {}).run()
    assert bool(data["certified"]) == certain


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": 0}, "k = 0, but it must be at least 1"),
        ({"tolerance": 1e-14}, "tolerance = 1e-14, but it must be at least 1e-13 and less than 1"),
        ({"tolerance": 1.0}, "tolerance = 1.0, but it must be at least 1e-13 and less than 1"),
        ({"seed": -1}, "seed = -1, but it must be zero or positive"),
        ({"threads": 0}, "threads = 0, but it must be at least 1"),
        ({"vectors": "left"}, "vectors = 'left', but it must be one of 'right', 'both', 'none'"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        algorithms.SteadyState(**parameters)


class Kicked(nh.FloquetModel):
    def layers(self) -> list[nh.Layer]:
        return []


class Dense(models.NonHermitianXXZ):
    def matrix(self) -> Any:
        return super().matrix().toarray()


class Oblong(models.NonHermitianXXZ):
    def matrix(self) -> Any:
        return super().matrix()[:, 1:]


class Infinite(models.NonHermitianXXZ):
    def matrix(self) -> Any:
        return super().matrix() * np.inf


@pytest.mark.parametrize(
    ("model", "k", "message"),
    [
        (ring(4), 7, "k = 7, but it must be at most the dimension of the sector, 6"),
        (ring(8, gamma=0.9), 70, "k = 70, but it must be at most the number of levels, "),
        (ring(4, charge=1), 1, "charge = 1, but 4 sites of .* have: -4, -2, 0, 2, 4"),
        (Kicked(L=4), 1, "SteadyState needs the sparse matrix of a Hamiltonian, not Kicked.*: use ExactDiag"),
        (Dense(L=4), 1, "matrix of Dense.* = 'ndarray', but it must be sparse"),
        (Oblong(L=4), 1, r"matrix shape = \(6, 5\), but it must be square and not empty"),
        (Infinite(L=4), 1, "the matrix of Infinite.* has elements that are not finite"),
    ],
)
def test_models_that_do_not_fit(model, k, message):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):
        steady(model, k=k)


def test_large_hermitian_matrices_are_not_supported():
    allowed = "at most 4000 for a matrix that is Hermitian, so that its spectrum is real"
    with pytest.raises(ValueError, match=f"dimension = 12870, but it must be {allowed}"):
        steady(ring(16, gamma=0.0))


def test_there_is_nothing_to_continue():
    with pytest.raises(ValueError, match="SteadyState has nothing to continue"):
        list(algorithms.SteadyState().records(ring(6), after=steady(ring(6))))


@pytest.mark.parametrize("algorithm", [algorithms.SteadyState(), algorithms.ExactDiag()], ids=repr)
def test_a_space_is_counted_before_it_is_made(algorithm, monkeypatch):
    def made(*_: Any) -> Any:
        raise AssertionError("the basis was made")

    monkeypatch.setattr("mpsnh.operators.configurations.Configurations.__init__", made)
    with pytest.raises(MemoryError, match="a matrix of dimension 155117520 needs"):
        nh.Simulation(models.NonHermitianXXZ(L=30, seed=987), algorithm, {})
