"""Which trigger types there are: entry points of the group `tidegate.scalers`, by one door for all.

The names are known at once, a scaler's code is imported when its type is first used. What is wrong with one
registration (code that cannot be imported, a name claimed by two distributions) is the error of that type
alone: the process starts, and only triggers of that type fail, with the remedy in the message.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from scalers._lib.metric_type import external_metric_type
from scalers._lib.parse import every_key, written_names
from scalers._lib.problem import Problem
from scalers.sdk import Inputs, InvalidMetadata, Metadata, Parsed, Scaler, Spec, parse

__all__ = ["GROUP", "Checked", "Registry"]

GROUP = "tidegate.scalers"


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with a trigger, with paths below the trigger. Warnings keep nothing from working.

    `specs` are its metrics; empty when there are problems, or when a metric depends on what is known only online.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    specs: tuple[Spec, ...] = ()


class Registry:
    """The scalers that are installed. Made once; `get` and `check` are cheap after a type's first use."""

    def __init__(self, found: Iterable[EntryPoint] | None = None) -> None:
        self._claims: dict[str, dict[str, EntryPoint]] = {}
        for claim in entry_points(group=GROUP) if found is None else found:
            # One distribution may be found twice (say, installed and in the working directory): that is no
            # conflict.
            self._claims.setdefault(claim.name, {})[f"{_owner(claim)} {claim.value}"] = claim
        self._loaded: dict[str, Scaler[Any, Any] | InvalidMetadata] = {}

    @property
    def types(self) -> tuple[str, ...]:
        """The names of all trigger types, sorted; also of those that turn out not to load."""
        return tuple(sorted(self._claims))

    def get(self, trigger_type: str) -> Scaler[Any, Any]:
        """The one instance of this type's scaler. Raises InvalidMetadata with the remedy."""
        found = self._loaded.get(trigger_type)
        if found is None:
            if trigger_type not in self._claims:
                raise self._unknown(trigger_type)
            found = self._loaded[trigger_type] = _load(
                trigger_type, list(self._claims[trigger_type].values())
            )
        if isinstance(found, InvalidMetadata):
            raise InvalidMetadata(str(found), problems=found.problems)
        return found

    def check(
        self,
        trigger_type: str,
        metadata: Mapping[str, str],
        unknown: frozenset[str] = frozenset(),
        *,
        metric_type: str = "",
        namespace: str = "default",
    ) -> Checked:
        """What is wrong with a trigger as written, in an object of this namespace. Opens no connection.

        `unknown` names the sources (ENV, AUTH) that cannot be read here: what only they could supply is taken
        as given.
        """
        try:
            scaler = self.get(trigger_type)
        except InvalidMetadata as error:
            return Checked(error.problems)
        problems = []
        try:
            if scaler.reads:
                external_metric_type(metric_type)
        except ValueError as error:
            problems.append(Problem("metricType", str(error)))
        about = {"namespace": namespace, "metricType": metric_type}
        parsed = parse(scaler.metadata, Inputs(metadata=metadata, object=about, unknown=unknown))
        warnings = [_unused(name, scaler.metadata) for name in parsed.unused]
        specs: tuple[Spec, ...] = ()
        if parsed.value is not None and not parsed.assumed:
            warnings += scaler.warnings(parsed.value)
        if parsed.value is not None and not problems:
            specs = _specs(scaler, parsed)
        return Checked((*problems, *parsed.problems), tuple(warnings), specs)

    def _unknown(self, trigger_type: str) -> InvalidMetadata:
        near = difflib.get_close_matches(trigger_type, self._claims, n=1)
        mend = f"did you mean {near[0]}?" if near else f"installed are {', '.join(self.types) or 'none'}"
        text = f"no scaler found for type: {trigger_type}"
        return InvalidMetadata(text, problems=[Problem("type", text, mend)])


def _load(trigger_type: str, claims: list[EntryPoint]) -> Scaler[Any, Any] | InvalidMetadata:
    if len(claims) > 1:
        owners = " and ".join(sorted(f"{_owner(claim)} ({claim.value})" for claim in claims))
        return _broken(f"the type {trigger_type} is claimed by {owners}", "uninstall all but one of them")
    claim = claims[0]
    try:
        scaler = claim.load()()
    except ImportError as error:
        needed = f"{_owner(claim)}[{','.join(claim.extras)}]" if claim.extras else _owner(claim)
        return _broken(
            f"the scaler of type {trigger_type} cannot be imported: {error}",
            f"reinstall it with what it depends on: pip install --upgrade '{needed}'",
        )
    except Exception as error:  # noqa: BLE001 - whatever a plugin's import does is that plugin's own fault
        return _broken(
            f"the scaler of type {trigger_type} cannot be loaded: {type(error).__name__}: {error}",
            f"report it to the makers of {_owner(claim)}",
        )
    if not isinstance(scaler, Scaler) or not issubclass(getattr(scaler, "metadata", type), Metadata):
        return _broken(
            f"{claim.value} of {_owner(claim)} is no scalers.sdk.Scaler with a Metadata class",
            f"report it to the makers of {_owner(claim)}",
        )
    return scaler


def _broken(problem: str, mend: str) -> InvalidMetadata:
    return InvalidMetadata(f"{problem}; {mend}", problems=[Problem("type", problem, mend)])


def _owner(claim: EntryPoint) -> str:
    return claim.dist.name if claim.dist is not None else "an unnamed distribution"


def _specs(scaler: Scaler[Any, Any], parsed: Parsed[Metadata]) -> tuple[Spec, ...]:
    """The metrics of a trigger, none where they depend on a key that is missing because it is known only online."""
    try:
        return tuple(scaler.specs(parsed.value))
    except AttributeError:
        if parsed.assumed:
            return ()
        raise


def _unused(name: str, metadata: type[Metadata]) -> Problem:
    keys = list(every_key(metadata))
    if any(name in spec.names for spec in keys):
        mend = "give it in a TriggerAuthentication, the only place where it is read"
    else:
        near = difflib.get_close_matches(name, [n for spec in keys for n in written_names(spec)], n=1)
        mend = f"did you mean {near[0]}?" if near else "remove it"
    return Problem(f"metadata.{name}", "is ignored: it is no key of this trigger type's metadata", mend)
