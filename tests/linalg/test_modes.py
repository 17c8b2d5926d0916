"""The mode that grows fastest, against the eigenvectors of the matrix that states were led by."""

import numpy as np
import pytest

from mpsnh.linalg.modes import growing_mode


def series(matrix, state, n):
    """States of unit norm that a matrix makes one after the other, and by what their norms grow."""
    states, growths = [state / np.linalg.norm(state)], []
    for _ in range(n):
        image = matrix @ states[-1]
        growths.append(np.linalg.norm(image))
        states.append(image / growths[-1])
    return np.array(states), growths


def mode_of(states, growths):
    return growing_mode(states.conj() @ states.T, growths)


@pytest.mark.parametrize("seed", range(5))
def test_few_modes_are_told_apart_whatever_the_matrix(seed):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(30, 4)) + 1j * rng.normal(size=(30, 4))
    duals = np.linalg.pinv(vectors)
    factors = 1e3 * np.array([1.0, 0.97j, -0.9, 0.5]) * np.exp(1j * rng.normal())
    matrix = (vectors * factors) @ duals
    states, growths = series(matrix, vectors @ rng.normal(size=4), 5)
    mode = mode_of(states, growths)
    assert mode.factor == pytest.approx(factors[0], rel=1e-4)
    found = mode.coefficients @ states[1:]
    overlap = abs(vectors[:, 0].conj() @ found) / np.linalg.norm(vectors[:, 0]) / np.linalg.norm(found)
    assert overlap == pytest.approx(1, abs=1e-6)
    image = matrix @ found
    value = (found.conj() @ image) / (found.conj() @ found)
    assert mode.residual < 1e-3
    assert np.linalg.norm(image - value * found) <= 1e-3 * abs(value) * np.linalg.norm(found)


@pytest.mark.parametrize("seed", range(10))
def test_a_mode_is_never_worse_than_the_last_state(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(40, 40)) + 1j * rng.normal(size=(40, 40))
    states, growths = series(matrix, rng.normal(size=40), 6)
    states += 1e-3 * rng.normal(size=states.shape)  # as truncation does
    states /= np.linalg.norm(states, axis=1)[:, None]
    mode = mode_of(states, growths)
    if mode is not None:
        image, last = states[-1] * growths[-1], states[-2]
        plain = np.linalg.norm(image - (last.conj() @ image) * last) / abs(last.conj() @ image)
        assert mode.residual <= plain + 1e-6
        assert abs(mode.factor) > 0


def test_a_state_that_does_not_change_is_the_mode():
    states = np.ones((4, 1))
    mode = mode_of(states, [2.0, 2.0, 2.0])
    assert mode.factor == pytest.approx(2)
    assert abs(mode.coefficients @ states[1:, 0]) == pytest.approx(1)


def test_there_is_none_of_a_flow_without_eigenvectors():
    states, growths = np.eye(4), [1.0, 1.0, 1.0]  # a Jordan block, which shifts one state to the next
    assert mode_of(states, growths) is None
