"""Eigenvectors of matrices that one-way connections make far from normal."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, observables
from mpsnh.linalg.eigenpairs import Certificate, Eigenpairs
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.polish import polished


class Staircase(nh.HamiltonianModel):
    """A spin that only goes down, beside one that mixes: the levels are those of blocks, the vectors of the whole."""

    @property
    def sites(self):
        return nh.Spin(5.5), nh.Spin(0.5)

    def terms(self):
        stairs = [(1.0, "Sm", 0), (0.5, "Sm", 0, "X", 1), (0.02j, "Sz", 0)]
        return nh.OpSum([*stairs, (0.3j, "X", 1), (0.3, "Z", 1), (0.2j, "Y", 1)])


WITHIN = np.linalg.eigvals(np.array([[0.3, 0.3j + 0.2], [0.3j - 0.2, -0.3]]))
"""Levels of a spin that mixes."""


class Random(Staircase):
    """The same with a shorter stair and other couplings."""

    seed: int = 0

    @property
    def sites(self):
        return nh.Spin(2.0), nh.Spin(0.5)

    def terms(self):
        down, both, turn = np.random.default_rng(self.seed).uniform(0.2, 1.0, 3)
        stairs = [(down, "Sm", 0), (both, "Sm", 0, "X", 1), (0.3j, "Sz", 0)]
        return nh.OpSum([*stairs, (0.3j, "X", 1), (turn, "Z", 1), (0.2j, "Y", 1)])


@pytest.mark.parametrize("way", [algorithms.ExactDiag(), algorithms.SteadyState(k=3), algorithms.ExactDiag(leading=4)])
def test_vectors_that_rounding_leaves_open_are_refused(way):
    """Levels are certain, by blocks, but vectors with residuals of 1e-16 differ: values would be off by 0.1."""
    model = Staircase(L=2)
    (spectrum,) = way.records(model)
    exact = np.concatenate([[w + 0.02j * m for w in WITHIN] for m in np.arange(-5.5, 6)])
    assert max(np.abs(exact - value).min() for value in spectrum.values) < 1e-12
    assert spectrum.certified
    assert "is certain: the matrix is too far from normal" in spectrum.missing
    measured = observables.OfLevel(observable=observables.Magnetization(), level=2)
    with pytest.raises(ValueError, match=r"no eigenvector of the level .* is certain"):
        nh.Simulation(model, way, {"sz": measured}).run()


def test_vectors_of_milder_ones_are_found():
    """Against inverse iteration with sixty digits."""
    for seed in range(6):
        model = Random(L=2, seed=seed)
        (spectrum,) = algorithms.ExactDiag().records(model)
        H = model.matrix().toarray()
        assert spectrum.right is not None
        for level in range(0, len(H), 5):
            precise = exact_vector(H, spectrum.values[level])
            assert abs(np.vdot(precise, spectrum.right[level].vector)) > 1 - 1e-6


def exact_vector(array, level):
    """The eigenvector by inverse iteration with sixty digits."""
    with mpmath.workdps(60):
        H = mpmath.matrix(array.tolist())
        exact = min(mpmath.eig(H, left=False, right=False), key=lambda value: abs(value - mpmath.mpc(level)))
        shifted = H - (exact + mpmath.mpf(10) ** -40) * mpmath.eye(H.rows)
        vector = mpmath.matrix([mpmath.mpf(1)] * H.rows)
        for _ in range(3):
            vector = mpmath.lu_solve(shifted, vector)
            vector /= mpmath.norm(vector)
        return np.array([complex(x) for x in vector])


def test_left_vectors_are_mended_too_and_degenerate_ones_refused():
    rng = np.random.default_rng(1)
    array = np.triu(rng.normal(size=(6, 6)), 1) + np.diag(np.arange(6.0))
    values, right = np.linalg.eig(array)
    left = np.linalg.inv(right).conj().T
    spoiled = Eigenpairs(values, Certificate(True, ""), right=right.copy(), left=left.copy(), conditions=np.ones(6))
    spoiled.right[:, 2] += 0.1 * right[:, 3]
    spoiled.left[:, 4] += 0.1 * left[:, 1]
    mended = polished(Matrix(array), spoiled, np.arange(6), np.zeros(6, bool), 1.0)
    np.testing.assert_allclose(mended.left.conj().T @ mended.right, np.eye(6), atol=1e-9)
    for k in (2, 4):
        assert mended.conditions[k] == pytest.approx(np.linalg.norm(left[:, k]) * np.linalg.norm(right[:, k]), rel=1e-6)
    with pytest.raises(ArithmeticError, match=r"the vectors of the degenerate level 2 are not known"):
        polished(Matrix(array), spoiled, np.array([0, 1, 2, 2, 4, 5]), np.zeros(6, bool), 1.0)
