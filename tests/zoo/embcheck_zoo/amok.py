"""A backend that does, at random, what any other of the zoo does."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from embcheck.conformance.contract.call import Call
from embcheck_zoo.base import Correct
from embcheck_zoo.hostile_channel import ATTACKS
from embcheck_zoo.hostile_deaths import Dies

MODULES = ("answers", "careless", "endings")
SHARE = 0.3
"""How much of its calls it spoils."""
SLOW = ("FloodsWithoutEnd", "Multiplies", "Swells")
"""What goes on until a limit of gigabytes or thousands is reached, which tests of their own do."""


class RunsAmok(Correct):
    """Answers most calls, and for the others is another backend of the zoo.

    The seed is `EMBCHECK_SOAK_SEED`; a worker that is replaced goes on with other choices.
    """

    def __init__(self) -> None:
        super().__init__()
        self._random, self._pid = random.Random(), 0
        self._animals = [*_animals()]
        deaths = [name for name in vars(Dies) if name.startswith("_call_")]
        self._deeds: list[Callable[[Call], Any]] = [
            *(partial(self._attack, attack) for attack in ATTACKS.values()),
            *(partial(self._die, name) for name in deaths),
        ]
        self._chosen: Any = self

    def prepare(self, call: Call) -> Any:
        if self._pid != os.getpid():  # It was forked, and the others are too.
            self._pid = os.getpid()
            self._random.seed(f"{os.environ.get('EMBCHECK_SOAK_SEED', '0')} {self._pid}")
        self._chosen = super()
        if self._random.random() >= SHARE:
            return self._chosen.prepare(call)
        chosen = self._random.choice([*self._animals, *self._deeds])
        if not isinstance(chosen, type):
            return lambda: chosen(call)
        self._chosen = chosen()
        return self._chosen.prepare(call)

    def _attack(self, attack: Callable[[Any], Any], call: Call) -> Any:
        return attack(self.correct(call))

    def _die(self, way: str, call: Call) -> Any:
        getattr(Dies(), way)()
        return self.correct(call)

    def to_numpy(self, answer: Any) -> Any:
        return self._chosen.to_numpy(answer)


def _animals() -> Iterator[type[Correct]]:
    """Return the zoo's classes, which spoil every call here and not their trigger alone."""
    for name in MODULES:
        module = import_module(f"embcheck_zoo.{name}")
        if hasattr(module, "is_trigger"):
            module.is_trigger = lambda _: True  # type: ignore[attr-defined]
        yield from _of(module)


def _of(module: ModuleType) -> Iterator[type[Correct]]:
    for thing in vars(module).values():
        is_animal = isinstance(thing, type) and issubclass(thing, Correct)
        if is_animal and thing.__module__ == module.__name__ and thing.__name__ not in SLOW:
            yield thing
