"""Write a script: the documented result, the inputs, the library's own lines, the comparison."""

from __future__ import annotations

import platform
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.judging.bounds import bound
from embcheck.conformance.execution.judging.deviations import Deviation
from embcheck.conformance.execution.judging.verdict import Kind, Verdict
from embcheck.conformance.reproduction.literals import (
    NotWritable,
    dtype_name,
    expression,
    literal,
    source_lines,
)
from embcheck.conformance.suite.model import (
    CallSpec,
    Case,
    Expected,
    FromReference,
    Made,
    Rejects,
    Returns,
    Structure,
    Text,
    Values,
)

AskReference = Callable[[Call], Mapping[str, np.ndarray]]

HELPERS = '''
def same(got, wanted, allowed=0.0):
    """Compare shape, dtype and values; NaN equals NaN."""
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return False
    got, wanted = got.astype(complex), wanted.astype(complex)
    with np.errstate(invalid="ignore"):
        close = np.abs(got - wanted) <= allowed
    return bool(np.all((got == wanted) | close | ((got != got) & (wanted != wanted))))


def tell(name, got, wanted, is_same):
    """Print what came and what is documented."""
    print(f"{name} = {np.array2string(got)} ({got.dtype}, shape {got.shape})")
    print(f"  documented: {wanted}")
    print("conforms" if is_same else "DEPARTS")
'''


@dataclass(frozen=True)
class Subject:
    """The subject of a script: a case, a backend, and the result."""

    case: Case
    info: BackendInfo
    verdict: Verdict
    lines: str
    """The library's own lines."""
    known: Deviation | None = None
    """The known deviation that explains it."""


def compose(subject: Subject, ask_reference: AskReference) -> str:
    """Write the script; raises NotWritable for what cannot be written out."""
    case = subject.case
    parts = [
        f'"""{_head(subject)}"""\n',
        _imports(case.spec),
        HELPERS if isinstance(case.expectation, Returns) else "",
        _inputs(case.spec),
        _body(subject, ask_reference),
    ]
    return _joined(parts)


def program(spec: CallSpec, lines: str) -> str:
    """Write the inputs of a call and the library's own lines, and nothing else."""
    return _joined([_imports(spec), _inputs(spec), lines])


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(f"{part.rstrip()}\n" for part in parts if part)


def _inputs(spec: CallSpec) -> str:
    return "\n".join(line for name, s in spec.inputs.items() for line in source_lines(name, s))


def _head(subject: Subject) -> str:
    case, info, verdict = subject.case, subject.info, subject.verdict
    clause = case.clauses[0]
    said = f"{verdict.kind or verdict.outcome}: {verdict.message}" if verdict.message else ""
    setting = (
        f"With {info.library} {info.version} on {info.device}, numpy {np.__version__}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    text = [
        f"{case.id} on {info.id}",
        "",
        *textwrap.wrap(f"Documented ({clause.source}): {clause.statement}", 98),
        *textwrap.wrap(f"Seen: {said or verdict.outcome}", 98),
        *_known(subject.known),
        setting,
    ]
    # It stands in a docstring, which a backslash or three quotes of a message would end.
    return "\n".join(line.replace("\\", "\\\\").replace('"""', "'''") for line in text) + "\n"


def _known(entry: Deviation | None) -> list[str]:
    """Say the category of a known departure, and the reason."""
    if entry is None:
        return []
    whose = ", ".join(dict.fromkeys((str(entry.category), str(entry.cause))))
    reason = " ".join(entry.reason.split())
    link = [f"See {entry.link}"] if entry.link else []
    return [*textwrap.wrap(f"Known ({whose}): {reason}", 98), *link]


def _imports(spec: CallSpec) -> str:
    # Real data tells its dtype only by its array.
    names = [dtype_name(source.array().dtype) for source in spec.inputs.values()]
    third = "import ml_dtypes\n" if any("ml_dtypes" in name for name in names) else ""
    return f"{third}import numpy as np\nfrom numpy import inf, nan  # noqa: F401\n"


def _body(subject: Subject, ask_reference: AskReference) -> str:
    expectation = subject.case.expectation
    if isinstance(expectation, Rejects):
        return _refusal(subject)
    call = subject.case.spec.call()
    is_refused = subject.verdict.kind is Kind.REJECTED_VALID
    parts = [(_told_refusal(subject.lines) if is_refused else subject.lines) + "\n"]
    returns = expectation if isinstance(expectation, Returns) else Returns({})
    expectations = returns.observations
    is_asked = any(isinstance(wanted, FromReference) for wanted in expectations.values())
    reference = ask_reference(call) if is_asked else {}
    for name, expected in expectations.items():
        wanted = Values(reference[name]) if isinstance(expected, FromReference) else expected
        parts.append(_comparison(name, wanted, subject, call))
    # Of what is only observed, nothing is documented to compare with.
    if not expectations:
        shown = ", ".join(subject.case.spec.observe)
        parts.append(f"print({shown})")
    return "\n".join(parts)


def _told_refusal(lines: str) -> str:
    """Write the lines so that an exception is reported as a departure."""
    return _tried(
        lines,
        '    print(f"DEPARTS: refused with {type(error).__name__}: {error}")',
        "    raise",
    )


def _refusal(subject: Subject) -> str:
    """Write the lines so that a refusal conforms and an answer departs."""
    observed = subject.case.spec.observe
    shown = " ".join(f"{name} = {{{name}.tolist()}}" for name in observed)
    return _tried(
        subject.lines,
        '    print(f"conforms: refused with {type(error).__name__}: {error}")',
        "else:",
        f'    print(f"DEPARTS: accepted, and gave {shown}")',
    )


def _tried(lines: str, *handled: str) -> str:
    """Write lines whose exceptions are handled, except those that are not the library's."""
    return "\n".join(
        [
            "try:",
            textwrap.indent(lines, "    "),
            "except (ImportError, NameError):",
            "    raise  # the library is not installed, or the script itself is at fault",
            "except Exception as error:",
            *handled,
        ]
    )


def _comparison(name: str, wanted: Expected, subject: Subject, call: Call) -> str:
    if isinstance(wanted, (Values, Made)):
        values = wanted.array
        text = literal(values) if isinstance(wanted, Values) else expression(wanted.source)
        limit = _limit(name, values, subject, call)
        return "\n".join(
            [
                f"wanted = {text}",
                f"tell({name!r}, {name}, np.array2string(wanted), same({name}, wanted{limit}))",
            ]
        )
    if isinstance(wanted, Structure):
        return _structure(name, wanted)
    assert not isinstance(wanted, (FromReference, Text))  # noqa: S101  (probes write no scripts)
    raise NotWritable(f"what is expected of {name} cannot be written out")


def _limit(name: str, values: np.ndarray, subject: Subject, call: Call) -> str:
    """Write the tolerance, as one number if all are equal; nothing if it is 0."""
    tolerance = subject.case.tolerance
    allowed = (
        bound(name, call, values)
        if tolerance is None
        else tolerance.atol + tolerance.rtol * np.abs(values.astype(np.float64))
    )
    if not np.any(allowed):
        return ""
    # One number can be read; a bound that differs by element has to be an array.
    if np.ptp(allowed) == 0:
        return f", {float(np.max(allowed))}"
    return f", {literal(np.asarray(allowed))}"


def _structure(name: str, wanted: Structure) -> str:
    conditions = [
        f"{name}.shape == {wanted.shape}",
        f"{name}.dtype == {dtype_name(wanted.dtype)}",
        *(f"same({name}[{p}], {literal(values)})" for p, values in wanted.at),
        *(f"same({name}[{g[0]}], {name}[{p}])" for g in wanted.equal for p in g[1:]),
        *(f"bool(np.any({name}[{p}] != 0))" for p in wanted.nonzero),
    ]
    said = "; ".join(conditions)
    joined = " and ".join(conditions)
    return f"tell({name!r}, {name}, {said!r}, {joined})"
