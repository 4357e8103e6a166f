"""The documentation pages of backends match the adapters, and the index lists all of them."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from commands import embcheck, embcheck_here
from each_backend import absent, asked

from embcheck.conformance.contract.backend import BackendInfo, Capability, Provided, Provision
from embcheck.conformance.contract.call import Operation
from embcheck.conformance.execution.client import BackendUnavailable
from embcheck.conformance.execution.discovery import own_backends
from embcheck.conformance.execution.judging.causes import Cause
from embcheck.conformance.execution.judging.deviations import Deviation, load_deviations
from embcheck.conformance.execution.pool import started_pool
from embcheck.conformance.execution.profile import (
    BackendProfile,
    ExplainedCases,
    explained,
    profile,
)
from embcheck.conformance.execution.protocol.messages import describe_info
from embcheck.reports.backend_pages import INDEX, index, page, page_name, write_pages
from embcheck.reports.helped import Help

PAGES = Path(__file__).parent.parent / "docs" / "backends"
DEFAULT = ("numpy-reference", "torch-eager", "jax-take", "onnxruntime-dynamo")
COMMAND = "embcheck backends --markdown docs/backends"


@pytest.mark.parametrize("backend", asked(DEFAULT))
def test_the_page_of_a_backend_that_runs_here_is_up_to_date(backend):
    """The page of a backend is up to date; else the message has the command that writes it."""
    with started_pool([backend], timeout=300) as pool:
        problem = pool.problem(backend)
        if isinstance(problem, BackendUnavailable):
            absent(backend, problem)
        made = page(profile(pool, backend))
    path = PAGES / page_name(backend)
    assert path.exists(), f"there is no {path.name}: run `{COMMAND}`"
    is_fresh = without_help(path.read_text("utf-8")) == made
    assert is_fresh, f"{path.name} is stale: run `{COMMAND}`"


@pytest.mark.parametrize(
    "path", sorted({*PAGES.glob("*.md")} - {PAGES / INDEX}), ids=lambda path: path.stem
)
def test_the_counts_of_a_page_are_those_of_its_entries(path):
    """The counts on a page match the deviation entries, also for backends that cannot run here."""
    text = path.read_text("utf-8")
    head = json.loads(text.removeprefix("<!-- ").partition(" -->")[0])
    operations = re.findall(r"^\| (\w+) \| (native|composed) \|", text, re.MULTILINE)
    declared = re.search(r"^Declared, and tested: (.*)\.$", text, re.MULTILINE)[1].split(", ")
    stored = re.search(r"^Stores tables by the schemes ([\w, -]+);", text, re.MULTILINE)
    info = BackendInfo(
        id=head["backend"],
        schemes=frozenset(stored[1].split(", ") if stored else ()),
        library=head["library"],
        version="",
        operations={Operation(name): Provided(Provision(how), "") for name, how in operations},
        capabilities=frozenset(Capability(name) for name in declared if name != "none"),
    )
    entries = load_deviations(info.id)
    told = {**describe_info(info), "made_from": head["made_from"], "device": head["device"]}
    made = json.loads(page(BackendProfile(told, "", explained(info, entries))).split(" -->")[0][5:])
    assert made == head, f"{path.name} is stale: run `{COMMAND}`"


def without_help(text: str) -> str:
    """Return a page without its section on help, which only a run of the suite can fill."""
    return re.sub(r"^## Help\n.*?^(?=## )", "", text, flags=re.MULTILINE | re.DOTALL)


def test_help_is_told_by_a_run():
    """Given the help seen in a run, a page gets a section on it and is otherwise the same."""
    told = page(described(), (Help("cuts rows", 9, 7),))
    assert "## Help\n" in told
    assert "- cuts rows: 9, of which 7 passed\n" in told
    assert without_help(told) == page(described())


def test_the_table_is_that_of_the_pages():
    """The index lists every page, and every page is of an existing backend."""
    assert (PAGES / INDEX).read_text("utf-8") == index(PAGES), f"run `{COMMAND}`"
    names = {path.name for path in PAGES.glob("*.md")} - {INDEX}
    assert names <= {page_name(backend) for backend in own_backends()}


def described(**more):
    """Make a backend profile by hand."""
    operations = {"embedding": {"provision": "composed", "spelling": "a | b"}}
    info = {
        "id": "mylib-take", "library": "mylib", "version": "9.9", "device": "cpu",
        "operations": operations, "capabilities": ["max-norm"], "made_from": "source",
        "fresh_worker_after_bad_index": True, "settings": {"wide": "True, not the default"}, **more,
    }  # fmt: skip
    entry = Deviation(
        ("embedding/bounds/*",), "crashed", Cause.MEMORY_UNSAFETY, "It reads beyond the table.",
        "https://example.org/1", ">=2", "cpu", sometimes=True,
    )  # fmt: skip
    return BackendProfile(info, "Takes rows.", (ExplainedCases(entry, frozenset("abc")),))


def test_a_page_says_all_that_is_known():
    """A page lists operations, settings, capabilities, origin and deviations."""
    text = page(described())
    for words in (
        "# mylib-take\n\nTakes rows.\n",
        "It sets `wide`: True, not the default.",
        "It continues the work of [source](source.md)",
        "A bad index can corrupt the memory",
        "| embedding | composed | `a \\| b` |",
        "Absent: embedding_module,",
        "Declared, and tested: max-norm.",
        "Not declared: gradients,",
        "### bug: 3 cases\n\n#### crashed, 3 cases (memory-unsafety)\n\nIt reads beyond",
        "It happens by chance",
        "Holds for version >=2 on cpu.",
        "See <https://example.org/1>.",
        "- `embedding/bounds/*`",
    ):
        assert words in text
    assert "9.9" not in text


def test_a_case_and_a_reason_count_once(tmp_path):
    """A case named by two entries, or a reason stated twice, counts once."""
    profile = described()
    (known,) = profile.deviations
    other = ExplainedCases(replace(known.deviation, happens="accepted-invalid"), frozenset("bcd"))
    write_pages([replace(profile, deviations=(known, other))], tmp_path)
    assert "| 4 cases, 1 reason (4 bug) |" in (tmp_path / INDEX).read_text()


def test_whose_departures_are_is_kept_apart(tmp_path):
    """Each category of deviations has its own part; a case in two entries counts for the first."""
    profile = described()
    (known,) = profile.deviations
    design = replace(known.deviation, cause=Cause.DOCUMENTED, reason="It is documented.")
    both = (ExplainedCases(design, frozenset("bcd")), known)
    write_pages([replace(profile, deviations=both)], tmp_path)
    assert "| 4 cases, 2 reasons (1 bug, 3 by-design) |" in (tmp_path / INDEX).read_text()
    text = (tmp_path / page_name("mylib-take")).read_text()
    heads = [line for line in text.splitlines() if line.startswith("###")]
    assert heads == [
        "### bug: 1 case",
        "#### crashed, 3 cases (memory-unsafety)",
        "### by-design: 3 cases",
        "#### crashed, 3 cases (documented)",
    ]


def test_the_table_keeps_pages_that_were_written_elsewhere(tmp_path):
    """Writing one backend's page keeps the other pages, and the index lists both."""
    write_pages([described()], tmp_path)
    paths = write_pages([described(id="other", made_from=None)], tmp_path)
    assert [path.name for path in paths] == ["other.md", INDEX]
    rows = [line for line in (tmp_path / INDEX).read_text().splitlines() if "](" in line]
    source, other = rows
    assert source.startswith("| [mylib-take](mylib-take.md) | mylib | cpu | 1 composed | 1 of 11 |")
    assert source.endswith("| source | 3 cases, 1 reason (3 bug) |")
    assert other.endswith("|  | 3 cases, 1 reason (3 bug) |")


def test_the_command_takes_addresses(tmp_path):
    """A backend under another interpreter or label is listed and gets a page."""
    address = f"twin=numpy-reference:{sys.executable}"
    listed = embcheck("backends", address, "--json")
    (entry,) = json.loads(listed.stdout)
    assert (entry["id"], entry["adapter"]) == ("twin", "numpy-reference")
    written = embcheck("backends", address, "zoo-unavailable", "--markdown", tmp_path)
    assert written.returncode == 0, written.stderr
    assert "no page is written: zoo-unavailable" in written.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [INDEX, "twin.md"]
    assert "# twin\n\nThe documented behaviour in plain NumPy" in (tmp_path / "twin.md").read_text()


@pytest.mark.parametrize("address", ["numpy-refrence", "jax-take:/nowhere/python"])
def test_a_mistaken_address_is_a_usage_error(tmp_path, address):
    """An invalid address is a usage error without a traceback, and nothing is written."""
    done = embcheck_here("backends", address, "--markdown", tmp_path)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "Traceback" not in done.stderr
