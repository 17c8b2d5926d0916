"""The Lindblad equation by Kronecker products, and random open systems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import scipy.linalg

from mpsnh import OpSum, Site
from mpsnh.models import OpenChain
from tests.oracles import master, reference

Symmetry = Literal["none", "weak", "strong"]


def superoperator(model: Any) -> np.ndarray:
    """Matrix of 𝓛 on density matrices written row by row, in the whole space."""
    jumps = [reference.operator(jump, model.sites) for jump in model.jumps()]
    return master.superoperator(reference.operator(model.terms(), model.sites), jumps)


def evolved(model: Any, rho: np.ndarray, time: float) -> np.ndarray:
    """The density matrix at a later time."""
    return (scipy.linalg.expm(time * superoperator(model)) @ rho.ravel()).reshape(rho.shape)


def trace_distance(one: np.ndarray, two: np.ndarray) -> float:
    """Half the sum of singular values of the difference."""
    return float(np.linalg.svd(one - two, compute_uv=False).sum()) / 2


def random_open(site: Site, L: int, symmetry: Symmetry, rng: np.random.Generator) -> OpenChain:
    """Hops over any distance, interactions, and four random jumps, as many as the symmetry allows."""
    up, neutral = reference.RAISING[site], reference.NEUTRAL[site]
    number = lambda: complex(*rng.normal(size=2)) / 2  # noqa: E731
    half = OpSum.sum((number(), up, i, f"{up}†", j) for i in range(L) for j in range(i))
    half += OpSum.sum((rng.normal(), neutral, j, neutral, (j + 1) % L) for j in range(L))
    a, b = (int(j) for j in rng.choice(L, 2, replace=False))
    jumps = [
        OpSum([(number(), neutral, a), (number(), neutral, b)]),
        OpSum([(number(), up, a, f"{up}†", b), (number(), neutral, b)]),
    ]
    if symmetry != "strong":
        jumps += [OpSum([(number(), f"{up}†", a), (number(), f"{up}†", b)]), OpSum([(number(), up, b, neutral, a)])]
    if symmetry == "none":
        jumps += [OpSum([(number(), up, a, up, b), (number(), neutral, a), (0.5, "Id", b)])]
    return OpenChain(L=L, hamiltonian=half + half.dag(), jump_operators=jumps, site=site)


def random_density(sites: Sequence[Site], rng: np.random.Generator) -> np.ndarray:
    """A positive matrix of trace 1 that commutes with the parity of fermions."""
    dims = [site.dim for site in sites]
    parity = np.eye(int(np.prod(dims)), dtype=complex)
    for j, site in enumerate(sites):
        parity = reference.embedded(reference.local_matrix(site, "F"), j, dims) @ parity
    half = reference.gaussian(rng, *parity.shape)
    rho = half @ half.conj().T
    rho = (rho + parity @ rho @ parity) / 2
    return rho / np.trace(rho).real
