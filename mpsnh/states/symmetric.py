"""Matrix-product states with a conserved charge, as block-sparse networks of quimb and symmray."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import symmray
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.language.site import Site
from mpsnh.operators.networks import qtn
from mpsnh.operators.sector import LEAK, outside
from mpsnh.states.block_arrays import blocks_of, named_arrays
from mpsnh.states.blocks import Blocks, bond_charges, dense_tensors, local_states, split_by_charge
from mpsnh.states.mps import MPS
from mpsnh.states.plain import chain_inds
from mpsnh.states.quimb_methods import TO_DENSE, run_on_dense


@run_on_dense
class SymmetricMPS(MPS):
    """A matrix-product state of definite charge, whose tensors are block-sparse arrays (`symmray.U1Array`).

    It measures like any `MPS`; `symmetric` makes one of a dense state, and `NHTEBD` yields them. quimb's methods give
    what they give on the dense state: they run on the blocks, or on a dense copy. Those that would change the state
    itself, and can't do so on blocks, are refused; `to_mps` returns a dense state, on which all of them work.

    Charges flow in from the left bond and the site, and out to the right bond. Within a tensor local states come in
    order of increasing charge; the methods keep the order of the sites.

    Attributes
    ----------
    left_out : float
        Amplitude, relative to the norm, that the state that `symmetric` was given had in other charges: rounding.

    Examples
    --------
    >>> neel = symmetric(MPS.product([nh.Spin(0.5)] * 4, ["up", "down"] * 2))
    >>> type(neel).__name__, neel[1].data.num_blocks, neel.expect_each("Sz").real.tolist()
    ('SymmetricMPS', 1, [0.5, -0.5, 0.5, -0.5])
    """

    left_out = 0.0

    @classmethod
    @override
    def from_tensors(cls, tensors: Sequence[NDArray[Any]], sites: Sequence[Site]) -> Self:
        state = symmetric(MPS.from_tensors(tensors, sites))
        if not isinstance(state, cls):
            raise ValueError("the state has no definite charge, or its sites have none; make an MPS, which is dense")
        return state

    @classmethod
    @override
    def from_dense(cls, *arguments: Any, **options: Any) -> Self:
        raise ValueError(f"{cls.__name__} needs sites, which know the charges: make it with from_vector(vector, sites)")

    from_fill_fn = from_dense

    @override
    def phys_dim(self, site: Any = None) -> int:
        # Symmray drops the local states that a tensor does not have.
        sites = self._named_sites()
        return sites[0 if site is None else site].dim

    @override
    def _holds(self, sites: Sequence[Site]) -> bool:
        sizes = self.ind_sizes()
        return all(sizes.get(self.site_ind(j), math.inf) <= site.dim for j, site in enumerate(sites))

    @override
    def to_mps(self) -> MPS:
        """Return the same state with dense tensors, and the same names of indices and tags.

        Examples
        --------
        >>> neel = symmetric(MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]))
        >>> (neel.to_mps() + neel.to_mps()).to_vector().real.tolist()
        [0.0, 2.0, 0.0, 0.0]
        """
        tensors = [
            qtn.Tensor(
                array.reshape([n for n, kept in zip(array.shape, (j > 0, True, j < self.L - 1), strict=True) if kept]),
                inds=inds,
                tags=self[j].tags,
                left_inds=self[j].left_inds,
            )
            for j, (array, inds) in enumerate(zip(self._tensors(), chain_inds(self), strict=True))
        ]
        network = qtn.TensorNetwork(tensors, virtual=True)
        network.exponent = self.exponent
        return MPS.from_TN(network, like=self)

    @override
    def to_quimb(self) -> qtn.MatrixProductState:
        return self.to_mps().to_quimb()

    @override
    def _tensors(self) -> list[NDArray[Any]]:
        blocks, charges, _ = self._form()
        return dense_tensors(blocks, charges)

    @override
    def _form(self) -> tuple[list[Blocks], list[tuple[int, ...]], tuple[int, int]]:
        # quimb and symmray turn arrows of bonds around, which counts a bond's charges from another number or backwards.
        # With signs s for arrows, s_l a + p - s_r b = total in every tensor, so that with q = s_l a + shift left of it
        # (and s_l = s_r of the tensor before), q + p = s_r b + shift + total right of it.
        charges = [site.charges for site in self._named_sites()]
        blocks: list[Blocks] = []
        shift, before = 0, 1
        for j, inds in enumerate(chain_inds(self)):
            data = self[j].transpose(*inds).data
            if not isinstance(data, symmray.U1Array):
                raise ValueError(f"the tensor of site {j} is a {type(data).__name__}; {TO_DENSE}")
            first, last = j == 0, j == self.L - 1
            arrows = [-1 if index.dual else 1 for index in data.indices]
            turned = arrows[0 if first else 1]
            left, right = (before if first else turned * arrows[0]), (1 if last else -turned * arrows[-1])
            states = {c: len(of_charge) for c, of_charge in local_states(charges[j]).items()}
            fits = data.indices[0 if first else 1].chargemap.items() <= states.items()
            if left != before or not fits:
                raise ValueError(
                    f"the charges of the tensor of site {j} are not those of {self.local_sites}; {TO_DENSE}"
                )
            total, site = turned * data.charge, Blocks()
            for sector, block in data.blocks.items():
                q, c = (0, sector[0]) if first else (left * sector[0] + shift, sector[1])
                block = block[None] if first else block
                site[q, c] = block[..., None] if last else block
            shift, before = shift + total, right
            blocks.append(site)
        return blocks, charges, self._isometric()

    @override
    def to_arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        yield "isometric", np.array(self._isometric())
        yield from named_arrays(self.blocks()[0])

    @override
    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        blocks = blocks_of(arrays, self.L)
        left, right = arrays["isometric"].tolist()
        state = from_blocks(blocks, self._named_sites(), (left, right))
        assert isinstance(state, type(self))
        return state


def symmetric(state: MPS) -> MPS:
    """Return a state by blocks of conserved charge, if it has a definite one; else the state itself.

    Parameters
    ----------
    state : MPS
        Any state that knows its sites.

    Examples
    --------
    >>> type(symmetric(MPS.from_vector([0, 1, -1, 0], [nh.Spin(0.5)] * 2))).__name__
    'SymmetricMPS'
    >>> type(symmetric(MPS.from_vector([1, 1, -1, 0], [nh.Spin(0.5)] * 2))).__name__
    'MPS'
    """
    sites = state.local_sites
    if isinstance(state, SymmetricMPS) or sites is None or not any(any(site.charges) for site in sites):
        return state
    blocks, left_out = split_by_charge(state._tensors(), [site.charges for site in sites])
    if blocks is None:
        return state
    by_charge = from_blocks(blocks, sites, (state.L - 1, state.L))
    if isinstance(by_charge, SymmetricMPS):
        by_charge.left_out = left_out
    by_charge.exponent = state.exponent
    return by_charge


def require_charge(state: MPS, charge: int | None) -> None:
    """Raise if a state is not in the sector of a charge.

    Parameters
    ----------
    state : MPS
        Any state that knows its sites, of any norm.
    charge : int or None
        The total charge; None allows all.

    Raises
    ------
    ValueError
        If the state has weight in other sectors that is more than rounding.

    Examples
    --------
    >>> require_charge(MPS.product([nh.Spin(0.5)] * 2, ["up", "up"]), 0)
    Traceback (most recent call last):
    ValueError: the state has weight 1 outside of the sector of charge 0; set the model's charge to that of the ...
    """
    sites = state.local_sites
    if charge is None or sites is None or not any(any(site.charges) for site in sites):
        return
    by_charge = symmetric(state)
    if isinstance(by_charge, SymmetricMPS):
        (total,) = bond_charges(by_charge._form()[0])[-1]
        weight = float(total != charge)
    else:
        weight = 1 - _weight(state.canonical_tensors(), [np.array(site.charges) for site in sites], charge)
    if weight > LEAK:
        raise ValueError(outside(weight, charge))


def _weight(tensors: Sequence[NDArray[Any]], charges: Sequence[NDArray[np.int_]], charge: int) -> float:
    """Return the weight of a charge in a normalised state: a Fourier transform of ⟨exp(i θ Q)⟩."""
    number = 1 + sum(int(np.ptp(of_site)) for of_site in charges)
    total = 0.0
    for theta in 2 * np.pi / number * np.arange(number):
        environment = np.eye(1, dtype=complex)
        for tensor, of_site in zip(tensors, charges, strict=True):
            turned = np.tensordot(environment, tensor * np.exp(1j * theta * of_site)[:, None], 1)
            environment = np.tensordot(tensor.conj(), turned, ([0, 1], [0, 1]))
        total += float((environment.item() * np.exp(-1j * theta * charge)).real)
    return total / number


def from_blocks(blocks: Sequence[Blocks], sites: Sequence[Site], isometric: tuple[int, int]) -> MPS:
    """Make a state of blocks, without copying them.

    Parameters
    ----------
    blocks : sequence of dict
        Those of each site, as `MPS.blocks` returns them.
    sites : sequence of Site
        The chain.
    isometric : (int, int)
        How many sites from the left end are left-isometric, and the first one of those at the right end that are
        right-isometric; (0, L) if none is known to be.

    Returns
    -------
    SymmetricMPS or MPS
        Dense if the only charge is 0, that of a chain without conservation.

    Examples
    --------
    >>> up_up = [{(0, 1): np.ones((1, 1, 1))}, {(1, 1): np.ones((1, 1, 1))}]
    >>> from_blocks(up_up, [nh.Spin(0.5)] * 2, (0, 2)).expect_each("Sz").real.tolist()
    [0.5, 0.5]
    """
    L = len(sites)
    keys = [(0, 0)]
    dense = all(list(b) == keys and b[0, 0].shape[1] == site.dim for b, site in zip(blocks, sites, strict=True))
    names = [qtn.rand_uuid() for _ in range(L - 1)]
    bonds = bond_charges(blocks)
    tensors = []
    for j, (site, local) in enumerate(zip(blocks, sites, strict=True)):
        left, right = names[max(0, j - 1) : j], names[j : j + 1]
        data = site[0, 0] if dense else _array(site, local, bonds[j : j + 2], first=j == 0, last=j == L - 1)
        if dense:
            data = data[0] if j == 0 else data[..., 0] if j == L - 1 else data
        mark = [*left, f"k{j}"] if j < isometric[0] else [f"k{j}", *right] if j >= isometric[1] else None
        tensors.append(qtn.Tensor(data, inds=[*left, f"k{j}", *right], tags=[f"I{j}"], left_inds=mark))
    kind = MPS if dense else SymmetricMPS
    network = qtn.TensorNetwork(tensors, virtual=True)
    state = kind.from_TN(network, L=L, cyclic=False, site_ind_id="k{}", site_tag_id="I{}")
    state._local_sites = tuple(sites)
    return state


def _array(site: Blocks, local: Site, bonds: Sequence[dict[int, int]], *, first: bool, last: bool) -> symmray.U1Array:
    physical = symmray.BlockIndex({c: len(chosen) for c, chosen in local_states(local.charges).items()})
    left, right = symmray.BlockIndex(bonds[0]), symmray.BlockIndex(bonds[1], dual=True)
    blocks = {}
    for (q, c), block in site.items():
        sector = (q, c, q + c)[first : 2 if last else 3]
        part = block[0] if first else block
        blocks[sector] = part[..., 0] if last else part
    indices = (left, physical, right)[first : 2 if last else 3]
    return symmray.U1Array(indices=indices, charge=max(bonds[1]) if last else 0, blocks=blocks)
