"""Spectra of given eigenvalues."""

from types import SimpleNamespace

import numpy as np

import mpsnh as nh


def spectrum_of(values, order="growth", **details):
    """A whole spectrum of given eigenvalues, in the order given; of its sector only the dimension is known."""
    values = np.asarray(values, complex)
    return nh.Spectrum(values, SimpleNamespace(dim=len(values)), order=order, **details)
