"""Gates of parts of a step against those of whole steps."""

import itertools

import numpy as np
import pytest
import scipy.linalg

from mpsnh.language.circuit import trotter
from mpsnh.operators.parts import PartialSteps, exponentials


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("bonds", [1, 2, 5])
def test_parts_are_steps_of_their_length(order, bonds):
    rng = np.random.default_rng(bonds)
    dims = [2, 3, 2, 2, 3, 2][: bonds + 1]
    sizes = [a * b for a, b in itertools.pairwise(dims)]
    hamiltonians = [rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n)) for n in sizes]
    ours, theirs = PartialSteps(hamiltonians, order).of(0.13), trotter(hamiltonians, 0.13, order)
    if bonds == 1:  # whose layers `trotter` joins
        product = np.eye(sizes[0])
        for (gate,) in ours:
            product = gate.matrix @ product
        np.testing.assert_allclose(product, theirs[0][0].matrix, atol=1e-14)
        return
    for one, other in zip(ours, theirs, strict=True):
        there = {gate.where: gate.matrix for gate in other}
        assert {gate.where for gate in one} == set(there)
        for gate in one:
            np.testing.assert_allclose(gate.matrix, there[gate.where], atol=1e-14)


def test_exponentials_of_matrices_of_any_size():
    rng = np.random.default_rng(0)
    for scale in (1e-8, 0.3, 20.0):
        stack = scale * (rng.normal(size=(6, 4, 4)) + 1j * rng.normal(size=(6, 4, 4)))
        right = np.array([scipy.linalg.expm(matrix) for matrix in stack])
        apart = np.abs(exponentials(stack) - right).max(axis=(1, 2)) / np.abs(right).max(axis=(1, 2))
        assert apart.max() < 1e-12
