"""Operators between two states: environments and effective operators, against matrices of the whole space."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import models
from mpsnh.operators.charged import ChargedMPO
from mpsnh.operators.sector import joint_charges
from mpsnh.states.blocks import bond_charges, dense_tensors, split_by_charge
from mpsnh.states.effective import EffectiveOperator, Layout
from mpsnh.states.environments import EDGE, grown, matrix_element, mirrored
from mpsnh.states.variance import residual
from tests.oracles.reference import CHAINS, HALF, NEUTRAL, RAISING, operator, random_mps

SITES = (HALF,) * 5
CHARGES = [site.charges for site in SITES]


def long_range(sites, rng, conserving):
    """A few products of operators on any two or three sites."""
    L = len(sites)
    op = nh.OpSum()
    for _ in range(8):
        i, j, k = (int(site) for site in rng.choice(L, 3, replace=False))
        number = complex(*rng.normal(size=2))
        raised = RAISING[sites[i]]
        if sites[i] == sites[j]:
            op += (number, raised, i, raised + "†", j)
        op += (number.conjugate(), NEUTRAL[sites[j]], j, NEUTRAL[sites[k]], k)
        if not (conserving or raised.startswith("c")):
            op += (number, raised, i, NEUTRAL[sites[k]], k)
    return op


def in_sector(sites, seed, charge):
    """Blocks of a random state of a charge."""
    charges = [site.charges for site in sites]
    vector = random_mps(sites, seed).to_vector()
    inside = np.where(joint_charges(charges) == charge, vector / np.linalg.norm(vector), 0)
    blocks, _ = split_by_charge(nh.MPS.from_vector(inside, sites).site_tensors(), charges)
    return blocks


def dense(sites, seed):
    return [{(0, 0): tensor} for tensor in random_mps(sites, seed).canonical_tensors()]


CASES = [
    pytest.param(CHAINS["spin-1/2"], 1, id="spin-1/2"),
    pytest.param(CHAINS["spin-1"], 2, id="spin-1"),
    pytest.param(CHAINS["fermion"], 2, id="fermion"),
    pytest.param(CHAINS["boson"], 3, id="boson"),
    pytest.param(CHAINS["spin-1/2"], None, id="dense spin-1/2"),
    pytest.param(CHAINS["mixed"], None, id="dense mixed"),
]


def case(sites, charge, seed=3):
    """An operator of long range and two different states, with the matrix of the whole space and the vectors."""
    op = long_range(sites, np.random.default_rng(seed), charge is not None)
    charges = [site.charges if charge is not None else (0,) * site.dim for site in sites]
    ket, bra = (dense(sites, s) if charge is None else in_sector(sites, s, charge) for s in (seed, seed + 1))
    vectors = [nh.MPS.from_tensors(dense_tensors(blocks, charges), sites).to_vector() for blocks in (ket, bra)]
    return ChargedMPO.of(nh.MPO.from_opsum(op, sites).site_tensors(), charges), ket, bra, operator(op, sites), vectors


@pytest.mark.parametrize(("sites", "charge"), CASES)
def test_matrix_elements(sites, charge):
    charged, ket, bra, matrix, (of_ket, of_bra) = case(sites, charge)
    scale = np.linalg.norm(matrix)
    assert matrix_element(charged, ket, bra) == pytest.approx(np.vdot(of_bra, matrix @ of_ket), abs=1e-13 * scale)
    assert matrix_element(charged.dag(), bra, ket) == pytest.approx(
        np.vdot(of_ket, matrix.conj().T @ of_bra), abs=1e-13 * scale
    )


def windows(charged, ket, bra, width):
    """The effective operators of all windows of one or two sites, with the first site of each."""
    L, (mirror, total), (other, _) = len(ket), mirrored(ket), mirrored(bra)
    lefts, rights, turned = [EDGE], [EDGE], charged.mirrored()
    for j in range(L):
        lefts.append(grown(lefts[-1], charged, j, ket[j], bra[j]))
        rights.append(grown(rights[-1], turned, j, mirror[j], other[j]))
    for j in range(L + 1 - width):
        right = [{total - q: part for q, part in channel.items()} for channel in rights[L - j - width]]
        tensor, charges = charged.window(j, width)
        layouts = [Layout(bonds[j], bonds[j + width], charges) for bonds in (bond_charges(ket), bond_charges(bra))]
        yield j, EffectiveOperator(lefts[j], right, tensor, charged.channels[j], *layouts)


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize(("sites", "charge"), CASES)
def test_effective_operators_and_their_adjoints(sites, charge, width):
    charged, ket, bra, matrix, (of_ket, of_bra) = case(sites, charge)
    rng, exact = np.random.default_rng(0), np.vdot(of_bra, matrix @ of_ket)
    for j, effective in windows(charged, ket, bra, width):
        if width == 1:
            image = effective @ effective.ket.packed(ket[j])
            got = np.vdot(effective.bra.packed(bra[j]), image)
            assert got == pytest.approx(exact, abs=1e-13 * np.linalg.norm(matrix))
        x, y = (rng.normal(size=(n, 2)) @ [1, 1j] for n in (effective.ket.size, effective.bra.size))
        there, back = np.vdot(y, effective @ x), np.vdot(effective.adjoint(y), x)
        assert there == pytest.approx(back, rel=1e-11)


def test_layouts_give_back_what_they_are_given():
    for blocks in (in_sector(SITES, 5, -1), dense(SITES, 5)):
        local = CHARGES[0] if (0, 0) not in blocks[0] else (0, 0)
        bonds = bond_charges(blocks)
        for j, site in enumerate(blocks):
            layout = Layout(bonds[j], bonds[j + 1], local)
            again = layout.unpacked(layout.packed(site))
            assert all(np.array_equal(again[key], block) for key, block in site.items())


def test_channels_of_several_charges_are_split():
    """Sx Sx + Sy Sy conserves Sz though neither of its terms does; the splitting changes nothing."""
    op = nh.OpSum.sum((1.0, a, j, a, j + 2) for j in range(3) for a in ("Sx", "Sy"))
    charged = ChargedMPO.of(nh.MPO.from_opsum(op, SITES).site_tensors(), CHARGES)
    assert {charge for bond in charged.channels for charge in bond} == {-2, 0, 2}
    np.testing.assert_allclose(nh.MPO.from_tensors(charged.tensors).to_matrix(), operator(op, SITES), atol=1e-14)
    neither = nh.MPO.from_opsum(op + (1e-6, "Sx", 4), SITES).site_tensors()
    with pytest.raises(ValueError, match="the operator changes the charge; set the model's charge to None"):
        ChargedMPO.of(neither, CHARGES)
    ChargedMPO.of(neither, [(0, 0)] * 5)


def test_residuals_of_states_by_charge():
    """By blocks and dense, at any energy, and of an operator that leaves the sector."""
    op = models.NonHermitianXXZ(L=5, gamma=0.4, h=1.0).terms() + (0.3j, "Sp", 0, "Sm", 4)
    state = nh.SymmetricMPS.from_tensors(dense_tensors(in_sector(SITES, 2, 1), CHARGES), SITES)
    vector = state.to_vector() / np.linalg.norm(state.to_vector())
    for given in (op, op + (0.7, "Sx", 2)):
        matrix = operator(given, SITES)
        for energy in (0.3 - 0.2j, np.vdot(vector, matrix @ vector)):
            exact = np.linalg.norm(matrix @ vector - energy * vector)
            assert residual(given, state, energy) == pytest.approx(exact, rel=1e-12)
            assert residual(given, state.to_mps(), energy) == pytest.approx(exact, rel=1e-12)
        assert residual(given, state) == pytest.approx(exact, rel=1e-12)
