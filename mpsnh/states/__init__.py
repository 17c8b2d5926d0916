"""Quantum states, and how they are measured."""
