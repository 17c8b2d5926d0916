"""Symbolic sums of products of local operators, taken literally: no Hermitian conjugate is ever added."""

from __future__ import annotations

import cmath
import functools
import math
import numbers
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeGuard

from mpsnh import notebook
from mpsnh.checks import described
from mpsnh.language.site import DAGGER, is_fermionic

Factor = tuple[str, int]
"""Name of an operator and the site (counted from 0) it acts on."""


class Term(NamedTuple):
    """A coefficient times an ordered product of local operators.

    Examples
    --------
    >>> print(Term(0.5, (("Sp", 0), ("Sm", 1))))
    0.5 Sp_0 Sm_1
    """

    coefficient: complex
    factors: tuple[Factor, ...]

    @property
    def product(self) -> str:
        """The product without its coefficient, as text."""
        return " ".join(f"{name}_{site}" for name, site in self.factors) or "1"

    def __str__(self) -> str:
        return f"{_number(self.coefficient)} {self.product}"


class OpSum:
    """A literal sum of products of local operators.

    Add a term as a tuple: the coefficient, then operator names and sites in turn (sites count from 0).
    Operators act in the order written, so several on one site are multiplied in that order,
    and a coefficient alone is that multiple of the identity.
    Names are looked up in the sites when the sum is compiled; ``†`` after a name takes the adjoint.
    Names that begin with ``c`` are fermionic and anticommute between sites.

    Parameters
    ----------
    terms : iterable of tuple, or one tuple, optional
        The terms to begin with.

    Raises
    ------
    TypeError, ValueError
        If a term is not of the form above, a coefficient is not finite or a site is negative.

    Examples
    --------
    >>> hop = OpSum() + (0.5, "Sp", 0, "Sm", 1)
    >>> print(hop + hop.dag() - (1.0, "Sz", 0))
    0.5 Sp_0 Sm_1 + 0.5 Sm†_1 Sp†_0 - 1 Sz_0
    >>> print((OpSum() + (1, "Sz", 0)) * (OpSum() + (2j, "Sz", 0)))
    2j Sz_0 Sz_0
    >>> OpSum() + (1, "cdag", 1, "c", 0) == OpSum() + (-1, "c", 0, "cdag", 1)
    True
    """

    __slots__ = ("_simple", "terms")
    terms: tuple[Term, ...]
    _simple: tuple[Term, ...] | None

    def __init__(self, terms: Iterable[tuple[Any, ...]] | tuple[Any, ...] = ()) -> None:
        if isinstance(terms, str) or not isinstance(terms, Iterable):
            raise TypeError(f"terms = {terms!r}, but they must be a sequence of terms; {FORM}")
        if _is_term(terms):
            terms = (terms,)
        self.terms = tuple(term if isinstance(term, Term) else _parsed(term) for term in terms)
        self._simple = None

    @classmethod
    def _of(cls, terms: Iterable[Term], *, simple: bool = False) -> OpSum:
        """Return the sum of terms that were checked before."""
        made = object.__new__(cls)
        made.terms = tuple(terms)
        made._simple = made.terms if simple else None
        return made

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        # All but what is found again on demand, as digests of what is captured are those of its pickle.
        return None, {"terms": self.terms}

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        self.terms, self._simple = state[1]["terms"], None

    @classmethod
    def sum(cls, items: Iterable[Summand] | tuple[Any, ...]) -> OpSum:
        """Add up many sums or tuples.

        Parameters
        ----------
        items : iterable of OpSum or tuple
            What to add.

        Examples
        --------
        >>> print(OpSum.sum((1.5, "Sz", j) for j in range(2)))
        1.5 Sz_0 + 1.5 Sz_1
        """
        terms: list[Term] = []
        for item in [items] if _is_term(items) else items:
            terms += _terms_of(item)
        return cls._of(terms)

    def __add__(self, other: Summand) -> OpSum:
        return OpSum._of(self.terms + _terms_of(other))

    __radd__ = __add__

    def __pos__(self) -> OpSum:
        return self

    def __neg__(self) -> OpSum:
        return -1 * self

    def __sub__(self, other: Summand) -> OpSum:
        return self + -1 * OpSum(_terms_of(other))

    def __rsub__(self, other: Summand) -> OpSum:
        return -self + other

    def __mul__(self, other: OpSum | complex) -> OpSum:
        """Multiply by a number, or by another sum (whose operators act first)."""
        if isinstance(other, OpSum):
            pairs = ((a, b) for a in self.terms for b in other.terms)
            return OpSum._of(Term(_finite(a.coefficient * b.coefficient), a.factors + b.factors) for a, b in pairs)
        if not isinstance(other, numbers.Complex):
            return NotImplemented
        return OpSum._of(Term(_finite(other * term.coefficient), term.factors) for term in self.terms)

    def __rmul__(self, number: complex) -> OpSum:
        return self * number

    def __truediv__(self, number: complex) -> OpSum:
        if not isinstance(number, numbers.Complex):
            return NotImplemented
        if number == 0:
            raise ZeroDivisionError("an OpSum can't be divided by 0")
        return OpSum._of(Term(_finite(term.coefficient / number), term.factors) for term in self.terms)

    def dag(self) -> OpSum:
        """Return the Hermitian conjugate: conjugate coefficients, adjoint operators, reversed order.

        Examples
        --------
        >>> print((OpSum() + (2j, "Sp", 0, "Sz", 0)).dag())
        -2j Sz†_0 Sp†_0
        """

        def adjoint(name: str) -> str:
            return name.removesuffix(DAGGER) if name.endswith(DAGGER) else name + DAGGER

        return OpSum._of(
            Term(complex(t.coefficient).conjugate(), tuple((adjoint(name), j) for name, j in reversed(t.factors)))
            for t in self.terms
        )

    def simplify(self) -> OpSum:
        """Return the same operator with the factors sorted by site, like terms merged and zeros dropped.

        Moving fermionic operators past each other gives the sign; operators on the same site are never reordered.

        Examples
        --------
        >>> print((OpSum() + (1, "Sz", 1, "Sz", 0) + (2, "Sz", 0, "Id", 3, "Sz", 1)).simplify())
        3 Sz_0 Sz_1
        """
        if self._simple is None:
            products, places, signs = _like(tuple([term.factors for term in self.terms]))
            sums: list[complex] = [0] * len(products)
            for term, place, sign in zip(self.terms, places, signs, strict=True):
                sums[place] += sign * term.coefficient
            there = [Term(_finite(value), product) for product, value in zip(products, sums, strict=True) if value != 0]
            self._simple = tuple(there)
        return OpSum._of(self._simple, simple=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpSum) and self.simplify().terms == other.simplify().terms

    def __hash__(self) -> int:
        return hash(self.simplify().terms)

    def __iter__(self) -> Iterator[Term]:
        return iter(self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def __str__(self) -> str:
        return (" + ".join(map(str, self.terms)) or "0").replace(" + -", " - ")

    def _repr_latex_(self) -> str:
        return notebook.formula((_number(term.coefficient), term.factors) for term in self.terms)

    def __repr__(self) -> str:
        return f"OpSum({[(term.coefficient, *(x for factor in term.factors for x in factor)) for term in self.terms]})"


Summand = OpSum | tuple[Any, ...] | int
"""What can be added to a sum; of numbers only 0, which the builtin ``sum`` begins with."""

FORM = "a term is (coefficient, 'Op', site, 'Op', site, …)"
"""How a term is written."""


def _is_term(item: object) -> TypeGuard[tuple[Any, ...]]:
    """Tell whether a tuple is one term, and not a sequence of them."""
    return isinstance(item, tuple) and not isinstance(item, Term) and bool(item) and _is_number(item[0])


def _is_number(value: object) -> bool:
    return type(value) in (int, float, complex) or isinstance(value, numbers.Complex)  # the latter takes longer


def _terms_of(item: Summand) -> tuple[Term, ...]:
    if isinstance(item, tuple):
        return (item if isinstance(item, Term) else _parsed(item),)
    if isinstance(item, OpSum):
        return item.terms
    if isinstance(item, numbers.Complex) and item == 0:
        return ()
    way = "several as OpSum([…]), and a multiple of the identity as (number,)"
    raise TypeError(f"cannot add {item!r} to an OpSum; write a term as (coefficient, 'Op', site, …), {way}")


def _parsed(item: tuple[Any, ...]) -> Term:
    """Check a user's tuple and make it a term."""
    if type(item) is not tuple and (not isinstance(item, Sequence) or isinstance(item, str)):
        raise TypeError(f"{item!r} is no term: {FORM}")
    if not item or not _is_number(item[0]):
        raise TypeError(f"{item!r} does not begin with a number: {FORM}")
    try:
        factors = _factors(*item[1:])
    except TypeError:  # what has no hash is neither a name nor a site
        factors = None
    if factors is None:
        raise _malformed(item)
    return Term(_finite(item[0]), factors)


@functools.lru_cache(maxsize=2**16, typed=True)
def _factors(*item: Any) -> tuple[Factor, ...] | None:
    """Return the factors of a term from its names and sites, unless these are none."""
    names, sites = item[::2], item[1::2]
    good = len(names) == len(sites) and all(isinstance(name, str) for name in names)
    if not good or not all(isinstance(site, numbers.Integral) and int(site) >= 0 for site in sites):
        return None
    return tuple((name, int(site)) for name, site in zip(names, sites, strict=True))


def _malformed(item: tuple[Any, ...]) -> TypeError | ValueError:
    """Return what is wrong with names and sites of a term."""
    names, sites = item[1::2], item[2::2]
    if len(names) != len(sites) or not all(isinstance(name, str) for name in names):
        return TypeError(f"{item!r} does not alternate names and sites: {FORM}")
    wrong = next(site for site in sites if not isinstance(site, numbers.Integral) or site < 0)
    return ValueError(f"site {wrong!r} in {item!r} must be an integer of at least 0")


def _finite(number: Any) -> complex:
    try:
        value = complex(number)
    except OverflowError:  # of an integer that no float holds
        value = complex(math.inf)
    if not cmath.isfinite(value):
        raise ValueError(f"coefficient {described(number)} must be finite")
    return value


@functools.lru_cache(maxsize=64)
def _like(products: tuple[tuple[Factor, ...], ...]) -> tuple[list[tuple[Factor, ...]], list[int], list[int]]:
    """Return the different products of a sum in order, and for each of its terms which one it is, with which sign."""
    signs, ordered = zip(*map(_sorted_factors, products), strict=True) if products else ((), ())
    different = sorted(set(ordered), key=lambda factors: [(site, name) for name, site in factors])
    numbers = {factors: k for k, factors in enumerate(different)}
    return different, [numbers[factors] for factors in ordered], list(signs)


def _sorted_factors(factors: tuple[Factor, ...]) -> tuple[int, tuple[Factor, ...]]:
    """Sort by site, stably, with the sign from exchanging fermionic operators."""
    sign, done = 1, list[Factor]()
    for name, site in factors:
        if name == "Id":
            continue
        at = len(done)
        while at and done[at - 1][1] > site:
            at -= 1
            if is_fermionic(name) and is_fermionic(done[at][0]):
                sign = -sign
        done.insert(at, (name, site))
    return sign, tuple(done)


def _number(value: complex) -> str:
    value = complex(value)
    if value.imag == 0:
        return f"{value.real:g}"
    if value.real == 0:
        return f"{value.imag:g}j"
    return f"({value.real:g}{value.imag:+g}j)"
