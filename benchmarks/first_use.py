"""Time of a first NHTEBD on a machine, with nothing compiled yet, and of a second one.

Each is a process of its own that imports mpsnh and takes one step of a chain of eight sites. The first one has an empty
folder for what numba keeps.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile

PROCESS = """
import json, time
from numba.core import event

class Compiled(event.Listener):
    functions, within, begun, seconds = 0, 0, 0.0, 0.0
    def on_start(self, e):
        self.begun = self.begun if self.within else time.process_time()
        self.within += 1
    def on_end(self, e):
        self.within -= 1
        self.functions += 1
        self.seconds += 0.0 if self.within else time.process_time() - self.begun

heard = Compiled()
event.register("numba:compile", heard)
from mpsnh import algorithms, models
chain = models.NonHermitianXXZ(L=8, gamma=0.1, h=2.0)
list(algorithms.NHTEBD(dt=0.1, t_max=0.1, max_bond=8, **OPTIONS).records(chain))
print(json.dumps([time.process_time(), heard.functions, heard.seconds]))
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", default="double", choices=["double", "single"], help="(default: double)")
    given = parser.parse_args()
    code = PROCESS.replace("OPTIONS", repr(vars(given)))
    print("| run | CPU s of the process | functions compiled | s in them |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as kept:
        for run in ("first", "second"):
            command, environment = [sys.executable, "-c", code], os.environ | {"NUMBA_CACHE_DIR": kept}
            ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            whole, functions, seconds = json.loads(ran.stdout)
            print(f"| {run} | {whole:.1f} | {functions} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
