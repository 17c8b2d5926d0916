"""Overlaps of vectors with each other."""

import numpy as np
import pytest

from mpsnh.linalg.normal import TILE, gram


@pytest.mark.parametrize("n", [1, 2, TILE, TILE + 1, 3 * TILE - 5])
@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("layout", ["rows", "columns", "every other one"])
def test_overlaps_are_those_of_a_product_of_matrices(n, kind, layout):
    rng = np.random.default_rng(n)
    vectors = rng.standard_normal((7, n, 2)) @ np.array([1, 1j])
    vectors = vectors if kind is complex else vectors.real.copy()
    if layout == "columns":
        vectors = np.asfortranarray(vectors)
    elif layout == "every other one":
        vectors = np.repeat(vectors, 2, axis=1)[:, ::2]
    overlaps = gram(vectors)
    assert overlaps.dtype == kind
    np.testing.assert_array_equal(overlaps, overlaps.conj().T)
    np.testing.assert_allclose(overlaps, vectors.conj().T @ vectors, rtol=1e-13, atol=1e-13)


def test_no_vectors_have_no_overlaps():
    np.testing.assert_array_equal(gram(np.ones((3, 0))), np.ones((0, 0)))
    np.testing.assert_array_equal(gram(np.ones((0, 3), complex)), np.zeros((3, 3)))
