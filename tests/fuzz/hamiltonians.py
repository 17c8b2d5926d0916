"""Random sums of operators and random circuits, as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.linalg

from tests.fuzz.dense import adjoint, dims_of
from tests.fuzz.spaces import is_odd, space

FLAVOURS = (
    "hermitian",
    "non-hermitian",
    "non-hermitian",
    "real",
    "gauge",
    "one-way",
    "anti-hermitian",
    "diagonal",
    "clean",
    "gain and loss",
)
"""Kinds of Hamiltonians; what they are is written in `local_terms`."""

NUMBERS = (0.5, 1.0, -0.5, 0.3, 1.1, -0.7, 0.9)


def _number(rng: np.random.Generator, real: bool = False) -> complex:
    size = float(rng.choice(NUMBERS)) if rng.random() < 0.5 else round(float(rng.normal()), 3)
    if real or rng.random() < 0.4:
        return size
    return complex(size, round(float(rng.normal()), 3))


def product(
    rng: np.random.Generator, kinds: Sequence[str], sites: Sequence[int], conserving: bool, real: bool = False
) -> tuple | None:
    """A random product of one operator on each of some sites, or None if none with the right charge came up."""
    for _ in range(60):
        names, shift, odd = [], 0, 0
        for j in sites:
            local = space(kinds[j])
            known = [
                name for name in local.operators if name != "Id" and not (real and local.operators[name].imag.any())
            ]
            name = str(rng.choice(known))
            name = name + "†" if rng.random() < 0.15 and not name.endswith("†") else name
            step = local.shift(name)
            shift = math.nan if step is None else shift + step
            odd += is_odd(name)
            names.append(name)
        if odd % 2 == 0 and (not conserving or shift == 0):
            order = rng.permutation(len(sites))
            return tuple(x for k in order for x in (names[k], int(sites[k])))
    return None


def random_sum(
    rng: np.random.Generator, kinds: Sequence[str], *, conserving: bool, most: int = 4, near: bool = False
) -> tuple[tuple, ...]:
    """A few random products on any sites, some of them several times on one."""
    L, terms = len(kinds), []
    for _ in range(int(rng.integers(1, most + 1))):
        if near:
            first = int(rng.integers(0, L - 1))
            sites = [int(j) for j in rng.integers(first, first + 2, size=int(rng.integers(1, 3)))]
        else:
            sites = [int(j) for j in rng.integers(0, L, size=int(rng.integers(1, min(L, 4) + 1)))]
        factors = product(rng, kinds, sites, conserving)
        if factors is not None:
            terms.append((_number(rng), *factors))
    return tuple(terms)


def _steps(kind: str) -> tuple[str, str]:
    """A raising and the lowering operator of a local space."""
    names = {"F": ("cdag", "c"), "electron": ("cudag", "cu"), "qutrit": ("Jump†", "Jump"), "bare": ("A", "A†")}
    return names.get(kind, ("bdag", "b") if kind.startswith("B") else ("Sp", "Sm"))


def _diagonal(kind: str) -> str:
    names = {"F": "n", "electron": "nn", "qutrit": "P", "bare": "D"}
    return names.get(kind, "n" if kind.startswith("B") else "Sz")


def _bonds(rng: np.random.Generator, L: int, near: bool) -> list[tuple[int, int]]:
    bonds = [(j, j + 1) for j in range(L - 1)]
    if not near and L > 2 and rng.random() < 0.4:
        bonds.append((L - 1, 0))
    if not near and rng.random() < 0.3:
        first, second = sorted(int(j) for j in rng.choice(L, size=2, replace=False))
        bonds.append((first, second))
    return bonds


def local_terms(
    rng: np.random.Generator, kinds: tuple[str, ...], flavour: str, conserving: bool, near: bool
) -> tuple[tuple, ...]:
    """A Hamiltonian: hops that differ in the two directions, interactions, fields, and products of several sites."""
    L, real = len(kinds), flavour in ("real", "gauge", "one-way", "clean", "gain and loss")
    bonds, terms = _bonds(rng, L, near), list[tuple]()
    clean = flavour in ("clean",)
    forth, back, between, field = (_number(rng, real) for _ in range(4))
    gamma = float(rng.choice([0.1, 0.5, 0.8, 0.9, 0.95]))
    for i, j in bonds:
        if not clean:
            forth, back, between = _number(rng, real), _number(rng, real), _number(rng, real)
        if flavour == "gauge":
            forth, back = (1 - gamma) / 2, (1 + gamma) / 2
        if flavour == "one-way":
            back = 0.0
        if flavour == "gain and loss":
            back = forth
        (up_i, down_i), (up_j, down_j) = _steps(kinds[i]), _steps(kinds[j])
        for factor, one, other in ((forth, up_i, down_j), (back, down_i, up_j)):
            hop = space(kinds[i]).shift(one), space(kinds[j]).shift(other)
            allowed = is_odd(one) == is_odd(other) and (not conserving or (None not in hop and sum(hop) == 0))
            if factor and allowed and flavour != "diagonal":
                terms.append((factor, one, i, other, j))
        if flavour != "one-way" or rng.random() < 0.3:
            terms.append((between, _diagonal(kinds[i]), i, _diagonal(kinds[j]), j))
    for j in range(L):
        field = field if clean else _number(rng, real)
        imaginary = flavour == "gain and loss" or (flavour == "diagonal" and rng.random() < 0.5)
        if flavour != "one-way" and rng.random() < 0.7:
            terms.append((1j * field if imaginary else field, _diagonal(kinds[j]), j))
    for _ in range(int(rng.integers(0, 3)) if flavour in ("hermitian", "non-hermitian", "real") else 0):
        count = int(rng.integers(1, 5))
        first = int(rng.integers(0, L - 1))
        sites = [
            int(j) for j in (rng.integers(first, first + 2, size=count) if near else rng.integers(0, L, size=count))
        ]
        factors = product(rng, kinds, sites, conserving, real)
        if factors is not None:
            terms.append((_number(rng, real), *factors))
    if rng.random() < 0.1:
        terms.append((_number(rng, real),))
    terms = terms or [(1.0, _diagonal(kinds[0]), 0)]
    if flavour in ("hermitian", "anti-hermitian"):
        terms = [(term[0] / 2, *term[1:]) for term in terms]
        terms = [*terms, *adjoint(terms)]
    if flavour == "anti-hermitian":
        terms = [(1j * term[0], *term[1:]) for term in terms]
    if rng.random() < 0.05:
        terms = [(1e3 * term[0], *term[1:]) for term in terms]
    return tuple(terms)


def circuit(
    rng: np.random.Generator, kinds: tuple[str, ...], conserving: bool, unitary: bool, near: bool
) -> tuple[tuple, ...]:
    """Layers of gates; a gate is (sites, seed, strength, whether unitary, whether it conserves the charge)."""
    L, layers = len(kinds), []
    dims = dims_of(kinds)
    unitary = unitary or rng.random() < 0.4
    for _ in range(int(rng.integers(1, 4))):
        gates, free = [], list(range(L))
        while free:
            j = free.pop(0)
            others = [k for k in free if (k == j + 1 if near else dims[j] * dims[k] <= 16)]
            where: tuple[int, ...] = (j,)
            if others and rng.random() < 0.7:
                other = int(rng.choice(others))
                free.remove(other)
                where = (j, other) if near or rng.random() < 0.8 else (other, j)
            if rng.random() < 0.85:
                strength = round(float(rng.choice([0.1, 0.5, 1.0])), 2)
                gates.append((where, int(rng.integers(0, 10**6)), strength, bool(unitary), conserving))
        if gates:
            layers.append(tuple(gates))
    return tuple(layers) or ((((0,), 1, 0.5, bool(unitary), conserving),),)


def gate_matrix(gate: tuple, kinds: Sequence[str]) -> np.ndarray:
    """exp(-i s M) of a random M that keeps fermion parity, is Hermitian for a unitary gate, and may keep the charge."""
    where, seed, strength, unitary, conserving = gate
    rng = np.random.default_rng(seed)
    charges, parities = np.zeros(1, dtype=int), np.ones(1, dtype=int)
    for j in where:
        local = space(kinds[j])
        charges = np.add.outer(charges, local.charges).ravel()
        parities = np.multiply.outer(parities, local.parities).ravel()
    n = len(charges)
    matrix = rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n))
    matrix = matrix + matrix.conj().T if unitary else matrix
    matrix = matrix * (parities[:, None] == parities)
    matrix = matrix * (charges[:, None] == charges) if conserving else matrix
    return scipy.linalg.expm(-1j * strength * matrix / np.sqrt(n))
