"""Exact methods for a few particles on many sites, against plane waves."""

from __future__ import annotations

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables


def ring(L: int, particles: int = 1, **parameters: float) -> models.NonHermitianXXZ:
    charge = 2 * particles - L
    return models.NonHermitianXXZ(L=L, V=0.0, gamma=0.1, boundary="periodic", charge=charge, **parameters)


def in_the_middle(model: nh.Model) -> nh.MPS:
    """One particle, on site L/2."""
    return nh.MPS.product(model.sites, ["up" if j == model.L // 2 else "down" for j in range(model.L)])


def energies(L: int) -> np.ndarray:
    """cos k − iγ sin k of the plane waves exp(-i k j), in the order of the discrete Fourier transform."""
    k = 2 * np.pi * np.fft.fftfreq(L)
    return np.cos(k) - 0.1j * np.sin(k)


def test_a_wave_packet_on_a_thousand_sites():
    """Its densities, entropies and norm after it has spread over 40 of them."""
    L, t = 1000, 20.0
    measured = {"z": observables.Magnetization(), "S": observables.EntropyProfile()}
    algorithm = algorithms.ExactEvolution(dt=t, t_max=t, initial=in_the_middle)
    run = nh.Simulation(ring(L), algorithm, measured).run().isel(time=-1)
    start = np.zeros(L)
    start[L // 2] = 1
    wave = np.fft.ifft(np.exp(-1j * energies(L) * t) * np.fft.fft(start))
    density = np.abs(wave) ** 2 / np.linalg.norm(wave) ** 2
    np.testing.assert_allclose(run["z"], density - 0.5, atol=1e-12)
    assert float(run["log_norm"]) == pytest.approx(np.log(np.linalg.norm(wave)), abs=1e-11)
    left = np.clip(np.cumsum(density)[:-1], 1e-300, 1 - 1e-16)
    expected = -left * np.log(left) - (1 - left) * np.log1p(-left)
    np.testing.assert_allclose(run["S"], expected, atol=1e-11)


def test_all_levels_and_the_fastest():
    L = 60
    exact = energies(L)
    (every,) = algorithms.ExactDiag(vectors="none").records(ring(L))
    distances = np.abs(every.values[:, None] - exact)
    assert max(distances.min(axis=0).max(), distances.min(axis=1).max()) < 1e-12
    (two,) = algorithms.SteadyState(k=2).records(ring(L, particles=2))  # hard-core bosons: half-odd momenta
    half = -0.1 * np.sin(2 * np.pi * (np.arange(L) + 0.5) / L)
    rates = np.sort([a + b for i, a in enumerate(half) for b in half[:i]])[::-1]
    np.testing.assert_allclose(two.values.imag, rates[:2], atol=1e-9)


def test_what_is_refused():
    algorithm = algorithms.ExactEvolution(dt=1.0, t_max=1.0)
    with pytest.raises(ValueError, match=r"the state has weight 1 outside of the sector of charge -998"):
        list(algorithm.records(ring(1000)))  # of the Néel state
    with pytest.raises(MemoryError, match=r"evolving vectors of 1000 sites needs .* GiB"):
        list(algorithm.records(ring(1000, particles=10)))


class Kicked(nh.FloquetModel):
    def layers(self) -> list[nh.Layer]:
        return [(nh.Gate(np.eye(2), (0,)),)]


@pytest.mark.parametrize("algorithm", [algorithms.ExactEvolution(dt=1.0, t_max=1.0), algorithms.ExactDiag()])
def test_gates_need_the_whole_space(algorithm):
    with pytest.raises(MemoryError, match=r"needs .* GiB, but only"):
        list(algorithm.records(Kicked(L=100, charge=-98)))
