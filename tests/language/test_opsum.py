"""Operator sums: literal algebra, normal form with fermionic signs, text, and what is refused."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpsnh import Fermion, OpSum, Spin
from mpsnh.language.opsum import Term
from tests.oracles import reference
from tests.oracles.reference import CHAINS, every_chain, sums

TOLERANCE = 1e-13
HOP = OpSum() + (0.5, "Sp", 0, "Sm", 1)
FIELD = OpSum() + (1j, "Sz", 0)


def assert_same(op, matrix, sites):
    """Compare with a matrix that was made without the algebra under test."""
    error = np.linalg.norm(reference.operator(op, sites) - matrix)
    assert error <= TOLERANCE * max(reference.scale(op, sites), np.linalg.norm(matrix))


def reordered(term, order):
    """Put the factors of a term into another order that keeps those of one site, with the fermionic sign."""
    factors = [term.factors[k] for k in order]
    odd = [k for k in order if term.factors[k][0].startswith("c")]
    exchanges = sum(a > b for i, a in enumerate(odd) for b in odd[i + 1 :])
    return Term((-1) ** exchanges * term.coefficient, tuple(factors))


@st.composite
def rewritten(draw, op, L):
    """The same sum with its factors and terms in another order, some terms split and some identities."""
    terms = []
    for term in op.terms:
        order = draw(st.permutations(range(len(term.factors))))
        places = {j: sorted(k for k in order if term.factors[k][1] == j) for _, j in term.factors}
        order = [places[term.factors[k][1]].pop(0) for k in order]  # keep the order on each site
        other = reordered(term, order)
        if draw(st.booleans()):
            terms.append(Term(3.0, other.factors))
            other = Term(other.coefficient - 3.0, (*other.factors, ("Id", draw(st.integers(0, L - 1)))))
        terms.append(other)
    return OpSum(draw(st.permutations(terms)))


# Algebra


@every_chain
@settings(max_examples=15)
@given(st.data(), reference.COEFFICIENTS)
def test_algebra_is_that_of_matrices(sites, data, number):
    a, b = data.draw(sums(sites, max_terms=3)), data.draw(sums(sites, max_terms=3))
    A, B = (reference.operator(op, sites) for op in (a, b))
    assert_same(a + b, A + B, sites)
    assert_same(a - b, A - B, sites)
    assert_same(a * b, A @ B, sites)
    assert_same(number * a, number * A, sites)
    assert_same(a * number, number * A, sites)
    assert_same(-a, -A, sites)
    assert_same(a.dag(), A.conj().T, sites)
    assert_same((a * b).dag(), B.conj().T @ A.conj().T, sites)


@every_chain
@settings(max_examples=20)
@given(st.data())
def test_simplify_keeps_the_operator_and_is_idempotent(sites, data):
    op = data.draw(sums(sites))
    simple = op.simplify()
    assert_same(simple, reference.operator(op, sites), sites)
    assert simple.simplify().terms == simple.terms
    assert all([j for _, j in term.factors] == sorted(j for _, j in term.factors) for term in simple)
    assert len({term.factors for term in simple}) == len(simple)
    assert all(term.coefficient for term in simple)
    assert simple == op


@every_chain
@settings(max_examples=20)
@given(st.data())
def test_equality_and_hash_see_through_order_and_signs(sites, data):
    op = data.draw(sums(sites))
    other = data.draw(rewritten(op, len(sites)))
    assert op == other
    assert hash(op) == hash(other)
    assert_same(other, reference.operator(op, sites), sites)


@every_chain
@settings(max_examples=15)
@given(st.data())
def test_equal_sums_are_equal_operators(sites, data):
    a, b = data.draw(sums(sites, max_terms=2)), data.draw(sums(sites, max_terms=2))
    assert (a == b) <= np.allclose(reference.operator(a, sites), reference.operator(b, sites))
    assert (a == b) <= (hash(a) == hash(b))
    assert a.dag().dag() == a
    assert (a + b) == (b + a)
    assert a - a == OpSum()


def test_a_wrong_fermionic_sign_is_seen():
    hop = OpSum() + (1, "cdag", 0, "c", 1)
    assert hop != OpSum() + (1, "c", 1, "cdag", 0)
    assert hop == OpSum() + (-1, "c", 1, "cdag", 0)
    assert OpSum() + (1, "c", 0, "c", 1, "cdag", 2, "cdag", 3) == OpSum() + (1, "cdag", 2, "cdag", 3, "c", 0, "c", 1)
    sites = (Fermion(),) * 2
    assert not np.allclose(reference.operator(hop, sites), reference.operator(-hop, sites))


def test_order_on_one_site_is_kept():
    assert OpSum() + (1, "Sp", 0, "Sm", 0) != OpSum() + (1, "Sm", 0, "Sp", 0)
    assert (HOP * FIELD).terms == (Term(0.5j, (("Sp", 0), ("Sm", 1), ("Sz", 0))),)
    assert (FIELD * HOP).simplify().terms == (Term(0.5j, (("Sz", 0), ("Sp", 0), ("Sm", 1))),)


def test_sums_are_literal():
    assert HOP.terms == (Term(0.5, (("Sp", 0), ("Sm", 1))),)
    assert len(HOP + HOP) == 2
    assert HOP + HOP == 2 * HOP
    assert list(HOP + FIELD) == [*HOP.terms, *FIELD.terms]
    assert (1j, "Sz", 0) + HOP == HOP + FIELD
    assert HOP - (1j, "Sz", 0) == HOP - FIELD
    assert OpSum.sum([HOP, (1j, "Sz", 0), FIELD.terms[0]]) == HOP + 2 * FIELD
    assert OpSum([(1.5,)]) * FIELD == 1.5 * FIELD
    assert OpSum() == OpSum([(0, "Sz", 3)])


@pytest.mark.parametrize("two", [2, 2.0, 2 + 0j, np.int64(2), np.float64(2), np.complex64(2)], ids=repr)
def test_any_kind_of_number_multiplies(two):
    for doubled in (two * HOP, HOP * two, OpSum() + (two / 2, "Sp", 0, "Sm", 1)):
        assert doubled == OpSum() + (1, "Sp", 0, "Sm", 1)
        assert type(doubled.terms[0].coefficient) is complex


def test_sums_are_never_changed():
    before = HOP.terms
    _ = (HOP + FIELD, HOP * FIELD, 3 * HOP, HOP.dag(), HOP.simplify())
    grown = HOP
    grown += FIELD
    assert HOP.terms == before
    assert len(grown) == 2


def test_dag_names():
    assert HOP.dag().terms == (Term(0.5, (("Sm†", 1), ("Sp†", 0))),)
    assert HOP.dag().dag().terms == HOP.terms
    spins = (Spin(0.5),) * 2
    assert HOP.dag() != OpSum() + (0.5, "Sp", 1, "Sm", 0)  # names are only given a meaning by the sites
    assert_same(HOP.dag(), reference.operator(OpSum() + (0.5, "Sp", 1, "Sm", 0), spins), spins)


# Text


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (OpSum(), "0"),
        (HOP, "0.5 Sp_0 Sm_1"),
        (HOP - FIELD, "0.5 Sp_0 Sm_1 - 1j Sz_0"),
        (-1 * HOP - (2,), "-0.5 Sp_0 Sm_1 - 2 1"),
        (OpSum() + (1 - 2j, "cdag†", 11), "(1-2j) cdag†_11"),
    ],
    ids=str,
)
def test_str(op, text):
    assert str(op) == text


@settings(max_examples=30)
@given(sums(CHAINS["mixed"]))
def test_repr_makes_the_same_sum(op):
    assert eval(repr(op), {"OpSum": OpSum}).terms == op.terms


def test_repr_keeps_all_digits():
    third = OpSum() + (1 / 3, "Sz", 0)
    assert repr(third) == "OpSum([((0.3333333333333333+0j), 'Sz', 0)])"


# Refusals

FORM = "a term is (coefficient, 'Op', site, 'Op', site, …)"


@pytest.mark.parametrize(
    ("term", "error", "message"),
    [
        ((), TypeError, f"() does not begin with a number: {FORM}"),
        (("Sz", 0), TypeError, f"('Sz', 0) does not begin with a number: {FORM}"),
        (("1", "Sz", 0), TypeError, f"('1', 'Sz', 0) does not begin with a number: {FORM}"),
        ((None, "Sz", 0), TypeError, "does not begin with a number"),
        ((1, "Sz"), TypeError, f"(1, 'Sz') does not alternate names and sites: {FORM}"),
        ((1, 0, "Sz"), TypeError, "does not alternate names and sites"),
        ((1, "Sz", 0, "Sz"), TypeError, "does not alternate names and sites"),
        ((1, "Sp", "Sm", 0, 1), TypeError, "does not alternate names and sites"),
        ((1, "Sz", -1), ValueError, "site -1 in (1, 'Sz', -1) must be an integer of at least 0"),
        ((1, "Sz", 0.5), ValueError, "site 0.5 in (1, 'Sz', 0.5) must be an integer of at least 0"),
        ((1, "Sz", "0"), ValueError, "site '0' in (1, 'Sz', '0') must be an integer of at least 0"),
        ((float("nan"), "Sz", 0), ValueError, "coefficient nan must be finite"),
        ((complex(0, float("inf")), "Sz", 0), ValueError, "coefficient infj must be finite"),
    ],
    ids=repr,
)
def test_bad_terms_are_refused(term, error, message):
    for add in (lambda: OpSum() + term, lambda: OpSum() - term, lambda: OpSum([term]), lambda: OpSum.sum([term])):
        with pytest.raises(error, match=re.escape(message)):
            add()


@pytest.mark.parametrize("other", [1, "Sz", ["Sz", 0], None], ids=repr)
def test_only_sums_and_tuples_can_be_added(other):
    message = re.escape(f"cannot add {other!r} to an OpSum; write a term as (coefficient, 'Op', site, …)")
    for add in (lambda: HOP + other, lambda: HOP - other, lambda: OpSum.sum([other])):
        with pytest.raises(TypeError, match=message):
            add()


def test_only_numbers_and_sums_multiply():
    with pytest.raises(TypeError, match=r"unsupported operand|can't multiply"):
        HOP * "2"
    with pytest.raises(ValueError, match=r"coefficient .* must be finite"):
        float("nan") * HOP


def test_overflowing_coefficients_are_refused():
    huge = OpSum() + (1e200, "Sz", 0)
    for overflow in (lambda: 1e200 * huge, lambda: huge * huge, lambda: (1e108 * huge + 1e108 * huge).simplify()):
        with pytest.raises(ValueError, match="must be finite"):
            overflow()
