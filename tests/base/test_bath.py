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


def test_weak_jumps_beside_strong_ones_keep_their_digits():
    """Only X flips the spin, and it is so weak that it is rounding beside Z."""
    weak = {"Weak": 1e-17 * np.array([[0, 1], [1, 0]])}

    class Custom(nh.HamiltonianModel):
        @property
        def sites(self):
            return (nh.Spin(0.5).with_operators(**weak),) * self.L

        def terms(self):
            return nh.OpSum.sum((0.3, "Sz", j) for j in range(self.L))

    bath, model = nh.Bath(site=0, jumps=("Weak", "Z")), Custom(L=2)
    found = bath.transitions(np.eye(4, dtype=complex), model) * bath.strength(model)
    np.testing.assert_allclose([found[0, 2], found[1, 3], found[0, 0]], [1e-34, 1e-34, 1], rtol=1e-12)


def test_transitions_are_those_of_the_jump_operators():
    """Spin 1, jumps that are no single matrix elements, in the middle of the chain, against kron."""
    rng = np.random.default_rng(0)
    drawn = [rng.standard_normal((3, 3, 2)) @ [1, 1j] for _ in range(2)]
    hermitian = [one + one.conj().T for one in drawn]
    unitary = [np.linalg.eigh(one)[1] * np.exp(1j * np.arange(3)) for one in hermitian]
    operators = {"A": unitary[0], "B": unitary[0].conj().T, "C": 0.1 * np.eye(3)}

    class Custom(nh.HamiltonianModel):
        @property
        def sites(self):
            return (nh.Spin(1).with_operators(**operators),) * self.L

        def terms(self):
            return nh.OpSum.sum((0.3, "Sz", j, "Sz", j + 1) for j in range(self.L - 1))

    model, bath = Custom(L=3), nh.Bath(site=1, jumps=("A", "B", "C"))
    bath.check(model)
    states = np.linalg.qr(rng.standard_normal((27, 27, 2)) @ [1, 1j]).Q
    expected = sum(
        np.abs(states.conj().T @ np.kron(np.kron(np.eye(3), jump), np.eye(3)) @ states) ** 2
        for jump in operators.values()
    )
    np.testing.assert_allclose(bath.transitions(states, model), expected / bath.strength(model), atol=1e-14)
