"""Local spaces from their textbook definitions, written without the package that is tested."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np


class Space(NamedTuple):
    """A local space: names of the states, operators by name, and a charge and a fermion parity for each state."""

    states: tuple[str, ...]
    operators: dict[str, np.ndarray]
    charges: tuple[int, ...]
    parities: tuple[int, ...]

    @property
    def dim(self) -> int:
        return len(self.states)

    def matrix(self, name: str) -> np.ndarray:
        return self.operators[name[:-1]].conj().T if name.endswith("†") else self.operators[name]

    def shift(self, name: str) -> int | None:
        """By how much an operator changes the charge; None if that is not definite."""
        rows, columns = np.nonzero(self.matrix(name))
        shifts = {self.charges[i] - self.charges[j] for i, j in zip(rows, columns, strict=True)}
        return shifts.pop() if len(shifts) == 1 else 0 if not shifts else None


def is_odd(name: str) -> bool:
    return name.startswith("c")


def _spin(two_s: int) -> Space:
    s, m = two_s / 2, [two_s / 2 - k for k in range(two_s + 1)]
    up = np.zeros((two_s + 1,) * 2)
    for k in range(two_s):
        up[k, k + 1] = (s * (s + 1) - m[k] * m[k + 1]) ** 0.5
    operators = {"Sz": np.diag(m), "Sp": up, "Sm": up.T, "Sx": (up + up.T) / 2, "Sy": (up - up.T) / 2j}
    names = tuple("0" if value == 0 else f"{value:+g}" for value in m)
    if two_s == 1:
        names = ("up", "down")
        operators |= {"X": 2 * operators["Sx"], "Y": 2 * operators["Sy"], "Z": 2 * operators["Sz"]}
    return Space(names, operators, tuple(two_s - 2 * k for k in range(two_s + 1)), (1,) * (two_s + 1))


def _boson(n_max: int) -> Space:
    lower = np.zeros((n_max + 1,) * 2)
    for n in range(n_max):
        lower[n, n + 1] = (n + 1) ** 0.5
    counts = tuple(range(n_max + 1))
    return Space(
        tuple(map(str, counts)), {"b": lower, "bdag": lower.T, "n": np.diag(counts)}, counts, (1,) * (n_max + 1)
    )


def _fermion() -> Space:
    create = np.array([[0, 1], [0, 0]])
    operators = {"c": create.T, "cdag": create, "n": np.diag([1, 0])}
    return Space(("full", "empty"), operators, (1, 0), (-1, 1))


def _electron() -> Space:
    """Spinful fermions on one site, of which the down ones stand behind the up ones."""
    lower, parity, one = np.array([[0, 1], [0, 0]]), np.diag([1, -1]), np.eye(2)  # states: empty, full
    up, down = np.kron(lower, one), np.kron(parity, lower)
    operators = {"cu": up, "cudag": up.T, "cd": down, "cddag": down.T, "nn": up.T @ up @ down.T @ down}
    return Space(("empty", "d", "u", "ud"), operators, (0, 1, 1, 2), (1, -1, -1, 1))


def _qutrit() -> Space:
    """A user's space, whose charges are neither sorted nor distinct."""
    jump, drive = np.array([[0, 2, 0], [0, 0, 0], [0, 1j, 0]]), np.array([[0, 0, 1], [0, 0, 0], [0.5, 0, 0.3]])
    operators = {"Jump": jump, "Drive": drive, "P": np.diag([0, 1, 0]), "K": np.diag([0.2, -1j, 1])}
    return Space(("g", "e", "l"), operators, (1, -2, 1), (1, 1, 1))


def _bare() -> Space:
    """A user's space without any charge."""
    return Space(("a", "b"), {"A": np.array([[1, 2j], [0.5, -1]]), "D": np.diag([1, -0.5j])}, (0, 0), (1, 1))


_PLAIN = {
    "1/2": _spin(1),
    "1": _spin(2),
    "3/2": _spin(3),
    "F": _fermion(),
    "B1": _boson(1),
    "B2": _boson(2),
    "B3": _boson(3),
    "electron": _electron(),
    "qutrit": _qutrit(),
    "bare": _bare(),
}


@functools.cache
def space(kind: str) -> Space:
    """A local space by its short name."""
    plain = _PLAIN[kind]
    operators = {"Id": np.eye(plain.dim), "F": np.diag(plain.parities)} | plain.operators
    return plain._replace(operators={name: np.asarray(matrix, dtype=complex) for name, matrix in operators.items()})


KINDS = tuple(_PLAIN)
