"""Compatibility data: joined with older data, compared by version, and shown as badges."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from io import StringIO

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from rich.console import Console

from embcheck.cli.main import main
from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.execution.judging.causes import Cause
from embcheck.conformance.execution.judging.deviations import (
    Deviation,
    explain,
    held_to_spelling,
)
from embcheck.conformance.execution.judging.verdict import Kind, Outcome, Verdict
from embcheck.conformance.records.lines import (
    CaseLine,
    ClauseLine,
    KnownDeviation,
    ResultLine,
    RunFooter,
    RunHeader,
)
from embcheck.conformance.records.run import Run
from embcheck.reports import compat
from embcheck.reports.answers.badges import badge, badge_files
from embcheck.reports.answers.compat_changes import print_changes
from embcheck.reports.answers.compat_joined import join, with_versions
from embcheck.reports.answers.compat_made import (
    asked_wholly,
    compat_of,
    stale,
    suite_cases,
    versions_of,
)
from embcheck.reports.answers.compat_terminal import print_age, print_answer, print_column
from embcheck.reports.compat import Column, Compat, CompatError, Since, Supported
from embcheck.reports.compat_text import to_text
from embcheck.reports.merge import merge

YES, NO = Supported("yes"), Supported("no", "silently", "wrong values")
RIGHT = Verdict(Outcome.PASSED)
WRONG = Verdict(Outcome.FAILED, Kind.WRONG_VALUE, "it is wrong")
LOUD, UNKNOWN = Supported("no", "loudly", "refused"), Supported("unknown")


def column(name="b", *, version="1.0", date="2026-01-01", suite="s", **features):
    """Return the data of a backend, given its support of features."""
    return Column(name, "lib", version, "cpu", date, features, suite)


def data(*columns, **digests):
    """Return data of backends; `digests` are those of features with changed clauses."""
    names = {name for each in columns for name in (*each.features, *digests)}
    says = {name: f"About {name}." for name in sorted(names)}
    known = {name: digests.get(name, "0") for name in says}
    return Compat("s", says, known, {}, {each.id: each for each in columns})


def said(print_, *arguments):
    """Return what a function prints at 80 columns."""
    out = StringIO()
    print_(*arguments, Console(file=out, width=80, highlight=False, markup=False))
    return out.getvalue()


def test_a_part_of_the_suite_never_replaces_answers_by_the_whole():
    """A run of part of the suite adds new backends, but replaces no answers of a whole run."""
    old = data(column(lookup=YES), column("other", lookup=NO))
    quick = data(column(date="2026-02-02", lookup=UNKNOWN), column("new", lookup=UNKNOWN))
    kept = join(quick, old, wholly=())
    assert kept.data.backends["b"] == old.backends["b"]
    assert kept.data.backends["other"] == old.backends["other"]
    assert (kept.kept, kept.added, kept.changed) == (("b", "other"), ("new",), ())
    taken = join(quick, old, wholly=("b", "new"))
    assert taken.data.backends["b"] == quick.backends["b"]
    assert [change.feature for change in taken.changed] == ["lookup"]
    text = said(print_changes, taken)
    assert "lookup: yes -> unknown" in text
    assert "other 1.0, run on 2026-01-01 with the suite s" in text


def test_a_part_that_fails_where_the_whole_passed_is_told():
    """A failure in a partial run is reported, although it changes no answer."""
    old = data(column(lookup=YES, bag=NO, rare=replace(YES, apart=("sparse",))))
    part = data(column(version="2.0", lookup=NO, bag=LOUD, rare=LOUD))
    joined = join(part, old, wholly=())
    assert [change.feature for change in joined.against] == ["lookup"]
    assert joined.data.backends["b"].features["lookup"] == YES
    assert "lookup: yes -> no (silently): wrong values" in said(print_changes, joined)


def test_answers_by_older_clauses_are_kept_and_named_as_stale():
    """Answers by changed clauses stay, marked as stale, until a whole run replaces them.

    A feature that no longer exists is dropped.
    """
    old = data(column(lookup=YES, bag=YES, gone=YES))
    part = data(column("x", lookup=YES, bag=YES, new=YES), lookup="1")
    first = join(part, old, wholly=("x",)).data
    assert first.backends["b"].stale == ("lookup", "new")
    assert set(first.backends["b"].features) == {"lookup", "bag"}
    second = join(part, first, wholly=("x",)).data
    assert second.backends["b"].stale == ("lookup", "new")
    whole = data(column(lookup=NO, bag=YES, new=YES), lookup="1")
    assert join(whole, second, wholly=("b",)).data.backends["b"].stale == ()


def test_stale_answers_are_named_with_their_backends():
    """Stale answers are listed with their backends, for the command and for CI."""
    shipped = compat.shipped()
    one = replace(shipped.backends["jax-take"], stale=("lookup",))
    older = replace(shipped, backends={**shipped.backends, "jax-take": one})
    assert stale(older) == {"lookup": ("jax-take",)}
    text = " ".join(said(lambda console: print_age(older, console, "jax-take", "lookup")).split())
    assert "The clauses of lookup changed since the run" in text
    digests = {**shipped.digests, "lookup": "0"}
    assert stale(replace(shipped, digests=digests)) == {"lookup": tuple(shipped.backends)}


def test_answers_by_an_older_suite_say_so():
    """The output says if the installed suite is newer than the one of the answers."""
    here = replace(data(column(lookup=YES)), sources=compat.sources())
    assert said(lambda console: print_age(here, console)) == ""
    other = replace(here, sources="0")
    assert "newer than these answers of 2026-01-01" in said(lambda out: print_age(other, out))
    moved = replace(here, suite="t")
    assert "newer than these answers" in said(lambda out: print_age(moved, out))


def whole_run(*, selection="", ended=True, outcome="passed", version="1.0", date="2026-01-01"):
    """Return a complete run of one case that is not part of the suite."""
    line = CaseLine("embedding/lookup/own", "", "", ("EMB-LOOK-01",), "documented", "", {}, {})
    info = {"id": "b", "library": "lib", "version": version, "device": "cpu"}
    settings = {"selection": selection}
    header = RunHeader("conformance", f"{date}T00:00:00", "", "s", {}, (info,), 1, settings)
    result = ResultLine(line.case, line.clauses, line.level, "b", outcome, None, "", 0.0)
    footer = RunFooter(f"{date}T00:00:01", 1.0, 0, {outcome: 1}) if ended else None
    clause = ClauseLine("EMB-LOOK-01", "documented", "", "", "", "")
    return Run(header, {clause.id: clause}, {line.case: line}, [result], footer=footer)


@pytest.mark.parametrize(
    ("words", "is_whole"),
    [({}, True), ({"selection": "one case of each clause"}, False), ({"ended": False}, False)],
)
def test_a_run_is_whole_if_it_asked_all_and_came_to_its_end(words, is_whole):
    """A run is whole unless it selected cases or was stopped."""
    merged = merge([whole_run(**words)])
    assert asked_wholly(merged) == ({"b"} if is_whole else set())
    made = compat_of(merged).backends["b"]
    assert (made.suite, made.date) == ("s", "2026-01-01")


def test_a_change_holds_since_the_version_that_shows_it():
    """Answers have a history by version, in the order of versions rather than of dates or texts."""
    runs = [
        column(version="0.10.1", date="2026-01-01", lookup=YES, bag=YES, one=NO),
        column(version="0.9.0", date="2026-01-02", lookup=NO, bag=YES),
        column(version="0.4.30", date="2026-01-03", lookup=NO, bag=YES, one=LOUD),
    ]
    made = with_versions(data(column(lookup=YES, bag=NO, one=NO)), runs)
    found = made.supports("b", "lookup")
    assert found.history == (
        Since("0.4.30", "no", "silently", "wrong values"), Since("0.10.1", "yes")
    )  # fmt: skip
    assert found.since == "0.10.1"
    whole = made.backends["b"]
    assert whole.versions == compat.Versions(("0.4.30", "0.9.0", "0.10.1"), "s", "2026-01-03")
    lines = said(print_answer, made, "b", "lookup").splitlines()
    assert "Versions run on 2026-01-03: 0.4.30, 0.9.0, 0.10.1:" in lines
    assert lines[-2:] == [
        "  from 0.4.30 to 0.9.0 no (silently): wrong values",
        "  since 0.10.1 yes",
    ]
    bag = made.supports("b", "bag")  # The runs by version say yes, the current answer says no.
    assert (bag.since, bag.history) == ("", (Since("0.4.30", "yes"),))
    text = said(print_answer, made, "b", "bag")
    assert "yes in all of them.\nThe answer above is of other cases: 1.0" in text
    assert "  in 0.9.0 unknown\n" in said(print_answer, made, "b", "one")
    text = " ".join(said(print_column, made, "b").split())
    assert (
        "2 of 3 features changed. lookup: from 0.4.30 to 0.9.0 no (silently): wrong values; since"
        in text
    )
    assert compat.parse(to_text(made), "made") == made


def test_another_failure_is_a_change_and_the_same_answer():
    """Another reason for a failure is a new entry in the history, but the same support."""
    other = replace(NO, says="wrong shapes")
    runs = [column(version="1.0", lookup=NO), column(version="2.0", lookup=other)]
    found = with_versions(data(column(lookup=other)), runs).supports("b", "lookup")
    assert [since.says for since in found.history] == ["wrong values", "wrong shapes"]
    assert found.since == "1.0"


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ([column(lookup=YES), column(version="new", lookup=YES)], "'new' is no version"),
        ([column("x", lookup=YES)], "no data on 'x'"),
    ],
)
def test_versions_that_cannot_be_compared_are_an_error(runs, says):
    """Versions that cannot be ordered, or of a backend without answers, are an error."""
    with pytest.raises(CompatError, match=re.escape(says)):
        with_versions(data(column(lookup=YES)), runs)


def test_what_is_known_of_versions_stays_until_the_clauses_change():
    """A feature's history survives whole and partial runs until its clauses change."""
    runs = [column(version=version, lookup=YES, bag=YES) for version in ("1.0", "2.0")]
    old = with_versions(data(column(lookup=YES, bag=YES)), runs)
    for wholly in ((), ("b",)):
        new = data(column(lookup=YES, bag=YES), bag="1")
        made = join(new, old, wholly).data
        assert made.supports("b", "lookup").since == "1.0"
        assert made.supports("b", "bag").history == ()


@pytest.mark.parametrize("is_quantized", [True, False])
def test_a_version_may_lack_cases_that_are_not_for_its_backend(monkeypatch, tmp_path, is_quantized):
    """An older version may lack new cases that its backend does not support, but no others."""
    newer = next(
        case.id for case in suite_cases() if case.spec.operation.is_quantized is is_quantized
    )
    older, run = whole_run(), whole_run(version="2.0")
    (own,), (result,) = run.cases.values(), run.results
    run = replace(
        run,
        header=replace(run.header, planned=2),
        cases={own.case: own, newer: replace(own, case=newer)},
        results=[result, replace(result, case=newer, outcome="unsupported")],
        footer=replace(run.footer, counts={"passed": 1, "unsupported": 1}),
    )
    (tmp_path / "results.jsonl").touch()
    name = "embcheck.reports.answers.compat_made.read_runs"
    for both in ([older, run], [run, older]):
        monkeypatch.setattr(name, lambda _, both=both: both)
        if is_quantized:
            assert [made.version for made in versions_of([tmp_path])] == [
                each.header.backends[0]["version"] for each in both
            ]
        else:
            with pytest.raises(CompatError, match=f"the first difference is {re.escape(newer)}"):
                list(versions_of([tmp_path]))


SHIELDS = {
    *("schemaVersion", "label", "message", "color", "labelColor", "isError", "namedLogo"),
    *("logoSvg", "logoColor", "logoSize", "style", "cacheSeconds"),
}
"""The fields that https://shields.io/badges/endpoint-badge documents; shields.io refuses others."""
COLORS = {"brightgreen", "orange", "red", "lightgrey"}


def test_badges_are_as_shields_reads_them(tmp_path):
    """Badges of all backends have only fields that shields.io knows, and are the same each time."""
    words = ["compat", "--badges", str(tmp_path)]
    for _ in range(2):
        assert CliRunner().invoke(main, words).exit_code == 0
        found = {file.name: file.read_text("utf-8") for file in tmp_path.iterdir()}
        assert found == badge_files(compat.shipped())
    for text in found.values():
        told = json.loads(text)
        assert set(told) <= SHIELDS
        assert told["schemaVersion"] == 1
        assert all(told[name] and isinstance(told[name], str) for name in ("label", "message"))
        assert told["color"] in COLORS
    one = CliRunner().invoke(main, ["compat", "jax-take", "--badge"])
    assert one.output == found["jax-take.json"]


FEW = "3 of 4 features, 1 wrong silently"


@pytest.mark.parametrize(
    ("answers", "stale_names", "message", "color"),
    [
        ({"a": YES, "b": LOUD}, (), "1 of 2 features", "brightgreen"),
        ({"a": YES, "b": YES, "c": YES, "d": NO}, (), FEW, "orange"),
        ({"a": YES, "b": NO}, (), "1 of 2 features, 1 wrong silently", "red"),
        ({"a": YES, "b": UNKNOWN}, (), "1 of 2 features, 1 unknown", "lightgrey"),
        ({"a": YES, "b": YES}, ("b",), "1 of 2 features, 1 unknown", "lightgrey"),
        ({}, (), "0 of 0 features", "lightgrey"),
    ],
)  # fmt: skip
def test_a_badge_counts_honestly(answers, stale_names, message, color):
    """A badge counts only `yes`; unknown and stale answers are shown as unknown."""
    told = badge(replace(column(**answers), stale=stale_names))
    assert (told["message"], told["color"]) == (message, color)


def test_a_backend_whose_name_is_a_path_gets_no_file(tmp_path):
    """A backend whose name is a path is refused, since the name may come from foreign data."""
    file = tmp_path / "data.json"
    file.write_text(to_text(data(column("../x", lookup=YES))), "utf-8")
    words = ["compat", "--against", str(file), "--badges", str(tmp_path / "badges")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "cannot be the name of a file" in result.output
    assert not (tmp_path / "badges").exists()


def test_the_command_joins_writes_and_tells(tmp_path, monkeypatch):
    """The command joins a partial run and versions with older data, reproducibly."""
    shipped = tmp_path / "old.json"
    old = replace(compat.shipped(), backends={})
    older = {"b": column(lookup=YES), "c": column("c", lookup=NO)}
    shipped.write_text(to_text(replace(old, backends=older)), "utf-8")
    runs = {
        "quick": whole_run(selection="quick"),
        "1.0": whole_run(),
        "2.0": whole_run(version="2"),
    }
    own = runs["1.0"].cases["embedding/lookup/own"]
    monkeypatch.setattr(
        "embcheck.conformance.records.run.read_runs", lambda path: [runs[path.name]]
    )
    monkeypatch.setattr(
        "embcheck.reports.answers.compat_made.read_runs", lambda path: [runs[path.parent.name]]
    )
    for name in ("1.0", "2.0", "quick"):
        (tmp_path / "versions" / name).mkdir(parents=True)
        (tmp_path / "versions" / name / "results.jsonl").touch()
    (tmp_path / "versions" / "quick" / "results.jsonl").unlink()
    words = ["compat", "--against", str(shipped), "--out", str(tmp_path / "new.json")]
    versions = ["--versions", str(tmp_path / "versions")]
    texts = []
    for _ in range(2):
        result = CliRunner().invoke(main, [*words, "--run", str(tmp_path / "quick"), *versions])
        assert result.exit_code == 0, result.output
        texts.append((tmp_path / "new.json").read_text("utf-8"))
    assert texts[0] == texts[1]
    assert "No answer changed." in result.output
    assert "Versions run on 2026-01-01: 1.0, 2; none of" in result.output
    schema = json.loads(files("embcheck.reports").joinpath("compat.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(texts[0]))
    made = compat.load(tmp_path / "new.json")
    assert made.supports("b", "lookup").support == "yes"
    assert made.backends["b"].versions.run == ("1.0", "2")
    runs["1.0"].cases["embedding/lookup/own"] = replace(own, expected=None)
    result = CliRunner().invoke(main, [*words, *versions])
    assert result.exit_code == 2
    assert "is not judged as other versions of b are" in result.output.replace("\n", " ")
    (tmp_path / "versions" / "1.0" / "results.jsonl").unlink()
    (tmp_path / "versions" / "quick" / "results.jsonl").touch()
    result = CliRunner().invoke(main, [*words, *versions])
    assert result.exit_code == 2
    assert "a run is not whole: quick" in result.output


def stale_result(case, *, instead="", misleads=False, has_note=True):
    """Return the fields of a result that is stale, or whose other spelling does not conform."""
    entry = Deviation((case,), "wrong-value", Cause.UNDOCUMENTED, "Wrong.", conforms_as=instead)
    judged = WRONG if misleads else RIGHT
    verdict, _ = explain(case, judged, BackendInfo("b", "lib", "1"), [entry])
    verdict = held_to_spelling(verdict, entry, WRONG) if misleads else verdict
    notes = tuple(map(str, verdict.notes)) if has_note else ()
    known = KnownDeviation("bug", "wrong-value", "Wrong.", conforms_as=instead)
    return {"outcome": str(verdict.outcome), "deviation": known, "notes": notes}


@pytest.mark.parametrize(
    ("told", "passes"),
    [
        ([{}, {"instead": "f(x)"}, {"has_note": False}], True),
        (
            [
                {"instead": "f(x)", "misleads": True},
                {"instead": "f(x)", "has_note": False},
                {"instead": "f(x)", "misleads": True, "has_note": False},
            ],
            False,
        ),
    ],
)
def test_a_version_that_conforms_where_others_do_not_passes(monkeypatch, tmp_path, told, passes):
    """A stale deviation counts as passed for a version, unless its other spelling fails."""
    run = whole_run()
    (result,) = run.results
    names = [f"{result.case}{number}" for number in range(len(told))]
    run = replace(
        run,
        header=replace(run.header, planned=len(told)),
        cases={name: replace(run.cases[result.case], case=name) for name in names},
        results=[
            replace(result, case=name, **stale_result(name, **words))
            for name, words in zip(names, told, strict=True)
        ],
        footer=replace(run.footer, counts={"stale": len(told)}),
    )
    (tmp_path / "results.jsonl").touch()
    monkeypatch.setattr("embcheck.reports.answers.compat_made.read_runs", lambda _: [run])
    monkeypatch.setattr("embcheck.reports.answers.compat_made.suite_cases", tuple)
    (made,) = versions_of([tmp_path])
    assert made.features["lookup"].support == ("yes" if passes else "unknown")
    if not passes:
        assert made.features["lookup"].says == "3 cases without a result"


@pytest.mark.parametrize(
    "words", [["--badge"], ["--badge", "lookup"], ["--versions", "none"], ["--against", "none"]]
)
def test_what_cannot_be_made_is_a_usage_error(words):
    """A badge of no backend, and runs or data that do not exist, are usage errors."""
    result = CliRunner().invoke(main, ["compat", *words])
    assert (result.exit_code, "Traceback" in result.output) == (2, False)


QUICK = """
import sys, time
from click.testing import CliRunner
from embcheck.cli.main import main
for words in ([], ["jax-take"], ["bag.empty"], ["jax-take", "bag.empty"], ["jax-take", "--badge"]):
    assert CliRunner().invoke(main, ["compat", *words]).exit_code == 0
heavy = {"numpy", "scipy", "jsonschema", "ruamel", "torch", "jax", "packaging"}
print(sorted(heavy & set(sys.modules)), time.process_time())
"""


def test_five_answers_take_half_a_second_of_a_processor():
    """Five answers take less than half a second of CPU time and import no array library."""
    words = [sys.executable, "-c", QUICK]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    imported, seconds = told.rsplit(maxsplit=1)
    assert imported == "[]"
    assert float(seconds) < 0.5


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_an_empty_bag_of_one_mode_is_asked_by_that_name_too(mode):
    """`bag.MODE.empty` is another name of the feature `bag.empty`, for each mode."""
    found = compat.supports("jax-take", f"bag.{mode}.empty")
    assert found == compat.supports("jax-take", "bag.empty")
    shown = CliRunner().invoke(main, ["compat", f"bag.{mode}.empty"])
    assert (shown.exit_code, "bag.empty" in shown.output) == (0, True)
    for words in (["advise", "--need"], ["recipe", "jax", "--feature"]):
        assert "no feature" not in CliRunner().invoke(main, [*words, f"bag.{mode}.empty"]).output
