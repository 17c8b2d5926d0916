"""The slowest mode of a system weakly coupled to a bath, in degenerate perturbation theory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.bath import Bath, require_closed
from mpsnh.base.floquet import FloquetModel
from mpsnh.base.model import Model
from mpsnh.base.slow_mode import SlowMode
from mpsnh.checks import require, require_memory
from mpsnh.linalg.markov import slowest
from mpsnh.linalg.normal import eigen_hermitian, eigen_unitary


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
    bath: Bath = Bath()
    resolution: float = 1e-10

    def validate(self) -> None:
        """Check the resolution and the type of the bath."""
        require(self.resolution >= 0, "resolution", self.resolution, "zero or positive")
        if not isinstance(self.bath, Bath):
            raise TypeError(f"bath = {self.bath!r}, but it must be a Bath")

    def check(self, model: Model) -> None:
        """Raise if the model is not unitary (Hermitian), the bath does not fit it or memory does not suffice.

        Parameters
        ----------
        model : Model
            The closed system.

        Raises
        ------
        ValueError
            If something does not fit.
        MemoryError
            With the memory that is needed.
        """
        model.check()
        self.bath.check(model)
        require_memory(self.memory(model), f"the slowest mode of {model.L} sites")
        require_closed(model)

    def memory(self, model: Model) -> float:
        """Return the bytes of the matrices.

        Parameters
        ----------
        model : Model
            The closed system.

        Returns
        -------
        float
        """
        return 8 * 16 * float(np.prod([site.dim for site in model.sites], dtype=float)) ** 2

    def records(self, model: Model, after: SlowMode | None = None) -> Iterator[SlowMode]:
        """Yield the slowest mode, as one record.

        Parameters
        ----------
        model : Model
            The closed system.
        after : None
            There is nothing to continue.

        Yields
        ------
        SlowMode

        Raises
        ------
        ValueError
            If `after` is given.
        ArithmeticError
            If levels are degenerate, or the bath does not connect all eigenstates.
        """
        if after is not None:
            raise ValueError("DegeneratePerturbationSolver has nothing to continue; leave out `after`")
        self.check(model)
        floquet = isinstance(model, FloquetModel)
        values, states, levels = _levels(model, floquet)
        gaps = np.diff(levels, append=levels[0] + 2 * np.pi) if floquet else np.diff(levels)
        smallest, allowed = float(gaps.min()), self.resolution * (1.0 if floquet else float(np.abs(levels).max()))
        close = int(np.count_nonzero(gaps < allowed))
        if close:
            raise ArithmeticError(
                f"{close} pairs of neighbouring levels of the closed system are closer than {allowed:.1g} (the "
                f"smallest gap is {smallest:.1g}): coherences between degenerate levels mix with the populations; "
                "break the symmetry, or accept any basis of such levels with resolution=0"
            )
        transitions = self.bath.transitions(states, model)
        rates, modes = slowest(transitions)
        weights = modes[:, 0] * (np.sqrt(len(levels)) / np.linalg.norm(modes[:, 0]))
        yield SlowMode(
            values,
            model.sector,
            states,
            quasienergies=levels,
            transitions=transitions,
            weights=weights * np.sign(weights[np.argmax(np.abs(weights))]),
            rate=float(rates[0]),
            next_rate=float(rates[1]),
            bath=self.bath,
            strength=self.bath.strength(model),
            order=1,
            period=2 * np.pi if floquet else None,
            smallest_gap=smallest,
        )


def _levels(model: Model, floquet: bool) -> tuple[NDArray[np.complex128], NDArray[np.complex128], NDArray[np.float64]]:
    """Return eigenvalues, eigenstates and levels; the matrix itself is forgotten."""
    matrix = model.matrix()
    if floquet:
        values, states, _ = eigen_unitary(matrix)
        return values, states, np.angle(values)
    values, states, _ = eigen_hermitian(matrix.toarray() if scipy.sparse.issparse(matrix) else matrix)
    return values, states, values.real
