"""Open systems: levels of Lindblad equations, trajectories and density operators, against dense matrices."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.optimize

from tests.fuzz.answers import Skip
from tests.fuzz.checks import RefusedError, Session


def check(session: Session) -> None:
    """Compare the levels, the number of those that are zero, and the steady states with the reference."""
    world = session.world
    made, how = session.made()
    accepted = session.fitting(made, how)
    (record,) = session.attempt("records", lambda: list(how.records(made)))
    even = np.multiply.outer(world.parities, world.parities).ravel() > 0
    fermions = not even.all()
    matrix = world.lindbladian[np.ix_(even, even)]
    size = max(float(np.linalg.norm(matrix, 2)), 1e-300)
    if not fermions:  # of which odd operators, which no density matrix has, evolve in another way
        exact = np.linalg.eigvals(matrix)
        null = int(np.count_nonzero(np.linalg.svd(matrix, compute_uv=False) < 1e-9 * size))
        session.compare("zero levels", record.copies(0), null, 0)
        rows, columns = scipy.optimize.linear_sum_assignment(np.abs(record.values[:, None] - exact))
        beyond = np.abs(record.values[rows] - exact[columns]) - 10 * record.errors[rows]
        session.compare("levels", max(0.0, float(beyond.max()) / size), 0.0, 1e-6)
    for k, state in enumerate(record.steady):
        rho, note = state.whole().matrix, f"number {k}"
        session.compare("trace", np.trace(rho), 1.0, 1e-9, note)
        session.compare("steady", np.linalg.norm(world.lindbladian @ rho.ravel()) / size, 0.0, 1e-7, note)
        session.compare("positive", min(0.0, float(np.linalg.eigvalsh(rho)[0])), 0.0, 1e-8, note)
    for name, one in accepted.items():
        try:
            session.judge(name, lambda one=one: one(record, made), Skip("levels of a Lindblad equation"), 0.0, "")
        except RefusedError:
            continue


def check_trajectory(session: Session) -> None:
    """Follow the clicks that a trajectory says it had, and compare its states and norms."""
    case, world = session.case, session.world
    made, how = session.made()
    session.fitting(made, how)
    records = session.attempt("records", lambda: list(how.records(made)))
    decay = world.whole.toarray() - 0.5j * sum(jump.conj().T @ jump for jump in world.jumps)
    clicks = list(zip(records[-1].times, records[-1].which, strict=True))
    exact = case.setting("inner") == "ExactEvolution"
    vector, time, log_norm = world.initial / np.linalg.norm(world.initial), 0.0, 0.0
    for record in records:
        while clicks and clicks[0][0] <= record.time:
            at, which = clicks.pop(0)
            vector = world.jumps[which] @ _evolved(decay, vector, at - time)
            vector, time, log_norm = vector / np.linalg.norm(vector), at, 0.0
        vector, time = _evolved(decay, vector, record.time - time), record.time
        log_norm, vector = log_norm + np.log(np.linalg.norm(vector)), vector / np.linalg.norm(vector)
        ours, note = np.asarray(record.state.to_vector()), f"at t = {record.time:g} after {record.clicks} clicks"
        cosine = abs(np.vdot(vector, ours)) / np.linalg.norm(ours)
        allowed = max(1e-7, 10 * record.error) if exact else 1e-5 + 10 * record.trotter
        session.compare("Trajectories: state", np.sqrt(max(0.0, 1 - cosine**2)), 0.0, allowed, note)
        session.compare("Trajectories: log_norm", record.log_norm, log_norm, allowed, note)


def _evolved(decay: np.ndarray, vector: np.ndarray, time: float) -> np.ndarray:
    return scipy.linalg.expm(-1j * time * decay) @ vector


def check_density(session: Session) -> None:
    """Compare the whole density operator with that of the dense superoperator."""
    world = session.world
    made, how = session.made()
    session.fitting(made, how)
    records = session.attempt("records", lambda: list(how.records(made)))
    unit = world.initial / np.linalg.norm(world.initial)
    begun = np.outer(unit, unit.conj()).ravel()
    for record in (records[0], records[-1]):
        right = (scipy.linalg.expm(record.time * world.lindbladian) @ begun).reshape(world.dim, -1)
        ours = record.state.to_dense()
        off = np.linalg.norm(ours / np.trace(ours) - right / np.trace(right), "nuc") / 2
        allowed = 1e-8 + 10 * record.noise + 2 * record.trotter
        session.compare("DensityTEBD: state", off, 0.0, allowed, f"at t = {record.time:g}")
