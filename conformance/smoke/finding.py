"""What a check of the smoke test found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from embcheck.conformance.exit_codes import ExitCode

FORMAT_VERSION = 1


class Status(StrEnum):
    """How a check ended; only FAIL says that the adapter is broken."""

    PASS = "PASS"  # noqa: S105  (no password)
    INFO = "INFO"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class CheckResult:
    """One line of the smoke test."""

    status: Status
    check: str
    message: str
    advice: str = ""


def findings_or(found: Iterable[CheckResult], check: str, message: str) -> list[CheckResult]:
    """Return the findings, or one PASS if there are none."""
    return list(found) or [CheckResult(Status.PASS, check, message)]


def blocks(findings: Iterable[CheckResult]) -> list[list[str]]:
    """Return a block of texts for each check and status: its first finding.

    A block's first text says what is wrong, and how many more findings there are; the second, if
    there is one, what to do.
    """
    groups: dict[tuple[str, Status], list[CheckResult]] = {}
    # An adapter repeats a mistake in many calls, so a screen of findings says no more than one.
    for finding in findings:
        groups.setdefault((finding.check, finding.status), []).append(finding)
    made = []
    for (check, status), found in groups.items():
        more = f" (and {len(found) - 1} more: --json)" if len(found) > 1 else ""
        head = f"{status}  {check}: {found[0].message}{more}"
        made.append([head, found[0].advice] if found[0].advice else [head])
    return made


@dataclass(frozen=True)
class SmokeTest:
    """All findings about one backend."""

    backend: str
    findings: tuple[CheckResult, ...]

    @property
    def exit_code(self) -> ExitCode:
        """DEPARTS if anything failed, else CONFORMS."""
        failed = any(finding.status is Status.FAIL for finding in self.findings)
        return ExitCode.DEPARTS if failed else ExitCode.CONFORMS

    def to_json_data(self) -> dict[str, Any]:
        """Return everything as plain JSON data."""
        checks = [asdict(finding) for finding in self.findings]
        return {"format": FORMAT_VERSION, "backend": self.backend, "checks": checks}
