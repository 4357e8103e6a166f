"""What an adapter does of a call itself, and how it says that its library refused one."""

from __future__ import annotations

from embcheck.conformance.contract.export_cache import Refusal

# A worker makes one call at a time, so one list is enough; as keys, since a thunk that is called
# again says the same again.
_GIVEN: dict[str, None] = {}


def helps(line: str) -> None:
    """Declare that the adapter, not the library, does something of the call under way.

    Called in `prepare` or in the thunk, at the very place. `line` begins with a verb, as in
    `cuts rows behind the last offset before the call`. Results that came with help say so, and
    reports count them.
    """
    _GIVEN[line] = None


def taken() -> list[str]:
    """Return the lines of the call under way, each once, and forget them."""
    lines = list(_GIVEN)
    _GIVEN.clear()
    return lines


def refusal_of(module: str, status: str) -> Exception:
    """Return the exception by which an adapter says that its library refused the call.

    For libraries that return a status where others raise. `module` is one of the library's, as in
    `BackendInfo.modules`: `raise refusal_of("ncnn", "Extractor.extract returned -1")`. An exception
    of any other type that the adapter itself raises is the adapter's.
    """
    return Refusal("Refused", module, status).error()
