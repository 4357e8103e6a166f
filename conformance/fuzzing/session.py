"""One fuzzing run: each backend in turn, and the results as data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from embcheck.conformance.contract.backend import BackendInfo, required_capabilities
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.operation import QUANTIZED
from embcheck.conformance.execution.absence import NoneAvailable, absent
from embcheck.conformance.execution.address import Address, BadAddress, parse_addresses
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.judging.verdict import Outcome
from embcheck.conformance.execution.pool import REFERENCE, describe_backend
from embcheck.conformance.exit_codes import ExitCode, gravest
from embcheck.conformance.fuzzing.calls import OBSERVATIONS, OPERATIONS
from embcheck.conformance.fuzzing.duel import Duel, NoReferenceAnswer, Tally
from embcheck.conformance.fuzzing.findings import FuzzFinding, conclude
from embcheck.conformance.fuzzing.hunt import FuzzBudget, Hunt, quiet_hypothesis
from embcheck.conformance.fuzzing.trials import trials
from embcheck.conformance.records.claim import claimed
from embcheck.conformance.records.environment import embcheck_version
from embcheck.conformance.records.writer import write_whole

FILE_NAME = "findings.json"
FORMAT = 1


@dataclass(frozen=True)
class FuzzSettings:
    """The settings of a run."""

    seed: int
    budget: FuzzBudget
    timeout: float
    out: Path


@dataclass
class Hunted:
    """The counts and findings of one backend; `fault` is a fault of the harness."""

    backend: Mapping[str, Any]
    tally: Tally
    findings: list[FuzzFinding] = field(default_factory=list)
    fault: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """The exit code: new findings depart, and an adapter may be at fault."""
        kinds = {finding.signature.kind for finding in self.findings}
        if self.fault or Outcome.ERRORED in kinds:
            return ExitCode.HARNESS
        is_new = any(finding.is_new for finding in self.findings)
        return ExitCode.DEPARTS if is_new else ExitCode.CONFORMS


class Session:
    """A fuzzing run over backends, one after the other; `hunted` has the results so far."""

    def __init__(self, settings: FuzzSettings, told: Callable[[str, Tally, int], None]) -> None:
        self.hunted: list[Hunted] = []
        self._settings = settings
        self._told = told

    @property
    def exit_code(self) -> ExitCode:
        """The most severe exit code of all backends."""
        return gravest([ExitCode.CONFORMS, *(hunted.exit_code for hunted in self.hunted)])

    def run(self, names: Iterable[str]) -> None:
        """Fuzz backends, given as `[LABEL=]ID[:PYTHON]`.

        Raises UnknownBackend, BadAddress, BackendBroken, and NoneAvailable with all backends that
        cannot run here. Raises InUse if another process uses the folder for the findings, and
        OSError if that cannot be written to.
        """
        addresses = parse_addresses(names)
        for address in addresses:
            # The label is a folder's name below, and must not lead elsewhere.
            if Path(address.label).name != address.label or address.label == "..":
                raise BadAddress(
                    f"{address.label} names a folder of findings: use no slash and no dots"
                )
        clients = {address.label: self._worker(address) for address in addresses}
        reference = self._worker(REFERENCE)
        try:
            if gone := absent(clients):
                raise NoneAvailable(gone)
            self._settings.out.mkdir(parents=True, exist_ok=True)
            with quiet_hypothesis(), claimed(self._settings.out):
                for label, client in clients.items():
                    self._hunt(label, client, reference)
        finally:
            for client in [*clients.values(), reference]:
                # An interrupted call may still run, and `close` would wait for it.
                client.kill()
                client.close()

    def _worker(self, where: str | Address) -> WorkerClient:
        return WorkerClient(where, timeout=self._settings.timeout)

    def _hunt(self, label: str, client: WorkerClient, reference: WorkerClient) -> None:
        duel = Duel(client, reference)
        hunted = Hunted(describe_backend(label, client), duel.tally)
        self.hunted.append(hunted)
        hunt = Hunt(
            duel,
            trials(**_expressible(client.info)),
            number=self._settings.seed,
            budget=self._settings.budget,
            told=lambda: self._told(label, duel.tally, len(hunted.findings)),
        )
        try:
            for departure in hunt.departures():
                _add(hunted.findings, conclude(duel, departure, self._settings.out / label))
                # After each: an interrupted run keeps what it found.
                self.write()
        except NoReferenceAnswer as failure:
            hunted.fault = str(failure)

    def describe(self) -> dict[str, Any]:
        """Return what findings.json holds."""
        settings = self._settings
        return {
            "format": FORMAT,
            "embcheck": embcheck_version(),
            "hypothesis": version("hypothesis"),
            "seed": settings.seed,
            "examples": settings.budget.examples,
            "seconds": settings.budget.seconds,
            "backends": [_describe(hunted, settings.out) for hunted in self.hunted],
        }

    def write(self) -> Path:
        """Write findings.json and return its path; on an OSError, an earlier file stays."""
        file = self._settings.out / FILE_NAME
        write_whole(file, json.dumps(self.describe(), indent=1) + "\n")
        return file


def _expressible(info: BackendInfo) -> dict[str, Any]:
    """Return the operations, observations and schemes that a backend declares."""
    operations = tuple(name for name in (*OPERATIONS, *QUANTIZED) if name in info.operations)
    observe = {
        name
        for name in OBSERVATIONS
        if set(required_capabilities(Call(Operation.EMBEDDING, {}, {}, (name,))))
        <= info.capabilities
    }
    return {"operations": operations, "observe": observe, "schemes": info.schemes}


def _add(findings: list[FuzzFinding], finding: FuzzFinding) -> None:
    """Add a finding, and remove those that it explains."""
    for other in list(findings):
        if finding.signature.explains(other.signature):
            findings.remove(other)
            # Two findings of one signature have one file, which was just written anew.
            if other.file is not None and other.file != finding.file:
                other.file.unlink()
    findings.append(finding)


def _describe(hunted: Hunted, root: Path) -> dict[str, Any]:
    tally = hunted.tally
    return {
        "backend": hunted.backend,
        "examples": tally.examples,
        "calls": [
            {"operation": operation, "dtype": dtype, "count": count}
            for (operation, dtype), count in sorted(tally.calls.items())
        ],
        "options": [
            {"option": option, "value": value, "count": count}
            for (option, value), count in sorted(tally.options.items())
        ],
        "endings": dict(sorted(tally.endings.items())),
        "fault": hunted.fault,
        "findings": [finding.describe(root) for finding in hunted.findings],
    }
