"""Filter diagonalisation: all eigenvalues of a large real matrix whose spectrum lies near the real axis."""
