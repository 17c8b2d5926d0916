"""The few levels that grow fastest, in sectors too large for dense diagonalisation."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.algorithms.exact_diag import ExactDiag
from mpsnh.base.capability import VECTORS, Capability
from mpsnh.base.diagonalisation import Diagonalisation
from mpsnh.base.model import Model
from mpsnh.base.open_model import require_no_jumps
from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require, require_memory
from mpsnh.linalg.degeneracy import growing_alike
from mpsnh.linalg.eigenpairs import Eigenpairs
from mpsnh.linalg.eigenvectors import biorthonormal
from mpsnh.linalg.filter.spectrum import filter_spectrum
from mpsnh.linalg.filter.vectors import right_and_left
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.subspace import growing_levels
from mpsnh.operators.configurations import as_float, space

SMALL = 1000
"""Largest dimension at which dense diagonalisation of a real matrix is tried first."""

SMALL_COMPLEX = 200
"""The same of a complex one, which takes longer."""

LARGEST_DENSE = 4000
"""Largest dimension at which dense diagonalisation, which takes about 20 s for it, is tried at all."""

FEW_FILTERED = 20
"""Random vectors up to which filter diagonalisation finds the whole spectrum in less time than a block is evolved."""

TINY = 1e-11
"""|Im E|, relative to half the width of the spectrum, below which an eigenvalue of a real matrix counts as real."""


class SteadyState(Diagonalisation):
    """The k levels of largest Im E, and whether the spectrum is entirely real.

    Levels with the same complex E count as often as they occur, and of the conjugate pairs of a real matrix only the
    upper one counts. In an entirely real spectrum they are those of smallest E, as for `ExactDiag`.

    Small sectors are diagonalised. In large ones of a real matrix all eigenvalues are found and certified by their
    number and the traces of H and H² (`mpsnh.linalg.filter.spectrum`) where that is fast, near the real axis. Farther
    from it, as at weak disorder, and if the matrix is complex, a block of random vectors is evolved until it consists
    of the levels that grow fastest, and the transposed matrix is asked for the same ones (`mpsnh.linalg.subspace`). If
    they do not stand out, all eigenvalues of a real matrix are found after all. Only from all of them is a spectrum
    called entirely real: when no |Im E| exceeds 1e-11 of half its width. If no method is certain of its result, a dense
    matrix of dimension up to 4000 is diagonalised; else there is an error.

    Parameters
    ----------
    k : int
        Number of levels.
    vectors : "right", "both" or "none"
        Which eigenvectors to return; left ones are biorthonormal to the right ones, which have unit norm.
    tolerance : float
        Largest residual ‖H R - E R‖, relative to half the width of the spectrum; at least 1e-13. In a nearly real
        spectrum residuals reach no less than about 1e-10.
    seed : int
        Of the random vectors.
    threads : int
        How many share the work on large sectors; the results are the same bits.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the model has no square sparse matrix or one that is not supported:
        Hermitian matrices are only diagonalised densely.
    ArithmeticError
        If no method is certain of its result.

    Examples
    --------
    Hopping on a clean ring at V = 0 has the steady current 1 / sin(π/N):

    >>> ring = models.NonHermitianXXZ(L=12, gamma=0.1, V=0.0, boundary="periodic")
    >>> (spectrum,) = SteadyState(k=1).records(ring)
    >>> bool(np.isclose(spectrum.values[0].imag, 0.1 / np.sin(np.pi / 12)))
    True
    """

    k: int = 2
    vectors: Literal["right", "both", "none"] = "right"
    tolerance: float = 1e-9
    seed: int = 0
    threads: int = 1
    unrecorded = ("threads",)  # results are the same to the last bit

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        always = (Capability.BY_GROWTH, Capability.LARGEST_IMAGINARY_PART)
        several = [Capability.SEVERAL_LEVELS] * (self.k > 1)
        return frozenset([*always, *several]) | VECTORS[self.vectors]

    @override
    def validate(self) -> None:
        require(self.k >= 1, "k", self.k, "at least 1")
        require(1e-13 <= self.tolerance < 1, "tolerance", self.tolerance, "at least 1e-13 and less than 1")
        require(self.seed >= 0, "seed", self.seed, "zero or positive")
        require(self.threads >= 1, "threads", self.threads, "at least 1")

    @override
    def check(self, model: Model) -> None:
        require_no_jumps(model, "SteadyState")
        model.check()
        if model.generator.period is not None:
            raise ValueError(f"SteadyState needs the sparse matrix of a Hamiltonian, not {model!r}: use ExactDiag")
        dim = space(model.sites, model.charge).dim  # a basis is not made only to be counted
        require(self.k <= dim, "k", self.k, f"at most the dimension of the sector, {dim}")
        require_memory(self.bytes_needed(model), f"finding levels of a matrix of dimension {dim}")

    @override
    def bytes_needed(self, model: Model) -> float:
        basis = space(model.sites, model.charge)
        if basis.dim <= SMALL:
            return self._dense.bytes_needed(model)
        return basis.matrix_bytes() + 6 * 16 * as_float(basis.dim) * (self.k + 16)  # and six blocks

    @override
    def spectrum(self, model: Model, matrix: Matrix) -> Spectrum:
        require(matrix.sparse, f"matrix of {model!r}", type(matrix.array).__name__, "sparse")
        if matrix.dim <= (SMALL if matrix.real else SMALL_COMPLEX):
            return self._diagonalised(model, matrix)
        if matrix.hermitian:
            allowed = f"at most {LARGEST_DENSE} for a matrix that is Hermitian, so that its spectrum is real"
            require(matrix.dim <= LARGEST_DENSE, "dimension", matrix.dim, allowed)
            return self._diagonalised(model, matrix)
        if not matrix.real:
            evolved, doubt = self._evolved(model, matrix)
            return evolved or self._diagonalised_for_certain(model, matrix, doubt)
        shared = {"seed": self.seed, "threads": self.threads}
        pairs = filter_spectrum(matrix, attempts=1, largest_block=FEW_FILTERED, **shared)
        if not pairs.certified:
            evolved, _ = self._evolved(model, matrix)
            if evolved is not None:
                return evolved
            pairs = filter_spectrum(matrix, **shared)
        return self._filtered(model, matrix, pairs)

    @property
    def _dense(self) -> ExactDiag:
        return ExactDiag(method="dense", vectors=self.vectors)

    def _diagonalised(self, model: Model, matrix: Matrix) -> Spectrum:
        """Choose levels from a dense diagonalisation."""
        self._dense.check(model)
        everything = self._dense.spectrum(model, matrix)
        counted = (everything.values.imag >= 0) | (not matrix.real)
        require(self.k <= counted.sum(), "k", self.k, f"at most the number of levels, {counted.sum()}")
        chosen = np.flatnonzero(counted)[: self.k]
        sizes = np.abs(everything.values.imag)
        right, left = (None if v is None else np.asarray(v)[:, chosen] for v in (everything.right, everything.left))
        errors, conditions = (None if v is None else v[chosen] for v in (everything.errors, everything.conditions))
        same = everything.same()
        multiplicities = np.bincount(same)[same[chosen]]
        return self._spectrum(
            model,
            everything.values[chosen],
            right,
            left,
            certified=everything.certified,
            errors=errors,
            conditions=conditions,
            multiplicities=multiplicities,
            alike=growing_alike(everything.values, everything.values.imag, everything.resolution()),
            missing=everything.missing,
            largest_imag=float(sizes[sizes > everything.resolution()].max(initial=0.0)),
        )

    def _evolved(self, model: Model, matrix: Matrix) -> tuple[Spectrum | None, str]:
        """Find the levels by subspace iteration, or say why not."""
        together = "they do not stand out from the others"
        if self.k > matrix.dim // 20:
            return None, together
        both = self.vectors == "both"
        pairs = growing_levels(
            matrix, self.k, tolerance=self.tolerance, seed=self.seed, left=both, threads=self.threads
        )
        if pairs is None:
            return None, together
        if not pairs.certified:
            return None, f"they are {pairs.certificate}"
        left = None
        if pairs.left is not None:
            try:
                left = biorthonormal(pairs.values, pairs.left, pairs.vectors)
            except ArithmeticError as error:
                return None, str(error)
        right = None if self.vectors == "none" else pairs.right
        # of a complex matrix, the levels that decay fastest are not known
        largest = float(pairs.values[0].imag) if matrix.real else None
        known: dict[str, Any] = {"multiplicities": pairs.multiplicities, "alike": pairs.alike, "largest_imag": largest}
        known |= {"residuals": pairs.residuals, "errors": pairs.errors}
        return self._spectrum(model, pairs.values, right, left, **known), ""

    def _filtered(self, model: Model, matrix: Matrix, pairs: Eigenpairs) -> Spectrum:
        """Find the levels among all eigenvalues, if these are certified; else diagonalise the matrix."""
        scale = matrix.range.width
        values = np.where(np.abs(pairs.values.imag) <= TINY * scale, pairs.values.real, pairs.values)
        values = values[values.imag >= 0]
        require(
            not pairs.certified or self.k <= len(values), "k", self.k, f"at most the number of levels, {len(values)}"
        )
        values = values[np.lexsort((values.real, -values.imag))][: self.k]
        assert pairs.errors is not None
        error = float(pairs.errors.max(initial=0.0))
        multiplicities = np.count_nonzero(np.abs(pairs.values - values[:, None]) <= 2 * error, axis=1)
        doubt = f"all eigenvalues are {pairs.certificate}"
        if pairs.certified:
            right = left = residuals = None
            try:
                if self.vectors != "none":
                    right, left, residuals = right_and_left(
                        matrix,
                        pairs,
                        values,
                        left=self.vectors == "both",
                        largest_residual=self.tolerance * scale,
                        seed=self.seed,
                    )
                alike = growing_alike(pairs.values, pairs.values.imag, np.full(len(pairs.values), error))
                details: dict[str, Any] = {"residuals": residuals, "multiplicities": multiplicities, "alike": alike}
                details["errors"] = np.full(len(values), error)
                return self._spectrum(model, values, right, left, largest_imag=float(values[0].imag), **details)
            except (ArithmeticError, np.linalg.LinAlgError) as error:
                doubt = f"{doubt}, but {error}"
        return self._diagonalised_for_certain(model, matrix, f"they do not stand out from the others, and {doubt}")

    def _diagonalised_for_certain(self, model: Model, matrix: Matrix, doubt: str) -> Spectrum:
        """Diagonalise a matrix whose levels are not certain otherwise, unless it is too large."""
        if matrix.dim <= LARGEST_DENSE:
            return self._diagonalised(model, matrix)
        raise ArithmeticError(
            f"the levels of largest Im E are not certain: {doubt}; try another seed or a larger tolerance"
        )

    @staticmethod
    def _spectrum(
        model: Model,
        values: NDArray[Any],
        right: NDArray[Any] | None,
        left: NDArray[Any] | None,
        certified: bool = True,
        **details: Any,
    ) -> Spectrum:
        return Spectrum.of_matrices(values, model.sector, right, left, order="growth", certified=certified, **details)
