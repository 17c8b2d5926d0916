"""What stands left and right of some sites of states by blocks of charge, with an operator between them or without."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.operators.charged import ChargedMPO
from mpsnh.states.blocks import Array, Blocks, Charges, local_states

Environment = Sequence[dict[int, Array]]
"""For each channel of an operator, and each charge of a ket's bond, a matrix of shape (bra bond, ket bond)."""


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
        extended = overlaps(environment, ket, other)
        if bra is None:  # the norm drops out of every ratio and would otherwise over- or underflow
            norm = math.sqrt(sum(np.linalg.norm(part) ** 2 for part in extended.values()))
            extended = {q: part / norm for q, part in extended.items()} if norm > 0 else extended
        environment = extended
        yield environment


def overlaps(environment: dict[int, Array], ket: Blocks, bra: Blocks) -> dict[int, Array]:
    """Contract one more site into what stands left of it of ⟨bra|ket⟩.

    Parameters
    ----------
    environment : dict of int to ndarray, shape (bra bond, ket bond)
        On the bond left of the site, for each of its charges.
    ket, bra : dict
        The blocks of the two states there.

    Examples
    --------
    >>> up = {(0, 1): np.ones((1, 1, 1))}
    >>> overlaps({0: np.eye(1)}, up, up)
    {1: array([[1.]])}
    """
    extended: dict[int, Array] = {}
    for (q, c), block in ket.items():
        if q in environment and (q, c) in bra:
            term = np.tensordot(environment[q], block, 1)
            extended[q + c] = extended.get(q + c, 0) + np.tensordot(bra[q, c].conj(), term, ((0, 1), (0, 1)))
    return extended


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


EDGE: Environment = ({0: np.eye(1)},)
"""What stands left of the first site."""


def grown(environment: Environment, operator: ChargedMPO, site: int, ket: Blocks, bra: Blocks) -> Environment:
    """Contract one more site into what stands left of it of ⟨bra| operator |ket⟩.

    Parameters
    ----------
    environment : sequence of dict
        On the bond left of the site.
    operator : ChargedMPO
        The operator.
    site : int
        Which one.
    ket, bra : dict
        The blocks of the two states there.

    Examples
    --------
    >>> z = ChargedMPO.of(nh.MPO.from_opsum(nh.OpSum([(1, "Z", 0)]), [nh.Spin(0.5)] * 2).site_tensors(), [(1, -1)] * 2)
    >>> down = {(0, -1): np.ones((1, 1, 1))}
    >>> grown(EDGE, z, 0, down, down)[0][-1].round(12).tolist()
    [[-1.0]]
    """
    elements, channels = operator.elements[site], operator.channels[site]
    sums: dict[tuple[int, int, int, int], Array] = {}
    for (q, c), block in ket.items():
        for left, parts in enumerate(environment):
            if q not in parts or (left, c) not in elements:
                continue
            half = (parts[q] @ block.reshape(len(block), -1)).reshape(-1, *block.shape[1:])
            for right, other, matrix in elements[left, c]:
                if (q + channels[left], other) in bra:
                    key = (right, q + channels[left], other, q + c)
                    term = matrix[0, 0] * half if matrix.size == 1 else matrix @ half
                    sums[key] = sums[key] + term if key in sums else term
    extended: list[dict[int, Array]] = [{} for _ in operator.channels[site + 1]]
    for (right, q, c, bond), part in sums.items():
        above = bra[q, c]
        term = above.reshape(-1, above.shape[2]).conj().T @ part.reshape(-1, part.shape[2])
        extended[right][bond] = extended[right][bond] + term if bond in extended[right] else term
    return extended


def matrix_element(operator: ChargedMPO, ket: Sequence[Blocks], bra: Sequence[Blocks]) -> complex:
    """Return ⟨bra| operator |ket⟩; nothing is normalised.

    Parameters
    ----------
    operator : ChargedMPO
        The operator.
    ket, bra : sequence of dict
        The two states.

    Examples
    --------
    >>> hop = nh.MPO.from_opsum(nh.OpSum([(3, "Sp", 0, "Sm", 1)]), [nh.Spin(0.5)] * 2)
    >>> up, down = ([{(q, c): np.ones((1, 1, 1))}] for q, c in ((0, 1), (0, -1)))
    >>> bra, ket = [*up, {(1, -1): np.ones((1, 1, 1))}], [*down, {(-1, 1): np.ones((1, 1, 1))}]
    >>> matrix_element(ChargedMPO.of(hop.site_tensors(), [(1, -1)] * 2), ket, bra)
    (3+0j)
    """
    environment = EDGE
    for site, pair in enumerate(zip(ket, bra, strict=True)):
        environment = grown(environment, operator, site, *pair)
    return complex(sum(part.item() for parts in environment for part in parts.values()))


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
