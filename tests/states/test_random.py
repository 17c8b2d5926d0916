"""Random states to start from."""

import itertools

import numpy as np
import pytest

from mpsnh.states.random import spread_blocks


@pytest.mark.parametrize(
    ("charges", "total"),
    [([(1, -1)] * 7, 3), ([(2, 0, -2)] * 5, 0), ([(0, 1, 2, 3)] * 6, 4), ([(0, 0)] * 4, 0), ([(0, 3), (0, 1)] * 3, 5)],
)
@pytest.mark.parametrize("seed", range(3))
def test_spread_charges_follow_the_mean(charges, total, seed):
    blocks = spread_blocks(charges, total, np.random.default_rng(seed))
    keys = [next(iter(site)) for site in blocks]
    assert [len(site) for site in blocks] == [1] * len(charges)
    assert all(q + c == after for (q, c), (after, _) in itertools.pairwise(keys))
    assert sum(c for _, c in keys) == total
    largest = max(max(local) - min(local) for local in charges)
    assert all(abs(q - total * j / len(charges)) <= largest for j, (q, _) in enumerate(keys))
    for site, local in zip(blocks, charges, strict=True):
        ((_, c), block) = next(iter(site.items()))
        assert block.shape == (1, list(local).count(c), 1)
        assert np.linalg.norm(block) == pytest.approx(1)
