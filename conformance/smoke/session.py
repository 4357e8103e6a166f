"""The whole smoke test of one backend."""

from __future__ import annotations

from collections.abc import Iterator

from embcheck.conformance.execution.address import Address, parse_address
from embcheck.conformance.execution.client import BackendBroken, WorkerClient
from embcheck.conformance.execution.pool import REFERENCE, compile_caches
from embcheck.conformance.smoke.capabilities import check_capabilities, check_undeclared
from embcheck.conformance.smoke.checks import (
    check_answers,
    check_info,
    check_inputs,
    check_operations,
    check_printing,
    check_unsupported,
    check_values,
)
from embcheck.conformance.smoke.dtypes import check_dtypes
from embcheck.conformance.smoke.finding import Finding, SmokeTest, Status
from embcheck.conformance.smoke.interview import Interview
from embcheck.conformance.smoke.source import check_imports
from embcheck.conformance.smoke.thunk import check_thunk


def smoke_test(text: str, timeout: float) -> SmokeTest:
    """Check the adapter at an address, `[LABEL=]ID[:PYTHON]`.

    Raises BadAddress, UnknownBackend or BackendUnavailable.
    """
    address = parse_address(text)
    backend = WorkerClient(address, timeout=timeout, environment=compile_caches())
    reference = WorkerClient(REFERENCE, timeout=timeout)
    try:
        interview = Interview(backend, reference, address.python, timeout)
        return SmokeTest(address.label, tuple(_findings(address, interview)))
    finally:
        backend.close()
        reference.close()


def _findings(address: Address, interview: Interview) -> Iterator[Finding]:
    client = interview.backend
    try:
        info = client.info
    except BackendBroken as problem:
        advice = "make it start: import the module and call its factory by hand"
        yield Finding(Status.FAIL, "starts", str(problem), advice)
        return
    yield Finding(Status.PASS, "starts", f"in {client.import_seconds:.1f} s")
    yield from check_info(info, address.id)
    yield from check_imports(client)
    found, working = check_operations(interview)
    yield from found
    yield from check_capabilities(interview, working)
    yield from check_inputs(interview.exchanges)
    yield from check_dtypes(interview, working)
    yield from check_thunk(client, [asked[-1].question for asked in working.values()])
    yield from check_undeclared(interview, working)
    yield from check_answers(info, interview.exchanges)
    yield from check_unsupported(interview.exchanges)
    yield from check_printing(interview.exchanges)
    yield from check_values(interview, working)
