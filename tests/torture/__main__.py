"""Attack sweeps at random: `python -m tests.torture --rounds 500 --seed 1`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tests import torture
from tests.torture.attack import ATTACKS, COUNTED


def main() -> int:
    """Run the attacks and count what they did; the exit code says whether that is anything."""
    for module in pkgutil.iter_modules(torture.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"tests.torture.{module.name}")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first round, to see one again")
    parser.add_argument("--minutes", type=float, default=60, help="begin no round after this")
    parser.add_argument("--attacks", nargs="+", choices=sorted(ATTACKS), default=sorted(ATTACKS))
    given = parser.parse_args()
    begun, counted, rounds = time.monotonic(), Counter[str](), Counter[str]()
    for number in tqdm(range(given.first, given.first + given.rounds), mininterval=10):
        if time.monotonic() - begun > 60 * given.minutes:
            break
        rng = np.random.default_rng([given.seed, number])
        name = given.attacks[number % len(given.attacks)]
        with tempfile.TemporaryDirectory() as folder:
            came = ATTACKS[name](rng, Path(folder))
            said = Path(folder, "said")
            bad = any(came[what] for what in COUNTED)
            if bad:
                print(f"seed {given.seed} round {number} {name}: {dict(+came)}", flush=True)
                print(said.read_text()[-2000:] if said.exists() else "", flush=True)
        counted += came
        rounds[name] += 1
    print(f"{rounds.total()} rounds of seed {given.seed} in {time.monotonic() - begun:.0f} s: {dict(rounds)}")
    print(", ".join(f"{what} {counted[what]}" for what in COUNTED))
    return int(any(counted[what] for what in COUNTED))


if __name__ == "__main__":
    sys.exit(main())
