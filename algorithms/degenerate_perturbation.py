"""The slowest mode of a system weakly coupled to a bath, in degenerate perturbation theory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.algorithm import Algorithm, require_nothing_after
from mpsnh.base.bath import Bath
from mpsnh.base.capability import Capability
from mpsnh.base.model import Model
from mpsnh.base.records import Diagnostic
from mpsnh.base.slow_mode import SlowMode
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require, require_memory
from mpsnh.linalg.markov import slowest
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.normal import eigen_hermitian, eigen_unitary
from mpsnh.operators.matrix import require_closed
from mpsnh.states.vector import Eigenvectors


class DegeneratePerturbationSolver(Algorithm[SlowMode]):
    """The slowest relaxation of a closed system with a bath, to first order in the coupling γ.

    At γ = 0 all |n⟩⟨n| of eigenstates are stationary. To first order the bath makes a Markov process of them, whose
    transitions S_mn are squared matrix elements of the jump operators; its slowest mode is found without ever
    subtracting two rates. (Ha, Morningstar and Huse, PRL 130, 250405 (2023), Eqs. 3–5.)

    Levels must not be degenerate, or coherences between them relax together with the |n⟩⟨n|.

    The rate is right to order γ. For circuits with the bath of X, Y and Z its relative error is γ, the same for all of
    them, and for Hamiltonians it is of order γ², once γ is far below the spacing of the levels.

    Parameters
    ----------
    bath : Bath
        The bath; X, Y and Z on the last site by default.
    resolution : float
        Smallest distance of two levels that is accepted, relative to the largest |E| for a Hamiltonian. 0 accepts
        all; then of levels that are equal some basis is taken.

    Raises
    ------
    ValueError
        If the model is not unitary (Hermitian), or bath and model do not fit.
    MemoryError
        If the matrices do not fit in memory.
    ArithmeticError
        If levels are degenerate, or the bath does not connect all eigenstates.

    Examples
    --------
    The rate is 4/3 of the weight of τ on operators that act on the last site:

    >>> (mode,) = DegeneratePerturbationSolver().records(models.RandomFloquetCircuit(L=5, alpha=10.0, seed=1))
    >>> blocks = mode.operator().reshape(16, 2, 16, 2)
    >>> elsewhere = np.linalg.norm(np.einsum("isjs->ij", blocks)) ** 2 / 2 / 32
    >>> bool(np.isclose(mode.rate, 4 / 3 * (1 - elsewhere)))
    True
    """

    yields = SlowMode
    diagnostics = {
        "smallest_gap": Diagnostic("smallest_gap", "smallest distance of two levels of the closed system"),
        "next_rate": Diagnostic("next_rate", "relaxation rate of the second slowest mode in units of the jump rate"),
        "order": Diagnostic("order", "order in the coupling to the bath up to which rates are right"),
    }
    bath: Bath = Bath()
    resolution: float = 1e-10

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        levels = (Capability.ALL_LEVELS, Capability.SEVERAL_LEVELS)
        every = (*levels, Capability.LARGEST_IMAGINARY_PART, Capability.RIGHT_VECTORS)
        return frozenset(every)

    @override
    def validate(self) -> None:
        require(self.resolution >= 0, "resolution", self.resolution, "zero or positive")
        if not isinstance(self.bath, Bath):
            raise TypeError(f"bath = {self.bath!r}, but it must be a Bath")

    @override
    def check(self, model: Model) -> None:
        model.check()
        self.bath.check(model)
        require_memory(self.bytes_needed(model), f"the slowest mode of {model.L} sites")
        require_closed(model.generator, model.sector)

    @override
    def bytes_needed(self, model: Model) -> float:
        return 8 * 16 * float(np.prod([site.dim for site in model.sites], dtype=float)) ** 2

    @override
    def records(self, model: Model, after: SlowMode | None = None) -> Iterator[SlowMode]:
        """Yield the slowest mode, as one record.

        Parameters
        ----------
        model : Model
            The closed system.
        after : None
            There is nothing to continue.

        Raises
        ------
        ValueError
            If `after` is given.
        ArithmeticError
            If levels are degenerate, or the bath does not connect all eigenstates.
        """
        require_nothing_after(self, after)
        self.check(model)
        circle = model.generator.circle
        values, states = _eigenstates(model.matrix(), phases=circle is not None)
        levels = model.generator.levels(values)
        gaps = np.diff(levels) if circle is None else np.diff(levels, append=levels[0] + circle)
        scale = float(np.abs(levels).max()) if circle is None else 1.0
        smallest, allowed = float(gaps.min()), self.resolution * scale
        close = int(np.count_nonzero(gaps < allowed))
        if close:
            raise ArithmeticError(
                f"{close} pairs of neighbouring levels of the closed system are closer than {allowed:.1g} (the "
                f"smallest gap is {smallest:.1g}): coherences between degenerate levels mix with the populations; "
                "break the symmetry, or accept any basis of such levels with resolution=0"
            )
        transitions = self.bath.transitions(states, model)
        relaxation = slowest(transitions)
        rates, modes = relaxation.values, relaxation.vectors
        weights = modes[:, 0] * (np.sqrt(len(levels)) / np.linalg.norm(modes[:, 0]))
        yield SlowMode(
            Spectrum(
                values,
                model.sector,
                Eigenvectors(states, model.sector),
                order="energy" if circle is None else "phase",
                certified=True,
            ),
            transitions=transitions,
            weights=weights * np.sign(weights[np.argmax(np.abs(weights))]),
            rate=float(rates[0]),
            next_rate=float(rates[1]),
            bath=self.bath,
            strength=self.bath.strength(model),
            order=1,
            smallest_gap=smallest,
        )


def _eigenstates(matrix: Any, *, phases: bool) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return the eigenvalues of a unitary or Hermitian matrix, in the order of their levels, and its eigenstates."""
    pairs = (eigen_unitary if phases else eigen_hermitian)(Matrix(matrix).dense)
    return pairs.values, pairs.vectors
