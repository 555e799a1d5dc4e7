"""Seals: what a claim's rule and its code were before any run of it existed.

A seal stands beside the claim, `<claim>.seal.json`, to be committed with it: the commit's date is what others can
check. It is a list of records, one for each time the claim was sealed; the last counts, and the others stay.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from overparam.claims.claim import Claim
from overparam.claims.intervals import POWER, seeds_needed, upper_deviation
from overparam.claims.plan import changed_files, measuring_code, planned_runs
from overparam.claims.trained import Setup
from overparam.errors import ConfigError, counted
from overparam.runs.code import lab_commit
from overparam.runs.damage import what_is_wrong
from overparam.runs.summary import whole


@dataclass(frozen=True)
class Pilot:
    """What the seeds that are never judged say of an effect."""

    values: list[float]  # one a seed, from seed 0 on
    needed: int  # seeds that see its smallest effect that matters with a power of 90%, see `seeds_needed`


@dataclass(frozen=True)
class Seal:
    """What was sealed, and when."""

    time: str  # UTC, ISO 8601
    digest: str  # of the rule
    definition: dict[str, Any]  # the rule: source, seeds, effects with their bounds
    runs: list[str]  # identities, of all seeds that may be judged; none of an exact model
    code: dict[str, str]  # what the files that measure hash to
    commit: str | None = None  # of the lab
    pilot: dict[str, Pilot] = field(default_factory=dict)  # by effect

    @property
    def needed(self) -> int | None:
        """The seeds that all effects need, one by one."""
        return max((pilot.needed for pilot in self.pilot.values()), default=None)


SEALS = TypeAdapter(list[Seal])


def now() -> str:
    """Return the time as seals and ledgers write it, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def seal_file(path: Path) -> Path:
    """Return where the seals of a claim's file are."""
    return path.with_suffix(".seal.json")


def read_seals(path: Path) -> list[Seal]:
    """Return the seals of a claim's file, the last one last; raises `ConfigError` if they cannot be read."""
    file = seal_file(path)
    try:
        return SEALS.validate_json(file.read_bytes()) if file.exists() else []
    except ValueError as error:
        raise ConfigError(f"{file} is damaged: {what_is_wrong(error)}") from error


def seal(path: Path, claim: Claim, setup: Setup, judged: Sequence[int]) -> Seal:
    """Seal a claim: measure its pilot, and write down rule, runs and code beside its file.

    Args:
        path: the claim's file.
        claim: the claim.
        setup: where its runs would be.
        judged: seeds that it was judged by before, by this rule or another.

    Raises:
        ConfigError: if a run of it exists, or one of its seeds was judged: a seal is older than its data; if it is
            sealed already; if its budget is too small for its smallest effects.
    """
    if seen := sorted(set(judged) & set(claim.most_seeds)):
        raise ConfigError(
            f"seeds {_some(seen)} were judged before: a seal is older than its data, so take others"
        )
    runs = planned_runs(claim, replace(setup, seeds=claim.most_seeds))
    if begun := [run.identity for run in runs if run.directory.exists()]:
        raise ConfigError(
            f"{len(begun)} of its {counted(len(runs), 'run')} exist, such as {runs[0].directory.parent / begun[0]}: "
            "a seal is older than its data"
        )
    earlier, code = read_seals(path), measuring_code(claim, setup)
    if earlier and earlier[-1].digest == claim.digest and earlier[-1].code == code:
        raise ConfigError(f"it was sealed already, {earlier[-1].time}")
    made = Seal(
        time="",
        digest=claim.digest,
        definition=claim.definition,
        runs=[run.identity for run in runs],
        code=code,
        commit=lab_commit().text or None,
        pilot=measure_pilot(claim, setup),
    )
    made = replace(made, time=now())
    with whole(seal_file(path)) as file:
        file.write_bytes(SEALS.dump_json([*earlier, made], indent=1))
    return made


def measure_pilot(claim: Claim, setup: Setup) -> dict[str, Pilot]:
    """Return what the pilot's seeds say of each effect; nothing without a pilot.

    Raises:
        ConfigError: if an effect is the same for all seeds, or needs more seeds than the budget has.
    """
    if claim.sequential is None:
        return {}
    table, _ = claim.source(replace(setup, seeds=tuple(range(claim.sequential.pilot))))
    found = {}
    for name, prediction in claim.effects.items():
        values = prediction(table)
        spread = upper_deviation(values)
        if spread == 0:
            raise ConfigError(
                f"effects.{name} is {values[0]:g} for all seeds of its pilot: it is arithmetic, which no seed can "
                "change, and tests nothing"
            )
        assert prediction.smallest is not None
        needed = seeds_needed(round(prediction.smallest / spread, 3), claim.sequential.budget)
        if needed is None:
            raise ConfigError(
                f"effects.{name} scatters by {spread:.2g} (80% limit, {len(values)} seeds): a budget of "
                f"{claim.sequential.budget} seeds does not see a distance of {prediction.smallest:g} with a power of "
                f"{POWER:.0%}; raise sequential.budget, or its smallest"
            )
        found[name] = Pilot(values, needed)
    return found


def said_of_seal(seals: Sequence[Seal], claim: Claim, code: dict[str, str], began: str | None) -> str:
    """Return in words whether a claim was sealed before its data began, and whether rule and code are as sealed.

    Args:
        seals: of the claim's file.
        claim: as it is judged.
        code: what its files hash to as it is judged, see `measuring_code`.
        began: when the oldest of its data were begun; None if that is not on record.
    """
    if not seals:
        return "not sealed"
    last = seals[-1]
    if last.digest != claim.digest:
        changed = ", ".join(_differences(last.definition, claim.definition))
        return f"seal of {last.time} void: the rule was changed after it ({changed})"
    if began is None:
        said = f"sealed {last.time}; when its data were begun is not on record"
    elif last.time <= began:
        said = f"sealed {last.time}, before its data"
    else:
        said = f"sealed {last.time}, too late: its data were begun {began}"
    changed_code = ", ".join(changed_files(last.code, code))
    return f"{said}; code changed since: {changed_code}" if changed_code else said


def as_record(last: Seal | None) -> dict[str, Any] | None:
    """Return a seal for a ledger: without the rule and the code, which stand there as they were judged."""
    if last is None:
        return None
    left = ("definition", "code", "runs")
    return {key: value for key, value in asdict(last).items() if key not in left} | {"needed": last.needed}


def _differences(then: Any, now: Any, key: str = "") -> list[str]:
    """Return the dotted keys in which two rules differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        inner = [
            _differences(then.get(name), now.get(name), f"{key}.{name}" if key else name)
            for name in dict.fromkeys([*then, *now])
        ]
        return [name for names in inner for name in names]
    return [] if then == now else [key]


def _some(numbers: Sequence[int]) -> str:
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 2 else ", ".join(map(str, numbers))
