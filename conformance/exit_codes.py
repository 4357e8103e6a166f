"""The exit codes of every command."""

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of all commands."""

    CONFORMS = 0
    """All conforms, or is explained."""
    DEPARTS = 1
    """An unexplained failure, crash or time-out, a deviation that no longer holds, or a change."""
    USAGE = 2
    """A usage or spec error, an unknown or unavailable backend, nothing selected or judged, or
    results that cannot be written."""
    HARNESS = 3
    """The harness or an adapter itself is at fault."""


_GRAVITY = (ExitCode.CONFORMS, ExitCode.USAGE, ExitCode.DEPARTS, ExitCode.HARNESS)


def gravest(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the most severe exit code, in the order harness, departure, usage, conforms."""
    return max(codes, key=_GRAVITY.index)
