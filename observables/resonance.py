"""Observables of the near-resonance through which a slow mode relaxes."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.capability import Capability
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.slow_mode import SlowMode
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require
from mpsnh.observables.demixing import (
    Pair,
    demixed,
    jump_fraction,
    named_pair,
    near_resonant_set,
    require_spins,
    site_flips,
)
from mpsnh.observables.steady_state import require_vectors
from mpsnh.operators.sector import Sector
from mpsnh.states.vector import ExactState


class NearResonantSet(Observable[SlowMode]):
    """The eigenstates A, B, A', B' of `near_resonant_set`, whether the bath couples A and B by Z, and the site x.

    Eigenstates are numbered by quasienergy, sites from 0; x = -1 if A and B differ strongly at no site.
    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Fig. 3.)

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> data = nh.Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"set": NearResonantSet()}).run()
    >>> data["set"].sizes["member"]
    6
    """

    measures = SlowMode
    dims = ("member",)
    coords = {"member": ("A", "B", "A'", "B'", "Z case", "x")}
    long_name = "near-resonant set of eigenstates"

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        require_spins(model)

    @override
    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.int64]:
        """Return the numbers of the eigenstates, 1 or 0, and the site."""
        return np.array(near_resonant_set(record, model), dtype=np.int64)


class ResonanceProfile(Observable[SlowMode]):
    """What the resonance between A and B flips: |⟨Z_j⟩_a - ⟨Z_j⟩_b| / 2 of the demixed states, from 0 to 1 a site.

    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Eq. 7.)

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> measured = {"flips": ResonanceProfile(), "set": NearResonantSet()}
    >>> data = nh.Simulation(circuit, algorithms.DegeneratePerturbationSolver(), measured).run()
    >>> int(np.flatnonzero(data["flips"] > 0.5).max()) == int(data["set"].sel(member="x"))
    True
    """

    measures = SlowMode
    dims = ("site",)
    long_name = "flip of a site by the near-resonance"

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        require_spins(model)

    @override
    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.float64]:
        """Return the flip of each site."""
        return site_flips(record, *near_resonant_set(record, model).pair("AB"))


class ResonantLevels(Observable[SlowMode]):
    """The quasienergies θ and the polarisations c in the slow mode of the eigenstates A, B, A' and B'.

    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), "Near-resonant eigenstate set".)

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> data = nh.Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"levels": ResonantLevels()}).run()
    >>> c = data["levels"].sel(level="c")
    >>> bool(abs(c.sel(state="A") - c.sel(state="A'")) < 0.01 * abs(c.sel(state="A") - c.sel(state="B")))
    True
    """

    measures = SlowMode
    dims = ("state", "level")
    coords = {"state": ("A", "B", "A'", "B'"), "level": ("theta", "c")}
    long_name = "quasienergies and polarisations of the near-resonant set"

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        require_spins(model)

    @override
    def __call__(self, record: SlowMode, model: Model) -> NDArray[np.float64]:
        """Return θ and c of each of the states."""
        members = list(near_resonant_set(record, model)[:4])
        return np.stack([record.quasienergies[members], record.weights[members]], axis=1)


class ResonantTransitions(Observable[SlowMode]):
    """The transitions S of all pairs of a near-resonant set, and the fraction D / (Γ dim) of the relaxation by each.

    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Eqs. 3–5.)

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> measured = {"pairs": ResonantTransitions(), "R": observables.DominantFraction()}
    >>> data = nh.Simulation(circuit, algorithms.DegeneratePerturbationSolver(), measured).run()
    >>> bool(np.isclose(data["pairs"].sel(transition="fraction").max(), data["R"].sel(dominant_pair="R")))
    True
    """

    measures = SlowMode
    dims = ("pair", "transition")
    coords = {"pair": ("AB", "A'B", "AB'", "A'B'", "AA'", "BB'"), "transition": ("S", "fraction")}
    long_name = "transitions of the near-resonant set"

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        require_spins(model)

    @override
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
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> data = nh.Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"Z": JumpCharacter()}).run()
    >>> bool(0 <= data["Z"] <= 1)
    True
    """

    measures = SlowMode
    long_name = "fraction of jumps by one operator"
    pair: Pair = "mu nu"
    jump: str = "Z"

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        require_spins(model)
        bath = getattr(algorithm, "bath", None)
        if bath is not None:
            require(self.jump in bath.jumps, "jump", self.jump, "one of the bath's: " + ", ".join(bath.jumps))

    @override
    def __call__(self, record: SlowMode, model: Model) -> float:
        """Return the fraction."""
        return jump_fraction(record, model, *named_pair(record, model, self.pair), self.jump)


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
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> data = nh.Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"ratio": MatrixElementRatio()}).run()
    >>> bool(0.9 < data["ratio"] < 1.1)
    True
    """

    measures = SlowMode
    long_name = "ratio of transitions of the near-resonant set"
    infinite = "where there are none between the second pair"
    over: Pair = "AB'"
    under: Pair = "A'B"

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        require_spins(model)

    @override
    def __call__(self, record: SlowMode, model: Model) -> float:
        """Return the ratio."""
        over, under = (record.transitions[named_pair(record, model, pair)] for pair in (self.over, self.under))
        if over == under == 0:
            raise ArithmeticError(f"there are no transitions between {self.over} nor {self.under}, which have no ratio")
        with np.errstate(divide="ignore"):
            return float(np.divide(over, under))


class DemixingAngle(Observable[Spectrum | SlowMode]):
    """The demixing angle θ of two eigenstates and ε = tan(θ/2), as found by `demixed`.

    (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Fig. 4c, d.)

    Parameters
    ----------
    pair : str or (int, int)
        A pair of the near-resonant set of a slow mode, as in `Pair`, or the numbers of two eigenstates of any
        spectrum with orthonormal eigenvectors. A near-resonant set may name one eigenstate twice, which is
        not mixed with itself: then θ = 0.

    Raises
    ------
    ValueError
        If there is no such pair, its states are not orthonormal, or no basis of them is more localised than others.

    Examples
    --------
    >>> circuit = models.RandomFloquetCircuit(L=6, alpha=30.0, seed=1)
    >>> data = nh.Simulation(circuit, algorithms.DegeneratePerturbationSolver(), {"AB": DemixingAngle()}).run()
    >>> bool(0 < data["AB"].sel(mixing="epsilon") < 1)
    True
    """

    measures = (Spectrum, SlowMode)
    needs = frozenset([Capability.RIGHT_VECTORS])
    dims = ("mixing",)
    coords = {"mixing": ("theta", "epsilon")}
    long_name = "demixing angle of two eigenstates"
    pair: str | tuple[int, int] = "AB"

    @override
    def validate(self) -> None:
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

    @override
    def check(self, model: Model, algorithm: Algorithm[Any]) -> None:
        require_spins(model)
        if isinstance(self.pair, str):
            if not issubclass(algorithm.yields, SlowMode):
                raise ValueError(
                    f"pair = {self.pair!r} is one of a SlowMode, but {type(algorithm).__name__} yields "
                    f"{algorithm.yields.__name__}: give the numbers of two eigenstates"
                )
        else:
            require_vectors(self, model)
            dim = model.sector.dim
            require(max(self.pair) < dim, "pair", self.pair, f"below {dim}, the number of eigenstates")

    @override
    def __call__(self, record: Spectrum | SlowMode, model: Model) -> NDArray[np.float64]:
        """Return θ and ε."""
        spectrum = record.spectrum if isinstance(record, SlowMode) else record
        pair = self.pair
        m, n = named_pair(cast(SlowMode, record), model, pair) if isinstance(pair, str) else pair
        if m == n:
            return np.zeros(2)
        A, B = (cast(ExactState, spectrum.state(level)).vector for level in (m, n))
        mixed = demixed(A, B, cast(Sector, spectrum.sector))
        return np.array([mixed.angle, mixed.epsilon])
