"""What is new in a run, for a job of GitHub Actions: a summary in Markdown, and annotations."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from embcheck.conformance.scaffold.job import ACCEPTED, ARTIFACT
from embcheck.reports.diff import BackendPair, Difference
from embcheck.reports.news import (
    News,
    NewsGroup,
    groups,
    heading,
    missing,
    remarks,
    told,
    ways,
)
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line

SUMMARY_GROUPS, SUMMARY_CASES = 20, 5
ANNOTATIONS = 10
"""GitHub shows at most this many errors of one step."""


@dataclass(frozen=True)
class Places:
    """The paths of the accepted record and of the run; in a CI job, its id and its artifact."""

    accepted: str
    run: str
    job: str = ""
    artifact: str = ARTIFACT

    def how_to_accept(self) -> Iterator[str]:
        """Yield the commands that make the run the accepted one."""
        if self.job:
            download = ["gh", "run", "download", self.job, "-n", self.artifact, "-D", self.run]
            yield shlex.join(download)
        named = [] if self.accepted == ACCEPTED else ["--as", self.accepted]
        yield shlex.join(["embcheck", "accept", self.run, *named])


def summary(found: Difference, new: News, places: Places) -> str:
    """Return a summary in Markdown."""
    lines = [f"### embcheck: {heading(new)}", ""]
    lines += [f"- {_code(pair.name)}: {_libraries(pair)}" for pair in found.pairs]
    made = groups(new)
    for group in made[:SUMMARY_GROUPS]:
        count = plural(len(group.changes), "result")
        title = f"{_code(group.backend)} {_code(group.spec)}: {count}, {_code(ways(group))}"
        lines += ["", f"**{title}**", ""]
        for change in group.changes[:SUMMARY_CASES]:
            says = f", saying {_code(change.after.message)}" if change.after.message else ""
            lines.append(f"- {_code(change.case)}{says}")
        if len(group.changes) > SUMMARY_CASES:
            lines.append(f"- ... and {len(group.changes) - SUMMARY_CASES:,} more")
    if len(made) > SUMMARY_GROUPS:
        left = sum(len(group.changes) for group in made[SUMMARY_GROUPS:])
        lines += ["", f"... and {plural(left, 'result')} of other specs, in the page of the run"]
    said = [*missing(new), *remarks(new)]
    lines += ["", "Besides:", "", *(f"- {_code(remark)}" for remark in said)] if said else []
    if made:
        first = made[0]
        words = ["embcheck", "show", first.changes[0].case, "-b", first.backend]
        words += ["--run", places.run]
        lines += ["", f"To look at the first: {_code(shlex.join(words), 500)}"]
    if made or said:
        lines += ["", *_accepting("To accept all of this run:", places)]
    return "\n".join(lines) + "\n"


def summary_without_record(places: Places) -> str:
    """Return a summary in Markdown of a run without an accepted record."""
    lines = ["### embcheck: nothing is accepted yet", ""]
    lines.append(f"There is no record {_code(places.accepted)} to compare this run with.")
    return "\n".join([*lines, "", *_accepting("To accept this run:", places)]) + "\n"


def _accepting(title: str, places: Places) -> list[str]:
    commands = [f"    {one_line(line, 500)}" for line in places.how_to_accept()]
    return [title, "", *commands, "", f"and commit {_code(places.accepted)}."]


def workflow_commands(new: News, places: Places, files: Mapping[str, str]) -> Iterator[str]:
    """Yield a workflow command for each backend and spec with something new, and each remark.

    `files` are those to annotate, by backend; a backend without one annotates the accepted record.
    """
    made = groups(new)
    for group in made[:ANNOTATIONS]:
        yield _command("error", files.get(group.backend, places.accepted), _annotated(group))
    # One more error counts the rest; GitHub may leave it out, but the summary has them all.
    if len(made) > ANNOTATIONS:
        left = sum(len(group.changes) for group in made[ANNOTATIONS:])
        yield _command("error", places.accepted, f"new as well: {plural(left, 'result')}")
    for said in missing(new):
        yield _command("error", places.accepted, said)
    for said in remarks(new):
        yield _command("notice", places.accepted, said)


def command_without_record(places: Places) -> str:
    """Return a workflow command that says that nothing is accepted yet."""
    accept = "; ".join(places.how_to_accept())
    said = f"nothing is accepted yet; to accept this run: {accept}; and commit {places.accepted}"
    return _command("error", places.accepted, said)


def _annotated(group: NewsGroup) -> str:
    first = group.changes[0]
    said = f", saying {first.after.message}" if first.after.message else ""
    return f"{told(group)}, {ways(group)}; the first is {first.case}{said}"


def _libraries(pair: BackendPair) -> str:
    if pair.library_before == pair.library_after:
        return f"{_code(pair.library_after)}, as accepted"
    return f"{_code(pair.library_after)}, accepted with {_code(pair.library_before)}"


def _code(text: str, limit: int = 200) -> str:
    """Return text as a code span of Markdown, in which no character has a special meaning."""
    line = one_line(text, limit) or "(nothing)"
    # A code span ends at a run of backticks as long as the one that began it.
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    # A backtick at the edge would lengthen the fence; Markdown takes one space away again.
    pad = " " if "`" in (line[0], line[-1]) else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _command(kind: str, file: str, text: str) -> str:
    """Return a workflow command; characters that could end it or a property are escaped."""
    return f"::{kind} file={_property(file)},title=embcheck::{_data(one_line(text, 500))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    # Properties end at a comma or at `::`; texts do not.
    return _data(text).replace(":", "%3A").replace(",", "%2C")
