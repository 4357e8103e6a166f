"""How an adapter declares what it does for its library, and that the library refused a call."""

from __future__ import annotations

from embcheck.conformance.contract.export_cache import Refusal

# One collection is enough, since a worker makes one call at a time. It is a dict, so that a line
# counts once even if a thunk is called again.
_GIVEN: dict[str, None] = {}


def helps(line: str) -> None:
    """Declare that the adapter, not the library, does a part of the current call.

    Call it in `prepare` or in the thunk, where the adapter does that part. `line` begins with a
    verb: `cuts rows behind the last offset before the call`. Results with help say so, and reports
    count them.
    """
    _GIVEN[line] = None


def taken() -> list[str]:
    """Return the lines that the current call declared, each once, and clear them."""
    lines = list(_GIVEN)
    _GIVEN.clear()
    return lines


def refusal_of(module: str, status: str) -> Exception:
    """Return an exception that counts as a refusal by the library.

    For libraries that return a status instead of raising an error. `module` is one of the library's
    modules, as in `BackendInfo.modules`:
    `raise refusal_of("ncnn", "Extractor.extract returned -1")`. Any other exception that the
    adapter itself raises counts as an error of the adapter.
    """
    return Refusal("Refused", module, status).error()
