"""Time calls on a device, apart from the host: between two marks in the device's queue."""

from __future__ import annotations

from typing import Any

from embcheck.conformance.contract.backend import Backend, Unsupported
from embcheck.conformance.contract.call import Call


def device_seconds(
    backend: Backend, call: Call, calls: int, *, flush: bool
) -> tuple[list[float], dict[str, Any]]:
    """Return the device's seconds of each of `calls` calls, and its state before and after.

    With `flush`, its caches are overwritten before each call, outside the marks. The device is kept
    busy before the first mark, so that it need not wait for the host between the marks. Raises
    Unsupported if the adapter has no clock for its device.
    """
    if not hasattr(backend, "on_device"):
        raise Unsupported(f"the adapter {backend.info.id} has no clock of its device")
    thunk, clock = backend.on_device(call)
    thunk()  # The first call may compile, and takes memory for its answer.
    before, seconds = dict(clock.state()), []
    for _ in range(calls):
        if flush:
            clock.flush()
        clock.occupy()
        clock.start()
        thunk()
        clock.stop()
        seconds.append(float(clock.seconds()))
    return seconds, {"before": before, "after": dict(clock.state())}
