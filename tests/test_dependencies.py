"""Who may import whom: the direction that docs/design.md draws, no cycles, and fast starts."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((SOURCE / "fose").rglob("*.py"))
}

# Each package or module of fose may import those before it in its row's layers, and its own kind.
LAYERS = (
    {"_version", "errors", "machine"},
    {"sensor_table"},
    {"sensors", "sharpener"},
    {"ops", "diffusion"},
    {"nn"},
    {"classical", "metrics", "scene", "runtime", "data", "weights"},
    {"evaluation", "training", "catalog"},
    {"api"},
    {"xr"},
    {"cli"},
    {"__main__"},
)
# Of one layer: those that may import another of their own layer.
SIDEWAYS = {("training", "evaluation")}
ONLY_IN = {
    "rasterio": {"scene", "data"},
    "affine": {"scene", "data"},
    "click": {"cli"},
    "rich": {"cli"},
    "torch": {"nn", "training", "data", "runtime", "api"},
    "h5py": {"data"},
    "matplotlib": {"training"},
    "jinja2": {"evaluation"},
    "dask": {"xr"},
    "distributed": {"xr"},
    "xarray": {"xr"},
    "rioxarray": {"xr"},
}


def imported(path):
    """Modules that a file imports when run, those inside functions too, those for type checking alone not."""
    tree = ast.parse(path.read_text())
    skipped = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: expected absolute imports"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found


IMPORTS = {name: imported(path) for name, path in MODULES.items()}


def part(module):
    """The package or module directly under fose; "" is fose itself."""
    return module.split(".")[1] if "." in module else ""


def layer(name):
    ranks = [rank for rank, names in enumerate(LAYERS) if name in names]
    assert ranks, f"fose.{name} has no layer: place it in LAYERS and docs/design.md"
    return ranks[0]


def test_something_is_read():
    assert len(MODULES) > 30
    assert "fose.scene.grid" in IMPORTS["fose.scene.tiles"]
    assert "fose.api" in IMPORTS["fose.cli.methods"] or "fose" in IMPORTS["fose.cli.methods"]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_follow_the_direction(module):
    mine = part(module)
    for other in IMPORTS[module]:
        if other.split(".")[0] != "fose":
            continue
        theirs = part(other)
        if mine in ("", theirs):
            continue
        if theirs == "":  # `from fose import x`, where x is no module: the package's own names
            assert mine == "cli", f"{module} imports fose itself: import the module that has the name"
            continue
        below = layer(theirs) < layer(mine) or (mine, theirs) in SIDEWAYS
        assert below, f"{module} imports {other}: {mine} may only import what lies below it"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_libraries_stay_in_their_places(module):
    for other in IMPORTS[module]:
        allowed = ONLY_IN.get(other.split(".")[0])
        assert allowed is None or part(module) in allowed, f"{module} imports {other}: expected only in {allowed}"


def test_there_are_no_cycles():
    """Among modules; a package's `__init__` counts as imported with each of its modules' names only when named."""
    graph = {
        name: {other for other in others if other in MODULES} for name, others in IMPORTS.items() if name != "fose"
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"cycle: {' -> '.join(error.args[1])}")


def loaded_by(code):
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(SOURCE)}
    )
    names = done.stdout.split()
    return {*names, *(name.split(".")[0] for name in names)}


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import fose", {"rasterio", "scipy", "numpy", "click", "rich", "torch"}),
        ("import fose.cli\ntry: fose.cli.main(['--help'])\nexcept SystemExit: pass", {"numpy", "rasterio", "scipy"}),
        (
            "import fose.api",
            {
                *("scipy.optimize", "scipy.signal", "scipy.stats", "torch", "rich", "matplotlib", "h5py"),
                *("dask", "xarray", "fose.catalog"),
            },
        ),  # click comes with rasterio
        ("import fose.cli.sharpen", {"numpy", "rasterio", "scipy", "rich", "torch"}),
    ],
)
def test_starts_are_fast(code, unwanted):
    assert not loaded_by(code) & unwanted
