"""One cell: one prompt, one method, one seed — made, metered, measured and recorded in one folder.

The folder ends with `video.mp4`, `trace.jsonl`, pictures (`sn_eval.poc.search_pictures`), `per_frame.json` where there
are judges, `features.npz` where it is asked for (`sn_eval.poc.feature_tap`) and, written last, `record.json`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from rewards.base import Reward, UserError
from sn_eval import proposals, rollouts, search
from sn_eval.cost.devices import environment
from sn_eval.cost.meter import Meter
from sn_eval.interfaces import Generated, Rollout, SearchMethod, VideoModel
from sn_eval.metrics.base import key_of
from sn_eval.poc.failures import category
from sn_eval.poc.feature_tap import FeatureTap
from sn_eval.poc.search_pictures import SearchTap, save_pictures
from sn_eval.results.experiment import short
from sn_eval.results.per_frame import Curves, save_curves
from sn_eval.results.record import PREVIEW, SEARCHED, WHOLE, Component, Record, versions
from sn_eval.results.trace import TraceWriter
from sn_eval.search.predictor import LightPredictor
from sn_eval.search.predictor import load as load_predictor
from sn_eval.video import SHEET_TILES, Strip, VideoWriter, to_uint8

ID_VERSION = "v1"


@dataclass(frozen=True)
class Cell:
    """Everything that decides a video's bits, by name: no objects, so that it can be stored, hashed and sent.

    prompts: one, or one a chunk. budget: denoiser evaluations that the method is sized to, None for its own knobs.
    title: what judges and tables are told where there are several prompts [the first one].
    """

    prompts: tuple[str, ...]
    model: Component
    rollout: Component
    method: Component
    reward: Component | None = None
    judges: tuple[Component, ...] = ()
    seed: int = 0
    budget: int | None = None
    image: str | None = None
    fingerprint: str = ""  # of what stands behind the names: weights, files, effective knobs (`poc.fingerprint`)
    title: str = ""

    @property
    def text(self) -> str:
        """What the video shows, in one prompt."""
        return self.title or self.prompts[0]

    @property
    def id(self) -> str:
        """A name that is the same for the same cell, whoever runs it; a change of what goes in makes v2."""
        fields = {name: _plain(value) for name, value in vars(self).items() if name != "title" or value}
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
        return f"{ID_VERSION}-{self.method.use.split(':')[-1].split('/')[-1]}-s{self.seed}-{digest[:16]}"


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        return value.model_dump()
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


@dataclass
class Outcome:
    """What a finished cell leaves in memory: its record, the frames where they were asked for, and what went wrong.

    unscored: why a judge, by the key of its score, could not judge this video.
    """

    record: Record
    frames: UInt8[Tensor, "t 3 H W"] | None = None
    unscored: dict[str, Exception] = field(default_factory=dict)


def check_cell(cell: Cell, model: VideoModel) -> None:
    """Refuse wrong knobs and a budget too small before anything is spent; nothing is made."""
    rollout = rollouts.create(cell.rollout.use, model=model, **cell.rollout.params)
    method = make_method(cell.method)
    check_method(method, rollout, cell.reward)
    if cell.budget is not None:
        method.sized(cell.budget, rollout)


def check_method(method: Any, rollout: Rollout, reward: Component | None) -> None:
    """Refuse knobs that this rollout cannot serve, and a predictor of another model, shape, look or reward."""
    if hasattr(method, "check"):
        method.check(rollout)
    predictor = getattr(method, "predictor", None)
    if isinstance(predictor, LightPredictor):
        own = rollout.with_preview(method.preview, method.ahead) if method.preview else rollout
        predictor.check(own, short(reward.use) if reward else "none")


def make_method(component: Component) -> SearchMethod:
    """The method of that name; proposals given by name, and a predictor given by its file, become objects."""
    params: dict[str, Any] = dict(component.params)
    if params.get("proposals"):
        params["proposals"] = [proposals.create(str(name)) for name in params["proposals"]]
    if isinstance(params.get("predictor"), str):
        params["predictor"] = load_predictor(params["predictor"])
    method: SearchMethod = search.create(component.use, **params)
    return method


def run_cell(  # noqa: PLR0913  (all but the first three by name)
    cell: Cell,
    folder: Path,
    model: VideoModel,
    reward: Reward | None = None,
    judges: Sequence[Reward] = (),
    *,
    image: Float[Tensor, "3 H W"] | None = None,
    scale: int = 4,
    keep_features: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Make, measure and record one video in `folder` (which exists and is empty).

    keep_features: of the candidates, to train a predictor on; nothing of the video depends on it.

    model, reward, judges: the objects that the cell names, made once for many cells. Judges see the whole video
    against its start frames; their time and frames are not the method's cost, and one that fails leaves its score None.
    Whatever is finished stays in the folder when something else fails; `record.json` is written last.
    """
    method = make_method(cell.method)
    keep: list[Tensor] = []
    with Meter(model.device) as meter:
        rollout = rollouts.create(cell.rollout.use, model=meter.model(model), **cell.rollout.params)
        if cell.budget is not None:
            method = method.sized(cell.budget, rollout)
        begin = model.start(cell.prompts[0], image, cell.seed).frames
        with (
            VideoWriter(folder / "video.mp4", fps=model.fps, scale=scale) as video,
            TraceWriter(folder / "trace.jsonl") as trace,
        ):
            sheet = Strip(rollout.frames + (0 if begin is None else len(begin)), SHEET_TILES)

            def take(frames: Tensor) -> None:
                pixels = to_uint8(frames).cpu()
                video.write(pixels)
                sheet.add(pixels)
                if judges:
                    keep.append(pixels)

            if begin is not None:
                take(begin)
            features = FeatureTap(meter.rollout(rollout))
            tap = SearchTap(features if keep_features else features.rollout)
            made = method(
                tap, reward and meter.reward(reward), cell.prompts, emit=meter.sink(take), image=image,
                seed=cell.seed, trace=trace.write, on_progress=on_progress,
            )  # fmt: skip
            with meter.phase("write"):
                video.close()  # most frames of a short video are encoded only now
    frames = torch.cat(keep) if judges else None
    scores: dict[str, float | None] = {} if reward is None else {search_key(reward): made.score}
    scores |= {f"{PREVIEW}{look}": rho for look, rho in made.correlations.items()}
    unscored: dict[str, Exception] = {}
    if frames is not None:
        asked = {key_of(judge.spec): judge for judge in judges}
        if reward is not None:  # of every method's video, searched or not: only so can arms be compared by it
            asked[reward_key(reward)] = reward
        verdicts, curves, unscored = _judged(cell, asked, frames, 0 if begin is None else len(begin), model.fps)
        scores |= verdicts
        save_curves(folder, curves)
    save_pictures(folder, cell.text, f"{cell.method.use}\nseed {cell.seed}", sheet, tap, model.fps)
    features.save(folder)
    record = _record(cell, rollout, method, model, meter, made, video, scores)
    return Outcome(record, frames, unscored)


def search_key(reward: Reward) -> str:
    """Key in `record.scores` of the mean piece score by which a search chose."""
    return f"{SEARCHED}{reward.spec.name}"


def reward_key(reward: Reward) -> str:
    """Key in `record.scores` of the same reward's verdict on the whole video."""
    return f"{WHOLE}{reward.spec.name}"


def _judged(
    cell: Cell, judges: Mapping[str, Reward], frames: UInt8[Tensor, "t 3 H W"], start: int, fps: float
) -> tuple[dict[str, float | None], Curves, dict[str, Exception]]:
    """Every judge's verdict on the whole video by its key, the same frame by frame, and why one has none.

    start: frames that the video began from.
    """
    scores: dict[str, float | None] = {}
    curves: dict[str, list[float | None]] = {}
    unscored: dict[str, Exception] = {}
    whole = frames[None].float() / 255
    about: dict[str, Any] = {"fps": fps, "anchor": whole[:, : max(start, 1)], "metadata": [{"seed": cell.seed}]}
    for key, judge in judges.items():
        try:
            verdict = judge(whole[:, start:], [cell.text], **about)
        except Exception as error:  # a user's own evaluator may raise anything
            if category(error) == "infrastructure":
                raise
            scores[key], unscored[key] = None, error
            continue
        scores[key] = float(verdict.values[0])
        scores |= {f"{key}/{part}": float(value[0]) for part, value in verdict.parts.items()}
        if verdict.per_frame is not None:
            curves[key] = verdict.per_frame[0].tolist()
    return scores, curves, unscored


def _record(
    cell: Cell, rollout: Any, method: Any, model: VideoModel, meter: Meter, made: Generated,
    video: VideoWriter, scores: dict[str, float | None],
) -> Record:  # fmt: skip
    """Everything a later reader needs to know or to repeat the cell."""
    knobs = {k: v for k, v in vars(method).items() if isinstance(v, int | float | str | tuple | list) and k != "name"}
    knobs.pop("proposals", None)
    solved = {
        "fingerprint": cell.fingerprint,
        "budget_nfe": cell.budget,
        "winner": f"{made.winner:016x}",
        "nominal_nfe": made.evaluations,
        "frames_per_chunk": model.frames_per_chunk,
        "start_frames": video.frames - rollout.frames,
    }
    width, height = video.size
    return Record(
        id=cell.id, prompt=cell.text, schedule=cell.prompts if len(cell.prompts) > 1 else None,
        image=cell.image, model=cell.model, rollout=cell.rollout, method=cell.method,
        rewards=tuple(filter(None, (cell.reward, *cell.judges))),
        parameters={"method": json.loads(json.dumps(knobs)), **solved, "preview": getattr(rollout, "preview", None)},
        seed=cell.seed, frames=video.frames, fps=model.fps, width=width, height=height,
        frames_sha256=video.frames_sha256, scores=scores, cost=meter.cost(),
        environment=environment(model.device, max_batch=getattr(rollout, "max_batch", None)),
        versions=dict(versions()), created=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip


def check_prompts(prompts: Sequence[str]) -> tuple[str, ...]:
    """The prompts, once none is empty."""
    if not prompts or not all(prompt.strip() for prompt in prompts):
        raise UserError("empty prompt: describe a scene, for example 'a red ball rolls to the left'.")
    return tuple(prompts)
