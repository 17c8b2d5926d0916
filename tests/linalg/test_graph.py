"""The graph of a matrix, next to what is found element by element."""

import numpy as np
import pytest
import scipy.sparse

from mpsnh.linalg import graph as module
from mpsnh.linalg.graph import Graph

RNG = np.random.default_rng(7)


def drawn(n, share, symmetric=False):
    there = RNG.uniform(size=(n, n)) < share
    return scipy.sparse.csr_matrix(np.where(there | there.T if symmetric else there, RNG.normal(size=(n, n)), 0.0))


def reached(array, start):
    """The rows to which steps along elements that are not zero lead."""
    found = np.zeros(len(array), bool)
    found[start] = True
    for _ in range(len(array)):
        found |= array[found].any(axis=0)
    return found


def parts(connected):
    """Sets of rows that are connected, by their table."""
    return {frozenset(np.flatnonzero(row).tolist()) for row in connected}


@pytest.mark.parametrize("share", [0.0, 0.05, 0.15, 0.6])
@pytest.mark.parametrize("n", [1, 2, 9, 30])
def test_parts_are_what_steps_reach(n, share):
    matrix = drawn(n, share)
    array = matrix.toarray() != 0
    forth = np.array([reached(array, k) for k in range(n)])
    either = np.array([reached(array | array.T, k) for k in range(n)])
    found = Graph.of(matrix)
    assert {frozenset(part.tolist()) for part in found.strong} == parts(forth & forth.T)
    assert {frozenset(part.tolist()) for part in found.weak} == parts(either)
    assert all((np.diff(part) > 0).all() for part in [*found.strong, *found.weak])


@pytest.mark.parametrize("n", [1, 2, 9, 30])
def test_partners_stand_at_the_mirrored_place(n):
    matrix = drawn(n, 0.3, symmetric=True)
    found = Graph.of(matrix)
    transposed = scipy.sparse.csr_matrix((matrix.data[found.partners], (found.rows, matrix.indices)), matrix.shape)
    np.testing.assert_array_equal(transposed.toarray(), matrix.toarray().T)
    if n > 2:
        matrix[0, 1], matrix[1, 0] = 1.0, 0.0
        matrix.eliminate_zeros()
        assert Graph.of(matrix).partners is None


def test_matrices_share_their_graph_if_their_elements_are_at_the_same_places():
    matrix = drawn(12, 0.3)
    other = drawn(12, 0.3)
    assert Graph.of(matrix) is Graph.of(2 * matrix)
    assert Graph.of(matrix) is not Graph.of(other)
    assert Graph.of(scipy.sparse.csr_matrix((2, 2))) is not Graph.of(scipy.sparse.csr_matrix((3, 3)))


def test_large_graphs_are_not_remembered(monkeypatch):
    monkeypatch.setattr(module, "SMALL", 3)
    matrix = drawn(12, 0.3)
    assert Graph.of(matrix) is not Graph.of(matrix)
    np.testing.assert_array_equal(Graph.of(matrix).rows, matrix.nonzero()[0])
