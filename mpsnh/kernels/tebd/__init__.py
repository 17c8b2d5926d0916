"""Gates on a matrix-product state by blocks of charge, in compiled code."""
