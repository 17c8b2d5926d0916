"""How models, sums, simulations and spectra look in a notebook."""

from __future__ import annotations

import mpsnh as nh
from mpsnh import algorithms, models, notebook, observables

RING = models.NonHermitianXXZ(L=6, gamma=0.2, boundary="periodic")


def test_sums_are_formulas():
    assert nh.OpSum([(0.5, "Sp", 0, "Sm", 1), (-1j, "Sp†", 2), (1 + 2j,)])._repr_latex_() == (
        r"$0.5\,S^+_{0} S^-_{1} - 1i\,(S^+)^\dagger_{2} + (1+2i)$"
    )
    assert nh.OpSum()._repr_latex_() == "$0$"
    long = nh.OpSum.sum((1.0, "my_op", j) for j in range(20))._repr_latex_()
    assert long.startswith(r"$1\,\mathrm{my\_op}_{0} + ")
    assert long.endswith(r" + \dots\ (8\ \text{more})$")


def test_models_simulations_and_spectra_are_tables():
    assert "<caption>NonHermitianXXZ</caption>" in RING._repr_html_()
    assert "<tr><td>gamma</td><td>0.2</td></tr>" in RING._repr_html_()
    assert "<td>&#x27;periodic&#x27;</td>" in notebook.table("", {"boundary": repr("periodic")})
    simulation = nh.Simulation(RING, algorithms.ExactDiag(), {"gap": observables.SteadyStateGap()})
    assert "<tr><td>gap</td><td>SteadyStateGap(tolerance=1e-10)</td></tr>" in simulation._repr_html_()
    (spectrum,) = algorithms.ExactDiag().records(RING)
    page = spectrum._repr_html_()
    assert "Spectrum of 20 levels" in page
    assert page.count("<tr>") == notebook.MOST + 2  # how many are left out, and whether they are certified
    assert "by growth" in page


def test_what_is_long_is_cut_and_nothing_is_taken_for_html():
    page = notebook.table("<b>", [("x" * 1000, "<script>")])
    assert "<script>" not in page
    assert len(page) < 400
