"""No backend is FASTER by a false clock, remembered answers, or work outside its calls."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from embcheck_zoo import hostile_clocks as zoo
from test_timing_figures import CEILING, MOVED
from timing_simulation import arm_record
from tiny_workload import tiny_workload

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.conformance.execution.inside.held import HeldCalls
from embcheck.conformance.execution.protocol.answers import broken_protocol, parse_answer
from embcheck.conformance.execution.protocol.wire import Broken
from embcheck.conformance.records.lines import RoundsLine
from embcheck.conformance.records.run import read_runs
from embcheck.conformance.timing.clock import gate, outside
from embcheck.conformance.timing.clock.arms import CANDIDATE, Arm
from embcheck.conformance.timing.clock.freshness import left_to_the_reading, remembers
from embcheck.conformance.timing.clock.outside import Moment, Seen, disbelieve
from embcheck.conformance.timing.clock.schedule import ArmLost
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.clock.spots import SpotChecks
from embcheck.conformance.timing.runs.session import run_timing
from embcheck.conformance.timing.verdicts.measurements import measurements
from embcheck.conformance.timing.verdicts.trust import row_of
from embcheck.conformance.timing.workloads.load import load_workloads
from embcheck.conformance.timing.workloads.traces import make_inputs

WORKLOAD = tiny_workload(
    "rows: 500, columns: 8, indices: 3000, states: [hot], threads: [all], seconds: 0.1",
    "rows: 500, columns: 8, indices: 3000, states: [hot], threads: [all], seconds: 0.1",
)
BEFORE, AFTER = Moment(100.0, 50.0, {}), Moment(100.010, 50.008, {})
TOLD = {
    "begun": 100.001,
    "ended": 100.009,
    "cpu_begun": 50.0005,
    "cpu_ended": 50.007,
    "seconds": 0.005,
    "cpu_seconds": 0.005,
    "switches": 1,
    "idle_seconds": 0.02,
    "idle_cpu_seconds": 1e-5,
    "background_seconds": -1e-7,
    "untimed_cpu_seconds": 0.001,
}


def test_an_honest_clock_is_believed():
    """A clock whose readings lie within the harness's own is accepted."""
    assert disbelieve(BEFORE, AFTER, TOLD, 10) is None
    assert disbelieve(BEFORE, AFTER, {**TOLD, "begun": 100.0, "ended": 100.010}, 10) is None
    assert disbelieve(Moment(100.0, None, {}), AFTER, {**TOLD, "cpu_begun": 1.0}, 10) is None
    assert disbelieve(BEFORE, AFTER, {**TOLD, "seconds": 0}, 1) is None


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"begun": 99.9}, "not the machine's"),
        ({"begun": 10.001, "ended": 10.009}, "not the machine's"),
        ({"begun": 100.02, "ended": 100.03}, "not the machine's"),
        ({"ended": 100.011}, "not the machine's"),
        ({"begun": 100.005, "ended": 100.004}, "seconds is 0.005, which cannot be"),
        ({"begun": math.nan}, "begun is nan"),
        ({"ended": math.inf}, "ended is inf"),
        ({"begun": -math.inf}, "begun is -inf"),
        ({"begun": "100.001"}, "begun is no number: '100.001'"),
        ({"begun": None}, "begun is no number"),
        ({"begun": True}, "begun is no number"),
        ({"begun": 10**400}, "cannot be believed"),
        ({"seconds": 0.0081}, "seconds is 0.0081, which cannot be"),
        ({"seconds": -0.001}, "seconds is -0.001, which cannot be"),
        ({"seconds": 0}, "10 calls took no time"),
        ({"seconds": math.nan}, "seconds is nan"),
        ({"seconds": "x" * 10**6}, "seconds is no number: 'xxx"),
        ({"cpu_begun": 49.9}, "not the kernel's"),
        ({"cpu_ended": 50.02}, "not the kernel's"),
        ({"cpu_begun": 5.0, "cpu_ended": 5.006}, "not the kernel's"),
        ({"cpu_seconds": 0.007}, "cpu_seconds is 0.007, which cannot be"),
        ({"cpu_seconds": math.nan}, "cpu_seconds is nan"),
        ({"switches": math.nan}, "switches is nan"),
        ({"switches": -1}, "switches is -1, which cannot be"),
        ({"idle_seconds": -0.5}, "idle_seconds is -0.5, which cannot be"),
        ({"idle_cpu_seconds": math.inf}, "a difference of CPU times is inf"),
        ({"background_seconds": []}, "a difference of CPU times is no number"),
    ],
)
def test_a_reading_that_cannot_be_is_named(told, words):
    """A reading outside the harness's own, or that is no plausible number, is named."""
    said = disbelieve(BEFORE, AFTER, {**TOLD, **told}, 10)
    assert "clock in its worker" in said
    assert words in said
    assert len(said) < 200


@pytest.mark.parametrize("missing", list(TOLD))
def test_a_reply_that_lacks_a_reading_is_named(missing):
    """A reply without one of the readings is refused."""
    told = {name: value for name, value in TOLD.items() if name != missing}
    assert "is no number: 'None'" in disbelieve(BEFORE, AFTER, told, 10)


def blocks(rate=1.0, noise=0.0, count=16, overhead=0.0005, waited=0.0):
    """Return blocks of 4 ms whose clock runs at a rate, with noise and waiting for a core."""
    draw = np.random.default_rng(1)
    found = []
    for _ in range(count):
        late = float(draw.exponential(noise)) if noise else 0.0
        found.append(Seen(10, 0.004 * rate, 0.004 + overhead + late + waited, waited))
    return found


def repeats(rate=1.0, **more):
    """Return a function that times further blocks, whose clock runs at a rate."""

    def repeat(calls):
        (block,) = blocks(rate, count=1, **more)
        factor = calls / 10
        longer = block.duration + (factor - 1) * 0.004
        return replace(block, calls=calls, seconds=block.seconds * factor, duration=longer)

    return repeat


@pytest.mark.parametrize(
    ("rate", "is_shown"), [(0.1, True), (0.5, True), (0.9, True), (0.99, False), (1.0, False)]
)
def test_missing_time_is_found_in_longer_blocks(rate, is_shown):
    """A clock that hides a tenth of the time is found by longer blocks."""
    said = outside.hides_time(blocks(rate), repeats(rate), usual=0.0007, thorough=True)
    assert (said is not None) is is_shown
    assert said is None or "and of others no larger share" in said


def test_who_lies_in_the_usual_blocks_only_is_found():
    """A clock that lies only in blocks of the usual length is found."""

    def repeat(calls):
        return repeats(0.1 if calls == 10 else 1.0)(calls)

    assert outside.hides_time(blocks(0.1), repeat, usual=0.0007, thorough=False) is not None


@pytest.mark.parametrize("waited", [0.0, 0.003, 0.05])
def test_who_waits_for_a_core_is_not_accused(waited):
    """Time in which the kernel ran other processes is not counted as missing."""
    honest = blocks(waited=waited)
    assert outside.hides_time(honest, repeats(waited=waited), usual=0.0007, thorough=True) is None


def test_waiting_hides_no_lie():
    """A clock at a tenth of the speed is found although some requests waited for a core."""
    late = [Seen(10, 0.02, 0.2, waited) for waited in [0.18] * 4 + [0.1] * 8]
    said = outside.hides_time(late, lambda _: late[-1], usual=0.0007, thorough=True)
    assert "cannot be believed" in said


def test_one_undisturbed_block_clears():
    """A backend is cleared if one request takes no longer than its block."""
    late = [replace(block, duration=0.03) for block in blocks()]
    answers = iter([late[0]] * 3 + [*blocks()] * 2)
    said = outside.hides_time(late, lambda _: next(answers), usual=0.0007, thorough=True)
    assert said is None


def test_helpers_are_given_time():
    """Time to wake helper threads is not counted as missing."""
    for help_, is_shown in ((0.005, False), (None, False), (0.0, True), (0.0001, True)):

        def repeat(calls, help_=help_):
            return replace(repeats(overhead=0.0105)(calls), help=help_)

        honest = [replace(block, help=help_) for block in blocks(overhead=0.0105)]
        said = outside.hides_time(honest, repeat, usual=0.0, thorough=False)
        assert (said is not None) is is_shown


def test_a_slow_machine_accuses_nobody():
    """On a slow machine, the overhead of trusted requests is allowed to others too."""
    slow = {"overhead": 0.003}
    usual = outside.usual_overhead(blocks(**slow))
    assert usual == pytest.approx(0.003)
    for allowed, is_shown in ((usual, False), (0.0, True)):
        said = outside.hides_time(blocks(**slow), repeats(**slow), usual=allowed, thorough=True)
        assert (said is not None) is is_shown


def test_the_kernel_counts_the_cpu_time_of_others():
    """CPU time that a process reports lies between two readings from outside."""
    code = "import time; [print(time.process_time(), flush=True) for _ in iter(input, 'end')]"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if outside.cpu_seconds(process.pid) is None:
            process.communicate("end\n")
            pytest.skip("this system tells no CPU time of other processes")
        for _ in range(200):
            before = outside.cpu_seconds(process.pid)
            process.stdin.write("\n")
            process.stdin.flush()
            told = float(process.stdout.readline())
            assert before <= told <= outside.cpu_seconds(process.pid)
        process.communicate("end\n")
    assert outside.cpu_seconds(process.pid) is None
    assert outside.look(process.pid).waited is None


def test_kin_is_found_in_another_session(tmp_path):
    """A process that left the worker's session is found by TMPDIR in its environment."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells the environment of other processes")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    code = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()'], "
        "stdin=subprocess.PIPE, start_new_session=True); print(p.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment,
    ) as process:  # fmt: skip
        child = int(process.stdout.readline())
        deadline = time.monotonic() + 10
        while not (found := outside.kin_of(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert found == (child,)
        process.communicate("\n")


def test_work_of_kin_is_idle_work():
    """CPU time between requests counts as idle work, of the worker and of its descendants."""
    rested = Moment(1.0, 5.0, {7: 1.0, 8: 2.0})
    asked = Moment(1.1, 5.00005, {7: 1.05, 9: 4.0})
    assert outside.idle_cpu_seconds(rested, asked) == pytest.approx(0.04995)
    assert outside.idle_cpu_seconds(None, asked) == 0.0
    assert outside.idle_cpu_seconds(rested, replace(asked, kin={})) == 0.0


def parsed(asked, reply, arrays):
    """Return the answer as a client would; an invalid reply ends the worker."""
    try:
        return parse_answer(reply, arrays, asked)
    except Broken as broken:
        return broken_protocol(broken)


class InProcess:
    """A client whose worker is this process, so that a gate starts at once."""

    pid, import_seconds = None, 0.0

    def __init__(self, backend):
        self._requests = HeldCalls(backend).requests
        self.info = backend.info

    def request(self, header, arrays=None, timeout=None):
        del timeout
        told, home = self._requests[header["request"]](dict(header), dict(arrays or {}))
        return parsed(header, {"status": "answered", **told}, home)

    def kill(self):
        """Do nothing, since the worker is this process."""

    close = kill


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Return the inputs of a workload of 3,000 lookups."""
    file = tmp_path_factory.mktemp("workload") / "w.yaml"
    file.write_text(WORKLOAD, "utf-8")
    (workload,) = load_workloads([file]).values()
    return make_inputs(workload, workload.profiles["quick"], 1)


def arm_of(make):
    """Return an arm of a backend in this process."""
    arm = Arm("a", "a", CANDIDATE, InProcess(make()))
    arm.spare = lambda: InProcess(make())
    return arm


@pytest.fixture(scope="module")
def oracle(inputs):
    """Return the definition's answers."""
    return gate.ask_oracle(arm_of(NumpyReference), inputs)


def arrays_of(inputs):
    """Return inputs with copies of the arrays, as a worker gets."""
    traces = tuple({k: v.copy() for k, v in trace.items()} for trace in inputs.traces)
    return replace(inputs, traces=traces)


def admitted(make, inputs, oracle):
    """Let a backend through the gate, and return what the gate found."""
    own = arrays_of(inputs)
    copies = tuple(replace(one, call=own.call(turn)) for turn, one in enumerate(oracle.traces))
    return gate.admit(arm_of(make), own, replace(oracle, traces=copies))


REMEMBERING = {
    zoo.RemembersBytes: "after its last answer was overwritten",
    zoo.RemembersHash: "after its last answer was overwritten",
    zoo.RemembersIdentity: "after its last answer was overwritten",
    zoo.RemembersASample: "the answer follows one changed index and not another",
    zoo.RemembersTheLast: "after its last answer was overwritten",
    zoo.RemembersBytesOpaquely: "answers are remembered: a call takes",
    zoo.HandsOutViews: "the same answer comes twice",
    zoo.CopiesWhatItKnew: "after its last answer was overwritten",
    zoo.Repairs: "after its last answer was overwritten",
}


@pytest.mark.parametrize(("make", "words"), REMEMBERING.items())
def test_what_is_not_computed_by_the_call_is_not_timed(make, words, inputs, oracle):
    """A backend that remembers answers by any key, or copies them, is refused by the gate."""
    with pytest.raises(ArmLost, match=words):
        admitted(make, inputs, oracle)


def test_work_for_the_reader_is_not_timed(inputs):
    """A call that leaves all work to the reading of its answer is refused by the gate."""
    with pytest.raises(ArmLost, match="the work is left to the reading"):
        gate.answers_by_itself(held_arm(zoo.CountsItsCalls, inputs))


@pytest.mark.parametrize("make", [NumpyReference, zoo.Slow, zoo.KeepsCollecting])
def test_who_computes_passes(make, inputs, oracle):
    """An honest backend passes the same gate each time."""
    for _ in range(5):
        assert admitted(make, inputs, oracle)["index_change"] == gate.SAME_THUNK


class Simulated:
    """An arm with simulated times for calls on known and on new indices, with noise."""

    def __init__(self, seed, new=1e-4, known=1e-4, noise=0.0, whole=None, is_suspect=False):
        self._random = np.random.default_rng(seed)
        self._seconds = {True: new, False: known}
        self._noise, self._whole = noise, whole
        self._burst = 0
        self._is_suspect = is_suspect
        self.series = 0

    def fresh_calls(self, _, order, *, whole, seed):
        del seed
        is_series = len(order) > 10
        self.series += is_series
        if self._is_suspect and not is_series:
            return [1e-3] * 3, [1e-4] * 3
        found = {True: [], False: []}
        for is_new in order:
            differs = is_new and (self._whole is None or whole is self._whole)
            found[is_new].append(self._seconds[differs] * self._disturbance())
        return found[True], found[False]

    def _disturbance(self):
        """Return a factor: 1, or in bursts of some calls a random larger one."""
        if self._burst == 0 and self._random.random() < self._noise:
            self._burst = int(self._random.integers(1, 40))
        self._burst = max(0, self._burst - 1)
        return 1 + (self._random.pareto(1.1) * 10 if self._burst else 0.0)


def test_noise_is_accused_of_memory_as_rarely_as_counted(inputs):
    """Suspicions caused by bursts of noise are confirmed less than once in a hundred."""
    arms = [Simulated(seed, noise=0.2, is_suspect=True) for seed in range(120)]
    accused = sum(remembers(arm, inputs) is not None for arm in arms)
    assert sum(arm.series == 4 for arm in arms) > 115
    assert accused <= 1


def test_few_are_suspect_by_noise(inputs):
    """Noise makes few arms suspect, since three looks in a row must show it."""
    arms = [Simulated(seed, noise=0.2) for seed in range(120)]
    assert not any(remembers(arm, inputs) for arm in arms)
    assert sum(arm.series > 0 for arm in arms) < 12


@pytest.mark.parametrize(
    ("new", "whole", "noise", "least"),
    [(2e-4, None, 0.0, 50), (2e-4, None, 0.02, 30), (1e-3, True, 0.0, 50), (2e-4, True, 0.0, 0)],
)
def test_memory_is_seen_through_noise(inputs, new, whole, noise, least):
    """Twice the time on new indices is found in spite of noise.

    If all indices are new, more than three times is needed.
    """
    arms = [Simulated(seed, new=new, noise=noise, whole=whole) for seed in range(50)]
    found = sum(remembers(arm, inputs) is not None for arm in arms)
    assert found >= least
    assert least or not found


def test_one_worker_alone_accuses_nobody(monkeypatch, inputs, oracle):
    """Remembering must be seen in two workers to be reported."""
    first, said = arm_of(NumpyReference), ["it remembers"]

    def seen(arm, _):
        return said[0] if arm is first else said[-1]

    monkeypatch.setattr(gate, "remembers", seen)
    said.append(None)
    gate.computes_what_is_new(first, inputs, oracle)
    said[-1] = "it remembers"
    with pytest.raises(ArmLost, match="seen in two workers"):
        gate.computes_what_is_new(first, inputs, oracle)


@pytest.mark.parametrize(
    ("calls", "reads", "copies", "is_shown"),
    [
        (1e-6, [2e-3] * 3, 1e-5, True),
        (1e-6, [2e-3, 2e-3, 5e-5], 1e-5, False),
        (1e-6, [2e-3] * 3, 6e-4, False),
        (5e-3, [2e-3] * 3, 1e-5, False),
    ],
)
def test_to_read_costs_no_more_than_the_call_or_copies(calls, reads, copies, is_shown):
    """Reading an answer may take as long as some copies or a part of the call, but no more."""
    told = {"call_seconds": [calls] * 3, "read_cpu_seconds": reads, "copy_cpu_seconds": [copies]}
    arm = SimpleNamespace(reading_work=lambda _: told)
    assert (left_to_the_reading(arm) is not None) is is_shown


class Fixed(random.Random):
    """A random generator that always chooses a spot check, and whether an index is changed."""

    def __init__(self, changed):
        super().__init__(1)
        self._changed = changed

    def random(self):
        return 0.0 if self._changed is None else [0.0, 0.9][self._changed]


def held_arm(make, inputs):
    """Return an arm that holds a call and is ready to be timed."""
    own = arrays_of(inputs)
    arm = arm_of(make)
    arm.store(own.shared)
    arm.hold(0, own.call(0), own.shared)
    arm.settle([0])
    return arm


def test_a_cheap_call_in_a_block_is_found(inputs, oracle):
    """A backend that computes only some calls of a block is found by blocks of random length."""
    arm = held_arm(zoo.CheapInBlocks, inputs)
    arm.time(zoo.PATIENCE)
    gate.judge_last(arm, oracle)
    spots = SpotChecks(oracle)

    def some_blocks():
        for _ in range(300):
            arm.time(zoo.PATIENCE)
            spots.after_block(arm, zoo.PATIENCE, follows=True)

    with pytest.raises(ArmLost, match="in a block of random length, the last timed answer"):
        some_blocks()


@pytest.mark.parametrize("changed", [True, False])
def test_spot_checks_leave_no_trace(inputs, oracle, changed):
    """A spot check restores the changed index and the last answer."""
    arm = held_arm(NumpyReference, inputs)
    draw = SimpleNamespace(
        random=iter([0.0, 0.9 if changed else 0.0] * 9).__next__,
        randint=lambda *_: 3,
        choice=lambda items: items[0],
    )
    spots = SpotChecks(oracle, draw)
    for _ in range(4):
        arm.time(5)
        spots.after_block(arm, 5, follows=True)
        gate.judge_last(arm, oracle)
    assert len(arm.seen) == 8


def test_spot_checks_go_on_but_become_rare():
    """Spot checks become rarer: of many arms, about two in 16 blocks, ten in a thousand."""
    judged = []
    arm = SimpleNamespace(time=lambda *_: None, last_id=0, seen=[])
    oracle = SimpleNamespace(traces=(SimpleNamespace(trains=False),), others=())
    draw = random.Random(1)
    counts = np.zeros((200, 1000))
    for spots, found in zip((SpotChecks(oracle, draw) for _ in counts), counts, strict=True):
        with patch.object(gate, "judge_timed", lambda *_: judged.append(1)):
            for block in range(found.size):
                before = len(judged)
                spots.after_block(arm, 5, follows=False)
                found[block] = len(judged) - before
    assert 1.5 < counts[:, :16].sum(1).mean() < 2.5
    assert 9 < counts.sum(1).mean() < 11


def test_no_spot_check_is_made_of_training():
    """A call that trains goes on from the last step, so no block of it is checked."""
    asked = []
    arm = SimpleNamespace(time=asked.append, last_id=0)
    oracle = SimpleNamespace(traces=(SimpleNamespace(trains=True),), others=())
    SpotChecks(oracle, Fixed(None)).after_block(arm, 5, follows=True)
    assert asked == []


def lines(costs, compulsory):
    """Return the rounds of three generations of a cell, given each arm's seconds per call."""
    roles = ["reference", "candidate", "candidate"]
    arms = {
        name: arm_record(name, role, clock={"loop_seconds": 0.0, "timer_seconds": 0.0})
        for name, role in zip(costs, roles, strict=False)
    }
    arms["twin"] = replace(next(iter(arms.values())), role="a/a")
    seconds = {**costs, "twin": next(iter(costs.values()))}
    read = tuple(
        {
            "order": list(arms),
            "blocks": {name: [[seconds[name], *[0.0] * 6]] * 2 for name in arms},
            "noise": {},
        }
        for _ in range(6)
    )
    inputs = {
        "ceiling": vars(CEILING) | {"gather": vars(CEILING.gather), "copy": vars(CEILING.copy)},
        "forward": True,
        "moved": {**MOVED, "compulsory": compulsory},
        "lookups": 10,
        "bags": None,
        "table": [1, 1, "float32"],
        "table_bytes": 4,
        "last_level_cache_bytes": None,
        "touched_bytes": 4.0,
        "trace_sha256": ["0"],
    }
    return [
        RoundsLine("R1", "hot", 1, number, next(iter(costs)), inputs, arms, read)
        for number in range(3)
    ]


def test_an_impossible_rate_has_no_verdict():
    """A backend with an impossible rate gets no verdict, and the others keep theirs."""
    rounds = lines({"a": 1e-6, "b": 1e-7, "c": 5e-7}, 1000.0)
    found = measurements(rounds, ["a", "b", "c"], 3)
    assert [line.verdict for line in found[:3]] == ["SAME", "FASTER", "FASTER"]
    said = {row_of(found[1]): "10 times what this machine gave"}
    found = measurements(rounds, ["a", "b", "c"], 3, said)
    assert [line.verdict for line in found[:3]] == ["SAME", "INCONCLUSIVE", "FASTER"]
    assert "impossible" in found[1].flags
    assert "10 times what this machine gave" in found[1].message
    assert found[1].break_even_calls is None


def test_nothing_is_compared_with_an_impossible_reference():
    """If the reference's rate is impossible, no backend gets a verdict."""
    rounds = lines({"a": 1e-6, "b": 1e-7, "c": 5e-6}, 1000.0)
    said = {row_of(measurements(rounds, ["a", "b", "c"], 3)[0]): "too fast"}
    found = measurements(rounds, ["a", "b", "c"], 3, said)
    assert {line.verdict for line in found} <= {"INCONCLUSIVE", "NOT TIMED"}
    assert "the reference row's rate is impossible: too fast" in found[2].message


@contextmanager
def _reply(**told):
    yield SimpleNamespace(
        pid=None, request=lambda asked, *_: parsed(asked, {"status": "answered", **told}, {})
    )


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda arm: arm.settle([0]), {"timer_seconds": math.nan, "loop_seconds": 0.0}),
        (lambda arm: arm.settle([0]), {"timer_seconds": 1e9, "loop_seconds": 0.0}),
        (lambda arm: arm.settle([0]), {}),
        (lambda arm: arm.look_at_bytes(0), {"changed": "two", "calls": 5}),
        (lambda arm: arm.read_at_once(0), {"call_seconds": [math.inf], "read_seconds": [0.0]}),
        (lambda arm: arm.read_at_once(0), {"call_seconds": 3, "read_seconds": [0.0]}),
        (lambda arm: arm.read_at_once(0), {"call_seconds": [], "read_seconds": []}),
        (lambda arm: arm.reading_work(0), {"call_seconds": [1.0]}),
        (
            lambda arm: arm.reading_work(0),
            {"call_seconds": [], "read_cpu_seconds": [], "copy_cpu_seconds": []},
        ),
        (lambda arm: arm.fresh_calls(0, [True], whole=True, seed=1), {"seconds": [None]}),
        (lambda arm: arm.fresh_calls(0, [True], whole=True, seed=1), {"seconds": []}),
        (lambda arm: arm.threads(), {"pools": 3, "threads_by_name": {}, "working_threads": 1}),
        (lambda arm: arm.threads(), {"pools": {"a": "x"}, "threads_by_name": {}}),
        (lambda arm: arm.device(0, 1, flush=False), {"device_seconds": [math.nan], "state": {}}),
        (lambda arm: arm.device(0, 1, flush=False), {"device_seconds": [], "state": {}}),
        (lambda arm: arm.time(1), {"seconds": 1.0}),
    ],
)
def test_a_reply_of_another_form_loses_the_arm_only(ask, told):
    """An implausible or invalid reply about a held call loses that arm only."""
    with (
        _reply(**told) as client,
        pytest.raises(ArmLost, match=r"cannot be believed|broke the protocol"),
    ):
        ask(Arm("a", "a", CANDIDATE, client, _ids=[0]))


CHEATS = {
    "zoo-clock-at-a-tenth": "not the machine's",
    "zoo-cpu-clock-at-a-tenth": "not the kernel's",
    "zoo-clock-of-blocks": "and of others no larger share",
    "zoo-clock-of-nothing": "prepare_seconds",
    "zoo-remembers-bytes-opaquely": "seen in two workers",
    "zoo-works-while-idle": "not the kernel's",
}


def test_who_cheats_gets_no_figure_and_the_others_do(tmp_path):
    """In a run, each cheating backend is NOT TIMED with its reason, and the reference is timed."""
    (tmp_path / "w.yaml").write_text(WORKLOAD, "utf-8")
    workloads = list(load_workloads([tmp_path / "w.yaml"]).values())
    settings = TimingSettings(generations=1, block_seconds=0.002, ceilings=False)
    run_timing(["numpy-reference", *CHEATS], workloads, tmp_path / "out", settings)
    (run,) = read_runs(tmp_path / "out")
    found = {(line.backend, line.role): line for line in run.measurements}
    assert found["numpy-reference", "reference"].ns_per_lookup > 0
    for name, words in CHEATS.items():
        assert found[name, "candidate"].verdict == "NOT TIMED"
        assert words in found[name, "candidate"].message


def test_a_helper_spoils_the_verdicts(tmp_path):
    """A backend whose helper process works between blocks makes the cell INCONCLUSIVE, by name."""
    (tmp_path / "w.yaml").write_text(WORKLOAD, "utf-8")
    workloads = list(load_workloads([tmp_path / "w.yaml"]).values())
    settings = TimingSettings(generations=1, block_seconds=0.002, ceilings=False)
    run_timing(["numpy-reference", "zoo-has-a-helper"], workloads, tmp_path / "out", settings)
    (run,) = read_runs(tmp_path / "out")
    line = run.measurements[1]
    assert line.verdict == "INCONCLUSIVE"
    assert "zoo-has-a-helper used" in line.message
