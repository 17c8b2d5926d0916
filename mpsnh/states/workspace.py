"""A matrix-product state in memory that is allocated once, where gates change it in place."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.checks import require
from mpsnh.kernels.tebd.gate import apply_layer
from mpsnh.kernels.tebd.memory import SEED, Chain, Work, helpers, layout, workspace
from mpsnh.language.circuit import Layer
from mpsnh.states.blocks import Array, Blocks, Charges, bond_dimensions, local_states, schmidt_values
from mpsnh.states.helpers import helped
from mpsnh.states.memory import sparse_memory, tensor_sizes
from mpsnh.states.packing import packed
from mpsnh.states.protocol import Workspace
from mpsnh.states.truncation import Truncation

_NORMALISED = 1000
"""Deviation of the norm from 1, in units of the precision, that sweeps make by rounding."""


_LAYERS_KEPT = 64
"""How many layers a workspace keeps in the form that the kernel wants, more than any schedule has."""


class BlockState(Workspace):
    """The workspace of a sweep: a matrix-product state by blocks, in memory that is allocated once.

    Parameters
    ----------
    blocks : sequence of dict
        The blocks of each site, in canonical form.
    charges : sequence of sequence of int
        Charge of each local state, for each site.
    centre : int
        The orthogonality centre of `blocks`.
    max_bond : int
        Largest bond dimension that there is room for.
    dtype : dtype
        complex128 or complex64.

    Attributes
    ----------
    log_norm : float
        Logarithm of the norm that was taken out so far.

    Raises
    ------
    ValueError
        If the state has a larger bond dimension.

    Examples
    --------
    >>> from mpsnh.states.blocks import charge_blocks
    >>> state = BlockState(charge_blocks([np.ones((1, 2, 1))] * 3, [(0, 0)] * 3), [(0, 0)] * 3, 2, max_bond=4)
    >>> state.normalise()
    >>> round(float(np.exp(state.log_norm)) ** 2, 12), state.bond_dimensions()
    (8.0, [1, 1, 1, 1])
    """

    def __init__(
        self, blocks: Sequence[Blocks], charges: Charges, centre: int, max_bond: int, dtype: Any = np.complex128
    ) -> None:
        self.charges, self.max_bond, self.dtype = [tuple(site) for site in charges], max_bond, np.dtype(dtype)
        # The kernel counts charges from 0 at each site, in steps of their common divisor.
        lows = [min(site) for site in self.charges]
        self._unit = math.gcd(*(q - low for site, low in zip(self.charges, lows, strict=True) for q in site)) or 1
        self._low = np.concatenate([[0], np.cumsum(lows)])
        counted = [(np.sort(site) - low) // self._unit for site, low in zip(self.charges, lows, strict=True)]
        self._pad = max(int(site[-1]) for site in counted)
        L = len(self.charges)
        dims = np.zeros((L + 1, sum(int(site[-1]) for site in counted) + 1 + 2 * self._pad), dtype=np.int64)
        local = np.zeros((L, max(map(len, counted))), dtype=np.int64)
        for j, (site, of_site) in enumerate(zip(counted, blocks, strict=True)):
            local[j, : len(site)] = site
            for (q, c), block in of_site.items():
                dims[j, self._index(j, q)], dims[j + 1, self._index(j + 1, q + c)] = block.shape[0], block.shape[2]
        widest = int(dims.sum(axis=1).max())
        require(max_bond >= widest, "max_bond", max_bond, f"≥ {widest}, as the initial state needs")
        capacity, work = tensor_sizes([site.tolist() for site in counted], max_bond, dims.sum(axis=1).tolist())
        sizes = np.array([len(site) for site in counted])
        self._chain = Chain(
            store=sparse_memory(sum(capacity), self.dtype),
            start=np.concatenate([[0], np.cumsum(capacity)[:-1]]),
            dims=dims,
            span=np.array([[np.flatnonzero(row)[0], np.flatnonzero(row)[-1]] for row in dims]),
            charges=local,
            local=sizes,
            centre=np.array([centre, 1]),
            reference=np.full(L + 1, -1.0),
            age=np.zeros(L + 1, dtype=np.int64),
            patience=np.full(L + 1, 2, dtype=np.int64),
        )
        self._work = workspace(*work, dims.shape[1], local.shape[1], self.dtype)
        self._helpers: list[Work] = []
        self._lease: Callable[[], Array | None] = _nobody
        self._layers: dict[int, tuple[Layer, NDArray[np.int64], NDArray[np.complex128]]] = {}
        self._unseen = np.empty((L + 1, 0, 0), dtype=complex)
        self.log_norm = 0.0
        for target, source in zip(self.view(), blocks, strict=True):
            for key, block in source.items():
                target[key][...] = block

    @classmethod
    def canonical(cls, blocks: Sequence[Blocks], charges: Charges) -> Self:
        """Return a state of unit norm that is canonical around its first site.

        Parameters
        ----------
        blocks : sequence of dict
            The blocks of each site, of any gauge and norm.
        charges : sequence of sequence of int
            Charge of each local state, for each site.

        Examples
        --------
        >>> state = BlockState.canonical([{(0, 0): np.full((1, 1, 1), 2.0)}] * 3, [(0,)] * 3)
        >>> state.centre, round(float(state.log_norm / np.log(2.0)), 12)
        (0, 3.0)
        """
        state = cls(blocks, charges, len(blocks) - 1, max(bond_dimensions(blocks)))
        state.move_to(0)
        state.normalise()
        return state

    def _index(self, bond: int, charge: int) -> int:
        return int((charge - self._low[bond]) // self._unit) + self._pad

    def _charge(self, bond: int, index: int) -> int:
        return int((index - self._pad) * self._unit + self._low[bond])

    @property
    def threads(self) -> int:
        """How many threads apply gates, which changes no bit of the state; narrow bonds leave it to one of them."""
        return 1 + len(self._helpers)

    @threads.setter
    def threads(self, number: int) -> None:
        self._helpers = helpers(self._work, number - 1)

    @property
    @override
    def centre(self) -> int:
        return int(self._chain.centre[0])

    @override
    def bond_dimensions(self) -> list[int]:
        dimensions: list[int] = self._chain.dims.sum(axis=1).tolist()
        return dimensions

    @override
    def like(self, blocks: Sequence[Blocks], centre: int, max_bond: int) -> Self:
        other = type(self)(blocks, self.charges, centre, max_bond, self.dtype)
        other.threads = self.threads
        return other

    def blocks(self, begin: int, end: int) -> list[Blocks]:
        """Return the blocks of a few sites, which change with the state.

        Parameters
        ----------
        begin, end : int
            The first site, and the one after the last.
        """
        return [self._site_blocks(self._chain.store, j) for j in range(begin, end)]

    @override
    def view(self) -> list[Blocks]:
        # A view of `lease` keeps it alive, whereas it would not keep alive a view of the store.
        lease = self._lease()
        if lease is None:
            lease = np.asarray(memoryview(self._chain.store))  # type: ignore[arg-type]
            self._lease = weakref.ref(lease)
        return [self._site_blocks(lease, j) for j in range(len(self.charges))]

    def _site_blocks(self, store: Array, j: int) -> Blocks:
        chain, work = self._chain, self._work
        direction = 1 if j < self.centre else -1 if j > self.centre else int(chain.centre[1])
        outer, inner = (j, j + 1) if direction > 0 else (j + 1, j)
        rows, first, offset = work.rows, work.first, work.near
        layout(chain, j, direction, rows, first, offset)
        states = {q: len(chosen) for q, chosen in local_states(self.charges[j]).items()}
        blocks, s = Blocks(), 0
        for q, degeneracy in states.items():
            step = chain.charges[j, s]
            for c in range(chain.span[inner, 0], chain.span[inner, 1] + 1):
                width, height = chain.dims[inner, c], chain.dims[outer, c - direction * step]
                if height * width:
                    begin = chain.start[j] + first[c]
                    grouped = store[begin : begin + rows[c] * width].reshape(width, rows[c])
                    part = grouped[:, offset[c, s] :][:, : degeneracy * height].reshape(width, degeneracy, height)
                    left = c - step if direction > 0 else c
                    blocks[self._charge(j, left), q] = part.T if direction > 0 else part
            s += degeneracy
        return blocks

    def _sizes(self) -> list[int]:
        """Return how many elements the tensors have."""
        chain, sizes = self._chain, np.zeros(len(self.charges), dtype=np.int64)
        for s, steps in enumerate(chain.charges.T):
            for step in set(steps[chain.local > s].tolist()):
                sites = np.flatnonzero((steps == step) & (chain.local > s))
                products = chain.dims[sites, : chain.dims.shape[1] - step] * chain.dims[sites + 1, step:]
                sizes[sites] += products.sum(axis=1)
        return [int(size) for size in sizes]

    def _own(self) -> None:
        """Move to other memory if views of this one are in use."""
        if self._lease() is None:
            return
        chain = self._chain
        store = sparse_memory(chain.store.size, self.dtype)
        for begin, size in zip(chain.start, self._sizes(), strict=True):
            store[begin : begin + size] = chain.store[begin : begin + size]
        self._chain = chain.replace(store=store)
        self._lease = _nobody

    def replace_pair(self, site: int, left: Blocks, right: Blocks, change: int) -> bool:
        """Put other tensors on two sites around the centre, the second of which becomes the centre, if there is room.

        Parameters
        ----------
        site : int
            The first of the two.
        left, right : dict
            Their blocks: `left` is left-isometric, and both together have unit norm.
        change : int
            What is added to the charge of the state, and so to that of all bonds after the two.

        Returns
        -------
        bool
            Whether it was done; else nothing has changed.
        """
        chain, shift = self._chain, change // self._unit
        dims = chain.dims.copy()
        dims[site + 2 :] = np.roll(dims[site + 2 :], shift, axis=1)
        wrapped = dims[site + 2 :, :shift] if shift > 0 else dims[site + 2 :, dims.shape[1] + shift :]
        if shift and wrapped.any():
            return False
        dims[site + 1] = 0
        for (q, c), block in left.items():
            dims[site + 1, self._index(site + 1, q + c)] = block.shape[2]
        self._own()
        chain = self._chain
        chain.dims[...] = dims
        for bond in range(site + 1, len(dims)):
            chain.span[bond] = np.flatnonzero(dims[bond])[[0, -1]]
        chain.centre[:] = site + 1, 1
        chain.reference[:], chain.age[:], chain.patience[:] = -1.0, 0, 2
        sizes = self._sizes()
        for j, blocks in ((site, left), (site + 1, right)):
            chain.store[chain.start[j] :][: sizes[j]] = 0
            target = self._site_blocks(chain.store, j)
            for key, block in blocks.items():
                target[key][...] = block
        return True

    @override
    def apply(self, layer: Layer, truncation: Truncation, pairs: Array | None = None) -> NDArray[np.float64]:
        max_bond, excess = truncation.max_bond, truncation.excess
        require(max_bond <= self.max_bond, "max_bond", max_bond, f"at most {self.max_bond}, for which there is room")
        if max_bond < self.max_bond and excess > 0:  # a projection keeps all dimensions of the bond
            widest = max(self.bond_dimensions())
            require(max_bond >= widest, "max_bond", max_bond, f"≥ {widest}, the largest bond dimension")
        return self._run(layer, truncation, pairs)

    def _run(
        self, layer: Layer, truncation: Truncation, pairs: Array | None = None, goal: int = -1
    ) -> NDArray[np.float64]:
        """Apply a layer and move the centre to a site; returns the weights that are lost."""
        self._own()
        chain, work = self._chain, self._work
        limits = (truncation.max_bond, truncation.min_bond, truncation.cutoff)
        (where, matrices), lost = self._packed(layer), np.zeros(len(self.charges) + 1)
        seen = self._unseen if pairs is None else pairs
        with helped(chain, work, self._helpers):
            log_norm, failed = apply_layer(chain, work, where, matrices, limits, truncation.excess, lost, seen, goal)
        if failed >= 0 or not math.isfinite(log_norm):
            norm = log_norm if failed >= 0 else math.exp(log_norm)
            sites = f" on sites {tuple(sorted(set(where[failed].tolist())))}" if failed >= 0 else ""
            raise FloatingPointError(f"the norm of the state became {norm}{sites}")
        self.log_norm += log_norm
        return lost[:-2]

    def _packed(self, layer: Layer) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
        """Return first and last sites and the matrices of gates from left to right, as the kernel wants them.

        A circuit repeats a few layers. Those seen last are kept, with the layer itself, so that its id stays its own.
        """
        if id(layer) in self._layers:
            return self._layers[id(layer)][1:]
        where, matrices = packed(layer, self.charges)
        if len(self._layers) == _LAYERS_KEPT:
            self._layers.clear()
        self._layers[id(layer)] = layer, where, matrices
        return where, matrices

    @override
    def move_to(self, site: int) -> None:
        self._work.random[0] = SEED
        self._run((), Truncation(max_bond=self.max_bond), goal=site)

    def normalise(self) -> None:
        """Take out the norm, unless it is 1 up to rounding, so that doing it again changes no bit.

        Raises
        ------
        FloatingPointError
            If it is zero or not finite.
        """
        self._own()
        centre = self.view()[self.centre].values()
        norm = math.sqrt(sum(np.linalg.norm(block) ** 2 for block in centre))
        if not 0 < norm < math.inf:
            raise FloatingPointError(f"the norm of the state became {norm}")
        if abs(norm - 1) > _NORMALISED * np.finfo(self.dtype).eps:
            for block in centre:
                block /= norm
            self.log_norm += math.log(norm)

    def schmidt_values(self, bond: int) -> NDArray[np.float64]:
        """Return the Schmidt values across a bond.

        Parameters
        ----------
        bond : int
            Between sites `bond` and `bond` + 1, the first of which becomes the centre.

        Returns
        -------
        ndarray
            In no particular order.
        """
        self.move_to(bond)
        return schmidt_values(self.view()[bond])

    @override
    def carry(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self._chain, name).copy() for name in _MEMORY}

    @override
    def recall(self, carry: Mapping[str, NDArray[Any]]) -> None:
        for name, array in carry.items():
            if name in _MEMORY:
                getattr(self._chain, name)[...] = array

    @override
    def packed(self) -> dict[str, NDArray[Any]]:
        parts = [self._chain.store[begin:][:size] for begin, size in zip(self._chain.start, self._sizes(), strict=True)]
        places = {name: getattr(self._chain, name).copy() for name in _PLACES}
        return places | self.carry() | {"elements": np.concatenate(parts)}

    @override
    def unpack(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        own, elements = self._chain.arrays(), arrays.get("elements")
        names = _PLACES + _MEMORY
        if elements is None or any(np.shape(arrays.get(name, ())) != own[name].shape for name in names):
            return False
        before = {name: own[name].copy() for name in names}
        for name in names:
            own[name][...] = arrays[name]
        sizes = self._sizes()
        narrow = max(self.bond_dimensions()) <= self.max_bond and own["dims"].min() >= 0
        if not (narrow and elements.shape == (sum(sizes),) and elements.dtype == self.dtype):
            for name in names:
                own[name][...] = before[name]
            return False
        self._own()
        for begin, part in zip(own["start"], np.split(elements, np.cumsum(sizes)[:-1]), strict=True):
            self._chain.store[begin : begin + part.size] = part
        return True


_MEMORY = ("reference", "age", "patience")
"""What the truncation of the next gates depends on besides the state."""


_PLACES = ("dims", "span", "centre")
"""How the elements of a state are to be read."""


def _nobody() -> None:
    """Stand for the owner of memory that nobody looks at."""
