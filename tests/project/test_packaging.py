"""What is written in more than one place agrees: versions, requirements, the recipe, the lock file, the workflows."""

import configparser
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIG = configparser.ConfigParser()
CONFIG.read(ROOT / "setup.cfg", encoding="utf-8")
EXTRAS = CONFIG["options.extras_require"]
OF_USERS = ("plot", "store", "cli", "dask")
CONDA = {"matplotlib": "matplotlib-base"}
"""Names that conda gives to packages."""


def requirements(text):
    """Packages of a list in setup.cfg, each with its oldest version."""
    lines = [line.partition(";")[0] for line in text.split("\n") if line and not line.startswith("mpsnh[")]
    return dict(line.replace(" ", "").split(">=") for line in lines)


def pages(pattern):
    return [pytest.param(path, id=path.name) for path in sorted((ROOT / ".github").rglob(pattern))]


def loaded(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_version_is_one():
    version = CONFIG["metadata"]["version"]
    assert loaded("CITATION.cff")["version"] == version
    assert loaded("recipe/recipe.yaml")["context"]["version"] == version
    assert (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n## ")[2].startswith(version)


def test_supported_pythons_are_said_alike():
    classifiers = CONFIG["metadata"]["classifiers"]
    pythons = re.findall(r"Python :: (3\.\d+)", classifiers)
    matrix = loaded(".github/workflows/checks.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert sorted({*matrix["python"], *(row["python"] for row in matrix["include"])}) == pythons
    assert {*matrix["system"]} == {"ubuntu-latest", "macos-latest", "windows-latest"}
    assert CONFIG["options"]["python_requires"] == f">={pythons[0]}"
    page = (ROOT / "docs" / "installation.md").read_text(encoding="utf-8")
    assert f"| Python | {pythons[0]} | {pythons[-1]} |" in page
    core = requirements(CONFIG["options"]["install_requires"])
    for name in ("numpy", "scipy", "xarray"):
        assert f"| {name} | {core[name]} |" in page


def test_all_extras_of_users_are_in_all():
    assert EXTRAS["all"].strip() == f"mpsnh[{','.join(OF_USERS)}]"
    assert EXTRAS["test"].strip().startswith("mpsnh[all]")
    page = (ROOT / "docs" / "installation.md").read_text(encoding="utf-8")
    assert [name for name in EXTRAS if f"`{name}`" not in page] == []


def test_packages_of_the_project_are_named():
    """Those that the project is built on, whether or not a simulation needs them."""
    core = requirements(CONFIG["options"]["install_requires"]) | requirements(EXTRAS["plot"] + EXTRAS["test"])
    assert {"numpy", "scipy", "quimb", "cotengra", "matplotlib", "pytest"} <= core.keys()


def test_the_recipe_requires_the_same():
    recipe = loaded("recipe/recipe.yaml")["requirements"]
    brought = requirements("".join(EXTRAS[name] for name in ("plot", "store", "cli")))
    wanted = requirements(CONFIG["options"]["install_requires"]) | brought
    run = dict(line.split(" >=") for line in recipe["run"])
    assert run.pop("python") == CONFIG["options"]["python_requires"].removeprefix(">=")
    assert run == {CONDA.get(name, name): oldest for name, oldest in wanted.items()}
    assert dict(line.split(" >=") for line in recipe["run_constraints"]) == requirements(EXTRAS["dask"])


def test_the_lock_has_all_that_is_required():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE))
    lists = [CONFIG["options"]["install_requires"], *(EXTRAS[name] for name in EXTRAS if name != "cuda")]
    for name, oldest in requirements("\n".join(lists)).items():
        found = locked[name.replace("_", "-").lower()]
        assert [*map(int, found.split(".")[:2])] >= [*map(int, oldest.split(".")[:2])], "renew it by `make lock`"
    assert lock.count("--hash=sha256:") > len(locked)
    assert "file:" not in lock


@pytest.mark.parametrize("path", pages("workflows/*.yml"))
def test_actions_are_pinned_and_may_do_little(path):
    workflow = loaded(path)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert "write" not in {*job["permissions"].values()} or job["permissions"] == {"id-token": "write"}
        for step in job["steps"]:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step.get("uses", "a@" + 40 * "0"))


@pytest.mark.parametrize("path", pages("ISSUE_TEMPLATE/*.yml"))
def test_templates_can_be_read(path):
    template = loaded(path)
    assert path.name == "config.yml" or {"name", "description", "body"} <= template.keys()


def test_hooks_use_the_tools_of_the_environment():
    for repo in loaded(".pre-commit-config.yaml")["repos"]:
        assert repo["repo"] == "local"
        for hook in repo["hooks"]:
            assert ".venv/bin/" in hook["entry"]
