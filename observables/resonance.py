"""How a slow mode relaxes: rates, the eigenstates that dominate, and their near-resonances."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from mpsnh.algorithm import Algorithm
from mpsnh.model import FloquetModel, Model
from mpsnh.observable import Observable
from mpsnh.observables.spectral import require_complete, require_vectors
from mpsnh.records import SlowMode, Spectrum
from mpsnh.sector import Sector
from mpsnh.value import require

Pair = Literal["AB", "A'B", "AB'", "A'B'", "AA'", "BB'", "mu nu"]
"""Names of pairs in a near-resonant set; mu and nu are the eigenstates that contribute most to the relaxation."""


class RelaxationRate(Observable[SlowMode]):
    """The relaxation of the slow mode: Γ, and its rate r_S / γ = κΓ.

    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), below Eq. 3, where κ = 3.)

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> circuit = models.RandomFloquetCircuit(L=5, alpha=20.0)
    >>> data = Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"rate": RelaxationRate()}).run()
    >>> gamma, rate = data["rate"].values
    >>> bool(np.isclose(rate, 3 * gamma))
    True
    """

    measures = SlowMode
    dims = ("quantity",)
    coords = {"quantity": ("Gamma", "r/gamma")}
    long_name = "relaxation rate of the slow mode"

    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.float64]:
        """Return Γ and κΓ."""
        return np.array([record.rate, record.strength * record.rate])


class DominantFraction(Observable[SlowMode]):
    """The fraction R of the relaxation that passes through one pair of eigenstates μ < ν, and that pair.

    R = max D / (Γ dim). (Ha, Morningstar and Huse, PRL 130, 250405 (2023), below Eq. 5 and Fig. 2.)

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> circuit = models.RandomFloquetCircuit(L=5, alpha=20.0)
    >>> data = Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"R": DominantFraction()}).run()
    >>> bool(0 < data["R"].sel(dominant_pair="R") <= 0.5)
    True
    """

    measures = SlowMode
    dims = ("dominant_pair",)
    coords = {"dominant_pair": ("R", "mu", "nu")}
    long_name = "fraction of the relaxation through the dominant pair of eigenstates"

    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.float64]:
        """Return R, μ and ν."""
        m, n = record.dominant
        current = record.transitions[m, n] * (record.weights[m] - record.weights[n]) ** 2
        return np.array([current / (len(record.weights) * record.rate), m, n])


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

        Returns
        -------
        (int, int)
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

    Examples
    --------
    >>> from mpsnh.site import Spin
    >>> a, b = np.eye(4)[1], np.eye(4)[2]
    >>> A, B = (a - 1e-9 * b), (b + 1e-9 * a)
    >>> round(demixed(A, B, Sector([Spin(0.5)] * 2, None)).epsilon / 1e-9, 6)
    1.0
    """
    z = _polarisations(sector)
    across = z @ (first.conj() * second)
    along = (z @ (np.abs(first) ** 2 - np.abs(second) ** 2)) / 2
    bloch = np.stack([across.real, -across.imag, along])
    tensor = bloch @ bloch.T
    values, vectors = np.linalg.eigh(tensor)
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
    >>> from mpsnh import algorithms, models
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> (mode,) = algorithms.DegeneratePerturbationSolver().records(circuit)
    >>> found = near_resonant_set(mode, circuit)
    >>> set(mode.dominant) == set(found.pair("AB" if found.direct else "AB'"))
    True
    """
    mu, nu = record.dominant
    direct = _jump_fraction(record, model, mu, nu, "Z") > 0.5
    if direct:
        A, B = mu, nu
        A_flipped, B_flipped = _flipped(record, model, A), _flipped(record, model, B)
    else:
        mu_flipped, nu_flipped = _flipped(record, model, mu), _flipped(record, model, nu)
        if record.splitting(mu, nu_flipped) <= record.splitting(mu_flipped, nu):
            A, A_flipped, B, B_flipped = mu, mu_flipped, nu_flipped, nu
        else:
            A, A_flipped, B, B_flipped = nu, nu_flipped, mu_flipped, mu
    differing = np.flatnonzero(_flips(record, A, B) > 0.5)
    distances = np.abs(differing - record.bath.place(model))
    site = int(differing[np.argmin(distances)]) if len(differing) else -1
    return Resonance(A, B, A_flipped, B_flipped, direct, site)


class NearResonantSet(Observable[SlowMode]):
    """The eigenstates A, B, A', B' of `near_resonant_set`, whether the bath couples A and B by Z, and the site x.

    Eigenstates are numbered by quasienergy, sites from 0; x = -1 if A and B differ strongly at no site.
    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Fig. 3.)

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> data = Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"set": NearResonantSet()}).run()
    >>> data["set"].sizes["member"]
    6
    """

    measures = SlowMode
    dims = ("member",)
    coords = {"member": ("A", "B", "A'", "B'", "Z case", "x")}
    long_name = "near-resonant set of eigenstates"

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if the sites are no spins 1/2."""
        _require_spins(model)

    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.int64]:
        """Return the numbers of the eigenstates, 1 or 0, and the site."""
        return np.array(near_resonant_set(record, model), dtype=np.int64)


class ResonanceProfile(Observable[SlowMode]):
    """What the resonance between A and B flips: |⟨Z_j⟩_a - ⟨Z_j⟩_b| / 2 of the demixed states, from 0 to 1 a site.

    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Eq. 7.)

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> measured = {"flips": ResonanceProfile(), "set": NearResonantSet()}
    >>> data = Simulation(circuit, algorithms.DegeneratePerturbationSolver(), measured).run()
    >>> int(np.flatnonzero(data["flips"] > 0.5).max()) == int(data["set"].sel(member="x"))
    True
    """

    measures = SlowMode
    dims = ("site",)
    long_name = "flip of a site by the near-resonance"

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if the sites are no spins 1/2."""
        _require_spins(model)

    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.float64]:
        """Return the flip of each site."""
        return _flips(record, *near_resonant_set(record, model).pair("AB"))


class ResonantLevels(Observable[SlowMode]):
    """The quasienergies θ and the polarisations c in the slow mode of the eigenstates A, B, A' and B'.

    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), "Near-resonant eigenstate set".)

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> data = Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"levels": ResonantLevels()}).run()
    >>> c = data["levels"].sel(level="c")
    >>> bool(abs(c.sel(state="A") - c.sel(state="A'")) < 0.01 * abs(c.sel(state="A") - c.sel(state="B")))
    True
    """

    measures = SlowMode
    dims = ("state", "level")
    coords = {"state": ("A", "B", "A'", "B'"), "level": ("theta", "c")}
    long_name = "quasienergies and polarisations of the near-resonant set"

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if the sites are no spins 1/2."""
        _require_spins(model)

    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.float64]:
        """Return θ and c of each of the states."""
        members = list(near_resonant_set(record, model)[:4])
        return np.stack([record.quasienergies[members], record.weights[members]], axis=1)


class ResonantTransitions(Observable[SlowMode]):
    """The transitions S of all pairs of a near-resonant set, and the fraction D / (Γ dim) of the relaxation by each.

    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Eqs. 3–5.)

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> measured = {"pairs": ResonantTransitions(), "R": DominantFraction()}
    >>> data = Simulation(circuit, algorithms.DegeneratePerturbationSolver(), measured).run()
    >>> bool(data["pairs"].sel(transition="fraction").max() == data["R"].sel(dominant_pair="R"))
    True
    """

    measures = SlowMode
    dims = ("pair", "transition")
    coords = {"pair": ("AB", "A'B", "AB'", "A'B'", "AA'", "BB'"), "transition": ("S", "fraction")}
    long_name = "transitions of the near-resonant set"

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if the sites are no spins 1/2."""
        _require_spins(model)

    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.float64]:
        """Return S and the fraction of each pair."""
        found = near_resonant_set(record, model)
        m, n = np.transpose([found.pair(name) for name in self.coords["pair"]])
        transitions = record.transitions[m, n]
        currents = transitions * (record.weights[m] - record.weights[n]) ** 2
        return np.stack([transitions, currents / (len(record.weights) * record.rate)], axis=1)


class JumpCharacter(Observable[SlowMode]):
    """The fraction Z_jump = |⟨m|Z|n⟩|² / Σ_j |⟨m|E_j|n⟩|² of the jumps between two states that one operator makes.

    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), "Numerical observations".)

    Parameters
    ----------
    pair : str
        The two states, as in `Pair`.
    jump : str
        The operator, one of the bath's; Z by default.

    Raises
    ------
    ValueError
        If there is no such pair or jump.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> data = Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"Z": JumpCharacter()}).run()
    >>> bool(0 <= data["Z"] <= 1)
    True
    """

    measures = SlowMode
    long_name = "fraction of jumps by one operator"
    pair: Pair = "mu nu"
    jump: str = "Z"

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if the bath has no such jump, or the sites are no spins 1/2."""
        _require_spins(model)
        bath = getattr(algorithm, "bath", None)
        if bath is not None:
            require(self.jump in bath.jumps, "jump", self.jump, "one of the bath's: " + ", ".join(bath.jumps))

    def __call__(self, record: SlowMode, model: Model) -> float:
        """Return the fraction."""
        return _jump_fraction(record, model, *_named(record, model, self.pair), self.jump)


class MatrixElementRatio(Observable[SlowMode]):
    """The ratio S_mn / S_kl of the transitions between two pairs of a near-resonant set.

    In the minimal model S_AB' / S_A'B = 1, and S_AB / S_AB' = 2 if the bath couples A and B by Z.
    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Fig. 4.)

    Parameters
    ----------
    over, under : str
        The pairs, as in `Pair`.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> data = Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"ratio": MatrixElementRatio()}).run()
    >>> bool(0.9 < data["ratio"] < 1.1)
    True
    """

    measures = SlowMode
    long_name = "ratio of transitions of the near-resonant set"
    over: Pair = "AB'"
    under: Pair = "A'B"

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if the sites are no spins 1/2."""
        _require_spins(model)

    def __call__(self, record: SlowMode, model: Model) -> float:
        """Return the ratio."""
        over, under = (record.transitions[_named(record, model, pair)] for pair in (self.over, self.under))
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.divide(over, under))


class DemixingAngle(Observable[Spectrum]):
    """The demixing angle θ of two eigenstates and ε = tan(θ/2), as found by `demixed`.

    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Fig. 4c, d.)

    Parameters
    ----------
    pair : str or (int, int)
        A pair of the near-resonant set of a slow mode, as in `Pair`, or the numbers of two eigenstates of any
        spectrum with orthonormal eigenvectors.

    Raises
    ------
    ValueError
        If there is no such pair.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> data = Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"AB": DemixingAngle()}).run()
    >>> bool(0 < data["AB"].sel(mixing="epsilon") < 1)
    True
    """

    measures = Spectrum
    dims = ("mixing",)
    coords = {"mixing": ("theta", "epsilon")}
    long_name = "demixing angle of two eigenstates"
    pair: str | tuple[int, int] = "AB"

    def validate(self) -> None:
        """Check that the pair is named, or made of two numbers."""
        if isinstance(self.pair, str):
            names = Pair.__args__  # type: ignore[attr-defined]
            require(self.pair in names, "pair", self.pair, f"one of {', '.join(map(repr, names))}, or two numbers")
            return
        numbers = isinstance(self.pair, tuple | list) and all(isinstance(n, int | np.integer) for n in self.pair)
        require(
            numbers and len(self.pair) == 2 and min(self.pair) >= 0 and self.pair[0] != self.pair[1],
            "pair",
            self.pair,
            "two different numbers of eigenstates",
        )

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if the sites are no spins 1/2, or the algorithm yields no such pair of eigenstates."""
        _require_spins(model)
        require_vectors(self, algorithm, "right", "both")
        if isinstance(self.pair, str):
            if not issubclass(algorithm.yields, SlowMode):
                raise ValueError(
                    f"pair = {self.pair!r} is one of a SlowMode, but {type(algorithm).__name__} yields "
                    f"{algorithm.yields.__name__}: give the numbers of two eigenstates"
                )
        else:
            dim = model.sector.dim
            require(max(self.pair) < dim, "pair", self.pair, f"below {dim}, the number of eigenstates")

    def __call__(self, record: Spectrum, model: Model) -> NDArray[np.float64]:
        """Return θ and ε."""
        pair = self.pair
        m, n = _named(cast(SlowMode, record), model, pair) if isinstance(pair, str) else pair
        found = demixed(record.state(m).vector, record.state(n).vector, record.sector)
        return np.array([found.angle, found.epsilon])


class PauliWeight(Observable[SlowMode]):
    """Where the slow mode acts: its weight on strings of operators, site by site, normalised to a total of 1.

    The weight at the bath's site is 3Γ/4 for the bath of X, Y and Z.
    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), "Relaxation of the slowest mode".)

    Parameters
    ----------
    by : "site" or "reach"
        The weight of all strings that act on a site, or of those for which that is the site nearest to the bath, which
        sum up to 1.

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> measured = {"weight": PauliWeight(), "rate": RelaxationRate()}
    >>> data = Simulation(circuit, algorithms.DegeneratePerturbationSolver(), measured).run()
    >>> bool(np.isclose(data["weight"][-1], 3 / 4 * data["rate"].sel(quantity="Gamma")))
    True
    """

    measures = SlowMode
    dims = ("site",)
    long_name = "weight of the slow mode on strings of operators"
    by: Literal["site", "reach"] = "site"

    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.float64]:
        """Return the weight for each site."""
        operator = record.operator()
        dims = list(record.sector.dims)
        total = np.linalg.norm(operator) ** 2
        weights = np.zeros(len(dims))
        for j in sorted(range(len(dims)), key=lambda j: abs(j - record.bath.place(model))):
            left, d = int(np.prod(dims[:j])), dims[j]
            blocks = operator.reshape(left, d, -1, left, d, operator.shape[0] // (left * d))
            diagonal = [blocks[:, a, :, :, a, :] for a in range(d)]
            trace = np.sum(diagonal, axis=0)
            across = [blocks[:, a, :, :, b, :] for a in range(d) for b in range(a + 1, d)]
            acting = [np.linalg.norm(block - trace / d) ** 2 for block in diagonal]
            acting += [2 * np.linalg.norm(block) ** 2 for block in across]
            weights[j] = sum(acting) / total
            if self.by == "reach":
                # what does not act on this site, as an operator of the others and of the same norm
                operator, dims[j] = (trace / np.sqrt(d)).reshape(len(operator) // d, -1), 1
        return weights


class GapRatio(Observable[Spectrum]):
    """The mean gap ratio ⟨r⟩ of real levels: energies of a Hamiltonian, or phases of a Floquet map.

    r = min(s_n, s_{n+1}) / max(s_n, s_{n+1}) of adjacent spacings, for phases around the circle. The mean is 0.3863 for
    independent levels and 0.5996 for random unitary matrices (CUE).
    (Oganesyan and Huse, PRB 75, 155111 (2007); Atas et al., PRL 110, 084101 (2013).)

    Examples
    --------
    >>> from mpsnh import Simulation, algorithms, models
    >>> circuit = models.RandomFloquetCircuit(L=7, alpha=1.0)
    >>> data = Simulation(circuit, algorithms.ExactDiag(vectors="none"), {"r": GapRatio()}).run()
    >>> bool(0.5 < data["r"] < 0.7)
    True
    """

    measures = Spectrum
    long_name = "mean gap ratio of the levels"

    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        """Raise if the algorithm does not compute the whole spectrum, or that has too few levels."""
        require_complete(self, algorithm)
        require(model.sector.dim >= 4, "dimension of the sector", model.sector.dim, "at least 4")

    def __call__(self, record: Spectrum, model: Model) -> float:
        """Return ⟨r⟩."""
        if isinstance(model, FloquetModel):
            phases = np.sort(np.angle(record.values))
            spacings = np.diff(phases, append=phases[0] + 2 * np.pi)
            following = np.roll(spacings, -1)
        else:
            spacings = np.diff(np.sort(record.values.real))
            spacings, following = spacings[:-1], spacings[1:]
        larger, smaller = np.maximum(spacings, following), np.minimum(spacings, following)
        return float(np.mean(smaller[larger > 0] / larger[larger > 0]))


def _polarisations(sector: Sector) -> NDArray[np.float64]:
    """Return the diagonals of all Z_j, shape (L, dim)."""
    return np.array([site.op("Z").real.diagonal()[sector.digits(j)] for j, site in enumerate(sector.sites)])


def _flips(record: SlowMode, first: int, second: int) -> NDArray[np.float64]:
    """Return |⟨Z_j⟩_a - ⟨Z_j⟩_b| / 2 of the localised states a and b of two eigenstates."""
    localised = demixed(record.states[:, first], record.states[:, second], record.sector).states
    a, b = (_polarisations(record.sector) @ np.abs(localised) ** 2).T
    flips: NDArray[np.float64] = np.abs(a - b) / 2
    return flips


def _flipped(record: SlowMode, model: Model, level: int) -> int:
    """Return the eigenstate that X at the bath's site reaches best from another one."""
    image = record.bath.apply("X", record.states[:, level], model)
    return int(np.argmax(np.abs(image.conj() @ record.states)))


def _jump_fraction(record: SlowMode, model: Model, m: int, n: int, jump: str) -> float:
    bra, ket = record.states[:, m].conj(), record.states[:, n]
    element = bra @ record.bath.apply(jump, ket, model)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.abs(element) ** 2 / (record.strength * record.transitions[m, n]))


def _named(record: SlowMode, model: Model, name: str) -> tuple[int, int]:
    return record.dominant if name == "mu nu" else near_resonant_set(record, model).pair(name)


def _require_spins(model: Model) -> None:
    """Raise if a site has no Pauli matrices."""
    for site in set(model.sites):
        for name in "XZ":
            site.op(name)
