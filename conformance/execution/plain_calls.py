"""Whether a refused call was asked at all: what an adapter never reads, its library was not given.

An adapter may come to an option only after what is refused: a table of a dtype that the library
lacks is converted first, say. So a plain call with the same options tells whether it is ever read.
It tells so of invalid calls too. Their controls cannot, where the option makes the difference.
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
    """Asks a backend plain calls, each once, to know what its adapter never reads."""

    def __init__(self, backend: WorkerClient) -> None:
        self._backend = backend
        self._answers: dict[str, Answer] = {}

    def asked(self, call: Call, answer: Answer, spelling: str | None = None) -> Answer:
        """Return the answer to a call; if it was refused without being asked, as not supported.

        That is a refusal by the library, or by what stands before it, of a call of which the
        adapter reads a part neither before the refusal nor in an answered plain call; or reads it
        there, and then says that the plain call is not supported.
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
        # What a plain call is made of: its arrays follow from these, so that they need no look.
        dtypes = {name: array.dtype.name for name, array in plain.inputs.items()}
        key = json.dumps([describe_call(plain), dtypes, spelling], sort_keys=True)
        if key not in self._answers:
            if self._backend.info.fresh_worker_after_bad_index:
                self._backend.restart()  # The refused call may have had one.
            self._answers[key] = self._backend.ask(plain, spelling=spelling)
        return self._answers[key]


def plain_call(call: Call) -> Call:
    """Return a small valid call that has the same inputs, options and observations.

    Its table is float32 and its indices have the call's dtype, if that is int32 or int64. Options
    have the call's values where those are usual ones.
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
    """Return a legal value of an option: this one, or if it is illegal one that is no default."""
    if name in _SIZES:
        return value if value in (None, -1) else _SIZES[name]
    option = OPTIONS.get(name)
    if option is None or not option.values or value in (option.default, *option.values):
        return value
    return option.others[0]
