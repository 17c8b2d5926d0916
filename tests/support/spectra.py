"""Spectra of given eigenvalues."""

import numpy as np

import mpsnh as nh


def spectrum_of(values, order="growth"):
    """A whole spectrum of given eigenvalues, in the order given, of one site with as many states."""
    values = np.asarray(values, complex)
    site = nh.Site(states=[str(k) for k in range(len(values))], operators={})
    return nh.Spectrum(values, nh.Sector([site], None), order=order)
