"""Whoever waits for kernels to be compiled is told so, once."""

from __future__ import annotations

from types import SimpleNamespace

from numba.core import event

from mpsnh.kernels.compiling import Announcement, njit


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
