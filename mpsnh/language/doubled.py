"""Sites that hold a ket and a bra, on which a density operator is a state and the Lindblad equation a Hamiltonian."""

from __future__ import annotations

import numpy as np

from mpsnh.language.opsum import OpSum, Term
from mpsnh.language.site import DAGGER, Site, is_fermionic


class DoubledSite(Site):
    """The space of the operators |k⟩⟨b| on a site.

    Its operators are those of the site on kets, ``"ket:A"``, and on bras, ``"bra:A"`` (`on_kets`, `on_bras`). Fermionic
    ones begin with c, ``"cket:A"`` and ``"cbra:A"``, and anticommute among each other.

    Parameters
    ----------
    site : Site
        The space of kets.
    ket, bra : int
        The charge of |k⟩⟨b| is ``ket`` times that of k plus ``bra`` times that of b: 1 and -1 for a symmetry that jumps
        may break (weak); numbers that tell kets from bras for one that they keep (strong).

    Attributes
    ----------
    single : Site
        The site.
    weights : tuple of int
        ``ket`` and ``bra``.

    Examples
    --------
    >>> pair = DoubledSite(nh.Spin(0.5))
    >>> pair.states, pair.charges
    (('up|up', 'up|down', 'down|up', 'down|down'), (0, 2, -2, 0))
    >>> (pair.op("bra:Sm") @ pair.state("up|down")).real  # |up⟩⟨down| S⁻ = |up⟩⟨up|
    array([1., 0., 0., 0.])
    """

    def __init__(self, site: Site, ket: int = 1, bra: int = -1) -> None:
        one, parity = np.eye(site.dim), np.diag(site.parities)
        operators = {}
        for name, matrix in site.operators.items():
            odd = is_fermionic(name)
            operators[on_ket(name)] = np.kron(matrix, one)
            operators[on_bra(name)] = np.kron(parity, matrix.T @ parity) if odd else np.kron(one, matrix.T)
        super().__init__(
            [f"{k}|{b}" for k in site.states for b in site.states],
            operators,
            charges=[ket * k + bra * b for k in site.charges for b in site.charges],
            parities=[k * b for k in site.parities for b in site.parities],
        )
        self.single, self.weights = site, (ket, bra)


def on_ket(name: str) -> str:
    """Return the name of an operator on kets.

    Examples
    --------
    >>> on_ket("Sp"), on_ket("cdag")
    ('ket:Sp', 'cket:cdag')
    """
    return f"cket:{name}" if is_fermionic(name) else f"ket:{name}"


def on_bra(name: str) -> str:
    """Return the name of an operator on bras.

    Examples
    --------
    >>> on_bra("Sp"), on_bra("cdag")
    ('bra:Sp', 'cbra:cdag')
    """
    return f"cbra:{name}" if is_fermionic(name) else f"bra:{name}"


def on_kets(op: OpSum) -> OpSum:
    """Return the operator of doubled sites that takes ρ to A ρ.

    Parameters
    ----------
    op : OpSum
        A, which may be odd in fermions.

    Examples
    --------
    >>> print(on_kets(OpSum([(2.0, "Sp", 0, "Sm", 1)])))
    2 ket:Sp_0 ket:Sm_1
    """
    return OpSum(Term(c, tuple((on_ket(name), j) for name, j in factors)) for c, factors in op)


def on_bras(op: OpSum) -> OpSum:
    """Return the operator of doubled sites that takes ρ to ρ A.

    With the parity 𝒫 of a density operator, ρ A = X_A 𝒫 ρ for a fermionic A, where X_A anticommutes with those of other
    sites and of kets. A density operator has 𝒫 = 1, so that only the order of X_A and 𝒫 gives signs. Its basis states
    |k⟩⟨b| come with the signs of `mpsnh.operators.lindblad.elements`.

    Parameters
    ----------
    op : OpSum
        A, which may be odd in fermions.

    Examples
    --------
    >>> print(on_bras(OpSum([(2.0, "Sp", 0, "Sm", 0), (1.0, "cdag", 0, "c", 1)])))
    2 bra:Sm_0 bra:Sp_0 - 1 cbra:c_1 cbra:cdag_0
    """

    def reversed_term(term: Term) -> Term:
        odd = [name for name, _ in term.factors if is_fermionic(name)]
        # The matrix of an adjoint is minus the adjoint of the matrix, in which the parity stands on the other side.
        exchanges = len(odd) * (len(odd) - 1) // 2 + sum(name.endswith(DAGGER) for name in odd)
        factors = tuple((on_bra(name), j) for name, j in reversed(term.factors))
        return Term((-1) ** exchanges * term.coefficient, factors)

    return OpSum(reversed_term(term) for term in op)
