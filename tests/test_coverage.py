"""Each sentence of PyTorch's documentation is covered or explained, and drift is reported."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from difflib import SequenceMatcher

import pytest
from commands import embcheck, embcheck_here

from embcheck.conformance.documentation.coverage import SentenceStatus, coverage_of
from embcheck.conformance.documentation.exercise import (
    Combination,
    ExemptCombinations,
    exercise_of,
    wanted,
)
from embcheck.conformance.documentation.mapping import (
    MappedSentence,
    load_mapping,
    mapping_files,
)
from embcheck.conformance.documentation.reading import (
    Documentation,
    Documented,
    Parameter,
    ReadingError,
    parse,
    read_installed,
)
from embcheck.conformance.documentation.sentences import sentences_of
from embcheck.conformance.suite.load import load_spec, shipped_clauses, spec_files, suite_root
from embcheck.conformance.suite.problems import SpecError
from embcheck.reports.evidence import read_evidence

TEXT = """Look rows up. It is quick. Rows are copied.

Args:
    input (Tensor): the rows wanted. Any shape will do. Order counts
    weight (Tensor): the table. Two dimensions
"""
CLAUSE = "EMB-LOOK-01"


def documentation(text=TEXT, default="None"):
    """Return the documentation of one object."""
    signature = (Parameter("input", None), Parameter("weight", default))
    return Documentation("9.9.9", (Documented("torch.look_up", text, signature),))


def mapped():
    """Map every sentence of TEXT to one clause."""
    return [
        MappedSentence(s.object, s.parameter, s.hash, f"we: {s.text}", "9.9.8", (CLAUSE,))
        for thing in documentation().objects
        for s in sentences_of(thing)
    ]


@pytest.fixture(scope="module")
def lookup_cases():
    """Return the cases of one shipped spec."""
    return load_spec(suite_root() / "embedding" / "lookup.yaml").cases


@pytest.fixture(scope="module")
def installed():
    """Return the docstrings of the installed torch."""
    return read_installed(sys.executable)


def entries(found, cases, mapping=None):
    """Return the coverage entry of each sentence of a documentation."""
    mapping = mapped() if mapping is None else mapping
    return coverage_of(found, mapping, shipped_clauses(), cases, []).entries


def drift(text, cases, default="None"):
    """Return status, parameter and texts of each sentence that is not covered."""
    return [
        (str(entry.status), entry.parameter, entry.paraphrase.removeprefix("we: "), entry.text)
        for entry in entries(documentation(text, default), cases)
        if entry.status is not SentenceStatus.COVERED
    ]


def test_the_same_text_is_no_news(lookup_cases):
    """Mapped sentences are covered, also if they are wrapped and indented differently."""
    assert len(entries(documentation(), lookup_cases)) == len(mapped()) == 12
    assert drift(TEXT, lookup_cases) == []
    wrapped = TEXT.replace("It is quick. Rows", "It is\nquick.  Rows").replace(
        "Any shape will do.", "Any\n            shape will do."
    )
    assert wrapped.count("\n") == TEXT.count("\n") + 2
    assert drift(wrapped, lookup_cases) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("quick", "slow", [("changed", "Summary", "It is quick.", "It is slow.")]),
        (
            "Any shape",
            "No shape",
            [("changed", "input", "Any shape will do.", "No shape will do.")],
        ),
        ("It is quick.", "It is quick. New!", [("new", "Summary", "", "New!")]),
        ("It is quick. ", "", [("gone", "Summary", "It is quick.", None)]),
        (" It is quick. Rows are copied.", " Rows are copied. It is quick.", []),
        (
            "It is quick. Rows are copied.",
            "A. B.",
            [
                ("changed", "Summary", "It is quick.", "A."),
                ("changed", "Summary", "Rows are copied.", "B."),
            ],
        ),
        (
            "input (Tensor): the rows wanted.",
            "input (list): the rows wanted.",
            [("changed", "input", "input (Tensor)", "input (list)")],
        ),
        (
            "Any shape will do. Order counts\n    weight (Tensor): the table.",
            "Order counts\n    weight (Tensor): the table. Any shape will do.",
            [
                ("gone", "input", "Any shape will do.", None),
                ("new", "weight", "", "Any shape will do."),
            ],
        ),
    ],
    ids=["word", "in-entry", "added", "removed", "moved", "two", "type", "to-another-parameter"],
)
def test_what_drifts_is_told(lookup_cases, old, new, expected):
    """A sentence that was changed, added, removed or moved to another parameter is reported.

    The report has the sentence as it was before.
    """
    assert TEXT.count(old) == 1
    assert drift(TEXT.replace(old, new), lookup_cases) == expected


def test_a_new_default_is_drift(lookup_cases):
    """A default that changed only in the signature is reported."""
    assert drift(TEXT, lookup_cases, "0") == [
        ("changed", "weight", "weight defaults to None", "weight defaults to 0")
    ]


def test_an_object_that_is_gone_takes_its_sentences_along(lookup_cases):
    """If an object disappears, all its mapped sentences count as gone."""
    found = entries(Documentation("9.9.9", ()), lookup_cases)
    assert {entry.status for entry in found} == {SentenceStatus.GONE}
    assert len(found) == len(mapped())


def test_a_clause_without_a_case_covers_nothing(lookup_cases):
    """A sentence is a gap as long as one of its clauses has no case."""
    mapping = [replace(one, clauses=(CLAUSE, "EMB-NORM-01")) for one in mapped()[:1]]
    mapping += [replace(one, clauses=(), non_normative="cost") for one in mapped()[1:2]]
    mapping += mapped()[2:]
    found = coverage_of(documentation(), mapping, shipped_clauses(), lookup_cases, [])
    statuses = [entry.status for entry in found.entries]
    assert statuses[:3] == [
        SentenceStatus.GAP,
        SentenceStatus.NON_NORMATIVE,
        SentenceStatus.COVERED,
    ]
    assert "EMB-NORM-01" in found.clauses_without_cases
    assert CLAUSE not in found.clauses_without_cases
    bare = replace(lookup_cases[0], clauses=())
    without = coverage_of(documentation(), mapped(), shipped_clauses(), [bare], [])
    assert without.cases_without_clauses == (bare.id,)


def test_options_are_exercised_or_left_out_for_a_reason(lookup_cases):
    """Combinations without a case are reported unless an exemption explains them.

    Exemptions that explain nothing are reported too.
    """
    exercise = exercise_of(lookup_cases, [])
    plain = Combination("embedding", "padding_idx", "none", "float32")
    padded = Combination("embedding", "padding_idx", "negative", "float32")
    assert plain not in exercise.not_exercised
    assert padded in exercise.not_exercised
    reasons = [
        ExemptCombinations("no padding", option=("padding_idx",)),
        ExemptCombinations("idle", value=("nosuch",)),
    ]
    explained = exercise_of(lookup_cases, reasons)
    assert explained.left_out[padded] == "no padding"
    assert plain not in explained.left_out
    assert explained.idle_reasons == ("idle",)
    assert len(set(wanted())) == len(list(wanted())) == explained.total


def test_a_refused_call_exercises_its_control():
    """A refusal counts for the options of its control, and a gradient option only if observed."""
    cases = [case for file in spec_files() for case in load_spec(file).cases]
    (refused,) = [
        case for case in cases if case.id == "embedding_bag/scale_grad_by_freq/not-with-max"
    ]
    max_mode = Combination("embedding_bag", "mode", "max", "float32")
    scaled = Combination("embedding_bag", "scale_grad_by_freq", "true", "float32")
    exercise = exercise_of([refused], [])
    assert max_mode not in exercise.not_exercised
    assert scaled in exercise.not_exercised
    output_only = [case for case in cases if case.id.endswith("freq/output-is-not-scaled")]
    assert scaled in exercise_of(output_only, []).not_exercised
    assert scaled not in exercise_of(cases, []).not_exercised
    booleans = [case for case in cases if case.id == "embedding/index_dtypes/booleans"]
    integers = Combination("embedding", "indices", "int64", "float32")
    assert integers not in exercise_of(booleans, []).not_exercised


def test_the_shipped_suite_covers_the_documentation(tmp_path):
    """`embcheck coverage` finds no gap on the PyTorch version of the contract."""
    done = embcheck("coverage", "--json", "--out", tmp_path / "new")
    found = json.loads(done.stdout)
    open_ends = [entry for entry in found["sentences"] if entry["status"] not in ACCOUNTED]
    assert (done.returncode, open_ends, found["gaps"]) == (0, [], 0), done.stderr
    assert found["torch"] == found["mapped_torch"] == "2.13.0"
    assert found["covered"] + found["non_normative"] == found["total"] == len(found["sentences"])
    assert found["total"] > 250
    assert sum(thing["total"] for thing in found["objects"]) == found["total"]
    for thing in found["objects"]:
        assert sum(one["total"] for one in thing["parameters"]) == thing["total"] > 0
    assert json.loads((tmp_path / "new" / "coverage.json").read_text()) == found
    assert all(one["reason"] for one in found["not_exercised"])
    evidence = read_evidence([tmp_path / "new"])  # Reading checks the schema.
    assert evidence.coverage
    assert evidence.coverage.data["sizes"]["thresholds"][-1] == 70_000


ACCOUNTED = ("covered", "non-normative")


def test_the_terminal_shows_it_in_80_columns(tmp_path, installed):
    """The terminal shows counts, exemptions and drift with old and new words, in 80 columns."""
    done = embcheck("coverage", "--docstrings", doctored(tmp_path, installed, "``False``", "``0``"))
    assert done.returncode == 1
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    assert done.stdout.isascii()
    for words in (
        "nn.functional.embedding_bag",
        "one_hot",
        "changed in nn.Embedding, scale_grad_by_freq",
        "it says: Default ``0``. (hash ",
        "touches: EMB-FREQ-02",
        "Sizes: the largest that is asked, and how many of 48 thresholds are crossed",
        "Sizes by dtype",
        "Options x options",
    ):
        assert words in done.stdout


def doctored(folder, found, old, new):
    """Write docstrings to a file with one text replaced."""
    file = folder / "docstrings.json"
    objects = [
        {
            "object": thing.object,
            "docstring": thing.docstring.replace(old, new),
            "signature": [{"name": p.name, "default": p.default} for p in thing.signature],
        }
        for thing in found.objects
    ]
    file.write_text(json.dumps({"format": 1, "torch": "3.0.0", "objects": objects}))
    return file


def test_hostile_text_stays_text(tmp_path, installed):
    """Markup and control characters of a docstring are escaped in the terminal."""
    file = doctored(tmp_path, installed, "Total number", "[bold]Total\x1b[31m number")
    done = embcheck_here("coverage", "--docstrings", file)
    assert "[bold]Total\\x1b[31m number" in done.stdout.replace("\n", " ")
    assert "\x1b" not in done.stdout


def test_what_cannot_be_read_is_told(tmp_path):
    """Without an interpreter, torch or docstrings, the command exits with 2 and says what to do."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E -I "$@"\n')
    bare.chmod(0o755)
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"format": 1, "objects": 3}')
    for arguments, words in (
        (["--python", tmp_path / "nosuch"], "name a Python interpreter"),
        (["--python", bare], "No module named 'torch'; install torch there"),
        (["--docstrings", tmp_path / "nosuch"], "No such file"),
        (["--docstrings", wrong], "these are not docstrings"),
        (["--docstrings", wrong, "--python", bare], "exclude each other"),
    ):
        done = embcheck_here("coverage", *arguments)
        assert done.returncode == 2, done.stdout
        assert words in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["[]", "nonsense", '{"format": 2}', "[" * 100_000])
def test_only_docstrings_are_docstrings(text):
    """Other JSON, other formats and deep nesting are refused with a ReadingError."""
    with pytest.raises(ReadingError):
        parse(text, "here")


def test_paraphrases_are_our_own_words(installed):
    """No paraphrase shares six words in a row with the sentence that it stands for."""
    texts = {s.hash: s.text for thing in installed.objects for s in sentences_of(thing)}
    for sentence in load_mapping(mapping_files()):
        ours, theirs = sentence.paraphrase.lower().split(), texts[sentence.hash].lower().split()
        match = SequenceMatcher(None, ours, theirs, autojunk=False).find_longest_match()
        assert match.size < 6, sentence


def test_mistakes_in_the_mapping_are_told(tmp_path):
    """Unknown clauses, contradictory entries and an object in two files are reported with place."""
    head = "object: torch.x\ntorch: 1.2.3\nsentences:\n"
    entry = '- hash: "0123456789abcdef"\n  parameter: Summary\n  paraphrase: Hm.\n'
    file = tmp_path / "documentation" / "x.yaml"
    file.parent.mkdir()
    for tail, words in (
        ("  clauses: [EMB-LOOK-01, NO-SUCH-01]\n", ":7:26: there is no clause 'NO-SUCH-01'; "),
        ("  clauses: [EMB-LOOK-01]\n  non_normative: cost\n", ":4:3: "),
        ("", ":4:3: "),
    ):
        file.write_text(head + entry + tail)
        done = embcheck_here("check", file)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    file.write_text(head + entry + "  non_normative: cost\n")
    assert embcheck_here("check", file).returncode == 0
    with pytest.raises(SpecError, match=r"torch\.x stands in two files"):
        load_mapping([file, file])
    reasons = file.with_name("exercise.yaml")
    reasons.write_text("left_out:\n- {reason: all}\n")
    assert embcheck_here("check", reasons).returncode == 2
