"""The house around the package: what the README, the lock and the import of gnode promise."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import gnode

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "gnode"
LOCK = (ROOT / "requirements.lock").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

IMPORT_EVERYTHING = """
import json, logging, os, pkgutil, importlib, sys
import jax, sklearn  # scikit-learn sets two variables of OpenMP when it is imported, which is its own doing
before = dict(os.environ)
flags = {name: holder.value for name, holder in jax.config._value_holders.items()}
import gnode
for module in pkgutil.walk_packages(gnode.__path__, "gnode."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from jax._src import xla_bridge
print(json.dumps({
    "changed": [name for name, holder in jax.config._value_holders.items() if holder.value != flags[name]],
    "environment": [name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name)],
    "backends": list(xla_bridge._backends),
    "handlers": len(logging.getLogger().handlers),
}))
"""


def in_a_fresh_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120).stdout


def test_importing_every_module_leaves_jax_and_the_process_as_they_were():
    seen = json.loads(in_a_fresh_python(IMPORT_EVERYTHING).splitlines()[-1])
    assert seen == {"changed": [], "environment": [], "backends": [], "handlers": 0}


def test_importing_gnode_alone_does_not_import_jax():
    assert in_a_fresh_python("import sys, gnode; print('jax' in sys.modules)").strip() == "False"


def test_every_name_that_gnode_offers_is_there():
    rooms = {"analysis", "models", "plot", "report", "results", "series", "tasks", "training"}
    assert rooms | {"Series", "load", "sweep", "train"} <= set(dir(gnode))
    for name in dir(gnode):
        getattr(gnode, name)
    assert gnode.results.load.__module__ == "gnode.sweeps.results"


def test_the_version_is_the_one_of_pyproject_and_of_the_changelog():
    assert gnode.__version__ == PYPROJECT["project"]["version"]
    assert re.search(rf"^## \[{re.escape(gnode.__version__)}\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_lock_names_no_address_and_no_path():
    pins = [line.strip() for line in LOCK.splitlines() if not line.startswith("#")]
    unlike_a_pin = [
        line
        for line in pins
        if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==\S+( ; .*)? \\|--hash=sha256:[0-9a-f]{64}( \\)?", line)
    ]
    assert unlike_a_pin == []
    assert "/" not in LOCK


def test_the_lock_pins_every_declared_requirement():
    def canonical(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    declared = [*PYPROJECT["project"]["dependencies"], *PYPROJECT["project"]["optional-dependencies"]["cluster"]]
    declared += [line for group in PYPROJECT["dependency-groups"].values() for line in group]
    wanted = {canonical(re.match(r"[\w.-]+", line).group()) for line in declared}
    pinned = {canonical(name) for name in re.findall(r"^([\w.-]+)==", LOCK, re.MULTILINE)}
    assert wanted - pinned == set()


def test_the_page_of_dependencies_names_those_of_pyproject():
    def name(requirement: str) -> str:
        return re.match(r"[\w.-]+", requirement).group()

    page = (ROOT / "docs/develop/dependencies.md").read_text()
    at_run_time, extras = page.split("Extras,")
    assert re.findall(r"^\| `([\w.-]+)` \|", at_run_time, re.MULTILINE) == [
        name(line) for line in PYPROJECT["project"]["dependencies"]
    ]
    assert re.findall(r"^\| `(\w+)` \| `([\w.-]+)` \|", extras, re.MULTILINE) == [
        (extra, name(line)) for extra, lines in PYPROJECT["project"]["optional-dependencies"].items() for line in lines
    ]


def test_every_make_command_in_the_documents_exists():
    targets = set(re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split())
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    named = {
        name for path in documents for name in re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE)
    }
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_reads_or_writes_pickles_or_postpones_its_annotations(path: Path):
    tree = ast.parse(path.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported.isdisjoint({"pickle", "cPickle", "dill", "cloudpickle", "joblib"})
    # jaxtyping reads annotations as objects; postponed ones are strings that the tests could not check.
    assert "__future__" not in imported
    keywords = [keyword for node in ast.walk(tree) if isinstance(node, ast.Call) for keyword in node.keywords]
    allowed = [keyword.value for keyword in keywords if keyword.arg == "allow_pickle"]
    assert all(isinstance(value, ast.Constant) and value.value is False for value in allowed)


def modules_imported_by(path: Path, known: set[str]) -> set[str]:
    """The modules of gnode that a file names in any import: at its top, in a function, or for the type checker."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None
            within = [f"{node.module}.{alias.name}" for alias in node.names]
            named |= {name if name in known else node.module for name in within}
    return named & known


def test_no_modules_import_each_other_directly_or_around_a_circle():
    def name_of(path: Path) -> str:
        return ".".join(["gnode", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")

    files = {name_of(path): path for path in PACKAGE.rglob("*.py")}
    imports = {name: modules_imported_by(path, set(files)) for name, path in files.items()}
    assert "gnode.errors" in imports["gnode.files"]
    list(TopologicalSorter(imports).static_order())  # raises CycleError, which names the circle


def test_make_setup_asks_for_nothing_the_second_time(tmp_path: Path):
    """A checkout without a stamp that is named after its own folder is set up; one with such a stamp is left alone."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    elsewhere = subprocess.run(["make", "--question", "setup"], cwd=tmp_path, capture_output=True, timeout=60)
    assert elsewhere.returncode == 1
    here = subprocess.run(["pwd | cksum | cut -d ' ' -f 1"], shell=True, cwd=tmp_path, capture_output=True, text=True)
    (tmp_path / ".tools" / "bin").mkdir(parents=True)
    (tmp_path / ".tools" / "bin" / "uv").touch()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / f".ready-{here.stdout.strip()}").touch()
    assert subprocess.run(["make", "--question", "setup"], cwd=tmp_path, timeout=60).returncode == 0
