"""Operator sums compiled to what algorithms need: bond matrices, matrix-product operators, sparse matrices."""
