"""Linear algebra of large matrices, without any physics."""
