"""The table of the operations' options, which fuzzing, coverage and capabilities read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from embcheck.conformance.contract.capability import Capability
from embcheck.conformance.contract.operation import (
    BAGS,
    FRESH,
    PRETRAINED,
    QUANTIZED,
    WITH_TABLE,
    Operation,
)
from embcheck.conformance.contract.schemes import SCHEMES


# The next five functions name the kinds of values that coverage distinguishes. They must not raise,
# since an invalid call may give any value.
def _word(value: object) -> str:
    return str(value).lower()


def _whether_set(value: object) -> str:
    return "none" if value is None else "set"


def _sign(value: object) -> str:
    if value is None:
        return "none"
    # As text, since the value may not be a number.
    return "negative" if str(value).startswith("-") else "non-negative"


def _order(value: Any) -> str:
    return f"{value:g}" if value in (1, 2, math.inf) else "other"


def _classes(value: object) -> str:
    return "-1" if value == -1 else _whether_set(value)


@dataclass(frozen=True)
class Option:
    """A keyword argument of some operations, under PyTorch's name."""

    name: str
    default: Any
    """PyTorch's default; None if PyTorch has none, as for the size of a table."""
    operations: tuple[Operation, ...]
    meaning: str
    """The type of its values and what they do, for authors of adapters."""
    values: tuple[Any, ...] = ()
    """Legal values to try, the simplest first; empty if legal values depend on the arrays."""
    kinds: tuple[str, ...] = ()
    """The kinds of values that coverage distinguishes; empty if it does not count the option."""
    kind: Callable[[Any], str] = _word
    """Names the kind of a value."""
    kind_if_absent: str | None = None
    """The kind of calls that leave the option out; None means that of the default."""
    capability: Capability | None = None
    """The capability that a backend needs for any value but the default."""
    about_gradients: bool = False
    """Whether the option changes only gradients and training."""
    beside: str | None = None
    """Another option, without which this one has no effect."""

    @property
    def is_flag(self) -> bool:
        """Whether the option is a boolean."""
        return isinstance(self.default, bool)

    @property
    def others(self) -> tuple[Any, ...]:
        """The values to try, without the default."""
        return tuple(value for value in self.values if value != self.default)

    def is_used(self, options: Mapping[str, Any]) -> bool:
        """Whether a call sets the option to a value that is neither the default nor None."""
        return options.get(self.name) not in (None, self.default)

    def kind_in(self, options: Mapping[str, Any]) -> str:
        """Return the kind of the option's value in a call."""
        if self.kind_if_absent is not None and self.name not in options:
            return self.kind_if_absent
        return self.kind(options.get(self.name, self.default))


_FLAG: Mapping[str, Any] = {"values": (False, True), "kinds": ("false", "true")}
_MODES = ("sum", "mean", "max")

OPTIONS: Mapping[str, Option] = {
    option.name: option
    for option in (
        Option(
            "freeze",
            default=True,
            operations=PRETRAINED,
            meaning="bool. Whether the module's weight takes no part in training.",
            about_gradients=True,
            **_FLAG,
        ),
        Option(
            "padding_idx",
            default=None,
            operations=(*WITH_TABLE, *QUANTIZED),
            meaning="int or None. The row that has no gradient, and that bags leave out; a "
            "negative one counts from the end.",
            values=(0, -1),
            kinds=("none", "non-negative", "negative"),
            kind=_sign,
            capability=Capability.PADDING_IDX,
        ),
        Option(
            "max_norm",
            default=None,
            operations=(*WITH_TABLE, *QUANTIZED),
            meaning="float, int or None. Each row that is looked up and is longer is first "
            "shortened to this norm, in the caller's table.",
            values=(1.0, 0.25, 3, math.inf),
            kinds=("none", "set"),
            kind=_whether_set,
            capability=Capability.MAX_NORM,
        ),
        Option(
            "norm_type",
            default=2.0,
            operations=(*WITH_TABLE, *QUANTIZED),
            meaning="float or int, infinity too. The p of the p-norm that `max_norm` means.",
            values=(2.0, 1, 3.0, 0.5, 2.5, math.inf),
            kinds=("1", "2", "inf", "other"),
            kind=_order,
            beside="max_norm",
        ),
        Option(
            "scale_grad_by_freq",
            default=False,
            operations=WITH_TABLE,
            meaning="bool. Whether a row's gradient is divided by how often the indices name it.",
            capability=Capability.SCALE_GRAD_BY_FREQ,
            about_gradients=True,
            **_FLAG,
        ),
        Option(
            "sparse",
            default=False,
            operations=WITH_TABLE,
            meaning="bool. Whether the weight's gradient is stored by rows; of equal values.",
            about_gradients=True,
            **_FLAG,
        ),
        Option(
            "mode",
            default="mean",
            operations=BAGS,
            meaning="str. How a bag reduces its rows.",
            values=_MODES,
            kinds=_MODES,
        ),
        Option(
            "include_last_offset",
            default=False,
            operations=BAGS,
            meaning="bool. Whether the last offset is the end of the last bag: (B + 1,) offsets.",
            capability=Capability.INCLUDE_LAST_OFFSET,
            **_FLAG,
        ),
        Option(
            "num_classes",
            default=-1,
            operations=(Operation.ONE_HOT,),
            meaning="int. The width of the result; -1 is one more than the largest index.",
            kinds=("none", "-1", "set"),
            kind=_classes,
            kind_if_absent="none",
        ),
        Option(
            "scheme",
            default=None,
            operations=QUANTIZED,
            values=tuple(SCHEMES),
            meaning="str, a name in `SCHEMES`. How the table is stored.",
        ),
        Option(
            "num_embeddings", default=None, operations=FRESH, meaning="int. The number of rows, V."
        ),
        Option(
            "embedding_dim",
            default=None,
            operations=FRESH,
            meaning="int. The number of columns, D.",
        ),
        Option(
            "dtype",
            default="float32",
            operations=FRESH,
            meaning="str, NumPy's name of a dtype: `float16`, `bfloat16`. That of the weight "
            "that the module draws.",
        ),
    )
}
"""Every option of the documented functions and constructors except those for devices, and the
option `scheme` of quantised operations."""

TABLE_OPTIONS = ("num_embeddings", "embedding_dim", "dtype")
"""The options from which a fresh module makes its table."""


def options_of(operation: Operation) -> list[Option]:
    """List the options that an operation takes."""
    return [option for option in OPTIONS.values() if operation in option.operations]


def kinds_of(operation: Operation) -> dict[str, tuple[str, ...]]:
    """Map the options of an operation to the kinds of values that coverage distinguishes."""
    return {option.name: option.kinds for option in options_of(operation) if option.kinds}


def kinds_in(
    operation: Operation, options: Mapping[str, Any], *, with_gradients: bool
) -> Iterator[tuple[str, str]]:
    """Yield the options of a call with their kinds, without options that have no effect in it."""
    for option in options_of(operation):
        is_seen = with_gradients or not option.about_gradients
        is_idle = option.beside is not None and not OPTIONS[option.beside].is_used(options)
        if option.kinds and is_seen and not is_idle:
            yield option.name, option.kind_in(options)


def taken_by(operation: Operation, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return only the options that an operation takes. Raise KeyError for an unknown option."""
    return {n: value for n, value in options.items() if operation in OPTIONS[n].operations}


def read_option(options: Mapping[str, Any], name: str) -> Any:
    """Return an option's value, or PyTorch's default if it is absent. Raise KeyError if unknown."""
    return options.get(name, OPTIONS[name].default)
