"""`poc import`: candidates that were made elsewhere become the finished cells of a run; nothing is generated.

Each is decoded once, measured, and kept at once, so an import that was stopped goes on where it stopped. Best of N
follows from all candidates by order statistics (`decision.order_statistics`) when the run is read.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import rewards
from rewards.base import UserError
from sn_eval import metrics
from sn_eval.decision.order_statistics import CANDIDATE
from sn_eval.decision.prices import load_prices
from sn_eval.poc.candidates import Candidate, Candidates, comparable, find_candidates
from sn_eval.poc.imported_spec import EVALUATORS, SELECTOR, default_experiment, experiment_by, run_name, spec_text
from sn_eval.poc.judges import judge_of, same_family
from sn_eval.poc.measuring import IMPORTED, Instruments, evaluator, plays_in_browsers, selector, take
from sn_eval.results.evaluation import mean_of_known
from sn_eval.results.experiment import Evaluator, Experiment
from sn_eval.results.experiment_file import load_experiment
from sn_eval.results.files import write_whole
from sn_eval.results.plan import FILE_NAME, Judge, Plan, Planned
from sn_eval.results.record import SEARCHED, Component
from sn_eval.results.run_folder import PRICES, SPEC, declared
from sn_eval.results.store import RunStore

ID_VERSION = "v1"
DEFAULT_REWARD = Component(use="anchor_consistency")
LABELS = "labels.csv"


@dataclass(frozen=True)
class Asked:
    """What the user says. reward: what chooses among candidates; selector: a column of the manifest that already did.

    evaluators: in place of the default ones. spec: an experiment file whose rules hold. copy: False leaves the videos
    where they are, and links to them.
    """

    reward: Component | None = None
    selector: str | None = None
    evaluators: tuple[Evaluator, ...] = ()
    spec: Path | None = None
    copy: bool = True


@dataclass(frozen=True)
class Watched:
    """What is told while it goes on."""

    on_video: Callable[[int, int, str], None] = lambda done, total, name: None
    on_frames: Callable[[int, int | None], None] = lambda done, total: None


@dataclass(frozen=True)
class Imported:
    """A finished import. measured: videos by this call. unscored: how many of them a judge could not score, by key."""

    folder: Path
    experiment: Experiment
    candidates: Candidates
    measured: int
    unscored: Mapping[str, int]
    notes: tuple[str, ...]


def import_videos(place: Path, out: Path, asked: Asked | None = None, watched: Watched | None = None) -> Imported:
    """Make `out` the run of the candidates in a folder or manifest.

    UserError or ResultsError, in one line, where nothing can be imported; single videos that cannot be used are left
    out, and `Imported.candidates.left_out` says why.
    """
    watched = watched or Watched()
    rules = _Rules.of(asked or Asked(), out)
    found = find_candidates(place, rules.selector, apart=out)
    instruments, judges = _cast(rules)
    store = RunStore(out)
    with store.locked():
        _refuse_other(out)
        before = Plan.load(out) if store.ids() and (out / FILE_NAME).is_file() else None
        run = _Run(store, rules, judges, instruments, run_name(out), before)
        run.declare(found)
        left_out, measured, unscored = run.measure(found, watched)
        found = comparable([v for v in found.videos if str(v.source.path) not in left_out],
                           {**found.left_out, **left_out}, found.notes) if left_out else found  # fmt: skip
        experiment, notes = run.declare(found)
    if not rules.copy and (odd := sum(not plays_in_browsers(video.source.path) for video in found.videos)):
        notes.append(f"{odd} of the linked videos are no H.264 mp4, so browsers may not show them: copies would be")
    return Imported(out, experiment, found, measured, unscored, tuple(dict.fromkeys((*found.notes, *notes))))


# --- what is asked ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rules:
    """What is asked, with everything filled in. kept: the run's own spec, which its owner may have changed."""

    reward: Component
    evaluators: tuple[Evaluator, ...]
    same_family: bool
    copy: bool
    spec: Path | None
    given: Experiment | None
    kept: bool

    @property
    def selector(self) -> str | None:
        """The column that holds the scores, where they were given."""
        return str(self.reward.params["column"]) if self.reward.use == SELECTOR else None

    @classmethod
    def of(cls, asked: Asked, out: Path) -> "_Rules":
        """UserError for things that do not go together."""
        if asked.reward and asked.selector:
            raise UserError("--reward measures what --selector reads from the manifest: give one of them")
        if asked.spec and asked.evaluators:
            raise UserError("--spec names evaluators, and so does --evaluator: give one of them")
        kept = asked.spec is None and (out / SPEC).is_file()
        spec = out / SPEC if kept else asked.spec
        given = load_experiment(spec) if spec else None
        column = Component(use=SELECTOR, params={"column": asked.selector.lower()}) if asked.selector else None
        reward = column or asked.reward or (given.reward if given else DEFAULT_REWARD)
        evaluators = asked.evaluators or (given.evaluators if given else _of_other_families(reward))
        if kept and given and (reward, tuple(evaluators)) != (given.reward, given.evaluators):
            raise UserError(f"{spec} of this run names another reward or evaluators: choose another --out")
        return cls(reward, tuple(evaluators), bool(given and given.allow_same_family), asked.copy, spec, given, kept)


def _of_other_families(reward: Component) -> tuple[Evaluator, ...]:
    """The usual evaluators without those that measure as the reward does."""
    searched = set() if reward.use == SELECTOR else set(rewards.create(reward.use, **reward.params).spec.families)
    free = [e for e in EVALUATORS if not searched & set(metrics.create(e.use, **e.params).spec.families)]
    if not free:
        raise UserError(f"every usual evaluator measures as {reward.use!r} does: name others with --evaluator")
    return tuple(free)


def _cast(rules: _Rules) -> tuple[Instruments, tuple[Judge, ...]]:
    """What measures, made once; UserError for a judge of the family that is searched on."""
    reward = None if rules.selector else rewards.create(rules.reward.use, **rules.reward.params)
    searched = f"{SEARCHED}{rules.selector or (reward.spec.name if reward else '')}"
    made, judges = {}, []
    for each in rules.evaluators:
        judge = metrics.create(each.use, **each.params)
        shared = same_family(reward, judge) if reward else []
        if shared and not rules.same_family:
            raise UserError(
                f"evaluator {each.label!r} measures by {', '.join(shared)}, which {rules.reward.use!r} chooses by: "
                "name one of another family, or give a --spec with allow_same_family: true (every table is then marked)"
            )
        judges.append(judge_of(each, judge, searched=bool(shared)))
        if judges[-1].key in made:
            raise UserError(f"evaluators share the column {judges[-1].key!r}: leave one out")
        made[judges[-1].key] = evaluator(judge)
    if reward:
        made[searched] = selector(reward)
    parts = (rules.reward, *(Component(use=each.use, params=each.params) for each in rules.evaluators))
    return Instruments(made, searched, parts), tuple(judges)


def _refuse_other(out: Path) -> None:
    """UserError where another kind of run lives."""
    if (out / FILE_NAME).is_file() and Plan.load(out).kind != "imported":
        raise UserError(f"{out} holds a run that was generated here: choose another --out")


# --- what is written --------------------------------------------------------------------------------------


@dataclass
class _Run:
    """One import at work on its store."""

    store: RunStore
    rules: _Rules
    judges: tuple[Judge, ...]
    instruments: Instruments
    name: str
    before: Plan | None = None
    stamp: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def declare(self, found: Candidates) -> tuple[Experiment, list[str]]:
        """Write spec, plan, prices and labels for these candidates; what the user changed is left as it is."""
        root = self.store.root
        labels = self._labels(found.videos)
        experiment, notes = self._experiment(found.videos, LABELS if labels else None)
        if self.rules.kept:
            notes = list(self.before.notes) if self.before else []
        else:
            source = self.rules.spec
            write_whole(root / SPEC, spec_text(experiment, mean_of_known([v.cost for v in found.videos]), source))
        if not (root / PRICES).is_file():
            write_whole(root / PRICES, load_prices(None).text())
        if labels:
            write_whole(root / LABELS, labels)
        self._plan(experiment, found.videos, (*found.notes, *notes)).save(root)
        kept = [f"{SPEC} of this run is used as it is"] if self.rules.kept else []
        return experiment, [*notes, *kept]

    def measure(self, found: Candidates, watched: Watched) -> tuple[dict[str, str], int, dict[str, int]]:
        """Every video that is not measured yet; which could not be read, how many were, and who did not score."""
        left_out: dict[str, str] = {}
        unscored: dict[str, int] = {}
        measured = 0
        for number, video in enumerate(found.videos):
            watched.on_video(number, len(found.videos), video.source.name)
            cell = self._id(video)
            if self.store.problems(cell):
                self.store.set_aside(cell)
            if self.store.has(cell):
                continue
            try:
                taken = take(video, cell, self.store.begin(cell), self.instruments, copy=self.rules.copy,
                             on_frames=watched.on_frames)  # fmt: skip
            except UserError as error:
                self.store.fail(cell, error, category="input")
                left_out[str(video.source.path)] = str(error)
                continue
            self.store.finish(cell, taken.record)
            measured += 1
            for key, why in taken.unscored.items():
                unscored[key] = unscored.get(key, 0) + 1
                self.store.fail(cell, UserError(f"{key}: {why}"), category="evaluator")
        watched.on_video(len(found.videos), len(found.videos), "")
        return left_out, measured, unscored

    def _id(self, video: Candidate) -> str:
        """A name that is the same for the same file, measured by the same things and told the same."""
        source = video.source
        told = [
            video.sha256, video.prompt, video.score, video.seconds, video.device if video.seconds else "", source.fps,
            str(source.anchor or ""), source.metadata.get("frames_per_chunk"), source.metadata.get("seed"),
            [part.model_dump() for part in self.instruments.components],
            [[key, metric.spec.version, metric.spec.encoder_sha256] for key, metric in self.instruments.judges.items()],
        ]  # fmt: skip
        digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
        return f"{ID_VERSION}-{IMPORTED.use}-{digest[:16]}"

    def _experiment(self, videos: Sequence[Candidate], labels: str | None) -> tuple[Experiment, list[str]]:
        rules = self.rules
        if rules.kept and rules.given:
            return rules.given, []
        if rules.given:
            return experiment_by(rules.given, videos, rules.reward, labels)
        notes = [] if rules.reward != DEFAULT_REWARD else [f"best of N is chosen by {rules.reward.use}, as nobody says"]
        return default_experiment(self.name, videos, rules.reward, rules.evaluators, labels=labels), notes

    def _plan(self, experiment: Experiment, videos: Sequence[Candidate], notes: Sequence[str]) -> Plan:
        """The plan; rules count as declared when the first video was measured."""
        known = {prompt.text: prompt for prompt in experiment.prompts}
        cells = tuple(
            Planned(
                cell=self._id(video), prompt=video.prompt, arm=CANDIDATE, method=CANDIDATE, repeat=video.number,
                group=known[video.prompt].group if video.prompt in known else video.group,
                split=known[video.prompt].split if video.prompt in known else video.split or "confirm",
            )
            for video in videos
        )  # fmt: skip
        before = self.before
        rules = (before.declared if before else "") or declared(experiment)
        when = (before.declared_on if before else "") or self.stamp
        cost = mean_of_known([video.cost for video in videos])
        said = [f"money an attempt, as its owner says: {cost:g} on average"] if cost is not None else []
        return Plan(
            kind="imported", baseline="plain", searched=self.instruments.searched, judges=self.judges, cells=cells,
            declared=rules, declared_on=when, notes=tuple(dict.fromkeys((*notes, *said))),
        )  # fmt: skip

    def _labels(self, videos: Sequence[Candidate]) -> str:
        """People's verdicts as a table by cell; empty where there are none."""
        rows = [f"{self._id(v)},{int(v.accepted)},manifest" for v in videos if v.accepted is not None]
        return "\n".join(["video,rating,rater", *rows]) + "\n" if rows else ""
