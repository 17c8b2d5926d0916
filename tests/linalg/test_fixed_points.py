"""Fixed points of maps that are no mixtures of others."""

import numpy as np
import pytest

from mpsnh.linalg.fixed_points import extremal_fixed_points
from tests.oracles import reference


def test_fixed_points_that_are_no_mixtures():
    """Two blocks, one of which is an algebra of 2 × 2 matrices times a density matrix."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(reference.gaussian(rng, 6, 6))[0]
    inner = np.diag([0.75, 0.25])
    space = []
    for unit in np.eye(4).reshape(4, 2, 2):
        space.append(np.zeros((6, 6), complex))
        space[-1][:4, :4] = np.kron(unit, inner)
    space.append(np.diag([0, 0, 0, 0, 0.9, 0.1]).astype(complex))
    mixed = np.linalg.qr(reference.gaussian(rng, 5, 5))[0]
    turned = [rotation @ sum(c * m for c, m in zip(row, space, strict=True)) @ rotation.conj().T for row in mixed]
    points = extremal_fixed_points(turned)
    spectra = sorted(tuple(np.linalg.eigvalsh(point).round(9)) for point in points)
    assert spectra == [(0, 0, 0, 0, 0.1, 0.9), (0, 0, 0, 0, 0.25, 0.75), (0, 0, 0, 0, 0.25, 0.75)]


def test_what_is_no_space_of_fixed_points():
    with pytest.raises(ArithmeticError, match="has trace 0"):
        extremal_fixed_points([np.diag([1.0, -1.0])])
    with pytest.raises(ArithmeticError, match=r"negative eigenvalue -0.5"):
        extremal_fixed_points([np.diag([1.5, -0.5])])
