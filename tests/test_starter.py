"""What `mpsnh new` writes, and the lists and entries that the command line prints."""

import ast
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from mpsnh import algorithms, cli, models, observables


def mpsnh(*options, code=0):
    """Run a command and return what it says, or why it refuses."""
    done = CliRunner().invoke(cli.app, list(options))
    assert done.exit_code == code, done.output + done.stderr + repr(done.exception)
    return done.stdout if code == 0 else done.stderr


def test_a_new_model_passes_its_test(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mpsnh("new", "model", "LossyXXZChain").split() == ["lossy_xxz_chain.py", "test_lossy_xxz_chain.py"]
    ast.parse((tmp_path / "lossy_xxz_chain.py").read_text(encoding="utf-8"))
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_lossy_xxz_chain.py"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["lossy", "Lossy-Chain", "None", "1D", "a/b"])
def test_names_of_no_class_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "must be that of a class" in mpsnh("new", "model", name, code=2)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_chain.py").write_text("mine")
    assert "test_chain.py is there already" in mpsnh("new", "model", "Chain", code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["test_chain.py"]


@pytest.mark.parametrize("package", [models, algorithms, observables])
def test_lists_have_a_line_for_each(package):
    lines = mpsnh(package.__name__.rpartition(".")[2]).splitlines()
    assert [line.split()[0] for line in lines] == package.__all__
    assert all(len(line.split()) > 3 for line in lines)


def test_cite():
    said = mpsnh("cite", "NonHermitianXXZ", "NHTEBD")
    assert "@misc{brighi2025," in said
    assert "@article{vidal2003," in said
    assert "(did you mean 'NHTEBD'?)" in mpsnh("cite", "NHTEB", code=2)
