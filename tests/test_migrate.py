"""`embcheck migrate`: the differences of two backends, in general and for a user's own call."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from io import StringIO

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from rich.console import Console

from embcheck.cli.actions.migrate_own import Asking, call_of, own_workloads
from embcheck.cli.actions.migrate_timing import TimingBudget, priced
from embcheck.cli.main import main
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.judging.bounds import bound
from embcheck.conformance.records.lines import CaseLine, KnownDeviation, ResultLine
from embcheck.conformance.timing.clock.gate import Standard
from embcheck.conformance.timing.workloads.own import Sources
from embcheck.conformance.timing.workloads.own_files import BadInput
from embcheck.reports import compat
from embcheck.reports.compat import AS_DOCUMENTED, Column, Compat, Shown, Supported
from embcheck.reports.compat_text import to_text
from embcheck.reports.marks import mark_of
from embcheck.reports.merge import MergedResult
from embcheck.reports.migration.cases import call_text, cases_of_both, shown, wanted_text
from embcheck.reports.migration.differences import migration
from embcheck.reports.migration.errors import distance
from embcheck.reports.migration.own import (
    OwnAnswer,
    OwnCall,
    OwnPrice,
    described,
    features_of,
    guards_of,
)
from embcheck.reports.migration.pages import to_html, to_markdown
from embcheck.reports.migration.parts import FigureTable, Item, Part, Section, Told, VerdictSentence
from embcheck.reports.migration.terminal import print_told
from embcheck.reports.migration.told import MigrationTarget, told

FLOAT = np.dtype("float32")
YES, ABSENT = Supported("yes"), Supported("absent")
SILENT = Supported(
    "no", "silently", "not refused", "embedding/bounds/a", "It wraps.", "https://example.org", "f()"
)


def run(*words):
    """Run `embcheck migrate` in this process."""
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, ["migrate", *map(str, words)])


# --- Distances ---


def test_a_distance_is_measured_in_four_ways():
    """A distance has the largest error, RMS, cosine and units in the last place."""
    found = distance(np.array([[3.0, 5.0]]), np.array([[3.0, 4.0]]), FLOAT)
    assert found.largest == 1
    assert found.rms == pytest.approx(1 / 5)
    assert found.cosine == pytest.approx((9 + 20) / (5 * 34**0.5))
    assert found.ulp == pytest.approx(1 / np.spacing(np.float32(4)))
    turned = distance(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [2.0, 0.0]]), FLOAT)
    assert turned.cosine == 0


def test_units_are_those_of_a_rows_largest_value():
    """Units in the last place are those of the row's largest value.

    An error beside a value near zero would otherwise be of 1e+35 units.
    """
    unit = float(np.spacing(ml_dtypes.bfloat16(1.0)))
    right = np.array([[1.0, 1e-38]])
    found = distance(right + np.array([[0, unit]]), right, np.dtype(ml_dtypes.bfloat16))
    assert found.ulp == pytest.approx(1)


def test_what_has_no_distance_says_so():
    """Distances that are not defined are None; equal and empty answers have no distance."""
    zeros = distance(np.ones((1, 2)), np.zeros((1, 2)), FLOAT)
    assert (zeros.largest, zeros.rms, zeros.cosine, zeros.ulp) == (1, None, None, None)
    broken = distance(np.array([[np.nan, np.inf]]), np.ones((1, 2)), FLOAT)
    assert (broken.largest, broken.not_finite) == (None, 2)
    assert distance(np.ones((2, 3)), np.ones((2, 3)), FLOAT).is_none
    assert distance(np.ones((0, 3)), np.ones((0, 3)), FLOAT).is_none
    huge = distance(np.full((1, 2), 1e200), np.full((1, 2), 2e200), np.dtype("float64"))
    assert (huge.rms, huge.cosine) == (0.5, pytest.approx(1))


# --- A user's own call ---


def call(operation=Operation.EMBEDDING_BAG, rows=10, dtype=np.int64, shape=(2, 3), **more):
    """Return a call; `more` are options, or further inputs if they are arrays."""
    inputs = {"weight": np.ones((rows, 4), np.float32), "indices": np.ones(shape, dtype)}
    inputs |= {name: value for name, value in more.items() if isinstance(value, np.ndarray)}
    options = {name: value for name, value in more.items() if name not in inputs}
    return Call(operation, inputs, options, ("output",))


WEIGHTS = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("made", "needs", "not_needed", "guards"),
    [
        (
            call(mode="mean", padding_idx=0),
            {"bag.mean", "bag.two-dimensional", "bag.padding"},
            {"bag.empty", "bag.sum", "bag.int32"},
            {"bag.bounds", "bag.bounds.options"},
        ),
        (
            call(shape=(3,), offsets=np.array([0, 3]), per_sample_weights=WEIGHTS, mode="sum"),
            {"bag.sum", "bag.offsets", "bag.empty", "bag.weights", "bag.weights.combined"},
            {"bag.two-dimensional", "bag.padding"},
            {"bag.bounds", "bag.bounds.options", "bag.offset-bounds"},
        ),
        (
            call(Operation.EMBEDDING, rows=40_000, dtype=np.int32),
            {"lookup", "lookup.int32", "sizes.rows-beyond-16-bits"},
            {"padding.output", "sizes.many-indices", "bag.mean"},
            {"lookup.bounds", "lookup.negative", "lookup.bounds.huge"},
        ),
        (
            call(shape=(2_000, 20), dtype=np.int32),
            {"bag.int32", "sizes.many-indices", "sizes.many-bags"},
            {"sizes.rows-beyond-16-bits"},
            {"bag.bounds"},
        ),
    ],
)
def test_a_call_needs_the_features_that_it_uses(made, needs, not_needed, guards):
    """A call's needs follow from its options, dtypes and sizes, and are existing features."""
    found = set(features_of(made))
    assert needs <= found
    assert not not_needed & found
    assert set(guards_of(made)) == guards
    assert found | guards <= set(compat.shipped().features)


def test_a_call_is_described_on_one_line():
    """A call is described in one line with its sizes and options."""
    said = described(call(mode="mean", padding_idx=0))
    assert said.startswith("embedding_bag: 6 indices of int64 in 2 bags by rows of a table of 10 x")
    assert said.endswith("mode=mean, padding_idx=0")


@pytest.fixture
def files(tmp_path):
    """Return the options that name a table of 20 rows and 6 x 5 indices."""
    draw = np.random.default_rng(1)
    np.save(tmp_path / "table.npy", draw.standard_normal((20, 4)).astype(np.float32))
    np.save(tmp_path / "ids.npy", draw.integers(0, 20, (6, 5)))
    return ("--table", tmp_path / "table.npy", "--trace", tmp_path / "ids.npy")


def test_answers_refusals_deaths_and_hangs_are_said_as_such(files):
    """Wrong values, refusals, crashes, hangs and unavailable backends are told apart."""
    bad = {
        "zoo-wrong-row": "wrong values",
        "zoo-refuses-everything": "refused",
        "zoo-dies-of-bags": "dies",
        "zoo-hangs-on-bags": "hangs",
        "zoo-unavailable": "not installed",
    }
    done = run("numpy-reference", *bad, *files, "--mode", "mean", "--no-timing", "--timeout", 6)
    assert done.exit_code == 1, done.output
    for backend, word in bad.items():
        assert re.search(rf"^{backend[:18]}.*float32  {word}", done.output, re.MULTILINE), backend
    assert "zoo-unavailable cannot be asked here: the zoo has no such device" in done.output


def test_what_is_not_installed_is_said_with_what_brings_it(files):
    """An unavailable backend is reported, and the known differences are still shown."""
    done = run("zoo-unavailable", "numpy-reference", *files, "--no-timing")
    assert "zoo-unavailable cannot be asked here: the zoo has no such device." in done.output
    assert "numpy-reference: right." in done.output
    assert done.exit_code == 0
    done = run("numpy-reference", "zoo-unavailable", *files, "--no-timing")
    assert done.exit_code == 2


def test_the_call_is_asked_with_tables_of_each_dtype(files):
    """The call is made with tables of each dtype, and errors are relative to the exact result."""
    words = ("--mode", "mean", "--padding-idx", 3, "--no-timing", "--json")
    dtypes = ("--dtype", "float32", "--dtype", "bfloat16")
    done = run("numpy-reference", "zoo-widens-silently", *files, *dtypes, *words)
    assert done.exit_code == 1, done.output
    own = json.loads(done.output)["call"]
    assert own["dtypes"] == ["float32", "bfloat16"]
    wide, narrow = (one["error"] for one in own["answers"][:2])
    assert 0 < wide["ulp"] <= 0.5
    assert 0 < narrow["ulp"] <= 0.5
    assert narrow["largest"] > 1000 * wide["largest"]
    same, wider = own["answers"][2:]
    assert (same["outcome"], same["apart"]["largest"]) == ("passed", 0)
    assert (wider["kind"], wider["form"]) == ("wrong-dtype", "float32 6 x 4")
    assert 0 < wider["apart"]["ulp"] <= 0.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("torch-eage", "jax-take"), "did you mean torch-eager"),
        (("torch-eager", "zoo-prints"), "no data on 'zoo-prints'"),
        (("torch-eager", "jax-take", "--mode", "sum"), "--mode also needs --table"),
        (("torch-eager", "jax-take", "--dtype", "float16"), "--dtype also needs --table"),
        (
            ("torch-eager", "jax-take", "OWN", "--padding-idx", "20"),
            "names no row of a table",
        ),
        (("torch-eager", "jax-take", "OWN", "--weights", "none.npy"), "there is no file"),
    ],
)
def test_a_mistake_says_what_to_do(files, words, said):
    """A usage mistake is reported with a hint before any backend is started."""
    done = run(*(part for word in words for part in (files if word == "OWN" else (word,))))
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_a_table_beyond_a_dtype_is_refused(tmp_path):
    """A table is refused if a dtype cannot hold its values."""
    np.save(tmp_path / "t.npy", np.full((2, 2), 1e6, np.float32))
    np.save(tmp_path / "i.npy", np.array([0, 1]))
    sources = Sources(str(tmp_path / "t.npy"), str(tmp_path / "i.npy"))
    with pytest.raises(BadInput, match="float16 cannot hold"):
        own_workloads(sources, ("float16",))


def test_prices_are_those_of_the_users_call(files):
    """The user's call is timed on both backends; a long one is cut, which is said."""
    _, table, _, ids = files
    own = Sources(str(table), str(ids), mode="mean", padding_idx=3)
    (workload,) = own_workloads(own, ())
    names = ["numpy-reference", "zoo-prints"]
    asked = Asking({"float32": call_of(workload)}, 20).ask(names)
    assert all(asked[name].seconds > 0 for name in names)
    pairs = [("zoo-prints", "numpy-reference")]
    found = priced((own, ()), names, pairs, 1.0, TimingBudget(0.2, 20, generations=2))
    base, other = found.prices
    assert (base.baseline, base.ratio) == ("numpy-reference", 1)
    assert other.seconds > 0
    assert other.low <= other.ratio <= other.high
    (pair,) = found.beside
    assert pair.ratio == pytest.approx(other.ratio)
    assert found.notes[0].startswith("timed on the first 1 bag of 6")


@pytest.mark.parametrize("padding", [None, 0, 7, -1, 5])
def test_a_timed_answers_bound_leaves_out_the_padding_row_that_the_call_names(padding):
    """The bound of a timed answer respects the call's padding_idx, also after renumbering rows."""
    weight = np.array([[3.0**row / 7, -0.1] for row in range(10)], np.float32)
    options = {"mode": "sum", "padding_idx": padding}
    inputs = {"weight": weight, "indices": np.array([[3, 7, 9], [0, 7, 1]])}
    made = Call(Operation.EMBEDDING_BAG, inputs, options, ("output",))
    expected = weight[inputs["indices"]].sum(axis=1)
    allowed = Standard(made, {"output": expected}).allowed["output"]
    assert allowed.any()
    np.testing.assert_array_equal(allowed, bound("output", made, expected))


# --- Examples ---


def case(expected, steps=(), **options):
    """Return a case of a small lookup."""
    inputs = {
        "weight": {"dtype": "float32", "shape": [400, 2]},
        "indices": {"dtype": "int64", "shape": [2], "values": [1, -1]},
    }
    spec = {"operation": "embedding", "inputs": inputs, "options": options, "observe": ["output"]}
    return CaseLine("a/b/c", "", "", (), "documented", "", spec, expected, steps=steps)


def finding(of, outcome, backend="b", message="it \x1b[31mbroke", observed=None):
    """Return the result of a backend on a case."""
    known = KnownDeviation("bug", "wrong-value", "", ()) if outcome == "deviated" else None
    result = ResultLine(
        of.case, (), of.level, backend, outcome, "wrong-value", message, 0.0, silent=True,
        observed=observed or {}, deviation=known,
    )  # fmt: skip
    return MergedResult(of, backend, mark_of(result), result)


def test_an_example_is_shown_by_its_call_and_what_came():
    """An example shows its call, the expected result and the answers; long arrays by shape."""
    values = {"output": {"dtype": "float32", "shape": [2], "values": [1.0, -0.5]}}
    of = case(values, padding_idx=1)
    found = [finding(of, "failed", "a"), finding(of, "passed"), finding(of, "unsupported", "c")]
    example = shown([*found, finding(of, "failed", "d", observed=values)])
    assert example == Shown(
        "embedding(weight: float32 400 x 2, indices: int64 [1, -1], padding_idx=1)",
        "output = [1, -0.5]",
        {"a": "it \\x1b[31mbroke", "b": AS_DOCUMENTED, "d": "output = [1, -0.5]"},
    )
    assert wanted_text(case(None)) == "an error"
    assert wanted_text(case({"output": {"reference": "numpy-reference"}})) == AS_DOCUMENTED
    several = case(values, steps=("one", "two"))
    assert wanted_text(several) == AS_DOCUMENTED
    assert call_text(several).endswith("the first of 2 calls")


def data_with(cases=None, **features):
    """Return data of backends with these features."""
    names = dict.fromkeys(name for found in features.values() for name in found)
    columns = {
        name.replace("_", "-"): Column(name.replace("_", "-"), "lib", "1", "cpu", "2026-01-01", of)
        for name, of in features.items()
    }
    says = dict.fromkeys(names, "Something is so.")
    return Compat("s", says, dict.fromkeys(names, "0"), {}, columns, cases=cases or {})


EXAMPLE = Shown("embedding(indices: [-1])", "an error", {"new": "output = [[7]]"})


def test_examples_are_written_and_read_without_right_answers():
    """Stored examples are valid by the schema, and omit right answers, which are most."""
    answers = {**EXAMPLE.answers, "old": AS_DOCUMENTED}
    cases = {SILENT.example: replace(EXAMPLE, answers=answers)}
    text = to_text(data_with(cases, old={"lookup": YES}, new={"lookup": SILENT}))
    assert compat.parse(text, "a file").cases == {SILENT.example: EXAMPLE}
    schema = compat.files("embcheck.reports").joinpath("compat.schema.json").read_text("utf-8")
    Draft202012Validator(json.loads(schema)).validate(json.loads(text))


def test_joined_data_keeps_the_answers_of_the_backends_that_it_keeps():
    """Joining keeps the examples' answers of backends that are kept, and drops unused examples."""
    name = SILENT.example
    old = data_with({name: EXAMPLE, "gone": EXAMPLE}, new={"lookup": SILENT}, run={"lookup": YES})
    later = replace(EXAMPLE, call="later", answers={"run": "x", "new": "y"})
    new = data_with({name: later}, run={"lookup": SILENT})
    found = cases_of_both(new, old, ["new"])
    assert found == {name: Shown("later", "an error", {"new": "output = [[7]]", "run": "x"})}


def texts_of(data, own=None, old="old", new="new"):
    """Return the printed lines of a migration, stripped."""
    target = MigrationTarget(new, migration(data, old, new))
    console = Console(width=80, record=True, file=StringIO())
    print_told(told(data, old, [target], own), console)
    return [line.strip() for line in console.export_text().splitlines()]


def test_a_difference_has_the_input_and_both_answers():
    """A difference shows the call, the documented result and both answers as far as known."""
    cases = {SILENT.example: EXAMPLE}
    lines = texts_of(data_with(cases, old={"lookup": YES}, new={"lookup": SILENT}))
    at = lines.index("embedding(indices: [-1])")
    assert lines[at + 1 : at + 3] == ["documented, and old: an error", "new: output = [[7]]"]
    assert "Instead: f()" in lines
    assert "embcheck reproduce 'embedding/bounds/a' -b new" in lines
    loud = replace(SILENT, support="partly", how="loudly")
    cases[SILENT.example] = replace(EXAMPLE, answers={**EXAMPLE.answers, "old": "raises"})
    lines = texts_of(data_with(cases, old={"lookup": loud}, new={"lookup": SILENT}))
    assert "documented: an error" in lines
    assert "old: raises" in lines
    cases[SILENT.example] = replace(EXAMPLE, wanted=AS_DOCUMENTED)
    lines = texts_of(data_with(cases, old={"lookup": YES}, new={"lookup": SILENT}))
    at = lines.index("embedding(indices: [-1])")
    assert lines[at + 1 : at + 3] == ["old: as documented", "new: output = [[7]]"]


def own_call(**more):
    """Return a user's call that `old` and the recipe answer rightly, `new` in one dtype only."""
    told_of = {
        "answers": (
            OwnAnswer("old", "float32", "passed"),
            OwnAnswer("new", "float32", "passed"),
            OwnAnswer("new", "bfloat16", "failed", "rejected-valid", "no <kernel>"),
            OwnAnswer("lib-recipe", "float32", "passed"),
        ),
        "recipes": {"new": "lib-recipe"},
        "printed": {"lib-recipe": "lib"},
    }
    told_of |= {"dtypes": ("float32", "bfloat16"), **more}
    return OwnCall("a call", features=("bag.mean",), guards=("bag.bounds",), **told_of)


def test_what_the_call_meets_comes_first_and_others_are_counted():
    """Differences that concern the call come first, then its mistakes; others are counted."""
    narrow = replace(SILENT, support="partly", dtypes={"float32": YES, "bfloat16": SILENT})
    new = {"bag.mean": narrow, "bag.bounds": SILENT, "bag.sum": SILENT, "bag.max": ABSENT}
    data = data_with(old=dict.fromkeys(new, YES), new=new)
    lines = texts_of(data, own_call())
    order = [lines.index(head) for head in (
        "What this call meets", "What a mistake in such a call does", "What other calls meet"
    )]  # fmt: skip
    assert order == sorted(order)
    assert lines[order[0] + 1] == "bag.mean: not refused"
    assert lines[order[1] + 1] == "bag.bounds: not refused"
    assert lines[order[2] + 1 : order[2] + 3] == [
        "Goes wrong without a sign: 1 feature",
        "Is not offered: 1 feature",
    ]
    assert "What this call meets" not in texts_of(data, own_call(dtypes=("float32",)))


def test_the_answer_in_short_says_what_came_and_what_it_takes():
    """The short answer has each dtype's result and time, also for the recipe."""
    prices = (
        OwnPrice("new", "float32", "old", 1.0, 15.8, 15.0, 16.0, "SLOWER"),
        OwnPrice("lib-recipe", "float32", "old", 0.1, 0.4, 0.3, 0.5, "FASTER"),
    )
    beside = (OwnPrice("lib-recipe", "float32", "new", None, 0.025, 0.02, 0.03, "FASTER"),)
    data = data_with(old={"bag.mean": YES}, new={"bag.mean": YES})
    text = " ".join(texts_of(data, own_call(prices=prices, beside=beside)))
    assert (
        "new: right in float32, refused in bfloat16; 15.8 times slower than old (15 to 16) in "
        "float32. The recipe, lib-recipe: right; 2.5 times faster than old (2 to 3.33) in float32; "
        "40 times faster than new (33.3 to 50) in float32. To print it: embcheck recipe lib"
    ) in text
    unsure = (replace(prices[0], verdict="INCONCLUSIVE"),)
    text = " ".join(texts_of(data, own_call(prices=unsure)))
    assert "takes 15.8 times as long as old (15 to 16, not certain) in float32" in text


# --- Pages ---

HOSTILE = "<b>|x|</b> *bold* \x1b[31m"
TOLD = Told(
    f"old -> {HOSTILE}",
    ("a call",),
    (VerdictSentence("bad", "new: wrong & slow."),),
    (
        Section(
            "Tables",
            (),
            (FigureTable(("a", "b"), (("one", HOSTILE),), frozenset({1})),),
            ("A note",),
        ),
        Section(
            "Differences",
            (
                Item(
                    ("first head", "second head"),
                    (
                        Part("text", "because"),
                        Part("link", "https://example.org/why"),
                        Part("link", "javascript:alert(1)"),
                        Part("call", "embedding(indices: [-1])"),
                        Part("answer", "documented: an error"),
                        Part("instead", "f(x)  # raises"),
                        Part("command", "embcheck reproduce 'a[b=1]' -b new"),
                    ),
                ),
            ),
        ),
    ),
)


def texts(said, *, links=True):
    """Yield all texts that are to be shown; links only if `links`."""
    yield from (said.title, *said.lead, *(verdict.sentence for verdict in said.verdicts))
    for section in said.sections:
        yield section.head
        for grid in section.grids:
            yield from (*grid.columns, *(cell for row in grid.rows for cell in row))
        yield from section.notes
        for item in section.items:
            parts = (part.text for part in item.parts if links or part.kind != "link")
            yield from (*item.heads, *parts)


def visible(text):
    """Return a text as it is shown, on one line."""
    return " ".join(text.replace("\x1b", "\\x1b").split())


def terminal(said, width=200):
    """Return what a terminal shows."""
    console = Console(width=width, record=True, file=StringIO())
    print_told(said, console)
    return console.export_text()


def page_text(page):
    """Return the text of a page's body."""
    body = page[page.index("<body>") :]
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


def markdown_text(text):
    """Return Markdown without its escapes."""
    return re.sub(r"\\([\\`*_{}\[\]<>()#+!|~&])", r"\1", text)


def everywhere(said):
    """Return what terminal, page and Markdown show, each on one line."""
    found = (terminal(said), page_text(to_html(said)), markdown_text(to_markdown(said)))
    return [" ".join(text.split()) for text in found]


def test_terminal_page_and_markdown_say_the_same():
    """Terminal, page and Markdown show all texts in the same order, and none as markup."""
    for number, shown_text in enumerate(everywhere(TOLD)):
        place = 0
        for text in texts(TOLD, links=number > 0):
            found = shown_text.find(visible(text), place)
            assert found >= 0, (text, shown_text)
            place = found
    page = to_html(TOLD)
    assert "<b>" not in page
    assert "javascript:alert(1)</bdi></p>" in page
    assert 'href="javascript' not in page
    assert 'href="https://example.org/why"' in page
    assert "<b>" not in to_markdown(TOLD).replace("\\<b\\>", "")


def test_the_page_of_real_data_says_what_the_terminal_says(tmp_path):
    """The page and Markdown of the shipped data have the same heads as the terminal."""
    paths = (tmp_path / "a.html", tmp_path / "a.md")
    done = run("torch-eager", "jax-take", "--html", paths[0], "--markdown", paths[1])
    assert done.exit_code == 1
    shown_text = "".join(done.output.split())
    page, text = (path.read_text("utf-8") for path in paths)
    heads = re.findall(r'<p class="head"><bdi>(.*?)</bdi></p>', page)
    assert len(heads) > 10
    for head in map(html.unescape, heads):
        assert "".join(head.split()) in shown_text
        assert head in markdown_text(text)


def test_nothing_is_wider_than_a_terminal():
    """No line is wider than the terminal, except commands to copy."""
    lines = terminal(TOLD, 40).splitlines()
    assert all(len(line) <= 40 for line in lines if "embcheck reproduce" not in line)
