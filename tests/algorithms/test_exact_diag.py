"""Exact spectra that double precision makes hard: skin effect, exceptional points, degenerate and unitary matrices."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables


class Written(nh.HamiltonianModel):
    """A Hamiltonian of given terms."""

    hamiltonian: nh.OpSum
    site: nh.Site = nh.Spin(0.5)

    @property
    def sites(self) -> tuple[nh.Site, ...]:
        return (self.site,) * self.L

    def terms(self) -> nh.OpSum:
        return self.hamiltonian


class Dimer(nh.HamiltonianModel):
    """Gain and loss on two spins: E = ±½ √(1 - loss²) at charge 0."""

    loss: float

    def terms(self) -> nh.OpSum:
        fields = [(0.5j * self.loss, "Sz", 0), (-0.5j * self.loss, "Sz", 1)]
        return nh.OpSum([(0.5, "Sp", 0, "Sm", 1), (0.5, "Sm", 0, "Sp", 1), *fields])


class KickedSpins(nh.FloquetModel):
    """Ising rotations and kicks, whose phases are degenerate many times."""

    def layers(self) -> list[nh.Layer]:
        z, x = np.diag([1.0, -1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])
        ising = np.diag(np.exp(-0.25j * np.pi * np.diag(np.kron(z, z))))
        kick = (np.eye(2) - 1j * x) / np.sqrt(2)
        bonds = [tuple(nh.Gate(ising, (j, j + 1)) for j in range(first, self.L - 1, 2)) for first in (0, 1)]
        return [*bonds, tuple(nh.Gate(kick, (j,)) for j in range(self.L))]


def spectrum(model, **options):
    (record,) = algorithms.ExactDiag(**options).records(model)
    return record


def ising(factor, L=4):
    return Written(L=L, hamiltonian=nh.OpSum.sum((4 * factor, "Sz", j, "Sz", j + 1) for j in range(L - 1)))


# ---------------------------------------------------------------------------------------------------- skin effect


@pytest.mark.parametrize("chain", [{"L": 12, "gamma": 0.9}, {"L": 10, "gamma": 0.9, "V": 0.0}, {"L": 8, "gamma": 0.8}])
@pytest.mark.parametrize("h", [0.0, 0.5])
def test_open_chains_are_real_and_those_of_the_symmetric_matrix(chain, h):
    """Hopping √(1 - γ²)/2, the imaginary gauge: LAPACK makes up to half of these levels complex."""
    model = models.NonHermitianXXZ(**chain, h=h, seed=4)
    found = spectrum(model, vectors="none")
    symmetric = models.NonHermitianXXZ(**chain | {"gamma": 0.0}, h=h, seed=4).matrix().toarray()
    diagonal = np.diag(np.diag(symmetric))
    exact = np.linalg.eigvalsh(diagonal + np.sqrt(1 - model.gamma**2) * (symmetric - diagonal))
    assert not found.values.imag.any()
    np.testing.assert_allclose(found.values.real, exact, atol=1e-13)
    assert found.certified
    assert (np.abs(found.values.real - exact) <= found.errors).all()
    data = nh.Simulation(model, algorithms.ExactDiag(vectors="none"), {"f": observables.ImaginaryFraction()}).run()
    assert data["f"] == 0


def test_filter_diagonalisation_takes_the_skin_effect_away_first():
    chain = models.NonHermitianXXZ(L=10, gamma=0.9, h=2.0, seed=1)
    found = spectrum(chain, method="filter", vectors="both", leading=2)
    dense = spectrum(chain, method="dense", vectors="both", leading=2)
    assert found.certified
    assert found.attempts == 1
    assert not found.values.imag.any()
    np.testing.assert_allclose(found.values, dense.values, atol=1e-9)
    np.testing.assert_allclose(found.condition_numbers(), dense.condition_numbers(), rtol=1e-6)


def test_the_steady_state_of_an_open_chain_does_not_grow():
    """Dimension 1716: all eigenvalues by filter diagonalisation."""
    chain = models.NonHermitianXXZ(L=13, gamma=0.9, h=0.5, charge=1)
    (found,) = algorithms.SteadyState(k=1, vectors="none").records(chain)
    assert found.values[0].imag == 0
    assert found.largest_imag == 0


# ---------------------------------------------------------------------------- exceptional points and degenerate levels


@pytest.mark.parametrize("leading", [None, 1, 2])
@pytest.mark.parametrize(
    "model",
    [
        Written(L=2, site=nh.Spin(1), hamiltonian=nh.OpSum([(1, "Sz", 0, "Sx", 0)])),
        Written(L=3, hamiltonian=nh.OpSum([(1, "Sp", 0)])),
    ],
    ids=["SzSx", "Sp"],
)
def test_defective_matrices_keep_their_eigenvalues(model, leading):
    """Nilpotent: every eigenvalue is 0."""
    found = spectrum(model, vectors="both", leading=leading)
    assert not found.values.any()
    assert np.isinf(found.condition_numbers()[: leading or 2]).all()
    assert found.left is None
    assert "exceptional point" in found.missing
    matrix = model.matrix()
    assert np.abs(matrix @ np.asarray(found.right)).max() < 1e-14


def test_a_sweep_through_an_exceptional_point_keeps_its_eigenvalues(tmp_path):
    def run(loss):
        return nh.Simulation(
            Dimer(L=2, loss=loss, charge=0),
            algorithms.ExactDiag(vectors="both"),
            {"E": observables.Eigenvalues(), "condition": observables.SteadyStateConditionNumber()},
        )

    losses = np.array([0.5, 1.0, 1.5])
    data = nh.sweep(run, over={"loss": losses}, store=tmp_path / "dimer.zarr", progress=False)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(data["condition"], np.maximum(losses, 1) / np.sqrt(np.abs(losses**2 - 1)))
    assert data["condition"].attrs["infinite"] == "at an exceptional point"
    again = nh.sweep(run, over={"loss": losses}, store=tmp_path / "dimer.zarr", progress=False)
    assert again.identical(data)
    root = np.sqrt(1 - losses**2 + 0j)
    found = np.sort_complex(data["E"].values)
    np.testing.assert_allclose(found, np.sort_complex(np.stack([-root, root], axis=1) / 2), atol=1e-7)


def test_what_needs_left_vectors_is_told_why_there_are_none():
    class Needy(nh.Observable[nh.Spectrum]):
        measures = nh.Spectrum
        needs = frozenset([nh.Capability.LEFT_VECTORS])

        def __call__(self, record, model):
            return 0.0

    model = Dimer(L=2, loss=1.0, charge=0)
    with pytest.raises(ValueError, match="exceptional point"):
        nh.Simulation(model, algorithms.ExactDiag(vectors="both"), {"x": Needy()}).run()
    condition = observables.SteadyStateConditionNumber()
    assert condition(spectrum(model, vectors="both"), model) == np.inf


@pytest.mark.parametrize("leading", [None, 1, 2, 3])
@pytest.mark.parametrize("factor", [1.0, 1j])
def test_a_degenerate_steady_state_of_a_normal_matrix_has_condition_number_one(factor, leading):
    model = ising(factor)
    found = spectrum(model, vectors="both", leading=leading)
    np.testing.assert_allclose(found.condition_numbers(), 1, rtol=1e-12)
    assert found.copies(0) == 2
    with pytest.raises(ArithmeticError, match="the steady state is degenerate: "):
        observables.SteadyStateEntropy()(found, model)


@pytest.mark.parametrize("leading", [1, 2])
def test_filter_diagonalisation_leaves_degenerate_leading_levels_to_lapack(leading):
    """A ring and a spin that is not coupled to it: levels occur twice, with the condition number of the ring."""
    ring = models.NonHermitianXXZ(L=6, gamma=0.2, h=1.0, boundary="periodic", seed=3, charge=None)
    found = spectrum(Written(L=7, hamiltonian=ring.terms()), method="filter", vectors="both", leading=leading)
    assert found.copies(0) == 2
    alone = spectrum(ring, method="dense", vectors="both", leading=1)
    np.testing.assert_allclose(found.condition_numbers(), alone.condition_numbers()[0], rtol=1e-9)


def test_degenerate_phases_keep_orthonormal_vectors():
    model = KickedSpins(L=6)
    found = spectrum(model, vectors="both")
    right = np.asarray(found.right)
    assert found.same().max() + 1 < 0.5 * model.sector.dim
    np.testing.assert_allclose(right.conj().T @ right, np.eye(64), atol=1e-13)
    np.testing.assert_allclose(model.matrix() @ right, right * found.values, atol=1e-13)
    np.testing.assert_allclose(found.condition_numbers(), 1, rtol=1e-12)
    assert found.certified


# ---------------------------------------------------------------------------------------------------- honest records


def test_dense_spectra_are_not_certified_by_birth():
    """An open chain closed by a bond of 1e-10: no gauge, and levels that rounding moves by more than 1e-3."""

    class Closed(models.NonHermitianXXZ):
        def terms(self):
            return super().terms() + nh.OpSum([(1e-10, "Sp", 0, "Sm", self.L - 1)])

    model = Closed(L=10, gamma=0.97, h=0.5)
    found = spectrum(model, method="dense", vectors="none")
    assert not found.certified
    data = nh.Simulation(model, algorithms.ExactDiag(method="dense"), {"E": observables.Eigenvalues()}).run()
    assert not data["certified"]
    assert found.errors.max() > 1e-3


def test_every_spectrum_has_errors():
    ring = models.NonHermitianXXZ(L=10, gamma=0.1, h=3.0, boundary="periodic")
    for options in ({}, {"vectors": "none"}, {"method": "filter"}, {"vectors": "both", "leading": 3}):
        found = spectrum(ring, **options)
        assert found.errors.shape == found.values.shape
        assert 0 < found.errors.max() < 1e-7
        assert found.certified


def test_filter_diagonalisation_with_its_own_defaults():
    ring = models.NonHermitianXXZ(L=10, gamma=0.1, h=3.0, boundary="periodic", seed=2)
    found = spectrum(ring, method="filter")
    assert len(found.right) == 1
    dense = spectrum(ring, method="dense")
    assert abs(np.vdot(found.right[0].vector, dense.right[0].vector)) == pytest.approx(1, abs=1e-9)


def test_threads_change_no_bit():
    ring = models.NonHermitianXXZ(L=12, gamma=0.1, h=3.0, boundary="periodic", seed=2)
    one, two = (spectrum(ring, method="filter", vectors="none", threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.errors, two.errors)
    with pytest.raises(ValueError, match="threads = 0, but it must be at least 1"):
        algorithms.ExactDiag(threads=0)
