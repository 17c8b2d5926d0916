"""Matrix-product operators on quimb."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import quimb.tensor as qtn
from numpy.typing import NDArray

from mpsnh.compile import mpo_tensors
from mpsnh.opsum import OpSum
from mpsnh.site import Site


class MPO(qtn.MatrixProductOperator):
    """A matrix-product operator; make one with `from_opsum`.

    All methods of `quimb.tensor.MatrixProductOperator` work and keep the type.
    Upper indices belong to the bra, lower ones to the ket.

    Examples
    --------
    >>> from mpsnh.site import Spin
    >>> field = MPO.from_opsum(OpSum.sum((1j, "Sp", j) for j in range(4)), [Spin(0.5)] * 4)
    >>> field.max_bond()
    2
    """

    @classmethod
    def from_opsum(cls, op: OpSum, sites: Sequence[Site]) -> Self:
        """Compile a sum of any range to an MPO of minimal bond dimension.

        Parameters
        ----------
        op : OpSum
            The operator.
        sites : sequence of Site
            The chain, at least two sites.

        Returns
        -------
        MPO

        Raises
        ------
        ValueError
            If an operator is unknown, a site lies outside the chain or there are fewer than two sites.

        Examples
        --------
        >>> from mpsnh.site import Spin
        >>> hop = MPO.from_opsum(OpSum() + (0.5, "Sp", 0, "Sm", 3), [Spin(0.5)] * 4)
        >>> hop.bond_sizes()
        [1, 1, 1]
        """
        if len(sites) < 2:
            raise ValueError(f"number of sites = {len(sites)}, but it must be at least 2")
        first, *middle, last = mpo_tensors(op, sites)
        return cls([first[0], *middle, last[:, 0]], shape="lrud")

    def dag(self) -> Self:
        """Return the Hermitian conjugate (quimb's ``.H`` only conjugates, quimb issue 315).

        Returns
        -------
        MPO

        Examples
        --------
        >>> from mpsnh.site import Spin
        >>> op = OpSum() + (1j, "Sp", 0, "Sz", 1)
        >>> mpo = MPO.from_opsum(op, [Spin(0.5)] * 2)
        >>> bool(np.allclose(mpo.dag().to_matrix(), mpo.to_matrix().conj().T))
        True
        """
        swapped = {self.upper_ind(j): self.lower_ind(j) for j in range(self.L)}
        swapped |= {lower: upper for upper, lower in swapped.items()}
        adjoint: Self = self.conj().reindex(swapped)
        return adjoint

    def to_matrix(self) -> NDArray[np.complex128]:
        """Return the operator as a dense matrix.

        Returns
        -------
        ndarray, shape (∏ d_j, ∏ d_j)
            Row = bra, column = ket; the first site is the most significant digit.

        Examples
        --------
        >>> from mpsnh.site import Spin
        >>> MPO.from_opsum(OpSum() + (1, "Sz", 0), [Spin(0.5)] * 2).to_matrix().real.diagonal()
        array([ 0.5,  0.5, -0.5, -0.5])
        """
        return np.asarray(self.to_dense())
