"""The looks: kinds of answers that need cases at every size, such as an output or a gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from embcheck.conformance.contract.call import Observation, Operation
from embcheck.conformance.contract.options import OPTIONS
from embcheck.conformance.coverage.scored import ScoredCall
from embcheck.conformance.coverage.sizes import BAG_AXES, LOOKUP_AXES, ONE_HOT_AXES, SizeAxis
from embcheck.conformance.suite.model import CallSpec

OUTPUT = frozenset({Observation.OUTPUT})
GRADIENT = frozenset({Observation.GRAD_WEIGHT})
SPARSE = frozenset({Observation.GRAD_WEIGHT, Observation.SPARSE_GRAD_VALUES})
AFTER = frozenset({Observation.WEIGHT_AFTER})
WEIGHTS = frozenset({Observation.GRAD_PER_SAMPLE_WEIGHTS})
CHANGES_GRADIENT = frozenset(
    {"padding_idx", *(option.name for option in OPTIONS.values() if option.about_gradients)}
)
MODES = OPTIONS["mode"].values


@dataclass(frozen=True)
class Look:
    """A kind of answer: the observations, the calls, and the axes on which it can be large."""

    name: str
    operation: Operation
    observations: frozenset[Observation]
    fits: Callable[[CallSpec], bool]
    axes: tuple[SizeAxis, ...]
    of_padding: bool = False
    """Whether only the repeats of the padding row count."""

    def sees(self, asked: ScoredCall) -> bool:
        """Whether a call has this kind of answer, and it is checked element by element."""
        return (
            asked.spec.operation is self.operation
            and not self.observations.isdisjoint(asked.checked)
            and self.fits(asked.spec)
        )


def _set_options(spec: CallSpec) -> set[str]:
    """Name the options that are set to something other than False or None.

    The input `per_sample_weights` counts as an option.
    """
    # By identity, since a `padding_idx` of 0 is set, but equals False.
    given = {
        name for name, value in spec.options.items() if value is not None and value is not False
    }
    return given | ({"per_sample_weights"} & spec.inputs.keys())


def _plain(spec: CallSpec) -> bool:
    """Whether the rows are used as they are, neither shortened nor weighted."""
    return not _set_options(spec) & {"max_norm", "per_sample_weights"}


def _plain_gradient(spec: CallSpec) -> bool:
    return _plain(spec) and not _set_options(spec) & CHANGES_GRADIENT


def _with(option: str, *without: str) -> Callable[[CallSpec], bool]:
    """Return the condition that an option is set, and the others are not."""

    def fits(spec: CallSpec) -> bool:
        found = _set_options(spec)
        return option in found and not found.intersection(without)

    return fits


def _in_mode(mode: str, condition: Callable[[CallSpec], bool]) -> Callable[[CallSpec], bool]:
    def fits(spec: CallSpec) -> bool:
        return bool(spec.option("mode") == mode) and condition(spec)

    return fits


def form_of(spec: CallSpec) -> str:
    """Return the form in which a call divides its indices into bags."""
    last = bool(spec.option("include_last_offset"))
    if "offsets" not in spec.inputs:
        return "matrix with last offset" if last else "matrix"
    return "last offset" if last else "offsets"


def _in_form(form: str) -> Callable[[CallSpec], bool]:
    def fits(spec: CallSpec) -> bool:
        return form_of(spec) == form and _plain(spec)

    return fits


def _lookups() -> Iterator[Look]:
    # Each option has a look of its own, without the others, since it may lead to another kernel.
    known: tuple[tuple[str, frozenset[Observation], Callable[[CallSpec], bool]], ...] = (
        ("lookup", OUTPUT, _plain),
        ("gradient", GRADIENT, _plain_gradient),
        ("max_norm output", OUTPUT, _with("max_norm")),
        ("max_norm table", AFTER, _with("max_norm")),
        ("by frequency", GRADIENT, _with("scale_grad_by_freq", "sparse", "max_norm")),
        ("sparse gradient", SPARSE, _with("sparse", "scale_grad_by_freq", "max_norm")),
    )
    for name, observations, fits in known:
        yield Look(name, Operation.EMBEDDING, observations, fits, LOOKUP_AXES)
    # Separate, since it counts the repeats of the padding row only.
    padded = _with("padding_idx", "scale_grad_by_freq", "sparse", "max_norm")
    yield Look("padding gradient", Operation.EMBEDDING, GRADIENT, padded, LOOKUP_AXES, True)


def _bags() -> Iterator[Look]:
    weighted = _with("per_sample_weights", "max_norm")
    for mode in MODES:
        plain = _in_mode(mode, _plain)
        yield Look(f"bag {mode}", Operation.EMBEDDING_BAG, OUTPUT, plain, BAG_AXES)
    for mode in MODES:
        plain = _in_mode(mode, _plain_gradient)
        yield Look(f"{mode} gradient", Operation.EMBEDDING_BAG, GRADIENT, plain, BAG_AXES)
    for name, seen in (("weighted sum", OUTPUT), ("weights gradient", WEIGHTS)):
        yield Look(name, Operation.EMBEDDING_BAG, seen, weighted, BAG_AXES)
    for form in ("matrix", "offsets", "last offset"):
        yield Look(form, Operation.EMBEDDING_BAG, OUTPUT, _in_form(form), BAG_AXES)


LOOKS = (
    *_lookups(),
    *_bags(),
    Look("one_hot", Operation.ONE_HOT, OUTPUT, lambda _: True, ONE_HOT_AXES),
)
"""All looks; each needs a case at every threshold of each of its axes."""
