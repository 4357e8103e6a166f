"""Device time beside host time, with a simulated device."""

from __future__ import annotations

import numpy as np
import pytest
from embcheck_zoo.clocks import OnDevice
from timing_simulation import arm_record

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.inside.device import device_seconds
from embcheck.conformance.records.lines import RoundsLine
from embcheck.conformance.timing.verdicts.figures import device_figures
from embcheck.conformance.timing.verdicts.raw import CellRecord

CALL = Call(
    Operation.EMBEDDING, {"weight": np.ones((3, 2), np.float32), "indices": np.array([0, 2])}
)


class Clock:
    """A clock that records its calls."""

    def __init__(self):
        self.log = []

    def __getattr__(self, name):
        return lambda: self.log.append(name)

    def seconds(self):
        return 2e-6

    def state(self):
        return {"sm_mhz": 1000, "throttled": ""}


class Fake:
    """A backend with a simulated device that works at once."""

    info = NumpyReference.info

    def __init__(self):
        self.clock = Clock()

    def on_device(self, call):
        return (lambda: self.clock.log.append("call")), self.clock


@pytest.mark.parametrize("flush", [True, False])
def test_caches_are_flushed_outside_the_marks(flush):
    """Caches are flushed before the device time is taken, and the device is busy by then."""
    backend = Fake()
    seconds, states = device_seconds(backend, CALL, 2, flush=flush)
    once = [*["flush"] * flush, "occupy", "start", "call", "stop"]
    assert backend.clock.log == ["call", *once, *once]
    assert seconds == [2e-6, 2e-6]
    assert states["before"] == {"sm_mhz": 1000, "throttled": ""}


def test_an_adapter_without_a_clock_says_so():
    """An adapter without a clock of its device raises Unsupported."""
    with pytest.raises(Unsupported, match="numpy-reference has no clock of its device"):
        device_seconds(NumpyReference(), CALL, 1, flush=False)


def record(device):
    """Return the record of a cell with what was read of a device."""
    arms = {"x": arm_record("x", "candidate", device=device)}
    return CellRecord([RoundsLine("R1", "hot", 1, 0, "x", {}, arms, ())])


def test_throttling_is_flagged():
    """Device times and reasons for throttling are recorded; without a clock the reason is."""
    seconds, state = device_seconds(OnDevice(), CALL, 3, flush=True)
    read = record({"device_seconds": seconds, "state": state})
    found, _ = device_figures(read, "x", "candidate")
    assert found.device_p50_ns > 0
    assert found.device_p50_ns <= found.device_p99_ns
    assert found.device_throttled == "power cap"
    assert len(found.device_states) == 2
    missing = record({"missing": "no clock"})
    assert device_figures(missing, "x", "candidate") == (None, "no clock")
    assert device_figures(record({}), "x", "candidate") == (None, None)


def test_what_nvidia_smi_prints_is_read():
    """Clocks and throttle reasons are read from the output of nvidia-smi."""
    read_state = pytest.importorskip("embcheck.backends.on_torch.device").read_state
    state = read_state("1410, 1980, 2619, 0x0000000000000044\n")
    assert state == {
        "sm_mhz": 1410,
        "max_sm_mhz": 1980,
        "memory_mhz": 2619,
        "throttled": "power cap, hardware thermal slowdown",
    }
    assert read_state("1980, 1980, 2619, 0x0000000000000001\n")["throttled"] == ""
