"""Arrays, calls and expectations of a results file as readable text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from embcheck.reports.untrusted import clean

BODY_LIMIT = 6000
"""Characters of one array that a report shows; a record holds 256 elements at most."""


class Entry(NamedTuple):
    """A named array with a headline (dtype, shape) and its values, if any."""

    name: str
    head: str
    body: str = ""


def entries(described: Mapping[str, Any] | None) -> list[Entry]:
    """Turn described arrays, or expectations, into text, by name."""
    # Records come from strangers: anything but a mapping is ignored.
    if not isinstance(described, Mapping):
        return []
    return [_entry(str(name), what) for name, what in described.items()]


def option_entries(options: Any) -> list[Entry]:
    """Turn a call's options into text, by name."""
    if not isinstance(options, Mapping):
        return []
    return [Entry(clean(name), _plain(value)) for name, value in options.items()]


def differences(call: Mapping[str, Any], control: Mapping[str, Any] | None) -> list[Entry]:
    """Say how a control differs from the call that must be refused."""
    if not isinstance(control, Mapping):
        return []
    found = []
    if control.get("operation") != call.get("operation"):
        found.append(Entry("operation", clean(control.get("operation"))))
    for key, describe in (("inputs", entries), ("options", option_entries)):
        before, after = call.get(key) or {}, control.get(key) or {}
        changed = {name: after[name] for name in after if after[name] != before.get(name)}
        found += describe(changed)
        found += [Entry(clean(name), "left out") for name in before if name not in after]
    return found


def array_text(values: Any) -> str:
    """Write nested lists like an array: one row per line, with aligned columns."""
    texts = _texts(values)
    # Columns align, but one long number must not push all others off the page.
    widest = _widest(texts)
    return _cut(_array_text(texts, widest if widest <= 24 else 0, 0))


def _entry(name: str, what: Any) -> Entry:
    name = clean(name)
    if not isinstance(what, Mapping):
        return Entry(name, _plain(what))
    if "reference" in what:
        return Entry(name, f"what {clean(what['reference'])} answers to the same call")
    if "real" in what:
        return Entry(name, f"real data: {clean(what['real'])}")
    head = f"{clean(what.get('dtype', '?'))} {_plain(what.get('shape', '?'))}"
    if what.get("layout"):
        head += f", layout {clean(what['layout'])}"
    if isinstance(what.get("recipe"), Mapping):
        head += f", made by {_recipe(what['recipe'])}"
    return Entry(name, head, _body(what))


def _body(what: Mapping[str, Any]) -> str:
    if "values" in what:
        return array_text(what["values"])
    if "first" in what:
        return _cut(_plain(what["first"])) + " and so on"
    return _cut("\n".join(_structure(what)))


def _structure(what: Mapping[str, Any]) -> list[str]:
    lines = []
    for part in what.get("at") or ():
        if isinstance(part, Mapping):
            lines.append(f"at {_plain(part.get('position'))}: {_plain(part.get('values'))}")
        else:
            lines.append(f"at {_plain(part)}")
    for group in what.get("equal") or ():
        places = group if isinstance(group, list) else [group]
        lines.append("equal to one another: " + ", ".join(_plain(place) for place in places))
    lines += [f"not all zero: {_plain(place)}" for place in what.get("nonzero") or ()]
    return lines


def _recipe(recipe: Mapping[str, Any]) -> str:
    if isinstance(recipe.get("parts"), list | tuple):
        joined = "; ".join(map(_part, recipe["parts"]))
        times = recipe.get("repeat", 1)
        return f"joining [{joined}]" + (f", {_plain(times)} times over" if times != 1 else "")
    rest = ", ".join(
        f"{clean(key)}={_part(value)}"
        for key, value in recipe.items()
        if key not in {"generator", "dtype", "shape"}
    )
    return f"{clean(recipe.get('generator', '?'))}({rest})"


def _part(value: Any) -> str:
    """Write a value of a recipe: a number, or an array with its own recipe."""
    if not isinstance(value, Mapping):
        return _plain(value)
    recipe = value.get("recipe", value)
    if isinstance(recipe, Mapping) and {"generator", "parts"} & set(recipe):
        return f"{_recipe(recipe)} {_plain(value.get('shape', ''))}".rstrip()
    return _plain(value.get("values", "?"))


def _plain(value: Any) -> str:
    """Write a value as JSON, but whole floats without their zero and text without quotes."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            # Minus zero is kept: some cases are about it.
            return str(int(value)) if value or str(value)[0] != "-" else "-0"
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    # `True` is an `int` to Python, and `true` in a record.
    return str(value) if type(value) is int else clean(json.dumps(value))


def _texts(values: Any) -> Any:
    """Write each value of nested lists as text."""
    return [_texts(item) for item in values] if isinstance(values, list) else _plain(values)


def _widest(texts: Any) -> int:
    if isinstance(texts, list):
        return max((_widest(item) for item in texts), default=0)
    return len(texts)


def _array_text(texts: Any, width: int, depth: int) -> str:
    if not isinstance(texts, list):
        return str(texts).rjust(width) if depth else str(texts)
    if not any(isinstance(item, list) for item in texts):
        return f"[{', '.join(item.rjust(width) for item in texts)}]"
    inner = [_array_text(item, width, depth + 1) for item in texts]
    return "[" + (",\n" + " " * (depth + 1)).join(inner) + "]"


def _cut(text: str) -> str:
    return text if len(text) <= BODY_LIMIT else text[:BODY_LIMIT] + "\n... (cut)"
