"""Density operators as vectors of doubled sites: signs of fermions, and tensors made of those of pure states."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.language.circuit import Gate
from mpsnh.language.doubled import DoubledSite
from mpsnh.language.site import Site
from mpsnh.operators.localise import product_matrix
from mpsnh.states.blocks import Array, split_by_charge
from mpsnh.states.canonical import right_canonical
from mpsnh.states.mps import MPS
from mpsnh.states.symmetric import from_blocks

MIXED_PARITY = 1e-9
"""Weight of states of another fermion parity that counts as rounding."""


def require_one_parity(tensors: Sequence[Array], sites: Sequence[Site]) -> None:
    """Raise if a state is a superposition of even and odd numbers of fermions.

    Parameters
    ----------
    tensors : sequence of ndarray, shape (left bond, d, right bond)
        Of a state of unit norm.
    sites : sequence of Site
        The chain.

    Raises
    ------
    ValueError
        Saying how much of it has the other parity.

    Examples
    --------
    >>> require_one_parity([np.full((1, 2, 1), 0.5**0.5)] * 2, [nh.Fermion()] * 2)
    Traceback (most recent call last):
    ValueError: weight of another fermion parity = 1.0, but it must be 0, as no state is a superposition of even ...
    """
    if all(min(site.parities) > 0 for site in sites):
        return
    environment = np.ones((1, 1))
    for tensor, site in zip(tensors, sites, strict=True):
        signed = tensor * np.array(site.parities)[:, None]
        environment = np.tensordot(tensor.conj(), np.tensordot(environment, signed, 1), ((0, 1), (0, 1)))
    mixed = 1 - abs(float(environment.item().real))
    allowed = "0, as no state is a superposition of even and odd numbers of fermions"
    require(mixed <= MIXED_PARITY, "weight of another fermion parity", mixed, allowed)


def equal_weights(sites: Sequence[Site], charge: int) -> list[Array]:
    """Return the tensors of the density operator in which all states of a charge have the same probability.

    Parameters
    ----------
    sites : sequence of Site
        The chain.
    charge : int
        The charge.

    Raises
    ------
    ValueError
        If no state has this charge.

    Examples
    --------
    >>> [tensor.shape for tensor in equal_weights([nh.Spin(0.5)] * 2, 0)]
    [(1, 4, 2), (2, 4, 1)]
    """
    lefts, rights = [{0}], [{charge}]
    for site, other in zip(sites, reversed(sites), strict=True):
        lefts.append({q + c for q in lefts[-1] for c in site.charges})
        rights.append({q - c for q in rights[-1] for c in other.charges})
    bonds = [sorted(a & b) for a, b in zip(lefts, reversed(rights), strict=True)]
    require(bool(bonds[0]), "charge", charge, "that of some state of the sites")
    tensors = []
    for site, before, after in zip(sites, bonds, bonds[1:], strict=False):
        tensor = np.zeros((len(before), site.dim, site.dim, len(after)))
        for s, c in enumerate(site.charges):
            for q in (q for q in before if q + c in after):
                tensor[before.index(q), s, s, after.index(q + c)] = 1 / site.dim
        tensors.append(tensor.reshape(len(before), -1, len(after)))
    return tensors


def signs(sites: Sequence[Site]) -> NDArray[np.float64]:
    """Return the sign of each basis state of doubled sites as an operator |k⟩⟨b|.

    It is (-1)^{m (m - 1) / 2 + Σ_{j<i} b_j k_i}, where k and b are 1 for odd local states and m = Σ b.

    Parameters
    ----------
    sites : sequence of Site
        Those of kets.

    Returns
    -------
    ndarray, shape (d_0, d_0, d_1, d_1, …)
        Ket and bra of each site.

    Examples
    --------
    >>> float(signs([nh.Fermion()] * 2)[1, 0, 1, 0]), float(signs([nh.Boson(1)] * 2)[1, 0, 1, 0])
    (-1.0, 1.0)
    """
    n = 2 * len(sites)
    total, behind = np.zeros((1,) * n, dtype=int), np.zeros((1,) * n, dtype=int)
    for i, site in enumerate(sites):
        odd = (np.array(site.parities) < 0).astype(int)
        ket, bra = (odd.reshape([-1 if axis == 2 * i + k else 1 for axis in range(n)]) for k in (0, 1))
        total = total + (ket + bra) * behind
        behind = behind + bra
    shape = [site.dim for site in sites for _ in range(2)]
    return np.broadcast_to(1.0 - 2.0 * (total % 2), shape)


def as_matrix(vector: Array, sites: Sequence[Site]) -> NDArray[np.complex128]:
    """Return a vector of doubled sites as a matrix.

    Parameters
    ----------
    vector : ndarray, shape (∏ d_j²,)
        Amplitudes; the first site is the most significant digit.
    sites : sequence of Site
        Those of kets.

    Examples
    --------
    >>> as_matrix(np.arange(4), [nh.Spin(0.5)]).real.tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """
    n, dim = len(sites), math.prod(site.dim for site in sites)
    shape, kets_first = [site.dim for site in sites for _ in range(2)], [*range(0, 2 * n, 2), *range(1, 2 * n, 2)]
    tensor: NDArray[Any] = np.asarray(vector, dtype=complex).reshape(shape) * signs(sites)
    return tensor.transpose(kets_first).reshape(dim, dim)


def as_vector(matrix: Array, sites: Sequence[Site]) -> NDArray[np.complex128]:
    """Return a matrix as a vector of doubled sites, which undoes `as_matrix`.

    Parameters
    ----------
    matrix : ndarray, shape (∏ d_j, ∏ d_j)
        Any operator.
    sites : sequence of Site
        Those of kets.

    Examples
    --------
    >>> as_vector(np.array([[0, 1], [2, 3]]), [nh.Spin(0.5)]).real.tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    n, dims = len(sites), [site.dim for site in sites]
    order = [axis for j in range(n) for axis in (j, n + j)]
    tensor: NDArray[Any] = np.asarray(matrix, dtype=complex).reshape(dims + dims).transpose(order) * signs(sites)
    return tensor.ravel()


def projector(tensors: Sequence[Array], sites: Sequence[Site]) -> Iterator[NDArray[Any]]:
    """Yield the tensors of |ψ⟩⟨ψ| on doubled sites.

    Where there are fermions, one more index counts whether an odd number of bras are odd so far, on which signs depend.

    Parameters
    ----------
    tensors : sequence of ndarray, shape (left bond, d, right bond)
        |ψ⟩.
    sites : sequence of Site
        Those of |ψ⟩.

    Examples
    --------
    >>> [t.ravel().real.tolist() for t in projector([np.array([[[1.0], [2.0]]])], [nh.Spin(0.5)])]
    [[1.0, 2.0, 2.0, 4.0]]
    """
    fermionic = any(min(site.parities) < 0 for site in sites)
    for j, (tensor, site) in enumerate(zip(tensors, sites, strict=True)):
        left, d, right = tensor.shape
        pair = np.einsum("akb,clm->acklbm", tensor, tensor.conj()).reshape(left**2, d * d, right**2)
        if not fermionic:
            yield pair
            continue
        odd = np.array(site.parities) < 0
        with_signs = np.zeros((2, left**2, d * d, 2, right**2), dtype=complex)
        for behind in (0, 1):
            for k in range(d):
                for b in range(d):
                    sign = -1 if behind and odd[k] != odd[b] else 1
                    with_signs[behind, :, k * d + b, (behind + odd[b]) % 2] = sign * pair[:, k * d + b]
        site_tensor = with_signs.reshape(2 * left**2, d * d, 2 * right**2)
        first, last = j == 0, j == len(sites) - 1
        site_tensor = site_tensor[:1] if first else site_tensor
        yield site_tensor.reshape(*site_tensor.shape[:2], 2, -1).sum(axis=2) if last else site_tensor


def stored(tensors: Sequence[Array], sites: Sequence[DoubledSite]) -> MPS:
    """Return a vector of doubled sites with bonds as small as they can be, by charge if it has a definite one.

    Parameters
    ----------
    tensors : sequence of ndarray, shape (left bond, d², right bond)
        Of any gauge and norm, which becomes 1.
    sites : sequence of DoubledSite
        The chain.

    Raises
    ------
    FloatingPointError
        If the norm is zero or not finite.

    Examples
    --------
    >>> mixed = [np.array([1.0, 0, 0, 1.0]).reshape(1, 4, 1)] * 2
    >>> from mpsnh.operators.lindblad import doubled
    >>> type(stored(mixed, doubled([nh.Spin(0.5)] * 2))).__name__
    'SymmetricMPS'
    """
    canonical, _ = right_canonical(tensors)
    blocks, _ = split_by_charge(canonical, [site.charges for site in sites])
    if blocks is None:
        blocks, _ = split_by_charge(canonical, [(0,) * site.dim for site in sites])
    assert blocks is not None  # of unit norm
    return from_blocks(blocks, sites, (len(sites) - 1, len(sites)))


def emphasis(site: Site, weight: float) -> NDArray[np.float64]:
    """Return the matrix that multiplies the part of an operator of a site that is an identity.

    The Hilbert–Schmidt norm in which a truncation is best then counts an operator of n sites, of whichever there are,
    by a power n less of the weight, since few-body operators are what is measured.

    Parameters
    ----------
    site : Site
        Of kets.
    weight : float
        What identities are multiplied by.

    Returns
    -------
    ndarray, shape (d², d²)
        On vectors of a doubled site.

    Examples
    --------
    >>> emphasis(nh.Spin(0.5), 3.0)[[0, 0, 1], [0, 3, 1]].tolist()
    [2.0, 1.0, 1.0]
    """
    identity = np.eye(site.dim).ravel()
    matrix: NDArray[np.float64] = np.eye(site.dim**2) + (weight - 1) / site.dim * np.outer(identity, identity)
    return matrix


def weighted_gate(gate: Gate, sites: Sequence[Site], weight: float) -> Gate:
    """Return what a gate is on vectors whose identities have a weight.

    Parameters
    ----------
    gate : Gate
        On doubled sites.
    sites : sequence of DoubledSite
        The chain.
    weight : float
        What identities are multiplied by.

    Examples
    --------
    >>> from mpsnh.operators.lindblad import doubled
    >>> weighted_gate(Gate(np.diag([1, 0, 0, 0]), (0,)), doubled([nh.Spin(0.5)] * 2), 2.0).matrix[0].tolist()
    [1.125, 0.0, 0.0, -0.375]
    """
    singles = [site.single for site in (sites[j] for j in gate.where) if isinstance(site, DoubledSite)]
    there: NDArray[Any] = np.eye(1)
    back: NDArray[Any] = np.eye(1)
    for site in singles:
        there, back = np.kron(there, emphasis(site, weight)), np.kron(back, emphasis(site, 1 / weight))
    return Gate(there @ gate.matrix @ back, gate.where)


@functools.lru_cache(maxsize=4096)
def covector(site: DoubledSite, names: tuple[str, ...], weight: float) -> NDArray[Any]:
    """Return what takes the trace over a site after operators have acted on it.

    Parameters
    ----------
    site : DoubledSite
        The site.
    names : tuple of str
        Names of its operators, multiplied in this order.
    weight : float
        What the identity of the vector that it is applied to was multiplied by.

    Examples
    --------
    >>> from mpsnh.operators.lindblad import doubled
    >>> covector(doubled([nh.Spin(0.5)])[0], ("ket:Z",), 1.0).real.tolist()
    [1.0, 0.0, 0.0, -1.0]
    """
    identity = np.eye(site.single.dim).ravel()
    made: NDArray[Any] = identity @ product_matrix(site, names) @ emphasis(site.single, 1 / weight)
    return made


ROUNDING = 1e-10
"""By how much, relative to its largest element, a matrix may miss what a density matrix is."""


def require_density(matrix: NDArray[np.complex128], sites: Sequence[Site], name: str) -> None:
    """Raise if a matrix is no density operator of some sites.

    Parameters
    ----------
    matrix : ndarray
        The matrix, of any trace.
    sites : sequence of Site
        Those of kets.
    name : str
        What it is, for the message.

    Raises
    ------
    ValueError
        If it has another shape, is not finite, of positive trace, Hermitian or positive, or mixes parities.

    Examples
    --------
    >>> require_density(np.diag([1.5, -0.5]), [nh.Spin(0.5)], "matrix")
    Traceback (most recent call last):
    ValueError: smallest eigenvalue of matrix = -0.5, but it must be zero or positive
    """
    dim = math.prod(site.dim for site in sites)
    require(matrix.shape == (dim, dim), f"shape of {name}", matrix.shape, f"({dim}, {dim})")
    require(bool(np.isfinite(matrix).all()), name, matrix, "finite")
    trace, allowed = complex(np.trace(matrix)), ROUNDING * float(np.abs(matrix).max(initial=0.0))
    require(trace.real > allowed, f"trace of {name}", trace, "positive")
    deviation = float(np.abs(matrix - matrix.conj().T).max())
    require(deviation <= allowed, f"|ρ - ρ†| of {name}", deviation, "zero: a density operator is Hermitian")
    least = float(np.linalg.eigvalsh(matrix)[0])
    require(least >= -allowed, f"smallest eigenvalue of {name}", least, "zero or positive")
    parity = functools.reduce(np.kron, [np.array(site.parities) for site in sites])
    odd = float(np.abs(matrix[parity[:, None] != parity]).max(initial=0.0))
    require(odd <= allowed, f"largest element between states of different parity of {name}", odd, "zero")


def difference_tensors(tensors: Sequence[NDArray[Any]], others: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the tensors of the difference of two states, whose bonds are those of both.

    Parameters
    ----------
    tensors, others : sequence of ndarray, shape (left bond, d, right bond)
        The states.

    Examples
    --------
    >>> one = [np.ones((1, 2, 1))] * 2
    >>> [tensor.shape for tensor in difference_tensors(one, one)]
    [(1, 2, 2), (2, 2, 1)]
    """
    last, joined = len(tensors) - 1, []
    for j, (one, two) in enumerate(zip(tensors, others, strict=True)):
        rows, columns = (len(one) if j else 0), (one.shape[2] if j < last else 0)
        tensor = np.zeros((len(two) + rows, one.shape[1], two.shape[2] + columns), dtype=complex)
        tensor[: len(one), :, : one.shape[2]] += one
        tensor[rows:, :, columns:] += two if j else -two
        joined.append(tensor)
    return joined
