"""Check that an adapter cannot see what is expected of it: read what it imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

from embcheck.conformance.execution.client import Answered, WorkerClient
from embcheck.conformance.smoke.finding import Finding, Status, findings_or

CONTRACT = "embcheck.conformance.contract"
BACKENDS = "embcheck.backends"
_MODULE_NAME = re.compile(r"embcheck(\.\w+)+")


def check_imports(client: WorkerClient) -> list[Finding]:
    """Read the adapter's module, and find what it imports of embcheck beside the contract."""
    answer = client.request({"request": "origin"})
    if not isinstance(answer, Answered) or not answer.details["file"]:
        said = "the adapter's module has no file that could be read"
        return [Finding(Status.WARN, "imports", said)]
    module, path = answer.details["module"], Path(answer.details["file"])
    if path.suffix != ".py" or not path.is_file():
        return [Finding(Status.WARN, "imports", f"{path.name} is no Python source")]
    names = sorted(set(_seen(ast.parse(path.read_text("utf-8")), module)))
    advice = f"an adapter needs {CONTRACT} and nothing else"
    found = [
        Finding(Status.FAIL, "imports", f"{module} imports {name}", advice)
        for name in names
        if not _is_allowed(name)
    ]
    return findings_or(found, "imports", f"{module} sees the contract, and no expectations")


def _is_allowed(name: str) -> bool:
    if name.partition(".")[0] != "embcheck":
        return True
    return any(name == root or name.startswith(f"{root}.") for root in (CONTRACT, BACKENDS))


def _seen(tree: ast.AST, module: str) -> Iterator[str]:
    """Yield the names that a module imports, also those that it holds as text."""
    package = module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{home}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and _MODULE_NAME.fullmatch(str(node.value)):
            yield str(node.value)
