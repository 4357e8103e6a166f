"""`embcheck backends`: who is known, and who can answer here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def backends(as_json: bool) -> None:
    """List every known backend: version, device and capabilities, or why it is unavailable."""
    from embcheck.conformance.execution.discovery import known_backends  # noqa: PLC0415
    from embcheck.conformance.execution.pool import started_pool  # noqa: PLC0415  (NumPy)

    with started_pool(sorted(known_backends()), timeout=60) as pool:
        entries = [pool.describe(name) for name in pool.names]
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    for entry in entries:
        click.echo(_line(entry))


def _line(entry: Mapping[str, Any]) -> str:
    problem = entry.get("unavailable") or entry.get("broken")
    if problem:
        state = "unavailable" if "unavailable" in entry else "broken"
        return f"{entry['id']}\n    {state}: {problem}"
    native = [name for name, how in entry["operations"].items() if how["provision"] == "native"]
    composed = [name for name in entry["operations"] if name not in native]
    lines = [f"{entry['id']}\n    {entry['library']} {entry['version']} on {entry['device']}"]
    if native:
        lines.append(f"    native: {', '.join(native)}")
    if composed:
        lines.append(f"    composed: {', '.join(composed)}")
    if entry["capabilities"]:
        lines.append(f"    capabilities: {', '.join(entry['capabilities'])}")
    return "\n".join(lines)
