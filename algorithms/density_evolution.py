"""A density matrix on its way by the Lindblad equation, in those charge sectors of doubled sites that it has."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
from numpy.typing import NDArray

from mpsnh.base.open_model import DoubledModel, OpenModel
from mpsnh.base.snapshot import MixedSnapshot, Snapshot
from mpsnh.checks import require
from mpsnh.linalg.bounds import EPS
from mpsnh.linalg.propagator import LARGEST_ERROR, SAFETY, Evolving, Propagator
from mpsnh.operators.configurations import Space
from mpsnh.operators.lindblad import Elements, elements
from mpsnh.operators.sector import Sector
from mpsnh.states.density import DensityMatrix
from mpsnh.states.mps import MPS
from mpsnh.states.vector import ExactState

Matrix = NDArray[np.complex128]

CONFIGURATION = 300.0
"""Bytes for each configuration of doubled sites and each site: the matrix while it is made, and vectors."""


@dataclass(frozen=True, eq=False)
class Start:
    """An initial density matrix, and which of its elements are known to rounding: all one by one, or the whole.

    Examples
    --------
    >>> start = Start.of(nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]), Sector([nh.Spin(0.5)] * 2, None))
    >>> start.exact, start.state.matrix.real.diagonal().tolist()
    (True, [0.0, 1.0, 0.0, 0.0])
    """

    state: DensityMatrix
    exact: bool

    @classmethod
    def of(cls, given: MPS | DensityMatrix, sector: Sector) -> Start:
        """Return the beginning of a run.

        Parameters
        ----------
        given : MPS or DensityMatrix
            On sites of the sector.
        sector : Sector
            That of kets and bras.

        Raises
        ------
        ValueError
            If it does not lie in the sector, or is no density matrix: Hermitian, positive and even in fermions.
        """
        if isinstance(given, MPS):
            vector = ExactState.from_mps(given, sector).vector
            state, exact = DensityMatrix(np.outer(vector, vector.conj()), sector), given.max_bond() == 1
        else:
            state, exact = given, True
            require_sector(state, sector)
            state.probabilities()
        _require_even(state)
        return cls(replace(state, matrix=state.matrix / np.trace(state.matrix).real), exact)


def require_sector(state: DensityMatrix, sector: Sector) -> None:
    """Raise unless a density matrix is one of a sector, on the same sites.

    Parameters
    ----------
    state : DensityMatrix
        Any.
    sector : Sector
        That of the model.

    Examples
    --------
    >>> basis = Sector([nh.Spin(0.5)] * 2, 0)
    >>> require_sector(DensityMatrix(np.eye(2), basis), basis)
    """
    same = (state.sector.sites, state.sector.charge) == (sector.sites, sector.charge)
    require(same, "sector of the state", state.sector, f"{sector}, as the model has, on the same sites")


def require_charge(model: OpenModel) -> None:
    """Raise if the jumps take density matrices out of the model's charge.

    Parameters
    ----------
    model : OpenModel
        Any.

    Examples
    --------
    >>> require_charge(models.OpenXXZ(L=2, charge=0))
    Traceback (most recent call last):
    ValueError: charge = 0, but it must be None for a density matrix, as the jumps change it
    """
    kept = model.charge is None or sum(model.lindbladian().weights) != 0
    require(kept, "charge", model.charge, "None for a density matrix, as the jumps change it")


def _require_even(state: DensityMatrix) -> None:
    """Raise if a density matrix has coherences between even and odd numbers of fermions, which do not exist.

    Parameters
    ----------
    state : DensityMatrix
        Any.
    """
    sector = state.sector
    parity = np.ones(sector.dim)
    for j, site in enumerate(sector.sites):
        parity *= np.array(site.parities)[sector.digits(j)]
    odd = float(np.abs(state.matrix[np.ix_(parity > 0, parity < 0)]).max(initial=0.0))
    allowed = "0, as no state is a superposition of even and odd numbers of fermions"
    require(odd <= EPS * np.trace(state.matrix).real, "coherence between fermion parities", odd, allowed)


def charges_of(state: DensityMatrix, model: OpenModel, negligible: float = 0.0) -> list[int]:
    """Return the charges of doubled sites that a density matrix has.

    Parameters
    ----------
    state : DensityMatrix
        Of the model's sector.
    model : OpenModel
        Says what is conserved.
    negligible : float
        Size of elements, relative to the largest one, that count as zero.

    Examples
    --------
    >>> basis = Sector([nh.Spin(0.5)] * 2, None)
    >>> charges_of(DensityMatrix(np.ones((4, 4)), basis), models.OpenXXZ(L=2))
    [-4, -2, 0, 2, 4]
    """
    sector, (ket, bra) = state.sector, model.lindbladian().weights
    single = np.zeros(sector.dim, dtype=np.int64)
    for j, site in enumerate(sector.sites):
        single += np.array(site.charges)[sector.digits(j)]
    sizes: dict[int, float] = {}
    for q in np.unique(single):
        inside = np.flatnonzero(single == q)
        columns = np.abs(state.matrix[inside]).max(axis=0)
        for p in np.unique(single[columns > 0]):
            charge = int(ket * q + bra * p)
            sizes[charge] = max(sizes.get(charge, 0.0), float(columns[single == p].max()))
    largest = max(sizes.values())
    return sorted(charge for charge, size in sizes.items() if size > negligible * largest)


def bytes_needed(state: DensityMatrix, model: OpenModel) -> float:
    """Estimate the memory of an evolution: copies of the density matrix, and the largest sector's matrix at once.

    Parameters
    ----------
    state : DensityMatrix
        The initial one.
    model : OpenModel
        What evolves it.

    Examples
    --------
    >>> bytes_needed(DensityMatrix(np.eye(8), Sector([nh.Spin(0.5)] * 3, None)), models.OpenXXZ(L=3))
    26192.0
    """
    sites = model.lindbladian().sites
    dims = [float(Space(sites, charge).dim) for charge in charges_of(state, model, EPS)]
    return matrices_bytes(model) + CONFIGURATION * model.L * sum(dims)


def matrices_bytes(model: OpenModel) -> float:
    """Return the memory of the density matrix, the sample of its error and what they are made of.

    Parameters
    ----------
    model : OpenModel
        Whose sector they are in.

    Examples
    --------
    >>> matrices_bytes(models.OpenXXZ(L=3))
    8192.0
    """
    return 8 * 16 * float(Space(model.sites, model.charge).dim) ** 2


@dataclass(frozen=True, eq=False)
class _Part:
    """What evolves the elements of a density matrix that have one charge of ket and bra."""

    model: DoubledModel
    places: Elements
    propagators: dict[float, Propagator] = field(default_factory=dict)

    def propagator(self, time: float) -> Propagator:
        if time not in self.propagators:
            self.propagators[time] = self.model.propagator(time)
        return self.propagators[time]


@dataclass(frozen=True, eq=False)
class DensityEvolution:
    """A density matrix of trace 1 on its way, and a sample of its error (see `mpsnh.linalg.propagator.Evolving`).

    Examples
    --------
    >>> evolution = algorithms.OpenSystem(dt=1.0, t_max=1.0).init(models.OpenXXZ(L=3), None)
    >>> later = evolution.advance(1.0)
    >>> round(float(np.trace(later.state.matrix).real), 12), 0 < later.error < 1e-12
    (1.0, True)
    """

    state: DensityMatrix
    sample: Matrix
    log_trace: float
    parts: tuple[_Part, ...]

    @classmethod
    def begin(cls, start: Start, model: OpenModel) -> DensityEvolution:
        """Return what is carried from the initial state on.

        Parameters
        ----------
        start : Start
            In the model's sector.
        model : OpenModel
            What evolves it.
        """
        state = start.state
        pair = Evolving.of(state.matrix.ravel(), exact=start.exact).pair
        sample = pair[:, 1].reshape(state.matrix.shape) * np.linalg.norm(state.matrix)
        parts, matrix = _parts(charges_of(state, model, EPS), model), np.zeros_like(sample)
        for part in parts:
            part.places.add(part.places.vector(state.matrix), matrix)
        return cls(replace(state, matrix=matrix), sample, 0.0, parts)

    @classmethod
    def resume(cls, after: Snapshot, model: OpenModel) -> DensityEvolution:
        """Return what was carried when a snapshot was made; of one that something else made, a beginning.

        Parameters
        ----------
        after : Snapshot
            Of a `DensityMatrix`.
        model : OpenModel
            What evolves it.
        """
        state = after.state
        assert isinstance(state, DensityMatrix)
        require_sector(state, model.sector)
        if "sample" not in after.carry:
            return cls.begin(Start.of(state, model.sector), model)
        return cls(
            state, after.carry["sample"], float(after.carry["log_trace"]), _parts(charges_of(state, model), model)
        )

    def advance(self, time: float) -> DensityEvolution:
        """Return what is carried a time later.

        Parameters
        ----------
        time : float
            How much later.
        """
        matrix, sample = np.zeros_like(self.sample), np.zeros_like(self.sample)
        for part in self.parts:
            pair = np.stack([part.places.vector(matrix) for matrix in (self.state.matrix, self.sample)], axis=1)
            if not pair[:, 0].any():
                continue  # it decayed to nothing
            end = part.propagator(time).advance(Evolving(pair.astype(complex)))
            pair = math.exp(end.log_norm) * end.pair
            part.places.add(pair[:, 0], matrix)
            part.places.add(pair[:, 1] + end.slack / SAFETY * pair[:, 0], sample)
        matrix = (matrix + matrix.conj().T) / 2
        trace = float(np.trace(matrix).real)
        state = replace(self.state, matrix=matrix / trace)
        return replace(self, state=state, sample=sample / trace, log_trace=self.log_trace + math.log(trace))

    @property
    def error(self) -> float:
        """The estimated trace norm of what the density matrix differs by from the right one, both of trace 1."""
        matrix, dim = self.state.matrix, self.state.sector.dim
        change = self.sample - np.trace(self.sample) * matrix
        size = SAFETY * _trace_norm(change)
        return LARGEST_ERROR if size >= 1 else min(size + size**2 + SAFETY * EPS * math.sqrt(dim), LARGEST_ERROR)

    def record(self, t: float) -> MixedSnapshot:
        """Return a snapshot.

        Parameters
        ----------
        t : float
            Its time.
        """
        carried = {"sample": self.sample, "log_trace": np.array(self.log_trace)}
        return MixedSnapshot(t, self.state, carry=carried, error=self.error, trace_deviation=math.expm1(self.log_trace))


def _trace_norm(matrix: Matrix) -> float:
    """Return the sum of the singular values, of the blocks that a matrix falls into."""
    count, labels = scipy.sparse.csgraph.connected_components(matrix != 0, connection="weak")
    blocks = (np.flatnonzero(labels == k) for k in range(count))
    return float(sum(np.linalg.norm(matrix[np.ix_(block, block)], "nuc") for block in blocks))


def _parts(charges: Iterable[int], model: OpenModel) -> tuple[_Part, ...]:
    """Return what evolves the elements that have these charges of doubled sites."""
    views = [DoubledModel(L=model.L, charge=charge, of=model) for charge in charges]
    return tuple(_Part(view, elements(view.sector, model.sector)) for view in views)
