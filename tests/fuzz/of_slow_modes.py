"""The right values of the observables of slow modes (Ha, Morningstar and Huse 2023), from their definitions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fuzz import dense
from tests.fuzz.answers import Expected, Refuse, Right, Skip
from tests.fuzz.spaces import space
from tests.fuzz.world import World


class Slow:
    """The slow mode of a closed system with a bath: populations of its eigenstates that relax by jumps."""

    def __init__(self, world: World) -> None:
        self.world, case = world, world.case
        where, self.jumps = case.setting("bath", (-1, ("X", "Y", "Z")))
        self.place, n = where % case.L, world.dim
        m = world.matrix
        if world.floquet:  # a normal matrix: the eigenvectors of a random Hermitian combination of its parts
            h = 0.7310 * (m + m.conj().T) / 2 + 0.5113 * (m - m.conj().T) / 2j
            _, self.states = np.linalg.eigh(h)
            theta = np.angle(np.einsum("ia,ij,ja->a", self.states.conj(), m, self.states))
            order = np.argsort(theta)
            self.theta, self.states = theta[order], self.states[:, order]
        else:
            self.theta, self.states = np.linalg.eigh(m)
        gaps = np.diff(self.theta, append=self.theta[0] + 2 * np.pi) if world.floquet else np.diff(self.theta)
        self.scale = 1.0 if world.floquet else float(np.abs(self.theta).max())
        self.smallest = float(gaps.min())
        elements = {name: self.states.conj().T @ self.on_bath(name) @ self.states for name in self.jumps}
        self.elements = elements
        self.strength = float(sum(np.linalg.norm(e) ** 2 for e in elements.values()) / n)
        self.S = sum(np.abs(e) ** 2 for e in elements.values()) / self.strength
        rates, modes = np.linalg.eigh(np.eye(n) - (self.S + self.S.T) / 2 + 5 * np.ones((n, n)) / n)
        self.rate, self.next = float(rates[0]), float(rates[1])
        c = modes[:, 0] * np.sqrt(n)
        self.c = c * np.sign(c[np.argmax(np.abs(c))])
        self.D = self.S * (self.c[:, None] - self.c) ** 2

    def on_bath(self, name: str) -> Any:
        return dense.factor(self.world.kinds, name, self.place)

    @property
    def degenerate(self) -> bool:
        return self.smallest < 1e-9 * self.scale

    @property
    def doubt(self) -> Skip | None:
        """Why the vectors of the mode are not to be compared, if they are not."""
        if self.smallest < 1e-6 * self.scale:
            return Skip("levels are nearly degenerate")
        if self.next - self.rate < 1e-5 or self.rate < 1e-6:
            return Skip("the slow mode is nearly degenerate, or too slow for a plain diagonalisation")
        order = np.sort(np.abs(self.c))[::-1]
        if order[0] - order[1] < 1e-6 and abs(self.c.max() + self.c.min()) < 1e-6:
            return Skip("the sign of the mode is free")
        return None

    def pair(self) -> tuple[int, int] | Skip:
        """The dominant pair."""
        upper = np.triu(self.D, 1)
        first, second = np.sort(upper.ravel())[::-1][:2]
        if first - second < 1e-7:
            return Skip("two pairs dominate alike")
        mu, nu = np.unravel_index(np.argmax(upper), upper.shape)
        return int(mu), int(nu)

    def flipped(self, level: int) -> int | Skip:
        image = np.abs(self.states.conj().T @ (self.on_bath("X") @ self.states[:, level]))
        first, second = np.sort(image)[::-1][:2]
        return int(np.argmax(image)) if first - second > 1e-7 else Skip("two states are reached alike")

    def part(self, m: int, n: int, jump: str) -> float:
        element = np.vdot(self.states[:, m], self.on_bath(jump) @ self.states[:, n])
        return float(np.abs(element) ** 2 / (self.strength * self.S[m, n]))

    def splitting(self, m: int, n: int) -> float:
        distance = abs(self.theta[m] - self.theta[n])
        return float(min(distance, 2 * np.pi - distance) if self.world.floquet else distance)

    def members(self) -> dict[str, int] | Skip:
        """A, B, A' and B', and whether Z couples A and B."""
        pair = self.pair()
        if isinstance(pair, Skip):
            return pair
        mu, nu = pair
        flipped = [self.flipped(level) for level in pair]
        for one in flipped:
            if isinstance(one, Skip):
                return one
        mu2, nu2 = (int(one) for one in flipped if not isinstance(one, Skip))
        z = self.part(mu, nu, "Z")
        if abs(z - 0.5) < 1e-6:
            return Skip("Z is half of the jump")
        if z > 0.5:
            return {"A": mu, "B": nu, "A'": mu2, "B'": nu2, "direct": 1}
        one, other = self.splitting(mu, nu2), self.splitting(mu2, nu)
        if abs(one - other) < 1e-9:
            return Skip("two splittings are alike")
        if one < other:
            return {"A": mu, "B": nu2, "A'": mu2, "B'": nu, "direct": 0}
        return {"A": nu, "B": mu2, "A'": nu2, "B'": mu, "direct": 0}

    def named(self, name: str) -> tuple[int, int] | Skip:
        if name == "mu nu":
            return self.pair()
        members = self.members()
        if isinstance(members, Skip):
            return members
        first = "A'" if name.startswith("A'") else name[0]
        return members[first], members[name[len(first) :]]


def demixing(world: World, first: np.ndarray, second: np.ndarray) -> tuple[float, np.ndarray] | Skip:
    """Angle and states of the basis of a pair that differs most in all Z: the best axis on the Bloch sphere."""
    basis = np.stack([first, second], axis=1)
    sigma = [np.array(s) for s in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])]
    T = np.zeros((3, 3))
    for j in range(world.case.L):
        z = dense.factor(world.kinds, "Z", j)[world.inside][:, world.inside]
        small = basis.conj().T @ (z @ basis)
        v = np.array([np.trace(small @ s).real / 2 for s in sigma])
        T += np.outer(v, v)
    values, axes = np.linalg.eigh(T)
    if values[2] - values[1] < 1e-6:
        return Skip("no basis of the pair is the most localised one")
    axis = axes[:, 2] * (1 if axes[2, 2] >= 0 else -1)
    _, turned = np.linalg.eigh(sum(x * s for x, s in zip(axis, sigma, strict=True)))
    return float(np.arctan2(np.hypot(axis[0], axis[1]), axis[2])), basis @ turned[:, ::-1]


def _flips(slow: Slow, m: int, n: int) -> np.ndarray | Skip:
    if m == n:  # one state does not differ from itself
        return np.zeros(slow.world.case.L)
    mixed = demixing(slow.world, slow.states[:, m], slow.states[:, n])
    if isinstance(mixed, Skip):
        return mixed
    a, b = mixed[1].T
    kinds = slow.world.kinds
    z = [dense.factor(kinds, "Z", j) for j in range(len(kinds))]
    return np.array([abs(dense.expectation(m, a) - dense.expectation(m, b)) / 2 for m in z])


def relaxation_rate(slow: Slow, **_: Any) -> Expected:
    return Right([[slow.rate, slow.strength * slow.rate]])


def dominant_fraction(slow: Slow, **_: Any) -> Expected:
    pair = slow.pair()
    return pair if isinstance(pair, Skip) else Right([[slow.D[pair] / (len(slow.c) * slow.rate), *pair]])


def pauli_weight(slow: Slow, by: str = "site") -> Expected:
    world, kinds = slow.world, slow.world.kinds
    tau, total = (slow.states * slow.c) @ slow.states.conj().T, float(len(slow.c))

    def without(operator: np.ndarray, j: int) -> np.ndarray:
        """The part of an operator that is the identity on a site: its average over that site."""
        d, before = space(kinds[j]).dim, int(np.prod(world.dims[:j]))
        t = operator.reshape(before, d, -1, before, d, world.dim // before // d)
        return np.einsum("ikjlkm,ab->iajlbm", t, np.eye(d) / d).reshape(operator.shape)

    weights = np.zeros(len(kinds))
    for j in sorted(range(len(kinds)), key=lambda j: abs(j - slow.place)):
        rest = without(tau, j)
        weights[j] = (np.linalg.norm(tau) ** 2 - np.linalg.norm(rest) ** 2) / total
        tau = rest if by == "reach" else tau
    tied = by == "reach" and 0 < slow.place < len(kinds) - 1  # two sites are as near as each other
    return Skip("two sites are as near") if tied else Right([weights])


def near_resonant_set(slow: Slow, **_: Any) -> Expected:
    members = slow.members()
    if isinstance(members, Skip):
        return members
    flips = _flips(slow, members["A"], members["B"])
    if isinstance(flips, Skip):
        return flips
    if np.any(np.abs(flips - 0.5) < 1e-6):
        return Skip("a site is half flipped")
    where = np.flatnonzero(flips > 0.5)
    distances = np.abs(where - slow.place)
    if len(where) > 1 and np.count_nonzero(distances == distances.min()) > 1:
        return Skip("two sites are as near")
    site = int(where[np.argmin(distances)]) if len(where) else -1
    return Right([[*(members[name] for name in ("A", "B", "A'", "B'", "direct")), site]])


def resonance_profile(slow: Slow, **_: Any) -> Expected:
    pair = slow.named("AB")
    flips = pair if isinstance(pair, Skip) else _flips(slow, *pair)
    return flips if isinstance(flips, Skip) else Right([flips])


def resonant_levels(slow: Slow, **_: Any) -> Expected:
    members = slow.members()
    if isinstance(members, Skip):
        return members
    chosen = [members[name] for name in ("A", "B", "A'", "B'")]
    return Right([np.stack([slow.theta[chosen], slow.c[chosen]], axis=1)])


def resonant_transitions(slow: Slow, **_: Any) -> Expected:
    rows = []
    for name in ("AB", "A'B", "AB'", "A'B'", "AA'", "BB'"):
        pair = slow.named(name)
        if isinstance(pair, Skip):
            return pair
        rows.append([slow.S[pair], slow.D[pair] / (len(slow.c) * slow.rate)])
    return Right([rows])


def jump_character(slow: Slow, pair: str = "mu nu", jump: str = "Z") -> Expected:
    if jump not in slow.jumps:
        return Refuse("the bath has no such jump")
    found = slow.named(pair)
    if isinstance(found, Skip):
        return found
    return Skip("there is no transition") if slow.S[found] < 1e-9 else Right([slow.part(*found, jump)])


def matrix_element_ratio(slow: Slow, over: str = "AB'", under: str = "A'B") -> Expected:
    pairs = [slow.named(name) for name in (over, under)]
    for one in pairs:
        if isinstance(one, Skip):
            return one
    first, second = (slow.S[one] for one in pairs if not isinstance(one, Skip))
    return Skip("there is no transition") if second < 1e-9 else Right([first / second], tolerance=1e-5 * first / second)


def demixing_angle(slow: Slow, pair: str | tuple[int, int] = "AB") -> Expected:
    found = slow.named(pair) if isinstance(pair, str) else pair
    if isinstance(found, Skip):
        return found
    if found[0] == found[1]:
        return Skip("the two states are one")
    mixed = demixing(slow.world, slow.states[:, found[0]], slow.states[:, found[1]])
    return mixed if isinstance(mixed, Skip) else Right([[mixed[0], np.tan(mixed[0] / 2)]], tolerance=1e-5)


def slow_gap_ratio(slow: Slow, **_: Any) -> Expected:
    if slow.smallest < 1e-6 * slow.scale:
        return Skip("levels are nearly degenerate")
    levels = [*slow.theta, slow.theta[0] + 2 * np.pi, slow.theta[1] + 2 * np.pi] if slow.world.floquet else slow.theta
    ratios = [
        min(b - a, c - b) / max(b - a, c - b) for (a, b), (_, c) in itertools.pairwise(itertools.pairwise(levels))
    ]
    return Right([np.mean(ratios)])


OF_SLOW_MODES: dict[str, Callable[..., Expected]] = {
    "RelaxationRate": relaxation_rate,
    "DominantFraction": dominant_fraction,
    "PauliWeight": pauli_weight,
    "NearResonantSet": near_resonant_set,
    "ResonanceProfile": resonance_profile,
    "ResonantLevels": resonant_levels,
    "ResonantTransitions": resonant_transitions,
    "JumpCharacter": jump_character,
    "MatrixElementRatio": matrix_element_ratio,
    "DemixingAngle": demixing_angle,
    "GapRatio": slow_gap_ratio,
}
