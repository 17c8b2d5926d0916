"""What pytest-benchmark writes of the machine: what times depend on, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

OF_MACHINE = ("machine", "system", "python_implementation", "python_version")
OF_COMMIT = ("id", "time", "dirty")


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Keep the kind of machine."""
    kept = {name: machine_info[name] for name in OF_MACHINE}
    cpu = machine_info["cpu"]
    machine_info.clear()
    machine_info.update(kept, cpu={name: cpu.get(name) for name in ("brand_raw", "count")})


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_commit_info(commit_info: dict[str, Any]) -> None:
    """Keep which commit it was."""
    kept = {name: commit_info[name] for name in OF_COMMIT if name in commit_info}
    commit_info.clear()
    commit_info.update(kept)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Say what the numbers are, and leave out single rounds."""
    output_json["note"] = "CPU seconds, one thread, on two cores that did other work: compare the smallest ones"
    for row in output_json["benchmarks"]:
        row["stats"].pop("data", None)
