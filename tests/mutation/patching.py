"""Patch copies of the reference, and write them as a package of their own."""

from __future__ import annotations

import builtins
import difflib
import dis
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from types import CodeType

from mutation.catalogue import BadMutant, Mutant

ORIGINAL = "embcheck.backends.reference"
PACKAGE = "embcheck_mutant"

Sources = Mapping[str, str]
"""The text of each file of the reference, by its path below `backends/reference/`."""


def reference_sources() -> Sources:
    """Read the files that make up the NumPy reference."""
    root = Path(str(files(ORIGINAL)))
    paths = [root / "numpy_reference.py", *sorted((root / "definition").glob("*.py"))]
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in paths}


def patch(sources: Sources, mutant: Mutant) -> Sources:
    """Apply a mutant; raise BadMutant unless its fragment occurs once and the result compiles."""
    if mutant.file not in sources:
        raise BadMutant(f"{mutant.id}: the reference has no file {mutant.file}")
    text = sources[mutant.file]
    count = text.count(mutant.old)
    if count != 1:
        raise BadMutant(
            f"{mutant.id}: its fragment stands {count} times in {mutant.file}, not once"
        )
    if mutant.old == mutant.new:
        raise BadMutant(f"{mutant.id}: it changes nothing")
    patched = text.replace(mutant.old, mutant.new)
    if mutant.adds:
        patched = f"{patched}\n\n{mutant.adds}\n"
    try:
        code = compile(patched, mutant.file, "exec")
    except SyntaxError as error:
        raise BadMutant(f"{mutant.id}: it is no Python: {error}") from None
    if names := undefined(code):
        raise BadMutant(f"{mutant.id}: it uses {', '.join(names)}, which are not defined there")
    return {**sources, mutant.file: patched}


def undefined(code: CodeType) -> list[str]:
    """List the global names that a module's functions use but that are not defined."""
    stored = {use.argval for use in dis.get_instructions(code) if use.opname == "STORE_NAME"}
    return sorted(set(_globals_used(code)) - stored - set(dir(builtins)))


def _globals_used(code: CodeType) -> Iterator[str]:
    yield from (use.argval for use in dis.get_instructions(code) if use.opname == "LOAD_GLOBAL")
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _globals_used(inner)


def diff(before: Sources, after: Sources) -> str:
    """Return the unified diff of two versions of the sources."""
    lines: list[str] = []
    for name, text in before.items():
        old, new = text.splitlines(), after[name].splitlines()
        lines += difflib.unified_diff(old, new, name, name, n=1, lineterm="")
    return "\n".join(lines)


def write_package(sources: Sources, folder: Path) -> None:
    """Write the sources as the package `embcheck_mutant`, whose imports refer to itself."""
    for name, text in {"__init__.py": "", **sources}.items():
        path = folder / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(f"from {ORIGINAL}.", f"from {PACKAGE}."), "utf-8")
