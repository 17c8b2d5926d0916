"""Models that evolve continuously, with a Hamiltonian that need not be Hermitian."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from typing_extensions import override

from mpsnh.base.model import Model
from mpsnh.checks import described, require_method
from mpsnh.language.generator import Hamiltonian
from mpsnh.language.opsum import OpSum
from mpsnh.operators.charged import require_conserved
from mpsnh.operators.localise import LocalTerm, localise

if TYPE_CHECKING:
    from mpsnh.operators.mpo import MPO


@runtime_checkable
class CurrentModel(Protocol):
    """A model with a current through its bonds."""

    @property
    def bonds(self) -> Sequence[int]:
        """The bonds that carry current."""
        ...

    def current(self, bond: int) -> OpSum:
        """Return the current I_j through a bond."""
        ...


class HamiltonianModel(Model):
    """A model that evolves with exp(-i H t), where H need not be Hermitian.

    A new model must only write `terms`.

    Examples
    --------
    >>> class Decay(HamiltonianModel):
    ...     rate: float = 1.0
    ...     def terms(self):
    ...         return OpSum.sum((-0.5j * self.rate, "Sp", j, "Sm", j) for j in range(self.L))
    >>> Decay(L=2).matrix().diagonal().imag
    array([-1. , -0.5, -0.5,  0. ])
    """

    @override
    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        parts = "a drive is made of parts, each a model that goes on from the last snapshot: run(after=snapshot)"
        require_method(cls, "terms", otherwise=f"H does not depend on time, but {parts}")

    @abstractmethod
    def terms(self) -> OpSum:
        """Return the Hamiltonian as a literal sum of operator products."""

    @cached_property
    @override
    def generator(self) -> Hamiltonian:
        terms = self.terms()
        if not isinstance(terms, OpSum):
            name = f"{type(self).__name__}.terms"
            raise TypeError(
                f"{name} returned {described(terms)}, but it must return an OpSum; OpSum([…]) makes one of terms"
            )
        return Hamiltonian(terms)

    @override
    def check(self) -> None:
        self._local_terms  # noqa: B018 - which checks them, once

    @cached_property
    def _local_terms(self) -> list[LocalTerm]:
        terms = localise(self.generator.terms, self.sites)
        if self.charge is not None:
            require_conserved(self.generator.terms, self.sites, self.charge)
        return terms

    def mpo(self, t: float = 0.0) -> MPO:
        """Return H at a time as a matrix-product operator of minimal bond dimension."""
        from mpsnh.operators.mpo import mpo  # whose quimb exact methods need not wait for

        return mpo(self.generator, self.sites, t)
