"""What a block knows of levels that were not asked for."""

import numpy as np
import pytest
import scipy.sparse

from mpsnh import OpSum, Spin, algorithms, models
from mpsnh.linalg.subspace import growing_levels
from mpsnh.observables import SteadyStateConditionNumber, SteadyStateEntropy


@pytest.fixture(scope="module")
def matrix():
    """Levels that grow fastest: 0.3 three times and -0.2 once; then 0 twice."""
    rng = np.random.default_rng(0)
    levels = rng.uniform(-1, 0, 500) * 1j + rng.normal(size=500)
    levels[:4], levels[4:6] = [0.3 + 0.5j, 0.3 + 0.5j, 0.3 + 0.5j, -0.2 + 0.5j], 0.4j
    mixing = np.eye(500) + 0.2 * np.diag(rng.normal(size=499), 1)
    return scipy.sparse.csr_matrix(mixing @ np.diag(levels) @ np.linalg.inv(mixing))


@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_how_often_levels_occur_and_how_many_grow_alike(matrix, k):
    levels = growing_levels(matrix, k)
    right = {0.3: 3, -0.2: 1, 0.0: 2}
    assert levels.multiplicities.tolist() == [right[round(float(value.real), 6) + 0.0] for value in levels.values]
    assert levels.alike == 2


class Pairs(models.NonHermitianXXZ):
    """Two chains without a connection: of one spin up in all, each level of one is a level of the other."""

    def terms(self):
        half = self.L // 2
        chain = [(0.6, "Sp", j, "Sm", j + 1) for j in range(half - 1)]
        chain += [(0.4, "Sm", j, "Sp", j + 1) for j in range(half - 1)] + [(1.5j, "Sz", 0)]
        copy = [(c, *(f + half if isinstance(f, int) else f for f in rest)) for c, *rest in chain]
        return OpSum(chain + copy)


@pytest.mark.parametrize("L", [8, 600])
@pytest.mark.parametrize("observable", [SteadyStateEntropy(), SteadyStateConditionNumber()])
def test_one_level_asked_for_is_known_to_be_degenerate(L, observable):
    """By diagonalisation (dimension 8) and by a block of vectors (600)."""
    model = Pairs(L=L, charge=2 - L)
    (spectrum,) = algorithms.SteadyState(k=1, vectors="both" if L == 8 else "right").records(model)
    assert isinstance(spectrum.sector.sites[0], Spin)
    assert spectrum.copies(0) == 2
    if isinstance(observable, SteadyStateEntropy):
        with pytest.raises(ArithmeticError, match="the steady state is degenerate: 2 levels are the same"):
            observable(spectrum, model)
    elif L == 8:
        assert observable(spectrum, model) >= 1
