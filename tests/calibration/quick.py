"""How often the quick profile finds 10 or 20 % more work, and how often it errs on equal work.

Run `python -m calibration.quick --minutes 25` in `tests/`, on a quiet machine. A trial is a cell of
the quick profile: it has as many generations, and rounds for as many seconds, through the same
workers, clock and schedule. Twelve trials are judged together, by the rules of a run: an A/A row,
moderated variances, disturbed rounds, and the false discovery rate. `--simulate` does the same on a
simulated machine, whose noise is given.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibration.summary import CELLS
from calibration.trial import Effort, run_trial, states
from embcheck.conformance.records.details import Rounds, TimingDetails
from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.timing.clock.arms import A_A, CANDIDATE, REFERENCE
from embcheck.conformance.timing.clock.settings import GENERATIONS
from embcheck.conformance.timing.statistics.estimate import Estimate, estimate, log_ratios
from embcheck.conformance.timing.statistics.moderation import moderate
from embcheck.conformance.timing.verdicts.trust import (
    Judged,
    correct,
    limit_run,
    limit_verdicts,
)
from embcheck.conformance.timing.workloads.load import select_workloads

PLANTED = {"a": 0, "twin": 0, "same": 0, "ten": 10, "twenty": 20}
"""The arms of a trial, and by how many percent each gathers more rows than the baseline `a`. `twin`
is the baseline's repeat; the other three stand for backends."""
WANTED = {"ten": 0.5, "twenty": 0.95}

Trial = Mapping[str, Any]


def quick_seconds() -> float:
    """Return the seconds of rounds that the quick profile gives a cell, whatever the workload."""
    (found,) = {one.profiles["quick"].seconds for one in select_workloads(())}
    return found


def judge(trials: Sequence[Trial]) -> dict[str, Counter[str]]:
    """Count, by arm, the verdicts of trials that are judged together as the cells of a run."""
    found = {
        arm: moderate([_estimate(one, arm) for one in trials]) for arm in PLANTED if arm != "a"
    }
    judged: list[Judged] = []
    for number, trial in enumerate(trials):
        cell = [Judged(_line(number, "a", REFERENCE, 1.0))]
        for arm, estimates in found.items():
            role = A_A if arm == "twin" else CANDIDATE
            one = estimates[number]
            cell.append(Judged(_line(number, arm, role, one.ratio), one))
        judged += limit_verdicts(cell, *_noise(trial))
    counts: dict[str, Counter[str]] = {arm: Counter() for arm in PLANTED}
    for one in correct(limit_run(judged)):
        counts[one.line.backend][str(one.line.verdict)] += 1
    return counts


def _estimate(trial: Trial, arm: str) -> Estimate:
    generations = (one["rounds"] for one in trial["generations"])
    return estimate([log_ratios(rounds[arm], rounds["a"]) for rounds in generations])


def _noise(trial: Trial) -> tuple[list[list[str]], float]:
    """Return what disturbed each round, and the drift of the first arm, taken as the sentinel."""
    flagged, off = [], []
    for one in trial["generations"]:
        logs = np.log(one["rounds"]["a"]).mean(axis=1)
        off.append(np.abs(logs - np.median(logs)))
        names = [["disturbed"]] * one["flagged"]
        flagged += names + [[]] * (len(logs) - len(names))
    return flagged, float(np.quantile(np.concatenate(off), 0.9))


def _line(number: int, arm: str, role: str, ratio: float) -> Measurement:
    rounds = Rounds(GENERATIONS["quick"], 1, (1,), 0.0, 0.0, 0.0, 1.0, 0.0, 0, {})
    details = TimingDetails(rounds=rounds)
    name, cell = str(number), ("hot", 1)
    return Measurement(
        name, arm, *cell, 1.0, ratio, None, None, "INCONCLUSIVE", 0.0, role, details=details
    )


def simulated(number: int, rounds: int, spread: float, offset: float) -> Trial:
    """Simulate a trial of known noise.

    `spread` and `offset` are standard deviations of a log ratio: of a round, and of a process. A
    tenth of the blocks takes up to twice as long, as if another process used the core.
    """
    random = np.random.default_rng([20260101, number])
    generations = []
    for _ in range(GENERATIONS["quick"]):
        found = {}
        for arm, percent in PLANTED.items():
            own = math.log1p(percent / 100) + random.normal(0, offset / 2**0.5)
            logs = own + random.normal(0, spread, (rounds, 2))
            logs += np.where(random.random((rounds, 2)) < 0.1, random.random((rounds, 2)), 0) * 0.7
            found[arm] = np.exp(logs).tolist()
        generations.append({"rounds": found, "flagged": 0})
    return {"generations": generations}


def tables(trials: Sequence[Trial]) -> dict[str, Counter[str]]:
    """Count the verdicts by arm, over all complete runs of 12 trials."""
    counts: dict[str, Counter[str]] = {arm: Counter() for arm in PLANTED}
    for begin in range(0, len(trials) - CELLS + 1, CELLS):
        for arm, said in judge(trials[begin : begin + CELLS]).items():
            counts[arm].update(said)
    return counts


def told(counts: Mapping[str, Counter[str]]) -> Iterator[str]:
    """Yield a line for each arm: its verdicts, and whether they reach the target."""
    for arm in ("twin", "same", "ten", "twenty"):
        said, total = counts[arm], counts[arm].total()
        wrong = said["FASTER"] + (0 if arm in WANTED else said["SLOWER"])
        words = f"{said['SLOWER']} SLOWER, {said['FASTER']} FASTER, {said['SAME']} SAME of {total}"
        if arm in WANTED:
            met = said["SLOWER"] >= WANTED[arm] * total and not wrong
            words += f"; wanted {WANTED[arm]:.0%} SLOWER: {'met' if met else 'missed'}"
        elif arm == "same":
            words += f"; wanted none called different: {'missed' if wrong else 'met'}"
        yield f"{PLANTED[arm]:>2} % more ({arm}): {words}"


def main(words: list[str] | None = None) -> None:
    """Run trials until the time is up, or simulate them, and print the verdicts of each arm."""
    parser = argparse.ArgumentParser(prog="calibration.quick", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--trials", type=int, default=10 * CELLS, help="at most; a run is 12")
    parser.add_argument("--out", type=Path, default=Path("quick-trials.jsonl"))
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--rounds", type=int, default=10, help="simulated, of a generation")
    parser.add_argument("--spread", type=float, default=0.06, help="simulated, of a block, in logs")
    parser.add_argument("--offset", type=float, default=0.02, help="simulated, between processes")
    chosen = parser.parse_args(words)
    if chosen.simulate:
        size = (chosen.rounds, chosen.spread, chosen.offset)
        trials: list[Trial] = [simulated(number, *size) for number in range(chosen.trials)]
    else:
        trials = list(_measured(chosen))
    if len(trials) < CELLS:
        raise SystemExit(f"{len(trials)} trials were run; {CELLS} make a run that can be judged")
    for line in told(tables(trials)):
        print(line)


def _measured(chosen: argparse.Namespace) -> Iterator[Trial]:
    import time  # noqa: PLC0415  (only what is measured needs a clock)

    effort = Effort(
        generations=GENERATIONS["quick"],
        sequential_blocks=0,
        seconds=quick_seconds(),
        planted=PLANTED,
    )
    end = time.monotonic() + 60 * chosen.minutes
    with chosen.out.open("w", encoding="utf-8") as file:
        for number in range(chosen.trials):
            if time.monotonic() > end:
                return
            trial = run_trial(states()["hot"], number, effort)
            file.write(json.dumps(trial) + "\n")
            file.flush()
            yield trial


if __name__ == "__main__":
    main()
