"""Arrays that compiled code takes as one pointer."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from mpsnh.kernels.bundle import Bundle


class Pair(Bundle):
    """Two arrays."""

    table: np.ndarray
    values: np.ndarray


@numba.njit
def mixed(pair, factor):
    for i in range(pair.table.shape[0]):
        for j in range(pair.table.shape[1]):
            pair.values[i] += factor * pair.table[i, j]
    return pair.values.size


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (4, 0), (7, 2)])
@pytest.mark.parametrize("kind", [float, complex, np.float32])
def test_compiled_code_reads_and_writes_the_arrays(shape, kind):
    rng = np.random.default_rng(1)
    table, values = rng.integers(-9, 9, shape), rng.normal(size=shape[0]).astype(kind)
    expected = values + 2 * table.sum(axis=1)
    pair = Pair(table=table, values=values)
    assert mixed(pair, kind(2)) == shape[0]
    np.testing.assert_allclose(pair.values, expected, rtol=1e-5)
    assert pair.values is values


def test_another_bundle_may_share_arrays():
    pair = Pair(table=np.ones((2, 3), dtype=np.int64), values=np.zeros(2))
    other = pair.replace(values=np.ones(2))
    mixed(other, 1.0)
    assert other.table is pair.table
    assert (pair.values.tolist(), other.values.tolist()) == ([0.0, 0.0], [4.0, 4.0])
    assert list(other.arrays()) == ["table", "values"]


def test_types_tell_bundles_of_other_arrays_apart():
    kinds = [np.float64, np.complex128, np.float64]
    first, second, third = (
        numba.typeof(Pair(table=np.ones((2, 3), dtype=np.int64), values=np.zeros(2, kind))) for kind in kinds
    )
    assert first != second
    assert first == third


READ_ONLY = np.zeros(2)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"table": np.ones((2, 2))}, "Pair needs the arrays table, values, not table"),
        ({"table": np.ones((2, 2)), "values": np.ones(4)[::2]}, "values must be a contiguous array"),
        ({"table": np.ones((2, 2)), "values": np.ones((2, 1, 1))}, "values must be a contiguous array"),
        ({"table": np.ones((2, 2)), "values": np.array(1.0)}, "values must be a contiguous array"),
        ({"table": np.ones((2, 2)), "values": READ_ONLY}, "values must be .* not read-only"),
    ],
)
def test_arrays_that_compiled_code_cannot_take_are_refused(arrays, message):
    with pytest.raises(TypeError, match=message):
        Pair(**arrays)


def test_arrays_stay_where_they_are():
    pair = Pair(table=np.ones((2, 3), dtype=np.int64), values=np.zeros(2))
    with pytest.raises(TypeError, match=r"values cannot be set, .* make another with `replace`"):
        pair.values = np.ones(2)
    with pytest.raises(numba.TypingError, match="Unknown attribute 'other'"):
        numba.njit(lambda pair: pair.other[0])(pair)
