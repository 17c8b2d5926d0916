"""Matrix-product states by blocks of conserved charge.

A *site's blocks* are a mapping of (charge of the left bond, local charge) to an array of shape (left bond, local states
of this charge, right bond). The charge of a bond is the sum over all sites to its left. Where nothing is conserved all
charges are 0, and the one block is the tensor itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.states.canonical import right_canonical

Array = NDArray[Any]


Blocks = dict[tuple[int, int], Array]


Charges = Sequence[Sequence[int]]
"""Charge of each local state, for each site."""


NEGLIGIBLE = 1e-13
"""Amplitude, relative to the norm, below which it is rounding that a state has another charge as well."""


def charge_blocks(tensors: Sequence[Array], charges: Charges) -> list[Blocks] | None:
    """Bring a state to the form of blocks, or return None if it has no definite total charge.

    Parameters
    ----------
    tensors : sequence of ndarray, shape (left bond, d, right bond)
        Any MPS, of any gauge.
    charges : sequence of sequence of int
        Charge of each local state, for each site.

    Returns
    -------
    list of dict, or None
        The blocks of each site: left-canonical but for the last one.

    Examples
    --------
    >>> neel = [np.array([[[1.0], [0.0]]]), np.array([[[0.0], [1.0]]])]
    >>> [list(blocks) for blocks in charge_blocks(neel, [(1, -1)] * 2)]
    [[(0, 1)], [(1, -1)]]
    """
    return split_by_charge(tensors, charges)[0]


def split_by_charge(tensors: Sequence[Array], charges: Charges) -> tuple[list[Blocks] | None, float]:
    """Return the blocks of a state, as `charge_blocks` does, and the negligible amplitude in other charges.

    What is negligible is known in canonical form only, so that is made first, of any gauge. There are no blocks either
    of a state whose norm is zero, not finite or no number of double precision.

    Parameters
    ----------
    tensors : sequence of ndarray, shape (left bond, d, right bond)
        Any MPS, of any gauge.
    charges : sequence of sequence of int
        Charge of each local state, for each site.

    Examples
    --------
    >>> nearly = [np.eye(2)[None], np.array([[3e-14, 1.0], [0.0, 0.0]])[:, :, None]]
    >>> f"{split_by_charge(nearly, [(1, -1)] * 2)[1]:.0e}"
    '3e-14'
    """
    try:
        tensors, log_norm = right_canonical(tensors)
        total = math.exp(log_norm)
    except (FloatingPointError, OverflowError):
        return None, 0.0
    if total == 0:
        return None, 0.0
    # rest[q]: what stands between the left bond's part of charge q and the tensor of the next site
    rest = {0: np.eye(1)}
    sites: list[Blocks] = []
    left_out = 0.0
    for tensor, of_states in zip(tensors, charges, strict=True):
        rows: dict[int, dict[tuple[int, int], Array]] = {}
        states = local_states(of_states)
        for q, factor in rest.items():
            for c, chosen in states.items():
                rows.setdefault(q + c, {})[q, c] = np.tensordot(factor, tensor[:, chosen], 1)
        rest, blocks = {}, Blocks()
        sizes = {r: math.sqrt(sum(np.linalg.norm(part) ** 2 for part in parts.values())) for r, parts in rows.items()}
        for r, parts in rows.items():
            if sizes[r] <= NEGLIGIBLE * max(sizes.values()):
                left_out = math.hypot(left_out, sizes[r])
                continue
            stacked = np.concatenate([part.reshape(-1, part.shape[2]) for part in parts.values()])
            q_factor, r_factor, order = scipy.linalg.qr(stacked, mode="economic", pivoting=True)
            kept = int(np.sum(np.abs(np.diag(r_factor)) > NEGLIGIBLE * sizes[r]))
            rest[r] = np.empty_like(r_factor[:kept])
            rest[r][:, order] = r_factor[:kept]
            ends = np.cumsum([part.shape[0] * part.shape[1] for part in parts.values()])
            for (key, part), piece in zip(parts.items(), np.split(q_factor[:, :kept], ends[:-1]), strict=True):
                blocks[key] = piece.reshape(*part.shape[:2], kept)
        sites.append(blocks)
    if len(rest) != 1:
        return None, 0.0
    (phase,) = rest.values()
    return [*sites[:-1], {key: block * (phase.item() * total) for key, block in sites[-1].items()}], left_out


def dense_tensors(blocks: Sequence[Blocks], charges: Charges) -> list[Array]:
    """Return the tensors of a state by blocks: bonds are in order of increasing charge.

    Parameters
    ----------
    blocks : sequence of dict
        The state.
    charges : sequence of sequence of int
        Charge of each local state, for each site.

    Returns
    -------
    list of ndarray, shape (left bond, d, right bond)
        New arrays.

    Examples
    --------
    >>> up_up = [{(0, 1): np.ones((1, 1, 1))}, {(1, 1): np.ones((1, 1, 1))}]
    >>> [tensor.ravel().real.tolist() for tensor in dense_tensors(up_up, [(1, -1), (-1, 1)])]
    [[1.0, 0.0], [0.0, 1.0]]
    """
    starts = []
    for bond in bond_charges(blocks):
        ordered = sorted(bond)
        ends = np.cumsum([bond[q] for q in ordered]).tolist()
        starts.append({q: slice(end - bond[q], end) for q, end in zip(ordered, ends, strict=True)})
    sizes = bond_dimensions(blocks)
    tensors = []
    for j, (site, of_site) in enumerate(zip(blocks, charges, strict=True)):
        tensor, states = np.zeros((sizes[j], len(of_site), sizes[j + 1]), dtype=complex), local_states(of_site)
        for (q, c), block in site.items():
            tensor[starts[j][q], states[c], starts[j + 1][q + c]] = block
        tensors.append(tensor)
    return tensors


_SAFE = 1e70
"""Elements as large, or tensors as small, as this can be squared, multiplied and summed."""


def tamed(blocks: Sequence[Blocks], isometric: tuple[int, int]) -> tuple[list[Blocks], float]:
    """Scale tensors that are so large or small that products of them over- or underflow.

    Parameters
    ----------
    blocks : sequence of dict
        The state.
    isometric : (int, int)
        How many sites from the left end are left-isometric, and the first one of those at the right end that are
        right-isometric: these are left as they are.

    Returns
    -------
    blocks : list of dict
        Those given, where nothing had to be done.
    log_scale : float
        Logarithm of the factor that was taken out.

    Examples
    --------
    >>> (site,), log_scale = tamed([{(0, 0): np.full((1, 2, 1), 1e-200)}], (0, 1))
    >>> site[0, 0].ravel().tolist(), round(float(np.exp(log_scale + 200 * np.log(10))), 9)
    ([1.0, 1.0], 1.0)
    """
    scaled, log_scale = list(blocks), 0.0
    for j in range(*isometric):
        largest = max((float(np.abs(block).max(initial=0.0)) for block in blocks[j].values()), default=0.0)
        if 0 < largest < math.inf and not 1 / _SAFE < largest < _SAFE:
            scaled[j] = {key: block / largest for key, block in blocks[j].items()}
            log_scale += math.log(largest)
    return scaled, log_scale


def local_states(charges: Sequence[int]) -> dict[int, list[int]]:
    """Group the local states of a site by charge.

    Parameters
    ----------
    charges : sequence of int
        Of each state.

    Returns
    -------
    dict of int to list of int
        In order of increasing charge.

    Examples
    --------
    >>> local_states([1, 0, 1])
    {0: [1], 1: [0, 2]}
    """
    return {q: [s for s, other in enumerate(charges) if other == q] for q in sorted(set(charges))}


def bond_dimensions(blocks: Sequence[Blocks]) -> list[int]:
    """Return the dimension of each bond, with those of the ends.

    Parameters
    ----------
    blocks : sequence of dict
        Those of each site.

    Examples
    --------
    >>> bond_dimensions([{(0, 0): np.ones((1, 2, 3))}])
    [1, 3]
    """
    return [sum(dimensions.values()) for dimensions in bond_charges(blocks)]


def bond_charges(blocks: Sequence[Blocks]) -> list[dict[int, int]]:
    """Return the dimension of each bond for each of its charges, with the bonds of the ends.

    Truncation at one bond may leave a charge of the next one without a partner: only one of its tensors has it then.

    Parameters
    ----------
    blocks : sequence of dict
        Those of each site.

    Examples
    --------
    >>> bond_charges([{(0, 1): np.ones((1, 1, 2)), (0, 3): np.ones((1, 1, 4))}, {(1, 0): np.ones((2, 1, 1))}])
    [{0: 1}, {1: 2, 3: 4}, {1: 1}]
    """
    bonds: list[dict[int, int]] = [{} for _ in range(len(blocks) + 1)]
    for j, site in enumerate(blocks):
        for (q, c), block in site.items():
            bonds[j][q], bonds[j + 1][q + c] = block.shape[0], block.shape[2]
    return bonds


def schmidt_values(centre: Blocks) -> NDArray[np.float64]:
    """Return the Schmidt values across the bond to the right of the orthogonality centre.

    Parameters
    ----------
    centre : dict
        The blocks of that site.

    Returns
    -------
    ndarray
        In no particular order, with the norm of the state.

    Raises
    ------
    FloatingPointError
        If a block is not finite.

    Examples
    --------
    >>> schmidt_values({(0, 1): np.full((1, 1, 1), 0.6), (0, -1): np.full((1, 1, 1), 0.8)}).tolist()
    [0.6, 0.8]
    """
    return np.concatenate([np.linalg.svd(part, compute_uv=False) for part in by_bond_charge(centre).values()])


def by_bond_charge(centre: Blocks) -> dict[int, Array]:
    """Return a tensor as matrices (left bond and site, right bond), by charge of the right bond.

    Parameters
    ----------
    centre : dict
        Its blocks.

    Raises
    ------
    FloatingPointError
        If a block is not finite.

    Examples
    --------
    >>> {charge: part.tolist() for charge, part in by_bond_charge({(0, 1): np.full((1, 1, 1), 0.6)}).items()}
    {1: [[0.6]]}
    """
    parts: dict[int, list[Array]] = {}
    for (q, c), block in centre.items():
        if not np.isfinite(block).all():
            raise FloatingPointError("the state has elements that are not finite")
        parts.setdefault(q + c, []).append(block.reshape(-1, block.shape[2]))
    return {charge: np.concatenate(rows) for charge, rows in parts.items()}
