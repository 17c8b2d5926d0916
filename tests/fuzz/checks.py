"""A case is run by the package and by the reference, and what differs is written down."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import mpsnh as nh
from tests.fuzz import product
from tests.fuzz.answers import Expected, Refuse, Skip
from tests.fuzz.cases import WEIGHTS, Case
from tests.fuzz.of_slow_modes import OF_SLOW_MODES, Slow
from tests.fuzz.of_spectra import OF_SPECTRA
from tests.fuzz.of_states import OF_STATES
from tests.fuzz.refusals import general, reason, sentence_of
from tests.fuzz.world import World
from tests.support.exports import exports

ROOT = Path(__file__).parents[2]


def public(folder: str) -> list[str]:
    """The public names of a package of models, algorithms or observables, as its stub lists them."""
    return list(exports((ROOT / folder / "__init__.pyi").read_text(encoding="utf-8"), folder))


OWN_TESTS = ("BiorthogonalExpectation", "EntanglementSpectrum", "LoschmidtEcho", "ParticipationEntropy")
"""Observables of one algorithm, initial state or kind of state, which random cases do not measure."""
OBSERVABLES = [
    name
    for name in public("observables")
    if issubclass(getattr(nh.observables, name), nh.Observable) and name not in OWN_TESTS
]
TESTED_ELSEWHERE = ("StateDiffusion", "DensitySteadyState", "OperatorEntanglement", "ClickTimes", "ClickNumbers")
"""What random cases do not reach: averages, ends of long evolutions, and tables of what a record says itself."""

UNKNOWN = sorted(
    {*OBSERVABLES, *public("models"), *public("algorithms")}
    - {*OF_STATES, *OF_SPECTRA, *OF_SLOW_MODES, *product.MODELS, *WEIGHTS, *TESTED_ELSEWHERE}
)
"""Observables, models and algorithms that the reference does not know: the fuzz fails as long as there is one."""


@dataclass
class Report:
    """What came of a case: wrong numbers, refusals with their reasons, and what was compared."""

    wrong: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    compared: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    truncated: list[tuple[float, float, bool]] = field(default_factory=list)
    """Of runs that truncate: the error of local values, the estimate, and whether the run says that it is too large."""

    def add(self, what: str, text: str) -> None:
        self.wrong.append((what, text))


class RefusedError(Exception):
    """The package refused, and the reference knows why or a finding is written down."""


class Session:
    """A case on its way through the package."""

    def __init__(self, case: Case) -> None:
        self.case, self.world, self.report = case, World(case), Report()

    def attempt(self, what: str, work: Callable[[], Any], expected: Expected | None = None) -> Any:
        """Run a part of the package; a refusal that is right, and an error that is no refusal, end it."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return work()
        except Exception as error:
            sentence = sentence_of(error)
            if sentence is None:
                self.report.add(f"{what}: no sentence", f"{type(error).__name__}: {str(error)[:200]}")
                raise RefusedError from error
            if isinstance(expected, Skip):
                self.report.skipped[f"{what}: {expected.why}"] += 1
                raise RefusedError from error
            why = expected.why if isinstance(expected, Refuse) else reason(sentence, self.world)
            if why is None:
                self.report.add(f"{what}: refused without need", f"{type(error).__name__}: {sentence[:300]}")
            else:
                self.report.refused.append((general(sentence), why))
            raise RefusedError from error

    def compare(self, what: str, got: Any, right: Any, tolerance: float, note: str = "") -> None:
        """Write down a number that differs from the right one; where that is not a number, any is right."""
        got, right = np.asarray(got), np.asarray(right)
        self.report.compared[what] += 1
        if got.shape != right.shape:
            self.report.add(what, f"shape {got.shape}, right {right.shape} {note}")
            return
        known = ~np.isnan(right)
        error = np.abs(got - right)[known].max(initial=0.0) if np.all(np.isfinite(got[known])) else np.inf
        if not error <= tolerance * max(1.0, float(np.abs(right[known]).max(initial=0.0))):
            self.report.add(what, f"{_short(got)}, right {_short(right)} (error {error:.2g}) {note}")

    def judge(self, name: str, measure: Callable[[], Any], expected: Expected, tolerance: float, note: str) -> Any:
        """Compare what an observable returns with what is right."""
        got = self.attempt(name, measure, expected)
        if isinstance(expected, Skip):
            self.report.skipped[f"{name}: {expected.why}"] += 1
        elif isinstance(expected, Refuse) and not np.all(np.isfinite(np.asarray(got))):
            self.report.refused.append((f"{name}: {_short(got)}", expected.why))
        elif isinstance(expected, Refuse):
            self.report.add(f"{name}: not refused", f"{_short(got)}, but {expected.why} {note}")
        else:
            allowed = tolerance if expected.tolerance is None else max(tolerance, expected.tolerance)
            best = min(expected.values, key=lambda v: _distance(got, v))
            self.compare(name, got, best, allowed, note)
        return got

    def made(self) -> tuple[nh.Model, nh.Algorithm[Any]]:
        """The model and the algorithm of the case, which fit together."""
        model = self.attempt("model", lambda: product.model(self.case))
        how = self.attempt("algorithm", lambda: product.algorithm(self.case))
        self.attempt("Simulation", lambda: nh.Simulation(model, how, {}))
        return model, how

    def fitting(self, made: nh.Model, how: nh.Algorithm[Any]) -> dict[str, nh.Observable[Any]]:
        """The observables that a Simulation of the case accepts."""
        accepted = {}
        for name in OBSERVABLES:
            try:
                one = self.attempt(name, lambda name=name: product.observable(self.case, name))
                if issubclass(how.yields, one.measures):
                    self.attempt(name, lambda name=name, one=one: nh.Simulation(made, how, {name: one}))
                    accepted[name] = one
            except RefusedError:
                continue
        return accepted


def check(case: Case) -> Report:
    """Compare all that a case gives with the reference."""
    from tests.fuzz import check_evolution, check_open, check_spectra, check_states

    session = Session(case)
    try:
        if case.algorithm == "state":
            check_states.check(session)
        elif case.algorithm in ("ExactEvolution", "NHTEBD", "OpenSystem"):
            check_evolution.check(session)
        elif case.algorithm in ("ExactDiag", "SteadyState"):
            check_spectra.check(session)
        elif case.algorithm == "LindbladSpectrum":
            check_open.check(session)
        elif case.algorithm == "Trajectories":
            check_open.check_trajectory(session)
        elif case.algorithm == "DensityTEBD":
            check_open.check_density(session)
        elif case.algorithm == "NHDMRG":
            check_spectra.check_level(session)
        else:
            check_slow_mode(session)
    except RefusedError:
        pass
    except OverflowError as error:
        session.report.skipped[str(error)] += 1
    return session.report


def check_slow_mode(session: Session) -> None:
    """Compare the slow mode of a case, and all that is measured of it."""
    case, world = session.case, session.world
    made, how = session.made()
    accepted = session.fitting(made, how)
    (record,) = session.attempt("records", lambda: list(how.records(made)))
    slow, values = Slow(world), {}
    if slow.degenerate:
        session.report.add("DegeneratePerturbationSolver: not refused", f"smallest gap {slow.smallest:.2g}")
        return
    session.compare("smallest_gap", record.smallest_gap, slow.smallest, 1e-9)
    session.compare("next_rate", record.next_rate, slow.next, 1e-7)
    for name, one in accepted.items():
        expected = slow.doubt if slow.doubt and name != "RelaxationRate" else None
        if expected is None:
            expected = OF_SLOW_MODES[name](slow, **dict(dict(case.chosen).get(name, ())))
        try:
            values[name] = session.judge(name, lambda one=one: one(record, made), expected, 1e-6, "")
        except RefusedError:
            continue
    check_dataset(session, values, [record])


def check_dataset(session: Session, values: dict[str, Any], records: list[Any]) -> None:
    """Compare the dataset of a Simulation, or of a sweep, with what the records gave one by one."""
    case = session.case
    if case.path == "records" or not values:
        return
    names = list(values)
    work = product.swept if case.path == "sweep" else product.run
    try:
        data = session.attempt(work.__name__, lambda: work(case, names))
    except RefusedError:  # a ring has one bond more that carries current than a chain has between its halves
        if not {"CurrentProfile", "EntropyProfile"} <= set(names):
            raise
        names.remove("EntropyProfile")
        data = session.attempt(work.__name__, lambda: work(case, names))
    axis = "time" in data.sizes
    if axis:
        session.compare("time of the dataset", data["time"].values, [r.time for r in records], 1e-12)
    for name in names:
        single = case.setting("precision") == "single"  # a run that goes on rounds otherwise
        session.compare(f"{case.path} of {name}", data[name].values, values[name], 1e-5 if single else 1e-10)


def _short(value: Any) -> str:
    return np.array2string(np.asarray(value), precision=8, threshold=8, separator=", ").replace("\n", "")


def _distance(got: Any, right: Any) -> float:
    got, right = np.asarray(got), np.asarray(right)
    if got.shape != right.shape:
        return np.inf
    difference = np.abs(got - right)
    return float(np.nan_to_num(difference, nan=0.0, posinf=1e300).max(initial=0.0))
