"""The page on the adapter contract matches the code and is complete."""

from __future__ import annotations

import json
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

import pytest

from embcheck.conformance.contract.backend import Capability, required_capabilities
from embcheck.conformance.contract.call import Call, Input, Observation, Operation
from embcheck.conformance.contract.options import OPTIONS
from embcheck.conformance.contract.reference import documented, page

PUBLISHED = Path(__file__).parent.parent / "docs" / "adapter-reference.md"
PAGE = page()
SPECS = json.loads(files("embcheck.specs").joinpath("schema.json").read_text("utf-8"))["$defs"]


def test_the_published_page_is_what_the_code_says():
    """The published page is what `python -m embcheck.conformance.contract.reference` prints."""
    assert PUBLISHED.read_text("utf-8") == PAGE


@pytest.mark.parametrize("kind", [Operation, Input, Observation, Capability])
def test_each_name_has_a_row(kind):
    """Each operation, input, observation and capability has a row on the page."""
    for member in kind:
        assert f"\n| `{member.name}` | " in PAGE


def test_the_names_are_those_of_specs():
    """The page's inputs, options and observations are those that the schema of specs allows."""
    assert {*Input} == {*SPECS["inputs"]["properties"]}
    assert {*OPTIONS} == {*SPECS["options"]["properties"]} - {"probe", "object", "arguments"}
    named = {*SPECS["observationName"]["enum"], Observation.INPUTS_AFTER}
    assert {*Observation} == named


def test_a_name_without_a_docstring_is_refused():
    """An enum member without a docstring is refused, since the page would not explain it."""

    class Silent(StrEnum):
        TOLD = "told"
        """It is."""
        UNTOLD = "untold"

    with pytest.raises(LookupError, match=r"Silent\.UNTOLD has no docstring"):
        documented(Silent)


def test_the_page_says_what_needs_a_capability():
    """The last cell of a capability's row names exactly the observations that need it."""
    rows = PAGE.partition("## Capabilities")[2].partition("\n## ")[0].splitlines()
    for capability in Capability:
        (row,) = (line for line in rows if line.startswith(f"| `{capability.name}` |"))
        uses = row.rpartition(" | ")[2]
        for observation in Observation:
            call = Call(Operation.EMBEDDING, {}, observe=(observation,))
            needs = capability in required_capabilities(call)
            assert (f"`{observation}`" in uses) == needs, (capability, observation)
