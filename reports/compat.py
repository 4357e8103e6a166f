"""Which backend supports what: data that ships, so that the first answer needs no run.

The data is made from finished runs by `embcheck compat --run DIR --out FILE`. Importing this module
needs no array library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

from embcheck.conformance.near import did_you_mean

INLINE_DTYPES, FORMAT = 1, 2
"""Format 1 has the answers for dtypes in each entry; format 2 has their numbers there."""
FILE_NAME = "compat.json"
OTHER_NAMES = {f"bag.{mode}.empty": "bag.empty" for mode in ("sum", "mean", "max")}
"""Names that a user may try, and the feature that answers: one clause decides it in every mode."""
AS_DOCUMENTED = "as documented"
CASES_LISTED = "parsed.json"
"""The file that has a digest of each file of cases."""
REASON = ("reason", "link", "instead")


class CompatError(Exception):
    """Data on compatibility cannot be read, or knows no such name; says what to do."""


@dataclass(frozen=True)
class Since:
    """An answer, and the first of the versions run that gives it; it holds until the next entry.

    `says` tells what fails, and with what; it is empty if all versions give the same answer.
    """

    version: str
    support: str
    how: str | None = None
    says: str = ""


@dataclass(frozen=True)
class Supported:
    """Whether a backend supports a feature.

    `support` is `yes`, `partly`, `no`, `absent` (not offered) or `unknown` (a deciding case has no
    result). `how` is how it fails: `silently`, `dying` or `loudly`; None if nothing fails. `says`
    is a phrase for what fails, and with what. `example` is a case that shows it. `reason`, `link`
    and `instead` (a spelling that conforms) are those of that case's known deviation. If `support`
    is `partly`, `dtypes` has an answer for tables of each dtype that has cases. `apart` names
    options with which it fails, and which are features of their own. `contexts` has one letter for
    each of the feature's contexts, packed; see `reports/answers/contexts.py`. `history` has the
    answers of the versions in `Column.versions`, the oldest first: one entry if all agree, none if
    they have no answer.
    """

    support: str
    how: str | None = None
    says: str = ""
    example: str = ""
    reason: str = ""
    link: str = ""
    instead: str = ""
    dtypes: Mapping[str, Supported] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    contexts: str = ""
    history: tuple[Since, ...] = ()

    @property
    def since(self) -> str:
        """The first of the versions run since which this answer holds; empty if none was run.

        An answer is its `support` and `how`. It may hold in older versions too, if this is the
        oldest one that was run.
        """
        version = ""
        for since in reversed(self.history):
            if (since.support, since.how) != (self.support, self.how):
                break
            version = since.version
        return version

    @property
    def severity(self) -> int:
        """Its place among the ways to fail, 0 for silent failures, which are the worst."""
        return ("silently", "dying", "loudly", None).index(self.how)

    def for_tables(self, dtype: str) -> Supported:
        """Return the answer for tables of a dtype; the whole answer if there is none."""
        return self.dtypes.get(dtype, self)


@dataclass(frozen=True)
class Versions:
    """The versions of a library that were run, oldest first.

    All were judged alike; `suite` is the hash of the suite of the last run, `date` its day.
    """

    run: tuple[str, ...] = ()
    suite: str = ""
    date: str = ""


@dataclass(frozen=True)
class Column:
    """A backend, and what it supports, by feature.

    `date` is the day of its run, ISO 8601, and `suite` the hash of the suite that was run. `stale`
    names the features whose clauses changed since that run; their answers are the older ones.
    """

    id: str
    library: str
    version: str
    device: str
    date: str
    features: Mapping[str, Supported]
    suite: str = ""
    stale: tuple[str, ...] = ()
    versions: Versions = field(default_factory=Versions)


@dataclass(frozen=True)
class Shown:
    """A case in short: the call, the wanted result, and the backends' answers by name.

    The answer `AS_DOCUMENTED` is the right one. Shipped data leaves right answers out.
    """

    call: str
    wanted: str
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Use:
    """A typical use: a sentence, its needed features, and those that turn mistakes into errors."""

    says: str
    needs: tuple[str, ...]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compat:
    """What the backends of some runs support.

    `features` maps names of features to sentences, and `digests` to hashes of the clauses that
    decided them. `profiles` maps the names of typical uses to what these need. `uses` maps words
    for what a case uses to the features that are about it, and `contexts` has the sets of such
    words in the cases of each feature. `cases` maps ids of examples to what they show. `suite` is
    the hash of embcheck's suite when the data was made, `sources` that of the files that list the
    cases and clauses.
    """

    suite: str
    features: Mapping[str, str]
    digests: Mapping[str, str]
    profiles: Mapping[str, Use]
    backends: Mapping[str, Column]
    sources: str = ""
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    contexts: Mapping[str, tuple[frozenset[str], ...]] = field(default_factory=dict)
    cases: Mapping[str, Shown] = field(default_factory=dict)

    @cached_property
    def about(self) -> Mapping[str, frozenset[str]]:
        """The words that each feature is about."""
        return {
            name: frozenset(word for word, names in self.uses.items() if name in names)
            for name in self.features
        }

    @cached_property
    def shared(self) -> Mapping[str, frozenset[str]]:
        """The words that all cases of each feature have."""
        return {name: frozenset.intersection(*sets) for name, sets in self.contexts.items()}

    @cached_property
    def words(self) -> frozenset[str]:
        """All words that contexts have."""
        return frozenset[str]().union(*chain.from_iterable(self.contexts.values()))

    @cached_property
    def sizes(self) -> tuple[str, ...]:
        """The words for large sizes."""
        # `size_word` in `contexts.py` gives them this beginning.
        return tuple(word for word in self.uses if word.startswith("more than "))

    def supports(self, backend: str, feature: str) -> Supported:
        """Return whether a backend supports a feature; raises CompatError for an unknown name."""
        feature = self.feature_named(feature)
        return self.column(backend).features.get(feature, Supported("unknown", says="not asked"))

    def feature_named(self, name: str) -> str:
        """Return the feature that a name stands for; raises CompatError for an unknown one."""
        feature = OTHER_NAMES.get(name, name)
        if feature not in self.features:
            raise CompatError(f"no feature '{name}'; {self.hint(name)}")
        return feature

    def hint(self, name: str) -> str:
        """Say which known names an unknown one may have meant, at most three."""
        return did_you_mean(name, [*self.features, *self.backends], "see `embcheck compat`")

    def column(self, backend: str) -> Column:
        """Return what a backend supports; raises CompatError for an unknown one."""
        if backend not in self.backends:
            hint = did_you_mean(backend, self.backends, f"there is on {', '.join(self.backends)}")
            raise CompatError(f"no data on '{backend}'; {hint}")
        return self.backends[backend]


def supports(backend: str, feature: str) -> Supported:
    """Return whether a backend supports a feature, by the data that embcheck ships.

    Raises CompatError for an unknown name.
    """
    return shipped().supports(backend, feature)


@lru_cache
def shipped() -> Compat:
    """Return the data that embcheck ships."""
    return parse(files("embcheck.reports").joinpath(FILE_NAME).read_text("utf-8"), FILE_NAME)


def load(path: Path) -> Compat:
    """Read data on compatibility from a file; raise CompatError."""
    try:
        return parse(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise CompatError(f"{path}: {error}") from None


def sources() -> str:
    """Return a hash of the files that list the installed cases and clauses.

    It takes milliseconds, where reading the suite takes seconds.
    """
    root = files("embcheck.specs")
    listed = [root.joinpath(CASES_LISTED), root.joinpath("features.yaml")]
    clauses = sorted(root.joinpath("clauses").iterdir(), key=lambda file: file.name)
    found = hashlib.sha256()
    for file in [*listed, *(file for file in clauses if file.name.endswith(".yaml"))]:
        found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


def parse(text: str, name: str) -> Compat:
    """Read data on compatibility from a text; raise CompatError."""
    try:
        data = json.loads(text)
        if data["format"] not in (INLINE_DTYPES, FORMAT):
            raise CompatError(f"{name}: has format {data['format']}, this embcheck reads {FORMAT}")
        tables = data["reasons"], data["examples"], data.get("dtypes", [])
        backends = {id_: _column(id_, told, *tables) for id_, told in data["backends"].items()}
        says = {feature: told["says"] for feature, told in data["features"].items()}
        digests = {feature: told["digest"] for feature, told in data["features"].items()}
        profiles = {
            profile: Use(told["says"], tuple(told["needs"]), tuple(told["refused"]))
            for profile, told in data["profiles"].items()
        }
        cases = {id_: _shown(told, data["answers"]) for id_, told in data.get("cases", {}).items()}
        uses = {word: tuple(names) for word, names in data.get("uses", {}).items()}
        words = data.get("words", [])
        contexts = {
            feature: tuple(_words(int(bits, 16), words) for bits in sets.split())
            for feature, sets in data.get("contexts", {}).items()
        }
        return Compat(
            str(data["suite"]),
            says,
            digests,
            profiles,
            backends,
            sources=str(data.get("sources", "")),
            uses=uses,
            contexts=contexts,
            cases=cases,
        )
    # The file may come from anybody: any mistake in its form is reported as one error.
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise CompatError(f"{name}: holds no data on compatibility ({error!r})") from None


def bits_of(some: Iterable[str], place: Mapping[str, int]) -> str:
    """Write a set of words as the bits of a hexadecimal number, by the place of each word."""
    return f"{sum(1 << place[word] for word in some):x}"


def _words(bits: int, words: list[str]) -> frozenset[str]:
    # What `bits_of` wrote: bit n stands for the word at place n.
    return frozenset(word for place, word in enumerate(words) if bits >> place & 1)


def _shown(told: Mapping[str, Any], answers: list[str]) -> Shown:
    given = {name: str(answers[number]) for name, number in told["answers"].items()}
    return Shown(str(told["call"]), str(told["wanted"]), given)


def _column(
    id_: str,
    told: Mapping[str, Any],
    reasons: list[Mapping[str, str]],
    examples: list[str],
    dtypes: list[Mapping[str, str]],
) -> Column:
    features = {
        name: _supported(entry, reasons, examples, dtypes)
        for name, entry in told["features"].items()
    }
    library, version, device, date = (
        str(told[key]) for key in ("library", "version", "device", "date")
    )
    stale = tuple(map(str, told.get("stale", ())))
    run = told.get("versions", {"run": (), "suite": "", "date": ""})
    versions = Versions(tuple(map(str, run["run"])), str(run["suite"]), str(run["date"]))
    suite = str(told.get("suite", ""))
    return Column(id_, library, version, device, date, features, suite, stale, versions)


def _supported(
    entry: Mapping[str, Any],
    reasons: list[Mapping[str, str]],
    examples: list[str],
    dtypes: list[Mapping[str, str]],
) -> Supported:
    told = dict(entry)
    if "reason" in told:
        told |= reasons[told["reason"]]
    if "example" in told:
        told["example"] = examples[told["example"]]
    of_dtypes = told.pop("dtypes", {})
    if isinstance(of_dtypes, int):  # Format 1 has the answers here, and not their number.
        of_dtypes = dtypes[of_dtypes]
    each = {
        name: Supported(*answer.split())
        for answer, names in of_dtypes.items()
        for name in names.split()
    }
    apart = tuple(map(str, told.pop("apart", ())))
    history = tuple(Since(**since) for since in told.pop("history", ()))
    texts = {name: str(value) for name, value in told.items()}
    return Supported(**texts, dtypes=each, apart=apart, history=history)
