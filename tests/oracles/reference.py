"""Operators by explicit Kronecker products over the whole chain, and random sums and states to test on.

The matrices, the Jordan–Wigner strings and the order of factors are coded here a second time, in the plainest way:
every factor becomes a matrix of the whole space, and these are multiplied in the order written.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import strategies as st

from mpsnh import MPS, Boson, Fermion, OpSum, Site, Spin

HALF, ONE, FERMION, BOSON = Spin(0.5), Spin(1), Fermion(), Boson(2)

CHAINS = {
    "spin-1/2": (HALF,) * 5,
    "spin-1": (ONE,) * 4,
    "fermion": (FERMION,) * 5,
    "boson": (BOSON,) * 4,
    "mixed": (FERMION, ONE, FERMION, BOSON, FERMION),
    "three": (BOSON, FERMION, FERMION),
    "two": (FERMION, HALF),
}
"""The chains that random sums are made for."""

every_chain = pytest.mark.parametrize("sites", CHAINS.values(), ids=CHAINS)

NAMES = {
    HALF: ("Sz", "Sp", "Sm", "Sx", "Sy", "X", "Y", "Z", "Sp†", "Id"),
    ONE: ("Sz", "Sp", "Sm", "Sx", "Sy", "Sm†"),
    FERMION: ("c", "cdag", "c†", "n", "F"),
    BOSON: ("b", "bdag", "n", "b†"),
}
"""Operators that random sums are made of."""

RAISING = {HALF: "Sp", ONE: "Sp", FERMION: "cdag", BOSON: "bdag"}
NEUTRAL = {HALF: "Sz", ONE: "Sz", FERMION: "n", BOSON: "n"}


# Operators


def local_matrix(site: Site, name: str) -> np.ndarray:
    """Matrix of an operator from its textbook definition; a user's own operators are taken as given."""
    if name.endswith("†"):
        return local_matrix(site, name[:-1]).conj().T
    if name in ("Id", "F"):
        return np.eye(site.dim, dtype=complex) if name == "Id" else _parity(site)
    if isinstance(site, Spin):
        return _spin(site.S, name)
    if isinstance(site, Fermion):
        full, empty = np.eye(2, dtype=complex)
        lower = np.outer(empty, full)
        return {"c": lower, "cdag": lower.T, "n": np.outer(full, full)}[name]
    if isinstance(site, Boson):
        lower = np.zeros((site.n_max + 1, site.n_max + 1), dtype=complex)
        for n in range(1, site.n_max + 1):
            lower[n - 1, n] = n**0.5
        return {"b": lower, "bdag": lower.T, "n": np.diag(range(site.n_max + 1)).astype(complex)}[name]
    return np.array(site.operators[name])


def _spin(S: float, name: str) -> np.ndarray:
    d = round(2 * S) + 1
    matrix = np.zeros((d, d), dtype=complex)
    for row, column in itertools.product(range(d), repeat=2):
        bra, ket = S - row, S - column
        up = (S * (S + 1) - ket * bra) ** 0.5 if bra == ket + 1 else 0.0
        down = (S * (S + 1) - ket * bra) ** 0.5 if bra == ket - 1 else 0.0
        values = {"Sz": ket * (row == column), "Sp": up, "Sm": down, "Sx": (up + down) / 2, "Sy": (up - down) / 2j}
        pauli = {"X": "Sx", "Y": "Sy", "Z": "Sz"}
        matrix[row, column] = 2 * values[pauli[name]] if name in pauli else values[name]
    return matrix


def _parity(site: Site) -> np.ndarray:
    return np.diag([-1.0, 1.0]).astype(complex) if isinstance(site, Fermion) else np.eye(site.dim, dtype=complex)


def embedded(matrix: np.ndarray, j: int, dims: Sequence[int]) -> np.ndarray:
    """Matrix of one site, or of neighbours from site j on, as a matrix of the whole space."""
    before = int(np.prod(dims[:j]))
    return np.kron(np.kron(np.eye(before), matrix), np.eye(int(np.prod(dims)) // before // len(matrix)))


@functools.lru_cache(maxsize=2048)
def _factor(sites: tuple[Site, ...], name: str, j: int) -> np.ndarray:
    dims = [site.dim for site in sites]
    whole = embedded(local_matrix(sites[j], name), j, dims)
    if isinstance(sites[j], Fermion) and name.startswith("c"):
        for k in range(j):
            whole = embedded(_parity(sites[k]), k, dims) @ whole
    return whole


def operator(op: OpSum, sites: Sequence[Site]) -> np.ndarray:
    """Matrix of a sum in the whole space."""
    return sum(terms(op, sites), np.zeros((dimension(sites),) * 2, dtype=complex))


def terms(op: OpSum, sites: Sequence[Site]) -> list[np.ndarray]:
    """Matrix of each term of a sum in the whole space."""
    return [
        coefficient
        * functools.reduce(np.matmul, (_factor(tuple(sites), *f) for f in factors), np.eye(dimension(sites)))
        for coefficient, factors in op.terms
    ]


def scale(op: OpSum, sites: Sequence[Site]) -> float:
    """Norm of a sum, or of its largest term if terms cancel: rounding errors are relative to that."""
    return max(float(np.linalg.norm(part)) for part in [*terms(op, sites), operator(op, sites)])


def deviation(got: np.ndarray, op: OpSum, sites: Sequence[Site]) -> float:
    """Distance of a matrix from the reference, relative to the operator's norm."""
    distance = float(np.linalg.norm(got - operator(op, sites)))
    return distance / (scale(op, sites) or 1.0)


def on_sites(matrix: np.ndarray, where: Sequence[int], dims: Sequence[int]) -> np.ndarray:
    """Matrix that acts on any sites as a matrix of the whole space: the sum over its elements |a⟩⟨b|."""
    whole = np.zeros((int(np.prod(dims)),) * 2, dtype=complex)
    states = list(itertools.product(*(range(dims[j]) for j in where)))
    for (row, bra), (column, ket) in itertools.product(enumerate(states), repeat=2):
        element = np.eye(len(whole), dtype=complex)
        for j, a, b in zip(where, bra, ket, strict=True):
            element = element @ embedded(np.outer(np.eye(dims[j])[a], np.eye(dims[j])[b]), j, dims)
        whole += matrix[row, column] * element
    return whole


def ranks(matrix: np.ndarray, sites: Sequence[Site]) -> list[int]:
    """Rank of an operator across each cut of the chain, at least 1."""
    found, D = [], len(matrix)
    for cut in range(1, len(sites)):
        left = dimension(sites[:cut])
        right = D // left
        crossing = matrix.reshape(left, right, left, right).transpose(0, 2, 1, 3).reshape(left**2, right**2)
        values = np.linalg.svd(crossing, compute_uv=False)
        found.append(max(1, int(np.sum(values > 1e-11 * values[0]))))
    return found


# States


def dimension(sites: Sequence[Site]) -> int:
    """Dimension of the whole space."""
    return int(np.prod([site.dim for site in sites]))


def total_charges(sites: Sequence[Site]) -> np.ndarray:
    """Total charge of each product state, in the order of the whole space."""
    return np.array([sum(charges) for charges in itertools.product(*(site.charges for site in sites))])


def expectation(matrix: np.ndarray, ket: np.ndarray, bra: np.ndarray | None = None) -> complex:
    """Return ⟨bra|O|ket⟩/⟨bra|ket⟩; the bra is the ket if not given."""
    bra = ket if bra is None else bra
    return complex(bra.conj() @ matrix @ ket / (bra.conj() @ ket))


def entropy(vector: np.ndarray, cut: int, sites: Sequence[Site]) -> float:
    """Von Neumann entropy of the first `cut` sites, from the reduced density matrix."""
    amplitudes = vector.reshape(dimension(sites[:cut]), -1)
    p = np.linalg.eigvalsh(amplitudes @ amplitudes.conj().T)
    p = p[p > 0] / p[p > 0].sum()
    return float(-np.sum(p * np.log(p)))


def gaussian(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Complex Gaussian numbers."""
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def random_mps(sites: Sequence[Site], seed: int, bond: int = 3, factor: float = 1.0) -> MPS:
    """Un-normalised state in no canonical form, whose bonds have different dimensions."""
    rng = np.random.default_rng(seed)
    ends = [1, *(bond + j % 2 for j in range(len(sites) - 1)), 1]
    tensors = [factor * gaussian(rng, ends[j], site.dim, ends[j + 1]) for j, site in enumerate(sites)]
    return MPS.from_tensors(tensors, sites)


def random_sites(rng: np.random.Generator, L: int, *, charged: bool = True) -> tuple[Site, ...]:
    """Sites of 2 to 4 states with charges of any order, spacing and degeneracy, or none, and two operators.

    "A" conserves the charge, "B" does not unless there is none.
    """

    def site() -> Site:
        d = int(rng.integers(2, 5))
        charges = rng.integers(-2, 3, d) if charged else np.zeros(d, dtype=int)
        same = charges[:, None] == charges
        operators = {"A": gaussian(rng, d, d) * same, "B": gaussian(rng, d, d)}
        return Site([f"s{k}" for k in range(d)], operators, charges.tolist())

    return tuple(site() for _ in range(L))


def random_charged_vector(rng: np.random.Generator, sites: Sequence[Site]) -> np.ndarray:
    """Vector of unit norm and of the charge that most product states have."""
    totals = total_charges(sites)
    values, counts = np.unique(totals, return_counts=True)
    vector = gaussian(rng, len(totals)) * (totals == values[np.argmax(counts)])
    return vector / np.linalg.norm(vector)


def random_conserving_matrix(rng: np.random.Generator, sites: Sequence[Site]) -> np.ndarray:
    """Matrix of norm about 1 on a few sites that conserves their total charge, and nothing else."""
    totals = total_charges(sites)
    matrix = gaussian(rng, len(totals), len(totals)) * (totals[:, None] == totals)
    return matrix / np.linalg.norm(matrix, 2) + 0.3 * np.eye(len(totals))


# Random sums


COEFFICIENTS = st.builds(lambda re, im: complex(re, im) / 4, st.integers(-8, 8), st.integers(-8, 8))
"""Multiples of a quarter, so that like terms cancel exactly and ranks are well defined."""


@st.composite
def sums(
    draw: st.DrawFn,
    sites: Sequence[Site],
    max_terms: int = 6,
    reach: int | None = None,
    coefficients: st.SearchStrategy[complex] = COEFFICIENTS,
) -> OpSum:
    """Sums of products in any order, with repeated sites; `reach` limits each term to that many neighbours."""
    terms = []
    for _ in range(draw(st.integers(1, max_terms))):
        first = 0 if reach is None else draw(st.integers(0, len(sites) - reach))
        window = range(first, len(sites) if reach is None else first + reach)
        options = [(name, j) for j in window for name in NAMES[sites[j]]]
        factors = [draw(st.sampled_from(options)) for _ in range(draw(st.sampled_from([2, 3, 1, 4, 0])))]
        if sum(name.startswith("c") for name, _ in factors) % 2:
            factors.append(draw(st.sampled_from([option for option in options if option[0].startswith("c")])))
        terms.append((draw(coefficients), *itertools.chain.from_iterable(factors)))
    return OpSum(terms)


@st.composite
def conserving_sums(draw: st.DrawFn, sites: Sequence[Site], max_terms: int = 5) -> OpSum:
    """Sums whose terms conserve the total charge: hops between sites of one kind, and diagonal operators."""
    terms = []
    for _ in range(draw(st.integers(1, max_terms))):
        factors = []
        for _ in range(draw(st.sampled_from([1, 2, 0]))):
            i, j = (draw(st.integers(0, len(sites) - 1)) for _ in range(2))
            if sites[i] == sites[j]:
                factors += [(RAISING[sites[i]], i), (RAISING[sites[j]] + "†", j)]
            else:
                factors += [(NEUTRAL[sites[i]], i), (NEUTRAL[sites[j]], j)]
        factors = draw(st.permutations(factors))
        terms.append((draw(COEFFICIENTS), *itertools.chain.from_iterable(factors)))
    return OpSum(terms)
