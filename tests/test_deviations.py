"""Known deviations are strict: an entry explains exactly what it states, and nothing else."""

from __future__ import annotations

import errno
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from embcheck import backends
from embcheck.conformance import pytest_plugin, pytest_session
from embcheck.conformance.check_files import check_files
from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.execution.judging.causes import CATEGORIES, Cause
from embcheck.conformance.execution.judging.deviations import (
    Deviation,
    explain,
    load_deviations,
    load_deviations_beside,
    read_deviations,
    unmatched,
)
from embcheck.conformance.execution.judging.verdict import Kind, Outcome, Verdict
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.problems import SpecError

INFO = BackendInfo("x", "lib", "1.5")
UNDOCUMENTED = Cause.UNDOCUMENTED
KNOWN = Deviation(("bag/max/*[dtype=float16]",), "wrong-value", UNDOCUMENTED, "it overflows")
CASE = "bag/max/large[dtype=float16]"
WRONG = Verdict(Outcome.FAILED, Kind.WRONG_VALUE, "inf")


ENTRY = "- cases: [{}]\n  happens: wrong-value\n  cause: composition\n  reason: {}\n"


def write(folder, **files):
    """Write files of deviations, by name, beside an adapter's module in a folder."""
    (folder / "deviations").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "deviations" / f"{name}.yaml").write_text(text)


def load(folder):
    """Load the deviations of a backend `x` whose module is in a folder."""
    return load_deviations_beside(folder / "adapter.py", "x")


def test_a_foreseen_failure_is_deviated():
    """A failure of the stated kind, on a named case, becomes `deviated` and keeps its kind."""
    verdict, entry = explain(CASE, WRONG, INFO, [KNOWN])
    assert (verdict.outcome, verdict.kind, entry) == (Outcome.DEVIATED, Kind.WRONG_VALUE, KNOWN)


def test_a_pass_makes_the_entry_stale():
    """A pass where an entry states a failure is `stale`, which fails the run."""
    verdict, _ = explain(CASE, Verdict(Outcome.PASSED), INFO, [KNOWN])
    assert verdict.outcome is Outcome.STALE
    assert "remove the entry" in verdict.message


def test_a_pass_of_what_happens_by_chance_is_deviated():
    """If an entry happens only sometimes, a pass is `deviated` too, but another failure is not."""
    entry = replace(KNOWN, sometimes=True)
    verdict, found = explain(CASE, Verdict(Outcome.PASSED), INFO, [entry])
    assert (verdict.outcome, verdict.kind, found) == (Outcome.DEVIATED, None, entry)
    assert "passes this time; known to be wrong-value by chance (it overflows)" in verdict.message
    assert explain(CASE, WRONG, INFO, [entry])[0].outcome is Outcome.DEVIATED
    crash = Verdict(Outcome.CRASHED, message="SIGSEGV")
    assert explain(CASE, crash, INFO, [entry])[0].outcome is Outcome.CRASHED


def test_of_several_entries_the_one_that_happens_explains():
    """If a case has several entries, the one that happened explains it, in any order.

    A read of foreign memory, for example, may return a number or crash.
    """
    number, death = KNOWN, replace(KNOWN, happens="crashed")
    crash = Verdict(Outcome.CRASHED, message="SIGSEGV")
    for entries in ([number, death], [death, number]):
        assert explain(CASE, WRONG, INFO, entries)[1] == number
        assert explain(CASE, crash, INFO, entries)[1] == death


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(Outcome.FAILED, Kind.REJECTED_VALID, "no"),
        Verdict(Outcome.CRASHED, message="SIGSEGV"),
    ],
)
def test_another_failure_stays_a_failure(verdict):
    """A failure other than the stated one is not explained, and its message says what changed."""
    judged, entry = explain(CASE, verdict, INFO, [KNOWN])
    assert judged.outcome is verdict.outcome
    happened = verdict.kind or verdict.outcome
    said = f"changed: known to be wrong-value, now {happened}: {verdict.message}"
    assert judged.message == said
    assert entry is KNOWN


@pytest.mark.parametrize(
    ("pattern", "outcome"),
    [
        ("inf", Outcome.DEVIATED),
        (r"^in[fg]$", Outcome.DEVIATED),
        ("nan", Outcome.FAILED),
        ("^nf", Outcome.FAILED),
    ],
)
def test_a_departure_that_says_something_else_has_changed(pattern, outcome):
    """If an entry has a pattern that the message does not match, the failure is not explained."""
    verdict, entry = explain(CASE, WRONG, INFO, [replace(KNOWN, message=pattern)])
    assert verdict.outcome is outcome
    assert entry.message == pattern
    changed = f"changed: known to be wrong-value, saying /{pattern}/, now wrong-value: inf"
    assert verdict.message == ("inf" if outcome is Outcome.DEVIATED else changed)


def test_of_entries_with_patterns_the_one_that_fits_explains():
    """If several entries have patterns, the matching one explains, in any order."""
    one, other = replace(KNOWN, message="nan"), replace(KNOWN, message="inf")
    for entries in ([one, other], [other, one]):
        assert explain(CASE, WRONG, INFO, entries)[1] is other


def test_a_pass_is_stale_whatever_the_pattern():
    """A pass makes an entry stale even if it has a pattern."""
    entry = replace(KNOWN, message="inf")
    assert explain(CASE, Verdict(Outcome.PASSED), INFO, [entry])[0].outcome is Outcome.STALE


PROCESSORS = [
    ("threads: 1", {"threads": 1}, {"threads": 2}),
    ("threads: '2'", {"threads": 2}, {"threads": 1}),
    ('threads: ">=2"', {"threads": 10}, {"threads": 1}),
    ('threads: ">=2,<4"', {"threads": 3}, {"threads": 4}),
    ("instructions: avx2", {"instructions": "avx2"}, {"instructions": "avx512"}),
    ("instructions: [default, sve]", {"instructions": "sve"}, {"instructions": "neon"}),
    ("instructions: avx2", {"instructions": "avx2"}, {"instructions": ""}),
]


@pytest.mark.parametrize(("condition", "met", "unmet"), PROCESSORS)
def test_an_entry_can_depend_on_the_processor(tmp_path, condition, met, unmet):
    """Conditions on threads and instructions are compared with what the worker reports."""
    write(tmp_path, x="deviations:\n" + ENTRY.format("a/b/c", "r") + f"  when: {{{condition}}}\n")
    (entry,) = load(tmp_path)
    assert entry.holds_for(replace(INFO, **met))
    assert not entry.holds_for(replace(INFO, **unmet))
    unknown = {"threads": None, "instructions": None}
    assert not entry.holds_for(replace(INFO, **unknown))


def test_only_named_cases_and_versions_are_explained():
    """An entry explains only the cases and versions it names; brackets in an id are literal."""
    other = "bag/max/large[dtype=float32]"
    assert explain(other, WRONG, INFO, [KNOWN])[0].outcome is Outcome.FAILED
    for version, outcome in ((">=1,<2", Outcome.DEVIATED), (">=2", Outcome.FAILED)):
        entry = Deviation((CASE,), "wrong-value", UNDOCUMENTED, "r", version=version)
        assert explain(CASE, WRONG, INFO, [entry])[0].outcome is outcome


def test_a_local_version_is_its_public_one():
    """A local version such as 2.13.0+cpu is compared as 2.13.0."""
    build = replace(INFO, version="2.13.0+cpu")
    for version, holds in ((">=2.13", True), ("==2.13.0", True), (">=2.14", False)):
        assert replace(KNOWN, version=version).holds_for(build) is holds


def test_an_unsupported_case_is_not_stale():
    """An unsupported result stays unsupported, whatever its deviation."""
    verdict = Verdict(Outcome.UNSUPPORTED)
    assert explain(CASE, verdict, INFO, [KNOWN]) == (verdict, None)


def test_entries_that_match_nothing_are_listed():
    """Entries that match no case are listed as unmatched."""
    assert unmatched([KNOWN], [CASE]) == []
    assert unmatched([KNOWN], ["bag/max/other"]) == [KNOWN]


def test_every_shipped_pattern_names_a_case():
    """Each pattern of the shipped deviations matches at least one case."""
    cases = [case.id for path in spec_files() for case in load_spec(path).cases]
    shipped = sorted(Path(backends.__file__).parent.rglob("deviations/*.yaml"))
    dead = [
        f"{file.name}: {pattern}"
        for file in shipped
        for entry in read_deviations(file)
        for pattern in entry.cases
        if unmatched([replace(entry, cases=(pattern,))], cases)
    ]
    assert len(shipped) > 40
    assert dead == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("reason: it overflows", "reason: '  '", "reason"),
        ("cause: undocumented", "cause: whatever", "'whatever' is not known"),
        ("happens: wrong-value", "hapens: wrong-value", "unknown key 'hapens'"),
        ("link: https://example.org/1", "link: javascript:alert(1)", "link"),
        ("sometimes: true", "sometimes: often", "sometimes"),
        ("message: inf", "message: '('", r"x.yaml:8:12: message cannot be read"),
        ("threads: 1", "threads: many", r"x.yaml:9:19: threads cannot be read"),
        ("instructions: avx2", "instructions: mmx", "'mmx' is not known"),
    ],
)
def test_a_file_that_is_wrong_does_not_load(tmp_path, old, new, words):
    """A blank reason, an unknown cause, a misspelt key or an invalid value is refused."""
    good = (
        "deviations:\n- cases: [a/b/c]\n  happens: wrong-value\n  cause: undocumented\n"
        "  reason: it overflows\n  link: https://example.org/1\n  sometimes: true\n"
        "  message: inf\n  when: {threads: 1, instructions: avx2}\n"
    )
    write(tmp_path, x=good)
    (entry,) = load(tmp_path)
    assert entry.reason == "it overflows"
    assert entry.sometimes
    write(tmp_path, x=good.replace(old, new))
    with pytest.raises(SpecError, match=words):
        load(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "# nothing yet\n", "---\n", "[]\n", "{}\n", "deviations: []\n", "deviations:\n"]
)
def test_a_file_without_entries_is_one(tmp_path, text):
    """A file without entries, or no file at all, means no deviations."""
    assert load(tmp_path) == ()
    write(tmp_path, x=text)
    assert load(tmp_path) == ()
    assert check_files([tmp_path / "deviations"]).problems == []


WHOLE = (
    "deviations:\n- cases: [a/b/c]\n  happens: wrong-value\n  cause: undocumented\n"
    "  reason: it overflows\n  link: https://example.org/1\n  sometimes: true\n"
    "  message: inf\n  when: {version: '>=1', threads: 1, instructions: avx2}\n"
)
BROKEN = [
    ("- cases: [a/b/c]\n", "1:1: the top level is not a mapping", "a line 'deviations:'"),
    ("none\n", "1:1: the top level is not a mapping", "a line 'deviations:'"),
    ("deviations: {}\n", "1:13: deviations is not of type array", "each behind a dash"),
    ("deviations:\n- none\n", "2:3: deviations.0 is not of type object", "write cases, happens"),
    ("deviation: []\n", "1:1: unknown key 'deviation'", "use one of: include, deviations"),
    ("deviations:\n- cases: [a]\n", "2:3: deviations.0 lacks 'happens', 'cause'", "add"),
    (("sometimes:", "often:"), "7:3: unknown key 'often'", "use one of: cases, happens"),
    (("[a/b/c]", "a/b/c"), "2:10: deviations.0.cases is not of type array", "in brackets"),
    (("[a/b/c]", "[]"), "2:10: deviations.0.cases: [] should be non-empty", "in brackets"),
    (("[a/b/c]", "[1]"), "2:11: deviations.0.cases.0 is not of type string", "* stands for"),
    (("[a/b/c]", "[*/c]"), "2:12: not YAML", "put case ids, and text with a colon, in quotes"),
    (("[a/b/c]", "[*c]"), "2:11: no finished value is named '&c'", "put case ids"),
    (("[a/b/c]", "[a/b/c[x=1]]"), "2:16: not YAML", "put case ids"),
    (("wrong-value", "wrong"), "3:12: deviations.0.happens: 'wrong' is not known", "use one of"),
    (("undocumented", ""), "4:9: deviations.0.cause: 'None' is not known", "use one of"),
    (("it overflows", "''"), "5:11: deviations.0.reason: ''", "say in a sentence why"),
    (("it overflows", "[]"), "5:11: deviations.0.reason is not of type string", "in a sentence"),
    (("it overflows", "it: overflows"), "5:13: not YAML: mapping values", "text with a colon"),
    (("https:", "file:"), "6:9: deviations.0.link: 'file://", "begins with https://"),
    (("sometimes: true", "sometimes: yes"), "7:14: deviations.0.sometimes", "write true"),
    ((": inf", ": '('"), "8:12: message cannot be read: missing )", "a regular expression"),
    ((": inf", ": 1"), "8:12: deviations.0.message is not of type string", "in quotes"),
    (("{version: '>=1', threads: 1, instructions: avx2}", "all"), "9:9: deviations.0.when", "keys"),
    (("'>=1'", "2.13"), "9:19: deviations.0.when.version is not of type string", "in quotes"),
    (("'>=1'", "2026-01-31"), "9:19: version cannot be read", "write ==2.13.0"),
    (("threads: 1", "threads: many"), "9:35: threads cannot be read", "write 1"),
    (("avx2", "mmx"), "9:52: deviations.0.when.instructions: 'mmx' is not known", "use one of"),
    ((": it", ": !!str it"), "5:11: the tag tag:yaml.org,2002:str is not", "without a tag"),
    (("  reason", "\treason"), "5:1: not YAML: found a tab character", "correct the syntax"),
    (("  sometimes: true", "  reason: b"), "7:3: the key 'reason' stands twice", "remove one"),
    (("overflows", "d\xe9borde"), "5:15: is not UTF-8 text", "save it as UTF-8"),
    (("overflows", "\0"), "1:1: not YAML: unacceptable character", "correct the syntax"),
    (f"{WHOLE}---\n{WHOLE}", "10:1: a second document begins", "a file of its own"),
    (f"{WHOLE}include: [y]\n", "10:11: there is no y.yaml", "name a file of the same folder"),
    (f"{WHOLE}include: []\n", "10:10: include: []", "or remove the key"),
]


@pytest.mark.parametrize(("change", "what", "remedy"), BROKEN)
def test_a_broken_file_is_told_where_and_what_to_do(tmp_path, change, what, remedy):
    """Each mistake is reported with line, column, a remedy, and the page of the format."""
    text = change if isinstance(change, str) else WHOLE.replace(*change)
    assert text != WHOLE
    path = tmp_path / "deviations" / "x.yaml"
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SpecError) as caught:
        load(tmp_path)
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"{path}:{what}")
    assert remedy in first
    assert first.endswith(" (docs/deviations.md)")
    assert [str(problem) for problem in check_files([path]).problems] == [
        str(problem) for problem in caught.value.problems
    ]


def test_what_is_no_file_or_may_not_be_read_is_told(tmp_path, monkeypatch):
    """A folder in place of the file, or an unreadable file, is an error."""
    path = tmp_path / "deviations" / "x.yaml"
    path.mkdir(parents=True)
    with pytest.raises(SpecError, match=r"x.yaml:1:1: is not a regular file; .*deviations\.md\)"):
        load(tmp_path)
    path.rmdir()
    path.write_text(WHOLE)

    def refused(_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)  # Permissions do not stop root.
    with pytest.raises(SpecError, match=r"x.yaml:1:1: cannot be read: Permission denied; check"):
        load(tmp_path)
    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(SpecError, match="Permission denied"):
        load(tmp_path)


def test_a_run_with_a_broken_file_is_told_as_wrong_usage(tmp_path, monkeypatch):
    """A run with a broken file of deviations ends with a usage error."""
    write(tmp_path, x="deviations: {}\n")
    monkeypatch.setattr(pytest_session, "load_deviations", lambda _: load(tmp_path))
    pool = SimpleNamespace(names=["x"], addresses={"x": SimpleNamespace(id="x")})
    plugins = SimpleNamespace(get_plugin=lambda _: SimpleNamespace(pool=pool))
    config = SimpleNamespace(getoption=lambda _: ["x"], pluginmanager=plugins)
    with pytest.raises(pytest.UsageError, match=r"x.yaml:1:13: deviations is not of type"):
        pytest_plugin.pytest_configure(config)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("embedding/bonds/*", "did you mean embedding/bounds/"),
        ("embedding/bounds/negativ[*]", r"did you mean embedding/bounds/negative\[\*\] or"),
        (
            "embedding/bounds/negative[index=-1,index_dtype=int16]",
            r"did you mean embedding/bounds/negative\[index=-1,index_dtype=int64\] or",
        ),
        ("embedding/bounds/negative", r"write 'embedding/bounds/negative\[\*\]' for all cases"),
        ("nothing/like/it", "see `embcheck show`, or remove it"),
    ],
)
def test_check_names_patterns_without_a_case(tmp_path, name, told):
    """`embcheck check` reports a pattern that matches no case, with its place and suggestions."""
    entry = ENTRY.format(f'"embedding/bounds/*", "{name}"', "r")
    path = tmp_path / "candidates.yaml"  # As `triage` writes it: not in a folder `deviations`.
    path.write_text("deviations:\n" + entry)
    (problem,) = check_files([path]).problems
    assert str(problem).startswith(f"{path}:2:33: there is no case '{name}'; ")
    assert re.search(told, problem.remedy)
    path.write_text("deviations:\n" + ENTRY.format('"embedding/bounds/*"', "r"))
    assert check_files([path]).problems == []


@pytest.mark.parametrize(
    ("category", "words"),
    [
        ("by-design", "write 'cause: documented'"),
        ("upstream-bug", "write 'cause: undocumented' or 'cause: memory-unsafety'"),
        ("adapter", "write 'cause: composition' or 'cause: environment'"),
        ("whatever", "write 'cause: documented' or .* or 'cause: environment'"),
        ("", "write 'cause: documented' or .* or 'cause: environment'"),
    ],
)
def test_an_entry_with_a_category_is_told_what_to_write(tmp_path, category, words):
    """An entry with a category is refused, since the category follows from the cause."""
    entry = ENTRY.format("a/b/c", "r").replace("cause: composition", f"category: {category}")
    write(tmp_path, x="deviations:\n" + entry)
    with pytest.raises(SpecError, match=rf"x.yaml:4:3: an entry has no category.*\n?.*{words}"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("link", "loads"),
    [
        ("", False),
        ("https://github.com/jax-ml/jax/issues/1", False),
        ("https://github.com/jax-ml/jax/pull/1", False),
        ("https://github.com/microsoft/onnxruntime/blob/main/docs/OperatorKernels.md", True),
        ("https://docs.jax.dev/en/latest/take.html", True),
    ],
)
def test_what_is_documented_links_to_the_page(tmp_path, link, loads):
    """The cause `documented` needs a link to a page, not to an issue or a pull request."""
    entry = ENTRY.format("a/b/c", "r") + (f"  link: {link}\n" if link else "")
    write(tmp_path, x="deviations:\n" + entry)
    assert load(tmp_path)
    write(tmp_path, x="deviations:\n" + entry.replace("composition", "documented"))
    if loads:
        assert load(tmp_path)
        return
    with pytest.raises(SpecError, match=r"x.yaml:4:10: what is documented needs a link"):
        load(tmp_path)


def test_the_category_follows_from_the_cause(tmp_path):
    """Each cause loads, and has the category of the table."""
    assert set(CATEGORIES) == set(Cause)
    for cause in Cause:
        entry = ENTRY.format("a/b/c", "r").replace("composition", cause)
        write(tmp_path, x="deviations:\n" + entry + "  link: https://example.org/1\n")
        (loaded,) = load(tmp_path)
        assert (loaded.cause, loaded.category) == (cause, CATEGORIES[cause])


def test_included_deviations_come_after_a_backends_own(tmp_path):
    """An included file's entries apply too, but the backend's own entries come first."""
    shared = "deviations:\n" + ENTRY.format("a/b/*", "shared")
    own = "deviations:\n" + ENTRY.format("a/b/c", "own")
    write(tmp_path, shared=shared, x="include: [shared]\n" + own)
    entries = load(tmp_path)
    assert [entry.reason for entry in entries] == ["own", "shared"]
    assert explain("a/b/c", WRONG, INFO, entries)[1] is entries[0]
    assert explain("a/b/d", WRONG, INFO, entries)[1] is entries[1]
    write(tmp_path, x="include: [shared]\n")
    assert [entry.reason for entry in load(tmp_path)] == ["shared"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("include: [elsewhere]\n", r"x.yaml:1:11: there is no elsewhere.yaml"),
        ("include: [../shared]\n", "include"),
        ("include: [shared, shared]\n", "include"),
        ("include: []\n", "include"),
    ],
)
def test_an_include_that_is_wrong_does_not_load(tmp_path, text, words):
    """An included file must exist in the same folder and be named only once."""
    write(tmp_path, shared="deviations:\n" + ENTRY.format("a/b/*", "shared"), x=text)
    with pytest.raises(SpecError, match=words):
        load(tmp_path)


def test_what_is_wrong_in_an_included_file_is_said_of_that_file(tmp_path):
    """A mistake in an included file is reported with the name of that file."""
    shared = "deviations:\n" + ENTRY.format("a/b/*", "' '")
    write(tmp_path, shared=shared, x="include: [shared]\n")
    with pytest.raises(SpecError, match=r"deviations/shared.yaml:5:.*reason"):
        load(tmp_path)


FILES = sorted(Path(backends.__file__).parent.glob("*/deviations/*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_shipped_file_loads(path):
    """Each shipped file of deviations loads, and each entry has a reason."""
    entries = load_deviations_beside(path.parent.parent / "adapter.py", path.stem)
    assert entries
    assert all(entry.reason for entry in entries)


def test_the_reference_has_no_deviations():
    """The reference has no deviations."""
    assert load_deviations("numpy-reference") == ()
