"""Near-resonances of eigenstates, and how localised states mix in them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.model import Model
from mpsnh.base.slow_mode import SlowMode
from mpsnh.operators.sector import Sector

Pair = Literal["AB", "A'B", "AB'", "A'B'", "AA'", "BB'", "mu nu"]
"""Names of pairs in a near-resonant set; mu and nu are the eigenstates that contribute most to the relaxation."""


ORTHONORMAL = 1e-8
"""Largest deviation of two eigenstates from being orthonormal."""

LOCALISED = 1e-14
"""Smallest advantage of the most localised basis over the next, per site, that is not rounding."""


class Resonance(NamedTuple):
    """The near-resonant set of a slow mode, as numbers of eigenstates, and the site that the resonance flips.

    Examples
    --------
    >>> Resonance(A=0, B=3, A_flipped=1, B_flipped=2, direct=False, site=0).pair("AB'")
    (0, 2)
    """

    A: int
    B: int
    A_flipped: int
    B_flipped: int
    direct: bool
    site: int

    def pair(self, name: str) -> tuple[int, int]:
        """Return the numbers of a named pair of A, B, A' and B'.

        Parameters
        ----------
        name : str
            As in `Pair`, other than ``"mu nu"``.
        """
        members = {"A": self.A, "B": self.B, "A'": self.A_flipped, "B'": self.B_flipped}
        first = "A'" if name.startswith("A'") else name[0]
        return members[first], members[name.removeprefix(first)]


class Demixed(NamedTuple):
    """How far two eigenstates are from localised ones: the angle θ, ε = tan(θ/2) and the localised states |a⟩, |b⟩.

    Examples
    --------
    >>> Demixed(0.0, 0.0, np.eye(2)).epsilon
    0.0
    """

    angle: float
    epsilon: float
    states: NDArray[np.complex128]


def demixed(first: NDArray[Any], second: NDArray[Any], sector: Sector) -> Demixed:
    """Find the most localised orthonormal basis of the span of two orthonormal states.

    It maximises Σ_j (⟨Z_j⟩_a - ⟨Z_j⟩_b)². Each Z_j within the pair is a vector v_j on its Bloch sphere, so that the
    basis is the axis n, n_z ≥ 0, along which Σ_j (v_j · n)² is largest, and θ is its polar angle.
    Then |A⟩ ∝ |a⟩ - ε |b⟩ and |B⟩ ∝ |b⟩ + ε |a⟩, up to phases.
    (Demixing of Morningstar et al., PRB 105, 174205 (2022); Eq. 7 of Ha, Morningstar and Huse, PRL 130, 250405 (2023).)

    Parameters
    ----------
    first, second : ndarray, shape (dim,)
        |A⟩ and |B⟩, orthonormal.
    sector : Sector
        Their basis, of spins 1/2.

    Returns
    -------
    Demixed
        θ from 0 to π/2, ε from 0 to 1, and |a⟩, |b⟩ as columns.

    Raises
    ------
    ValueError
        If the states are not orthonormal, or no basis of them is more localised than the others.

    Examples
    --------
    >>> a, b = np.eye(4)[1], np.eye(4)[2]
    >>> A, B = (a - 1e-9 * b), (b + 1e-9 * a)
    >>> round(demixed(A, B, Sector([nh.Spin(0.5)] * 2, None)).epsilon / 1e-9, 6)
    1.0
    """
    overlap = max(abs(np.vdot(first, second)), abs(np.vdot(first, first) - 1), abs(np.vdot(second, second) - 1))
    if not overlap <= ORTHONORMAL:
        raise ValueError(
            f"the two states miss orthonormality by {overlap:.1g}, but demixing is for eigenstates of a Hermitian or "
            "unitary matrix, which are orthonormal"
        )
    z = _polarisations(sector)
    across = z @ (first.conj() * second)
    along = (z @ (np.abs(first) ** 2 - np.abs(second) ** 2)) / 2
    bloch = np.stack([across.real, -across.imag, along])
    tensor = bloch @ bloch.T
    values, vectors = np.linalg.eigh(tensor)
    if values[-1] - values[-2] <= LOCALISED * len(z):
        raise ValueError(
            "no basis of the two states is more localised than the others: they have the same polarisations and Z "
            "does not connect them, or it does so alike in two directions"
        )
    axis = vectors[:, -1] * (1.0 if vectors[2, -1] >= 0 else -1.0)
    if axis[2] > 0.5:  # small angles are accurate from the equation of the eigenvector, not from its elements
        axis[:2] = np.linalg.solve(values[-1] * np.eye(2) - tensor[:2, :2], tensor[:2, 2] * axis[2])
    tilt = float(np.hypot(axis[0], axis[1]))
    angle = float(np.arctan2(tilt, axis[2]))
    phase = complex(axis[0], axis[1]) / tilt if tilt else 1.0
    mixing = np.array(
        [[np.cos(angle / 2), -np.conj(phase) * np.sin(angle / 2)], [phase * np.sin(angle / 2), np.cos(angle / 2)]]
    )
    return Demixed(angle, float(np.tan(angle / 2)), np.stack([first, second], axis=1) @ mixing)


def near_resonant_set(record: SlowMode, model: Model) -> Resonance:
    """Identify the eigenstates A, B, A' and B' through which the slow mode relaxes.

    |γ'⟩ is the eigenstate that X at the bath's site reaches from |γ⟩ best. If the dominant pair μ, ν is connected by
    Z there, it is the near-resonant pair {A, B} itself; otherwise {A, B} is the closer in quasienergy of {μ, ν'} and
    {μ', ν}, named so that {μ, ν} = {A, B'}.
    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), "Numerical observations".)

    Parameters
    ----------
    record : SlowMode
        The slow mode.
    model : Model
        Its model, of spins 1/2.

    Returns
    -------
    Resonance
        With whether the bath couples A and B directly (the paper's Z case), and the site x closest to the bath on
        which the demixed |a⟩ and |b⟩ differ in ⟨Z⟩ by more than 1, or -1 if there is none.

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> (mode,) = algorithms.DegeneratePerturbationSolver().records(circuit)
    >>> found = near_resonant_set(mode, circuit)
    >>> set(mode.dominant) == set(found.pair("AB" if found.direct else "AB'"))
    True
    """
    mu, nu = record.dominant
    direct = jump_fraction(record, model, mu, nu, "Z") > 0.5
    if direct:
        A, B = mu, nu
        A_flipped, B_flipped = _flipped(record, model, A), _flipped(record, model, B)
    else:
        mu_flipped, nu_flipped = _flipped(record, model, mu), _flipped(record, model, nu)
        if record.splitting(mu, nu_flipped) <= record.splitting(mu_flipped, nu):
            A, A_flipped, B, B_flipped = mu, mu_flipped, nu_flipped, nu
        else:
            A, A_flipped, B, B_flipped = nu, nu_flipped, mu_flipped, mu
    differing = np.flatnonzero(site_flips(record, A, B) > 0.5)
    distances = np.abs(differing - record.bath.place(model))
    site = int(differing[np.argmin(distances)]) if len(differing) else -1
    return Resonance(A, B, A_flipped, B_flipped, direct, site)


def _polarisations(sector: Sector) -> NDArray[np.float64]:
    """Return the diagonals of all Z_j, shape (L, dim)."""
    return np.array([site.op("Z").real.diagonal()[sector.digits(j)] for j, site in enumerate(sector.sites)])


def site_flips(record: SlowMode, first: int, second: int) -> NDArray[np.float64]:
    """Return |⟨Z_j⟩_a - ⟨Z_j⟩_b| / 2 of the localised states a and b of two eigenstates.

    Parameters
    ----------
    record : SlowMode
        The slow mode.
    first, second : int
        The eigenstates.

    Examples
    --------
    >>> (mode,) = algorithms.DegeneratePerturbationSolver().records(models.RandomFloquetCircuit(L=4, alpha=1e3))
    >>> bool((site_flips(mode, 0, 1).round(3) % 1 == 0).all())
    True
    """
    if first == second:  # a near-resonant set may name one eigenstate twice: it flips nothing
        return np.zeros(len(record.sector.dims))
    localised = demixed(record.states[:, first], record.states[:, second], record.sector).states
    a, b = (_polarisations(record.sector) @ np.abs(localised) ** 2).T
    flips: NDArray[np.float64] = np.abs(a - b) / 2
    return flips


def _flipped(record: SlowMode, model: Model, level: int) -> int:
    """Return the eigenstate that X at the bath's site reaches best from another one."""
    image = record.bath.apply("X", record.states[:, level], model)
    return int(np.argmax(np.abs(image.conj() @ record.states)))


def jump_fraction(record: SlowMode, model: Model, m: int, n: int, jump: str) -> float:
    """Return the part of a transition that one jump operator makes, |⟨m|E|n⟩|² / (κ S_mn).

    Parameters
    ----------
    record : SlowMode
        The slow mode.
    model : Model
        Its model.
    m, n : int
        The eigenstates.
    jump : str
        Name of the jump operator.

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=4, alpha=30.0)
    >>> (mode,) = algorithms.DegeneratePerturbationSolver().records(circuit)
    >>> round(sum(jump_fraction(mode, circuit, 0, 1, jump) for jump in "XYZ"), 12)
    1.0
    """
    bra, ket = record.states[:, m].conj(), record.states[:, n]
    element = bra @ record.bath.apply(jump, ket, model)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.abs(element) ** 2 / (record.strength * record.transitions[m, n]))


def named_pair(record: SlowMode, model: Model, name: str) -> tuple[int, int]:
    """Return the numbers of the eigenstates of a pair.

    Parameters
    ----------
    record : SlowMode
        The slow mode.
    model : Model
        Its model.
    name : str
        As in `Pair`.

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=4, alpha=30.0)
    >>> (mode,) = algorithms.DegeneratePerturbationSolver().records(circuit)
    >>> named_pair(mode, circuit, "mu nu") == mode.dominant
    True
    """
    return record.dominant if name == "mu nu" else near_resonant_set(record, model).pair(name)


def require_spins(model: Model) -> None:
    """Raise if a site has no Pauli matrices.

    Parameters
    ----------
    model : Model
        The model.

    Examples
    --------
    >>> require_spins(models.NonHermitianXXZ(L=4))
    """
    for site in set(model.sites):
        for name in "XZ":
            site.op(name)
