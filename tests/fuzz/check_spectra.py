"""Spectra: values, vectors, certificates and observables against levels that can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize

from tests.fuzz.checks import RefusedError, Session, check_dataset
from tests.fuzz.of_spectra import OF_SPECTRA, Found

CERTIFIED = 1e-8
"""Error, relative to the norm of the matrix, of levels that are called certified and have no error of their own."""


def check(session: Session) -> None:
    """Compare a spectrum and all that is measured of it."""
    case, world = session.case, session.world
    made, how = session.made()
    accepted = session.fitting(made, how)
    (record,) = session.attempt("records", lambda: list(how.records(made)))
    _values(session, record)
    vectors = "none" if record.right is None else "right" if record.left is None else "both"
    if vectors != "none":
        _vectors(session, record)
    found = Found(
        world, len(record.values), record.complete, vectors, case.setting("leading"), record.conditions is not None
    )
    values = {}
    for name, one in accepted.items():
        try:
            expected = OF_SPECTRA[name](found, **dict(dict(case.chosen).get(name, ())))
            tolerance = max(CERTIFIED, 10 * _stated(record) / max(world.levels.norm, 1e-300))
            values[name] = session.judge(
                f"{case.algorithm}: {name}",
                lambda one=one: one(record, made),
                expected,
                tolerance,
                _note(session, record),
            )
        except RefusedError:
            continue
    check_dataset(session, values, [record])


def check_level(session: Session) -> None:
    """Levels as matrix-product states: as many eigenvalues lie within the errors, and vectors solve the equation."""
    known = session.world.levels
    made, how = session.made()
    (record,) = session.attempt("records", lambda: list(how.records(made)))
    if not known.exact:
        session.report.skipped["levels are too sensitive, and too many for many bits"] += 1
        return
    session.compare("NHDMRG: number of levels", len(record.values), session.case.setting("k"), 0)
    beyond = np.maximum(0.0, np.abs(record.values[:, None] - known.values) - record.errors[:, None])
    pairs = scipy.optimize.linear_sum_assignment(beyond)
    excess = float(beyond[pairs].max()) / max(known.norm, 1e-300)
    session.compare("NHDMRG: levels", max(0.0, excess - 1e-12), 0.0, 0.0, _note(session, record))
    for state, value, bound in zip(record.right, record.values, record.residuals, strict=True):
        right = state.to_vector()[session.world.inside]
        session.compare("NHDMRG: norm of the right vector", np.linalg.norm(right), 1.0, 1e-8)
        residual = np.linalg.norm(known.matrix @ right - right * value)
        too_large = (residual - 1.01 * bound) / max(known.norm, 1e-300)
        session.compare("NHDMRG: residual", max(0.0, too_large - 1e-7), 0.0, 0.0, _note(session, record))


def _note(session: Session, record: Any) -> str:
    known = session.world.levels
    return f"certified {record.certified}, condition {known.condition:.1g}, dimension {len(known.values)}"


def _stated(record: Any) -> float:
    """The largest error that a spectrum admits, if it has a field for that."""
    errors = getattr(record, "errors", None)
    return 0.0 if errors is None else float(np.max(errors, initial=0.0))


def _values(session: Session, record: Any) -> None:
    """Compare the levels: each stands for one of the reference, and the errors cover the distance."""
    case, known = session.case, session.world.levels
    if not known.exact:
        session.report.skipped["levels are too sensitive, and too many for many bits"] += 1
        return
    distance, label = known.matched(record.values), case.algorithm
    errors = getattr(record, "errors", None)
    allowed = (
        np.full(len(distance), CERTIFIED * known.norm) if errors is None else np.asarray(errors) + 1e-13 * known.norm
    )
    allowed = np.where(np.isfinite(allowed), allowed, np.inf)
    if not record.certified and errors is None:
        session.report.skipped["the spectrum is not certified"] += 1
        return
    if record.certified and errors is not None:
        session.compare(
            f"{label}: errors of a certified spectrum", np.max(errors) / known.norm, 0.0, 1e-6, _note(session, record)
        )
    excess = np.max(distance - allowed, initial=-np.inf)
    note = f"largest distance {distance.max():.2g} of norm {known.norm:.2g}, {_note(session, record)}"
    session.compare(f"{label}: levels", max(0.0, excess), 0.0, 0.0, note)
    if label == "ExactDiag":
        session.compare(f"{label}: number of levels", len(record.values), len(known.values), 0)
    else:
        _chosen(session, record)
    growth = session.world.growth(record.values)
    reach = 1e-12 * known.norm + (0.0 if errors is None else allowed[1:] + allowed[:-1])  # rounding is no order
    session.compare(f"{label}: order", float(np.max(np.diff(growth) - reach, initial=0.0)), 0.0, 0.0)


def _chosen(session: Session, record: Any) -> None:
    """The k levels of largest growth, of conjugate pairs the upper one only."""
    known, k = session.world.levels, session.case.setting("k")
    counted = known.values[known.values.imag >= -1e-11 * known.norm] if known.real else known.values
    growth = np.sort(counted.imag)[::-1][:k]
    session.compare(
        "SteadyState: growth",
        np.sort(record.values.imag)[::-1],
        growth,
        1e-7 * max(1.0, known.norm),
        _note(session, record),
    )
    if np.abs(known.values.imag).max() < 1e-12 * known.norm:
        energies = np.sort(counted.real)[:k]
        session.compare(
            "SteadyState: energies of a real spectrum",
            np.sort(record.values.real),
            energies,
            1e-7 * max(1.0, known.norm),
        )


def _vectors(session: Session, record: Any) -> None:
    """Vectors are of unit norm, solve the equation and are biorthonormal; those of a normal matrix are orthogonal."""
    known, label = session.world.levels, session.case.algorithm
    right = np.asarray(record.right)
    values, note = record.values[: right.shape[1]], _note(session, record)
    session.compare(f"{label}: norms of right vectors", np.linalg.norm(right, axis=0), np.ones(right.shape[1]), 1e-10)
    residual = np.linalg.norm(known.matrix @ right - right * values, axis=0).max() / known.norm
    admitted = 0.0 if record.residuals is None else 1.1 * float(np.max(record.residuals)) / known.norm
    rounding = 1e-15 / known.norm  # of terms of the order of one, which may cancel
    session.compare(f"{label}: residual of right vectors", residual, 0.0, max(1e-8, admitted, rounding), note)
    complete = right.shape[1] == len(known.values)
    if known.normal and complete:
        gram = right.conj().T @ right
        session.compare(f"{label}: orthogonality for a normal matrix", gram, np.eye(len(gram)), 1e-8, note)
    if record.left is None:
        return
    left = np.asarray(record.left)
    if not np.all(np.isfinite(left)):
        session.report.add(f"{label}: left vectors", f"not finite, {note}")
        return
    sizes = np.linalg.norm(left, axis=0)
    residual = (np.linalg.norm(left.conj().T @ known.matrix - values[:, None] * left.conj().T, axis=1) / sizes).max()
    session.compare(f"{label}: residual of left vectors", residual / known.norm, 0.0, max(1e-7, rounding), note)
    gram = left.conj().T @ right
    session.compare(
        f"{label}: biorthonormality",
        gram / np.maximum(sizes, 1)[:, None],
        np.eye(len(gram)) / np.maximum(sizes, 1)[:, None],
        1e-6,
        note,
    )
