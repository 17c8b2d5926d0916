"""A matrix-product state in the memory of a GPU, where gates change it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.checks import require
from mpsnh.kernels.batched import Array, Sizes, host, squared_norm
from mpsnh.kernels.split import Batch, Limits, Split
from mpsnh.kernels.tebd.gate import GRAM_RESOLUTION, GROWTH, PATIENCE
from mpsnh.language.circuit import Gate, Layer
from mpsnh.states.blocks import Blocks, Charges, bond_charges, local_states
from mpsnh.states.bond import Bond, Steps, between, mixed
from mpsnh.states.protocol import Workspace, require_conserving
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState

WORTHWHILE = 256
"""Bond dimension from which a GPU is no slower than one core (benchmarks/README.md)."""


class DeviceState(Workspace):
    """A workspace made of few large arrays, for what does much at once: a GPU with `cupy`, or `numpy` to test it.

    The tensor of a site is one array with axes (charge of the inner bond, local state, outer bond, inner bond), where
    the inner bond is the one towards the orthogonality centre and all charges of a bond take as much room as the
    largest of them. So one product of matrices, for all charges at once, contracts a pair of sites, and a step takes
    about as many calls as it has gates, whatever the bond dimension. What is decided on the host are sizes of bonds.

    Truncation follows the rules of `mpsnh.kernels.tebd`.

    Parameters
    ----------
    blocks : sequence of dict
        The blocks of each site, in canonical form.
    charges : sequence of sequence of int
        Charge of each local state, for each site.
    centre : int
        The orthogonality centre of `blocks`.
    max_bond : int
        Largest bond dimension that gates may make.
    dtype : dtype
        complex128 or complex64.
    xp : module
        numpy or cupy.

    Raises
    ------
    ValueError
        If the state has a larger bond dimension.

    Examples
    --------
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 3, ["up", "down", "up"]).workspace()
    >>> DeviceState(state.view(), state.charges, state.centre, max_bond=4).bond_dimensions()
    [1, 1, 1, 1]
    """

    def __init__(
        self,
        blocks: Sequence[Blocks],
        charges: Charges,
        centre: int,
        max_bond: int,
        dtype: Any = np.complex128,
        xp: Any = np,
    ) -> None:
        self.charges, self.max_bond, self.dtype, self.xp = list(map(tuple, charges)), max_bond, np.dtype(dtype), xp
        lows = [min(site) for site in self.charges]
        self._unit = math.gcd(*(q - low for site, low in zip(self.charges, lows, strict=True) for q in site)) or 1
        self._low = np.concatenate([[0], np.cumsum(lows)]).tolist()
        self._steps = [[(q - low) // self._unit for q in site] for site, low in zip(self.charges, lows, strict=True)]
        bonds = len(self.charges) + 1
        self._memory = {
            "reference": np.full(bonds, -1.0),
            "age": np.zeros(bonds, dtype=np.int64),
            "patience": np.full(bonds, 2, dtype=np.int64),
        }
        self.log_norm = 0.0
        self._load(blocks, centre)

    @classmethod
    def of(cls, state: BlockState, xp: Any = np) -> Self:
        """Return a copy of a state.

        Parameters
        ----------
        state : BlockState
            Stays as it is.
        xp : module
            numpy or cupy.

        Examples
        --------
        >>> DeviceState.of(nh.MPS.product([nh.Spin(0.5)] * 3, ["up"] * 3).workspace(max_bond=4)).max_bond
        4
        """
        copy = cls(state.view(), state.charges, state.centre, state.max_bond, state.dtype, xp)
        copy.log_norm = state.log_norm
        return copy

    def _load(self, blocks: Sequence[Blocks], centre: int) -> None:
        """Take over a state."""
        self._centre, self._direction = centre, 1
        self._bonds = []
        for j, of_bond in enumerate(bond_charges(blocks)):
            sizes = {(q - self._low[j]) // self._unit: n for q, n in of_bond.items()}
            low = min(sizes)
            dims = [sizes.get(q, 0) for q in range(low, max(sizes) + 1)]
            self._bonds.append(Bond(low, np.array(dims, np.int64)))
        require(
            self.max_bond >= max(self.bond_dimensions()),
            "max_bond",
            self.max_bond,
            f"≥ {max(self.bond_dimensions())}, as the initial state needs",
        )
        self._tensors = [self._loaded(j, site) for j, site in enumerate(blocks)]

    def _loaded(self, j: int, site: Blocks) -> Array:
        inner, outer = self._sides(j, self._facing(j))
        tensor = np.zeros((len(inner.dims), len(self._steps[j]), outer.width, inner.width), self.dtype)
        for key, i, states, a, b in self._places(j):
            if key in site:
                tensor[i][states, :a, :b] = site[key].transpose((1, 0, 2) if self._facing(j) > 0 else (1, 2, 0))
        return self.xp.asarray(tensor)

    def _facing(self, j: int) -> int:
        """Return 1 if the inner bond of a site is the right one, and -1 if it is the left one."""
        return 1 if j < self._centre else -1 if j > self._centre else self._direction

    def _sides(self, j: int, direction: int) -> tuple[Bond, Bond]:
        """Return the inner and the outer bond of a site."""
        left, right = self._bonds[j : j + 2]
        return (right, left) if direction > 0 else (left, right)

    def _places(self, j: int) -> Iterator[tuple[tuple[int, int], int, list[int], int, int]]:
        """Yield for each block of a site its key, and index, local states, height and width in the tensor."""
        direction = self._facing(j)
        inner, outer = self._sides(j, direction)
        for charge, states in local_states(self.charges[j]).items():
            here, there = inner.shared(outer, -direction * self._steps[j][states[0]])
            for i, o in zip(range(here.start, here.stop), range(there.start, there.stop), strict=True):
                left = outer.low + o if direction > 0 else inner.low + i
                if outer.dims[o] * inner.dims[i]:
                    yield (left * self._unit + self._low[j], charge), i, states, int(outer.dims[o]), int(inner.dims[i])

    @property
    @override
    def centre(self) -> int:
        return self._centre

    @override
    def bond_dimensions(self) -> list[int]:
        return [int(bond.dims.sum()) for bond in self._bonds]

    @override
    def like(self, blocks: Sequence[Blocks], centre: int, max_bond: int) -> Workspace:
        if max_bond < WORTHWHILE:
            return BlockState(blocks, self.charges, centre, max_bond, self.dtype)
        return type(self)(blocks, self.charges, centre, max_bond, self.dtype, self.xp)

    @override
    def view(self) -> list[Blocks]:
        sites = []
        for j, tensor in enumerate(self._tensors):
            fetched, site, axes = host(tensor), Blocks(), (1, 0, 2) if self._facing(j) > 0 else (2, 0, 1)
            for key, i, states, a, b in self._places(j):
                # in one piece, and without the room that other charges take
                site[key] = np.ascontiguousarray(fetched[i][states, :a, :b].transpose(axes))
            sites.append(site)
        return sites

    @override
    def carry(self) -> dict[str, NDArray[Any]]:
        return {name: array.copy() for name, array in self._memory.items()}

    @override
    def recall(self, carry: Mapping[str, NDArray[Any]]) -> None:
        for name, array in carry.items():
            if name in self._memory:
                self._memory[name][...] = array

    def _on_host(self) -> BlockState:
        state = BlockState(self.view(), self.charges, self._centre, self.max_bond, self.dtype)
        state.recall(self._memory)
        return state

    @override
    def packed(self) -> dict[str, NDArray[Any]]:
        return self._on_host().packed()

    @override
    def unpack(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        state = self._on_host()
        fits = state.unpack(arrays)
        if fits:
            self._load(state.view(), state.centre)
            self.recall(state.carry())
        return fits

    @override
    def apply(self, layer: Layer, truncation: Truncation, pairs: Array | None = None) -> NDArray[np.float64]:
        max_bond, widest = truncation.max_bond, max(self.bond_dimensions())
        require(max_bond <= self.max_bond, "max_bond", max_bond, f"at most {self.max_bond}, for which there is room")
        if truncation.excess > 0:  # a projection keeps all dimensions of the bond
            require(max_bond >= widest, "max_bond", max_bond, f"≥ {widest}, the largest bond dimension")
        direction = 1 if 2 * self._centre <= len(self.charges) - 1 else -1
        lost = np.zeros(len(self.charges) - 1)
        for gate in sorted(layer, key=lambda gate: gate.where)[::direction]:
            require_conserving(gate, self.charges)
            self.move_to(gate.where[0] if direction > 0 else gate.where[-1])
            if len(gate.where) == 1:
                norm = self._one_site(gate)
            else:
                self._turn(direction)
                rho = None if pairs is None else pairs[gate.where[0]]
                norm, lost[gate.where[0]] = self._two_site(gate, direction, truncation, rho)
            if not 0 < norm < math.inf:
                raise FloatingPointError(f"the norm of the state became {norm} on sites {gate.where}")
            self.log_norm += math.log(norm)
        return lost

    @override
    def move_to(self, site: int) -> None:
        while self._centre != site:
            norm = self._move(1 if self._centre < site else -1)
            if not 0 < norm < math.inf:
                raise FloatingPointError(f"the norm of the state became {norm}")
            self.log_norm += math.log(norm)

    def _regrouped(self, parts: Array, inner: Bond, outer: Bond, steps: Sequence[int]) -> Array:
        """Return an array with axes (inner charge, local state, …) by outer charge, which is larger by a step."""
        result = self.xp.zeros((len(outer.dims), *parts.shape[1:]), self.dtype)
        for t, step in enumerate(steps):
            here, there = inner.shared(outer, step)
            result[there, t] = parts[here, t]
        return result

    def _turn(self, direction: int) -> None:
        """Group the tensor of the centre by the bond in a direction."""
        if self._direction == direction:
            return
        inner, outer = self._sides(self._centre, self._direction)
        steps = [direction * step for step in self._steps[self._centre]]
        tensor = self._tensors[self._centre].swapaxes(2, 3)
        self._tensors[self._centre] = self._regrouped(tensor, inner, outer, steps)
        self._direction = direction

    def _move(self, direction: int) -> float:
        """Move the centre to the next site; returns the norm of the state, which is taken out."""
        self._turn(direction)
        site, new = self._centre, self._centre + direction
        bond = site + 1 if direction > 0 else site
        inner, outer = self._sides(site, direction)
        tensor, follower = self._tensors[site], self._tensors[new]
        n, d, height, width = tensor.shape
        rows = inner.present(outer, [-direction * step for step in self._steps[site]])
        x = tensor.reshape(n, d * height, width)
        kept = Bond(inner.low, np.minimum(inner.dims, rows.sum(axis=1)))
        # X_c = Q_c R_c: charges do not mix, so that the QR decomposition of the tensor is that of its blocks
        split = Batch(self.xp, x, rows, rows).within(x[:, :, : kept.width], inner.dims, kept.dims)
        norm = math.sqrt(float(squared_norm(self.xp, split.far)))
        if 0 < norm < math.inf:
            _, e, beyond, _ = follower.shape
            pushed = follower.reshape(n, e * beyond, width) @ (split.far / norm).swapaxes(1, 2)
            self._store(site, direction, bond, kept, split.near, pushed.reshape(n, e, beyond, -1))
        return norm

    def _store(self, near: int, direction: int, bond: int, kept: Bond, q: Array, w: Array) -> None:
        """Replace two tensors: an isometry, and the new centre, with axes (charge, state, outer bond, inner bond)."""
        there = np.flatnonzero(kept.dims)
        first, last, width = int(there[0]), int(there[-1]) + 1, kept.width
        kept, far = Bond(kept.low + first, kept.dims[first:last]), near + direction
        beyond = self._bonds[bond + direction]
        steps = [direction * step for step in self._steps[far]]
        shape = (last - first, len(self._steps[near]), -1, width)
        self._tensors[near] = self.xp.ascontiguousarray(q[first:last, :, :width]).reshape(shape)
        self._tensors[far] = self._regrouped(w[first:last, :, :, :width].swapaxes(2, 3), kept, beyond, steps)
        self._bonds[bond], self._centre, self._direction = kept, far, direction

    def _one_site(self, gate: Gate) -> float:
        """Apply a gate to the centre; returns the norm of the state, which is taken out."""
        charges, tensor = np.array(self.charges[self._centre]), self._tensors[self._centre]
        matrix = self.xp.asarray((gate.matrix * (charges[:, None] == charges)).astype(self.dtype))
        acted = (matrix @ tensor.reshape(*tensor.shape[:2], -1)).reshape(tensor.shape)
        norm = math.sqrt(float(squared_norm(self.xp, acted)))
        if 0 < norm < math.inf:
            self._tensors[self._centre] = acted / norm
        return norm

    def _two_site(self, gate: Gate, direction: int, truncation: Truncation, rho: Array | None) -> tuple[float, float]:
        """Apply a gate to the centre and the next site, and truncate; returns the norm and the weight lost.

        The norm is taken out. If it is not a positive number, something went wrong.
        """
        near, far = self._centre, self._centre + direction
        bond = near + 1 if direction > 0 else near
        steps, others = ([direction * step for step in self._steps[j]] for j in (near, far))
        (old, outer), beyond = self._sides(near, direction), self._bonds[bond + direction]
        new = between(outer, beyond, old, (steps, others))
        a, b = self._tensors[near], self._tensors[far]
        matrix = gate.matrix.reshape([len(self.charges[j]) for j in gate.where] * 2)
        matrix = matrix if direction > 0 else matrix.transpose(1, 0, 3, 2)
        pair = self._acted(_contracted(a, b), matrix, old, new, (steps, others))
        n, d, height, e, width = pair.shape
        x = pair.reshape(n, d * height, e * width)
        rows = new.present(outer, [-step for step in steps])
        batch = Batch(self.xp, x, rows, new.present(beyond, others))
        weight = float(squared_norm(self.xp, x))
        if not 0 < weight < math.inf:
            return math.sqrt(weight) if weight >= 0 else weight, 0.0
        if rho is not None:
            self._density(pair, new, (steps, others), direction, rho)
        split, lost = self._truncated(batch, self._carried(b, old, new), new.dims, bond, truncation, weight)
        w = split.far.reshape(n, -1, e, width).transpose(0, 2, 3, 1)
        scale = math.sqrt(float(squared_norm(self.xp, split.far)))
        self._store(near, direction, bond, Bond(new.low, split.sizes), split.near, w / scale)
        return math.sqrt(weight), lost  # what the gate gave, not what truncation took

    def _carried(self, far: Array, old: Bond, new: Bond) -> Array:
        """Return the conjugate of the far tensor for the new charges of the bond: where the pair's range is sought."""
        n, e, width, m = far.shape
        guess = self.xp.zeros((len(new.dims), e * width, m), self.dtype)
        here, there = new.shared(old, 0)
        guess[here] = far.reshape(n, e * width, m)[there].conj()
        return guess

    def _truncated(
        self, batch: Batch, guess: Array, dims: Sizes, bond: int, truncation: Truncation, weight: float
    ) -> tuple[Split, float]:
        """Split a pair as `mpsnh.kernels.tebd.gate` does; returns the weight lost as well."""
        reference, age, patience = (self._memory[name] for name in ("reference", "age", "patience"))
        excess, cutoff = truncation.excess, truncation.cutoff
        limits = Limits(truncation.max_bond, cutoff, truncation.min_bond)
        resolution = 1e-14 if self.dtype == np.complex128 else 1e-8  # of a difference of norms
        room = np.minimum(batch.rows.sum(axis=1), batch.columns.sum(axis=1))
        complete = bool((dims >= room).all())
        known = float(reference[bond])
        sketches = excess > 0 and known > GRAM_RESOLUTION
        projects = excess > 0 and (complete or (known >= 0 and dims.sum() == truncation.max_bond))
        needed = projects or sketches
        subspace = batch.within(batch.x @ guess, dims, np.minimum(dims, room)) if needed else None
        lost = 0.0
        if projects and subspace is not None:
            kept = float(squared_norm(batch.xp, subspace.far))
            lost = 0.0 if complete else max(0.0, 1 - kept / weight)
            age[bond] += 1
            if age[bond] <= patience[bond] and not lost > (1 + GROWTH * excess) * max(known, resolution):
                return subspace, lost
        if excess > 0 and max(known, cutoff) > GRAM_RESOLUTION:
            split = batch.by_gram(limits, weight, subspace if sketches else None)
        else:
            split = batch.exactly(limits, weight)
        least = split.lost / weight
        if projects:
            # Bonds whose subspace went stale are decomposed sooner the next time, the others later.
            beyond_least = lost / max(least, resolution) - 1
            if beyond_least > excess:
                patience[bond] = min(age[bond], patience[bond]) // 2
            elif beyond_least < excess / 2:
                patience[bond] = min(patience[bond] + max(1, patience[bond] // 2), PATIENCE)
        reference[bond] = least if split.lost > cutoff * weight else -1.0
        age[bond] = 0
        return split, least

    def _acted(self, x: Array, matrix: NDArray[Any], old: Bond, new: Bond, steps: Steps) -> Array:
        """Apply a gate to a contracted pair, with axes (charge, near state, outer bond, far state, bond beyond)."""
        result = self.xp.zeros((len(new.dims), *x.shape[1:]), self.dtype)
        for s, t, u, v in mixed(steps):
            here, there = new.shared(old, steps[0][u] - steps[0][s])
            part = result[here, s, :, t]
            part += complex(matrix[s, t, u, v]) * x[there, u, :, v]
        return result

    def _density(self, x: Array, bond: Bond, steps: Steps, direction: int, rho: Array) -> None:
        """Store the density matrix of a pair of sites, up to its trace, with local states in order of charge."""
        ranks = [np.argsort(np.argsort(direction * np.array(of_site), kind="stable")) for of_site in steps]
        rho[...] = 0
        for s, t, u, v in mixed(steps):
            here, there = bond.shared(bond, steps[0][u] - steps[0][s])
            place, other = (
                i * len(steps[1]) + j if direction > 0 else j * len(steps[0]) + i
                for i, j in ((ranks[0][s], ranks[1][t]), (ranks[0][u], ranks[1][v]))
            )
            value = (x[here, s, :, t].astype(np.complex128) * x[there, u, :, v].conj()).sum()
            rho[place, other] = complex(value)


def _contracted(a: Array, b: Array) -> Array:
    """Contract two tensors over the bond between them, from (charge, state, outer, inner) each."""
    (n, d, height, m), (_, e, width, _) = a.shape, b.shape
    product = a.reshape(n, d * height, m) @ b.reshape(n, e * width, m).swapaxes(1, 2)
    return product.reshape(n, d, height, e, width)
