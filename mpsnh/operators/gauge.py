"""The imaginary gauge of a sum: a product of local scales in which it has the norm of its adjoint term by term."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.opsum import OpSum, Term
from mpsnh.language.site import Site
from mpsnh.operators.localise import LocalTerm, localise, product_matrix

Array = NDArray[Any]

Product = tuple[tuple[int, int, bytes], ...]
"""For each site that a product of operators acts on: the site, how it changes the charge there, and its matrix."""

ROUNDING = 1e-12
"""Difference of a product and its adjoint, relative to them, that counts as rounding."""

LARGEST = 300.0
"""Largest logarithm of the scale of one site."""


@dataclass(frozen=True)
class ImaginaryGauge:
    """H' = S⁻¹ H S, with S = exp(Σ_j g_j Q_j) and Q_j the charge of site j, whose terms are as large as their adjoints.

    Of an open chain with asymmetric hopping it is that of N. Hatano and D. R. Nelson, PRL 77, 570 (1996), whatever the
    interaction and the fields; H' is Hermitian if these are real.

    Parameters
    ----------
    potential : ndarray, shape (L,)
        g_j, zero on average; all zero if H itself has such terms.
    hermitian : bool
        Whether H' is Hermitian, up to rounding.
    mismatch : float
        Bound on the norm of the part of H' that is not Hermitian, if it is rounding.

    Examples
    --------
    >>> hop = nh.OpSum([(0.8, "Sp", 0, "Sm", 1), (0.2, "Sm", 0, "Sp", 1)])
    >>> gauge = ImaginaryGauge.of(hop, [nh.Spin(0.5)] * 2)
    >>> (4 * gauge.potential / np.log(4)).round(12).tolist(), gauge.hermitian
    ([0.5, -0.5], True)
    >>> ImaginaryGauge.of(hop + (1j, "Sz", 0), [nh.Spin(0.5)] * 2).hermitian
    False
    """

    potential: NDArray[np.float64]
    hermitian: bool
    mismatch: float

    @classmethod
    def of(cls, op: OpSum, sites: Sequence[Site]) -> ImaginaryGauge | None:
        """Find the gauge of a sum, or return None if there is none.

        Each product of local operators is compared with its adjoint. A sum that is as large as its adjoint, or
        Hermitian, only because different products add up is not seen to be.

        Parameters
        ----------
        op : OpSum
            H.
        sites : sequence of Site
            The chain.
        """
        products: dict[Product, complex] = {}
        adjoints: dict[Product, tuple[Product, complex]] = {}
        for term in localise(op, sites):
            for product, adjoint, factor, turned in _products(term, sites):
                products[product] = products.get(product, 0) + term.term.coefficient * factor
                adjoints[product] = adjoint, turned
        products = {product: number for product, number in products.items() if number != 0}
        rows, logs, pairs, norms = [], [], [], []
        for product, number in products.items():
            adjoint, turned = adjoints[product]
            partner = np.conj(products.get(adjoint, 0) * np.conj(turned))
            if partner == 0:
                return None
            shifts = np.zeros(len(sites))
            norm = 1.0
            for site, shift, matrix in product:
                shifts[site] = shift
                norm *= float(np.linalg.norm(np.frombuffer(matrix, dtype=complex)))
            norms.append(norm)
            rows.append(shifts)
            logs.append((np.log(abs(number)) - np.log(abs(partner))) / 2)
            pairs.append((number, partner))
        if not rows:
            return cls(np.zeros(len(sites)), True, 0.0)
        steps = np.array(rows)
        potential = np.linalg.lstsq(steps, np.array(logs), rcond=None)[0] if np.any(logs) else np.zeros(len(sites))
        here, there = np.array(pairs).T
        sizes = np.sqrt(np.abs(here)) * np.sqrt(np.abs(there))
        with np.errstate(over="ignore"):
            turned, adjoint_turned = here * np.exp(-steps @ potential), there * np.exp(steps @ potential)
        charges = max(abs(c) for site in sites for c in site.charges)
        unlike = np.abs(np.abs(turned) - np.abs(adjoint_turned)) > ROUNDING * sizes
        if unlike.any() or np.ptp(potential) * charges > LARGEST:
            return None
        missed = np.abs(turned - adjoint_turned)
        hermitian = bool((missed <= ROUNDING * sizes).all())
        return cls(potential, hermitian, float(np.sum(missed * norms)))

    def applied(self, tensors: Sequence[Array], charges: Sequence[Sequence[int]]) -> list[Array]:
        """Return the tensors of S⁻¹ H S, with channels of comparable size.

        Parameters
        ----------
        tensors : sequence of ndarray, shape (left bond, right bond, d, d)
            Those of H.
        charges : sequence of sequence of int
            Charge of each local state, for each site.
        """
        turned, scale = [], np.ones(1)
        for w, local, g in zip(tensors, charges, self.potential, strict=True):
            powers = g * np.array(local, dtype=float)
            tensor = w * np.exp(np.subtract.outer(-powers, -powers)) * scale[:, None, None, None]
            scale = np.abs(tensor).max(axis=(0, 2, 3))
            scale[scale == 0] = 1.0
            turned.append(tensor / scale[:, None, None])
        turned[-1] = turned[-1] * scale[:, None, None]
        return turned

    def turned(self, op: OpSum, sites: Sequence[Site]) -> tuple[OpSum, tuple[Site, ...]]:
        """Write S⁻¹ H S as a sum on sites whose operators have the scales in them.

        Parameters
        ----------
        op : OpSum
            H.
        sites : sequence of Site
            The chain.
        """
        names = sorted({name for term in op.terms for name, _ in term.factors})
        numbered = {name: f"{name[0]}{k}" for k, name in enumerate(names)}  # the letter tells fermionic ones
        used: list[set[str]] = [set() for _ in sites]
        for term in op.terms:
            for name, j in term.factors:
                used[j].add(name)
        local = []
        for site, g, of_site in zip(sites, self.potential, used, strict=True):
            powers = g * np.array(site.charges, dtype=float)
            scales = np.exp(-np.subtract.outer(powers, powers))
            matrices = {numbered[name]: site.op(name) * scales for name in sorted(of_site)}
            local.append(Site(site.states, matrices, site.charges, site.parities))
        terms = (Term(t.coefficient, tuple((numbered[name], j) for name, j in t.factors)) for t in op.terms)
        return OpSum(terms), tuple(local)


def _products(term: LocalTerm, sites: Sequence[Site]) -> Iterator[tuple[Product, Product, complex, complex]]:
    """Write a term as products whose factors change charges by definite numbers.

    Yields
    ------
    product, adjoint : Product
        In a form that does not depend on how it is written.
    factor, turned : complex
        What the product is to be multiplied with to be the term but for its coefficient, and what the adjoint is, to be
        that of the product.
    """
    choices = []
    for j, names in term.matrices.items():
        matrix, charges = product_matrix(sites[j], names), np.array(sites[j].charges)
        shifts = np.subtract.outer(charges, charges)
        there = np.unique(shifts[matrix != 0]).tolist()
        choices.append([(j, shift, np.where(shifts == shift, matrix, 0)) for shift in there])
    for factors in itertools.product(*choices):
        product, adjoint, factor, turned = [], [], complex(1), complex(1)
        for j, shift, matrix in factors:
            pivot, unit = _unit(matrix)
            other, transposed = _unit(unit.conj().T)
            factor, turned = factor * pivot, turned * other
            if not np.array_equal(unit, np.eye(len(unit))):
                product.append((j, int(shift), unit.tobytes()))
                adjoint.append((j, -int(shift), transposed.tobytes()))
        yield tuple(product), tuple(adjoint), factor, turned


def _unit(matrix: Array) -> tuple[complex, Array]:
    """Divide a matrix by its first largest element."""
    sizes = np.abs(matrix)
    pivot = matrix.flat[int(np.argmax(sizes.ravel() > sizes.max() * (1 - 1e-9)))]
    return complex(pivot), np.round(matrix / pivot, 10) + (0 + 0j)
