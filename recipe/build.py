"""Build the conda package of `recipe.yaml` from the packages of conda-forge, and test it."""

from pathlib import Path

from rattler_build import Stage0Recipe, ToolConfiguration

HERE = Path(__file__).parent

for variant in Stage0Recipe.from_file(HERE / "recipe.yaml").render():
    tool = ToolConfiguration(test_strategy="native")
    print(variant.run_build(tool, output_dir=HERE.parent / "build" / "conda", channels=["conda-forge"]))
