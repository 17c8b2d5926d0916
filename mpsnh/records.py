"""Records: what algorithms yield and observables measure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from mpsnh.bath import Bath
from mpsnh.exact_state import ExactState
from mpsnh.mps import MPS
from mpsnh.opsum import OpSum
from mpsnh.sector import Sector
from mpsnh.value import require

NEVER = 1e300
"""A time that no run reaches; finite, because results that are not finite count as failed."""


class State(Protocol):
    """A quantum state that observables can measure: an MPS or an exact vector."""

    def expect(self, op: OpSum, /) -> complex:
        """Return ⟨R|O|R⟩/⟨R|R⟩ of an operator of any range."""
        ...

    def expect_each(self, *operators: str | OpSum) -> NDArray[np.complex128]:
        """Return the expectation values of many local operators at once."""
        ...

    def entanglement_entropy(self, bond: int) -> float:
        """Return the von Neumann entropy across the bond between sites `bond` and `bond` + 1."""
        ...

    def entanglement_profile(self) -> NDArray[np.float64]:
        """Return the von Neumann entropy across every bond."""
        ...

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield all there is to know of the state besides its sites, by name, to be written to a file."""
        ...

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return a state of the same kind and on the same sites from the arrays of another one."""
        ...


@dataclass(frozen=True)
class Diagnostic:
    """A number of a record that goes into every dataset, beside the observables.

    Examples
    --------
    >>> Diagnostic("discarded", "discarded weight").units
    '1'
    """

    field: str
    long_name: str
    units: str = "1"


@dataclass(frozen=True)
class Record:
    """Base of what algorithms yield.

    A subclass names in `axis` the field that labels successive records, or None if there is only one record,
    and in `diagnostics` the fields that tell how far a record can be trusted.

    Examples
    --------
    >>> sorted(Spectrum.diagnostics)
    ['attempts', 'certified']
    """

    axis: ClassVar[str | None] = None
    diagnostics: ClassVar[Mapping[str, Diagnostic]] = {}

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the record as arrays by name, for a checkpoint.

        Raises
        ------
        TypeError
            If a run can't go on from a record of this kind.
        """
        raise TypeError(f"a run can't go on from a {type(self).__name__}, so that it has no checkpoints")

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return a record of the same kind from the arrays of another one.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            What `arrays` returned.

        Raises
        ------
        TypeError
            If a run can't go on from a record of this kind.
        """
        raise TypeError(f"a run can't go on from a {type(self).__name__}, so that it has no checkpoints")


@dataclass(frozen=True)
class Snapshot(Record):
    """A state at one time of an evolution.

    Attributes
    ----------
    time : float
        Time in units of the inverse energy, or periods of a Floquet model.
    state : State
        The state, normalised.
    log_norm : float
        Natural logarithm of the norm of the un-normalised state, relative to the initial one.
    discarded : float
        Discarded weight (relative squared norm) summed over all truncations so far.
    discarded_step : float
        Discarded weight of a time step, on average since the snapshot before.
    noise : float
        Estimated relative error of local values from rounding and truncation, amplified since by gates that are not
        unitary; see `mpsnh.algorithms.NHTEBD`.
    trust_time : float
        When this estimate passes, or passed, the one that the algorithm was given as tolerable; 1e300 if never.
    memory : mapping of str to ndarray
        What else the algorithm must know for the same result as that of an uninterrupted run.

    Examples
    --------
    >>> from mpsnh import MPS, Spin
    >>> Snapshot(time=0.0, state=MPS.product([Spin(0.5)] * 2, ["up", "down"])).log_norm
    0.0
    """

    axis: ClassVar[str | None] = "time"
    diagnostics: ClassVar[Mapping[str, Diagnostic]] = {
        "log_norm": Diagnostic("log_norm", "logarithm of the norm of the un-normalised state"),
        "discarded_weight": Diagnostic("discarded", "discarded weight summed over all truncations"),
        "discarded_step": Diagnostic("discarded_step", "discarded weight of a time step"),
        "max_bond": Diagnostic("max_bond", "largest bond dimension"),
        "noise": Diagnostic("noise", "estimated relative error by amplified noise"),
        "trust_time": Diagnostic("trust_time", "time to which the noise is estimated to be tolerable"),
    }
    time: float
    state: State
    log_norm: float = 0.0
    discarded: float = 0.0
    discarded_step: float = 0.0
    noise: float = 0.0
    trust_time: float = NEVER
    memory: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    _NUMBERS: ClassVar[tuple[str, ...]] = ("time", "log_norm", "discarded", "discarded_step", "noise", "trust_time")

    @property
    def max_bond(self) -> float:
        """The largest bond dimension of the state; 1 if it is no matrix-product state."""
        return float(self.state.max_bond()) if isinstance(self.state, MPS) else 1.0

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the record as arrays by name, for a checkpoint."""
        yield from ((name, np.array(getattr(self, name))) for name in self._NUMBERS)
        yield from ((f"memory.{name}", array) for name, array in self.memory.items())
        yield from ((f"state.{name}", array) for name, array in self.state.arrays())

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return a snapshot from the arrays of another one with the same kind of state."""
        state, memory = (
            {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
            for prefix in ("state.", "memory.")
        )
        numbers = {name: float(arrays[name]) for name in self._NUMBERS}
        return replace(self, state=self.state.with_arrays(state), memory=memory, **numbers)


@dataclass(frozen=True)
class Spectrum(Record):
    """Eigenvalues and eigenvectors in a charge sector, ordered by decreasing growth: all of them, or the first few.

    Attributes
    ----------
    values : ndarray of complex, shape (n,)
        Eigenvalues.
    sector : Sector
        The basis of the vectors.
    right : ndarray, shape (dim, n), or None
        Right eigenvectors as columns of unit 2-norm.
    left : ndarray, shape (dim, n), or None
        Left eigenvectors as columns, biorthonormal: ``left.conj().T @ right`` is the identity.
        Of both there may be fewer than n, those of the fastest-growing levels.
    residuals : ndarray, shape (n,), or None
        ‖H R - E R‖ of the right vectors, if the solver does not make it as small as rounding allows.
    certified : bool
        Whether nothing is missing or wrong, as far as rounding allows; what speaks for it depends on the solver.
    attempts : int
        Random starts that the solver made; 0 if it makes none.
    complete : bool
        Whether these are all eigenvalues. If not, only the upper one of each conjugate pair is counted.
    largest_imag : float or None
        Largest |Im E| of all eigenvalues, if it is known though they are not.

    Examples
    --------
    >>> import numpy as np
    >>> from mpsnh import Spin
    >>> from mpsnh.sector import Sector
    >>> basis = Sector([Spin(0.5)] * 2, 0)
    >>> right, left = np.array([[1, 0.6], [0, 0.8]]), np.array([[1, 0], [-0.75, 1.25]])
    >>> Spectrum(np.array([1j, 0]), basis, right, left).condition_numbers().tolist()
    [1.25, 1.25]
    """

    diagnostics: ClassVar[Mapping[str, Diagnostic]] = {
        "certified": Diagnostic("certified", "whether no level is missing or wrong"),
        "attempts": Diagnostic("attempts", "random starts of the eigensolver"),
    }
    values: NDArray[np.complex128]
    sector: Sector
    right: NDArray[np.complex128] | None = field(default=None, repr=False)
    left: NDArray[np.complex128] | None = field(default=None, repr=False)
    residuals: NDArray[np.float64] | None = field(default=None, repr=False)
    certified: bool = True
    attempts: int = 0
    complete: bool = True
    largest_imag: float | None = None

    def condition_numbers(self) -> NDArray[np.float64]:
        """Return the condition number 1/|⟨L|R⟩| of each eigenvalue, for L and R of unit norm.

        An error ε of the matrix moves the eigenvalue by up to ε times this; it is 1 for a normal matrix.

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        ValueError
            If there are no left vectors.
        """
        if self.right is None or self.left is None:
            raise ValueError("condition numbers need both eigenvectors: use ExactDiag(vectors='both')")
        norms: NDArray[np.float64] = np.linalg.norm(self.left, axis=0) * np.linalg.norm(self.right, axis=0)
        return norms

    def state(self, level: int) -> ExactState:
        """Return a right eigenvector as a state that observables can measure.

        Parameters
        ----------
        level : int
            Its place in the order of decreasing growth; 0 is the steady state.

        Returns
        -------
        ExactState

        Raises
        ------
        ValueError
            If there are no right vectors, or not of this level.
        """
        if self.right is None:
            raise ValueError("eigenstates need right eigenvectors: use ExactDiag(vectors='right')")
        n = self.right.shape[1]
        require(-n <= level < n, "level", level, f"one of the {n} that have eigenvectors")
        return ExactState(self.right[:, level], self.sector)


@dataclass(frozen=True, kw_only=True)
class SlowMode(Spectrum):
    """The slowest relaxation of a closed system that is weakly coupled to a bath at infinite temperature.

    It is the operator τ = Σ_n c_n |n⟩⟨n| of the eigenstates, which decays with the rate κγΓ to first order in the
    coupling γ. (Ha, Morningstar and Huse, PRL 130, 250405 (2023), where κ = 3.)
    As a `Spectrum` it holds all levels of the closed system, e^{iθ} or E, ordered by θ or E.

    Attributes
    ----------
    quasienergies : ndarray, shape (dim,)
        θ_n, from -π to π, or the energies E_n.
    transitions : ndarray, shape (dim, dim)
        S_mn = (1/κ) Σ_j |⟨m|E_j|n⟩|² (Eq. 3).
    weights : ndarray, shape (dim,)
        c_n, with Σ c_n = 0 and Σ c_n² = dim; the largest |c_n| is positive.
    rate : float
        Γ.
    next_rate : float
        That of the second slowest mode. The slowest one is well defined if the two differ.
    bath : Bath
        The bath.
    strength : float
        κ, the rate of jumps in units of γ.
    order : int
        The order in γ up to which the rate is right: its relative error is of order γ.
    period : float or None
        2π if the levels are phases, None if they are energies.
    smallest_gap : float
        Smallest distance of two levels. First order in γ is meaningful for γ far below it.

    Examples
    --------
    >>> from mpsnh import algorithms, models
    >>> (mode,) = algorithms.DegeneratePerturbationSolver().records(models.RandomFloquetCircuit(L=4, alpha=10.0))
    >>> bool(abs(mode.contributions().sum() / 2 - 16 * mode.rate) < 1e-12)
    True
    """

    diagnostics: ClassVar[Mapping[str, Diagnostic]] = {
        "smallest_gap": Diagnostic("smallest_gap", "smallest distance of two levels of the closed system"),
        "next_rate": Diagnostic("next_rate", "relaxation rate of the second slowest mode in units of the jump rate"),
        "order": Diagnostic("order", "order in the coupling to the bath up to which rates are right"),
    }
    quasienergies: NDArray[np.float64] = field(repr=False)
    transitions: NDArray[np.float64] = field(repr=False)
    weights: NDArray[np.float64] = field(repr=False)
    rate: float
    next_rate: float
    bath: Bath
    strength: float
    order: int
    period: float | None
    smallest_gap: float

    @property
    def states(self) -> NDArray[np.complex128]:
        """The eigenstates |n⟩ as columns."""
        if self.right is None:
            raise ValueError("this slow mode has no eigenstates")
        return self.right

    def contributions(self) -> NDArray[np.float64]:
        """Return D_mn = S_mn (c_m - c_n)², whose sum over pairs is Γ dim (Eqs. 4, 5).

        Returns
        -------
        ndarray, shape (dim, dim)
        """
        contributions = self.weights[:, None] - self.weights
        contributions *= contributions
        contributions *= self.transitions
        return contributions

    @cached_property
    def dominant(self) -> tuple[int, int]:
        """The pair of eigenstates μ < ν that contributes most to the relaxation."""
        first, second = np.unravel_index(np.argmax(self.contributions()), self.transitions.shape)
        return int(min(first, second)), int(max(first, second))

    def operator(self) -> NDArray[np.complex128]:
        """Return τ = Σ_n c_n |n⟩⟨n| in the product basis, normalised to Tr τ² = dim.

        Returns
        -------
        ndarray, shape (dim, dim)
        """
        operator: NDArray[np.complex128] = (self.states * self.weights) @ self.states.conj().T
        return operator

    def splitting(self, m: int, n: int) -> float:
        """Return the distance of two levels, for phases around the circle.

        Parameters
        ----------
        m, n : int
            The levels.

        Returns
        -------
        float
        """
        distance = abs(float(self.quasienergies[m] - self.quasienergies[n]))
        return distance if self.period is None else min(distance, self.period - distance)
