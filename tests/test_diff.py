"""`embcheck diff`: what counts as a change, and how changes are shown."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from report_runs import HOSTILE, PLAIN, case, every_outcome, header, info, result, run, write_run
from rich.console import Console

from embcheck.cli.diff import diff
from embcheck.conformance.records.run import Run
from embcheck.reports.diff import BackendNotInRun, What, compare, normalise
from embcheck.reports.merge import merge
from embcheck.reports.terminal.diff import print_difference

OPEN = case("ledger/open/a", "implementation-defined", expected=None)


def one(outcome: str = "passed", backend: str = "acme", of=None, **more) -> Run:
    """Make a run with one result."""
    of = of or case()
    return run([of, result(backend, outcome, of, **more)], [backend])


def compared(before: Run, after: Run, *mapping: tuple[str, str]):
    """Compare two runs, after merging each."""
    return compare(merge([before]), merge([after]), mapping)


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (one("passed"), one("failed", kind="wrong-value"), What.OUTCOME),
        (one("passed"), one("crashed"), What.OUTCOME),
        (one("failed", kind="wrong-value"), one("failed", kind="wrong-dtype"), What.KIND),
        (
            one("observed", of=OPEN, reading="raises", message="no"),
            one("observed", of=OPEN, reading="NaN"),
            What.READING,
        ),
        (one(message="IndexError: no"), one(message="IndexError: never"), What.MESSAGE),
        (one(message="died at 0x7f12, in 3.5 s"), one(message="died at 0x7fff, in 20 ms"), None),
        (one(seconds=1.0), one(seconds=2.0), None),
    ],
)
def test_the_gravest_change_is_named(before, after, what) -> None:
    """A change is named by outcome first, then kind, reading and message; times do not count."""
    found = compared(before, after)
    assert [change.what for change in found.changes] == ([what] if what else [])
    assert bool(found) == bool(what)
    assert found.compared == 1


def test_a_run_does_not_differ_from_itself() -> None:
    """A run with results of many outcomes does not differ from itself."""
    found = compared(every_outcome(), every_outcome())
    assert not found
    assert found.compared == 11


def test_another_version_alone_is_no_change() -> None:
    """Another version of a library is shown, but is no change by itself."""
    newer = run([case(), result("acme")], [info("acme", version="1.3")])
    found = compared(one(), newer)
    assert not found
    (pair,) = found.pairs
    assert (pair.library_before, pair.library_after) == ("somelib 1.2", "somelib 1.3")


def test_new_and_gone_are_changes() -> None:
    """Cases and backends that only one of the runs has are listed as new or gone."""
    other = case("embedding/bounds/b")
    after = run([other, result("acme", of=other), result("zeta", of=other)], ["acme", "zeta"])
    found = compared(one(), after)
    assert (found.new_cases, found.gone_cases) == (("embedding/bounds/b",), (PLAIN,))
    assert (found.new_backends, found.gone_backends) == (("zeta",), ())
    assert compared(after, one()).gone_backends == ("zeta",)
    assert found
    assert not found.changes


def test_a_backend_that_was_not_asked_is_told() -> None:
    """A case that is in both runs, but that only one asked the backend, is a change."""
    probe = case(call={"operation": "probe"})
    empty = run([probe, case("a/b/c"), result("acme", of=case("a/b/c"))], ["acme"])
    full = run([probe, case("a/b/c"), *(result("acme", of=of) for of in (probe, case("a/b/c")))],
               ["acme"])  # fmt: skip
    (change,) = compared(empty, full).changes
    assert (change.before.outcome, change.after.outcome) == ("not-asked", "passed")


def test_what_a_selection_left_out_is_no_change() -> None:
    """Cases that a selection left out of one run are not compared."""
    both = (case(), case("a/b/c"))
    ref, whole = (
        run([*both, *(result(name, of=of) for of in both)], [name]) for name in ("ref", "acme")
    )
    part = one("failed", kind="wrong-value")
    chosen = replace(part, header=header(["acme"], settings={"selection": "-k padding"}))
    found = compare(merge([whole, ref]), merge([part, ref]))
    assert [change.case for change in found.changes] == [PLAIN, "a/b/c"]
    found = compare(merge([whole, ref]), merge([chosen, ref]))
    assert [change.case for change in found.changes] == [PLAIN]
    assert found.compared == 3


def test_what_did_not_run_has_changed() -> None:
    """A result missing from an interrupted run is a change to `not-run`."""
    partial = run([case()], ["acme"], ended=False)
    (change,) = compared(one(), partial).changes
    assert (change.before.outcome, change.after.outcome) == ("passed", "not-run")


def test_one_backend_is_compared_with_another() -> None:
    """With a mapping, only the mapped backends are compared, and messages do not count."""
    both = run(
        [
            *(case(), OPEN),
            result("acme", message="IndexError: no"),
            result("acme", "observed", OPEN, reading="raises"),
            result("zeta", message="RuntimeError: no"),
            result("zeta", "observed", OPEN, reading="NaN"),
        ],
        ["acme", "zeta"],
    )
    found = compared(both, both, ("acme", "zeta"))
    (change,) = found.changes
    assert (change.what, change.case) == (What.READING, OPEN.case)
    assert change.pair.name == "acme = zeta"
    assert len(compared(both, both, ("acme", "zeta"), ("zeta", "acme")).changes) == 2
    assert not compared(both, both, ("acme", "acme"))
    with pytest.raises(
        BackendNotInRun, match="no results of 'nix'; the run has those of acme, zeta"
    ):
        compared(both, both, ("acme", "nix"))


def test_only_what_both_were_asked_is_compared_across_backends() -> None:
    """Between two backends, a case that only one can be asked is not compared."""
    probe = case(call={"operation": "probe"})
    lines = [probe, case("a/b/c"), result("acme", of=probe)]
    both = run([*lines, *(result(n, of=case("a/b/c")) for n in ("acme", "zeta"))], ["acme", "zeta"])
    found = compared(both, both, ("acme", "zeta"))
    assert not found
    assert found.compared == 1


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        ("<Foo object at 0x7f3a>", "<Foo object at <address>>"),
        ("no answer in 60 s", "no answer in <time>"),
        ("2026-11-21 10:00:00.123 [E] bad", "<time> [E] bad"),
        ("index 60 is out of bounds for size 4", "index 60 is out of bounds for size 4"),
        ("takes 3 segments", "takes 3 segments"),
    ],
)
def test_messages_lose_what_is_never_twice_the_same(message, plain) -> None:
    """Addresses and times are removed from messages; meaningful numbers stay."""
    assert normalise(message) == plain


def printed(before: Run, after: Run) -> str:
    """Return the printed difference of two runs, at 80 columns and without a terminal."""
    file = io.StringIO()
    print_difference(compared(before, after), ("a/", "b/"), Console(file=file, width=80))
    return file.getvalue()


def test_changes_are_grouped() -> None:
    """Cases with the same change are grouped under it, and ten at most are named."""
    cases = [case(f"embedding/lookup/n{number}") for number in range(14)]
    before = run([*cases, *(result("acme", of=of) for of in cases)], ["acme"])
    failed = [result("acme", "failed", of, kind="wrong-value") for of in cases[:12]]
    after = run([*cases, *failed, *(result("acme", of=of) for of in cases[12:])], ["acme"])
    text = printed(before, after)
    assert "Outcomes that changed: 12\n  acme: 12 cases\n    - passed\n" in text
    assert "    + failed: wrong-value\n      embedding/lookup/n0\n" in text
    assert "... and 2 more; --json has all" in text
    assert text.endswith("\n12 of 14 results differ\n")
    assert "\n0 of 1 results differ\n" in printed(one(), one())


def test_the_text_fits_and_is_safe() -> None:
    """No line is wider than 80 columns, and control characters of messages are escaped."""
    long = case("embedding/lookup/" + "n" * 100)
    before = one(of=long, message=HOSTILE + "x" * 300)
    text = printed(before, one(of=long, message="other"))
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "[bold]" in text
    assert "\u202e" not in text


def called(*arguments: object):
    """Call `embcheck diff`."""
    return CliRunner().invoke(diff, [str(argument) for argument in arguments])


def test_exit_codes(tmp_path) -> None:
    """The exit code is 0 without changes, 1 with changes, and 2 for wrong usage."""
    a = write_run(tmp_path / "a", one())
    b = write_run(tmp_path / "b", one("failed", kind="wrong-value"))
    assert called(a, a).exit_code == 0
    assert called(a, b / "results.jsonl").exit_code == 1
    for arguments, said in (
        ((a, tmp_path / "none"), "No such file"),
        ((a, b, "--map", "acme"), "'acme' is not A=B"),
        ((a, b, "--map", "acme=nix"), "no results of 'nix'"),
        ((a,), "Missing argument"),
    ):
        done = called(*arguments)
        assert done.exit_code == 2
        assert said in done.output


def test_json_has_everything(tmp_path) -> None:
    """The JSON form has versions, counts, and each change with its states before and after."""
    a = write_run(tmp_path / "a", one())
    b = write_run(tmp_path / "b", one("failed", kind="wrong-value", message="m"))
    data = json.loads(called(a, b, "--json").output)
    assert data["format"] == 1
    assert data["compared"] == 1
    assert data["pairs"][0]["library_after"] == "somelib 1.2"
    assert data["changes"] == [
        {
            "what": "outcome",
            "case": PLAIN,
            "pair": "acme",
            "before": {"outcome": "passed", "kind": "", "reading": "", "message": ""},
            "after": {"outcome": "failed", "kind": "wrong-value", "reading": "", "message": "m"},
        }
    ]


def test_a_partial_run_is_told(tmp_path) -> None:
    """A run that stopped before its end is named as partial."""
    a = write_run(tmp_path / "a", one())
    partial = Run(header(["acme"]))
    partial.add(case())
    b = write_run(tmp_path / "b", partial)
    assert f"{b} is partial: it stopped before its end" in called(a, b).output


def test_a_part_is_told(tmp_path) -> None:
    """A backend that was asked only selected cases is named with the selection."""
    a = write_run(tmp_path / "a", one())
    chosen = header(["acme"], settings={"selection": "-k \x1bpadding"})
    b = write_run(tmp_path / "b", replace(one(), header=chosen))
    told = called(a, b).output
    assert f"{b} has only a part of acme: -k \\x1bpadding" in told
    assert f"{a} has only" not in told
