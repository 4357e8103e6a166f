"""A user's own table and indices are timed, or refused with a helpful message."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from commands import embcheck

from embcheck.cli.bench import bench
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.records.run import read_runs
from embcheck.conformance.timing.workloads.own import Sources, own_workload
from embcheck.conformance.timing.workloads.own_files import BadInput, read
from embcheck.conformance.timing.workloads.traces import make_inputs


@pytest.fixture
def save(tmp_path):
    """Return a function that saves an array and returns its path."""

    def write(name, array):
        np.save(tmp_path / f"{name}.npy", array)
        return str(tmp_path / f"{name}.npy")

    return write


@pytest.fixture
def table(save):
    """Return the path of a table of 10 rows of 4."""
    return save("table", np.arange(40, dtype=np.float32).reshape(10, 4))


def test_a_lookup_is_made_of_the_users_arrays(save, table):
    """Without a mode, indices of any shape are looked up."""
    ids = np.array([[1, 2], [9, 0]], np.int32)
    workload = own_workload(Sources(table, save("ids", ids)))
    inputs = make_inputs(workload, workload.profiles["quick"], 8)
    assert len(inputs.traces) == 1
    assert workload.operation == "embedding"
    np.testing.assert_array_equal(inputs.call(0).inputs["indices"], ids)
    assert inputs.call(0).inputs["indices"].dtype == np.int32


def test_a_stream_is_cut_into_calls_that_rotate(save, table):
    """A stream of bags is cut into batches, each with its own indices, weights and offsets."""
    sources = Sources(
        table,
        save("ids", np.arange(9)),
        offsets=save("offsets", np.array([0, 2, 2, 5, 8])),
        weights=save("weights", np.arange(9, dtype=np.float32)),
        mode="sum",
        batch=2,
    )
    workload = own_workload(sources)
    assert workload.profiles["full"].states == ("rotating",)
    first, second = workload.given.calls
    assert first["offsets"].tolist() == [0, 2]
    assert second["offsets"].tolist() == [0, 3]
    assert first["indices"].tolist() == [0, 1]
    assert second["indices"].tolist() == [2, 3, 4, 5, 6, 7]
    assert second["per_sample_weights"].tolist() == [2, 3, 4, 5, 6, 7]


def test_lists_of_a_parquet_column_are_bags(tmp_path, table):
    """The lists in a Parquet column are bags, and may be empty."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # noqa: PLC0415  (optional)

    clicks = pyarrow.table({"items": [[1, 2], [], [9]], "one": [1, 2, 3]})
    parquet.write_table(clicks, tmp_path / "clicks.parquet")
    workload = own_workload(Sources(table, f"{tmp_path}/clicks.parquet:items"))
    (call,) = workload.given.calls
    assert call["indices"].tolist() == [1, 2, 9]
    assert call["offsets"].tolist() == [0, 2, 2]
    assert workload.options == {"mode": "mean"}
    assert read(f"{tmp_path}/clicks.parquet:one").array.tolist() == [1, 2, 3]


def test_tensors_of_a_model_are_found_by_name(tmp_path, save):
    """A tensor is read by name, also in bfloat16; an unknown name lists the others."""
    safetensors = pytest.importorskip("safetensors.numpy")
    import ml_dtypes  # noqa: PLC0415  (only here)

    half = np.ones((3, 2), ml_dtypes.bfloat16)
    safetensors.save_file({"a.weight": half, "b": np.ones(3)}, tmp_path / "m.safetensors")
    workload = own_workload(Sources(f"{tmp_path}/m.safetensors:a.weight", save("i", np.arange(3))))
    assert workload.dtype == "bfloat16"
    with pytest.raises(BadInput, match=r"no tensor 'c'; write m.safetensors:NAME .*\n  a.weight"):
        read(f"{tmp_path}/m.safetensors:c")
    with pytest.raises(BadInput, match="no tensor is named"):
        read(f"{tmp_path}/m.safetensors")


GOOD = {"ids": np.array([1, 2, 3]), "table": np.ones((10, 4), np.float32)}
MISTAKES = [
    ({"ids": np.array([1, 10, -1])}, {}, r"\[1\] = 10 names no row .* 10 rows \(2 of 3 .* 0 to 9"),
    ({"ids": np.array([1.0])}, {}, r"is float64; convert it to one of int32, int64"),
    ({"ids": np.zeros(0, np.int64)}, {}, "not empty"),
    ({"table": np.ones(10, np.float32)}, {}, "a table has two dimensions"),
    ({"table": np.ones((10, 4), np.int8)}, {}, "is int8; convert it to one of float16"),
    ({"table": np.full((10, 4), np.nan)}, {}, "NaN or infinities"),
    ({"offsets": np.array([1, 2])}, {}, "the first offset is 1"),
    ({"offsets": np.array([0, 3, 2])}, {}, r"offsets\[2\] = 2 comes after 3"),
    ({"offsets": np.array([0, 4])}, {}, "the last offset is 4, but there are 3 indices"),
    ({"offsets": np.array([0.0])}, {}, "the offsets are float64"),
    ({"offsets": np.array([[0]])}, {}, "one dimension each"),
    ({}, {"mode": "sum"}, "do not say where bags begin; give --offsets"),
    ({"offsets": np.array([0]), "weights": np.ones(3, np.float32)}, {}, "add --mode sum"),
    (
        {"offsets": np.array([0]), "weights": np.ones(2, np.float32)},
        {"mode": "sum"},
        "give a weight for each index",
    ),
    ({"offsets": np.array([0]), "weights": np.ones(3)}, {"mode": "sum"}, "float64, unlike"),
    ({}, {"batch": 4}, "a batch of 4 is more than the 3"),
    ({}, {"padding_idx": 10}, "--padding-idx 10 names no row of a table of 10 rows; give one from"),
    ({}, {"padding_idx": -11}, "--padding-idx -11 names no row"),
    (
        {"table": np.full((10, 4), 1e6, np.float32)},
        {"dtype": "float16"},
        "float16 cannot hold .*, of up to 1e.06; use another --dtype",
    ),
    ({}, {"table": "nowhere.npy"}, "there is no file nowhere.npy"),
    ({}, {"table": __file__}, "'.py' files are not read; give one of .npy"),
]


@pytest.mark.parametrize(("arrays", "more", "words"), MISTAKES)
def test_a_mistake_says_what_to_do(save, arrays, more, words):
    """Arrays that cannot be timed are refused with the mistake and a remedy."""
    paths = {name: save(name, array) for name, array in {**GOOD, **arrays}.items()}
    paths["trace"] = paths.pop("ids")
    with pytest.raises(BadInput, match=words):
        own_workload(Sources(**{**paths, **more}))


def test_a_table_is_converted_once_and_said_so(save, table):
    """A table is converted once with its weights, and the title names both dtypes."""
    bags = {"offsets": save("o", np.array([0])), "weights": save("w", np.ones(3, np.float32))}
    sources = Sources(
        table, save("i", np.arange(3)), mode="sum", padding_idx=-1, dtype="bfloat16", **bags
    )
    workload = own_workload(sources)
    assert workload.dtype == workload.given.table.dtype.name == "bfloat16"
    assert workload.given.calls[0]["per_sample_weights"].dtype.name == "bfloat16"
    assert "10 x 4 bfloat16, converted once from float32 to bfloat16" in workload.title
    assert workload.options == {"mode": "sum", "padding_idx": -1}
    same = own_workload(Sources(table, sources.trace, dtype="float32"))
    assert "converted once" not in same.title


def _no_worker(*_, **__):
    raise AssertionError("a worker was started")


@pytest.mark.parametrize("more", [(), ("--spelling", "x"), ("--study", "prices", "-b", "acme")])
def test_arrays_are_checked_before_any_worker_starts(tmp_path, save, table, monkeypatch, more):
    """Arrays are checked before any worker starts."""
    monkeypatch.setattr(WorkerClient, "launch", _no_worker)
    words = ["--table", table, "--trace", save("i", np.array([10])), "--out", str(tmp_path / "o")]
    done = CliRunner().invoke(bench, [*words, *more])
    assert (done.exit_code, done.exception.__class__) == (2, SystemExit)
    assert "names no row" in done.stderr


def test_a_spelling_is_timed_where_an_adapter_has_it(tmp_path, save, table):
    """A named spelling is timed on the backends that have it; others are timed as usual."""
    ids = save("i", np.arange(8))
    words = ["-b", "numpy-reference", "-b", "zoo-prints", "--table", table, "--trace", ids]
    words += ["--out", str(tmp_path), "--seconds", "0.02"]
    done = CliRunner().invoke(bench, [*words, "--spelling", "weight[indices]"])
    assert done.exit_code == 0, done.output
    (run,) = read_runs(tmp_path)
    spelled = {line.backend: line.details.spelling for line in run.measurements}
    assert spelled["numpy-reference"].startswith("weight[indices]")
    assert spelled["zoo-prints"] is None
    assert "timed by its spelling weight[indices]" in " ".join(done.stdout.split())
    done = CliRunner().invoke(bench, [*words, "--spelling", "nosuch"])
    assert done.exit_code == 2
    assert "no backend has a spelling 'nosuch'; give one of" in done.stderr
    assert "numpy-reference: weight[indices]" in done.stderr
    done = CliRunner().invoke(bench, ["-b", "numpy-reference", "--out", "x", "--spelling", "a"])
    assert "--spelling also needs --table" in done.stderr or "give --table" in done.stderr


def test_a_table_of_ones_own_has_prices(tmp_path, save, table):
    """`--study prices` prices the options of the user's own call."""
    ids = save("i", np.arange(8).reshape(4, 2))
    words = ["-b", "numpy-reference", "--table", table, "--trace", ids, "--mode", "mean"]
    words += ["--padding-idx", "1", "--dtype", "bfloat16", "--study", "prices"]
    more = ["--seconds", "0.02", "--generations", "1", "--out", str(tmp_path)]
    done = CliRunner().invoke(bench, [*words, *more])
    assert done.exit_code == 0, done.output
    (run,) = read_runs(tmp_path)
    assert run.header.purpose == "prices"
    assert {line.workload for line in run.prices} == {"OWN"}
    assert {"no padding_idx", "int32 indices"} <= {line.variant for line in run.prices}
    timed = [line for line in run.prices if line.ratio is not None]
    assert {line.verdict for line in timed} == {"INCONCLUSIVE"}
    assert {line.message for line in timed} == {
        "one generation of processes cannot decide: it takes 3"
    }


def test_damaged_files_are_named(tmp_path):
    """A damaged file is refused with the error of its reader."""
    (tmp_path / "a.npy").write_bytes(b"no array")
    with pytest.raises(BadInput, match=r"a.npy cannot be read: .*; write it again"):
        read(str(tmp_path / "a.npy"))
    with pytest.raises(BadInput, match="leave ':x' out"):
        read(f"{tmp_path / 'a.npy'}:x")


def test_the_command_times_it(tmp_path, save):
    """A table and a trace are timed as the workload OWN; one without the other is refused."""
    table = save("t", np.random.default_rng(1).standard_normal((100, 8), np.float32))
    ids = save("i", np.arange(64) % 100)
    common = ("bench", "-b", "numpy-reference", "--out", tmp_path / "out", "--seconds", "0.05")
    done = embcheck(*common, "--table", table, "--trace", ids, "--batch", "16")
    assert done.returncode == 0, done.stderr
    (run,) = read_runs(tmp_path / "out")
    assert {line.workload for line in run.measurements} == {"OWN"}
    assert len(run.measurements[0].details.inputs.trace_sha256) == 4
    assert "also needs --trace" in embcheck(*common, "--table", table).stderr
    done = embcheck(*common, "--table", table, "--trace", save("j", np.array([100])))
    assert done.returncode == 2
    assert "names no row" in done.stderr
    assert "Traceback" not in done.stderr
