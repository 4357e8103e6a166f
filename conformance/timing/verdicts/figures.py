"""A cell's figures: rates, shares of the machine's limits, memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Observation
from embcheck.conformance.records.details import DeviceTimes, Memory, Rates, Shares
from embcheck.conformance.records.lines import Measurement, Reason, RoundsLine
from embcheck.conformance.timing.clock.arms import SENTINEL, Arm
from embcheck.conformance.timing.clock.cell import Timed
from embcheck.conformance.timing.verdicts.ceilings import Ceiling
from embcheck.conformance.timing.verdicts.decide import Because
from embcheck.conformance.timing.verdicts.raw import CellRecord, group
from embcheck.conformance.timing.verdicts.trust import with_reasons
from embcheck.conformance.timing.workloads.stored import stored_inputs
from embcheck.conformance.timing.workloads.traces import Inputs
from embcheck.conformance.timing.workloads.traffic import Traffic, mean_traffic

MOST = 1.05
"""Of the limit. A rate beyond it shows a fault of the clock or of the counted bytes."""


def annotate(line: RoundsLine, timed: Timed, ceiling: Ceiling | None) -> RoundsLine:
    """Add to a cell's rounds the inputs of its figures: bytes, ceilings, memory."""
    if timed.inputs is None or not timed.rounds:
        return line
    # Counted now, because the record does not keep the arrays.
    inputs = {
        **line.inputs,
        "forward": tuple(timed.inputs.bare.observe) == (Observation.OUTPUT,),
        "moved": asdict(traffic_of(timed.inputs)),
        "reuse": reuse_of(timed.inputs),
        "ceiling": None if ceiling is None else asdict(ceiling),
    }
    if "stored" in inputs:
        inputs["stored"] = {
            key: {
                **table,
                "moved": asdict(traffic_of(stored_inputs(timed.inputs, timed.stored[key]))),
            }
            for key, table in inputs["stored"].items()
        }
    arms = {
        key: replace(
            arm,
            memory=_memory(timed.arms[key]) if key in timed.arms else {},
            device=dict(timed.devices.get(key, {})),
        )
        for key, arm in line.arms.items()
    }
    return replace(line, inputs=inputs, arms=arms)


def traffic_of(inputs: Inputs) -> Traffic:
    """Count the bytes of a cell's calls, on average over its traces."""
    return mean_traffic(inputs.call(trace) for trace in range(len(inputs.traces)))


def reuse_of(inputs: Inputs) -> dict[str, float]:
    """Describe the reuse of rows over all traces of a cell."""
    rows = np.concatenate([trace["indices"].reshape(-1) for trace in inputs.traces])
    if not rows.size:
        return {}
    counts = np.unique(rows, return_counts=True)[1]
    return {
        "accesses_per_touched_row": float(counts.mean()),
        "rows_touched_once": float((counts == 1).mean()),
        "accesses_of_rows_touched_once": float((counts == 1).sum() / rows.size),
        "accesses_of_rows_touched_over_512_times": float(counts[counts > 512].sum() / rows.size),
    }


def with_figures(lines: Iterable[Measurement], rounds: Iterable[RoundsLine]) -> list[Measurement]:
    """Add figures to a run's measurements of arms that were timed."""
    records = group(rounds)
    return [_with_figures(line, records) for line in lines]


def _with_figures(
    line: Measurement, records: Mapping[tuple[str, str, int], CellRecord]
) -> Measurement:
    record = records[line.workload, line.state, line.threads or 0]
    details, times = line.details, line.details.times
    key = record.key(line.backend, line.role)
    moved = (record.inputs_of(key) if key else record.inputs).get("moved")
    # Rows without times have no figures. Nor have older records, in which no bytes were counted.
    if times is None or not moved:
        return line
    device, missing = device_figures(record, line.backend, line.role)
    details = replace(
        details,
        memory=_with_peaks(details.memory, record, line.backend, line.role),
        device=device,
        device_missing=missing,
    )
    if device is not None and device.device_throttled:
        said = f"the device was throttled: {device.device_throttled}"
        line = with_reasons(line, [*line.reasons, Reason(Because.THROTTLED, said)])
        line = replace(line, flags=(*line.flags, Because.THROTTLED))
    # The sentinel writes into memory that it already has, so the call's bytes are not its own.
    if line.role == SENTINEL:
        return replace(line, details=details)
    rates, ceiling = _rates(moved, times.ns_per_call), best_ceiling(record)
    details = replace(
        details,
        inputs=details.inputs and replace(details.inputs, touched_bytes=moved["touched"]),
        rates=rates,
        shares=None if ceiling is None else _shares(rates.compulsory_gb_per_s, ceiling),
    )
    return replace(line, details=details)


def best_ceiling(record: CellRecord) -> Mapping[str, Any] | None:
    """Return the best ceiling of a cell's generations; None if there is none."""
    found = [line.inputs["ceiling"] for line in record.lines if line.inputs.get("ceiling")]
    if not found:
        return None
    best = {
        name: max((one[name] for one in found), key=lambda rate: rate["bytes_per_second"])
        for name in ("gather", "copy")
    }
    return {**best, "limit": max(one["limit"] for one in found)}


def impossible(
    lines: Sequence[Measurement], rounds: Iterable[RoundsLine], limits: Mapping[int, float]
) -> dict[int, str]:
    """Describe physically impossible rates, by the position of their line; each is a harness fault.

    Only calls without gradients are checked, because a gradient's bytes depend on how it is stored.
    `limits` are bytes a second by number of threads, measured outside of the cells.
    """
    records = group(rounds)
    found = {}
    for place, line in enumerate(lines):
        if line.details.rates is None:
            continue
        rate = line.details.rates.compulsory_gb_per_s
        record = records[line.workload, line.state, line.threads or 0]
        ceiling = best_ceiling(record)
        if ceiling is None or not record.inputs["forward"]:
            continue
        # The higher limit counts: a busy machine makes a limit too low, never too high.
        limit = max(ceiling["limit"], limits.get(line.threads or 0, 0.0)) / 1e9
        if rate > MOST * limit:
            found[place] = (
                f"{rate:.3g} GB/s would be {rate / limit:.0%} of the most that this machine gave "
                f"({limit:.3g} GB/s): the clock or the count of bytes is wrong"
            )
    return found


def _rates(moved: Mapping[str, float], nanoseconds: float) -> Rates:
    """Return bandwidths in GB/s, which are bytes a nanosecond."""
    return Rates(
        logical_gb_per_s=moved["logical"] / nanoseconds,
        padded_gb_per_s=moved["padded"] / nanoseconds,
        compulsory_gb_per_s=moved["compulsory"] / nanoseconds,
        compulsory_bytes=moved["compulsory"],
    )


def _shares(compulsory: float, ceiling: Mapping[str, Any]) -> Shares:
    gather, copy = ceiling["gather"], ceiling["copy"]
    return Shares(
        share_of_gather=compulsory * 1e9 / gather["bytes_per_second"],
        share_of_copy=compulsory * 1e9 / copy["bytes_per_second"],
        gather_gb_per_s=gather["bytes_per_second"] / 1e9,
        gather_way=gather["way"],
        copy_gb_per_s=copy["bytes_per_second"] / 1e9,
        copy_way=copy["way"],
    )


def _memory(arm: Arm) -> Mapping[str, int]:
    """Return the peak of a worker's resident bytes in the cell, and its increase."""
    peak = arm.memory.peak() if arm.memory else None
    if arm.memory is None or peak is None:
        return {}
    return {"peak_bytes": peak, "peak_rise_bytes": max(0, peak - arm.memory.resident)}


def device_figures(
    record: CellRecord, backend: str, role: str
) -> tuple[DeviceTimes | None, str | None]:
    """Return a call's time on the device, over all generations, or why there is none.

    The ratio and its interval are the host's; this is another column.
    """
    key = record.key(backend, role)
    read = [arm.device for arm in record.arms(key) if arm.device] if key else []
    missing = [found["missing"] for found in read if "missing" in found]
    # A quantile over some of the generations would not be that of the cell.
    if missing or not read:
        return None, missing[0] if missing else None
    nanoseconds = np.array([one for found in read for one in found["device_seconds"]]) * 1e9
    states = [found["state"][when] for found in read for when in ("before", "after")]
    throttled = dict.fromkeys(state["throttled"] for state in states if state.get("throttled"))
    figures = DeviceTimes(
        device_p50_ns=float(np.quantile(nanoseconds, 0.5)),
        device_p99_ns=float(np.quantile(nanoseconds, 0.99)),
        device_states=tuple(states),
        device_throttled="; ".join(throttled),
    )
    return figures, None


def _with_peaks(memory: Memory | None, record: CellRecord, backend: str, role: str) -> Memory:
    """Add the largest peaks over generations."""
    key = record.key(backend, role)
    known = [arm.memory or {} for arm in record.arms(key)] if key else []
    names = dict.fromkeys(name for found in known for name in found)
    peaks = {name: max(found.get(name, 0) for found in known) for name in names}
    return replace(memory or Memory(None), **peaks)
