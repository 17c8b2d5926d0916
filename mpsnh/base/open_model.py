"""Open systems: a Hamiltonian and jump operators, and the three ways to look at them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from typing_extensions import override

from mpsnh.base.hamiltonian import HamiltonianModel
from mpsnh.base.model import Model
from mpsnh.checks import described, require_method
from mpsnh.language.doubled import DoubledSite
from mpsnh.language.generator import Lindbladian
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site, is_fermionic
from mpsnh.operators.lindblad import anti_hermitian, doubled, doubled_sites, effective, lindblad


class OpenModel(Model):
    """A chain with a Hamiltonian and jump operators, dρ/dt = -i [H, ρ] + Σ_k (L_k ρ L_k† - {L_k† L_k, ρ} / 2).

    A new model must only write `terms`, the Hermitian H, and `jumps`. Trajectories and the density operator are evolved
    by algorithms that take the model itself; `no_click` is what remains of it as long as nothing jumps.

    Examples
    --------
    >>> class Decay(OpenModel):
    ...     rate: float = 1.0
    ...     def terms(self):
    ...         return OpSum.sum((1.0, "Sx", j) for j in range(self.L))
    ...     def jumps(self):
    ...         return [OpSum([(self.rate**0.5, "Sm", j)]) for j in range(self.L)]
    >>> Decay(L=2).no_click().matrix().diagonal().imag
    array([-1. , -0.5, -0.5,  0. ])
    """

    @override
    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        require_method(cls, "terms")
        require_method(cls, "jumps")

    @abstractmethod
    def terms(self) -> OpSum:
        """Return the Hamiltonian, which must be Hermitian."""

    @abstractmethod
    def jumps(self) -> Iterable[OpSum]:
        """Return the jump operators, each with the square root of its rate."""

    @cached_property
    @override
    def generator(self) -> Lindbladian:
        name, terms, jumps = type(self).__name__, self.terms(), self.jumps()
        if not isinstance(terms, OpSum):
            raise TypeError(f"{name}.terms returned {described(terms)}, but it must return an OpSum")
        if isinstance(jumps, OpSum) or not isinstance(jumps, Iterable):
            raise TypeError(f"{name}.jumps returned {described(jumps)}, but it must return a list of OpSum, one a jump")
        listed = tuple(jumps)
        for k, jump in enumerate(listed):
            if not isinstance(jump, OpSum):
                raise TypeError(f"{name}.jumps returned {described(jump)} as number {k}, but each must be an OpSum")
            odd = {sum(is_fermionic(factor) for factor, _ in term.factors) % 2 for term in jump}
            if len(odd) == 2:
                raise ValueError(f"jump {k}, {jump}, has terms with odd and with even numbers of fermionic operators")
        return Lindbladian(terms, listed)

    @override
    def check(self) -> None:
        deviation, there = anti_hermitian(self.generator.hamiltonian, self.sites)
        if there:
            raise ValueError(
                f"{type(self).__name__}.terms must be Hermitian, as no norm may grow without a jump, but "
                f"|H - H†| reaches {deviation:.3g}; decay belongs to jumps"
            )
        self.no_click().check()
        self.lindbladian().check()

    def no_click(self) -> NoClickModel:
        """Return the model on condition that nothing jumps, with the Hamiltonian H - (i/2) Σ_k L_k† L_k."""
        return NoClickModel(L=self.L, charge=self.charge, of=self)

    def lindbladian(self, strong: bool = True) -> DoubledModel:
        """Return the Lindblad equation as a model of doubled sites, whose states are density operators.

        If the model has a charge, this one has that of density operators of states with it. It is made once.

        Parameters
        ----------
        strong : bool
            Whether the charge of kets and that of bras are kept apart if both are conserved, and not only their
            difference, as mixtures of charges need it.

        Raises
        ------
        ValueError
            If the model has a charge, which the Lindblad equation does not conserve.
        """
        ket, bra = self._doubled_sites[0].weights
        if self.charge is not None and not ket:
            raise ValueError(f"charge = {self.charge}, but it must be None, as the jumps or the Hamiltonian change it")
        weak = ket > 1 and not strong
        charge = None if self.charge is None or weak else (ket + bra) * self.charge
        if weak not in self._views:
            self._views[weak] = DoubledModel(L=self.L, charge=charge, of=self, weak=weak)
        return self._views[weak]

    @cached_property
    def _views(self) -> dict[bool, DoubledModel]:
        return {}

    @cached_property
    def _weak_sites(self) -> tuple[DoubledSite, ...]:
        return doubled(self.sites)

    @cached_property
    def _doubled_sites(self) -> tuple[DoubledSite, ...]:
        return doubled_sites(self.generator.hamiltonian, self.generator.jumps, self.sites)


def require_no_jumps(model: Model, name: str) -> None:
    """Raise if a model has jumps, for an algorithm of Hamiltonians or circuits.

    Parameters
    ----------
    model : Model
        What it is asked to work on.
    name : str
        The algorithm.

    Raises
    ------
    TypeError
        Saying what to use.

    Examples
    --------
    >>> require_no_jumps(models.OpenXXZ(L=4).no_click(), "ExactEvolution")
    """
    if isinstance(model, OpenModel):
        raise TypeError(
            f"{name} takes no {type(model).__name__}, as it has jumps: use its no_click(), which is what is left "
            "without one, or Trajectories(inner=…), OpenSystem, DensityTEBD or LindbladSpectrum"
        )


class _View(HamiltonianModel):
    """A model made of an open one, of which all else that the open one knows (parameters, currents) is known too."""

    of: OpenModel

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "of":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.of, name)


class NoClickModel(_View):
    """An open system conditioned on no quantum jump: H_eff = H - (i/2) Σ_k L_k† L_k.

    (Brighi et al., DOI 10.1103/crwj-x7j8 (2025), Eq. 1.) What else its model knows, as currents, this one knows too.

    Parameters
    ----------
    of : OpenModel
        The open system; `OpenModel.no_click` makes this model of it.

    Examples
    --------
    >>> spins = OpSum.sum((1.0, "Sz", j) for j in range(2))
    >>> atoms = models.OpenChain(L=2, hamiltonian=spins, jump_operators=[OpSum([(1.0, "Sm", 0)])])
    >>> print(atoms.no_click().terms())
    -0.5j Sm†_0 Sm_0 + 1 Sz_0 + 1 Sz_1
    """

    @property
    @override
    def sites(self) -> tuple[Site, ...]:
        return self.of.sites

    @override
    def terms(self) -> OpSum:
        """Return H - (i/2) Σ L†L, with like terms merged."""
        return effective(self.of.generator.hamiltonian, self.of.generator.jumps)


class DoubledModel(_View):
    """The Lindblad equation as a Hamiltonian i 𝓛 of doubled sites, whose states are density operators.

    Parameters
    ----------
    of : OpenModel
        The open system; `OpenModel.lindbladian` makes this model of it.
    weak : bool
        Whether the difference of the charges of kets and bras is all that counts as conserved.

    Examples
    --------
    >>> atoms = models.OpenChain(L=2, hamiltonian=OpSum(), jump_operators=[OpSum([(1.0, "Sm", 0)])])
    >>> atoms.lindbladian().sites[0].states
    ('up|up', 'up|down', 'down|up', 'down|down')
    """

    weak: bool = False

    @property
    @override
    def sites(self) -> tuple[Site, ...]:
        return self.of._weak_sites if self.weak else self.of._doubled_sites

    @property
    def weights(self) -> tuple[int, int]:
        """What the charges of ket and bra count in that of a doubled site (`mpsnh.language.doubled.DoubledSite`)."""
        return self.of._doubled_sites[0].weights

    @override
    def terms(self) -> OpSum:
        """Return i 𝓛."""
        return lindblad(self.of.generator.hamiltonian, self.of.generator.jumps)
