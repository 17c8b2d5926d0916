"""Compiled kernels against plain scipy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

from mpsnh.kernels.multivector import BlockOperator

KINDS = ["float64", "float32", "complex128"]


def random_matrix(dim: int, kind: str, seed: int = 0, density: float = 0.1) -> scipy.sparse.csr_matrix:
    """Random elements, every third row empty."""
    rng = np.random.default_rng(seed)
    matrix = scipy.sparse.random(dim, dim, density, random_state=rng, data_rvs=rng.standard_normal).tolil()
    if kind == "complex128":
        matrix = matrix + 1j * scipy.sparse.random(dim, dim, density, random_state=rng, data_rvs=rng.standard_normal)
        matrix = matrix.tolil()
    matrix[::3] = 0
    return matrix.tocsr()


def block(dim: int, columns: int, kind: str, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((dim, columns))
    return (vectors + 1j * rng.standard_normal(vectors.shape) if kind == "complex128" else vectors).astype(kind)


@pytest.mark.parametrize("columns", [0, 1, 2, 3, 4, 7, 8, 16, 17, 31, 32, 40, 63])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("elements", ["float64", "complex128"])
def test_blocks_of_any_size(elements, kind, columns):
    matrix = random_matrix(45, elements)
    operator = BlockOperator(matrix, kind)
    kind = operator.dtype.name
    assert kind == "complex128" or elements == "float64"
    x, before = block(45, columns, kind), block(45, columns, kind, seed=2)
    out = before.copy()
    assert operator.apply(x, out, scale=1.5, shift=-0.3, keep=-0.7) is out
    expected = 1.5 * (matrix @ x + 0.3 * x) - 0.7 * before
    np.testing.assert_allclose(out, expected, atol=2e-5 if kind == "float32" else 1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_without_keep_the_result_is_overwritten(kind):
    matrix, x = random_matrix(20, kind), block(20, 5, kind)
    out = BlockOperator(matrix, kind).apply(x, np.full_like(x, np.nan))
    np.testing.assert_allclose(out, matrix @ x, atol=1e-5)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_small_matrices(dim):
    x = block(dim, 4, "float64")
    np.testing.assert_array_equal(BlockOperator(scipy.sparse.eye(dim).tocsr()).apply(x, np.empty_like(x)), x)


def test_matrices_without_elements():
    x = block(6, 3, "float64")
    empty = BlockOperator(scipy.sparse.csr_matrix((6, 6)))
    np.testing.assert_array_equal(empty.apply(x, np.empty_like(x), shift=2.0), -2 * x)


def test_other_sparse_formats_duplicates_and_unsorted_rows():
    rows, columns = np.array([0, 2, 0, 2]), np.array([2, 1, 2, 0])
    summed = scipy.sparse.coo_matrix((np.arange(1.0, 5.0), (rows, columns)), shape=(3, 3))
    unsorted = scipy.sparse.csr_matrix((np.arange(1.0, 5.0), np.array([2, 2, 1, 0]), np.array([0, 2, 2, 4])), (3, 3))
    x = block(3, 2, "float64")
    for matrix in (summed, unsorted, summed.tocsc(), summed.astype(np.int64).tocsr()):
        np.testing.assert_allclose(BlockOperator(matrix).apply(x, np.empty_like(x)), matrix.toarray() @ x, atol=1e-14)


def test_the_matrix_is_copied():
    matrix = random_matrix(10, "float64")
    x = block(10, 2, "float64")
    operator, expected = BlockOperator(matrix), matrix @ x
    matrix.data[:] = 7
    np.testing.assert_allclose(operator.apply(x, np.empty_like(x)), expected, atol=1e-14)


def test_nan_is_not_lost():
    operator = BlockOperator(scipy.sparse.eye(2).tocsr())
    out = operator.apply(np.array([[np.nan], [1.0]]), np.zeros((2, 1)), keep=1.0)
    np.testing.assert_array_equal(out, [[np.nan], [1.0]])


def test_chebyshev_polynomials():
    angles = np.linspace(0.1, 3.0, 9)
    operator = BlockOperator(scipy.sparse.diags(np.cos(angles)).tocsr())
    before, current = np.ones((9, 8)), np.repeat(np.cos(angles)[:, None], 8, axis=1)
    for _ in range(98):
        before, current = current, operator.apply(current, before, scale=2, keep=-1)
    np.testing.assert_allclose(current, np.repeat(np.cos(99 * angles)[:, None], 8, axis=1), atol=1e-12)


def test_what_an_operator_says_about_itself():
    operator = BlockOperator(random_matrix(45, "float64"), np.float32)
    assert (operator.dim, operator.shape, operator.dtype) == (45, (45, 45), np.dtype("float32"))
    assert repr(operator).startswith("BlockOperator(dim=45, nnz=")


@pytest.mark.parametrize(
    ("matrix", "dtype", "message"),
    [
        (np.eye(2), "float64", "matrix = 'ndarray', but it must be a sparse matrix"),
        (scipy.sparse.csr_matrix((2, 3)), "float64", r"matrix shape = \(2, 3\), but it must be square"),
        (scipy.sparse.csr_matrix([[np.nan]]), "float64", "the matrix has elements that are not finite in float64"),
        (scipy.sparse.csr_matrix([[1e300]]), "float32", "the matrix has elements that are not finite in float32"),
        (scipy.sparse.csr_matrix([[1.0]]), "int64", "dtype = 'int64', but it must be float64, float32 or complex128"),
    ],
)
def test_bad_matrices_are_refused(matrix, dtype, message):
    with pytest.raises(ValueError, match=message):
        BlockOperator(matrix, dtype)


def refused(name: str) -> dict[str, np.ndarray]:
    good = {"x": np.zeros((4, 3)), "out": np.zeros((4, 3))}
    bad = {
        "x shape": {"x": np.zeros((5, 3))},
        "x dtype": {"x": np.zeros((4, 3), np.float32)},
        "x strides": {"x": np.zeros((3, 4)).T},
        "out shape": {"out": np.zeros(4)},
        "out shape ": {"out": np.zeros((4, 2))},
        "out strides": {"out": np.zeros((4, 6))[:, ::2]},
        "out dtype": {"out": np.zeros((4, 3), complex)},
        "out": {"out": good["x"]},
    }
    return good | bad[name]


@pytest.mark.parametrize(
    "name", ["x shape", "x dtype", "x strides", "out shape", "out shape ", "out strides", "out dtype", "out"]
)
def test_bad_vectors_are_refused(name):
    with pytest.raises(ValueError, match=f"^{name.strip()} = .*, but it must be"):
        BlockOperator(scipy.sparse.eye(4).tocsr()).apply(**refused(name))


@pytest.mark.parametrize("name", ["scale", "shift", "keep"])
def test_coefficients_are_real(name):
    x = np.zeros((4, 3))
    with pytest.raises(ValueError, match=f"{name} = 1j, but it must be a real number"):
        BlockOperator(scipy.sparse.eye(4).tocsr()).apply(x, np.empty_like(x), **{name: 1j})


def test_a_second_process_does_not_compile(tmp_path):
    """The machine code is on disk, so that a sweep of many short processes does not compile in each."""
    code = (
        "import numpy as np, scipy.sparse; from mpsnh.kernels import multivector as block; x = np.ones((3, 4));"
        "block.BlockOperator(scipy.sparse.eye(3).tocsr()).apply(x, np.empty_like(x));"
        "print(sum(block.apply_rows.stats.cache_misses.values()))"
    )
    misses = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], env={"NUMBA_CACHE_DIR": str(tmp_path)}, capture_output=True, check=True
        )
        misses.append(int(done.stdout))
    assert misses == [1, 0]
