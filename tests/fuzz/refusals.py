"""Why a refusal of the package is right: a reason that the reference finds by itself, for each sentence there is."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from tests.fuzz import dense
from tests.fuzz.spaces import is_odd, space
from tests.fuzz.world import World, initial_tensors


def sentence_of(error: BaseException) -> str | None:
    """The sentence of a refusal; None for what is none: several lines, or an error that others raise."""
    text = str(error)
    if not isinstance(error, ValueError | TypeError | ArithmeticError | MemoryError) or "\n" in text or not text:
        return None
    frames = traceback.extract_tb(error.__traceback__)
    ours = ("/mpsnh/", "/models/", "/algorithms/", "/observables/")
    inside = frames and any(part in frames[-1].filename for part in ours) and "site-packages" not in frames[-1].filename
    return text if inside else None


def general(sentence: str) -> str:
    """A sentence without its numbers and names, to count refusals by."""
    text = re.sub(
        r"(Terms|Layers|NonHermitianXXZ|NoClick|RandomFloquetCircuit|OpenChain|OpenXXZ)\(.*?\)(?=[:,]| has| must|$)",
        "MODEL",
        sentence,
    )
    text = re.sub(r"term .*? (joins|spans|has|acts)", r"term T \1", text)
    text = re.sub(r"the (operator|term) .* does not conserve", r"the \1 O does not conserve", text)
    text = re.sub(r"observable '\w+' \(\w+\)|^\w+ (is for|needs)", r"OBSERVABLE \1", text)
    text = re.sub(r"\{.*?\}|\[.*?\]|\((\d+,? ?)+\)", "…", text)
    return re.sub(r"[-+]?\d[\d.]*(e[-+]?\d+)?j?", "#", text)[:170]


# reasons


def _products(world: World) -> dict[tuple, complex]:
    """The terms with factors sorted by site and like terms merged, so that what cancels is gone."""
    merged: dict[tuple, complex] = {}
    for term in world.terms:
        factors = [(n, j) for n, j in zip(term[1::2], term[2::2], strict=True) if n != "Id"]
        sign = 1
        for a in range(len(factors)):
            for b in range(len(factors) - 1 - a):
                if factors[b][1] > factors[b + 1][1]:
                    sign *= -1 if is_odd(factors[b][0]) and is_odd(factors[b + 1][0]) else 1
                    factors[b], factors[b + 1] = factors[b + 1], factors[b]
        merged[tuple(factors)] = merged.get(tuple(factors), 0) + sign * term[0]
    return {factors: value for factors, value in merged.items() if value != 0}


def _supports(world: World) -> list[list[int]]:
    sites = [sorted({j for _, j in factors}) for factors in _products(world)]
    return [js for js in sites if js]


def too_long(world: World) -> bool:
    ends = [0, world.case.L - 1]
    return not world.floquet and any(js[-1] - js[0] > 1 and js != ends for js in _supports(world))


def joins_ends(world: World) -> bool:
    return not world.floquet and world.case.L > 2 and [0, world.case.L - 1] in _supports(world)


def joins_unlike(world: World) -> bool:
    return joins_ends(world) and len(set(world.kinds)) > 1


def no_product(world: World) -> bool:
    return joins_ends(world) and world.case.initial is not None and world.case.initial[0] != "names"


def gates_apart(world: World) -> bool:
    return world.floquet and any(where not in {(j,), (j, j + 1)} for _, where in world.gates for j in where[:1])


def gates_break_charge(world: World) -> bool:
    """Whether any single gate of the circuit, or any bond of the Hamiltonian, breaks the charge."""
    if world.floquet:
        for matrix, where in world.gates:
            charges = np.zeros(1, dtype=int)
            for j in where:
                charges = np.add.outer(charges, space(world.kinds[j]).charges).ravel()
            if dense.breaks_charge(matrix, charges):
                return True
        return False
    return any(dense.breaks_charge(bond, world.charges) for bond in dense.bond_matrices(world.terms, world.kinds))


def outside_of_sector(world: World) -> bool:
    return world.case.charge is not None and world.state_charges != {world.case.charge}


def bond_too_small(world: World) -> bool:
    if world.case.initial is None or world.case.initial[0] == "names":
        return False
    most = max(t.shape[2] for t in initial_tensors(world.case))
    return most * (2 if world.case.initial[0] in ("sum", "charge") else 1) > world.case.setting("max_bond", 64)


def reaches_far(world: World) -> bool:
    """Whether a jump or a term acts on more than two neighbours of an open chain."""
    jumps = [{j for factors in jump for j in factors[2::2]} for jump in world.case.jumps]
    ring = world.case.parameter("boundary") == "periodic"
    return ring or too_long(world) or joins_ends(world) or any(max(js) - min(js) > 1 for js in jumps if js)


def no_gates_possible(world: World) -> bool:
    return too_long(world) or joins_unlike(world) or no_product(world) or gates_apart(world)


def not_closed(world: World) -> bool:
    return not world.closed


def complex_levels(world: World) -> bool:
    growth = np.abs(world.growth(world.levels.values)).max()
    return bool(growth > 1e-12 * max(1.0, world.levels.norm))


def few_levels(world: World) -> bool:
    return len(world.levels.clusters()) < 5 or len(set(np.round(np.linalg.svd(world.matrix)[1], 8))) < 5


def bath_is_bad(world: World) -> bool:
    where, jumps = world.case.setting("bath", (-1, ("X", "Y", "Z")))
    local = space(world.kinds[where % world.case.L])
    if world.case.charge is not None or any(name not in local.operators for name in jumps):
        return True
    e = [local.operators[name] for name in jumps]
    kappa = sum(np.linalg.norm(m) ** 2 for m in e) / local.dim
    forth, back = sum(m.conj().T @ m for m in e), sum(m @ m.conj().T for m in e)
    jump = sum(np.einsum("ab,cd->acbd", m, m.conj()) for m in e).reshape(local.dim**2, -1)
    defects = (forth - kappa * np.eye(local.dim), back - kappa * np.eye(local.dim), jump - jump.conj().T)
    return any(np.abs(d).max() > 1e-9 * kappa for d in defects)


def degenerate_levels(world: World) -> bool:
    return bool(np.any(np.array([world.levels.multiplicity(v) for v in world.levels.values]) > 1)) or near(world)


def levels_grow_alike(world: World) -> bool:
    """Whether the second growth rate is the first one, as far as levels of this matrix can tell."""
    rates = np.sort(world.growth(world.levels.values))[::-1]
    return bool(rates[0] - rates[1] < 1e-8 * max(1.0, world.levels.norm)) or not world.levels.exact


def near(world: World) -> bool:
    values = world.levels.values
    keys = np.sort(np.angle(values) if world.floquet else values.real)
    return bool(np.diff(keys).min(initial=np.inf) < 1e-8 * max(1.0, world.levels.norm))


def disconnected(world: World) -> bool:
    """Whether the bath leaves more than the identity as it is."""
    from tests.fuzz.of_slow_modes import Slow

    return Slow(world).rate < 1e-9


def lacks(*names: str) -> Callable[[World], bool]:
    return lambda world: any(name not in space(kind).operators for kind in world.kinds for name in names)


def ill_conditioned(world: World) -> bool:
    return world.levels.condition > 1e5


def vanishes(world: World) -> bool:
    """Whether the state is lost: by a projector or by growth out of all bounds."""
    _, log_norm = world.evolved(world.case.setting("t_max", 1.0))
    return not np.isfinite(log_norm) or abs(log_norm) > 300


def is_ring(world: World) -> bool:
    return world.case.parameter("boundary") == "periodic"


def dim_below(n: int) -> Callable[[World], bool]:
    return lambda world: len(world.inside) < n


def is_model(*models: str) -> Callable[[World], bool]:
    return lambda world: world.case.model in models


def hides_the_next(w: World) -> bool:
    """Whether a level may have no left vector: at an exceptional point, or with small bonds."""
    return w.case.setting("max_bond") < 64 or ill_conditioned(w)


def few_real(world: World) -> bool:
    counted = world.levels.values.imag >= -1e-9 * world.levels.norm
    return bool(counted.sum() <= world.case.setting("k", 0))


def odd_products(world: World) -> bool:
    return not world.floquet and any(sum(map(is_odd, term[1::2])) % 2 for term in world.terms)


def mixes_parities(world: World) -> bool:
    """Whether the initial state has weight in even and in odd numbers of fermions."""
    weights = [np.linalg.norm(world.initial[world.parities * sign > 0]) for sign in (1, -1)]
    return min(weights) > 1e-12


def always(world: World) -> bool:
    return True


def real_matrix(world: World) -> bool:
    return world.levels.real or sp.issparse(world.whole)


def not_filterable(world: World) -> bool:
    return world.floquet or not world.levels.real or world.levels.hermitian


def few_for_filter(world: World) -> bool:
    return world.case.setting("method") == "filter"


REASONS: list[tuple[str, str, Callable[[World], bool]]] = [
    (
        r"joins the two ends of the chain",
        "a ring has longer terms, or jumps",
        lambda w: joins_ends(w) and (too_long(w) or w.open),
    ),
    (r"^sites of the ring", "a ring of different sites", joins_unlike),
    (r"^(bond dimension of a state to fold|state of site)", "a ring begins with a product state", no_product),
    (r"spans sites \d+ to \d+; gates", "a term is longer than a bond", too_long),
    (r"NHTEBD needs gates on one site or on neighbours", "a gate is longer than a bond", gates_apart),
    (r"^the gate on sites .* takes a state of charge", "a gate breaks the charge", gates_break_charge),
    (r"does not conserve the charge|do not conserve the charge", "the charge is not conserved", lambda w: w.leaks),
    (r"^initial = 'neel', but it must be a function", "Néel is for two states", lambda w: True),
    (r"has weight .* outside of the sector", "the state has another charge", outside_of_sector),
    (r"charge of the (initial )?state|initial state .*charge", "the state has another charge", outside_of_sector),
    (r"^max_bond = .* as the initial state needs", "the initial state is wider", bond_too_small),
    (r"must be (Hermitian|unitary) to couple a bath", "the system is not closed", not_closed),
    (r"GapRatio is for real levels|real levels", "the levels are complex", complex_levels),
    (r"^number of distinct (levels|singular values)|at least 3 distinct levels", "few distinct levels", few_levels),
    (r"^dimension of the sector = \d, but it must be at least 4", "few levels", dim_below(4)),
    (r"^leading = .* at most", "few levels", dim_below(4)),
    (r"^k = .* at most (the dimension|the number of levels)", "few levels", few_real),
    (r"has no operator '(X|Y|Z)'", "a site has no Pauli matrices", lacks("X", "Y", "Z")),
    (r"has no operator 'S[pm]'", "a site has no Sp, Sm", lacks("Sp", "Sm")),
    (r"has no operator 'Sz'", "a site has no Sz", lacks("Sz")),
    (
        r"needs a model with `bonds` and `current",
        "the model has no current",
        is_model(*("terms", "circuit", "noclick", "random circuit", "open")),
    ),
    (r"^gamma = 0.0, but it must be not zero", "the model has no asymmetry", lambda w: not w.case.parameter("gamma")),
    (r"which have no ratio", "there is no transition", always),
    (r"^half_width = ", "the window is wider than the chain", lambda w: w.case.L < 7),
    (r"^pair = \(.*\), but it must be below", "few levels", dim_below(4)),
    (
        r"^level = .* that have eigenvectors",
        "few vectors were asked for",
        lambda w: {"k", "leading"} & set(dict(w.case.settings)) != set(),
    ),
    (
        r"dimension 'bond'|'bond'.*sizes?",
        "a ring has more bonds than a chain",
        lambda w: w.case.parameter("boundary") == "periodic",
    ),
    (r"^pair = .* is one of a SlowMode", "the record is a spectrum", always),
    (r"^jump = ", "the bath has no such jump", lambda w: "bath" in dict(w.case.settings)),
    (r"needs .*, which .* does not give: use", "not asked for", always),
    (r"^there is no steady state, since", "levels grow alike", levels_grow_alike),
    (r"^the steady state is not known: the first level .* is known to", "not certified", always),
    (r"^generator of the model = 'Circuit', but it must be that of a Hamiltonian", "no energies", lambda w: w.floquet),
    (r"has only one distinct level", "there is only one distinct level", always),
    (r"^jumps = |^charge = .* None, since the bath", "the bath does not fit", bath_is_bad),
    (r"pairs of neighbouring levels .* are closer", "levels are degenerate", degenerate_levels),
    (r"does not connect|not connected|does not resolve", "the bath does not connect the states", disconnected),
    (r"SteadyState needs the sparse matrix", "the model is a circuit", lambda w: w.floquet),
    (r"NHDMRG needs the terms of a Hamiltonian", "the model is a circuit", lambda w: w.floquet),
    (r"^level .* can't be told from others: the left", "the bond dimension is too small", hides_the_next),
    (r"^which = .* in size, the sum of the norms of all terms", "no level is that large", always),
    (r"method = 'filter'", "not a matrix for the filter", lambda w: not_filterable(w) or few_for_filter(w)),
    (r"filter diagonalisation (is|found|finds)", "the filter fails", few_for_filter),
    (
        r"exceptional point|defective|ConditionNumber' is not finite|not accurate|biorthonormal|condition number",
        "close to an exceptional point",
        ill_conditioned,
    ),
    (r"degenerate", "the level is degenerate", degenerate_levels),
    (r"not orthogonal|orthonormal", "the vectors are not orthogonal", lambda w: not w.levels.normal),
    (r"norm .* is not representable", "the norm is no double-precision number", vanishes),
    (r"norm of the (vector|state) (is|became)|norm has vanished", "the state is lost", vanishes),
    (r"yields one (Spectrum|SlowMode) at once, so that there is nothing to continue", "one record", always),
    (r"measures .*, but .* yields", "another kind of record", always),
    (r"must agree: the eigenvector is wrong", "the level is degenerate", degenerate_levels),
    (r"InjectedCurrent needs an OpenModel", "the model has no jumps", lambda w: not w.open),
    (
        r"coherence between fermion parities|weight of another fermion parity",
        "the state mixes parities",
        mixes_parities,
    ),
    (r"needs pure states, but the steady state", "the steady state is mixed", lambda w: w.open),
    (r"^generator of the model = 'Lindbladian'", "the model has jumps", lambda w: w.open),
    (r"odd number of fermionic operators", "a product is odd", odd_products),
    (r"acts on (other )?sites .*(NHTEBD|DensityTEBD) needs", "a jump or a term is too long", reaches_far),
    (r"trajectories by NHTEBD are for open chains", "a ring", joins_ends),
]
"""A pattern, the reason in words and whether the reference finds that reason, in the order in which they are tried."""


def reason(sentence: str, world: World) -> str | None:
    """Return why a refusal is right, or None if the reference finds no reason."""
    for pattern, words, holds in REASONS:
        if re.search(pattern, sentence) and holds(world):
            return words
    return None
