"""Smaller cases that fail in the same way, and scripts that show them without the fuzz."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.fuzz.cases import Case
from tests.fuzz.checks import check

MOST = 60
"""Cases that are tried to make one smaller."""


def shrunk(case: Case, what: str) -> Case:
    """The smallest case that was tried in which the same is wrong."""
    left, smaller = MOST, True
    while smaller and left > 0:
        smaller = False
        for candidate in _smaller(case):
            left -= 1
            if left < 0:
                break
            if _fails(candidate, what):
                case, smaller = candidate, True
                break
    return case


def _fails(case: Case, what: str) -> bool:
    try:
        return any(kind == what for kind, _ in check(case).wrong)
    except Exception:
        return False


def _smaller(case: Case) -> Iterator[Case]:
    """Cases with less in them."""
    if case.path != "records":
        yield replace(case, path="records")
    yield from _fewer_sites(case)
    if len(case.terms) > 3:
        half = len(case.terms) // 2
        yield replace(case, terms=case.terms[:half])
        yield replace(case, terms=case.terms[half:])
    for name in ("terms", "jumps", "layers"):
        parts = getattr(case, name)
        for k in range(len(parts)):
            if len(parts) > 1:
                yield replace(case, **{name: parts[:k] + parts[k + 1 :]})
    for k, terms in enumerate(case.sums):
        for drop in range(len(terms) if len(terms) > 1 else 0):
            sums = list(case.sums)
            sums[k] = terms[:drop] + terms[drop + 1 :]
            yield replace(case, sums=tuple(sums))
    for k, term in enumerate(case.terms):
        if isinstance(term[0], complex):
            terms = list(case.terms)
            terms[k] = (1.0, *term[1:])
            yield replace(case, terms=tuple(terms))


def _fewer_sites(case: Case) -> Iterator[Case]:
    """The case without its last site, where nothing but its terms says how many there are."""
    last = case.L - 1
    if last < 2 or case.model != "terms" or case.charge is not None or (case.initial and case.initial[0] == "names"):
        return

    def kept(terms: tuple[tuple, ...]) -> tuple[tuple, ...]:
        return tuple(term for term in terms if last not in term[2::2])

    terms = kept(case.terms)
    if terms:
        sums = tuple(kept(one) for one in case.sums)
        yield replace(case, kinds=case.kinds[:-1], terms=terms, sums=sums)


def script(case: Case, what: str) -> str:
    """A script that shows a finding: with the package alone where the case needs no more, else by the case."""
    lines = [f"# {what}"]
    plain = case.model != "circuit" and (case.initial is None or case.initial[0] == "names")
    if plain and all(kind in SITES for kind in case.kinds) and case.algorithm != "state":
        lines += [*_model(case), *_run(case)]
    else:
        lines += ["from tests.fuzz.cases import Case", "from tests.fuzz.checks import check"]
        lines += [f"print(check({case!r}).wrong)"]
    return "\n".join("    " + line for line in lines)


SITES = {"1/2": "nh.Spin(0.5)", "1": "nh.Spin(1)", "3/2": "nh.Spin(1.5)", "F": "nh.Fermion()"}
SITES |= {f"B{n}": f"nh.Boson({n})" for n in (1, 2, 3)}


def _model(case: Case) -> list[str]:
    """The lines that make the model."""
    lines = ["import mpsnh as nh", "from mpsnh import algorithms, models, observables"]
    words = "".join(f", {name}={value!r}" for name, value in case.parameters) + f", charge={case.charge}"
    if case.model == "xxz":
        return [*lines, f"model = models.NonHermitianXXZ(L={case.L}{words})"]
    if case.model == "random circuit":
        return [*lines, f"model = models.RandomFloquetCircuit(L={case.L}{words})"]
    if case.model == "noclick":
        jumps = "".join(f"nh.OpSum({list(jump)}), " for jump in case.jumps)
        words = f"hamiltonian=nh.OpSum({list(case.terms)}), jumps=({jumps}), site={SITES[case.kinds[0]]}"
        return [*lines, f"model = models.NoClick(L={case.L}, {words})"]
    return [
        *lines,
        "class Model(nh.HamiltonianModel):",
        f"    sites = property(lambda self: ({', '.join(SITES[kind] for kind in case.kinds)},))",
        f"    def terms(self): return nh.OpSum({list(case.terms)})",
        f"model = Model(L={case.L}{words})",
    ]


def _run(case: Case) -> list[str]:
    """The lines that run the algorithm."""
    words = ", ".join(f"{name}={value!r}" for name, value in case.settings if name != "bath")
    if case.setting("bath"):
        where, jumps = case.setting("bath")
        words += f", bath=nh.Bath(site={where}, jumps={jumps})"
    if case.initial is not None:
        words += f", initial=lambda model: nh.MPS.product(model.sites, {list(case.initial[1])})"
    return [f"*_, record = algorithms.{case.algorithm}({words}).records(model)", "print(record)"]
