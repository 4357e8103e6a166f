"""A user's table is read from a model's folder, shards or files; hostile files do no harm."""

from __future__ import annotations

import json

import numpy as np
import pytest

from embcheck.conformance.timing.workloads import own_models, own_names
from embcheck.conformance.timing.workloads.own_files import BadInput, read

safetensors = pytest.importorskip("safetensors.numpy")

WORDS = "embeddings.word_embeddings.weight"
INDEX = "model.safetensors.index.json"
FIRST, SECOND = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
TENSORS = {
    "LayerNorm.bias": np.ones(4, np.float32),
    "LayerNorm.weight": np.ones(4, np.float32),
    "encoder.weight": np.ones((8, 4), np.float32),
    "embeddings.position_embeddings.weight": np.ones((2, 4), np.float32),
    WORDS: np.arange(12, dtype=np.float32).reshape(3, 4),
}


@pytest.fixture
def model(tmp_path):
    """Return a folder with a model in one file."""
    safetensors.save_file(TENSORS, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


@pytest.fixture
def shards(tmp_path):
    """Return a folder with a model in two shards; the second has the word embeddings."""
    parts = {FIRST: [name for name in TENSORS if name != WORDS], SECOND: [WORDS]}
    for shard, names in parts.items():
        safetensors.save_file({name: TENSORS[name] for name in names}, tmp_path / shard)
    places = {name: shard for shard, names in parts.items() for name in names}
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return tmp_path


def refusal(text):
    """Return the error for a table that cannot be read."""
    with pytest.raises(BadInput) as refused:
        read(str(text))
    return str(refused.value)


def test_a_tensor_is_found_in_the_folder_of_a_model(model):
    """A tensor is found if the model's folder, or the file in it, is given."""
    for place in (model, model / "model.safetensors"):
        np.testing.assert_array_equal(read(f"{place}:{WORDS}").array, TENSORS[WORDS])


def test_a_tensor_is_found_in_a_shard_and_no_other_is_read(shards):
    """A tensor is read from its shard only; other shards may be missing or damaged."""
    (shards / FIRST).write_bytes(b"nothing of the kind")
    for place in (shards, shards / INDEX):
        np.testing.assert_array_equal(read(f"{place}:{WORDS}").array, TENSORS[WORDS])
    assert "cannot be read" in refusal(f"{shards}:encoder.weight")
    (shards / FIRST).unlink()
    assert refusal(f"{shards}:encoder.weight").endswith(f"bring that file to {shards}")


@pytest.mark.parametrize("layout", ["model", "shards"])
def test_the_list_of_names_shows_tables_first(layout, request):
    """The list of tensors shows shapes and dtypes; embeddings come first, and long before short."""
    place = request.getfixturevalue(layout)
    lines = refusal(place).splitlines()
    assert "no tensor is named; write model.safetensors" in lines[0]
    assert lines[1:4] == [
        f"  {WORDS} (3 x 4 float32)",
        "  embeddings.position_embeddings.weight (2 x 4 float32)",
        "  encoder.weight (8 x 4 float32)",
    ]
    assert lines[-1] == "  LayerNorm.weight (4 float32)"


@pytest.mark.parametrize("asked", ["word_embeddings.weight", f"bert.{WORDS}", WORDS[:-1]])
def test_a_name_close_to_the_one_asked_for_is_suggested(model, asked):
    """A similar name is suggested if a prefix is missing or too much, or for a slip."""
    assert f"did you mean {WORDS} (3 x 4 float32)" in refusal(f"{model}:{asked}")


def test_a_long_list_is_cut(tmp_path):
    """A long list of tensors is cut, and ends with the number of the others."""
    many = {f"layer.{number:03}": np.ones(1, np.float32) for number in range(100)}
    safetensors.save_file(many, tmp_path / "m.safetensors")
    lines = refusal(tmp_path / "m.safetensors").splitlines()
    assert len(lines) == 1 + own_names.LISTED + 1
    assert lines[-1] == "  and 88 more"


def test_arrays_and_columns_are_listed_alike(tmp_path):
    """Arrays of an archive and columns of a table are listed too."""
    np.savez(tmp_path / "t.npz", ids=np.arange(3), table=np.ones((5, 2), np.float16))
    lines = refusal(tmp_path / "t.npz").splitlines()
    assert lines[1:] == ["  table (5 x 2 float16)", "  ids (3 int64)"]
    assert "did you mean table (5 x 2 float16)?" in refusal(f"{tmp_path}/t.npz:tabel")
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # noqa: PLC0415  (optional)

    parquet.write_table(pyarrow.table({"items": [[1]], "one": [1]}), tmp_path / "c.parquet")
    assert "items (list<" in refusal(tmp_path / "c.parquet")


def test_a_name_may_hold_a_colon(tmp_path):
    """A tensor's name may contain a colon, as TensorFlow's do."""
    safetensors.save_file({"emb:0": np.ones((2, 2)), "b": np.ones(1)}, tmp_path / "m.safetensors")
    assert read(f"{tmp_path}/m.safetensors:emb:0").array.shape == (2, 2)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "last.ckpt"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_pickle_is_refused_with_what_to_do(tmp_path, name, whole):
    """A pickle is refused, with the command that converts it."""
    (tmp_path / name).write_bytes(b"\x80\x02.")
    said = refusal(tmp_path if whole else tmp_path / name)
    assert "it is a pickle, which can run any code" in said
    assert f"torch.load('{name}', weights_only=True)" in said


def test_the_command_for_a_pickle_works(tmp_path, monkeypatch):
    """The command for a pickle works, also if two names share one tensor."""
    torch = pytest.importorskip("torch")
    table = torch.arange(6.0).reshape(2, 3)
    torch.save({"emb.weight": table, "head.weight": table}, tmp_path / "pytorch_model.bin")
    said = refusal(tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(said.split('python -c "')[1].rstrip('"'), {})
    np.testing.assert_array_equal(read(f"{tmp_path}:emb.weight").array, table.numpy())


FOLDERS = {
    "is empty": ([], "it is empty"),
    "has other files": (["config.json", "tf_model.h5"], "it has config.json, tf_model.h5"),
    "has several models": (["a.safetensors", "b.safetensors"], "name one of a.safetensors, b"),
}


@pytest.mark.parametrize("what", FOLDERS)
def test_a_folder_without_a_model_says_what_it_has(tmp_path, what):
    """A folder without a single model is refused with a list of what it has."""
    names, words = FOLDERS[what]
    for name in names:
        (tmp_path / name).touch()
    assert words in refusal(tmp_path)


def test_one_file_of_another_name_is_the_model(tmp_path):
    """A single model file of any name is used."""
    safetensors.save_file({"t": np.ones((2, 2))}, tmp_path / "adapter.safetensors")
    assert read(str(tmp_path)).array.shape == (2, 2)


def test_a_misspelt_file_is_suggested(model):
    """For a misspelt file, one beside it is suggested."""
    said = refusal(f"{model}/model.safetensor:{WORDS}")
    assert said.endswith(f"did you mean {model}/model.safetensors?")


OUTSIDE = ["../secret.safetensors", "/etc/passwd", "..", "", "a\0b", "a/b.safetensors", "..\\x", 3]


@pytest.mark.parametrize("shard", OUTSIDE)
def test_an_index_names_no_file_outside_its_folder(shards, shard):
    """An index that names a file outside its folder is refused before any shard is opened."""
    secret = shards.parent / "secret.safetensors"
    safetensors.save_file({"t": np.ones((2, 2))}, secret)
    (shards / INDEX).write_text(json.dumps({"weight_map": {WORDS: SECOND, "t": shard}}))
    for name in ("t", WORDS):
        assert "a shard is a file beside its index" in refusal(f"{shards}:{name}")
    secret.unlink()


BAD_INDEXES = {
    "is nested deeply": "[" * 1_000_000,
    "has a long number": "9" * 10_000,
    "is a list": "[]",
    "has no map": "{}",
    "has an empty map": '{"weight_map": {}}',
    "is no JSON": "model",
    "is no text": "\udcff\udcfe",
}


@pytest.mark.parametrize("how", BAD_INDEXES)
def test_a_damaged_index_is_refused(shards, how):
    """A damaged index is refused with its name, in a short message."""
    (shards / INDEX).write_bytes(BAD_INDEXES[how].encode("utf-8", "surrogateescape"))
    said = refusal(f"{shards}:{WORDS}")
    assert said.startswith(str(shards / INDEX))
    assert len(said) < 500 + len(str(shards))


def test_a_huge_index_is_not_read(shards, monkeypatch):
    """An index larger than the limit is refused."""
    monkeypatch.setattr(own_models, "MOST_BYTES", 100)
    assert "it has over 64 MiB" in refusal(f"{shards}:{WORDS}")


def test_a_shard_without_its_tensor_is_refused(shards):
    """A shard that lacks the tensor its index promises is refused."""
    (shards / INDEX).write_text(json.dumps({"weight_map": {WORDS: FIRST}}))
    assert f"there is no tensor '{WORDS}'" in refusal(f"{shards}:{WORDS}")


def test_names_in_a_file_do_nothing_to_a_terminal(tmp_path):
    """Hostile tensor names are escaped and shortened."""
    bad = "\x1b[2Jw\u202e\nembcheck: all is well" + "x" * 500
    safetensors.save_file({bad: np.ones((2, 2)), "b": np.ones(1)}, tmp_path / "m.safetensors")
    said = refusal(tmp_path / "m.safetensors")
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert not any(line.startswith("embcheck") for line in said.splitlines())
    assert all(len(line) < 160 for line in said.splitlines()[1:])
