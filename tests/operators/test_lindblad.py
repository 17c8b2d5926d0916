"""The Lindblad equation on doubled sites, against matrices of the whole space."""

import functools

import numpy as np
import pytest
from numpy.typing import NDArray

import mpsnh as nh
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site, is_fermionic
from mpsnh.operators.lindblad import doubled_sites, lindblad
from mpsnh.operators.sector import Sector

SITES = {"spins": nh.Spin(0.5), "fermions": nh.Fermion(), "bosons": nh.Boson(2)}


def dense(op: OpSum, sites: list[Site]) -> NDArray[np.complex128]:
    """Multiply out an operator with np.kron, fermions by strings to their left."""

    def factor(name: str, j: int) -> NDArray[np.complex128]:
        parts = [site.op("F") if is_fermionic(name) else np.eye(site.dim) for site in sites[:j]]
        parts += [sites[j].op(name)] + [np.eye(site.dim) for site in sites[j + 1 :]]
        return functools.reduce(np.kron, parts)

    size = int(np.prod([site.dim for site in sites]))
    total = np.zeros((size, size), dtype=complex)
    for coefficient, factors in op:
        total += coefficient * functools.reduce(np.matmul, [factor(*f) for f in factors], np.eye(size))
    return total


def signed_basis(sites: list[Site]) -> NDArray[np.float64]:
    """Return the matrix that takes ρ, written row by row, to a vector of doubled sites."""
    L, dims = len(sites), [site.dim for site in sites]
    size = int(np.prod(dims))
    basis = np.zeros((size**2, size**2))
    for row, k in enumerate(np.ndindex(*dims)):
        for column, b in enumerate(np.ndindex(*dims)):
            odd_k, odd_b = ([sites[j].parities[s[j]] < 0 for j in range(L)] for s in (k, b))
            m = sum(odd_b)
            exchanges = m * (m - 1) // 2 + sum(odd_b[j] and odd_k[i] for i in range(L) for j in range(i))
            place = 0
            for j in range(L):
                place = place * dims[j] ** 2 + k[j] * dims[j] + b[j]
            basis[place, row * size + column] = (-1) ** exchanges
    return basis


def random_system(kind: str, rng: np.random.Generator) -> tuple[list[Site], OpSum, list[OpSum]]:
    """Draw a chain of three sites with hopping over any distance, interaction, loss, gain, dephasing and pair loss."""
    sites = [SITES[kind]] * 3
    lower, density = {"spins": ("Sm", "Sz"), "fermions": ("c", "n"), "bosons": ("b", "n")}[kind]
    half = OpSum.sum(
        (complex(*rng.normal(size=2)), f"{lower}†", i, lower, j) for i in range(3) for j in range(3) if i < j
    )
    half += OpSum.sum((rng.normal(), density, i, density, (i + 1) % 3) for i in range(3))
    jumps = [
        OpSum([(complex(*rng.normal(size=2)), lower, 0), (complex(*rng.normal(size=2)), lower, 2)]),
        OpSum([(complex(*rng.normal(size=2)), f"{lower}†", 1)]),
        OpSum([(rng.normal(), density, 1), (rng.normal(), f"{lower}†", 0, lower, 2)]),
        OpSum([(rng.normal(), lower, 0, lower, 1)]),
    ]
    return sites, half + half.dag(), jumps


@pytest.mark.parametrize("kind", SITES)
def test_it_is_the_lindblad_equation(kind):
    """On density operators of even parity, which are the ones that exist."""
    rng = np.random.default_rng(5)
    sites, hamiltonian, jumps = random_system(kind, rng)
    h, js = dense(hamiltonian, sites), [dense(jump, sites) for jump in jumps]
    parity = functools.reduce(np.kron, [site.op("F") for site in sites]).real
    rho = rng.normal(size=h.shape) + 1j * rng.normal(size=h.shape)
    rho = (rho + parity @ rho @ parity) / 2
    change = -1j * (h @ rho - rho @ h)
    for jump in js:
        change += jump @ rho @ jump.conj().T - (jump.conj().T @ jump @ rho + rho @ jump.conj().T @ jump) / 2
    doubled = doubled_sites(hamiltonian, jumps, sites)
    basis = signed_basis(sites)
    ours = Sector(doubled, None).operator(lindblad(hamiltonian, jumps)) @ (basis @ rho.ravel())
    np.testing.assert_allclose(basis.T @ ours, 1j * change.ravel(), atol=1e-12 * np.abs(change).max())


@pytest.mark.parametrize(("names", "weights"), [(["n"], (4, 1)), (["n", "c"], (1, -1)), (["mixed"], (0, 0))])
def test_symmetries_are_those_of_the_jumps(names, weights):
    hop = OpSum([(1.0, "cdag", 0, "c", 1), (1.0, "cdag", 1, "c", 2)])
    kinds = {"n": OpSum([(1.0, "n", 0)]), "c": OpSum([(1.0, "c", 1)]), "mixed": OpSum([(1, "c", 0), (1, "cdag", 1)])}
    doubled = doubled_sites(hop + hop.dag(), [kinds[name] for name in names], [nh.Fermion()] * 3)
    assert doubled[0].weights == weights


def test_jumps_that_mix_charges_may_conserve_together():
    """X, Y and Z with one rate are isotropic, whose superoperator keeps the difference of charges."""
    jumps = [OpSum([(1.0, name, 1)]) for name in ("Sx", "Sy", "Sz")]
    assert doubled_sites(OpSum(), jumps, [nh.Spin(0.5)] * 2)[0].weights == (1, -1)
    assert doubled_sites(OpSum(), jumps[:2], [nh.Spin(0.5)] * 2)[0].weights == (1, -1)
    assert doubled_sites(OpSum(), jumps[:1], [nh.Spin(0.5)] * 2)[0].weights == (0, 0)
