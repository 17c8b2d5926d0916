"""Which jumps a bath may have."""

import numpy as np
import pytest

import mpsnh as nh


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        ({name: np.outer([1, 0, 0], np.eye(3)[k]) for k, name in enumerate("ABD")}, "Σ EE†"),
        ({"A": [[0, 0, 1], [1, 0, 0], [0, 1, 0]]}, "each jump is as likely as its reverse"),
        ({"A": np.zeros((3, 3))}, "of which one is not zero"),
    ],
)
def test_jumps_that_do_not_heat(operators, message):
    """A channel that is not unital (a reset), and one that has a direction (a cycle)."""

    class Custom(nh.HamiltonianModel):
        @property
        def sites(self):
            return (nh.Spin(1).with_operators(**operators),) * self.L

        def terms(self):
            return nh.OpSum.sum((0.3, "Sz", j, "Sz", j + 1) for j in range(self.L - 1))

    with pytest.raises(ValueError, match=message):
        nh.Bath(jumps=tuple(operators)).check(Custom(L=2))
