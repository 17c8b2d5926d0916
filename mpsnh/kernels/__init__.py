"""Compiled loops over arrays, where the time goes; a plain reference stands beside each test."""
