"""Steady states and spectra of Lindblad equations, against the dense superoperator."""

from __future__ import annotations

import numpy as np
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
