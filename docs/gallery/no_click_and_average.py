"""The current of a chain on condition of no click, along trajectories with clicks, and in the average over them."""

import argparse

import matplotlib.pyplot as plt

import mpsnh as nh
from mpsnh import algorithms, models, observables


def main() -> None:
    """Draw one figure: exact states up to ten sites, matrix-product states beyond."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=8)
    parser.add_argument("--trajectories", type=int, default=100)
    parser.add_argument("--figure", default="no_click_and_average.png")
    given = parser.parse_args()
    chain, t_max = models.OpenXXZ(L=given.sites, gamma=0.1, h=1.0, seed=1), 12.0
    measured = {"j": observables.MidCurrent(half_width=given.sites // 4)}
    if given.sites <= 10:
        pure, mixed = (way(dt=0.5, t_max=t_max) for way in (algorithms.ExactEvolution, algorithms.OpenSystem))
    else:
        pure = algorithms.NHTEBD(dt=0.1, t_max=t_max, every=5, max_bond=64)
        mixed = algorithms.DensityTEBD(dt=0.25, order=4, t_max=t_max, every=2, max_bond=96)

    def trajectory(seed: int) -> nh.Simulation:
        return nh.Simulation(chain, algorithms.Trajectories(inner=pure, seed=seed), measured)

    no_click = nh.Simulation(chain.no_click(), pure, measured).run()["j"]
    average = nh.Simulation(chain, mixed, measured).run()["j"]
    clicking = nh.sweep(trajectory, over={"seed": range(given.trajectories)})["j"]
    mean, error = clicking.mean("seed"), clicking.std("seed", ddof=1) / given.trajectories**0.5
    axes = plt.figure(figsize=(4, 3), layout="constrained").gca()
    axes.plot(no_click.time, no_click, label="no click")
    axes.fill_between(mean.time, mean - error, mean + error, alpha=0.4, color="C1", label="trajectories")
    axes.plot(average.time, average, "k--", label="master equation")
    axes.set(xlabel="t J", ylabel="current / J", title=f"{given.sites} sites, γ = 0.1, h = 1")
    axes.legend()
    axes.figure.savefig(given.figure, dpi=150)
    print(f"at the end: no click {float(no_click[-1]):.4f}, average {float(average[-1]):.4f}")
    print(f"trajectories {float(mean[-1]):.4f} ± {float(error[-1]):.4f}")


if __name__ == "__main__":
    main()
