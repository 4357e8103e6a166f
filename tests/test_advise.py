"""`embcheck advise`: only data on the needs decides, and unknown support is never advised."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from embcheck.cli.actions.advise_now import deciding_cases
from embcheck.cli.main import main
from embcheck.conformance.records.lines import Measurement, RunFooter, RunHeader, to_json_data
from embcheck.conformance.suite.features import shipped_features
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.reports import compat
from embcheck.reports.answers.advice import Advice, Fit, advise, gather
from embcheck.reports.answers.answer import Answer, Row, answer
from embcheck.reports.answers.compat_made import planned_of, uses_of
from embcheck.reports.answers.concern import Needs, Remark
from embcheck.reports.answers.least_change import Changes, NeedChange
from embcheck.reports.answers.letters import (
    FORMS,
    INDICES,
    MODES,
    OPERATIONS,
    TABLES,
    packed,
    unpacked,
)
from embcheck.reports.answers.own_needs import of_module, of_trace
from embcheck.reports.answers.recipe_advice import Recipe, recipe_for, recipe_of
from embcheck.reports.answers.recipes import recipes
from embcheck.reports.answers.speeds import Speed, Speeds, speeds

YES = compat.Supported("yes")
SILENT = compat.Supported("no", "silently", "not refused")
HALF = compat.Supported(
    "partly", "loudly", dtypes={"float16": compat.Supported("no", "loudly"), "float32": YES}
)
MEAN = frozenset({"bags", "float32 tables", "int64 indices", "offsets", "mode mean"})
MAX = MEAN - {"mode mean"} | {"mode max"}
NARROW = MEAN - {"int64 indices"} | {"int32 indices"}
SHORTENED = MEAN | {"max_norm"}
PADDED = MEAN | {"padding_idx"}
USES = {
    "mode mean": ("bag.mean",),
    "mode max": ("bag.max",),
    "max_norm": ("bag.max_norm",),
    "padding_idx": ("bag.padding",),
    "int32 indices": ("bag.int32",),
    "int64 indices": ("lookup.int64",),
}


def data_with(contexts=None, **backends):
    """Return data of some backends, given each backend's support of some features."""
    columns = {
        name.replace("_", "-"): compat.Column(
            name, name.partition("_")[0], "1", "cpu", "2026-01-01", features
        )
        for name, features in backends.items()
    }
    return replace(compat.shipped(), backends=columns, uses=USES, contexts=contexts or {})


def told(letters, support="partly", how="silently", **more):
    """Return the support of a feature by context, one letter for each context."""
    return compat.Supported(support, how, contexts=letters, **more)


def fit_of(data, *needs, **more):
    """Return the advice on the only backend of some data, for needs."""
    [found] = advise(data, gather(data, needs, None, "float32", **more))
    return found


@pytest.mark.parametrize(
    ("features", "dtype", "fit"),
    [
        ({"bag.sum": YES, "bag.bounds": YES}, "float32", Fit.FITS),
        ({"bag.sum": YES, "bag.bounds": SILENT}, "float32", Fit.UNGUARDED),
        ({"bag.sum": YES}, "float32", Fit.UNGUARDED),
        ({"bag.bounds": YES}, "float32", Fit.UNKNOWN),
        ({"bag.sum": HALF, "bag.bounds": YES}, "float32", Fit.FITS),
        ({"bag.sum": HALF, "bag.bounds": YES}, "float16", Fit.BLOCKED),
        ({"bag.sum": compat.Supported("absent"), "bag.bounds": YES}, "float32", Fit.BLOCKED),
        ({"bag.sum": compat.Supported("partly"), "bag.bounds": YES}, "float32", Fit.FITS),
    ],
)
def test_advice_follows_from_features_and_the_dtype(features, dtype, fit):
    """Unknown support is never advised, nor a feature that fails for the table's own dtype."""
    needs = Needs(("bag.sum",), ("bag.bounds",), dtype)
    assert [found.fit for found in advise(data_with(x=features), needs)] == [fit]


CONTEXTS = {"bag.empty": (MEAN, MAX, SHORTENED)}


@pytest.mark.parametrize(
    ("letters", "needs", "fit"),
    [
        ("yys", ["bag.mean"], Fit.FITS),
        ("yys", ["bag.mean", "bag.max_norm"], Fit.BLOCKED),
        ("ysy", ["bag.mean"], Fit.FITS),
        ("ysy", ["bag.max"], Fit.BLOCKED),
        ("ysy", [], Fit.BLOCKED),
        ("uyy", ["bag.mean"], Fit.UNKNOWN),
        ("uyy", ["bag.max"], Fit.FITS),
        ("nyy", ["bag.mean"], Fit.UNKNOWN),
        ("nyy", [], Fit.FITS),
        ("ayy", ["bag.mean"], Fit.BLOCKED),
    ],
)
def test_only_what_concerns_the_needs_decides(letters, needs, fit):
    """A failure with an option or mode blocks a backend only if that option or mode is needed."""
    features = {"bag.mean": YES, "bag.max": YES, "bag.max_norm": YES, "bag.empty": told(letters)}
    assert fit_of(data_with(CONTEXTS, x=features), "bag.empty", *needs).fit is fit


@pytest.mark.parametrize(
    ("letters", "needs", "fit"),
    [
        ("yl", [], Fit.FITS),
        ("yl", ["int32"], Fit.BLOCKED),
        ("ly", [], Fit.BLOCKED),
        ("ly", ["int32"], Fit.FITS),
        ("sy", ["int32"], Fit.BLOCKED),
    ],
)
def test_the_dtype_of_indices_decides(letters, needs, fit):
    """A refusal of the dtype of indices that is not needed does not block; a wrong answer does.

    A wrong answer with int64 counts also for int32, since most cases are asked with int64 only.
    """
    data = data_with({"bag.empty": (MEAN, NARROW)}, x={"bag.empty": told(letters)})
    assert fit_of(data, "bag.empty", *needs).fit is fit


@pytest.mark.parametrize("support", ["absent", "yes"])
def test_a_feature_is_not_offered_if_all_that_use_it_are_not(support):
    """A feature is not offered if all its calls are absent, even where calls without it pass."""
    data = data_with({"bag.padding": (MEAN, PADDED)}, x={"bag.padding": told("ya", support, None)})
    found = fit_of(data, "bag.padding")
    assert [remark.found.support for remark in found.blockers] == ["absent"]


def test_a_remark_says_with_what_and_how_else():
    """A remark names the options that fail, and another spelling if that works for all of them."""
    contexts = {"bag.empty": (MEAN, MAX)}
    data = data_with(contexts, x={"bag.empty": told("yS", instead="other()")})
    [remark] = fit_of(data, "bag.empty").blockers
    assert (remark.words, remark.by) == ("with mode max", "other()")
    data = data_with(contexts, x={"bag.empty": told("sS", instead="other()")})
    [remark] = fit_of(data, "bag.empty").blockers
    assert (remark.words, remark.by) == ("", "")


@pytest.mark.parametrize(
    ("letters", "needs", "steps"),
    [
        ("yl", ["int32"], [("indices", "int64")]),
        ("ul", ["int32"], [("give-up", "bag.empty")]),
        ("sl", ["int32"], [("give-up", "bag.empty")]),
        ("Sy", [], [("spell", "bag.empty")]),
        ("ly", [], [("indices", "int32")]),
    ],
)
def test_the_least_change_is_found_in_the_data(letters, needs, steps):
    """The least change is another dtype if the same calls pass with it, else another spelling.

    If neither helps, it is to give up the feature.
    """
    features = {"bag.empty": told(letters, instead="other()"), "bag.mean": YES}
    data = data_with({"bag.empty": (MEAN, NARROW)}, x=features)
    wanted = gather(data, ["bag.empty", "bag.mean", *needs], None, "float32")
    [found] = advise(data, wanted)
    least = Changes(data, wanted).least(found)
    assert [(step.kind, step.what) for step in least] == steps


def test_no_change_is_told_where_nothing_would_be_left():
    """No change is proposed if it would give up all needs."""
    data = data_with(x={"bag.sum": SILENT})
    needs = gather(data, ["bag.sum"], None, "float32")
    [found] = advise(data, needs)
    assert Changes(data, needs).least(found) == ()


def test_a_recipe_is_found_by_the_library():
    """A recipe is found by a backend's library; its fit comes from the data, if they have it."""
    names = ("jax", "onnx")
    data = data_with(jax={}, jax_recipe={"bag.sum": YES}, onnxruntime={}, numpy={})
    found = advise(data, Needs(("bag.sum",)))
    recipe = recipe_for("jax", data, found, names)
    assert (recipe.name, recipe.backend, recipe.fit) == ("jax", "jax-recipe", Fit.FITS)
    recipe = recipe_for("onnxruntime", data, found, names)
    assert (recipe.name, recipe.backend, recipe.fit) == ("onnx", None, None)
    assert recipe_for("numpy", data, found, names) is None
    assert recipe_for("jax-recipe", data, found, names) is None
    every = {"jax-recipe", "onnxruntime-graph-recipe", "onnxruntime-recipe", "keras-recipe"}
    for library, name, backend in (
        ("flax", "jax", "jax-recipe"),
        ("equinox", "jax", "jax-recipe"),
        ("onnx", "onnx", "onnxruntime-recipe"),
        ("onnxruntime", "onnx", "onnxruntime-recipe"),
        ("keras", "keras", "keras-recipe"),
    ):
        assert recipe_of("some", library, recipes(), every) == Recipe(name, backend)
    assert recipe_of("some", "torch", recipes(), every) is None
    assert {"jax", "onnx"} <= {*tuple(recipes())}


def timing(backend, ratio, low, high, verdict, role="candidate", workload="OWN"):
    """Return a line of a record of timings."""
    return Measurement(
        workload, backend, "hot", 2, 5.0, ratio, low, high, verdict, None, role
    )  # fmt: skip


TIMINGS = [
    timing("ref", 1.0, 1.0, 1.0, "SAME", "reference"),
    timing("slow", 3.0, 2.9, 3.1, "SLOWER"),
    timing("fast", 0.5, 0.4, 0.6, "FASTER"),
    timing("also", 0.55, 0.45, 0.7, "FASTER"),
    timing("near", 1.01, 0.99, 1.03, "SAME"),
    timing("none", None, None, None, "NOT TIMED"),
    timing("ref", 1.1, 0.9, 1.2, "SAME", "a/a"),
    timing("slow", 0.1, 0.1, 0.1, "FASTER", workload="T1"),
]


def test_backends_are_ranked_by_what_was_measured_and_ties_are_ties():
    """Backends share a rank if their intervals overlap or they are SAME; an A/A row has no rank."""
    found = speeds(TIMINGS, None)
    assert (found.workload, found.reference, found.others) == ("OWN", "ref", ("T1",))
    assert [(speed.backend, speed.place) for speed in found.found] == [
        ("fast", 1), ("also", 1), ("ref", 3), ("near", 3), ("slow", 5)
    ]  # fmt: skip
    assert [speed.backend for speed in speeds(TIMINGS, "T1").found] == ["slow"]
    assert speeds([], None) is None
    for lines in ([], TIMINGS):
        with pytest.raises(compat.CompatError):
            speeds(lines, "T9")


def test_those_that_fit_stand_in_the_order_of_speed():
    """Fitting backends are listed from the fastest to the slowest; those not timed come last."""
    data = data_with(slow={"bag.sum": YES}, fast={"bag.sum": YES}, zero={"bag.sum": YES})
    found = answer(data, Needs(("bag.sum",)), tuple(data.backends), "", speeds(TIMINGS, None))
    assert [row.backend for row in found.rows] == ["fast", "slow", "zero"]
    assert [row.speed and row.speed.place for row in found.rows] == [1, 5, None]


def test_a_record_of_timings_alone_ranks_what_ships(tmp_path):
    """With a record of timings only, the shipped data decide fit and the timings the order."""
    lines = [
        RunHeader("timing", "2026-01-01", "", "", {}, ({"id": "torch-eager"},), 2),
        timing("numpy-reference", 1.0, 1.0, 1.0, "SAME", "reference"),
        timing("torch-eager", 0.5, 0.4, 0.6, "FASTER"),
        RunFooter("2026-01-01", 1.0, 0, {}),
    ]
    text = "".join(json.dumps(to_json_data(line)) + "\n" for line in lines)
    (tmp_path / "results.jsonl").write_text(text, "utf-8")
    output = run("--need", "lookup", "--run", str(tmp_path), code=0)
    assert "Ranked on OWN, hot, 2 threads" in output
    assert "1. 0.5 (0.4 to 0.6, FASTER, 5 ns a lookup) torch-eager" in output
    assert "2. 1 (the reference, 5 ns a lookup) numpy-reference" in output
    assert "the data that embcheck ships" in output
    run("--need", "lookup", "--run", str(tmp_path), "--workload", "T1", code=2)


def run(*words, code):
    """Run `embcheck advise` at 80 columns, check its exit code, and return its words in a line."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(main, ["advise", *words])
    assert result.exit_code == code, result.output
    if not {"--json", "--profiles"} & {*words} and code != 2:
        assert max(map(len, result.output.splitlines())) <= 80
    return " ".join(result.output.split())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--profile", "token-lookup"], 0, "torch-eager"),
        (["--profile", "token-lookup", "-b", "jax-take"], 0, "lookup.negative"),
        (["--profile", "token-lookup", "-b", "jax-take", "--strict"], 1, "lookup.negative"),
        (["--need", "lookup,bag.padding", "-b", "jax-take"], 1, "not offered: bag.padding"),
        (["--need", "lookup,bag.padding", "-b", "jax-take"], 1, "recipe: embcheck recipe jax"),
        (["--need", "lookup,bag.padding", "-b", "jax-take"], 1, "unblocked by: doing without"),
        (["--need", "lookup", "--json"], 0, '"fit": "fits"'),
        (["--need", "lookup,bfloat16,int32"], 0, "for bfloat16 tables and int32 indices"),
        (["--profiles"], 0, "recommender-training"),
        (["--need", "lookup"], 0, "To time them: embcheck bench"),
        (["--need", "lookup.int23"], 2, "did you mean lookup.int32"),
        (["--need", "lookup,float16,bfloat16"], 2, "one dtype at a time"),
        (["--profile", "none"], 2, "there are token-lookup"),
        (["--need", "lookup", "-b", "none"], 2, "no data on 'none'"),
        (["--need", "lookup", "--workload", "T1"], 2, "name it by --run"),
        (["--need", "lookup", "--out", "x"], 2, "give both"),
        (["--need", "lookup", "--run", "x", "--run-now"], 2, "choose one"),
        (["--offsets", "x"], 2, "give both"),
        (["--need", "lookup", "--run", "none"], 2, "name a folder that a run wrote"),
        ([], 2, "say what you need"),
    ],
)
def test_advice_has_an_exit_code_for_scripts(words, code, said):
    """The exit code is 0 if a backend fits, 1 if none does, and 2 for a mistake."""
    assert said in run(*words, code=code)


PROFILE = """name: mine
says: What my own service looks up.
needs: [lookup, lookup.int32]
refused: [lookup.negative]
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("lookup.int32", "lookup.int23"), ":3:17: the profile 'mine' names 'lookup.int23'"),
        (("lookup.negative", "nothing"), ":4:11: the profile 'mine' names 'nothing'"),
        (("needs: [lookup, lookup.int32]\n", ""), ":1:1: the file lacks 'needs'"),
        (("name: mine", "name: 3"), ":1:7: "),
        (("refused", "refuse"), ":4:1: "),
        (("needs: [", "needs: [["), ":4:1: not YAML"),
    ],
)
def test_a_profile_of_ones_own_is_checked_with_file_line_and_column(tmp_path, change, said):
    """A user's own profile works like a shipped one; mistakes name file, line and column."""
    file = tmp_path / "mine.yaml"
    file.write_text(PROFILE, "utf-8")
    assert "Should be errors: lookup.negative" in run("--profile", str(file), code=0)
    file.write_text(PROFILE.replace(*change), "utf-8")
    result = CliRunner().invoke(main, ["advise", "--profile", str(file)])
    assert result.exit_code == 2
    assert f"{file}{said}" in result.output


OWN = """
import sys
import torch
def make():
    return torch.nn.ModuleDict({
        "words": torch.nn.Embedding(40_000, 4, padding_idx=0, max_norm=1.0, norm_type=1.0),
        "ids": torch.nn.EmbeddingBag(9, 2048, mode="sum", include_last_offset=True, sparse=True),
        "rare": torch.nn.Embedding(9, 4, scale_grad_by_freq=True, sparse=True),
        "old": torch.nn.Linear(2, 2),
    })
def mixed():
    return torch.nn.ModuleList([torch.nn.Embedding(2, 2), torch.nn.EmbeddingBag(2, 2).half()])
frozen = torch.nn.Embedding.from_pretrained(torch.ones(3, 2))
shortened = torch.nn.EmbeddingBag(9, 2, max_norm=1.0, padding_idx=1, mode="max")
complex_ = torch.nn.Embedding(2, 2, dtype=torch.complex64)
class Holder:
    inner = frozen
def leaves():
    sys.exit(3)
"""


@pytest.fixture
def _own(tmp_path, monkeypatch):
    """Write a user's own module into the current folder."""
    pytest.importorskip("torch")
    (tmp_path / "own_model.py").write_text(OWN, "utf-8")
    (tmp_path / "own_broken.py").write_text("import no_such_library", "utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_own")
def test_the_needs_of_a_model_are_told_by_table():
    """A module's needs follow from each table's options and sizes; frozen ones need no gradient."""
    model = of_module("own_model:make")
    by_table = {remark.partition(":")[0]: remark for remark in model.remarks}
    assert model.dtype == "float32"
    assert set(model.features) == {
        "lookup", "padding.output", "max_norm.output", "max_norm.in-place", "max_norm.norm_type",
        "max_norm.gradient", "gradient", "sizes.rows-beyond-16-bits", "gradient.duplicates",
        "padding.gradient", "bag.sum", "bag.last-offset", "bag.gradient.sum", "bag.sparse",
        "sizes.wide-rows", "frequency", "sparse",
    }  # fmt: skip
    assert "Embedding of 40,000 x 4, float32; needs lookup, padding.output" in by_table["words"]
    assert "bag.sparse" in by_table["ids"]
    assert "frequency, sparse" in by_table["rare"]
    assert "old" not in by_table
    assert of_module("own_model:frozen").features == ("lookup",)
    assert of_module("own_model:Holder.inner").features == ("lookup",)
    assert set(of_module("own_model:shortened").features) == {
        "bag.max", "bag.padding", "bag.max_norm", "bag.gradient.max", "bag.padding.gradient"
    }  # fmt: skip
    assert set(model.features) <= set(compat.shipped().features)
    # Only the reference has all of these features, and it is never advised.
    assert "words: Embedding of 40,000 x 4" in run("--module", "own_model:make", code=1)


@pytest.mark.usefixtures("_own")
def test_tables_of_several_dtypes_are_asked_for_one_at_a_time():
    """For a module with tables of several dtypes, only those of the chosen dtype count."""
    assert of_module("own_model:mixed", "float16").features[0] == "bag.mean"
    assert of_module("own_model:mixed", "float32").features[0] == "lookup"
    assert len(of_module("own_model:mixed", "bfloat16").remarks) == 3
    assert of_module("own_model:complex_", "float32").dtype == "float32"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own_model", "write package.module:name"),
        (":x", "write package.module:name"),
        ("own_model:none", "AttributeError"),
        ("no_module:x", "ModuleNotFoundError"),
        ("own_broken:x", "no_such_library"),
        ("own_model:OWN", "AttributeError"),
        ("own_model:torch", "TypeError"),
        ("own_model:leaves", "SystemExit: 3"),
        ("own_model:mixed", "float16, float32: choose one with --dtype"),
        ("own_model:complex_", "complex64: choose one of float32"),
        ("json:dumps", "TypeError"),
        ("builtins:dict", "holds no torch.nn.Embedding"),
    ],
)
@pytest.mark.usefixtures("_own")
def test_a_module_that_is_none_is_a_usage_error(name, said):
    """An unusable module is a usage error in one line, whatever its code raises."""
    assert said in run("--module", name, code=2)


@pytest.mark.parametrize(
    ("indices", "offsets", "features", "said"),
    [
        (np.array([0, 5], np.int32), None, {"int32", "lookup.int32"}, "from 0 to 5, none twice"),
        (np.array([0, -5]), None, {"int64", "lookup.int64"}, "some are negative"),
        (np.array([3, 1, 3]), None, {"int64", "lookup.int64"}, "3 stands there 2 times"),
        (np.int64(7), None, {"int64", "lookup.int64", "lookup.scalar"}, "1 index of int64"),
        (np.zeros((2, 3, 4), "i8"), None, {"int64", "lookup.int64"}, "in the shape 2 x 3 x 4"),
        (
            np.array([0, 50_000]),
            None,
            {"int64", "lookup.int64", "sizes.rows-beyond-16-bits"},
            "to 50000",
        ),
        (np.zeros(0, "i8"), None, {"int64", "lookup.int64", "lookup.empty"}, "0 indices"),
        (np.zeros(40_000, "i8"), None, {"int64", "lookup.int64", "sizes.many-indices"}, "40,000"),
        (
            np.arange(4),
            np.array([0, 0, 2]),
            {"int64", "bag.offsets", "bag.empty"},
            "3 bags, the longest of 2, 1 empty",
        ),
        (np.arange(4), np.array([1, 0]), {"int64", "bag.offsets"}, "which is an error"),
        (
            np.arange(4, dtype="i4"),
            np.array([0]),
            {"int32", "bag.offsets", "bag.int32"},
            "offsets of int64 beside such indices are an error",
        ),
        (
            np.arange(4),
            np.array([0, 4]),
            {"int64", "bag.offsets", "bag.empty", "bag.last-offset"},
            "include_last_offset",
        ),
    ],
)
def test_the_needs_of_indices_are_those_of_their_values(tmp_path, indices, offsets, features, said):
    """The needs of a trace follow from its dtype, range, repeats, count and lengths of bags."""
    np.save(tmp_path / "ids.npy", indices)
    if offsets is not None:
        np.save(tmp_path / "offsets.npy", offsets)
    found = of_trace(tmp_path / "ids.npy", None if offsets is None else tmp_path / "offsets.npy")
    assert set(found.features) == features
    assert said in "; ".join(found.remarks)
    data = compat.shipped()
    assert gather(data, found.features, None, "float32").indices == (indices.dtype.name,)


def test_rows_of_indices_are_bags_where_the_module_makes_bags(tmp_path):
    """Two-dimensional indices count as bags only if the caller says that the module has bags."""
    np.save(tmp_path / "ids.npy", np.zeros((2_000, 2), "i4"))
    lookups, bags = (of_trace(tmp_path / "ids.npy", in_bags=flag) for flag in (False, True))
    assert set(lookups.features) == {"int32", "lookup.int32"}
    assert set(bags.features) == {"int32", "bag.int32", "bag.two-dimensional", "sizes.many-bags"}


def test_the_reference_is_no_advice():
    """The reference is listed only if it is named, since it has every feature by definition."""
    assert "numpy-reference" not in run("--need", "lookup", code=0)
    assert "numpy-reference" in run("--need", "lookup", "-b", "numpy-reference", code=0)


def test_negative_indices_should_be_errors(tmp_path):
    """If a trace has negative indices, a backend that does not refuse them is reported."""
    np.save(tmp_path / "ids.npy", np.array([0, -1]))
    output = run("--trace", str(tmp_path / "ids.npy"), "-b", "jax-take", code=0)
    assert "Should be errors: lookup.negative" in output
    assert "not refused: lookup.negative" in output


def test_indices_larger_than_memory_are_read_in_place(tmp_path):
    """The range covers all indices of a memory-mapped file, the repeats only the first million."""
    file = tmp_path / "ids.npy"
    given = np.lib.format.open_memmap(file, "w+", np.int32, (3_000_000,))
    given[-1] = 99
    given.flush()
    found = of_trace(file)
    assert "from 0 to 99, 0 stands there 1,000,000 times of the first 1,000,000" in found.remarks[0]


def test_indices_that_cannot_be_used_are_a_usage_error(tmp_path):
    """Missing or foreign files, pickled objects, and wrong dtypes or shapes are usage errors."""
    files = {
        "objects": np.array([None]),
        "floats": np.array([0.5]),
        "bytes": np.array([1], np.uint8),
        "bools": np.array([True]),
        "foreign": np.array([1], ">i8"),
        "matrix": np.zeros((2, 2), "i8"),
    }
    for name, array in files.items():
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=True)
    (tmp_path / "text.npy").write_text("0 1 2", "utf-8")
    np.savez(tmp_path / "several.npz", a=np.zeros(2))
    np.save(tmp_path / "good.npy", np.arange(2))
    for name in ("none.npy", "text.npy", "several.npz", *(f"{each}.npy" for each in files)):
        words = ["--trace", str(tmp_path / name)]
        words += ["--offsets", str(tmp_path / "good.npy")] if name == "matrix.npy" else []
        assert str(tmp_path) in run(*words, code=2)
    assert "ids.astype(numpy.int64)" in run("--trace", str(tmp_path / "floats.npy"), code=2)


@pytest.fixture(scope="module")
def planned():
    """Return the words and contexts of all cases of the suite, by feature."""
    cases = [case for path in spec_files() for case in load_spec(path).cases]
    return planned_of(shipped_features().features, cases)


def test_every_word_of_a_case_is_one_that_a_feature_may_be_about(planned):
    """Each word of a case is one that some feature is about; any other would hide the case."""
    free = {*TABLES, *INDICES, *MODES, *FORMS, *OPERATIONS}
    used = {word for words in planned.words.values() for word in words}
    uses = uses_of(shipped_features())
    assert used - free <= {*uses}
    assert {*uses} - used == {"the module"} - used


def test_every_need_of_a_profile_is_decided_by_cases(planned):
    """Each need of a shipped profile is decided by at least one case."""
    for profile in shipped_features().profiles.values():
        for name in (*profile.needs, *profile.refused):
            assert planned.contexts.get(name), name


def test_letters_are_packed_and_unpacked():
    """Repeated letters are packed as a letter and its count, and unpacked again."""
    text = "y" * 12 + "sSa"
    assert packed(text) == "y12sSa"
    assert unpacked(packed(text)) == text


def test_just_what_decides_is_asked_now(tmp_path):
    """`--run-now` runs only the cases that decide; other features count as not asked."""
    needs = Needs(("lookup.scalar",))
    cases = deciding_cases(needs)
    assert 0 < len(cases) < 6
    words = ["--need", "lookup.scalar", "-b", "numpy-reference", "--run-now", "--json"]
    result = CliRunner().invoke(main, ["advise", *words, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    [row] = json.loads(result.stdout)["rows"]
    assert (row["backend"], row["advice"]["fit"]) == ("numpy-reference", "fits")
    output = run("--need", "lookup.scalar,lookup.empty", "--run", str(tmp_path), code=1)
    assert "not asked: lookup.empty" in output


def test_the_fields_of_the_json_are_documented():
    """docs/advise.md names every field of the JSON output."""
    text = (Path(__file__).parent.parent / "docs/advise.md").read_text("utf-8")
    types = (Answer, Row, Advice, Needs, Remark, NeedChange, Recipe, Speed, Speeds)
    names = {field.name for each in types for field in fields(each)}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
