"""The check that an adapter cannot see expected values, by its imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.smoke.finding import CheckResult, Status, findings_or

CONTRACT = "embcheck.conformance.contract"
BACKENDS = "embcheck.backends"
_MODULE_NAME = re.compile(r"embcheck(\.\w+)+")


def check_imports(client: WorkerClient) -> list[CheckResult]:
    """Read the adapter's module, and find imports of embcheck other than the contract."""
    read, found = [], []
    for origin in client.origin():
        module, path = origin["module"], Path(origin["file"] or "")
        # A compiled module, say, whose imports the check cannot read.
        if path.suffix != ".py" or not path.is_file():
            found.append(CheckResult(Status.WARN, "imports", f"{module} has no source to be read"))
            continue
        read.append(module)
        seen = sorted(set(_seen(ast.parse(path.read_text("utf-8")), module)))
        advice = f"an adapter needs {CONTRACT} and nothing else"
        found += [
            CheckResult(Status.FAIL, "imports", f"{module} imports {name}", advice)
            for name in seen
            if not _is_allowed(name)
        ]
    said = f"{', '.join(read)}: imports the contract, and no expected values"
    return findings_or(found, "imports", said)


def _is_allowed(name: str) -> bool:
    if name.partition(".")[0] != "embcheck":
        return True
    return any(name == root or name.startswith(f"{root}.") for root in (CONTRACT, BACKENDS))


def _seen(tree: ast.AST, module: str) -> Iterator[str]:
    """Yield the names that a module imports, including those in string literals."""
    package = module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{home}.{alias.name}" for alias in node.names)
        # `importlib.import_module` takes a name as text.
        elif isinstance(node, ast.Constant) and _MODULE_NAME.fullmatch(str(node.value)):
            yield str(node.value)
