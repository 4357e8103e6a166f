"""Whether a refused call reached the library: options that the adapter never reads did not.

A call may be refused before the adapter reads an option: a table of a dtype that the library lacks,
say, is converted first. So a plain call with the same options, small and valid, shows whether the
adapter ever reads it. Invalid calls need this too: their controls do not show it if the control
lacks that option.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.options import OPTIONS
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.protocol.answers import (
    Answer,
    Answered,
    NotSupported,
    Refuser,
    Rejected,
    why_none,
)
from embcheck.conformance.execution.protocol.messages import describe_call

ROWS, COLUMNS = 4, 4
INDICES = (3, 0, 3, 1)
_SIZES = {"num_embeddings": ROWS, "embedding_dim": COLUMNS, "num_classes": ROWS}


class PlainCalls:
    """The plain calls of a backend, each made once, that show what its adapter never reads."""

    def __init__(self, backend: WorkerClient) -> None:
        self._backend = backend
        self._answers: dict[str, Answer] = {}

    def asked(self, call: Call, answer: Answer, spelling: str | None = None) -> Answer:
        """Return the answer to a call, or NotSupported if the library was never given the call.

        This replaces only refusals by the library, or by a stage before it, after which options or
        inputs were still unread. They are replaced in two cases: the plain call is answered, and
        the adapter does not read one of them there either; or the adapter reads one of them there,
        and then says that the plain call is not supported.
        """
        if not isinstance(answer, Rejected) or answer.refuser is Refuser.ADAPTER:
            return answer
        if not answer.unread or call.operation is Operation.PROBE:
            return answer
        plain = self._plain_answer(call, spelling)
        if isinstance(plain, Answered):
            never = [name for name in answer.unread if name in plain.details.get("unread", ())]
            said = f"the adapter never read {', '.join(never)}: the library was not given it"
        elif isinstance(plain, NotSupported):
            never = [name for name in answer.unread if name not in plain.unread]
            said = f"a plain call with {', '.join(never)} is not supported: {plain.reason}"
        else:
            return answer
        refused = f"; what it refused is another call: {why_none(answer)}"
        return NotSupported(said + refused) if never else answer

    def _plain_answer(self, call: Call, spelling: str | None) -> Answer:
        plain = plain_call(call)
        # A plain call's arrays follow from these, so that they need not be part of the key.
        dtypes = {name: array.dtype.name for name, array in plain.inputs.items()}
        key = json.dumps([describe_call(plain), dtypes, spelling], sort_keys=True)
        if key not in self._answers:
            if self._backend.info.fresh_worker_after_bad_index:
                self._backend.restart()  # The refused call may have had a bad index.
            self._answers[key] = self._backend.ask(plain, spelling=spelling)
        return self._answers[key]


def plain_call(call: Call) -> Call:
    """Return a small valid call with the same inputs by name, options and observations.

    Its table is float32. Its indices have the call's dtype if that is int32 or int64, else int64.
    An option keeps its value unless that is illegal or a size.
    """
    whole = call.inputs["indices"].dtype
    whole = whole if whole in (np.int32, np.int64) else np.dtype(np.int64)
    options = {name: _usual(name, value) for name, value in call.options.items()}
    is_matrix = call.operation.is_bag and "offsets" not in call.inputs
    indices = np.array(INDICES, whole).reshape((2, 2) if is_matrix else -1)
    ends = [0, 2, 4] if options.get("include_last_offset") else [0, 2]
    width = ROWS if call.operation is Operation.ONE_HOT else COLUMNS
    out = (2 if call.operation.is_bag else indices.size, width)
    made = {
        "indices": indices,
        "weight": np.arange(ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS),
        "offsets": np.array(ends, whole),
        "per_sample_weights": np.ones(indices.shape, np.float32),
        "grad_output": np.ones(out, np.float32),
    }
    inputs = {name: made[name] for name in call.inputs}
    return replace(call, inputs=inputs, options=options, exported_for={})


def _usual(name: str, value: Any) -> Any:
    """Return a fitting size, a legal value as it is, or else a legal one that is no default."""
    if name in _SIZES:
        return value if value in (None, -1) else _SIZES[name]
    option = OPTIONS.get(name)
    if option is None or not option.values or value in (option.default, *option.values):
        return value
    return option.others[0]
