"""Run random cases: `python -m tests.fuzz --seed 1 --cases 2000`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import numpy as np

from tests.fuzz.cases import Case, random_case
from tests.fuzz.checks import UNKNOWN, Report, check
from tests.fuzz.shrink import script, shrunk


def case_of(seed: int, number: int, algorithm: str | None = None) -> Case:
    """The case of a seed that has a number."""
    return random_case(np.random.default_rng([seed, number]), algorithm)


def main() -> int:
    """Run the cases, print what is wrong with a minimal script, and all refusals by sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--algorithm", help="this one only")
    parser.add_argument("--scripts", type=int, default=1, help="minimal scripts for each kind of finding")
    given = parser.parse_args()
    begun, compared, skipped, refused = time.time(), Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    wrong, bad, truncated = Counter[str](), 0, list[tuple[float, float, bool]]()
    for number in range(given.first, given.first + given.cases):
        case = case_of(given.seed, number, given.algorithm)
        report: Report = check(case)
        compared.update(report.compared)
        skipped.update(report.skipped)
        refused.update(report.refused)
        truncated += report.truncated
        bad += bool(report.wrong)
        wrong.update({what for what, _ in report.wrong})
        if report.wrong:
            what, text = report.wrong[0]
            others = sorted({other for other, _ in report.wrong} - {what})
            also = f" (and {', '.join(others)})" if others else ""
            print(
                f"WRONG seed {given.seed} case {number} {case.algorithm} {case.model}: {what}: {text}{also}", flush=True
            )
            if wrong[what] <= given.scripts:
                print(script(shrunk(case, what), what), flush=True)
    print(f"\n{given.cases} cases in {time.time() - begun:.0f} s: {sum(compared.values())} numbers or arrays compared")
    print("compared:", ", ".join(f"{what} {n}" for what, n in compared.most_common()))
    print("not judged:")
    for why, n in skipped.most_common():
        print(f"  {n:5d}  {why}")
    print("refused, and why that is right:")
    for (sentence, why), n in refused.most_common():
        print(f"  {n:5d}  {why}: {sentence}")
    if truncated:
        late = sum(error > 0.01 and not said for error, _, said in truncated)
        covered = sum(error <= max(stated, 1e-8) for error, stated, _ in truncated)
        print(f"runs that truncate: {len(truncated)} records, error above .01 without a word {late}, covered {covered}")
    for name in UNKNOWN:
        print(f"WRONG no reference for {name}")
    print(f"{bad} cases with wrong numbers")
    for what, n in wrong.most_common():
        print(f"  {n:5d}  {what}")
    return int(bool(bad or UNKNOWN))


if __name__ == "__main__":
    sys.exit(main())
