"""Networks of plain quimb as tensors of shape (left bond, d, right bond), and back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cotengra
import numpy as np

from mpsnh.operators.networks import qtn
from mpsnh.states.blocks import Array

PATHS = cotengra.AutoOptimizer(parallel=False)
"""Finds the order of general contractions, in this process; optimal for networks as small as one site's."""


def plain_tensors(mps: qtn.MatrixProductState) -> list[Array]:
    """Return the tensors of a state as plain arrays, with outer bonds of dimension 1, but for quimb's exponent.

    Parameters
    ----------
    mps : quimb.tensor.MatrixProductState
        Any open-boundary MPS.

    Returns
    -------
    list of ndarray, shape (left bond, d, right bond)
        Views, where that is possible.

    Raises
    ------
    ValueError
        If the boundaries are periodic, the network is no chain of one tensor a site, or the arrays are not dense.

    Examples
    --------
    >>> [tensor.shape for tensor in plain_tensors(qtn.MPS_computational_state("00"))]
    [(1, 2, 1), (1, 2, 1)]
    """
    if mps.cyclic:
        raise ValueError("periodic matrix-product states are not supported; use open boundaries")
    inds = chain_inds(mps)
    if any(len(of_site) < 2 + (0 < j < mps.L - 1) for j, of_site in enumerate(inds)):
        mps = mps.copy()
        mps.ensure_bonds_exist()
        inds = chain_inds(mps)
    tensors = []
    for j, of_site in enumerate(inds):
        data = mps[j].transpose(*of_site).data
        if not isinstance(data, np.ndarray):
            raise ValueError(f"the tensor of site {j} is a {type(data).__name__}, but it must be a dense numpy array")
        data = np.asarray(data, dtype=complex)
        left, right = (data.shape[0] if j else 1), (data.shape[-1] if j < mps.L - 1 else 1)
        tensors.append(data.reshape(left, -1, right))
    return tensors


def chain_inds(mps: qtn.MatrixProductState) -> list[list[str]]:
    """Return the names of the indices of each tensor from left to right: left bond, local states, right bond.

    Parameters
    ----------
    mps : quimb.tensor.MatrixProductState
        Any network of this type; a bond may be missing.

    Raises
    ------
    ValueError
        If there is not one tensor for each site, or it has other indices.

    Examples
    --------
    >>> [len(inds) for inds in chain_inds(qtn.MPS_computational_state("000"))]
    [2, 3, 2]
    """
    here = [mps.site_tag(j) for j in range(mps.L)]
    tensors = [tensor for tag in here if tag in mps.tag_map for tensor in mps.select_tensors(tag)]
    if not mps.num_tensors == mps.L == len(tensors) == len(set(map(id, tensors))):
        raise ValueError(
            f"this network has {mps.num_tensors} tensors for {mps.L} sites, but a matrix-product state has one a site; "
            "contract gates when they are applied, gate(..., contract=True), or quimb's lazy ones with flatten()"
        )
    bonds = [sorted(one.bonds(two)) for one, two in itertools.pairwise(tensors)]
    inds = []
    for j, tensor in enumerate(tensors):
        inds.append([*(bonds[j - 1] if j else []), mps.site_ind(j), *(bonds[j] if j < mps.L - 1 else [])])
        if sorted(inds[-1]) != sorted(tensor.inds) or max(map(len, bonds), default=0) > 1:
            raise ValueError(
                f"the tensor of site {j} has the indices {tensor.inds}, but in a matrix-product state these are "
                f"{mps.site_ind(j)!r} and one bond to each neighbour"
            )
    return inds


def plain_network(tensors: Sequence[Array]) -> qtn.MatrixProductState:
    """Return a quimb MPS of these tensors, which undoes `plain_tensors`.

    Parameters
    ----------
    tensors : sequence of ndarray, shape (left bond, d, right bond)
        The outer bonds have dimension 1.

    Examples
    --------
    >>> plain_network([np.ones((1, 2, 3)), np.ones((3, 2, 1))]).bond_sizes()
    [3]
    """
    first, *middle, last = tensors
    return qtn.MatrixProductState([first[0], *middle, last[:, :, 0]], shape="lpr")
