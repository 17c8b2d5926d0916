"""Exact diagonalisation: all eigenvalues of a charge sector."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.capability import VECTORS, Capability
from mpsnh.base.diagonalisation import CERTIFIED, Diagonalisation
from mpsnh.base.model import Model
from mpsnh.base.open_model import require_no_jumps
from mpsnh.base.records import Diagnostic
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require, require_memory
from mpsnh.linalg.degeneracy import by_growth, degenerate_groups, same_levels
from mpsnh.linalg.dense import dense_levels
from mpsnh.linalg.eigenpairs import Eigenpairs
from mpsnh.linalg.filter.spectrum import filter_spectrum
from mpsnh.linalg.filter.vectors import right_and_left
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.schur import SAMPLED_FROM
from mpsnh.operators.configurations import space

FILTER_FROM = 2500
"""Dimension from which filter diagonalisation is faster than LAPACK."""

RESIDUAL = 1e-8
"""Largest residual of an eigenvector, relative to the norm of the matrix, that is accepted."""


class ExactDiag(Diagonalisation):
    """All eigenvalues of a model in its charge sector, ordered by decreasing growth.

    Real matrices are diagonalised in real arithmetic, so that complex eigenvalues come in exact conjugate pairs
    and real ones are exactly real. Matrices that a diagonal similarity makes Hermitian, such as those of open chains
    with asymmetric hopping, go to the Hermitian solver, and normal ones keep orthonormal vectors. Each level has an
    estimated error; `certified` means that all levels are there, with errors below 1e-8 of the root mean square of the
    singular values. At an exceptional point the levels are kept, with infinite condition numbers, and `missing` of the
    spectrum says why there are no left vectors.

    Large real matrices whose spectrum lies near the real axis go to filter diagonalisation, of which only the result
    that is certified counts: as many levels as the matrix has, which reproduce its first two traces. If there is none,
    LAPACK follows.

    Parameters
    ----------
    method : "auto", "dense" or "filter"
        LAPACK, or filter diagonalisation at first; by default the faster one of those that can do it.
    vectors : "none", "right" or "both"
        Which eigenvectors to compute; left ones are made biorthonormal to the right ones, which have unit norm.
    leading : int, optional
        Of how many of the fastest-growing levels to compute eigenvectors. If not given, of all of them, or of one with
        ``method="filter"``.
    attempts : int
        Random starts of filter diagonalisation before LAPACK follows.
    seed : int
        Of these random starts.
    threads : int
        How many share filter diagonalisation; the results are the same bits. LAPACK has its own.

    Raises
    ------
    ArithmeticError
        If filter diagonalisation fails and there is no memory for LAPACK.

    Examples
    --------
    Hopping on a clean ring at V = 0 has the steady current 1 / sin(π/N):

    >>> ring = models.NonHermitianXXZ(L=8, gamma=0.1, V=0.0, boundary="periodic")
    >>> (spectrum,) = ExactDiag().records(ring)
    >>> bool(np.isclose(spectrum.values[0].imag, 0.1 / np.sin(np.pi / 8)))
    True
    """

    diagnostics = CERTIFIED | {"attempts": Diagnostic("attempts", "random starts of the eigensolver")}
    method: Literal["auto", "dense", "filter"] = "auto"
    vectors: Literal["none", "right", "both"] = "right"
    leading: int | None = None
    attempts: int = 2
    seed: int = 0
    threads: int = 1
    unrecorded = ("threads",)  # results are the same to the last bit

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        levels = (Capability.ALL_LEVELS, Capability.SEVERAL_LEVELS)
        return frozenset([*levels, Capability.BY_GROWTH, Capability.LARGEST_IMAGINARY_PART]) | VECTORS[self.vectors]

    @override
    def validate(self) -> None:
        require(self.leading is None or self.leading >= 1, "leading", self.leading, "at least 1")
        require(self.attempts >= 1, "attempts", self.attempts, "at least 1")
        require(self.seed >= 0, "seed", self.seed, "zero or positive")
        require(self.threads >= 1, "threads", self.threads, "at least 1")

    @override
    def check(self, model: Model) -> None:
        require_no_jumps(model, "ExactDiag")
        model.check()
        n = space(model.sites, model.charge).dim
        require(
            self.leading is None or self.leading <= n, "leading", self.leading, f"at most {n}, the number of levels"
        )
        require_memory(self.bytes_needed(model), f"diagonalising a matrix of dimension {n}")

    @override
    def bytes_needed(self, model: Model) -> float:
        # of the method that is tried first
        n = space(model.sites, model.charge).dim
        if self._may_filter(n):
            return 45e3 * n  # blocks of vectors, moments and pencils
        if self.leading is not None:
            return _lapack_bytes(n)
        # matrix and LAPACK's copies; vectors of both sides as LAPACK gives them, complex ones and the sorted ones
        per_element = {"none": 32, "right": 32 + 2 * 48, "both": 32 + 2 * 48 + 40}[self.vectors]
        if self.vectors == "none" and n < SAMPLED_FROM:
            per_element += 24  # the triangle's eigenvectors
        return float(per_element) * n**2

    @override
    def spectrum(self, model: Model, matrix: Matrix) -> Spectrum:
        filters = matrix.sparse and matrix.real and not matrix.hermitian
        if self.method == "filter" and not filters:
            raise ValueError("method = 'filter' needs a sparse real matrix that is not symmetric; use 'auto'")
        if filters and self._may_filter(model.sector.dim):
            return self._filtered(model, matrix)
        return self._dense(model, matrix)

    def _may_filter(self, dim: int) -> bool:
        few = self.vectors == "none" or self.leading is not None
        return self.method == "filter" or (self.method == "auto" and few and dim >= FILTER_FROM)

    def _filtered(self, model: Model, matrix: Matrix) -> Spectrum:
        """Find the spectrum by filter diagonalisation if that succeeds, else with LAPACK."""
        pairs = filter_spectrum(matrix, seed=self.seed, attempts=self.attempts, threads=self.threads)
        problem = f"filter diagonalisation is {pairs.certificate}"
        if pairs.certified:
            try:
                return self._with_vectors(model, matrix, pairs)
            except (ArithmeticError, np.linalg.LinAlgError) as error:
                problem = f"{problem}, but {error}"
        try:
            require_memory(_lapack_bytes(matrix.dim), "LAPACK")
        except MemoryError as error:
            raise ArithmeticError(f"{problem}, and {error}") from error
        return replace(self._dense(model, matrix), attempts=pairs.attempts)

    def _with_vectors(self, model: Model, matrix: Matrix, pairs: Eigenpairs) -> Spectrum:
        assert pairs.errors is not None
        ranked = _order(model, pairs.values, pairs.errors)
        errors = pairs.errors[ranked]
        pairs = replace(pairs, values=pairs.values[ranked], errors=errors)
        if self.vectors == "none":
            return _spectrum(model, pairs)
        count = self.leading or 1
        if self.vectors == "both":
            same = same_levels(pairs.values, errors)
            if np.isin(same[:count], [same[group[0]] for group in degenerate_groups(same)]).any():
                raise ArithmeticError("a leading level is degenerate, and filters find one of its vectors only")
        right, left, residuals = right_and_left(
            matrix,
            pairs,
            pairs.values[:count],
            left=self.vectors == "both",
            largest_residual=RESIDUAL * matrix.norm,
            seed=self.seed,
        )
        return _spectrum(model, replace(pairs, right=right, left=left, residuals=residuals))

    def _dense(self, model: Model, matrix: Matrix) -> Spectrum:
        return _spectrum(model, dense_levels(matrix, partial(_order, model), self.vectors, self.leading))


def _spectrum(model: Model, pairs: Eigenpairs) -> Spectrum:
    """Return levels that are in order, as a record."""
    return Spectrum.of_matrices(
        pairs.values,
        model.sector,
        pairs.right,
        pairs.left,
        order="growth",
        residuals=pairs.residuals,
        errors=pairs.errors,
        conditions=pairs.conditions,
        missing=pairs.missing,
        certified=pairs.certified,
        attempts=pairs.attempts,
    )


def _order(model: Model, values: NDArray[np.complex128], errors: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the indices that sort eigenvalues by decreasing growth, and those that grow alike by energy or phase."""
    return by_growth(model.generator.amplification(values), model.generator.levels(values), errors)


def _lapack_bytes(n: int) -> float:
    """Return the memory for all eigenvalues and a few vectors: the matrix, and complex factors and temporaries."""
    return 48.0 * n**2
