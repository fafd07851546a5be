"""The architecture, read from the sources: who imports whom, who may use what, file lengths, docstrings."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cnncli"
SOURCES = sorted(PACKAGE.rglob("*.py"))
EVERYTHING = [
    path
    for folder in ("cnncli", "tests", "docs", "data")
    for pattern in ("*.py", "*.pyx", "*.pxd", "*.h")
    for path in sorted((ROOT / folder).rglob(pattern))
] + [ROOT / "setup.py"]

# From the bottom up. A module imports only modules of its own row and of those below; modules that are not named here
# stand in the row of the applications. Packages import no other package of their row.
ROWS: list[set[str]] = [
    {"_fast"},
    {"errors", "runtime", "signals", "random", "registry", "metrics", "constraints", "monitor", "texts", "pipeline"},
    {"files", "fields", "splits", "process_group", "mpi", "launch"},
    {"initializers", "yamlio", "describe", "checkpoint"},
    {"layers"},
    {"losses", "optimizers", "schedules", "datasets", "augmentations"},
    {"origin", "choices", "sections", "calculation", "wiring", "blocks", "overrides", "spec"},
    {"workspace", "graph", "sharding"},
    {"fuse", "lifetimes", "gathering", "budget", "binding"},
    {"network", "preprocessing"},
    {"views", "evaluation", "gradcheck"},
    {"training", "runs", "model", "experiment", "session", "benchmark", "filtering", "sheets"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
RANK = {module: rank for rank, row in enumerate(ROWS) for module in row}
APPLICATIONS = RANK["training"]
PACKAGES = {"_fast", "layers", "losses", "optimizers", "schedules", "datasets", "augmentations", "commands"}

ONLY = {  # what may be imported only by these
    "click": r"cli|commands\.\w+",
    "tqdm": r"commands\.\w+",
    "yaml": r"yamlio",
    "multiprocessing": r"pipeline",
    "pickle": r"nobody",
    "torch": r"nobody",
    "tensorboardX": r"tensorboard",
    "jinja2": r"reporting\.report",
    "matplotlib": r"reporting\.charts",
    "optuna": r"sweeping\.tpe",
    "onnxruntime": r"interchange\.onnx_model",
    "mpi4py": r"launch|mpi",
}
EXTRAS = {
    "tensorboardX",
    "onnxruntime",
    "jinja2",
    "matplotlib",
    "mpi4py",
    "optuna",
}  # others are imported by name, in cnncli.interchange.extras
NEVER = {  # what must not be imported by these, so that they stay free of arrays, pixels or terminals
    "numpy": r"cli|errors|registry|constraints|fields|yamlio|overrides|origin|sections|calculation|blocks|wiring|spec"
    r"|signals|monitor|schedules\..+",
    "PIL": r"_fast|layers\..+|losses\..+|optimizers\..+|spec|graph|network|training|evaluation|checkpoint",
}
ALLOCATING = {"zeros", "empty", "ones", "full", "array", "astype", "zeros_like", "empty_like", "concatenate"}
SOFT_LIMIT, HARD_LIMIT = 300, 400
LONG = {"tests/test_runs.py"}  # may pass the soft limit


def name_of(path: Path) -> str:
    """Dotted name within the package: ``layers.conv2d``, ``layers`` for its ``__init__``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


NAMES = {name_of(path) for path in SOURCES} | {"_fast._cpu"}


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = str(node.module)
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if inner.removeprefix("cnncli.") in NAMES else module


def of_the_package(path: Path) -> set[str]:
    """What a file imports of the package."""
    names = {name for name in imported(path) if name.split(".")[0] == "cnncli"}
    return {name.removeprefix("cnncli.") for name in names} - {"cnncli"}  # which has but the version


def rank(name: str) -> int:
    return RANK.get(name.split(".")[0], APPLICATIONS)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    own = name_of(path)
    if own == "__init__":
        assert of_the_package(path) == {"model"}  # in a function: for users of the library
        return
    for name in of_the_package(path):
        assert rank(name) <= rank(own), f"{own} imports {name}, which stands above it"
        mine, other = own.split(".")[0], name.split(".")[0]
        if mine != other and {mine, other} <= PACKAGES:
            assert rank(name) < rank(own), f"{own} imports {name}: siblings do not know each other"


def test_imports_make_no_circle() -> None:
    graph = {name_of(path): of_the_package(path) for path in SOURCES if path.name != "__init__.py"}
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)


def test_the_table_has_no_dead_rows() -> None:
    assert set(RANK) <= {name.split(".")[0] for name in NAMES}


def test_kernels_import_nothing_of_the_package() -> None:
    for path in (PACKAGE / "_fast").iterdir():
        if path.suffix in (".py", ".pyx", ".pxd"):
            found = re.findall(r"^\s*(?:from|c?import) (cnncli[\w.]*)", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert all(name.startswith("cnncli._fast") for name in found), path.name


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_third_parties_stay_where_they_belong(path: Path) -> None:
    tops = {name.split(".")[0] for name in imported(path)}
    assert tops <= {*sys.stdlib_module_names, "cnncli", "numpy", "click", "yaml", "PIL", "tqdm", *EXTRAS}
    for package in tops & ONLY.keys():
        assert re.fullmatch(ONLY[package], name_of(path)), f"{name_of(path)} imports {package}"
    for package in tops & NEVER.keys():
        assert not re.fullmatch(NEVER[package], name_of(path)), f"{name_of(path)} imports {package}"


def _calls(tree: ast.AST) -> set[str]:
    """Names of all functions that are called, attributes without their object."""
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {f.id if isinstance(f, ast.Name) else f.attr for f in functions if isinstance(f, (ast.Name, ast.Attribute))}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_commands_talk(path: Path) -> None:
    calls = _calls(ast.parse(path.read_text(encoding="utf-8")))
    if not re.fullmatch(r"commands\.\w+|runs", name_of(path)):  # runs warns of a folder that cannot be locked
        assert "print" not in calls
    if name_of(path) in ("training", "evaluation", "network", "graph"):
        assert not calls & {"open", "write_text", "write_bytes", "echo"}


@pytest.mark.parametrize("path", [*(PACKAGE / "layers").glob("*.py"), *(PACKAGE / "losses").glob("*.py")], ids=name_of)
def test_layers_neither_allocate_nor_name_a_precision(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "float32" not in text
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name in ("forward", "backward"):
            assert not _calls(node) & ALLOCATING, f"{path.name}: {node.name} allocates"


@pytest.mark.parametrize("path", EVERYTHING, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= (HARD_LIMIT if str(path.relative_to(ROOT)) in LONG else SOFT_LIMIT)


@pytest.mark.parametrize("name", sorted(LONG))
def test_exceptions_are_needed(name: str) -> None:
    """A name leaves the list when its file has become short."""
    assert (ROOT / name).read_text(encoding="utf-8").count("\n") > SOFT_LIMIT


def _definitions(path: Path) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef, ast.ClassDef | None]]:
    """All functions, methods and classes, with the class they stand in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name, node, None
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}", inner, node


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_everything_is_annotated_and_public_things_are_documented(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text or ast.get_docstring(ast.parse(text)), "the module needs a docstring"
    for name, node, owner in _definitions(path):
        if isinstance(node, ast.FunctionDef):
            a = node.args
            arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
            missing = [a.arg for a in arguments if a and a.annotation is None and a.arg not in ("self", "cls")]
            assert not missing, f"{name}: {missing} have no annotation"
            assert node.returns is not None, f"{name} has no annotation of its result"
        public = not any(part.startswith("_") for part in name.split("."))
        inherits = owner is not None and bool(owner.bases)  # its base says what the method is
        short = owner is not None and isinstance(node, ast.FunctionDef) and len(node.body) <= 2
        if public and not inherits and not short:
            assert ast.get_docstring(node), f"{name} needs a docstring"


def _modules_after(code: str) -> set[str]:
    script = f"{code}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_starting_up_is_light() -> None:
    heavy = {"numpy", "PIL", "yaml", "tqdm", "click"}
    assert not _modules_after("import cnncli") & heavy
    assert _modules_after("import cnncli.cli") & heavy == {"click"}
