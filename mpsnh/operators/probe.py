"""One number of a generator, by which another one is known."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.generator import Circuit, Hamiltonian, unknown
from mpsnh.language.site import Site
from mpsnh.operators.localise import localise, product_matrix


@functools.singledispatch
def probe(generator: Any, sites: Sequence[Site]) -> complex:
    """Return a matrix element of a generator between two product states drawn at random, always the same ones.

    Generators with the same matrix have the same number to rounding, however their terms are written, and others have
    another one but for coincidences. The states overlap by one on each site, so that each term counts however long the
    chain is.

    Parameters
    ----------
    generator : Generator
        A Hamiltonian, or the circuit of one period, of which the elements of all gates are added with a weight for the
        layer.
    sites : sequence of Site
        The chain.

    Raises
    ------
    TypeError
        If the kind of generator is unknown.

    Examples
    --------
    >>> pair = [nh.Spin(0.5)] * 2
    >>> flip, same, other = (
    ...     Hamiltonian(nh.OpSum([(number, name, 0)])) for number, name in ((1, "X"), (1, "Sp"), (2, "X"))
    ... )
    >>> together = Hamiltonian(nh.OpSum([(1, "Sm", 0), *same.terms]))
    >>> bool(abs(probe(flip, pair) - probe(together, pair)) < 1e-12), probe(flip, pair) == probe(other, pair)
    (True, False)
    """
    raise unknown(generator, "a number to know it by")


@probe.register
def _(generator: Hamiltonian, sites: Sequence[Site]) -> complex:
    states = _states(sites)
    elements = (
        complex(local.term.coefficient)
        * math.prod(_element(product_matrix(sites[j], names), states[j : j + 1]) for j, names in local.matrices.items())
        for local in localise(generator.terms, sites)
    )
    return complex(sum(elements))


@probe.register
def _(generator: Circuit, sites: Sequence[Site]) -> complex:
    states = _states(sites)
    return complex(
        sum(
            (1 + 0.1 * math.sin(1 + k)) * _element(gate.matrix, [states[j] for j in gate.where])
            for k, layer in enumerate(generator.layers)
            for gate in layer
        )
    )


def _states(sites: Sequence[Site]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Return a left and a right vector for each site, whose overlap is one."""
    rng = np.random.default_rng(20)
    pairs = []
    for site in sites:
        phase, turn = 2 * np.pi * rng.random(site.dim), rng.random(site.dim)  # no turn that could make them orthogonal
        right, left = (np.exp(1j * angle) * (0.5 + rng.random(site.dim)) for angle in (phase, turn - phase))
        pairs.append((left / (left @ right), right))
    return pairs


def _element(matrix: NDArray[Any], states: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> complex:
    left, right = (functools.reduce(np.kron, vectors) for vectors in zip(*states, strict=True))
    return complex(left @ np.asarray(matrix) @ right)
