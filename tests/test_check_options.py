"""The smoke test finds options, compositions and lifetimes that an adapter gets wrong."""

from __future__ import annotations

import gc
import sys
from functools import cache
from importlib.metadata import entry_points

import pytest

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.contract.options import OPTIONS
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.inside.worker import Worker
from embcheck.conformance.execution.protocol.answers import Answered, parse_answer
from embcheck.conformance.execution.protocol.messages import describe_call
from embcheck.conformance.fuzzing.compare import compare
from embcheck.conformance.smoke.alone import ask_the_library
from embcheck.conformance.smoke.budget import CpuBudget
from embcheck.conformance.smoke.checks import check_budget, check_operations
from embcheck.conformance.smoke.compositions import check_compositions
from embcheck.conformance.smoke.finding import Status
from embcheck.conformance.smoke.interview import Interview
from embcheck.conformance.smoke.lifetime import check_lifetime
from embcheck.conformance.smoke.misreadings import trials
from embcheck.conformance.smoke.options import check_options, suspects, try_options
from embcheck.conformance.smoke.schemes import other_scheme

FAULTY = [
    ("padding-off-by-one", "options", "padding_idx=0 is answered as if padding_idx were -1"),
    ("ignores-padding", "options", "padding_idx=0 is answered as if padding_idx were not given"),
    ("order-for-limit", "options", "max_norm=0.25 is answered as if max_norm were 2.0"),
    ("swaps-norms", "options", "as if max_norm were 2.0 and norm_type were 0.25"),
    ("squares-limits", "options", "max_norm=0.25 is answered as if max_norm were 0.5"),
    ("ignores-limits", "options", "max_norm=0.25 is answered as if max_norm were not given"),
    ("ignores-orders", "options", "norm_type=1 is answered as if norm_type were not given"),
    ("ignores-frequencies", "options", "as if scale_grad_by_freq were False"),
    ("ignores-sparse", "options", "sparse=True is answered as if sparse were False"),
    ("negates-freeze", "options", "freeze=False is answered as if freeze were True"),
    ("negates-last-offset", "options", "as if include_last_offset were False"),
    ("swaps-modes", "options", "with mode='max' is answered as if mode were not given"),
    ("ignores-schemes", "options", "'uint4-row' is answered as if scheme were 'uint8-row'"),
    ("ignores-schemes", "options", "'nf4-block64' is answered as if scheme were 'uint8-row'"),
    ("one-scale-for-all", "options", "'int8-row' is answered as if scheme were 'int8-table'"),
    ("one-class-less", "options", "num_classes=7 is answered as if num_classes were 6"),
    ("swaps-sizes", "options", "as if num_embeddings were 6 and embedding_dim were 5"),
    ("one-row-more", "options", "num_embeddings=7 is answered as if num_embeddings were 8"),
    ("ignores-dtype", "options", "dtype='float64' is answered as if dtype were not given"),
    ("ignores-weights", "options", "as if per_sample_weights were not given"),
    ("ignores-upstream", "options", "as if grad_output were not given"),
    ("denies-the-limit", "options", "as if max_norm were not given, but not by the library alone"),
    ("declines", "operations", "one_hot is declared, but every plain valid call was not answered"),
    ("adds-up-means", "compositions", "mean: answered as if mode were sum: output[0, 0]"),
    ("divides-by-the-mean", "compositions", "of uneven bags, mean: output[0, 0]"),
    ("skips-empty-bags", "compositions", "of uneven bags, sum: output[1, 0]"),
    ("starts-at-zero", "compositions", "of uneven bags, max: output[3, 0] = 0.0"),
    ("dies-in-prepare", "operations", "embedding: in prepare, the process died of SIGSEGV"),
    ("dies-in-call", "operations", "embedding: in call, the process died of SIGSEGV"),
    ("dies-in-to-numpy", "operations", "embedding: in to_numpy, the process died of SIGSEGV"),
    ("dies-the-second-time", "lifetime", "embedding: died in second call, once memory was"),
    ("loses-its-program", "lifetime", "call raised ReferenceError: the program was freed"),
    ("dies-with-its-program", "lifetime", "embedding: died in call, once memory was collected"),
    ("points-to-freed-memory", "lifetime", "output changed once the answer was let go"),
    ("uses-its-buffer-again", "lifetime", "a later call changed the first answer: output"),
    ("counts-its-answers", "lifetime", "the same call answers otherwise the second time: output"),
]
HONEST = ["reads-rightly", "composes-rightly"]
NOT_KNOWN = [
    ("halves-limits", "options", "max_norm=0.25 departs: output[0, 0]"),
    ("library-ignores-limits", "options", "as if max_norm were not given, by its script too"),
    ("empty-is-infinite", "compositions", "max: only empty bags differ: output[1, 0] = -inf"),
]


DYING = {"dies-in-prepare", "dies-in-call", "dies-in-to-numpy", "dies-the-second-time"}
DYING |= {"dies-with-its-program"}


SHOWN = {"int8-row", "uint4-row", "nf4-block64"}
"""Schemes whose misreadings are all tried here; trying those of all 20 takes half a minute."""


class Here:
    """A worker without a process of its own, which starts faster than a real one."""

    printed_bytes = 0

    def __init__(self, name):
        self._worker = Worker(entry_points(group="embcheck.backends")[name].load()())
        self.info = self._worker.backend.info

    def request(self, header, arrays):
        copied = {name: array.copy() for name, array in arrays.items()}
        reply, home = self._worker.reply(dict(header), copied)
        home = {name: array.copy() for name, array in home.items()}
        return parse_answer(reply, home, header, arrays)

    def ask(self, call):
        return self.request({"request": "ask", "call": describe_call(call)}, call.inputs)

    def script(self, call):
        return self.request({"request": "script", "call": describe_call(call)}, call.inputs)

    def close(self):
        pass


@pytest.fixture(scope="module")
def reference():
    """Yield a worker of the reference, in this process."""
    gc.freeze()  # Calls made step by step collect garbage each time; this keeps that fast.
    yield Here("numpy-reference")
    gc.unfreeze()


@pytest.fixture(scope="module")
def found(reference):
    """Return a function that runs these checks on a zoo backend, once, and returns the findings."""

    @cache
    def find(animal):
        name = f"zoo-{animal}"
        client = WorkerClient(name) if animal in DYING else Here(name)
        interview = Interview(client, reference, sys.executable, 60)
        try:
            findings, working = check_operations(interview)
            findings += check_lifetime(interview, working)
            if animal in DYING:
                return findings
            findings += check_compositions(interview, working)
            tried = try_options(interview, working)
            alone = ask_the_library(interview, [one.question for one in suspects(tried)])
            return findings + check_options(interview, working, tried, alone)
        finally:
            client.close()

    return find


@pytest.mark.parametrize(("animal", "check", "words"), FAULTY)
def test_a_faulty_adapter_fails(found, animal, check, words):
    """A faulty adapter fails with a message that says what is wrong, and short advice."""
    failed = [one for one in found(animal) if one.status is Status.FAIL]
    assert any(words in one.message for one in failed if one.check == check), failed
    assert all(0 < len(one.advice) <= 100 for one in failed)


@pytest.mark.parametrize("animal", HONEST)
def test_an_honest_adapter_passes(found, animal):
    """An honest adapter passes all of these checks."""
    assert {one.status for one in found(animal)} == {Status.PASS}


@pytest.mark.parametrize(("animal", "check", "words"), NOT_KNOWN)
def test_what_may_be_the_library_s_is_a_warning(found, animal, check, words):
    """A departure is a warning if no known mistake explains it, or if the library departs too."""
    warned = [one for one in found(animal) if one.status is Status.WARN]
    assert any(words in one.message for one in warned if one.check == check), warned


def test_each_option_is_tried_and_each_mistake_shows(reference):
    """Each option is tried, and each misreading of it changes the answer.

    A misreading that changed nothing would let an honest adapter fail, or a wrong one pass.
    """
    info = reference.info
    tried = [trial for operation in info.operations for trial in trials(operation, info)]
    assert {trial.option for trial in tried} >= OPTIONS.keys()
    for trial in tried:
        assert trial.misreadings, trial.question.title
        right = reference.ask(trial.question.call)
        assert isinstance(right, Answered), trial.question.title
        if trial.question.call.operation.is_fresh:
            continue  # A fresh module draws its own weight; zoo backends test these options.
        if trial.option == "scheme":
            assert other_scheme(reference, trial, right) is None, trial.question.title
            is_asked = trial.question.call.option("scheme") in SHOWN
            for how, call in trial.misreadings.items() if is_asked else ():
                assert other_scheme(reference, trial, reference.ask(call)), (trial.question, how)
            continue
        for how, call in trial.misreadings.items():
            owed = reference.ask(call.of_floats())
            assert compare(call, owed, right), (trial.question.title, how)


def test_a_slow_backend_is_asked_less_and_the_output_says_so(reference):
    """Out of CPU time, only one plain call of each operation is made; skipped calls are counted."""
    interview = Interview(Here("zoo-reads-rightly"), reference, "", 60, CpuBudget(0))
    _, working = check_operations(interview)
    assert [len(asked) for asked in working.values()] == [1] * len(working)
    tried = try_options(interview, working)
    (said,) = check_budget(interview)
    assert not tried
    assert f"{interview.left_out['operations']} of operations" in said.message
    assert f"{interview.left_out['options']} of options" in said.message
    assert said.advice == "--cpu-seconds 600 asks them too"


def test_a_script_that_was_not_run_for_lack_of_time_accuses_nobody(reference):
    """A departure whose script was not run, for lack of time, is only a warning."""
    interview = Interview(Here("zoo-denies-the-limit"), reference, sys.executable, 60)
    _, working = check_operations(interview)
    tried = try_options(interview, {Operation.EMBEDDING: working[Operation.EMBEDDING]})
    plain = [working[Operation.EMBEDDING][-1].question]
    found = check_options(interview, working, tried, ask_the_library(interview, plain))
    assert {one.status for one in found} == {Status.WARN}


def test_each_operation_has_trials(reference):
    """Each operation has at least one trial of an option."""
    for operation in set(reference.info.operations) - {Operation.PROBE}:
        assert list(trials(operation, reference.info)), operation
