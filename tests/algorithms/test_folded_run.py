"""NHTEBD on rings, which are folded into ladders, against exact evolution."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.language.opsum import OpSum
from mpsnh.states.folded import FoldedMPS, ladder_of

SITES = {
    "spins": (nh.Spin(0.5), "Sm", "Sz", ["up", "down"]),
    "fermions": (nh.Fermion(), "c", "n", ["full", "empty"]),
    "bosons": (nh.Boson(2), "b", "n", ["2", "1"]),
}


class Ring(nh.HamiltonianModel):
    """Hopping of any amplitude there and back, interaction and complex fields on each bond and site of a ring."""

    kind: str
    seed: int = 0

    @property
    def sites(self):
        return (SITES[self.kind][0],) * self.L

    def terms(self):
        rng = np.random.default_rng(self.seed)
        _, lower, density, _ = SITES[self.kind]
        bonds = [(j, (j + 1) % self.L) for j in range(self.L)]
        hops = OpSum.sum(
            (complex(*rng.normal(size=2)), f"{lower}†", i, lower, j) for i, j in bonds + [b[::-1] for b in bonds]
        )
        return (
            hops
            + OpSum.sum((rng.normal(), density, i, density, j) for i, j in bonds)
            + OpSum.sum((complex(*rng.normal(size=2)), density, j) for j in range(self.L))
        )


def names(kind, L):
    return [SITES[kind][3][j % 2] for j in range(L)]


@pytest.mark.parametrize("L", [3, 4, 5, 6])
@pytest.mark.parametrize("kind", SITES)
def test_a_ring_evolves_as_exactly(kind, L):
    model, start = Ring(L=L, kind=kind, seed=L), names(kind, L)
    tebd = algorithms.NHTEBD(dt=0.01, t_max=0.3, order=4, every=15, max_bond=81, cutoff=1e-14, initial=start)
    exact = algorithms.ExactEvolution(dt=0.15, t_max=0.3, initial=start)
    _, lower, density, _ = SITES[kind]
    ops = [OpSum([(1.0, density, j)]) for j in range(L)]
    ops += [OpSum([(1.0, f"{lower}†", j, lower, (j + 1) % L)]) for j in range(L)]
    for ours, right in zip(tebd.records(model), exact.records(model), strict=True):
        np.testing.assert_allclose(ours.state.expect_each(*ops), right.state.expect_each(*ops), atol=2e-6)
        np.testing.assert_allclose(ours.log_norm, right.log_norm, atol=2e-6)
        far = OpSum([(1.0, f"{lower}†", 0, lower, L // 2)])
        np.testing.assert_allclose(ours.state.expect(far), right.state.expect(far), atol=2e-6)
        profiles = [record.state.entanglement_profile() for record in (ours, right)]
        np.testing.assert_allclose(*profiles, atol=2e-5)


@pytest.mark.parametrize("kind", SITES)
def test_a_ladder_becomes_the_chain(kind):
    model, start = Ring(L=5, kind=kind, seed=1), names(kind, 5)
    *_, last = algorithms.NHTEBD(dt=0.1, t_max=0.5, max_bond=81, cutoff=1e-14, initial=start).records(model)
    chain = last.state.to_mps()
    _, lower, density, _ = SITES[kind]
    ops = [OpSum([(1.0, f"{lower}†", i, lower, j)]) for i in range(5) for j in range(5)] + [OpSum([(1.0, density, 2)])]
    np.testing.assert_allclose([chain.expect(op) for op in ops], [last.state.expect(op) for op in ops], atol=1e-11)
    assert abs(chain.norm() - last.state.norm()) < 1e-12


def test_a_ring_continues_and_resumes(tmp_path):
    ring = models.NonHermitianXXZ(L=8, gamma=0.3, h=1.0, boundary="periodic")

    def run(t_max, **options):
        way = algorithms.NHTEBD(dt=0.1, t_max=t_max, every=5, max_bond=12)
        return nh.Simulation(ring, way, {"I": observables.CurrentProfile()}).run(**options)

    run(1.0, checkpoint=tmp_path / "ring.npz")
    assert run(2.0, checkpoint=tmp_path / "ring.npz").identical(run(2.0))
    assert run(2.0).sizes["bond"] == 8


def test_noise_and_time_steps_of_rings_are_known():
    ring = models.NonHermitianXXZ(L=10, gamma=0.3, h=1.0, seed=3, boundary="periodic")
    with pytest.warns(RuntimeWarning, match="truncation may have changed"):
        *_, last = algorithms.NHTEBD(dt=0.1, t_max=4.0, every=10, max_bond=8).records(ring)
    *_, right = algorithms.ExactEvolution(dt=4.0, t_max=4.0).records(ring)
    wrong = np.abs(last.state.expect_each("Sz") - right.state.expect_each("Sz")).max()
    assert wrong < last.noise + last.trotter
    assert algorithms.NHTEBD(dt="auto", t_max=2.0, every=1.0).steps_between(ring)[0] in (1, 2, 4)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([(1.0, "Sz", 0, "Sz", 3), (1.0, "Sz", 0, "Sz", 5)], "spans sites 0 to 3"),
        ([(1.0, "Sz", 1, "Sz", 5)], "spans sites 1 to 5"),
    ],
)
def test_other_long_terms_are_refused(terms, message):
    class Far(nh.HamiltonianModel):
        def terms(self):
            return OpSum(terms)

    with pytest.raises(ValueError, match=message):
        algorithms.NHTEBD(dt=0.1, t_max=1.0).check(Far(L=6))


def test_rings_of_different_sites_or_entangled_states_are_refused():
    class Mixed(nh.HamiltonianModel):
        sites = (nh.Spin(0.5), nh.Spin(1.0)) * 3

        def terms(self):
            return OpSum.sum((1.0, "Sz", j, "Sz", (j + 1) % 6) for j in range(6))

    with pytest.raises(ValueError, match=r"sites of the ring = .*, but it must be all the same"):
        algorithms.NHTEBD(dt=0.1, t_max=1.0).check(Mixed(L=6))
    singlet = nh.MPS.from_vector(np.eye(16)[3] + np.eye(16)[5], [nh.Spin(0.5)] * 4)
    way = algorithms.NHTEBD(dt=0.1, t_max=1.0, initial=lambda model: singlet)
    with pytest.raises(ValueError, match="bond dimension of a state to fold = 2"):
        way.check(models.NonHermitianXXZ(L=4, boundary="periodic"))
    other = nh.Snapshot(0.0, singlet)
    with pytest.raises(TypeError, match="on a ring a FoldedMPS is continued, not MPS"):
        list(algorithms.NHTEBD(dt=0.1, t_max=1.0).records(models.NonHermitianXXZ(L=4, boundary="periodic"), other))


def test_what_needs_a_chain_says_how_to_get_one():
    sites = (nh.Spin(0.5),) * 4
    state = nh.states.folded.fold(nh.MPS.product(sites, ["up", "down"] * 2))
    field = OpSum([(1.0, "Sz", 0)])
    for call in (
        lambda: nh.residual(field, state),
        lambda: state.to_mps().overlap(state),
        lambda: nh.ExactState.from_mps(state, nh.Sector(sites, 0)),
    ):
        with pytest.raises(TypeError, match=r"is a FoldedMPS, but it must be an MPS: to_mps\(\) makes one of it"):
            call()
    with pytest.raises(TypeError, match=r"not folded: to_mps\(\) unfolds this one"):
        state.overlap(state.to_mps())
    assert state.overlap(state) == pytest.approx(1)


@pytest.mark.parametrize("L", [6, 7])
def test_any_state_is_folded(L):
    """And unfolded again."""
    sites = (nh.Spin(0.5),) * L
    vector = np.random.default_rng(L).normal(size=(2**L, 2)) @ [1, 1j]
    charges = sum(np.meshgrid(*[[1, -1]] * L, indexing="ij")).ravel()
    for inside in (np.ones(2**L), charges == L % 2):
        state = nh.MPS.from_vector(vector * inside, sites)
        folded = FoldedMPS(ladder_of(state, 64), sites)
        assert folded.expect_each("Sz") == pytest.approx(state.expect_each("Sz"), abs=1e-10)
        assert folded.to_mps().overlap(state) == pytest.approx(state.norm() ** 2, rel=1e-10)
