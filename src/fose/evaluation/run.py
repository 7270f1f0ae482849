"""Score methods on scenes: one bad scene is reported and the rest goes on."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fose.errors import FoseError
from fose.evaluation.cases import Case, Opening, Settings
from fose.evaluation.scores import Scores
from fose.sharpener import Sharpener


@dataclass(frozen=True)
class Result:
    """A method's scores on a scene. seconds: sharpening and measuring."""

    group: str
    scene: str
    protocol: str
    method: str
    scores: Scores
    seconds: float


@dataclass(frozen=True)
class Failure:
    """What could not be evaluated and why; protocol and method are None where the scene itself failed."""

    scene: str
    message: str
    protocol: str | None = None
    method: str | None = None

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.scene, self.protocol, self.method) if part)
        return f"{where}: {' '.join(self.message.split())}"


@dataclass
class Evaluation:
    """All that was found. notes: by scene."""

    results: list[Result] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)


Event = Callable[[str], None]


def evaluate(
    cases: Sequence[Case], methods: Mapping[str, Sharpener], settings: Settings, doing: Event | None = None
) -> Evaluation:
    """Score every method on every case. doing: told what is being worked on. Never raises a FoseError."""
    found = Evaluation()
    for number, case in enumerate(cases, start=1):
        label = f"{number}/{len(cases)} {case.name}"
        try:
            with case.open(settings) as opening:
                found.notes[case.name] = opening.notes
                _score_all(case, opening, methods, found, label, doing)
        except FoseError as error:
            found.failures.append(Failure(case.name, str(error)))
    return found


def _score_all(
    case: Case, opening: Opening, methods: Mapping[str, Sharpener], found: Evaluation, label: str, doing: Event | None
) -> None:
    if not opening.trials:
        found.failures.append(Failure(case.name, "no chosen protocol suits it: --protocol reduced for a target"))
    for protocol, make in opening.trials.items():
        try:
            trial = make()
        except FoseError as error:
            found.failures.append(Failure(case.name, str(error), protocol))
            continue
        found.notes[case.name] = (*found.notes[case.name], *(f"{protocol}: {note}" for note in trial.notes))
        for name, sharpener in methods.items():
            if doing:
                doing(f"{label}, {protocol}, {name}")
            start = time.perf_counter()
            try:
                scores = trial.score(sharpener)
            except FoseError as error:
                found.failures.append(Failure(case.name, str(error), protocol, name))
                continue
            seconds = time.perf_counter() - start
            found.results.append(Result(case.group, case.name, protocol, name, scores, seconds))
