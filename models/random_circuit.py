"""The random-circuit Floquet model of many-body localisation of Ha, Morningstar and Huse 2023."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.floquet import FloquetModel
from mpsnh.checks import require
from mpsnh.language.circuit import Gate, Layer

PHASE_STREAM, COUPLING_STREAM, ORDER_STREAM = 0, 1, 2
"""Streams of the random generator that phases, couplings and the order of the bonds are drawn from."""


class RandomFloquetCircuit(FloquetModel):
    """Random phases on all sites, then a random gate close to the identity on each bond of an open chain.

    U_F = (∏_j u_j) (⊗_i d_i). The d_i = diag(e^{iθ₁}, e^{iθ₂}) hold the eigenphases of a random 2 × 2 unitary matrix
    (CUE), so that Z is the axis along which spins localise. The u_j = exp(i M_j / α) have M_j = (A + A†)/2, where A is
    a 4 × 4 matrix of complex normal numbers with real and imaginary parts of variance 1 (GUE). Localised at large α.
    (Morningstar et al., PRB 105, 174205 (2022); Ha, Morningstar and Huse, PRL 130, 250405 (2023).)

    Parameters
    ----------
    L : int
        Number of sites.
    alpha : float
        Disorder strength α, positive.
    seed : int
        Names the realisation: the same seed gives the same phases, M_j and order for all α.
    order : "random" or "brickwork"
        Whether the bonds act in a random order, or first the even and then the odd ones.
    gue_scale : float
        Factor of M_j, positive; only its ratio to α matters.

    Raises
    ------
    ValueError
        If a parameter is out of its range; the message says what is allowed.

    Examples
    --------
    >>> map_ = RandomFloquetCircuit(L=4, alpha=10.0, seed=1).matrix()
    >>> bool(np.allclose(map_.conj().T @ map_, np.eye(16)))
    True
    """

    alpha: float
    seed: int = 0
    order: Literal["random", "brickwork"] = "random"
    gue_scale: float = 1.0

    @override
    def validate(self) -> None:
        super().validate()
        require(self.alpha > 0, "alpha", self.alpha, "positive")
        require(self.seed >= 0, "seed", self.seed, "zero or positive")
        require(self.gue_scale > 0, "gue_scale", self.gue_scale, "positive")

    def phases(self) -> NDArray[np.complex128]:
        """Return the diagonals of the d_i.

        Returns
        -------
        ndarray, shape (L, 2)
            Of modulus 1.
        """
        rng = np.random.default_rng([self.seed, PHASE_STREAM])
        unitary, upper = np.linalg.qr(_ginibre(rng, self.L, 2))
        diagonal = np.einsum("jii->ji", upper)
        eigenvalues: NDArray[np.complex128] = np.linalg.eigvals(unitary * (diagonal / np.abs(diagonal))[:, None, :])
        return eigenvalues / np.abs(eigenvalues)

    def couplings(self) -> NDArray[np.complex128]:
        """Return the M_j of all bonds, times `gue_scale`.

        Returns
        -------
        ndarray, shape (L - 1, 4, 4)
            Hermitian.
        """
        drawn = _ginibre(np.random.default_rng([self.seed, COUPLING_STREAM]), self.L - 1, 4)
        return self.gue_scale * (drawn + drawn.conj().swapaxes(1, 2)) / 2

    def bond_order(self) -> list[int]:
        """Return the bonds in the order in which their gates act; bond j joins sites j and j + 1.

        Examples
        --------
        >>> RandomFloquetCircuit(L=6, alpha=10.0, order="brickwork").bond_order()
        [0, 2, 4, 1, 3]
        """
        if self.order == "brickwork":
            return [*range(0, self.L - 1, 2), *range(1, self.L - 1, 2)]
        order: list[int] = np.random.default_rng([self.seed, ORDER_STREAM]).permutation(self.L - 1).tolist()
        return order

    @override
    def layers(self) -> list[Layer]:
        """Return the one-site gates, and then the gates of the bonds in as few layers as their order allows."""
        gates = scipy.linalg.expm(1j / self.alpha * self.couplings())
        kicks = tuple(Gate(np.diag(phases), (j,)) for j, phases in enumerate(self.phases()))
        bonds = (Gate(gates[j], (j, j + 1)) for j in self.bond_order())
        return [kicks, *_packed(bonds, self.L)]


def _ginibre(rng: np.random.Generator, count: int, n: int) -> NDArray[np.complex128]:
    drawn: NDArray[np.complex128] = rng.normal(size=(count, n, n, 2)) @ np.array([1, 1j])
    return drawn


def _packed(gates: Iterable[Gate], L: int) -> list[Layer]:
    """Put each gate into the first layer after those of the gates before it that share a site with it."""
    layers: list[list[Gate]] = []
    depth = [0] * L
    for gate in gates:
        level = max(depth[j] for j in gate.where)
        layers += [[]] if level == len(layers) else []
        layers[level].append(gate)
        for j in gate.where:
            depth[j] = level + 1
    return [tuple(sorted(layer, key=lambda gate: gate.where)) for layer in layers]
