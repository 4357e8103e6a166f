"""What a cell's times mean: rates, shares of what the machine can give, memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Observation
from embcheck.conformance.records.lines import Measurement, RoundsLine
from embcheck.conformance.timing.clock.arms import SENTINEL, Arm
from embcheck.conformance.timing.clock.cell import Timed
from embcheck.conformance.timing.verdicts.ceilings import Ceiling
from embcheck.conformance.timing.verdicts.raw import Record, group
from embcheck.conformance.timing.verdicts.trust import join
from embcheck.conformance.timing.workloads.traces import Inputs
from embcheck.conformance.timing.workloads.traffic import Traffic, mean_traffic

THROTTLED = "throttled"
MOST = 1.05
"""Of the limit: what is beyond is no speed, but a fault of the clock or of the counted bytes."""


def annotate(line: RoundsLine, timed: Timed, ceiling: Ceiling | None) -> RoundsLine:
    """Add to a cell's rounds what its figures are counted from: bytes, ceilings, memory."""
    if timed.inputs is None or not timed.rounds:
        return line
    inputs = {
        **line.inputs,
        "forward": tuple(timed.inputs.bare.observe) == (Observation.OUTPUT,),
        "moved": asdict(traffic_of(timed.inputs)),
        "reuse": reuse_of(timed.inputs),
        "ceiling": None if ceiling is None else asdict(ceiling),
    }
    arms = {
        key: {
            **arm,
            "memory": _memory(timed.arms[key]) if key in timed.arms else {},
            "device": dict(timed.devices.get(key, {})),
        }
        for key, arm in line.arms.items()
    }
    return replace(line, inputs=inputs, arms=arms)


def traffic_of(inputs: Inputs) -> Traffic:
    """Count the bytes of a cell's calls, on average over its traces."""
    return mean_traffic(inputs.call(trace) for trace in range(len(inputs.traces)))


def reuse_of(inputs: Inputs) -> dict[str, float]:
    """Describe how often the traces of a cell, together, look the same rows up."""
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
    """Add a run's figures to its measurements; what was not timed has none."""
    records = group(rounds)
    return [_with_figures(line, records) for line in lines]


def _with_figures(line: Measurement, records: Mapping[tuple[str, str, int], Record]) -> Measurement:
    if "ns_per_call" not in line.details or "moved" not in line.details:
        return line
    record = records[line.workload, line.state, line.threads or 0]
    details = {name: value for name, value in line.details.items() if name not in _RAW}
    details |= _peaks(record, line.backend, line.role)
    details |= device_figures(record, line.backend, line.role)
    if details.get("device_throttled"):
        said = f"the device was throttled: {details['device_throttled']}"
        line = replace(line, message=join(line.message, said), flags=(*line.flags, THROTTLED))
    if line.role == SENTINEL:
        return replace(line, details=details)
    details |= _rates(line)
    ceiling = best_ceiling(record)
    if ceiling is None:
        return replace(line, details=details)
    details |= _shares(details["compulsory_gb_per_s"], ceiling)
    return replace(line, details=details)


_RAW = ("moved", "ceiling", "forward")


def best_ceiling(record: Record) -> Mapping[str, Any] | None:
    """Return the best of what the generations measured; None if none did."""
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
    """Name the figures that no machine can have, by the place of their line: faults of ours.

    Only lookups are held to it: what a gradient must move depends on how it is stored. `limits`
    are bytes a second that were reached with a number of threads outside of any cell.
    """
    records = group(rounds)
    found = {}
    for place, line in enumerate(lines):
        rate = line.details.get("compulsory_gb_per_s")
        if rate is None:
            continue
        record = records[line.workload, line.state, line.threads or 0]
        ceiling = best_ceiling(record)
        if ceiling is None or not record.inputs["forward"]:
            continue
        limit = max(ceiling["limit"], limits.get(line.threads or 0, 0.0)) / 1e9
        if rate > MOST * limit:
            found[place] = (
                f"{rate:.3g} GB/s would be {rate / limit:.0%} of the most that this machine gave "
                f"({limit:.3g} GB/s): the clock or the count of bytes is wrong"
            )
    return found


def _rates(line: Measurement) -> dict[str, Any]:
    """Return bandwidths in GB/s, which are bytes a nanosecond."""
    moved, nanoseconds = line.details["moved"], line.details["ns_per_call"]
    return {
        **{
            f"{name}_gb_per_s": moved[name] / nanoseconds
            for name in ("logical", "padded", "compulsory")
        },
        "compulsory_bytes": moved["compulsory"],
        "touched_bytes": moved["touched"],
    }


def _shares(compulsory: float, ceiling: Mapping[str, Any]) -> dict[str, Any]:
    gather, copy = ceiling["gather"], ceiling["copy"]
    return {
        "share_of_gather": compulsory * 1e9 / gather["bytes_per_second"],
        "share_of_copy": compulsory * 1e9 / copy["bytes_per_second"],
        "gather_gb_per_s": gather["bytes_per_second"] / 1e9,
        "gather_way": gather["way"],
        "copy_gb_per_s": copy["bytes_per_second"] / 1e9,
        "copy_way": copy["way"],
    }


def _memory(arm: Arm) -> Mapping[str, int]:
    """Return the most resident bytes of a worker in the cell, and how much that was more."""
    peak = arm.memory.peak() if arm.memory else None
    if arm.memory is None or peak is None:
        return {}
    return {"peak_bytes": peak, "peak_rise_bytes": max(0, peak - arm.memory.resident)}


def device_figures(record: Record, backend: str, role: str) -> dict[str, Any]:
    """Return a call's time on the device, over all generations, and what the device's clocks were.

    The ratio and its interval are the host's; this is a column beside them.
    """
    key = record.key(backend, role)
    read = [arm["device"] for arm in record.arms(key) if arm.get("device")] if key else []
    missing = [found["missing"] for found in read if "missing" in found]
    if missing:
        return {"device_missing": missing[0]}
    if not read:
        return {}
    nanoseconds = np.array([one for found in read for one in found["device_seconds"]]) * 1e9
    states = [found["state"][when] for found in read for when in ("before", "after")]
    throttled = dict.fromkeys(state["throttled"] for state in states if state.get("throttled"))
    return {
        "device_p50_ns": float(np.quantile(nanoseconds, 0.5)),
        "device_p99_ns": float(np.quantile(nanoseconds, 0.99)),
        "device_states": states,
        "device_throttled": "; ".join(throttled),
    }


def _peaks(record: Record, backend: str, role: str) -> dict[str, int]:
    """Return the largest peaks over generations."""
    key = record.key(backend, role)
    known = [arm.get("memory") or {} for arm in record.arms(key)] if key else []
    names = dict.fromkeys(name for found in known for name in found)
    return {name: max(found.get(name, 0) for found in known) for name in names}
