"""The nouns of a search: what a model, a rollout, a noise proposal and a search method promise each other.

Shape letters: b batch, t frames, c channels, h, w height and width in latents, H, W in pixels. Frames are
RGB. Everything that a beam carries is frozen (`dataclasses.replace`), so beams cannot leak into each other.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from rewards.base import UserError

Image = Float[Tensor, "3 H W"]
Latents = Float[Tensor, "b t c h w"]
Clip = Float[Tensor, "t c h w"]
Video = Float[Tensor, "b n 3 H W"]  # n frames: more than latents where time is compressed
Stage = tuple[int, int]  # (look: preview after this many evaluations, keep: how many candidates go on)
Preview = Literal["early", "coarse", "ahead", "draft"]
"""What a look at a candidate is.

early: the estimate of x0 at evaluation `look` of the run itself, which goes on from there. coarse: a run of its own, of
`look` steps over the whole range, thrown away. ahead: `look` evaluations of the run, then from there in a few jumps to
the clean level; the jumps are thrown away (the look-ahead estimator of diffusion latent beam search, arXiv:2501.19252).
draft: coarse, with the model's cached blocks switched on.
"""


class NoVideo(UserError):
    """A method or model made nothing that can be shown (NaN, infinity): a failure of quality, not of the machine."""


# --- the model --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Schedule:
    """Noise levels 0 (clean: signal 1, noise 0) … L (most noise): x = signal·x0 + noise·eps.

    `times` is what the model's network calls each level. A T-step run goes L = T, T−1, …, 0.
    """

    times: Float[Tensor, "levels"]
    signal: Float[Tensor, "levels"]
    noise: Float[Tensor, "levels"]

    @property
    def steps(self) -> int:
        """How many denoising steps lead from the top level to the clean one."""
        return len(self.times) - 1

    def at(self, level: int | Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """(times, signal, noise) of one level, or of a level for each frame, expanded to [b t]."""
        times, signal, noise = (values[level].expand(shape) for values in (self.times, self.signal, self.noise))
        return times, signal, noise

    def to(self, device: torch.device | str) -> "Schedule":
        """The same schedule on another device."""
        return Schedule(self.times.to(device), self.signal.to(device), self.noise.to(device))


@dataclass(frozen=True)
class History:
    """What a model needs of the video so far; each model fills what it uses, all else stays None.

    `latents` [t c h w] clean context, `frames` [t 3 H W] clean context in pixels 0..1 (after `start` also
    what the user sees as the start image), `decoder` the state of a temporally compressed decoder, `chunks`
    made so far.
    """

    latents: Tensor | None = None
    frames: Tensor | None = None
    decoder: Any = None
    chunks: int = 0


@dataclass(frozen=True)
class Cond:
    """A batch of conditions: one prompt and one row of every tensor for each sample."""

    prompts: tuple[str, ...]
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.prompts)

    def __getitem__(self, rows: slice) -> "Cond":
        return Cond(self.prompts[rows], {k: v[rows] for k, v in self.tensors.items()})

    def index(self, rows: Sequence[int]) -> "Cond":
        """The given rows, in the given order."""
        picked = list(rows)
        return Cond(tuple(self.prompts[i] for i in picked), {k: v[picked] for k, v in self.tensors.items()})

    def repeat(self, times: int) -> "Cond":
        """Every row `times` times in a row: a a b b …"""
        return self.index([i for i in range(len(self)) for _ in range(times)])

    @staticmethod
    def cat(conds: Sequence["Cond"]) -> "Cond":
        """One batch of several."""
        keys = conds[0].tensors.keys()
        tensors = {k: torch.cat([c.tensors[k] for c in conds]) for k in keys}
        return Cond(tuple(p for c in conds for p in c.prompts), tensors)


@runtime_checkable
class VideoModel(Protocol):
    """What both kinds of frozen video model share.

    `frames_per_chunk` new frames a chunk (a model whose first chunk is shorter says so in `first_frames`);
    `context_frames` clean frames that it looks back at; `guidance`
    the scale of classifier-free guidance; `evaluations_per_call` 2 with guidance ≠ 1 (batched inside), else
    1; `denoiser` the module whose every evaluated sample counts as one denoiser evaluation (NFE).
    """

    name: str
    capability: Literal["stepwise", "black_box"]
    frames_per_chunk: int
    context_frames: int
    fps: float
    guidance: float
    device: torch.device

    @property
    def denoiser(self) -> torch.nn.Module:
        """The network."""
        ...

    @property
    def evaluations_per_call(self) -> int:
        """Denoiser evaluations for one sample of one call."""
        ...

    def start(self, prompt: str, image: Image | None, seed: int) -> History:
        """The history before the first chunk: the given image, else what the model itself starts from."""
        ...

    def condition(self, prompts: Sequence[str], histories: Sequence[History]) -> Cond:
        """One condition a (prompt, history); prompt embeddings are cached per prompt inside the model."""
        ...

    def latent_shape(self, frames: int) -> tuple[int, int, int, int]:
        """(t, c, h, w) of the latents of this many new frames."""
        ...

    def decode(self, latents: Latents, histories: Sequence[History]) -> Video:
        """New frames in 0..1, one history a sample (a causal decoder continues from it)."""
        ...

    def extend(self, history: History, latents: Clip, frames: Float[Tensor, "n 3 H W"]) -> History:
        """The history after these new clean latents (and their decoded frames) were accepted."""
        ...


@runtime_checkable
class StepwiseModel(VideoModel, Protocol):
    """A model whose denoiser can be stepped: early previews, per-frame levels where it says so."""

    per_frame_levels: bool

    def schedule(self, steps: int) -> Schedule:
        """The noise levels of a run of this many steps."""
        ...

    def denoise(self, x: Latents, times: Float[Tensor, "b t"], cond: Cond) -> Latents:
        """The estimate of x0 (guided), for new frames only: context frames the model prepends itself."""
        ...


@runtime_checkable
class BlackBoxModel(VideoModel, Protocol):
    """A model that is one pipeline call: coarse previews and the chunk rollout only.

    `noise_control`: "latents", the call starts from the given noise, or "generator", the noise only seeds the
    pipeline's own generator: noises near each other then make videos that are not, so only independent ones make sense.
    """

    noise_control: Literal["latents", "generator"]

    def sample(self, cond: Cond, noise: Latents, steps: int) -> Latents:
        """Clean latents of new frames from this initial noise."""
        ...


@runtime_checkable
class StatefulDecoder(Protocol):
    """A model whose decoder remembers what it decoded (causal VAEs that compress time).

    `History.decoder` is what it remembers; `decode` starts from it and leaves it alone.
    """

    def decode_on(self, latents: Latents, histories: Sequence[History]) -> tuple[Video, list[Any]]:
        """The frames that `decode` gives, and what the decoder of each history remembers afterwards."""
        ...


@runtime_checkable
class CachedBlocks(Protocol):
    """A model whose network can leave out blocks whose output hardly changes between steps."""

    def drafting(self) -> AbstractContextManager[None]:
        """Within it evaluations are cheaper and rougher, and count as evaluations all the same."""
        ...


# --- what a beam carries ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """A finished part of one beam's video, not yet shown; beams with the same `key` share it, and all before it."""

    key: int
    frames: UInt8[Tensor, "t 3 H W"]


@dataclass(frozen=True)
class State:
    """A beam: one unfinished video.

    `key` is its lineage (sampling.child), 0 on the plain sampler's own path at every depth; `inner` is the
    rollout's own (a history, a queue); `noise` and `clean` are the last accepted initial noise and clean
    latents (proposals act on them); `fixed` and `sliding` are anchor frames; `pieces` wait for the writer;
    `memory` has one entry for each proposal (adaptive ones learn there); `log_weight` is a particle's; `watch` is what
    a trigger remembers of the beam.
    """

    seed: int
    prompts: tuple[str, ...]
    inner: Any
    key: int = 0
    depth: int = 0
    noise: Float[Tensor, "n c h w"] | None = None
    clean: Float[Tensor, "t c h w"] | None = None
    fixed: Float[Tensor, "f 3 H W"] | None = None
    sliding: Float[Tensor, "s 3 H W"] | None = None
    score_sum: float = 0.0
    scored: int = 0
    log_weight: float = 0.0
    pieces: tuple[Piece, ...] = ()
    memory: tuple[Any, ...] = ()
    watch: Any = None

    @property
    def identity(self) -> tuple[int, int]:
        """Tells beams apart, also those of different seeds in one batch."""
        return (self.seed, self.key)

    @property
    def score(self) -> float:
        """Mean score of the pieces so far that were scored; NaN where none was."""
        return self.score_sum / self.scored if self.scored else float("nan")

    @property
    def prompt(self) -> str:
        """The prompt of the next piece: the last one repeats."""
        return self.prompts[min(self.depth, len(self.prompts) - 1)]

    @property
    def anchor(self) -> Float[Tensor, "a 3 H W"] | None:
        """This beam's own anchor frames in time order, fixed ones first; None before anything was shown."""
        known = [frames for frames in (self.fixed, self.sliding) if frames is not None]
        return torch.cat(known) if known else None


@dataclass(frozen=True)
class Candidate:
    """One initial noise for the next piece of one beam. `key` is the lineage it has if it is kept."""

    parent: State
    index: int
    key: int
    noise: Clip
    proposal: str
    arm: tuple[int, str] | None = None  # (which proposal, which of its arms), for adaptive proposals

    @property
    def identity(self) -> tuple[int, int]:
        """Tells candidates of one step apart."""
        return (self.parent.seed, self.key)

    @property
    def order(self) -> tuple[int, int]:
        """Breaks ties the same way wherever the candidate stands in the batch; the plain path comes first."""
        return (self.index, self.parent.key)


@dataclass(frozen=True)
class Branch:
    """A candidate, denoised so far.

    `x` is the rollout's own, after `evaluations` steps; `cond` has one row; `clean` is the estimate of x0 at the last
    look, and `preview` its frames, where they were decoded.
    """

    candidate: Candidate
    x: Any
    cond: Cond
    evaluations: int = 0
    clean: Float[Tensor, "n c h w"] | None = None
    preview: Float[Tensor, "t 3 H W"] | None = None
    score: float = float("nan")
    parts: Mapping[str, float] = field(default_factory=dict)
    previews: tuple[tuple[int, float], ...] = ()  # (look, score) of every stage so far


@dataclass(frozen=True)
class Finished:
    """A branch denoised to the end: the beam it becomes, and the frames it shows (none while a queue fills).

    `key` names these frames where beams of other lineages may show them, too; None: they are this lineage's own.
    """

    branch: Branch
    state: State
    frames: Float[Tensor, "t 3 H W"] | None
    key: int | None = None


@runtime_checkable
class Rollout(Protocol):
    """How a long video is made, apart from how it is searched: piece by piece, each from its own initial
    noise.

    `pieces` steps in all, `frames` shown in all; `preview`: the kind of looks; `preview_is_piece`: what a preview
    shows is what the same step commits (chunk), so that their scores can be correlated.
    """

    name: str
    model: VideoModel
    steps: int
    eta: float
    pieces: int
    frames: int
    preview: Preview
    preview_is_piece: bool

    def start(self, prompts: Sequence[str], image: Image | None, seed: int, noise_seed: int | None = None) -> State:
        """The beam before the first piece. `prompts`: one, or one a chunk (the last one repeats).

        `seed` gives the model's own start (a rendered scene), `noise_seed` all noise (None: the same seed).
        """
        ...

    def noise_shape(self) -> tuple[int, int, int, int]:
        """(t, c, h, w) of one candidate's noise."""
        ...

    def matters(self, depth: int) -> bool:
        """Whether noise chosen at this step is ever shown: where not, nothing is searched."""
        ...

    def expand(self, candidates: Sequence[Candidate]) -> list[Branch]:
        """Branches at the top noise level; nothing is denoised yet."""
        ...

    def refine(self, branches: Sequence[Branch], look: int, decode: bool = True) -> list[Branch]:
        """Branches with the preview that `look` evaluations give; without `decode` only its latents (`clean`)."""
        ...

    def commit(self, branches: Sequence[Branch]) -> list[Finished]:
        """Finishes the chosen branches."""
        ...

    def preview_evaluations(self, depth: int, branches: int, seen: int, look: int) -> int:
        """Denoiser evaluations (NFE, guidance counted) of `refine` to `look`, after a preview at `seen`."""
        ...

    def finish_evaluations(self, depth: int, branches: int, parents: int, seen: int) -> int:
        """Denoiser evaluations of `commit` for so many branches of so many parents, previewed to `seen`."""
        ...

    def commit_evaluations(self, branches: Sequence[Branch]) -> int:
        """What `commit` of these branches spends: at most `finish_evaluations`, less where beams share work."""
        ...

    def overhead(self) -> int:
        """Denoiser evaluations of `start`."""
        ...

    def with_steps(self, steps: int) -> "Rollout":
        """The same rollout with other denoising steps; UserError where it cannot run with them."""
        ...

    def with_eta(self, eta: float) -> "Rollout":
        """The same rollout with a more, or less, stochastic sampler; UserError where the model has no say in it."""
        ...

    def with_preview(self, preview: Preview, ahead: int | None = None) -> "Rollout":
        """The same rollout with another kind of look (`ahead`: jumps of that kind); UserError where it has none."""
        ...


# --- proposals and methods --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draw:
    """A proposed noise, and the arm of the proposal that made it."""

    noise: Clip
    arm: str


@runtime_checkable
class NoiseProposal(Protocol):
    """Where candidates come from. `marginal`: "normal" (standard normal, tested so) or "structured"."""

    name: str
    marginal: Literal["normal", "structured"]
    adaptive: bool

    def draw(self, state: State, memory: Any, fresh: Clip, generator: torch.Generator) -> Draw:
        """A noise near what the beam accepted last; `fresh` is the candidate's own standard normal noise."""
        ...

    def learn(self, memory: Any, arm: str) -> Any:
        """The memory after a candidate of this arm was kept (None at first)."""
        ...


@runtime_checkable
class Predictor(Protocol):
    """Guesses scores from latents, so that most candidates are never decoded (`search.predictor`).

    `look`: evaluations before it is asked, 0 for the noise alone; `keep`: the share that goes on to be previewed.
    """

    look: int
    keep: float

    def scores(self, branches: Sequence[Branch]) -> Sequence[float]:
        """A guess for each branch; only their order within one beam means anything."""
        ...


FrameSink = Callable[[UInt8[Tensor, "t 3 H W"]], None]  # takes frames in showing order, once certain
TraceSink = Callable[[dict[str, Any]], None]  # takes one JSON-able row a search step and candidate
Progress = Callable[[int, int], None]  # (steps done, steps in all)


@dataclass(frozen=True)
class Generated:
    """What a method returns once all frames went to the sink: numbers only, so memory does not grow with
    length.

    `score` is the winner's mean piece score (NaN where nothing was scored), `winner` its lineage key;
    `evaluations` is the nominal NFE by the rollout's formula (the Meter's count stands in the record);
    `correlations` are Spearman's between preview and final score by look, over the branches that were
    finished (None where there are too few to compare).
    """

    frames: int
    score: float
    winner: int
    evaluations: int
    correlations: Mapping[int, float | None] = field(default_factory=dict)


@runtime_checkable
class SearchMethod(Protocol):
    """A way to spend a budget on one prompt."""

    name: str

    def evaluations(self, rollout: Rollout) -> int:
        """NFE that a run on this rollout will spend."""
        ...

    def sized(self, budget: int, rollout: Rollout) -> Self:
        """Itself with its knobs solved for at most this many evaluations; UserError where not one video
        fits.
        """
        ...

    def __call__(
        self,
        rollout: Rollout,
        reward: Any,
        prompts: Sequence[str],
        *,
        emit: FrameSink,
        image: Image | None = None,
        seed: int = 0,
        trace: TraceSink | None = None,
        on_progress: Progress | None = None,
    ) -> Generated:
        """Makes one video; `prompts`: one, or one a chunk."""
        ...
