"""Measure how often timings are wrong, in parts if need be: `nox -s bench-calibration`.

Trials are appended to trials.jsonl in the folder, so that a second run continues where the first
ended. The summary of all trials is written to calibration.json beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from calibration.summary import summarise
from calibration.trial import Effort, run_trial, states
from embcheck.conformance.timing.runs import identity
from embcheck.reports.page.calibration import markdown

DOCS = Path(__file__).parent.parent.parent / "docs"
BEGIN, END = "<!-- calibration -->\n", "<!-- end of calibration -->"


def main(words: list[str] | None = None) -> None:
    """Run the missing trials until the time is up; then summarise all trials."""
    arguments = _arguments(words)
    effort = Effort(generations=arguments.generations, patience=arguments.patience)
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    trials = _known(folder / "trials.jsonl", effort)
    if not arguments.summarise:
        try:
            _run(folder / "trials.jsonl", trials, effort, arguments)
        except KeyboardInterrupt:
            print("interrupted; the same command goes on from here", file=sys.stderr)
    if not trials:
        raise SystemExit("there are no trials to count")
    data = summarise(trials, effort)
    (folder / "calibration.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    if arguments.publish:
        publish(data, DOCS)
    print(markdown(data))
    print(folder / "calibration.json")


def publish(data: dict[str, Any], docs: Path) -> None:
    """Copy a summary to the documentation, and generate the table there from it."""
    (docs / "calibration.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    page = docs / "timing.md"
    before, rest = page.read_text("utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}{markdown(data)}\n{END}{after}", "utf-8")


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="calibration", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/calibration"))
    parser.add_argument("--trials", type=int, default=70, help="in each state")
    parser.add_argument("--minutes", type=float, default=60.0, help="no trial begins later")
    parser.add_argument("--state", action="append", choices=list(states()))
    parser.add_argument("--generations", type=int, default=Effort.generations)
    parser.add_argument("--patience", type=float, default=1.0, help="share of the rounds' time")
    parser.add_argument("--publish", action="store_true", help="write the table of docs/timing.md")
    parser.add_argument("--summarise", action="store_true", help="count what there is")
    return parser.parse_args(words)


def _run(
    file: Path, trials: list[dict[str, Any]], effort: Effort, arguments: argparse.Namespace
) -> None:
    """Run the missing trials, alternating between the states, and append each to the file."""
    known = {(trial["state"], trial["trial"]) for trial in trials}
    chosen = [state for name, state in states().items() if name in (arguments.state or states())]
    wanted = [
        (state, number)
        for number in range(arguments.trials)
        for state in chosen
        if (state.name, number) not in known
    ]
    started = time.monotonic()
    console = Console(stderr=True)
    with (
        file.open("a", encoding="utf-8") as lines,
        Progress(console=console, disable=not console.is_terminal) as progress,
    ):
        for state, number in progress.track(wanted, description="calibrating"):
            if time.monotonic() - started > arguments.minutes * 60:
                print("the time is up; the same command goes on from here", file=sys.stderr)
                return
            trial = run_trial(state, number, effort)
            trials.append(trial)
            lines.write(json.dumps(trial) + "\n")
            lines.flush()


def _known(file: Path, effort: Effort) -> list[dict[str, Any]]:
    """Read the trials of earlier runs; refuse those of another machine or effort."""
    here = {"machine": identity.describe_machine(), "effort": asdict(effort)}
    if not file.exists():
        file.write_text(json.dumps(here) + "\n", "utf-8")
        return []
    first, *rest = file.read_text("utf-8").splitlines(keepends=True)
    before = json.loads(first)
    different = identity.machine_differences(before["machine"], here["machine"])
    if different or before["effort"] != here["effort"]:
        raise SystemExit(f"{file} is of another machine or effort: {'; '.join(different)}")
    whole = [text for text in rest if text.endswith("\n")]
    if len(whole) < len(rest):
        file.write_text("".join([first, *whole]), "utf-8")
    return [json.loads(text) for text in whole]


if __name__ == "__main__":
    main()
