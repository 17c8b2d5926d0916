"""Algorithms that find levels of a matrix."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from typing_extensions import override

from mpsnh.base.algorithm import Algorithm, require_nothing_after
from mpsnh.base.model import Model
from mpsnh.base.records import Diagnostic
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require
from mpsnh.linalg.matrix import Matrix

CERTIFIED = {"certified": Diagnostic("certified", "whether no level is missing or wrong")}
"""What a diagonalisation tells of its levels."""


class Diagonalisation(Algorithm[Spectrum]):
    """Base of the algorithms that find levels of a matrix.

    A subclass writes `spectrum`, which gets the matrix of the model once that is known to be square and finite.
    """

    yields = Spectrum
    diagnostics = CERTIFIED

    @abstractmethod
    def spectrum(self, model: Model, matrix: Matrix) -> Spectrum:
        """Return levels of the model's matrix."""

    @override
    def records(self, model: Model, after: Spectrum | None = None) -> Iterator[Spectrum]:
        """Yield the spectrum, as one record.

        Parameters
        ----------
        model : Model
            What to diagonalise.
        after : None
            There is nothing to continue.

        Raises
        ------
        ValueError
            If `after` is given, or the matrix is not square and finite or not one that the algorithm can treat.
        ArithmeticError
            If the levels or their vectors are not accurate.
        """
        require_nothing_after(self, after)
        self.check(model)
        matrix = Matrix(model.matrix(), f"the matrix of {model!r}")
        require(matrix.dim == model.sector.dim, "shape of the matrix", matrix.array.shape, "that of the sector")
        yield self.spectrum(model, matrix)
