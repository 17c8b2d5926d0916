"""What a model is: a Hamiltonian, the circuit of one period, or a Lindbladian.

Whatever is made of it, a gate, a matrix, a matrix-product operator or a propagator, is a function of its own
(`mpsnh.operators`) that knows each kind of generator.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from mpsnh.language.circuit import Gate, Layer
from mpsnh.language.opsum import OpSum


class Generator(Protocol):
    """What makes a state evolve, and how its eigenvalues are read.

    Attributes
    ----------
    period : float or None
        The time after which a state is known again, in units of the model's time; None if it is known at any time.
    circle : float or None
        2π if levels are phases, which meet again after it; None if they are energies.
    """

    @property
    def period(self) -> float | None:
        """The time after which a state is known again; None if it is known at any time."""
        ...

    @property
    def circle(self) -> float | None:
        """2π if levels are phases, None if they are energies."""
        ...

    def at(self, t: float) -> Self:
        """Return the generator at a time."""
        ...

    def growth(self, values: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return the rate at which the norm of each eigenstate grows, given the eigenvalues."""
        ...

    def amplification(self, values: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return what grows with `growth`, is 0 where the norm is kept, and no less accurate than the eigenvalues."""
        ...

    def levels(self, values: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return the energies or phases of eigenvalues."""
        ...


@dataclass(frozen=True, eq=False)
class Hamiltonian:
    """A state evolves with exp(-i H t), where H need not be Hermitian.

    Parameters
    ----------
    terms : OpSum
        H, taken literally.

    Examples
    --------
    >>> Hamiltonian(OpSum([(1.0, "Sz", 0)])).growth(np.array([0.5 - 0.1j])).tolist()
    [-0.1]
    """

    terms: OpSum
    period: ClassVar[float | None] = None
    circle: ClassVar[float | None] = None

    def at(self, t: float) -> Self:
        """Return the Hamiltonian at a time, which is always the same."""
        return self

    def growth(self, values: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return Im E."""
        return np.asarray(values).imag

    def amplification(self, values: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return Im E."""
        return self.growth(values)

    def levels(self, values: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return Re E."""
        return np.asarray(values).real


@dataclass(frozen=True, eq=False)
class Lindbladian:
    """A density operator evolves with dρ/dt = -i [H, ρ] + Σ_k (L_k ρ L_k† - {L_k† L_k, ρ} / 2).

    Parameters
    ----------
    hamiltonian : OpSum
        H, which must be Hermitian.
    jumps : sequence of OpSum
        The jump operators L_k, rates included.

    Examples
    --------
    >>> Lindbladian(OpSum(), [OpSum([(1.0, "Sm", 0)])]).growth(np.array([-0.5 + 1j])).tolist()
    [-0.5]
    """

    hamiltonian: OpSum
    jumps: Sequence[OpSum]
    period: ClassVar[float | None] = None
    circle: ClassVar[float | None] = None

    def at(self, t: float) -> Self:
        """Return the Lindbladian at a time, which is always the same."""
        return self

    def growth(self, values: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return Re λ."""
        return np.asarray(values).real

    def amplification(self, values: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return Re λ."""
        return self.growth(values)

    def levels(self, values: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return the frequencies -Im λ."""
        return -np.asarray(values).imag


@dataclass(frozen=True, eq=False)
class Circuit:
    """A state evolves by whole periods, each of which is the same layers of gates.

    Parameters
    ----------
    layers : sequence of Layer
        In the order in which they act. Gates need not be unitary.

    Raises
    ------
    TypeError
        If a layer is not a sequence of gates.
    ValueError
        If gates of one layer share a site.

    Examples
    --------
    >>> float(Circuit([]).growth(np.array([1.0]))[0])
    0.0
    """

    layers: Sequence[Layer]
    period: ClassVar[float | None] = 1.0
    circle: ClassVar[float | None] = 2 * np.pi

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(map(_layer, count(), self.layers)))  # iterators are used up only once
        for k, layer in enumerate(self.layers):
            where = [j for gate in layer for j in gate.where]
            twice = sorted({j for j in where if where.count(j) > 1})
            if twice:
                raise ValueError(
                    f"layer {k} has more than one gate on site {twice[0]}, but the gates of a layer act at once; "
                    "put the later ones into a layer of their own"
                )

    def at(self, t: float) -> Self:
        """Return the circuit of the period that begins at a time, which is always the same."""
        return self

    def growth(self, values: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return log |λ|, the growth in one period."""
        with np.errstate(divide="ignore"):
            growth: NDArray[np.float64] = np.log(np.abs(values))
        return growth

    def amplification(self, values: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return |λ| - 1."""
        amplification: NDArray[np.float64] = np.abs(values) - 1
        return amplification

    def levels(self, values: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return the phases arg λ, from -π to π."""
        phases: NDArray[np.float64] = np.angle(values)
        return phases


def _layer(number: int, gates: Any) -> Layer:
    layer = () if isinstance(gates, Gate) or not isinstance(gates, Iterable) else tuple(gates)
    if isinstance(gates, Gate) or not isinstance(gates, Iterable) or not all(isinstance(g, Gate) for g in layer):
        raise TypeError(
            f"layer {number} of the circuit is {gates!r}, but it must be a sequence of Gate, such as [gate]"
        )
    return layer


def unknown(generator: Any, what: str) -> TypeError:
    """Return the error of a function that does not know a kind of generator.

    Parameters
    ----------
    generator : Generator
        Of the unknown kind.
    what : str
        What can't be made of it.

    Examples
    --------
    >>> str(unknown(Circuit([]), "a matrix-product operator"))
    'there is no way to make a matrix-product operator of a Circuit'
    """
    views = "; model.no_click() and model.lindbladian() have one" if isinstance(generator, Lindbladian) else ""
    return TypeError(f"there is no way to make {what} of a {type(generator).__name__}{views}")
