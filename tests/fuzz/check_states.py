"""States and operators: all that a state tells of itself, against vectors and matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

import mpsnh as nh
from mpsnh.states.symmetric import symmetric
from tests.fuzz import dense, product
from tests.fuzz.answers import Refuse
from tests.fuzz.checks import RefusedError, Session
from tests.fuzz.refusals import odd_products
from tests.fuzz.spaces import is_odd, space

TOLERANCE = 1e-9


def check(session: Session) -> None:
    """Compare the initial state of a case, dense and stored by charge, and the operators of its sums."""
    case = session.case
    sites = tuple(product.site(kind) for kind in case.kinds)
    state = session.attempt("state", lambda: product.state(case, sites))
    ket = session.world.initial
    check_state(session, state, ket, TOLERANCE, "of the state")
    kept = session.attempt("symmetric", lambda: symmetric(state))
    if isinstance(kept, nh.SymmetricMPS):
        check_state(session, kept, ket, TOLERANCE, "of the state by charge")
        _overlaps(session, kept, state, ket)
    check_pairs(session, state, sites, ket)
    check_operators(session, sites)


def check_state(session: Session, state: Any, ket: np.ndarray, tolerance: float, note: str) -> None:
    """Compare what a pure state tells of itself with a vector of unit norm."""
    case, kinds = session.case, session.case.kinds
    for terms in case.sums:
        right = dense.expectation(dense.operator(terms, kinds), ket)
        scale = sum(
            float(abs(term[0]) * np.prod([np.linalg.norm(space(kinds[j]).matrix(n), 2) for n, j in _factors(term)]))
            for term in terms
        )
        try:
            got = session.attempt("expect", lambda terms=terms: state.expect(nh.OpSum(terms)))
            session.compare(f"expect {note}", got / max(scale, 1), right / max(scale, 1), tolerance, str(terms))
        except RefusedError:
            continue
    common = set.intersection(*(set(space(kind).operators) for kind in kinds)) - {"Id", "F"}
    for name in sorted(n for n in common if not is_odd(n))[:3]:
        right = [dense.expectation(dense.factor(kinds, name, j), ket) for j in range(case.L)]
        got = session.attempt("expect_each", lambda name=name: state.expect_each(name))
        session.compare(f"expect_each {note}", got, right, tolerance, name)
        pairs = [dense.operator([(1, name, j, name + "†", j + 1)], kinds) for j in range(case.L - 1)]
        got = session.attempt("expect_each", lambda name=name: state.expect_each(name, name + "†"))
        session.compare(
            f"expect_each of bonds {note}", got, [dense.expectation(p, ket) for p in pairs], tolerance, name
        )
    entropies = [dense.schmidt_entropy(ket, kinds, bond) for bond in range(case.L - 1)]
    session.compare(
        f"entropies {note}", session.attempt("entropies", state.entanglement_profile), entropies, 1e3 * tolerance
    )
    bond = case.L // 2 - 1
    got = session.attempt("entropy", lambda: state.entanglement_entropy(bond))
    session.compare(f"entropy {note}", got, entropies[bond], 1e3 * tolerance)
    vector = np.asarray(session.attempt("to_vector", state.to_vector))
    vector = vector / max(np.abs(vector).max(), 1e-300)
    vector = vector / max(np.linalg.norm(vector), 1e-300)
    session.compare(f"to_vector {note}", abs(np.vdot(vector, ket)), 1.0, max(tolerance, 1e-9))


def _factors(term: tuple) -> list[tuple[str, int]]:
    return list(zip(term[1::2], term[2::2], strict=True))


def _overlaps(session: Session, one: Any, other: Any, ket: np.ndarray) -> None:
    """Overlaps of a state stored by charge with the same one that is dense; nothing is normalised."""
    with np.errstate(all="ignore"):
        norm = abs(session.attempt("overlap", lambda: other.overlap(other)))
    if not 1e-200 < norm < 1e200:
        return
    for first, second in ((one, other), (other, one), (one, one)):
        got = session.attempt("overlap", lambda first=first, second=second: first.overlap(second))
        session.compare("overlap", got / norm, 1.0, TOLERANCE)


def check_pairs(session: Session, state: Any, sites: tuple[Any, ...], ket: np.ndarray) -> None:
    """Overlaps and biorthogonal expectation values with a second, random state, and the variance."""
    case, kinds = session.case, session.case.kinds
    rng = np.random.default_rng(7)
    bra = rng.normal(size=len(ket)) + 1j * rng.normal(size=len(ket))
    if rng.random() < 0.3:
        bra = bra * (session.world.charges == session.world.charges[0])
    bra /= np.linalg.norm(bra)
    left = session.attempt("from_vector", lambda: nh.MPS.from_vector(bra, sites))
    overlap, terms = np.vdot(bra, ket), case.sums[0]
    matrix = dense.operator(terms, kinds)
    size = max(1.0, float(abs(matrix).sum(axis=0).max()))
    expected = Refuse("the states are orthogonal") if abs(overlap) < 1e-14 else None
    work = lambda: state.expect_biorthogonal(nh.OpSum(terms), left)  # noqa: E731
    try:
        got = session.attempt("expect_biorthogonal", work, expected)
        if expected:
            session.report.add("expect_biorthogonal: not refused", f"{got}, but {expected.why}")
        else:
            right = dense.expectation(matrix, ket, bra)
            session.compare("expect_biorthogonal", got * abs(overlap) / size, right * abs(overlap) / size, TOLERANCE)
    except RefusedError:
        pass
    try:
        got = session.attempt("variance", lambda: nh.variance(nh.OpSum(terms), state))
        image = matrix @ ket - dense.expectation(matrix, ket) * ket
        session.compare("variance", got / size**2, np.linalg.norm(image) ** 2 / size**2, TOLERANCE)
    except RefusedError:
        pass


def check_operators(session: Session, sites: tuple[Any, ...]) -> None:
    """Compare MPOs, products of them, adjoints and matrices in a sector with Kronecker products."""
    case, kinds = session.case, session.case.kinds
    operators = []
    for terms in case.sums[:2]:
        right = dense.operator(terms, kinds).toarray()
        size = max(1e-300, float(np.abs(right).max()))
        mpo = session.attempt("MPO", lambda terms=terms: nh.MPO.from_opsum(nh.OpSum(terms), sites))
        session.compare("MPO", mpo.to_matrix() / size, right / size, TOLERANCE, str(terms))
        session.compare("MPO.dag", mpo.dag().to_matrix() / size, right.conj().T / size, TOLERANCE, str(terms))
        dagger = nh.MPO.from_opsum(nh.OpSum(terms).dag().simplify(), sites).to_matrix()
        session.compare("OpSum.dag", dagger / size, right.conj().T / size, TOLERANCE, str(terms))
        whole = nh.Sector(sites, None).operator(nh.OpSum(terms)).toarray()
        session.compare("Sector.operator", whole / size, right / size, TOLERANCE, str(terms))
        operators.append((mpo, right, size))
    (one, first, a), (other, second, b) = operators
    got = session.attempt("MPO @ MPO", lambda: (one @ other).to_matrix())
    session.compare("MPO @ MPO", got / (a * b), first @ second / (a * b), TOLERANCE)
    made = session.attempt("model", lambda: product.model(case))
    if not odd_products(session.world):
        matrix = session.attempt("matrix", made.matrix)
        matrix = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
        size = max(1e-300, float(np.abs(session.world.matrix).max(initial=0.0)))
        session.compare("matrix of the model", matrix / size, session.world.matrix / size, TOLERANCE)
