"""Time-evolving block decimation with non-unitary gates."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.algorithm import TimeEvolution
from mpsnh.canonical import move_left, move_right, normalised, right_canonical
from mpsnh.circuit import ORDERS, Gate, Layer, repeated
from mpsnh.model import Model
from mpsnh.mps import MPS
from mpsnh.records import Snapshot
from mpsnh.value import require

Array = NDArray[np.complex128]


class NHTEBD(TimeEvolution):
    """Non-Hermitian TEBD of an open chain (after G. Vidal, PRL 91, 147902 (2003)).

    Non-unitary gates destroy the canonical form, so each gate acts, and is truncated, at the orthogonality centre,
    which moves through a layer by QR. The norm is taken out after every gate and summed in `Snapshot.log_norm`.

    Parameters
    ----------
    dt : float
        Time step, in units of 1/J (1 for a Floquet model).
    t_max : float
        Final time, a multiple of `dt`.
    every : int
        Steps between records; half-layers of the steps in between are merged.
    order : {1, 2, 4}
        Trotter order: at fixed time the error scales as dt**order.
    max_bond : int
        Largest bond dimension χ.
    cutoff : float
        Largest weight (sum of squared singular values, relative to their total) that one truncation may discard
        as long as `max_bond` is not reached.
    initial : "neel" or callable
        The initial state, as for `mpsnh.TimeEvolution`.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the model has terms that no gate on a bond can hold.
    FloatingPointError
        If the norm vanishes or is no longer finite.

    Examples
    --------
    >>> from mpsnh import models
    >>> chain = models.NonHermitianXXZ(L=8, gamma=0.2, h=1.0)
    >>> *_, last = NHTEBD(dt=0.1, t_max=1.0, max_bond=16).records(chain)
    >>> last.state.max_bond() <= 16, last.discarded < 1e-6
    (True, True)
    """

    order: int = 2
    max_bond: int = 64
    cutoff: float = 1e-10

    def validate(self) -> None:
        """Check the parameters."""
        super().validate()
        require(self.order in ORDERS, "order", self.order, "one of " + ", ".join(map(str, ORDERS)))
        require(self.max_bond >= 1, "max_bond", self.max_bond, "at least 1")
        require(0 <= self.cutoff < 1, "cutoff", self.cutoff, "from 0 to below 1")

    def check(self, model: Model) -> None:
        """Raise if a gate does not act on one site or two neighbouring ones, or the initial state does not fit.

        Parameters
        ----------
        model : Model
            What to evolve.
        """
        super().check(model)
        allowed = {(j,) for j in range(model.L)} | {(j, j + 1) for j in range(model.L - 1)}
        for layer in model.step(self.dt, self.order):
            for gate in layer:
                if gate.where not in allowed:
                    raise ValueError(
                        f"a gate acts on sites {gate.where}; NHTEBD needs gates on one site or on neighbours (j, j+1) "
                        f"of the chain of {model.L} sites"
                    )
                d = int(np.prod([model.sites[j].dim for j in gate.where]))
                require(gate.matrix.shape == (d, d), f"gate shape on {gate.where}", gate.matrix.shape, f"({d}, {d})")
        self.start(model)

    def memory(self, model: Model) -> float:
        """Return the bytes of the state, its copies in records, and the decomposition of a pair of sites.

        Parameters
        ----------
        model : Model
            What to evolve.

        Returns
        -------
        float
        """
        dims = [float(site.dim) for site in model.sites]
        left = np.minimum(np.cumprod(dims), self.max_bond)[:-1]
        right = np.minimum(np.cumprod(dims[::-1]), self.max_bond)[:-1][::-1]
        bonds = np.concatenate([[1.0], np.minimum(left, right), [1.0]])
        state = float(np.sum(bonds[:-1] * dims * bonds[1:]))
        return 16 * (3 * state + 6 * (max(dims) * float(bonds.max())) ** 2)

    def start(self, model: Model) -> Snapshot:
        """Return the initial state, normalised, with the orthogonality centre on the first site.

        Parameters
        ----------
        model : Model
            What to evolve.

        Returns
        -------
        Snapshot
        """
        state = self.initial_state(model)
        require(
            self.max_bond >= state.max_bond(),
            "max_bond",
            self.max_bond,
            f"≥ {state.max_bond()}, as the initial state needs",
        )
        tensors, _ = right_canonical(state.site_tensors())
        return Snapshot(0.0, MPS.from_tensors(tensors, model.sites))

    def stepper(self, model: Model) -> Callable[[Snapshot, int], Snapshot]:
        """Return the function that advances a snapshot.

        Parameters
        ----------
        model : Model
            What to evolve.

        Returns
        -------
        callable
        """
        step = model.step(self.dt, self.order)
        circuit = functools.lru_cache(lambda steps: repeated(step, steps))

        def advance(snapshot: Snapshot, steps: int) -> Snapshot:
            if not isinstance(snapshot.state, MPS):
                raise TypeError(f"NHTEBD continues an MPS, not {type(snapshot.state).__name__}")
            # A known gauge at each record makes a resumed run the same, bit for bit, as an uninterrupted one.
            tensors, log_norm = right_canonical(snapshot.state.site_tensors())
            centre, discarded = 0, 0.0
            for layer in circuit(steps):
                centre, lost, grown = apply_layer(tensors, centre, layer, self.max_bond, self.cutoff)
                discarded += lost
                log_norm += grown
            return Snapshot(
                snapshot.time,
                MPS.from_tensors(tensors, model.sites),
                snapshot.log_norm + log_norm,
                snapshot.discarded + discarded,
            )

        return advance


class LayerResult(NamedTuple):
    """What applying a layer did besides changing the tensors.

    Examples
    --------
    >>> LayerResult(centre=0, discarded=0.0, log_norm=0.1).log_norm
    0.1
    """

    centre: int
    discarded: float
    log_norm: float


def apply_layer(tensors: list[Array], centre: int, layer: Layer, max_bond: int, cutoff: float) -> LayerResult:
    """Apply a layer of gates in one sweep of the orthogonality centre, truncating each bond at the centre.

    Parameters
    ----------
    tensors : list of ndarray, shape (left bond, d, right bond)
        A normalised state in canonical form; changed in place.
    centre : int
        Its orthogonality centre.
    layer : Layer
        Gates on disjoint sites or pairs of neighbours.
    max_bond : int
        Largest bond dimension.
    cutoff : float
        Largest relative weight discarded at one bond, if `max_bond` allows.

    Returns
    -------
    LayerResult
        New centre, discarded weight summed over the bonds, and logarithm of the factor by which the norm grew.

    Examples
    --------
    >>> tensors, _ = right_canonical([np.ones((1, 2, 1), complex)] * 2)
    >>> round(float(np.exp(apply_layer(tensors, 0, (Gate(2 * np.eye(4), (0, 1)),), 4, 0.0).log_norm)), 12)
    2.0
    """
    rightwards = 2 * centre <= len(tensors) - 1
    discarded = log_norm = 0.0
    for gate in sorted(layer, key=lambda gate: gate.where, reverse=not rightwards):
        near, far = (gate.where[0], gate.where[-1]) if rightwards else (gate.where[-1], gate.where[0])
        while centre < near:
            log_norm += move_right(tensors, centre)
            centre += 1
        while centre > near:
            log_norm += move_left(tensors, centre)
            centre -= 1
        if len(gate.where) == 1:
            acted = np.tensordot(tensors[near], gate.matrix, (1, 1)).transpose(0, 2, 1)
            tensors[near], grown = normalised(acted, gate.where)
        else:
            grown, lost = _apply_pair(tensors, gate, rightwards, max_bond, cutoff)
            discarded += lost
        log_norm += grown
        centre = far
    return LayerResult(centre, discarded, log_norm)


def _apply_pair(
    tensors: list[Array], gate: Gate, rightwards: bool, max_bond: int, cutoff: float
) -> tuple[float, float]:
    """Apply a two-site gate at the centre; the centre goes to the side that the sweep moves to."""
    i, j = gate.where
    (left, d_i, _), (_, d_j, right) = tensors[i].shape, tensors[j].shape
    pair = np.tensordot(tensors[i], tensors[j], 1).reshape(left, d_i * d_j, right)
    pair = np.tensordot(pair, gate.matrix, (1, 1)).transpose(0, 2, 1)
    pair, grown = normalised(pair, gate.where)
    u, s, vh = _svd(pair.reshape(left * d_i, d_j * right))
    kept, lost = truncated_rank(s, max_bond, cutoff)
    norm = np.linalg.norm(s[:kept])
    u, s, vh = u[:, :kept], s[:kept] / norm, vh[:kept]
    u, vh = (u, s[:, None] * vh) if rightwards else (u * s, vh)
    tensors[i], tensors[j] = u.reshape(left, d_i, kept), vh.reshape(kept, d_j, right)
    return grown + float(np.log(norm)), lost


def truncated_rank(singular_values: NDArray[np.float64], max_bond: int, cutoff: float) -> tuple[int, float]:
    """Choose how many singular values to keep.

    Parameters
    ----------
    singular_values : ndarray
        In decreasing order.
    max_bond : int
        Keep at most this many.
    cutoff : float
        Keep no more than needed for a discarded weight of at most this.

    Returns
    -------
    kept : int
        At least 1.
    discarded : float
        Sum of the squares of those dropped, relative to the sum of all squares.

    Examples
    --------
    >>> kept, discarded = truncated_rank(np.array([1.0, 1e-3, 1e-6]), 10, 1e-10)
    >>> kept, f"{discarded:.3g}"
    (2, '1e-12')
    """
    tails = np.append(np.cumsum(singular_values[::-1] ** 2)[::-1], 0.0)  # tails[k]: weight lost by keeping k
    tails /= tails[0]
    kept = int(np.argmax(tails <= cutoff))
    kept = max(1, min(kept, max_bond))
    return kept, float(tails[kept])


def _svd(matrix: Array) -> tuple[Array, NDArray[np.float64], Array]:
    try:
        return np.linalg.svd(matrix, full_matrices=False)
    except np.linalg.LinAlgError:  # the divide-and-conquer driver may fail where plain QR iteration converges
        return scipy.linalg.svd(matrix, full_matrices=False, lapack_driver="gesvd")  # type: ignore[no-any-return]
