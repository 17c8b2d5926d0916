"""Simulations and sweeps, in memory and on disk."""
