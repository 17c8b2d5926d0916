"""Exact results that every method must reproduce; `tests/README.md` derives them, in the order of this file."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import quimb.tensor as qtn
import scipy.linalg
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.sector import sector

from .gaussian import GaussianState, propagator, single_particle, trotter_propagator

EXACT = 1e-10
"""Absolute tolerance of exact methods, in units of J."""

UP, DOWN = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
SZ, RAISE = np.diag([0.5, -0.5]), np.array([[0.0, 1.0], [0.0, 0.0]])
LOWER = RAISE.T


def ring(L, **parameters):
    return models.NonHermitianXXZ(L=L, boundary="periodic", **parameters)


def spectrum(model, vectors="none"):
    (record,) = algorithms.ExactDiag(vectors=vectors).records(model)
    return record


def snapshots(algorithm, model):
    return list(algorithm.records(model))


def last(algorithm, model):
    return snapshots(algorithm, model)[-1]


def measured(model, **named):
    return nh.Simulation(model, algorithms.ExactDiag(), named).run()


def steady_state(model):
    """Growth, gap and current (from the eigenvalue and from the eigenvector) as the package measures them."""
    data = measured(
        model,
        growth=observables.GrowthRate(),
        gap=observables.SteadyStateGap(),
        current=observables.SteadyStateCurrent(),
    )
    return float(data.growth), float(data.gap), data.current.values


def distance(these, those):
    """Largest difference between two sets of complex numbers, paired so that they differ as little as possible."""
    assert len(these) == len(those)
    differences = np.abs(np.subtract.outer(np.asarray(these), np.asarray(those)))
    return differences[scipy.optimize.linear_sum_assignment(differences)].max()



def total_current(model):
    return nh.OpSum.sum(model.current(j) for j in model.bonds)


def profile(state, model):
    """Current of each bond, magnetisation of each site."""
    return state.expect_each(*(model.current(j) for j in model.bonds)).real, state.expect_each("Sz").real


def test_probe():
    assert GaussianState.neel(4).magnetization().tolist() == [0.5, -0.5, 0.5, -0.5]
