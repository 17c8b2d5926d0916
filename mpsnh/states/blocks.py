"""Matrix-product states by blocks of conserved charge.

A *site's blocks* are a mapping of (charge of the left bond, local charge) to an array of shape (left bond, local states
of this charge, right bond). The charge of a bond is the sum over all sites to its left. Where nothing is conserved all
charges are 0, and the one block is the tensor itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

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
    # rest[q]: what stands between the left bond's part of charge q and the tensor of the next site
    rest = {0: np.eye(1)}
    sites: list[Blocks] = []
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
        return None
    (norm,) = rest.values()
    return [*sites[:-1], {key: block * norm.item() for key, block in sites[-1].items()}]


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


def environments(
    blocks: Sequence[Blocks], bra: Sequence[Blocks] | None = None, skip: int = 0
) -> Iterator[dict[int, Array]]:
    """Contract a state with the conjugate of another one, site by site from the left end.

    Parameters
    ----------
    blocks : sequence of dict
        The state.
    bra : sequence of dict, optional
        The other state; the same one if not given.
    skip : int
        How many sites are left-isometric, so that they contract to identities; only without `bra`.

    Yields
    ------
    dict of int to ndarray, shape (bra bond, ket bond)
        For each charge of the bond left of site `skip`, of the next one, and so on to the right end; scaled to unit
        norm without `bra`.

    Examples
    --------
    >>> up_up = [{(0, 1): np.ones((1, 1, 1))}, {(1, 1): np.ones((1, 1, 1))}]
    >>> [list(environment) for environment in environments(up_up)]
    [[0], [1], [2]]
    """
    environment = {0: np.eye(1)}
    if skip:
        environment = {q + c: np.eye(block.shape[2]) for (q, c), block in blocks[skip - 1].items()}
    yield environment
    others = blocks if bra is None else bra
    for ket, other in zip(blocks[skip:], others[skip:], strict=True):
        extended: dict[int, Array] = {}
        for (q, c), block in ket.items():
            if q in environment and (q, c) in other:
                term = np.tensordot(environment[q], block, 1)
                extended[q + c] = extended.get(q + c, 0) + np.tensordot(other[q, c].conj(), term, ((0, 1), (0, 1)))
        if bra is None:  # the norm drops out of every ratio and would otherwise over- or underflow
            norm = math.sqrt(sum(np.linalg.norm(part) ** 2 for part in extended.values()))
            extended = {q: part / norm for q, part in extended.items()} if norm > 0 else extended
        environment = extended
        yield environment


def mirrored(blocks: Sequence[Blocks]) -> tuple[list[Blocks], int]:
    """Return the mirror image of a state, in which charges are summed from the right end.

    Parameters
    ----------
    blocks : sequence of dict
        The state.

    Returns
    -------
    blocks : list of dict
        Those of the last site first.
    total : int
        The charge of the state: that of a bond is now this number less what it was.

    Examples
    --------
    >>> mirrored([{(0, 1): np.ones((1, 1, 1))}, {(1, -1): np.ones((1, 1, 1))}])[0][0].keys()
    dict_keys([(0, -1)])
    """
    total = next((q + c for q, c in blocks[-1]), 0)
    return [
        {(total - q - c, c): block.transpose(2, 1, 0) for (q, c), block in site.items()} for site in reversed(blocks)
    ], total


def density_matrices(
    blocks: Sequence[Blocks], charges: Charges, spans: Sequence[tuple[int, int]], isometric: tuple[int, int]
) -> list[Array]:
    """Return the reduced density matrices of a few neighbouring sites at many places, in one sweep from each side.

    Parameters
    ----------
    blocks : sequence of dict
        The state.
    charges : sequence of sequence of int
        Charge of each local state, for each site.
    spans : sequence of (int, int)
        First and last site of each place.
    isometric : (int, int)
        How many sites from the left end are left-isometric, and the first one of those at the right end that are
        right-isometric.

    Returns
    -------
    list of ndarray, shape (D, D)
        Not normalised; row = ket, column = bra.

    Examples
    --------
    >>> up_up = [{(0, 1): np.ones((1, 1, 1))}, {(1, 1): np.ones((1, 1, 1))}]
    >>> density_matrices(up_up, [(1, -1)] * 2, [(0, 1)], (0, 2))[0].diagonal().real.tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    L = len(blocks)
    if not spans:
        return []
    lefts = _around(blocks, isometric[0], max(first for first, _ in spans))
    mirror, total = mirrored(blocks)
    rights = _around(mirror, L - isometric[1], max(L - 1 - last for _, last in spans))
    densities = []
    for first, last in spans:
        left, right = lefts[first], rights[L - 1 - last]
        density = np.zeros((math.prod(map(len, charges[first : last + 1])),) * 2, dtype=complex)
        for (q, r), (rows, ket) in _pieces(blocks[first : last + 1], charges[first : last + 1]).items():
            around = ket
            if left is not None:
                around = left[q] @ around if q in left else 0 * around
            if right is not None:
                around = around @ right[total - r].T if total - r in right else 0 * around
            density[np.ix_(rows, rows)] += around.reshape(len(rows), -1) @ ket.reshape(len(rows), -1).conj().T
        densities.append(density)
    return densities


def _around(blocks: Sequence[Blocks], isometric: int, most: int) -> list[dict[int, Array] | None]:
    """Return the environments left of the sites up to `most`; None where they are identities."""
    skip = min(isometric, most)
    _, *others = environments(blocks[:most], skip=skip)
    return [None] * (skip + 1) + others


def _pieces(blocks: Sequence[Blocks], charges: Charges) -> dict[tuple[int, int], tuple[NDArray[np.intp], Array]]:
    """Contract a few neighbouring sites.

    Returns
    -------
    dict of (int, int) to (ndarray, ndarray)
        For each charge of the bonds at the left and right end: the local states of all sites, as one number, and the
        tensor of shape (local states, left bond, right bond).
    """
    pieces: dict[tuple[int, int], tuple[NDArray[np.intp], Array]] = {}
    for j, (site, of_site) in enumerate(zip(blocks, charges, strict=True)):
        states, parts = local_states(of_site), dict[tuple[int, int], list[tuple[Any, Array]]]()
        for (m, c), block in site.items():
            tensor, chosen = block.transpose(1, 0, 2), np.array(states[c])
            if j == 0:
                parts.setdefault((m, m + c), []).append((chosen, tensor))
                continue
            for (q, r), (rows, ket) in pieces.items():
                if r == m:
                    joined = (ket[:, None] @ tensor).reshape(-1, ket.shape[1], tensor.shape[2])
                    joint = (rows[:, None] * len(of_site) + chosen).ravel()
                    parts.setdefault((q, m + c), []).append((joint, joined))
        pieces = {
            key: part[0]
            if len(part) == 1
            else (np.concatenate([n for n, _ in part]), np.concatenate([x for _, x in part]))
            for key, part in parts.items()
        }
    return pieces


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
    parts: dict[int, list[Array]] = {}
    for (q, c), block in centre.items():
        if not np.isfinite(block).all():
            raise FloatingPointError("the state has elements that are not finite")
        parts.setdefault(q + c, []).append(block.reshape(-1, block.shape[2]))
    return np.concatenate([np.linalg.svd(np.concatenate(rows), compute_uv=False) for rows in parts.values()])
