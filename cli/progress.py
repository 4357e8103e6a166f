"""The progress of a command: a bar on a terminal, else a line now and then on standard error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from embcheck.reports.terminal.console import say
from embcheck.reports.untrusted import one_line

SECONDS = 10.0
"""The time between two lines, and before the first one: a short run prints none."""
_LONGEST = 150
"""The most characters of a line's text; the ids of cases are long."""


class Ended(Protocol):
    """An event that tells a thread to end, such as `threading.Event`."""

    def wait(self, timeout: float) -> bool:
        """Wait for the event, at most `timeout` seconds; return whether it came."""

    def set(self) -> None:
        """Signal the event."""


class Progressed:
    """The progress of a command, shown from `with` to its end, or to `stop`.

    `unit` is what is counted. On a terminal, the bar is named `title` or, if that is empty, what is
    being worked on; `left` adds an estimate of the time left. Elsewhere, a line is printed every
    ten seconds, even if nothing was finished meanwhile.
    """

    def __init__(
        self,
        unit: str,
        total: int | None = None,
        *,
        title: str = "",
        left: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        ended: Ended | None = None,
    ) -> None:
        self._unit, self._total, self._title = unit, total, title
        self._done, self._doing = 0, "starting"
        self._console = console or Console(stderr=True, highlight=False)
        # Kept, because the console checks it each time, which is slow for a result per millisecond.
        self._is_shown = self._console.is_terminal
        self._clock, self._ended = clock, ended or threading.Event()
        self._thread: threading.Thread | None = None
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        columns += [TextColumn("left:"), TimeRemainingColumn()] if left else [TimeElapsedColumn()]
        # Steps can be few and long: the default of 30 seconds often has none to estimate from.
        self._bar = Progress(
            *columns, console=self._console, transient=True, speed_estimate_period=3600
        )
        self._task = self._bar.add_task(title or self._doing, total=total)

    def tell(self, done: int | None = None, doing: str = "", total: int | None = None) -> None:
        """Say how much is done, what is being worked on, and how much there is to do."""
        self._done = self._done if done is None else done
        self._total = self._total if total is None else total
        self._doing = doing or self._doing
        if self._is_shown:
            # Ids of cases change too fast to be read beside a bar: a title stays.
            named = self._title or one_line(self._doing, 60)
            self._bar.update(self._task, completed=self._done, total=self._total, description=named)

    def advance(self) -> None:
        """Say that one more is done."""
        self.tell(self._done + 1)

    def __enter__(self) -> Self:
        if self._is_shown:
            self._bar.start()
        else:
            # A thread, because a line is due even while one long call keeps the command busy.
            self._thread = threading.Thread(target=self.print_lines, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Put the bar aside while something is printed, on any stream."""
        if self._is_shown:
            self._bar.stop()
        yield
        if self._is_shown:
            self._bar.start()

    def stop(self) -> None:
        """Show nothing more, so that later output stands by itself."""
        if self._is_shown:  # Elsewhere it would print an empty line.
            self._bar.stop()
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def print_lines(self) -> None:
        """Print a line every ten seconds, until the end."""
        begun = self._clock()
        while not self._ended.wait(SECONDS):
            say(self._console, self._line(self._clock() - begun))

    def _line(self, seconds: float) -> str:
        of = "" if self._total is None else f" of {self._total:,}"
        count = f"{self._done:,}{of} {self._unit}" if self._done or of else ""
        what = ", ".join(part for part in (count, self._doing) if part)
        return f"{seconds:4.0f} s: {one_line(what, _LONGEST)}"
