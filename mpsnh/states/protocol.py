"""What a memory is where gates change a state in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.circuit import Gate, Layer
from mpsnh.operators.sector import LEAK, joint_charges
from mpsnh.states.blocks import Array, Blocks, Charges
from mpsnh.states.truncation import Truncation

_LEAKS = 1e3
"""How much larger than that of a single gate the leak of a product of gates may be."""


class Workspace(Protocol):
    """Memory in which the tensors of a state are changed in place, on whatever device.

    Attributes
    ----------
    charges : list of tuple of int
        Charge of each local state, for each site.
    max_bond : int
        Largest bond dimension that there is room for.
    dtype : dtype
        complex128 or complex64.
    log_norm : float
        Logarithm of the norm that was taken out so far.
    """

    charges: list[tuple[int, ...]]
    max_bond: int
    dtype: np.dtype[Any]
    log_norm: float

    @property
    def centre(self) -> int:
        """The orthogonality centre."""
        ...

    def bond_dimensions(self) -> list[int]:
        """Return the dimensions of all bonds, with those of the ends, which are 1."""
        ...

    def like(self, blocks: Sequence[Blocks], centre: int, max_bond: int) -> Workspace:
        """Return another state of the same chain, on the same device unless it is too small for that to pay.

        Parameters
        ----------
        blocks : sequence of dict
            The blocks of each site, in canonical form.
        centre : int
            Their orthogonality centre.
        max_bond : int
            Largest bond dimension that there is to be room for.
        """
        ...

    def apply(self, layer: Layer, truncation: Truncation, pairs: Array | None = None) -> NDArray[np.float64]:
        """Apply a layer of gates in one sweep of the orthogonality centre, truncating each bond at the centre.

        Parameters
        ----------
        layer : Layer
            Gates on disjoint sites or pairs of neighbours.
        truncation : Truncation
            What is kept of each bond.
        pairs : ndarray of complex, shape (L + 1, D, D), optional
            Where the density matrix of each pair goes that a gate acts on, by its first site, up to its trace and with
            local states in order of charge.

        Returns
        -------
        ndarray, shape (L - 1,)
            Relative weight discarded at each bond.

        Raises
        ------
        ValueError
            If there is no room for such bonds, or bonds are larger already.
        FloatingPointError
            If the norm is zero or not finite.
        """
        ...

    def move_to(self, site: int) -> None:
        """Move the orthogonality centre to a site, from where all that follows depends on the state and `carry` alone.

        Parameters
        ----------
        site : int
            Where to.

        Raises
        ------
        FloatingPointError
            If the norm is not finite.
        """
        ...

    def view(self) -> list[Blocks]:
        """Return the blocks of each site, which never change: what follows goes on in other memory if need be."""
        ...

    def carry(self) -> dict[str, NDArray[Any]]:
        """Return what the truncation of the next gates depends on besides the state."""
        ...

    def recall(self, carry: Mapping[str, NDArray[Any]]) -> None:
        """Go on with what `carry` returned.

        Parameters
        ----------
        carry : mapping of str to ndarray
            May be empty.
        """
        ...

    def packed(self) -> dict[str, NDArray[Any]]:
        """Return the state and what `carry` returns in few arrays, for `unpack` of one with the same room."""
        ...

    def unpack(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        """Take over what `packed` returned, and tell whether it fits.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            May be those of another chain or room, or none; then nothing changes.
        """
        ...


def require_conserving(gate: Gate, charges: Charges) -> None:
    """Raise if a gate changes the charge by which a state is stored.

    Parameters
    ----------
    gate : Gate
        On one site or two.
    charges : sequence of sequence of int
        Charge of each local state, for each site of the chain.

    Raises
    ------
    ValueError
        If it changes it by more than rounding.

    Examples
    --------
    >>> require_conserving(nh.Gate(np.array([[0, 1], [1, 0]]), (0,)), [(1, -1)])
    Traceback (most recent call last):
    ValueError: the gate on sites (0,) breaks the charge by which the state is stored; state.to_mps() is ...
    """
    joint = joint_charges([charges[j] for j in gate.where])
    leaks = np.abs(gate.matrix) * (joint[:, None] != joint)
    if leaks.max(initial=0.0) > _LEAKS * LEAK * np.abs(gate.matrix).max(initial=0.0):
        raise ValueError(
            f"the gate on sites {gate.where} breaks the charge by which the state is stored; "
            "state.to_mps() is the same state with dense tensors"
        )
