"""Which levels are the same, next to comparing each with each."""

import numpy as np
import pytest
import scipy.sparse.csgraph

from mpsnh.linalg.degeneracy import WIDEST, by_growth, degenerate_groups, same_levels

RNG = np.random.default_rng(13)


def compared(values, errors):
    """Numbers of levels, by comparing each with each."""
    reach = np.minimum(errors / np.abs(values).max(), WIDEST / 2) * np.abs(values).max()
    close = np.abs(values[:, None] - values) <= reach[:, None] + reach
    return scipy.sparse.csgraph.connected_components(close, directed=False)[1]


def partition(labels):
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in labels}


LEVELS = {
    "apart": lambda n: RNG.normal(size=(n, 2)) @ [1, 1j],
    "conjugate": lambda n: (lambda half: np.concatenate([half, half.conj()]))(
        RNG.normal(size=(n // 2 + 1, 2)) @ [1, 1j]
    ),
    "real": lambda n: RNG.normal(size=n) + 0j,
    "degenerate": lambda n: RNG.integers(0, 5, size=(n, 2)) @ [1.0, 1j] + 1e-13 * RNG.normal(size=n),
    "in a line": lambda n: np.exp(0.7j) * 1j * RNG.integers(-9, 9, size=n) + 0.5,  # all at one place along the other
    "equal": lambda n: np.ones(n, complex),
}


@pytest.mark.parametrize("size", [1e-15, 1e-13, 1e-9, 1.0])
@pytest.mark.parametrize("n", [1, 2, 40])
@pytest.mark.parametrize("kind", LEVELS)
def test_levels_are_the_same_if_their_errors_explain_it(kind, n, size):
    values = LEVELS[kind](n)
    errors = size * RNG.uniform(0.5, 2.0, size=len(values))
    labels = same_levels(values, errors)
    assert partition(labels) == partition(compared(values, errors))
    groups = degenerate_groups(labels)
    assert {frozenset(group.tolist()) for group in groups} == {one for one in partition(labels) if len(one) > 1}


def one_by_one(growth, levels, errors):
    """The order, found by going down the levels."""
    order = np.argsort(-growth, kind="stable")
    reach = np.minimum(errors, WIDEST / 2 * np.abs(levels).max())
    alike, number, first, least = np.empty(len(order), int), 0, np.inf, np.inf
    for k in order:
        least = min(least, reach[k])
        if first - growth[k] > 2 * least:
            number, first, least = number + 1, growth[k], reach[k]
        alike[k] = number
    return np.lexsort((levels, alike))


@pytest.mark.parametrize("size", [0.0, 1e-15, 1e-13, 1e-9])
@pytest.mark.parametrize("kind", LEVELS)
def test_the_order_is_that_found_one_by_one(kind, size):
    values = LEVELS[kind](40)
    errors = size * RNG.uniform(0.5, 2.0, size=len(values))
    np.testing.assert_array_equal(
        by_growth(values.imag, values.real, errors), one_by_one(values.imag, values.real, errors)
    )
