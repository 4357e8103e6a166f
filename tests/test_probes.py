"""Probes: missing requirements are found before they run, and warnings are returned as data."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest

from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Operation

pytest.importorskip("torch", reason="probes ask PyTorch")

from embcheck.backends.on_torch.torch_only import probes

CALL = Call(Operation.PROBE, {}, {"probe": "theme/ask"})


@pytest.mark.parametrize("reason", ["no compiler", None])
def test_a_theme_says_what_is_lacking(monkeypatch, reason):
    """If a theme lacks something, preparing its probes is unsupported, with the reason."""
    theme = SimpleNamespace(lacking=lambda: reason, ask=lambda _: {"answer": 1})
    monkeypatch.setattr(probes, "import_module", lambda _: theme)
    if reason is None:
        assert probes.prepare(CALL, "cpu")()[0] == {"answer": 1}
    else:
        with pytest.raises(Unsupported, match=reason):
            probes.prepare(CALL, "cpu")


def test_warnings_are_lines_of_text():
    """Each warning is a line of text, without its place in PyTorch's source."""

    def warn() -> int:
        warnings.warn("slow. (Triggered internally at a.cpp:1.)", UserWarning, stacklevel=1)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return 7

    assert probes.with_warnings(warn) == (7, "UserWarning: slow.\nDeprecationWarning: old")
