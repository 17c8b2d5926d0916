"""The right values of the observables of spectra, written from their definitions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from tests.fuzz import dense
from tests.fuzz.answers import Expected, Refuse, Right, Skip
from tests.fuzz.levels import CLOSE
from tests.fuzz.of_slow_modes import demixing
from tests.fuzz.spaces import space
from tests.fuzz.world import World


@dataclass
class Found:
    """A spectrum: how many levels it has, whether these are all, and which vectors there are."""

    world: World
    count: int
    complete: bool
    vectors: str
    leading: int | None
    conditions: bool = False

    def leaders(self) -> np.ndarray:
        """The levels of which any may be called the one that grows fastest."""
        known = self.world.levels
        growth = self.world.growth(known.values)
        scale = 1.0 if self.world.floquet else known.norm
        best = known.values[growth >= growth.max() - CLOSE * scale]
        if self.world.floquet or np.abs(known.values.imag).max() > 1e-12 * known.norm:
            return best
        return best[best.real <= best.real.min() + CLOSE * known.norm]


def _known(found: Found) -> Skip | None:
    if not found.world.levels.exact:
        return Skip("the levels are too sensitive")
    return Skip("levels are nearly degenerate") if found.world.levels.doubtful() else None


def growth_rate(found: Found, **_: Any) -> Expected:
    if not found.world.levels.exact:
        return Skip("the levels are too sensitive")
    return Right([found.world.growth(found.world.levels.values).max()])


def eigenvalues(found: Found, **_: Any) -> Expected:
    return Skip("the values are compared level by level")


def steady_state_gap(found: Found, **_: Any) -> Expected:
    if skip := _known(found):
        return skip
    known, values = found.world.levels, found.world.levels.values
    if not found.complete:
        values = values[values.imag >= -1e-12 * known.norm] if known.real else values
        values = values[np.lexsort((values.real, -found.world.growth(values)))]
        growth = found.world.growth(values)
        if growth[0] - growth[min(found.count, len(growth)) - 1] < CLOSE * known.norm and found.count < len(growth):
            return Skip("more levels grow alike than were asked for")
        values = values[: found.count]
    growth, gaps = found.world.growth(values), []
    for leader in found.leaders():
        others = np.abs(values - leader) > CLOSE * known.norm
        if not others.any():
            return Refuse("there is only one distinct level")
        gaps.append(growth.max() - growth[others].max())
    return Right(gaps)


def steady_state_current(found: Found, **_: Any) -> Expected:
    case = found.world.case
    if case.model != "xxz" or not case.parameter("gamma"):
        return Refuse("the model has no current, or no asymmetry")
    if found.vectors == "none":
        return Refuse("there are no eigenvectors")
    if skip := _known(found):
        return skip
    rate = found.world.growth(found.world.levels.values).max() / case.parameter("gamma")
    return Right([[rate, rate]], tolerance=1e-7)


def _one_leader(found: Found) -> Expected | complex:
    """The level that grows fastest if there is one, or why there is nothing to measure."""
    if found.vectors == "none":
        return Refuse("there are no eigenvectors")
    if skip := _known(found):
        return skip
    leaders, known = found.leaders(), found.world.levels
    if known.multiplicity(leaders[0]) == len(leaders) > 1:
        return Refuse("the level is degenerate")
    if np.ptp(found.world.growth(leaders)) > 1e-12 * known.norm:
        return Skip("levels almost grow alike")
    return complex(leaders[0]) if len(leaders) == 1 else Refuse("levels grow alike")


def _vectors(found: Found, value: complex) -> tuple[np.ndarray, np.ndarray, float]:
    """Right and left vector of a simple level by inverse iteration, and its condition number."""
    m = found.world.levels.matrix
    shifted = m - (value + 1e-9 * max(found.world.levels.norm, 1e-200)) * np.eye(len(m))
    rng, pair = np.random.default_rng(1), []
    for a in (shifted, shifted.conj().T):
        factors, v = scipy.linalg.lu_factor(a), rng.normal(size=len(m)) + 0j
        for _ in range(6):
            v = scipy.linalg.lu_solve(factors, v)
            v = v / np.linalg.norm(v)
        pair.append(v)
    return pair[0], pair[1], 1 / max(abs(np.vdot(pair[1], pair[0])), 1e-300)


def steady_state_entropy(found: Found, bond: int | None = None) -> Expected:
    leader = _one_leader(found)
    if not isinstance(leader, complex):
        return leader
    right, _, condition = _vectors(found, leader)
    if condition > 1e5:
        return Skip("the vector is too sensitive")
    world, L = found.world, found.world.case.L
    whole = np.zeros(world.dim, dtype=complex)
    whole[world.inside] = right
    return Right([dense.schmidt_entropy(whole, world.kinds, L // 2 - 1 if bond is None else bond)], tolerance=1e-5)


def entropy_of_level(found: Found, **_: Any) -> Expected:
    """The first level is the one that grows fastest, unless others do so as well."""
    right = steady_state_entropy(found)
    alike = isinstance(right, Refuse) and right.why == "levels grow alike"
    return Skip("levels grow alike") if alike else right


def steady_state_condition_number(found: Found, **_: Any) -> Expected:
    if found.vectors != "both" and not found.conditions:
        return Refuse("there are no left eigenvectors")
    leader = _one_leader(found)
    if isinstance(leader, Refuse):
        return _condition_of_degenerate(found, complex(found.leaders()[0]))
    if not isinstance(leader, complex):
        return leader
    _, _, condition = _vectors(found, leader)
    if condition > 1e5:
        return Skip("the vector is too sensitive")
    return Right([condition], tolerance=1e-4 * condition)


def _condition_of_degenerate(found: Found, value: complex) -> Expected:
    """The norm of the projector on the eigenspace of a level, along the others: infinite for a defective level."""
    known = found.world.levels
    u, sizes, vh = np.linalg.svd(known.matrix - value * np.eye(len(known.matrix)))
    count = known.multiplicity(value)
    if len(found.leaders()) != count:
        return Skip("levels grow alike")
    if np.count_nonzero(sizes < 1e-7 * known.norm) != count:
        return Refuse("the level is defective")
    left, right = u[:, -count:], vh[-count:].conj().T
    condition = float(np.linalg.norm(np.linalg.inv(left.conj().T @ right), 2))
    return Right([condition], tolerance=1e-4 * condition) if condition < 1e5 else Skip("the vector is too sensitive")


def _imaginary_parts(found: Found, threshold: float) -> np.ndarray | Skip:
    known = found.world.levels
    if not known.exact:
        return Skip("the levels are too sensitive")
    parts = np.abs(found.world.growth(known.values))
    if found.world.floquet:
        return Skip("the threshold is at the rounding of complex levels") if threshold < 1e-10 else parts
    parts[parts < 1e-13 * known.norm] = 0 if known.real or known.hermitian else parts[parts < 1e-13 * known.norm]
    if not known.real and threshold < 1e-10 * known.norm:
        return Skip("the threshold is at the rounding of complex levels")
    near = (parts > 0) & (np.abs(np.log(np.maximum(parts, 1e-300) / threshold)) < 0.1)
    return Skip("a level is at the threshold") if near.any() else parts


def imaginary_fraction(found: Found, threshold: float = 1e-13) -> Expected:
    if not found.complete:
        return Refuse("not all levels are there")
    parts = _imaginary_parts(found, threshold)
    return parts if isinstance(parts, Skip) else Right([np.mean(parts > threshold)])


def real_spectrum(found: Found, threshold: float = 1e-13) -> Expected:
    parts = _imaginary_parts(found, threshold)
    return parts if isinstance(parts, Skip) else Right([float(parts.max() <= threshold)])


def _gap_ratio(levels: np.ndarray, circle: float | None) -> float:
    levels = np.sort(levels)
    spacings = np.diff(levels) if circle is None else np.diff(np.append(levels, levels[0] + circle))
    following = np.roll(spacings, -1) if circle else spacings[1:]
    spacings = spacings if circle else spacings[:-1]
    return float(np.mean(np.minimum(spacings, following) / np.maximum(spacings, following)))


def _sensitive(levels: np.ndarray, scale: float) -> bool:
    return bool(np.min(np.diff(np.sort(levels)), initial=np.inf) < 1e-6 * scale)


def gap_ratio(found: Found, **_: Any) -> Expected:
    world, known = found.world, found.world.levels
    if not found.complete:
        return Refuse("not all levels are there")
    if len(known.values) < 4:
        return Refuse("there are fewer than four levels")
    if skip := _known(found):
        return skip
    growth = np.abs(world.growth(known.values)).max()
    scale = 1.0 if world.floquet else max(1.0, np.abs(known.values).max())
    if growth > 1e-6 * scale:
        return Refuse("the levels are complex")
    if growth > 1e-10 * scale:
        return Skip("the levels are nearly real")
    distinct = known.clusters()
    if len(distinct) < 4:
        return Refuse("there are fewer than four distinct levels")
    real = np.angle(distinct) if world.floquet else distinct.real
    if _sensitive(real, known.norm):
        return Skip("levels are nearly degenerate")
    return Right([_gap_ratio(real, 2 * np.pi if world.floquet else None)], tolerance=1e-5)


def singular_value_gap_ratio(found: Found, central: float = 1.0) -> Expected:
    matrix = found.world.matrix
    if len(matrix) < 4:
        return Refuse("there are fewer than four levels")
    values = np.linalg.svd(matrix, compute_uv=False)[::-1]
    if values[-1] < 1e-10:
        return Refuse("all singular values vanish")
    steps = np.diff(values) / values[-1]
    if np.any((steps > 1e-13) & (steps < 1e-7)):
        return Skip("singular values are nearly degenerate")
    values = values[np.append(True, steps > 1e-10)]
    if len(values) < 4:
        return Refuse("there are fewer than four distinct singular values")
    spacings = np.diff(values)
    skipped = int((1 - central) / 2 * len(spacings))
    spacings = spacings[skipped : len(spacings) - skipped]
    if len(spacings) < 2:
        return Refuse("there are fewer than two spacings")
    pairs = np.stack([spacings[:-1], spacings[1:]])
    return Right([np.mean(pairs.min(axis=0) / pairs.max(axis=0))], tolerance=1e-5)


def complex_spacing_ratio(found: Found, threshold: float | None = None) -> Expected:
    known = found.world.levels
    if not found.complete:
        return Refuse("not all levels are there")
    if skip := _known(found):
        return skip
    levels = known.clusters()
    if threshold is not None:
        if np.any(np.abs(levels.imag - threshold) < 1e-2 * threshold):
            return Skip("a level is at the threshold")
        levels = levels[levels.imag > threshold]
    if len(levels) < 3:
        return Refuse("there are fewer than three distinct levels")
    ratios, tied = [], False
    for k, level in enumerate(levels):
        others = np.delete(levels, k) - level
        others = others[np.argsort(np.abs(others))]
        d = np.abs(others) / known.norm
        if d[0] < 1e-6:
            return Skip("levels are nearly degenerate")
        tied |= bool(np.any(np.diff(d[:3]) < 1e-9))  # which neighbour is the second one is then a matter of rounding
        ratios.append(others[0] / others[1])
    cosine = np.nan if tied else np.mean(np.cos(np.angle(ratios)))
    return Right([[np.mean(np.abs(ratios)), cosine]], tolerance=1e-5)


def demixing_angle(found: Found, pair: tuple[int, int] = (0, 1)) -> Expected:
    """That of two levels in the order of the spectrum, which the reference knows for energies only."""
    known, world = found.world.levels, found.world
    if not all("Z" in space(kind).operators for kind in world.kinds) or max(pair) >= len(known.values):
        return Refuse("there are no such levels, or no Pauli matrices")
    if found.vectors == "none":
        return Refuse("there are no eigenvectors")
    if not known.hermitian:
        return Skip("the order of the levels is not that of energies") if known.normal else _overlapping(found, pair)
    values, vectors = np.linalg.eigh(known.matrix)
    if any(known.multiplicity(values[n]) > 1 for n in pair) or known.doubtful():
        return Skip("levels are nearly degenerate")
    mixed = demixing(world, vectors[:, pair[0]], vectors[:, pair[1]])
    return mixed if isinstance(mixed, Skip) else Right([[mixed[0], np.tan(mixed[0] / 2)]], tolerance=1e-5)


def _overlapping(found: Found, pair: tuple[int, int]) -> Expected:
    """Two eigenvectors of a matrix that is not normal have a demixing angle only if they happen to be orthogonal."""
    if skip := _known(found):
        return skip
    values, growth = found.world.levels.values, found.world.growth(found.world.levels.values)
    order = np.lexsort((values.real, -growth))
    if np.min(np.diff(np.sort(growth)), initial=np.inf) < CLOSE * found.world.levels.norm:
        return Skip("levels grow alike")
    (one, _, first), (other, _, second) = (_vectors(found, complex(values[order[n]])) for n in pair)
    if max(first, second) > 1e5:
        return Skip("the vector is too sensitive")
    return Refuse("the vectors are not orthogonal") if abs(np.vdot(one, other)) > 1e-6 else Skip("orthogonal by chance")


OF_SPECTRA: dict[str, Callable[..., Expected]] = {
    "Eigenvalues": eigenvalues,
    "GrowthRate": growth_rate,
    "SteadyStateGap": steady_state_gap,
    "SteadyStateCurrent": steady_state_current,
    "SteadyStateEntropy": steady_state_entropy,
    "OfLevel": entropy_of_level,
    "SteadyStateConditionNumber": steady_state_condition_number,
    "ImaginaryFraction": imaginary_fraction,
    "RealSpectrum": real_spectrum,
    "GapRatio": gap_ratio,
    "SingularValueGapRatio": singular_value_gap_ratio,
    "ComplexSpacingRatio": complex_spacing_ratio,
    "DemixingAngle": demixing_angle,
}
