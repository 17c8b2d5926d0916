"""The condition on a model that a bath can be coupled to: closed, its evolution is unitary."""

from __future__ import annotations

import numpy as np

from mpsnh.model import FloquetModel, Model

UNITARY = 1e-10
"""Largest deviation from unitarity, or relative one from Hermiticity, that counts as rounding."""


def require_closed(model: Model) -> None:
    """Raise unless every gate of a Floquet model is unitary, or a Hamiltonian is Hermitian.

    Parameters
    ----------
    model : Model
        The closed system.

    Raises
    ------
    ValueError
        Naming the gate that is not unitary, or by how much the Hamiltonian is not Hermitian.

    Examples
    --------
    >>> from mpsnh import models
    >>> require_closed(models.NonHermitianXXZ(L=4, gamma=0.1, charge=None))
    Traceback (most recent call last):
    ValueError: the Hamiltonian must be Hermitian to couple a bath to it, but |H - H†| reaches 0.1
    """
    if isinstance(model, FloquetModel):
        for layer in model.layers():
            for matrix, where in layer:
                deviation = float(np.abs(matrix.conj().T @ matrix - np.eye(len(matrix))).max())
                if deviation > UNITARY:
                    sites = ", ".join(map(str, where))
                    raise ValueError(
                        f"the gate on site{'s' * (len(where) > 1)} {sites} must be unitary to couple a bath to the "
                        f"model, but |U†U - 1| reaches {deviation:.3g}"
                    )
        return
    hamiltonian = model.matrix()
    deviation, largest = abs(hamiltonian - hamiltonian.conj().T).max(), abs(hamiltonian).max()
    if deviation > UNITARY * largest:
        raise ValueError(
            f"the Hamiltonian must be Hermitian to couple a bath to it, but |H - H†| reaches {deviation:.3g}"
        )
