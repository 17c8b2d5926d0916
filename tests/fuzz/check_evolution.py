"""Evolutions: states, norms and observables at several times, and the errors that the runs admit."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

import mpsnh as nh
from tests.fuzz import dense, product
from tests.fuzz.check_states import check_state
from tests.fuzz.checks import RefusedError, Session, check_dataset
from tests.fuzz.of_states import OF_STATES, Moment
from tests.fuzz.refusals import joins_ends, no_gates_possible, outside_of_sector
from tests.fuzz.spaces import space

TOLERANCE = 1e-8
SINGLE = 3e-3


def check(session: Session) -> None:
    """Compare some records of an evolution, and the dataset, with the reference."""
    case, world = session.case, session.world
    made, how = session.made()
    if case.algorithm != "OpenSystem" and outside_of_sector(world):
        session.report.add(f"{case.algorithm}: not refused", "the initial state has another charge than the model")
        return
    accepted = session.fitting(made, how)
    records = session.attempt("records", lambda: product.records(case))
    times = [record.time for record in records]
    session.compare("times", times, _grid(case), 1e-9)
    values: dict[str, list[Any]] = {name: [] for name in accepted}
    judged = {0, len(records) // 2, len(records) - 1}
    for k, record in enumerate(records):
        moment = _moment(session, record.time) if k in judged else None
        for name, one in accepted.items():
            try:
                values[name].append(session.attempt(name, lambda one=one, record=record: one(record, made)))
            except RefusedError:
                values[name].append(None)
        if moment is not None:
            _judge(session, record, moment, {name: values[name][-1] for name in accepted}, records)
    whole = {name: row for name, row in values.items() if all(value is not None for value in row)}
    check_dataset(session, whole, records)


def _grid(case: Any) -> list[float]:
    steps, every = round(case.setting("t_max") / case.setting("dt")), case.setting("every")
    return [k * case.setting("dt") for k in range(steps + 1) if k % every == 0 or k == steps]


def _moment(session: Session, time: float) -> Moment:
    case, world = session.case, session.world
    if case.algorithm == "OpenSystem":
        return Moment(world, None, None, _density(session, time))
    if case.algorithm == "NHTEBD" and not no_gates_possible(world) and not joins_ends(world):
        return Moment(world, *world.split_evolved(time, case.setting("dt"), case.setting("order")))
    return Moment(world, *world.evolved(time))


def _density(session: Session, time: float) -> np.ndarray:
    """The density matrix with a bath, by the exponential of the Lindbladian or period by period."""
    case, world = session.case, session.world
    if world.open:
        rho = np.outer(world.initial, world.initial.conj())
        return (scipy.linalg.expm(time * world.lindbladian) @ rho.ravel()).reshape(rho.shape)
    where, jumps = case.setting("bath", (-1, ("X", "Y", "Z")))
    gamma, n = case.setting("gamma"), world.dim
    jumps = [dense.factor(case.kinds, name, where % case.L).toarray() for name in jumps]
    kappa = sum(np.linalg.norm(jump) ** 2 for jump in jumps) / n
    rho, m = np.outer(world.initial, world.initial.conj()), world.whole.toarray()
    if world.floquet:
        for _ in range(round(time)):
            rho = m @ rho @ m.conj().T
            rho = (rho + gamma * sum(jump @ rho @ jump.conj().T for jump in jumps)) / (1 + kappa * gamma)
        return rho
    one = np.eye(n)
    generator = -1j * (np.kron(m, one) - np.kron(one, m.T)) - gamma * kappa * np.eye(n * n)
    generator = generator + gamma * sum(np.kron(jump, jump.conj()) for jump in jumps)
    return (scipy.linalg.expm(time * generator) @ rho.ravel()).reshape(n, n)


def _judge(session: Session, record: Any, moment: Moment, values: dict[str, Any], records: list[Any]) -> None:
    case, note = session.case, f"at t = {record.time:g}"
    if case.algorithm == "NHTEBD" and joins_ends(session.world):
        _of_ring(session, record, moment, note)
        return
    if case.algorithm == "NHTEBD" and (case.setting("cutoff") > 0 or _truncates(session, records)):
        _truncated(session, record, moment, note)
        return
    single = case.setting("precision") == "single"
    tolerance = SINGLE if single else 100 * TOLERANCE if case.algorithm == "NHTEBD" else TOLERANCE
    stated = _stated(record)
    rounding = session.world.rounding(record.time)
    if rounding > 0.1:
        session.report.skipped["the evolution is too sensitive for the reference"] += 1
        return
    allowed = max(tolerance, 10 * stated, rounding / 300)
    note = f"{note}; plain rounding makes {rounding:.1g}" if rounding > TOLERANCE else note
    if allowed > 0.1:
        session.report.skipped["the run says that its error is large"] += 1
        return
    label = case.algorithm + (" (single)" if single else "")
    if moment.vector is not None and moment.log_norm is not None:
        session.compare(f"{label}: log_norm", record.log_norm, moment.log_norm, allowed, note)
        vector = np.asarray(record.state.to_vector())
        fidelity = abs(np.vdot(vector / np.linalg.norm(vector), moment.vector))
        session.compare(f"{label}: state", np.sqrt(max(0.0, 1 - fidelity**2)), 0.0, max(allowed, 3e-8), note)
        if session.report.wrong:
            return
        if record is records[-1]:
            check_state(session, record.state, moment.vector, allowed, f"of {label}")
    for name, value in values.items():
        if value is not None:
            expected = OF_STATES[name](moment, **dict(dict(case.chosen).get(name, ())))
            session.judge(f"{label}: {name}", lambda value=value: value, expected, 1e2 * allowed, note)


def _stated(record: Any) -> float:
    """The error that a record admits, if it has a field for that."""
    return max((float(getattr(record, name, 0.0)) for name in ("error", "log_norm_error", "noise")), default=0.0)


def _truncates(session: Session, records: list[Any]) -> bool:
    return bool(records[-1].discarded > 1e-20)


def _truncated(session: Session, record: Any, moment: Moment, note: str) -> None:
    """Note the error of local values of a run that truncates, and what the run says of it."""
    case, world = session.case, session.world
    if record.time == 0 or moment.vector is None or case.setting("precision") == "single":
        return
    if world.closed:
        session.compare("NHTEBD: log_norm of unitary gates", record.log_norm, 0.0, 1e-8, note)
    elif record.discarded < 1e-9:
        session.compare("NHTEBD: log_norm while little is discarded", record.log_norm, moment.log_norm, 1e-3, note)
    errors = _local_errors(session, record, moment)
    trusted = record.time < getattr(record, "trust_time", np.inf)
    if errors:
        session.report.truncated.append((max(errors), _stated(record), not trusted))


def _of_ring(session: Session, record: Any, moment: Moment, note: str) -> None:
    """Compare local values with exact ones, and their errors with what the run says of them."""
    if moment.vector is None or session.world.rounding(record.time) > 1e-6:
        return
    stated = 3 * record.trotter + record.noise + (1e-4 if session.case.setting("precision") == "single" else 1e-8)
    if stated < 1:
        errors = _local_errors(session, record, moment)
        session.compare("NHTEBD: local values of rings", max(errors, default=0.0), 0.0, stated, note)


def _local_errors(session: Session, record: Any, moment: Moment) -> list[float]:
    errors = []
    for j, kind in enumerate(session.case.kinds):
        for name in list(space(kind).operators)[2:5]:
            if not name.startswith("c"):
                terms = [(1.0, name, j)]
                right = dense.expectation(dense.operator(terms, session.case.kinds), moment.vector)
                errors.append(abs(record.state.expect(nh.OpSum(terms)) - right))
    return errors
