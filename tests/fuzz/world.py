"""What the reference knows of a case: its matrices, its initial state and its evolution."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from tests.fuzz import dense
from tests.fuzz.cases import OPEN, Case
from tests.fuzz.hamiltonians import gate_matrix
from tests.fuzz.levels import Levels, levels
from tests.fuzz.spaces import space

FLOQUET = ("circuit", "random circuit")


class World:
    """The dense reference of a case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.kinds, self.dims = case.kinds, dense.dims_of(case.kinds)
        self.dim, self.charges = math.prod(self.dims), dense.charges_of(case.kinds)
        self.floquet, self.open = case.model in FLOQUET, case.model in OPEN

    # what the model is

    @cached_property
    def terms(self) -> list[tuple]:
        """The Hamiltonian, by the formula of the model."""
        case = self.case
        if case.model in ("terms", "open"):
            return list(case.terms)
        if case.model == "noclick":
            decay = []
            for jump in case.jumps:
                for left in dense.adjoint(jump):
                    decay += [(-0.5j * left[0] * right[0], *left[1:], *right[1:]) for right in jump]
            return [*case.terms, *decay]
        return [term for term in self._xxz() if term[0]]

    def _xxz(self) -> list[tuple]:
        given, L = dict(self.case.parameters), self.case.L
        gamma, V = 0.0 if self.open else given["gamma"], given["V"]
        drawn = given["h"] * np.random.default_rng([given["seed"], 0]).uniform(-1, 1, L)
        h = given.get("fields", drawn)
        terms = [(float(h[j]), "Sz", j) for j in range(L)]
        for i in range(L if given["boundary"] == "periodic" else L - 1):
            j = (i + 1) % L
            terms += [((1 - gamma) / 2, "Sp", i, "Sm", j), ((1 + gamma) / 2, "Sm", i, "Sp", j), (V, "Sz", i, "Sz", j)]
        return terms

    @cached_property
    def jumps(self) -> list[np.ndarray]:
        """The jump operators of an open model in the whole space."""
        sums: list[tuple[tuple, ...]] = list(self.case.jumps)
        if self.case.model == "open xxz":
            given, L = dict(self.case.parameters), self.case.L
            amplitude, phase = math.sqrt(given["gamma"]), complex(math.cos(given["theta"]), math.sin(given["theta"]))
            for j in range(L if given["boundary"] == "periodic" else L - 1):
                sums.append(((amplitude, "Sm", j), (amplitude * phase, "Sm", (j + 1) % L)))
        return [dense.operator(jump, self.kinds).toarray() for jump in sums]

    @cached_property
    def lindbladian(self) -> np.ndarray:
        """The superoperator of an open model on density matrices written row by row."""
        h, one = self.whole.toarray(), np.eye(self.dim)
        total = -1j * (np.kron(h, one) - np.kron(one, h.T))
        for jump in self.jumps:
            rate = jump.conj().T @ jump
            total += np.kron(jump, jump.conj()) - (np.kron(rate, one) + np.kron(one, rate.T)) / 2
        return total

    @cached_property
    def parities(self) -> np.ndarray:
        """The fermion parity of every product state."""
        parities = np.ones(1)
        for kind in self.kinds:
            parities = np.multiply.outer(parities, space(kind).parities).ravel()
        return parities

    @cached_property
    def gates(self) -> list[tuple[np.ndarray, tuple[int, ...]]]:
        """All gates of a period, in the order in which they act."""
        if self.case.model == "circuit":
            return [(gate_matrix(gate, self.kinds), gate[0]) for layer in self.case.layers for gate in layer]
        return self._random_circuit()

    def _random_circuit(self) -> list[tuple[np.ndarray, tuple[int, ...]]]:
        """The circuit of Ha, Morningstar and Huse from the streams of random numbers that the package documents."""
        given, L = dict(self.case.parameters), self.case.L

        def ginibre(stream: int, count: int, n: int) -> np.ndarray:
            return np.random.default_rng([given["seed"], stream]).normal(size=(count, n, n, 2)) @ np.array([1, 1j])

        gates = []
        for j, drawn in enumerate(ginibre(0, L, 2)):
            q, r = np.linalg.qr(drawn)
            phases = np.linalg.eigvals(q @ np.diag(np.diag(r) / np.abs(np.diag(r))))
            gates.append((np.diag(phases / np.abs(phases)), (j,)))
        order = [*range(0, L - 1, 2), *range(1, L - 1, 2)]
        if given["order"] == "random":
            order = np.random.default_rng([given["seed"], 2]).permutation(L - 1).tolist()
        couplings = ginibre(1, L - 1, 4)
        for j in order:
            values, vectors = np.linalg.eigh((couplings[j] + couplings[j].conj().T) / 2)
            gates.append(((vectors * np.exp(1j * values / given["alpha"])) @ vectors.conj().T, (j, j + 1)))
        return gates

    @cached_property
    def whole(self) -> sp.csr_matrix:
        """The Hamiltonian, or the map of one period, in the whole space."""
        if not self.floquet:
            return dense.operator(self.terms, self.kinds)
        return sp.csr_matrix(self.period(np.eye(self.dim, dtype=complex)))

    def period(self, vectors: np.ndarray) -> np.ndarray:
        for matrix, where in self.gates:
            vectors = dense.apply_gate(vectors, matrix, where, self.kinds)
        return vectors

    @cached_property
    def inside(self) -> np.ndarray:
        """The product states of the model's charge."""
        everything = np.arange(self.dim)
        return everything if self.case.charge is None else everything[self.charges == self.case.charge]

    @cached_property
    def leaks(self) -> bool:
        """Whether the matrix leaves the sector of the model."""
        rest = np.setdiff1d(np.arange(self.dim), self.inside)
        size = np.abs(self.whole.data).max(initial=0.0)
        return bool(np.abs(self.whole[rest][:, self.inside].data).max(initial=0.0) > 1e-10 * size)

    @cached_property
    def matrix(self) -> np.ndarray:
        """The dense matrix of the sector."""
        return self.whole[self.inside][:, self.inside].toarray()

    @cached_property
    def levels(self) -> Levels:
        return levels(self.matrix)

    def growth(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(np.abs(values)) if self.floquet else np.asarray(values).imag

    @cached_property
    def closed(self) -> bool:
        """Whether the evolution is unitary."""
        m = self.whole.toarray()
        defect = m.conj().T @ m - np.eye(self.dim) if self.floquet else m - m.conj().T
        return bool(np.abs(defect).max() < 1e-11 * max(1.0, np.abs(m).max()))

    # the state

    @cached_property
    def initial(self) -> np.ndarray:
        """The initial state, of unit norm."""
        if self.case.initial is None:
            names = [space(kind).states[-(j % 2)] for j, kind in enumerate(self.kinds)]
            return product_vector(self.kinds, names)
        if self.case.initial[0] == "names":
            return product_vector(self.kinds, self.case.initial[1])
        vector = contracted(initial_tensors(self.case))
        charge = self.case.initial[2]
        if charge is not None and self.case.initial[0] != "amplitudes":  # what rounding has left of other charges
            vector[self.charges != charge] = 0
        vector = vector / np.abs(vector).max()  # whose squares neither over- nor underflow
        return vector / np.linalg.norm(vector)

    @cached_property
    def state_charges(self) -> set[int]:
        """The charges that the initial state has weight in."""
        return set(self.charges[np.abs(self.initial) > 1e-9].tolist())

    def evolved(self, time: float) -> tuple[np.ndarray, float]:
        """The state at a time, of unit norm, and the logarithm of the norm it has got."""
        if not self.floquet:
            return dense.evolve(self.whole, self.initial, time)
        vector, log_norm = self.initial, 0.0
        for _ in range(round(time)):
            vector = self.period(vector)
            norm = float(np.linalg.norm(vector))
            vector, log_norm = vector / norm, log_norm + math.log(norm)
        return vector, log_norm

    def split_evolved(self, time: float, dt: float, order: int) -> tuple[np.ndarray, float]:
        """The same by the product formula."""
        if self.floquet:
            return self.evolved(time)
        step = self._step(dt, order)
        vector, log_norm = self.initial, 0.0
        for _ in range(round(time / dt)):
            vector = step @ vector
            norm = float(np.linalg.norm(vector))
            vector, log_norm = vector / norm, log_norm + math.log(norm)
        return vector, log_norm

    def _step(self, dt: float, order: int) -> np.ndarray:
        if not hasattr(self, "_steps"):
            self._steps: dict[tuple[float, int], np.ndarray] = {}
        if (dt, order) not in self._steps:
            self._steps[dt, order] = dense.trotter_step(self.terms, self.kinds, dt, order)
        return self._steps[dt, order]

    def rounding(self, time: float) -> float:
        """The error that an evolution in double precision makes by rounding alone, if it takes no care."""
        if self.closed or self.floquet:
            return 0.0
        (precise, growth), (plain, other) = (
            self.evolved(time),
            dense.evolve(self.whole, self.initial, time, np.complex128),
        )
        distance = np.sqrt(max(0.0, 1 - abs(np.vdot(precise, plain)) ** 2))
        return float(max(distance if distance > 3e-8 else 0.0, abs(growth - other)))


def product_vector(kinds: tuple[str, ...], names: tuple[str, ...] | list[str]) -> np.ndarray:
    """A product state by names."""
    index = 0
    for kind, name in zip(kinds, names, strict=True):
        index = index * space(kind).dim + space(kind).states.index(name)
    vector = np.zeros(math.prod(dense.dims_of(kinds)), dtype=complex)
    vector[index] = 1
    return vector


def random_vector(case: Case) -> np.ndarray:
    """The vector that an initial state is made of, of norm 1 and the charge asked for."""
    _, seed, charge, _ = case.initial or ("", 0, None, 1.0)
    rng = np.random.default_rng(seed)
    charges = dense.charges_of(case.kinds)
    vector = rng.normal(size=len(charges)) + 1j * rng.normal(size=len(charges))
    if rng.random() < 0.3:  # nearly a product state
        vector *= np.exp(-3 * rng.random(len(charges)) * 8)
    vector = vector * (charges == charge) if charge is not None else vector
    return vector / np.linalg.norm(vector)


def local_vectors(case: Case) -> list[np.ndarray]:
    """The amplitudes of a random product state."""
    _, seed, _, scale = case.initial or ("", 0, None, 1.0)
    rng = np.random.default_rng(seed)
    vectors = [rng.normal(size=d) + 1j * rng.normal(size=d) for d in dense.dims_of(case.kinds)]
    vectors[0] = vectors[0] * scale
    return vectors


def initial_tensors(case: Case) -> list[np.ndarray]:
    """Tensors (left bond, d, right bond) of the initial state, in no canonical gauge and of any norm."""
    way, seed, _, scale = case.initial or ("", 0, None, 1.0)
    if way == "amplitudes":
        return [vector.reshape(1, -1, 1) for vector in local_vectors(case)]
    dims, rng = dense.dims_of(case.kinds), np.random.default_rng([seed, 1])
    rest, tensors = random_vector(case).reshape(1, -1), []
    for d in dims[:-1]:
        u, s, vh = np.linalg.svd(rest.reshape(rest.shape[0] * d, -1), full_matrices=False)
        keep = max(1, int(np.sum(s > 1e-15 * s[0])))
        tensors.append(u[:, :keep].reshape(-1, d, keep))
        rest = s[:keep, None] * vh[:keep]
    tensors.append(rest.reshape(-1, dims[-1], 1))
    if way == "tensors":
        _change_gauge(tensors, rng)
    first, last = (0, -1) if rng.random() < 0.5 else (-1, 0)
    tensors[first], tensors[last] = tensors[first] * scale, tensors[last] / scale**0.5
    return tensors


def _change_gauge(tensors: list[np.ndarray], rng: np.random.Generator) -> None:
    """Mix the states of all bonds at random, or scale them by any powers of 2, which no number loses a digit by."""
    scaled = rng.random() < 0.4
    for j in range(len(tensors) - 1):
        keep = tensors[j].shape[2]
        mix = np.linalg.qr(rng.normal(size=(keep, keep)))[0] * np.exp(rng.normal(size=keep))
        mix = np.diag(2.0 ** rng.integers(-50, 50, size=keep)) if scaled else mix
        tensors[j] = tensors[j] @ mix
        tensors[j + 1] = np.tensordot(np.linalg.inv(mix), tensors[j + 1], 1)


def contracted(tensors: list[np.ndarray]) -> np.ndarray:
    """The vector of a chain of tensors."""
    vector = np.ones((1, 1), dtype=complex)
    for tensor in tensors:
        vector = np.tensordot(vector, tensor, 1).reshape(-1, tensor.shape[2])
    return vector.ravel()
