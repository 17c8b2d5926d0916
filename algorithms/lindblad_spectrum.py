"""Steady states, gap and modes of the Lindblad equation of small open systems."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.algorithms.density_evolution import matrices_bytes, require_charge
from mpsnh.algorithms.exact_diag import ExactDiag
from mpsnh.algorithms.steady_state import SteadyState
from mpsnh.base.algorithm import Algorithm, require_nothing_after
from mpsnh.base.capability import Capability
from mpsnh.base.diagonalisation import CERTIFIED, Diagonalisation
from mpsnh.base.model import Model
from mpsnh.base.open_model import DoubledModel, OpenModel
from mpsnh.base.records import Diagnostic
from mpsnh.base.relaxation import Mode, Operators, Relaxation
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require, require_memory
from mpsnh.linalg.bounds import EPS
from mpsnh.linalg.degeneracy import by_growth
from mpsnh.linalg.fixed_points import extremal_fixed_points
from mpsnh.linalg.matrix import Matrix
from mpsnh.operators.configurations import Space
from mpsnh.operators.lindblad import elements, on_supports
from mpsnh.states.density import DensityMatrix

ROUNDING = 1e-13
"""Error of an eigenvalue that is zero, relative to the norm of 𝓛 and the root of the dimension of kets."""

DOUBT = 100.0
"""Eigenvalues up to this times the error of zero are neither zero nor not."""

ACCURATE = 1e-8
"""Largest error of eigenvalues, relative to the norm of 𝓛, and of steady states that is certified."""

SMALL = 256
"""Largest dimension of a sector in which all levels are found first."""


class _SectorLevels(NamedTuple):
    """Levels of one charge sector of doubled sites, and the steady states that lie in it."""

    values: NDArray[np.complex128]
    errors: NDArray[np.float64]
    right: list[Mode]
    left: list[Mode]
    missing: str
    complete: bool
    certified: bool
    steady: list[DensityMatrix]
    residuals: list[float]

    def mirrored(self) -> _SectorLevels:
        """Those of the sector in which kets and bras are exchanged, which has none of its own steady states."""
        right, left = ([replace(mode, adjoint=True) for mode in modes] for modes in (self.right, self.left))
        return self._replace(values=self.values.conj(), right=right, left=left, steady=[], residuals=[])


class LindbladSpectrum(Algorithm[Relaxation]):
    """Steady states of an `mpsnh.OpenModel`, and the eigenvalues λ of its Lindblad equation of largest Re λ.

    The levels of i𝓛 are found in each charge sector of doubled sites by `SteadyState`, or all of them by `ExactDiag`,
    which certify them. Of those that are zero within their errors there are as many as exist, whatever `k`: the steady
    states are made of them. A mode that decays by less than about 1e-13 of the norm of 𝓛 counts as steady, one that is
    near to that is refused: that there are several steady states in one sector is never certified. The gap is that of
    `observables.SteadyStateGap`, and `observables.OfLevel` measures any observable of states in the steady one.

    Parameters
    ----------
    k : int or None
        How many levels of each sector, at least; None for all.
    coherences : bool
        Whether to look at the sectors of matrix elements between different charges too. They have no steady states
        but, together with the others, the gap of the whole Lindblad equation.
    vectors : "right" or "both"
        Whether left modes are wanted too; at an exceptional point there are none, and `missing` says so.
    tolerance : float
        As of `SteadyState`.
    seed : int
        Of random vectors.

    Raises
    ------
    TypeError
        If the model is no `mpsnh.OpenModel`.
    ArithmeticError
        If levels are not certain.

    Examples
    --------
    Two driven, decaying spins:

    >>> drive = nh.OpSum.sum((1.0, "Sx", j) for j in range(2))
    >>> decay = [nh.OpSum([(1.0, "Sm", j)]) for j in range(2)]
    >>> atoms = models.OpenChain(L=2, hamiltonian=drive, jump_operators=decay)
    >>> measured = {"sz": observables.OfLevel(observable=observables.Magnetization())}
    >>> data = nh.Simulation(atoms, LindbladSpectrum(), measured | {"gap": observables.SteadyStateGap()}).run()
    >>> data["sz"].values.round(9).tolist(), float(data["gap"].round(9)), int(data["steady_states"])
    ([-0.166666667, -0.166666667], 0.5, 1)
    """

    yields = Relaxation
    diagnostics = CERTIFIED | {
        "steady_states": Diagnostic("count", "number of steady states"),
        "residual": Diagnostic("largest_residual", "largest norm of the change of a steady state in unit time", "J"),
    }
    k: int | None = 2
    coherences: bool = True
    vectors: Literal["right", "both"] = "right"
    tolerance: float = 1e-11
    seed: int = 0

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        known = (Capability.SEVERAL_LEVELS, Capability.BY_GROWTH, Capability.RIGHT_VECTORS)
        every = (Capability.ALL_LEVELS, Capability.LARGEST_IMAGINARY_PART) if self.k is None and self.coherences else ()
        return frozenset([*known, *every])

    @override
    def validate(self) -> None:
        require(self.k is None or self.k >= 2, "k", self.k, "at least 2, for a gap")
        self._solver(2, SMALL + 1).validate()

    def _solver(self, k: int, dim: int) -> Diagonalisation:
        if self.k is None or dim <= SMALL:
            return ExactDiag(vectors=self.vectors, method="dense", leading=None if self.k is None else min(k, dim))
        return SteadyState(k=k, vectors=self.vectors, tolerance=self.tolerance, seed=self.seed)

    @override
    def check(self, model: Model) -> None:
        if not isinstance(model, OpenModel):
            raise TypeError(f"LindbladSpectrum needs an OpenModel, which {type(model).__name__} is not")
        model.check()
        require_charge(model)
        require_memory(self.bytes_needed(model), f"the Lindblad equation of {model.L} sites")

    @override
    def bytes_needed(self, model: Model) -> float:
        assert isinstance(model, OpenModel)
        least = matrices_bytes(model)
        if least > 2**34:
            return least
        largest = max(float(Space(model.lindbladian().sites, charge).dim) for charge, _ in _sectors(model))
        # all vectors of a dense matrix, or a block of few and the matrix
        return least + (150 * largest**2 if self.k is None else largest * (300 * model.L + 100 * (self.k + 16)))

    @override
    def records(self, model: Model, after: Relaxation | None = None) -> Iterator[Relaxation]:
        """Yield the steady states and levels, as one record.

        Parameters
        ----------
        model : Model
            An `mpsnh.OpenModel`.
        after : None
            There is nothing to continue.
        """
        require_nothing_after(self, after)
        self.check(model)
        assert isinstance(model, OpenModel)
        view, sectors = model.lindbladian(), []
        unit = max((abs(matrix).max() for _, matrix in on_supports(view.terms(), view.sites)), default=0.0)
        for charge, mirrored in _sectors(model):
            if self.coherences or not mirrored:
                sectors.append(self._in_sector(model, charge, unit, steady=not mirrored))
            if self.coherences and mirrored:
                sectors.append(sectors[-1].mirrored())
        yield self._record(model, sectors)

    def _in_sector(self, model: OpenModel, charge: int, unit: float, *, steady: bool) -> _SectorLevels:
        """Find the levels of a sector: all that are zero, and `k` at least; `unit` is the size of matrix elements."""
        view = DoubledModel(L=model.L, charge=charge, of=model)
        matrix = Matrix(view.matrix(), f"the matrix of {view!r}")
        size = max(unit, matrix.range.width, matrix.range.height)
        spectrum, zero = self._levels(view, matrix, size)
        count, complete = len(zero), len(zero) == matrix.dim
        errors, values = spectrum.resolution()[:count], spectrum.values[:count]
        errors = np.fmax(errors, 0.0 if spectrum.residuals is None else spectrum.residuals)
        errors, values = np.where(zero, np.fmax(errors, np.abs(values)), errors), np.where(zero, 0.0, -1j * values)
        places = elements(view.sector, model.sector)
        right, left = (
            [] if side is None else [Mode(column, places) for column in np.asarray(side).T]
            for side in (spectrum.right, spectrum.left)
        )
        states = list(_steady(model, [right[n] for n in np.flatnonzero(zero)])) if steady else []
        changes = [float(np.linalg.norm(matrix.array @ places.vector(state.matrix))) for state in states]
        slowest = np.abs(values[~zero]).min(initial=-values.real.min() if not complete else np.inf)
        known = math.sqrt(model.sector.dim) * (max(changes, default=0.0) + EPS * size) <= ACCURATE * slowest
        # One mode of a sector with a trace must stay; that another one does, and is not just slow, is never certain.
        single = int(np.count_nonzero(zero)) == int(steady)
        certified = known and single and _certain(spectrum, count, ACCURATE * size)
        missing = spectrum.missing if self.vectors == "both" and spectrum.left is None else ""
        return _SectorLevels(values, errors, right, left, missing, complete, certified, states, changes)

    def _levels(self, view: DoubledModel, matrix: Matrix, size: float) -> tuple[Spectrum, NDArray[np.bool_]]:
        """Find levels of a sector, with vectors of the first ones, and say which of these are zero."""
        k, root = self.k or 2, math.sqrt(view.of.sector.dim)
        while True:
            spectrum = self._solver(k, matrix.dim).spectrum(view, matrix)
            if spectrum.right is None and matrix.dim <= SMALL:  # all of them may have vectors where a few have none
                spectrum = ExactDiag(vectors=self.vectors, method="dense").spectrum(view, matrix)
            if spectrum.right is None:
                raise ArithmeticError(f"the modes of {view.sector} have no vectors: {spectrum.missing}")
            sizes = np.abs(spectrum.values[: len(spectrum.right)])
            residuals = 0.0 if spectrum.residuals is None else spectrum.residuals
            # the projector on what never decays enlarges no trace norm, so that its norm is at most `root`
            reach = root * np.fmax(10 * residuals, ROUNDING * size)
            zero = sizes <= reach
            doubtful = ~zero & (sizes <= DOUBT * reach)
            if doubtful.any():
                raise ArithmeticError(
                    f"a mode decays or turns with λ = {-1j * spectrum.values[: len(zero)][doubtful][0]:.3g}, which is "
                    f"too slow to be told from a steady state next to the norm of the Lindblad equation, {size:.3g}; "
                    "a smaller tolerance, or larger rates, may help"
                )
            # what oscillates without decay grows like what is zero, and may come before it
            if len(zero) == matrix.dim or spectrum.values[len(zero) - 1].imag < -DOUBT * np.max(reach):
                return spectrum, zero
            k *= 2

    def _record(self, model: OpenModel, sectors: list[_SectorLevels]) -> Relaxation:
        values, errors = (np.concatenate([getattr(one, name) for one in sectors]) for name in ("values", "errors"))
        right, left = ([mode for one in sectors for mode in getattr(one, side)] for side in ("right", "left"))
        # below the last level of a sector there may be others of it
        reached = max((float(one.values.real.min()) for one in sectors if not one.complete), default=-np.inf)
        zeros, rest = np.flatnonzero(values == 0), np.flatnonzero((values != 0) & (values.real >= reached))
        generator = model.generator
        ranked = by_growth(generator.amplification(values[rest]), generator.levels(values[rest]), errors[rest])
        order = np.concatenate([zeros, rest[ranked]])
        dim, view = model.sector.dim, model.lindbladian()
        missing = next((one.missing for one in sectors if one.missing), "")
        return Relaxation(
            values[order],
            Space(view.sites, view.charge),
            errors=errors[order],
            order="growth",
            certified=all(one.certified for one in sectors),
            steady=tuple(state for one in sectors for state in one.steady),
            steady_residuals=np.array([change for one in sectors for change in one.residuals]),
            modes=Operators([right[n] for n in order], dim),
            left_modes=Operators([left[n] for n in order], dim) if self.vectors == "both" and not missing else None,
            missing=missing,
        )


def _certain(spectrum: Spectrum, count: int, allowed: float) -> bool:
    """Tell whether the first levels are: if others are known, these may be inaccurate as long as they grow less."""
    if not spectrum.complete:
        return spectrum.certified
    errors, growth = spectrum.resolution(), spectrum.values.imag
    first = bool((errors[:count] <= allowed).all())
    return first and bool((growth[count:] + errors[count:] <= growth[count - 1] + allowed).all())


def _sectors(model: OpenModel) -> list[tuple[int, bool]]:
    """Return charges of doubled sites, and whether another one, left out, is the same with kets and bras exchanged."""
    ket, bra = model.lindbladian().weights
    single = {0}
    for site in model.sites:
        single = {q + local for q in single for local in site.charges}
    pairs = itertools.product(single if model.charge is None else [model.charge], repeat=2)
    both = {tuple(sorted((ket * q + bra * p, ket * p + bra * q))) for q, p in pairs}
    return [(charge, charge != mirrored) for mirrored, charge in sorted(both)]


def _steady(model: OpenModel, null: list[Mode]) -> Iterator[DensityMatrix]:
    """Yield the steady states among the modes that do not decay, of one sector."""
    if not null:
        raise ArithmeticError("no eigenvalue of the Lindblad equation is zero within its error, as one must be")
    dim = model.sector.dim
    kets = np.unique(null[0].places.rows)
    block = np.ix_(kets, kets)
    for point in extremal_fixed_points([mode.matrix(dim)[block] for mode in null]):
        matrix = np.zeros((dim, dim), dtype=complex)
        matrix[block] = point
        yield DensityMatrix(matrix, model.sector)
