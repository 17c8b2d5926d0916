"""The imaginary gauge of sums, against matrices of the whole space."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import models
from mpsnh.operators.gauge import ImaginaryGauge
from tests.oracles.reference import FERMION, HALF, operator

FREE = nh.OpSum.sum(
    term
    for j in range(4)
    for term in ((0.3, "cdag", j, "c", j + 1), (0.7 * np.exp(0.4j), "cdag", j + 1, "c", j), (j - 1.5, "n", j))
)


def turned(op, sites):
    gauge = ImaginaryGauge.of(op, sites)
    tensors = gauge.applied(nh.MPO.from_opsum(op, sites).site_tensors(), [site.charges for site in sites])
    return nh.MPO.from_tensors(tensors).to_matrix()


@pytest.mark.parametrize(
    ("op", "sites"),
    [
        pytest.param(models.NonHermitianXXZ(L=6, gamma=0.6, h=1.0).terms(), (HALF,) * 6, id="open chain"),
        pytest.param(models.NonHermitianXXZ(L=5, gamma=-0.97, V=3.0).terms(), (HALF,) * 5, id="strong asymmetry"),
        pytest.param(nh.OpSum([(0.1, "Sp", 0, "Sm", 3), (0.9, "Sm", 0, "Sp", 3)]), (HALF,) * 4, id="long range"),
        pytest.param(nh.OpSum([(2.0, "Sp", 1), (0.5, "Sm", 1), (1.0, "Sz", 0)]), (HALF,) * 2, id="a charge is changed"),
        pytest.param(nh.OpSum([(1.0, "Sx", 0, "Sx", 1), (1.0, "Sy", 1, "Sy", 0)]), (HALF,) * 2, id="Hermitian"),
    ],
)
def test_what_it_makes_is_hermitian_with_the_same_levels(op, sites):
    matrix, plain = turned(op, sites), operator(op, sites)
    np.testing.assert_allclose(matrix, matrix.conj().T, atol=1e-13)
    levels = np.linalg.eigvalsh(matrix)
    for power in (1, 2, 3):  # traces, since the levels of the plain matrix are badly conditioned
        trace = np.trace(np.linalg.matrix_power(plain, power))
        assert np.sum(levels**power) == pytest.approx(trace, abs=1e-11 * np.sum(np.abs(levels) ** power))


def test_phases_must_be_those_of_a_hermitian_matrix():
    assert not ImaginaryGauge.of(FREE, (FERMION,) * 5).hermitian
    sizes = np.abs(turned(FREE, (FERMION,) * 5))
    np.testing.assert_allclose(sizes, sizes.T, atol=1e-14)
    real = nh.OpSum((t.coefficient.real / np.cos(0.4 * (t.coefficient.imag != 0)), *sum(t.factors, ())) for t in FREE)
    assert ImaginaryGauge.of(real, (FERMION,) * 5).hermitian


def test_a_hermitian_sum_is_left_alone():
    sites = (HALF,) * 6
    gauge = ImaginaryGauge.of(models.NonHermitianXXZ(L=6, gamma=0.0, h=2.0, boundary="periodic").terms(), sites)
    assert not gauge.potential.any()
    assert gauge.hermitian
    assert gauge.mismatch == 0
    assert not ImaginaryGauge.of(nh.OpSum([(1e-9j, "Sz", 0)]), sites).hermitian
    assert not ImaginaryGauge.of(nh.OpSum([(1.0, "X", 0), (0.5, "Y", 1, "X", 0)]), sites).potential.any()


@pytest.mark.parametrize(
    "op",
    [
        models.NonHermitianXXZ(L=4, gamma=0.2, boundary="periodic").terms(),
        nh.OpSum([(1.0, "Sp", 0, "Sm", 1)]),
        nh.OpSum([(0.3, "Sp", 0, "Sm", 1), (0.7, "Sm", 0, "Sp", 1), (0.5, "Sp", 0, "Sm", 1, "Sz", 2)]),
        nh.OpSum([(1.0, "Sp", 0, "Sm", 1), (1.0 + 1e-9, "Sm", 0, "Sp", 1), (1, "Sp", 1, "Sm", 0, "Sz", 2)]),
    ],
    ids=["ring", "one way", "assisted hopping", "almost"],
)
def test_none_where_there_is_none(op):
    assert ImaginaryGauge.of(op, (HALF,) * 4) is None


@pytest.mark.parametrize("seed", range(4))
def test_the_sum_in_the_gauge_is_the_matrix_in_the_gauge(seed):
    """S⁻¹ H S and its adjoint, of spins and of fermions with adjoint names."""
    rng = np.random.default_rng(seed)
    site, names = [(nh.Spin(1), ("Sp", "Sp†", "Sz")), (nh.Fermion(), ("cdag", "cdag†", "n"))][seed % 2]
    up, down, field = names
    rates = rng.uniform(0.2, 1.0, (2, 3))
    op = nh.OpSum.sum((rates[0, j], up, j, down, j + 1) for j in range(3))
    op += nh.OpSum.sum((rates[1, j], up, j + 1, down, j) for j in range(3))
    op += nh.OpSum.sum((rng.normal() + 1j * rng.normal(), field, j) for j in range(4))
    sites = [site] * 4
    gauge = ImaginaryGauge.of(op, sites)
    inner, local = gauge.turned(op, sites)
    plain, turned = (np.asarray(operator(*one)) for one in ((op, sites), (inner, local)))
    scales = np.ones(1)
    for one, g in zip(sites, gauge.potential, strict=True):
        scales = np.kron(scales, np.exp(g * np.array(one.charges)))
    assert np.abs(turned - plain * scales / scales[:, None]).max() < 1e-12
    assert np.abs(np.asarray(operator(inner.dag(), local)) - turned.conj().T).max() < 1e-12
