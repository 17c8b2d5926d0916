"""The number by which a generator is known is an element of its matrix, and another one for another generator."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.language.generator import Circuit, Hamiltonian
from mpsnh.operators.matrix import matrix
from mpsnh.operators.probe import _states, probe
from mpsnh.operators.sector import sector


def dense(generator, sites):
    """The number of a Hamiltonian from its full matrix."""
    left, right = ([pair[k] for pair in _states(sites)] for k in (0, 1))
    product = [np.ones(1), np.ones(1)]
    for a, b in zip(left, right, strict=True):
        product = [np.kron(product[0], a), np.kron(product[1], b)]
    whole = matrix(generator, sector(tuple(sites), None))
    return product[0] @ (whole @ product[1])


def test_the_number_of_a_hamiltonian_is_an_element_of_its_matrix():
    rng = np.random.default_rng(3)
    for sites in ([nh.Spin(0.5)] * 4, [nh.Fermion()] * 4, [nh.Spin(1), nh.Fermion(), nh.Spin(0.5), nh.Fermion()]):
        pairs = [(j, k) for j, k in itertools.combinations(range(4), 2) if type(sites[j]) is type(sites[k])]
        terms = []
        for j, k in pairs:
            names = ("cdag", "c") if isinstance(sites[j], nh.Fermion) else ("Sp", "Sm")
            terms.append((complex(*rng.normal(size=2)), names[0], j, names[1], k))
            terms.append((complex(*rng.normal(size=2)), names[1], j, names[0], k))
        generator = Hamiltonian(nh.OpSum(terms))
        assert probe(generator, sites) == pytest.approx(dense(generator, sites), rel=1e-12)


def test_gates_are_known_by_their_layer_and_place():
    rng = np.random.default_rng(4)
    a, b = (nh.Gate(rng.normal(size=(4, 4)) + 0j, (0, 1)) for _ in range(2))
    sites = [nh.Spin(0.5)] * 4
    moved = nh.Gate(a.matrix, (2, 3))
    circuits = [[(a,), (b,)], [(b,), (a,)], [(a, nh.Gate(b.matrix, (2, 3)))], [(moved,), (b,)], [(a,), (b,), (b,)]]
    numbers = [probe(Circuit(layers), sites) for layers in circuits]
    assert min(abs(x - y) for x, y in itertools.combinations(numbers, 2)) > 1e-3
    assert probe(Circuit([(a, moved)]), sites) == pytest.approx(probe(Circuit([(moved, a)]), sites), rel=1e-14)


def test_long_chains_count_every_term():
    """The number of a chain of 300 sites changes by what the last term changes."""
    sites = [nh.Spin(0.5)] * 300
    terms = [(1.0, "Sp", j, "Sm", j + 1) for j in range(299)]
    whole, rest = probe(Hamiltonian(nh.OpSum(terms)), sites), probe(Hamiltonian(nh.OpSum(terms[:-1])), sites)
    last = probe(Hamiltonian(nh.OpSum(terms[-1:])), sites)
    assert whole - rest == pytest.approx(last, abs=1e-10)
    assert abs(last) > 1e-3
