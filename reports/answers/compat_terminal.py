"""Show in a terminal which backend supports what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import zip_longest

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from embcheck.reports.answers.letters import ABSENT, unpacked
from embcheck.reports.compat import Column, Compat, Since, Supported, sources
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line

_ORDER = {"yes": "yes", "partly": "part", "no": "no", "absent": "abs", "unknown": "unk"}
"""The kinds of support, and the headings of their narrow columns."""
_STYLES: Mapping[str, str] = {
    "yes": "green",
    "partly": "yellow",
    "no": "red",
    "absent": "dim",
    "unknown": "dim",
}


def print_overview(data: Compat, console: Console) -> None:
    """Print how many features each backend supports."""
    table = _table(("backend", "library", *_ORDER.values(), "silent"))
    for column in data.backends.values():
        counts = Counter(found.support for found in column.features.values())
        silent = sum(found.how == "silently" for found in column.features.values())
        library = f"{column.library} {column.version}"
        table.add_row(
            Text(one_line(column.id, 24)),
            Text(one_line(library, 17)),
            *(str(counts[support] or "") for support in _ORDER),
            Text(str(silent or ""), "red"),
        )
    console.print(table)
    console.print(f"\nOf {plural(len(data.features), 'feature')}; each is one of:")
    for line in _legend():
        console.print(f"  {line}")
    console.print("\nMore: embcheck compat BACKEND, embcheck compat FEATURE, or both.")


def print_column(data: Compat, backend: str, console: Console) -> None:
    """Print what one backend supports: what fails, the worst first; then the names of the rest."""
    column = data.column(backend)
    console.print(Text(_head(column), "bold"))
    told = [item for item in column.features.items() if item[1].how or item[1].support == "partly"]
    if told:
        table = _table(("feature", "", "how"))
        for name, found in sorted(told, key=lambda item: rank(item[1])):
            table.add_row(name, _support(found), Text(says(found)))
        console.print(table)
    for support in ("yes", "absent", "unknown"):
        names = [
            f"{name} ({says(found)})" if found.apart else name
            for name, found in column.features.items()
            if found.support == support
        ]
        if names:
            console.print(Text(f"\n{support}: ", _STYLES[support]) + Text(", ".join(names)))
    # Probes are cases that only PyTorch's backends can answer: others have no answer to their
    # features.
    rest = [name for name in data.features if name not in {*column.features, *column.stale}]
    if rest:
        console.print(Text("\nasked of PyTorch alone: ", "dim") + Text(", ".join(rest)))
    if column.versions.run:
        console.print()
        print_versions(column, console)
    console.print(f"\nWhy: embcheck compat {one_line(column.id)} FEATURE")


def print_feature(data: Compat, feature: str, console: Console) -> None:
    """Print which backends support one feature, the worst first."""
    console.print(Text(f"{feature}: {data.features[feature]}", "bold"))
    found = {name: data.supports(name, feature) for name in data.backends}
    table = _table(("backend", "", "how"))
    for name, answer in sorted(found.items(), key=lambda item: rank(item[1])):
        table.add_row(Text(one_line(name, 24)), _support(answer), Text(says(answer)))
    console.print(table)
    console.print(f"\nWhy: embcheck compat BACKEND {feature}")


def print_answer(data: Compat, backend: str, feature: str, console: Console) -> None:
    """Print whether one backend supports one feature, and why."""
    found = data.supports(backend, feature)
    console.print(Text(_head(data.column(backend)), "bold"))
    console.print(f"{feature}: {data.features[feature]}\n")
    console.print(_support(found).append_text(Text(f"  {says(found)}")))
    if found.support == "yes" and ABSENT in unpacked(found.contexts):
        told = "Not counted: calls that also use something that it does not offer at all."
        console.print(Text(f"\n{told}", "dim"))
    if found.reason:
        console.print(Padding(Text(found.reason), (1, 2, 0, 2)))
    if found.link:
        # Links and code are copied from the terminal: they are not broken over lines.
        console.print(Padding(Text(found.link), (0, 2, 0, 2)), soft_wrap=True)
    if found.instead:
        console.print("\nInstead:", Text(found.instead), sep="\n  ", soft_wrap=True)
    if found.history:
        print_history(data.column(backend), found, console)
    if found.example:
        words = f"embcheck reproduce '{found.example}' -b {backend}"
        console.print("\nTo see it:", Text(words), sep="\n  ", soft_wrap=True)


def _head(column: Column) -> str:
    return one_line(
        f"{column.id}: {column.library} {column.version} on {column.device}, {column.date}"
    )


def says(found: Supported) -> str:
    """Return how a feature fails, and which options were left out when it was decided."""
    apart = f"apart from {', '.join(found.apart)}" if found.apart else ""
    return one_line("; ".join(filter(None, (found.says, apart))))


def print_versions(column: Column, console: Console) -> None:
    """Print which features changed between the versions that were run."""
    changed = {name: found for name, found in column.features.items() if len(found.history) > 1}
    asked = sum(bool(found.history) for found in column.features.values())
    told = f"{_run(column)}; {len(changed) or 'none'} of {plural(asked, 'feature')} changed."
    console.print(Text(one_line(told)))
    for name, found in changed.items():
        line = Text(one_line(f"{name}: {'; '.join(_spans(column, found))}", 400))
        console.print(Padding(line, (0, 0, 0, 2), expand=False))


def print_history(column: Column, found: Supported, console: Console) -> None:
    """Print since which of the versions run an answer holds."""
    if len(found.history) == 1:
        told = f"{_run(column)}: {answer_words(found.history[0])} in all of them."
        console.print(Text(f"\n{one_line(told)}"))
    else:
        console.print(Text(f"\n{one_line(_run(column))}:"))
        for told in _spans(column, found):
            console.print(Padding(Text(told), (0, 0, 0, 2), expand=False))
    if not found.since:
        told = f"The answer above is of other cases: {column.version}, {column.date}."
        console.print(Text(one_line(told)))


def _run(column: Column) -> str:
    versions = column.versions
    return f"Versions run on {versions.date}: {', '.join(versions.run)}"


def _spans(column: Column, found: Supported) -> list[str]:
    """Return each answer with its versions, as `from 0.4.35 to 0.6.2 no`, `since 0.8.3 yes`."""
    run, history = column.versions.run, found.history
    told = []
    for since, following in zip_longest(history, history[1:]):
        if following is None:
            span = f"since {since.version}"
        else:
            # The answer is known to hold up to the last version run before the next answer's.
            last = run[run.index(following.version) - 1]
            span = f"from {since.version} to {last}" if since.version != last else f"in {last}"
        words = f"{span} {answer_words(since)}"
        told.append(one_line(f"{words}: {since.says}" if since.says else words))
    return told


def print_age(
    data: Compat, console: Console, backend: str | None = None, feature: str | None = None
) -> None:
    """Print which of the requested answers are older than the installed suite.

    The answer for a feature holds as long as its clauses are the same. Without `feature`, changed
    cases are mentioned too.
    """
    asked = [data.column(backend)] if backend else [*data.backends.values()]
    stale = {
        name for column in asked for name in column.stale if feature is None or name == feature
    }
    if stale:
        told = f"The clauses of {', '.join(sorted(stale))} changed since the run"
        console.print(Text(one_line(f"{told}; run the suite again.", 400), "yellow"))
    elif feature is None and (
        # Both hashes count: the data may be newer than the run of a column that was kept.
        sources() != data.sources or any(column.suite != data.suite for column in asked)
    ):
        dates = sorted({column.date for column in asked})
        span = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else ""
        told = f"The installed suite is newer than these answers of {span}: its cases changed"
        console.print(Text(one_line(f"{told}.", 400), "dim"))


def answer_words(found: Supported | Since) -> str:
    """Return an answer as `no (silently)`."""
    return found.support if found.how is None else f"{found.support} ({found.how})"


def _support(found: Supported) -> Text:
    words = found.support if found.how is None else f"{found.support}, {found.how}"
    return Text(words, _STYLES.get(found.support, ""))


def rank(found: Supported) -> tuple[int, int]:
    """Return a sort key that puts the worst answers first."""
    place = ("no", "partly", "absent", "unknown", "yes").index(found.support)
    return found.severity, place


def _legend() -> list[str]:
    return [
        "yes   every case that decides it passed; one that also uses what the backend",
        "      does not offer at all counts for the features about that alone",
        "part  partly: some passed; `how` says which do not",
        "no    none passed",
        "abs   absent: not offered, and said so",
        "unk   unknown: a case that decides it has no result",
        "silent: of these, how many give wrong answers without a sign",
    ]


def _table(columns: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        right = name in (*_ORDER.values(), "silent")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "how")
    return table
