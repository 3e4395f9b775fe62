"""The code version of an asset: a digest over everything inside the package that its module can run.

Here belongs the static import closure and its digest.
What does not: the source tree as a whole (`pins.capsule`) and installed packages (`pins.environment`).

Nothing is imported: files are parsed with `ast`, so a code version costs milliseconds and has no side effect.
The closure may hold more than what runs (an import in a branch that is never taken); it must not hold less.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from repro_assets.errors import BadInput
from repro_assets.pins.canonical import digest

# Folders of the package folder that hold no source.
_SKIPPED_FOLDERS = frozenset({"__pycache__"})


@dataclass(frozen=True)
class _Import:
    """One import statement: dots in front, dotted name, names after `import` (empty for `import x`)."""

    level: int
    module: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class _References:
    imports: tuple[_Import, ...]
    literals: frozenset[str]


def closure(module: str, root: Path, package: str = "repro_assets") -> tuple[str, ...]:
    """Find the files of a package that a module can run or read.

    Followed are all imports that stay inside the package, wherever they stand and however they are written,
    the `__init__.py` of every parent package, a string literal that is the whole dotted name of a module
    (`import_module("repro_assets.steps.split")`), and a string literal that is the whole path of a file
    relative to the package folder (`"assumptions/city_to_county_v1.csv"`).
    Imports under `if TYPE_CHECKING:` never run and are left out.

    Args:
        module: Dotted name of the module, inside `package`.
        root: Folder of the package.
        package: Dotted name of the package that `root` holds.

    Returns:
        Paths relative to `root`, POSIX separators, sorted.

    Raises:
        BadInput: There is no such module, or a file of the closure is not valid Python.
    """
    return tuple(sorted(_contents(module, root, package)))


def code_version(module: str, root: Path, package: str = "repro_assets") -> str:
    """Digest over path and content of every file in the closure of a module.

    Any byte counts, comments too: telling apart what matters would be a second, weaker parser.

    Args:
        module: Dotted name of the module, inside `package`.
        root: Folder of the package.
        package: Dotted name of the package that `root` holds.

    Returns:
        64 hexadecimal digits.

    Raises:
        BadInput: As `closure`.
    """
    contents = _contents(module, root, package)
    return digest(
        {
            "schema": "repro-code-version/1",
            "files": {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()},
        }
    )


def _contents(module: str, root: Path, package: str) -> dict[str, bytes]:
    """Content of every file of the closure, each read once."""
    tree = _Tree(package, _files(root))
    found: dict[str, bytes] = {}
    pending = tree.chain(module)
    if tree.file_of(module) is None:
        raise BadInput("there is no such module", where=root, stored=module, expected=f"a module inside {package}")
    while pending:
        path = pending.pop()
        if path in found:
            continue
        found[path] = _read(root / path)
        if path.endswith(".py"):
            pending.extend(tree.referenced(path, _references(found[path], path)))
    return found


class _Tree:
    """Names and files of one package."""

    def __init__(self, package: str, files: frozenset[str]) -> None:
        self._package = package
        self._files = files

    def file_of(self, module: str) -> str | None:
        """File of a module of the package; a package wins over a module of the same name, as in Python."""
        if module == self._package:
            path = ""
        elif module.startswith(f"{self._package}."):
            path = module.removeprefix(f"{self._package}.").replace(".", "/")
        else:
            return None
        candidates = (f"{path}/__init__.py".lstrip("/"), f"{path}.py")
        return next((candidate for candidate in candidates if candidate in self._files), None)

    def chain(self, module: str) -> list[str]:
        """Files that importing a module runs at least: its own and the `__init__.py` of every parent."""
        parts = module.split(".")
        names = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
        return [path for path in map(self.file_of, names) if path is not None]

    def referenced(self, path: str, references: _References) -> Iterator[str]:
        """Files that a file's imports and string literals name."""
        for statement in references.imports:
            base = self._absolute(path, statement)
            yield from self.chain(base)
            for name in statement.names:
                yield from self._below(base) if name == "*" else self.chain(f"{base}.{name}")
        for literal in references.literals:
            if literal in self._files:
                yield literal
            elif literal.startswith(f"{self._package}.") and self.file_of(literal):
                yield from self.chain(literal)

    def _absolute(self, path: str, statement: _Import) -> str:
        if statement.level == 0:
            return statement.module
        folders = [*self._package.split("."), *path.split("/")[:-1]]
        keep = len(folders) - (statement.level - 1)
        if keep < 1:
            raise BadInput("a relative import leaves the package", where=path, stored="." * statement.level)
        return ".".join([*folders[:keep], *filter(None, [statement.module])])

    def _below(self, module: str) -> Iterator[str]:
        """Direct modules of a package: `from package import *` may load any that its `__all__` names."""
        init = self.file_of(module)
        if init is None or not init.endswith("__init__.py"):
            return
        folder = init.removesuffix("__init__.py")
        for path in self._files:
            inner = path.removeprefix(folder)
            direct = path.startswith(folder) and ("/" not in inner or inner.endswith("/__init__.py"))
            if direct and inner.count("/") <= 1 and path.endswith(".py"):
                yield path


def _files(root: Path) -> frozenset[str]:
    found: list[str] = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _SKIPPED_FOLDERS]
        relative = Path(folder).relative_to(root)
        found.extend((relative / name).as_posix() for name in names)
    return frozenset(found)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput("a file of the package can't be read", where=path, stored=error.strerror) from error


@functools.lru_cache(maxsize=1024)
def _references(source: bytes, path: str) -> _References:
    """Imports and string literals of one source text; the same text is parsed once per process."""
    try:
        tree = ast.parse(source, filename=path)
    except (SyntaxError, ValueError) as error:  # ValueError: Python 3.11 on null bytes
        line = getattr(error, "lineno", None) or 1
        raise BadInput("not valid Python", where=f"{path}:{line}", stored=str(error)) from error
    imports: list[_Import] = []
    literals: set[str] = set()
    for node in _running(tree):
        if isinstance(node, ast.Import):
            imports.extend(_Import(0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imports.append(_Import(node.level, node.module or "", tuple(alias.name for alias in node.names)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            literals.add(node.value)
    return _References(tuple(imports), frozenset(literals))


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes except those that only a type checker sees."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            pending.extend(node.orelse)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.UnaryOp) and _is_negated(node.test):
            pending.extend(node.body)
        else:
            pending.extend(ast.iter_child_nodes(node))


def _is_negated(test: ast.UnaryOp) -> bool:
    return isinstance(test.op, ast.Not) and _is_type_checking(test.operand)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else None
    return name == "TYPE_CHECKING"
