"""A dense reference: Kronecker products, Jordan–Wigner signs and vectors in extended precision.

It shares no code with the package that is tested.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from tests.fuzz.spaces import is_odd, space

Terms = Sequence[tuple]
"""Terms as (coefficient, name, site, name, site, …)."""


def dims_of(kinds: Sequence[str]) -> list[int]:
    return [space(kind).dim for kind in kinds]


def on_sites(matrix: np.ndarray, where: int, kinds: Sequence[str], count: int = 1) -> sp.csr_matrix:
    """A matrix on `count` neighbouring sites from `where` on, in the whole space."""
    dims = dims_of(kinds)
    before, after = math.prod(dims[:where]), math.prod(dims[where + count :])
    return sp.kron(sp.kron(sp.identity(before), sp.csr_matrix(matrix)), sp.identity(after)).tocsr()


@functools.lru_cache(maxsize=4096)
def factor(kinds: tuple[str, ...], name: str, j: int) -> sp.csr_matrix:
    """An operator of one site in the whole space, with the signs of the fermions before it."""
    whole = on_sites(space(kinds[j]).matrix(name), j, kinds)
    if is_odd(name):
        for k in range(j):
            whole = on_sites(np.diag(space(kinds[k]).parities), k, kinds) @ whole
    return whole


def operator(terms: Terms, kinds: Sequence[str]) -> sp.csr_matrix:
    """A sum of products in the whole space: factors are multiplied in the order written."""
    dim = math.prod(dims_of(kinds))
    total = sp.csr_matrix((dim, dim), dtype=complex)
    for term in terms:
        product = sp.identity(dim, format="csr", dtype=complex)
        for name, j in zip(term[1::2], term[2::2], strict=True):
            product = product @ factor(tuple(kinds), name, j)
        total = total + complex(term[0]) * product
    return total.tocsr()


def adjoint(terms: Terms) -> list[tuple]:
    """The terms of the Hermitian conjugate."""

    def dagger(name: str) -> str:
        return name[:-1] if name.endswith("†") else name + "†"

    turned = []
    for term in terms:
        factors = list(zip(term[1::2], term[2::2], strict=True))[::-1]
        turned.append((complex(term[0]).conjugate(), *(x for name, j in factors for x in (dagger(name), j))))
    return turned


def charges_of(kinds: Sequence[str]) -> np.ndarray:
    """The charge of every product state."""
    total = np.zeros(1, dtype=int)
    for kind in kinds:
        total = np.add.outer(total, space(kind).charges).ravel()
    return total


def breaks_charge(matrix: sp.csr_matrix | np.ndarray, charges: np.ndarray) -> bool:
    """Whether a matrix takes a state of one charge to one of another."""
    entries = sp.coo_matrix(matrix)
    size = np.abs(entries.data).max(initial=0.0)
    return bool((np.abs(entries.data[charges[entries.row] != charges[entries.col]]) > 1e-10 * size).any())


def apply_gate(vector: np.ndarray, matrix: np.ndarray, where: Sequence[int], kinds: Sequence[str]) -> np.ndarray:
    """A gate on any sites: the amplitudes of these sites' states are gathered, multiplied and put back."""
    dims = dims_of(kinds)
    tensor = vector.reshape(*dims, -1)
    order = [*where, *(j for j in range(len(dims) + 1) if j not in where)]
    front = tensor.transpose(order)
    image = (matrix @ front.reshape(matrix.shape[0], -1)).reshape(front.shape)
    return image.transpose(np.argsort(order)).reshape(vector.shape)


def evolve(
    matrix: sp.csr_matrix, vector: np.ndarray, time: float, kind: type = np.clongdouble
) -> tuple[np.ndarray, float]:
    """exp(-i H t) on a vector in extended precision, and the logarithm of the norm: Taylor series of short steps."""
    size = float(abs(matrix).sum(axis=0).max()) if matrix.nnz else 0.0
    steps = max(1, math.ceil(size * abs(time)))
    if steps > 20_000:
        raise OverflowError("this evolution is too long for the reference")
    generator = sp.csr_matrix(matrix.astype(kind) * kind(-1j * np.longdouble(time) / steps))
    state, log_norm = vector.astype(kind), np.longdouble(0)
    for _ in range(steps):
        term = state
        for order in range(1, 40):
            term = (generator @ term) / kind(order)
            state = state + term
            if float(np.abs(term).max()) < 1e-22 * float(np.abs(state).max()):
                break
        norm = np.sqrt(np.sum(np.abs(state) ** 2))
        state, log_norm = state / norm, log_norm + np.log(norm)
    return state.astype(complex), float(log_norm)


def schmidt_entropy(vector: np.ndarray, kinds: Sequence[str], bond: int) -> float:
    """The entropy of the reduced density matrix of the sites up to `bond`."""
    left = math.prod(dims_of(kinds)[: bond + 1])
    block = vector.reshape(left, -1)
    block = block if block.shape[0] <= block.shape[1] else block.T
    values = np.linalg.svd(block, compute_uv=False) ** 2
    weights = values / values.sum()
    weights = weights[weights > 1e-300]
    return float(-np.sum(weights * np.log(weights)))


def expectation(matrix: sp.csr_matrix, ket: np.ndarray, bra: np.ndarray | None = None) -> complex:
    """⟨bra|O|ket⟩ / ⟨bra|ket⟩."""
    bra = ket if bra is None else bra
    return complex(np.vdot(bra, matrix @ ket) / np.vdot(bra, ket))


# Trotter schedules: Strang's, and S6 of Blanes and Moan, J. Comput. Appl. Math. 142, 313 (2002)
_A = (0.0792036964311957, 0.353172906049774, -0.0420650803577195)
_B = (0.209515106613362, -0.143851773179818)
_HALF = [(0, _A[0]), (1, _B[0]), (0, _A[1]), (1, _B[1]), (0, _A[2]), (1, 0.5 - sum(_B))]
SCHEDULES = {
    1: [(0, 1.0), (1, 1.0)],
    2: [(0, 0.5), (1, 1.0), (0, 0.5)],
    4: [*_HALF, (0, 1 - 2 * sum(_A)), *_HALF[::-1]],
}


def bond_matrices(terms: Terms, kinds: Sequence[str]) -> list[sp.csr_matrix]:
    """The Hamiltonian as one matrix of the whole space a bond: a site's terms are shared by the bonds it touches."""
    last = len(kinds) - 2
    parts: list[list[tuple]] = [[] for _ in range(last + 1)]
    for term in terms:
        sites = {j for name, j in zip(term[1::2], term[2::2], strict=True) if name != "Id"}
        if not sites:
            touched = list(range(last + 1))
        elif len(sites) == 1:
            touched = [j for j in (min(sites) - 1, min(sites)) if 0 <= j <= last]
        elif max(sites) - min(sites) == 1:
            touched = [min(sites)]
        else:
            raise ValueError("terms on more than two neighbours have no gates")
        for j in touched:
            parts[j].append((term[0] / len(touched), *term[1:]))
    return [operator(part, kinds) for part in parts]


def trotter_step(terms: Terms, kinds: Sequence[str], dt: float, order: int) -> np.ndarray:
    """One step of the product formula as a matrix of the whole space."""
    bonds = [bond.toarray() for bond in bond_matrices(terms, kinds)]
    step = np.eye(math.prod(dims_of(kinds)), dtype=complex)
    for parity, fraction in SCHEDULES[order]:
        layer = sum(bonds[parity::2], np.zeros_like(step))
        step = scipy.linalg.expm(-1j * dt * fraction * layer) @ step
    return step
