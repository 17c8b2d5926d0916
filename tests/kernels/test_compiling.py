"""Whoever waits for kernels to be compiled is told so, once."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from numba.core import event

from mpsnh.kernels.compiling import Announcement, njit, part


def test_the_first_compilation_is_announced(capsys):
    heard = Announcement()
    event.register("numba:compile", heard)
    try:

        def kernel(x):
            return x + 1

        for module, said in (("somebody.else", 0), ("mpsnh.kernels", 1), ("mpsnh.kernels", 1)):
            heard.made &= module == "mpsnh.kernels"
            kernel.__module__ = module
            njit(cache=False)(kernel)(1.0)
            assert heard.made == bool(said)
    finally:
        event.unregister("numba:compile", heard)
    lines = [line for line in capsys.readouterr().err.splitlines() if "compiles its kernels" in line]
    assert 1 <= len(lines) <= 2, "this one, and that of the package if it was the first"


def test_workers_leave_it_to_the_process_with_the_screen(capsys, monkeypatch):
    monkeypatch.setattr("multiprocessing.parent_process", lambda: SimpleNamespace())
    kernel = SimpleNamespace(py_func=SimpleNamespace(__module__="mpsnh.kernels"))
    Announcement().on_start(SimpleNamespace(data={"dispatcher": kernel}))
    assert capsys.readouterr().err == ""


def test_a_collector_of_garbage_that_is_off_stays_off():
    event, heard = SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=abs)}), Announcement()
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            for step, within in ((heard.on_start, 1), (heard.on_start, 2), (heard.on_end, 1), (heard.on_end, 0)):
                step(event)
                assert gc.isenabled() == (enabled and not within)
        finally:
            gc.enable()


def test_parts_are_compiled_with_what_calls_them():
    @part()
    def half(x):
        return x / 2

    @part()
    def quarter(x):
        return half(half(x))

    @njit(cache=False)
    def both(x):
        return half(x), quarter(x)

    assert both(2.0) == (1.0, 0.5)
    assert both(3) == (1.5, 0.75)
    with pytest.raises(TypeError):
        half(2.0)


def test_importing_quimb_compiles_next_to_nothing(tmp_path):
    """Six seconds of a first run otherwise."""
    code = "import mpsnh.states.mps, quimb.tensor.decomp as d; print(d._similarity_compress_eig_numba.signatures)"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout == "[]\n"
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 100_000
