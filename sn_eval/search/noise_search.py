"""The one search loop: propose noises, look ahead cheaply, keep the promising ones, finish only those.

ScalingNoise (Yang et al., arXiv:2503.16400, section 4): beam search over the initial noises of a long video's
pieces, steered by a long-horizon reward on previews. Stages of looks make successive halving (Jamieson &
Talwalkar, arXiv:1502.07943), resampling makes sequential Monte Carlo, branching between looks makes diffusion latent
beam search. Each further idea has a file of its own: `rounds`, `anomaly`, `prediction`, `rollover`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rewards.base import Reward, UserError
from rewards.registry import component
from sn_eval.interfaces import (
    Branch,
    Candidate,
    Finished,
    FrameSink,
    Generated,
    Image,
    NoiseProposal,
    Predictor,
    Preview,
    Progress,
    Rollout,
    Stage,
    State,
    TraceSink,
)
from sn_eval.sampling import sub_seed
from sn_eval.search import anomaly, selection
from sn_eval.search.budget import fit_candidates, too_small
from sn_eval.search.candidates import Shape, plain, propose
from sn_eval.search.correlation import Pairs
from sn_eval.search.judge import Judge
from sn_eval.search.ledger import leader, scored, settle, shown
from sn_eval.search.prediction import foreseen
from sn_eval.search.rollover import Rollover
from sn_eval.search.rounds import Round, mutants, rounds
from sn_eval.search.step_cost import StepCost
from sn_eval.search.trace import Tracer


@dataclass(frozen=True)
class Run:
    """What the steps of one video share; `rollover` where savings buy more candidates."""

    rollout: Rollout
    judge: Judge
    tracer: Tracer
    pairs: Pairs
    rollover: Rollover | None


@component("noise_search")
@dataclass(frozen=True)
class NoiseSearch:
    """Beam search over noise. The number of beams is what the last stage keeps.

    candidates: noises a beam, one number or one a piece (the last one repeats); the first is the plain
    sampler's. stages: (look, keep), …: after `look` evaluations `keep` of all branches go on. select:
    "top", "epsilon" (with probability `epsilon` each beam's own best), or "resample" (particles with log
    weight `strength`·score; needs one stage and a stochastic sampler, eta > 0). trigger: "always", or a beam
    tries others than the plain candidate only where that one's look falls by more than `drop` below the beam's mean
    so far: its score ("anomaly"), or its likeness to the beam's first piece ("latents"). proposals: where candidates
    1, 2, … come from, in turn; none: independent noise. lag: pieces that may wait until beams agree. fixed, sliding:
    anchor frames of each kind. preview, ahead, eta: the kind of look and the sampler in place of the rollout's.
    predictor: guesses scores before any decode; only the share that it keeps is previewed. generations: rounds in which
    a beam's candidates are tried; from the second on they are mutations of its best so far, `mutation` (0 … 1) being
    how much is fresh. branch: copies of every survivor between two stages (needs eta > 0). rollover: what a step leaves
    of a budget buys more candidates later. budget: evaluations that may be spent in all, set by `sized`.
    """

    candidates: int | Sequence[int] = 4
    stages: Sequence[Stage] = ((3, 2),)
    select: Literal["top", "epsilon", "resample"] = "top"
    epsilon: float = 0.2
    strength: float = 10.0
    trigger: Literal["always", "anomaly", "latents"] = "always"
    drop: float = 0.05
    proposals: Sequence[NoiseProposal] = ()
    lag: int = 8
    fixed: int = 2
    sliding: int = 2
    video: int = 0
    preview: Preview | None = None
    ahead: int | None = None
    eta: float | None = None
    predictor: Predictor | None = None
    generations: int = 1
    mutation: float = 0.5
    branch: int = 1
    rollover: bool = False
    budget: int | None = None
    name: str = "noise_search"

    def __post_init__(self) -> None:
        """Refuses what is no search."""
        looks, keeps = [look for look, _ in self.stages], [keep for _, keep in self.stages]
        for what, values in (
            ("candidates", self._counts),
            ("look", looks),
            ("beams", keeps),
            ("lag", [self.lag]),
        ):
            if min(values, default=0) < 1:
                raise UserError(f"{what} is {min(values, default=0)}; it must be 1 or more")
        if self.video < 0:
            raise UserError(f"video is {self.video}; they are counted from 0")
        if looks != sorted(set(looks)) or keeps != sorted(keeps, reverse=True):
            raise UserError(f"stages are {self.stages}; looks must rise and keeps must not, e.g. (2, 8), (4, 2)")
        if self.select == "resample" and len(self.stages) > 1:
            raise UserError(f"select is 'resample' with {len(self.stages)} stages; it takes one")
        if self.trigger == "latents" and len(self.stages) > 1:
            raise UserError(f"trigger is 'latents' with {len(self.stages)} stages; it takes one")
        if not 1 <= self.generations <= max(self._counts):
            raise UserError(
                f"generations is {self.generations}; it must lie in 1 … {max(self._counts)} (the candidates of a beam)"
            )
        if not 0 <= self.mutation <= 1:
            raise UserError(f"mutation is {self.mutation}; it must lie in 0 (a copy) … 1 (independent)")
        if self.branch < 1 or (self.branch > 1 and len(self.stages) == 1):
            raise UserError(f"branch is {self.branch}; it must be 1 with one stage, and 1 or more between two")

    def __call__(
        self,
        rollout: Rollout,
        reward: Reward,
        prompts: Sequence[str],
        *,
        emit: FrameSink,
        image: Image | None = None,
        seed: int = 0,
        trace: TraceSink | None = None,
        on_progress: Progress | None = None,
    ) -> Generated:
        """Makes one long video: each step branches every beam, looks, selects, and finishes what was
        selected.
        """
        rollout = self._own(rollout)
        self.check(rollout)
        run = Run(rollout, Judge(reward, rollout.model.fps), Tracer(rollout, trace), Pairs(), self._saving(rollout))
        start = rollout.start(prompts, image, seed, sub_seed(seed, self.video))
        beams = [replace(start, memory=(None,) * len(self.proposals))]
        try:
            for depth in range(rollout.pieces):
                branches = self._look_ahead(run, beams)
                run.tracer.committed(branches)
                beams = self._accept(run, rollout.commit(branches))
                beams = settle(beams, self.lag, emit)
                if on_progress:
                    on_progress(depth + 1, rollout.pieces)
        except BaseException:  # Ctrl-C, too: what the best beam has finished is shown, not lost
            settle([leader(beams)], 0, emit)
            raise
        winner = leader(beams)
        settle([winner], 0, emit)
        return Generated(rollout.frames, winner.score, winner.key, run.tracer.spent, run.pairs.correlations())

    # --- one step ---

    def _look_ahead(self, run: Run, beams: Sequence[State]) -> list[Branch]:
        """The branches that are worth finishing."""
        depth, shape = beams[0].depth, run.rollout.noise_shape()
        if not run.rollout.matters(depth):
            return run.rollout.expand([plain(beam, shape) for beam in beams])
        branches: list[Branch] = []
        for number, (look, keep) in enumerate(self.stages):
            if number == 0:
                branches = self._explore(run, beams)
            else:
                branches = preview(run, selection.branched(branches, self.branch), look)
            kept = self._select(branches, keep)
            run.tracer.stage(number, look, branches, kept)
            branches = kept
        return branches

    def _explore(self, run: Run, beams: Sequence[State]) -> list[Branch]:
        """All candidates, looked at for the first time, in one batch a round; with a trigger the plain ones first, and
        others of alarmed beams only.
        """
        depth, shape = beams[0].depth, run.rollout.noise_shape()
        count = run.rollover.count(depth, len(beams), run.tracer.spent) if run.rollover else self._count(depth)
        seen: list[Branch] = []
        for turn, each in enumerate(self._rounds(count)):
            if turn == 1 and self.trigger != "always":
                alarmed = {b.candidate.parent.identity for b in seen if self._alarmed(b)}
                beams = [beam for beam in beams if beam.identity in alarmed]
                if not beams:
                    break
            tried = run.rollout.expand([c for beam in beams for c in self._candidates(beam, each, seen, shape)])
            if self.predictor:
                tried = foreseen(run.rollout, run.tracer, self.predictor, tried)
            seen += preview(run, tried, self.stages[0][0])
        return seen

    def _rounds(self, count: int) -> list[Round]:
        return rounds(count, self.generations, alone=self.trigger != "always")

    def _candidates(self, beam: State, each: Round, seen: Sequence[Branch], shape: Shape) -> list[Candidate]:
        """One beam's candidates of one round."""
        if each.generation:
            return mutants(beam, each.indices, seen, shape, self.mutation)
        return propose(beam, each.indices.stop, shape, self.proposals, first=each.indices.start)

    def _alarmed(self, branch: Branch) -> bool:
        return (anomaly.by_latents if self.trigger == "latents" else anomaly.by_score)(branch, self.drop)

    def _select(self, branches: Sequence[Branch], keep: int) -> list[Branch]:
        if self.select == "resample":
            return selection.resample(branches, keep, self.strength)
        if self.select == "epsilon":
            return selection.epsilon_greedy(branches, keep, self.epsilon)
        return selection.top(branches, keep)

    def _accept(self, run: Run, finished: Sequence[Finished]) -> list[State]:
        """The beams after this step, scored: by the finished piece where it is what was looked at, else by
        the look.
        """
        branches = [f.branch for f in finished]
        verdicts = [(b.score, dict(b.parts)) for b in branches]
        if run.rollout.preview_is_piece:
            clips = [f.frames for f in finished if f.frames is not None]
            verdicts = run.judge.clips(clips, branches)
            run.pairs.add(branches, [value for value, _ in verdicts])
        beams = []
        for done, (value, parts) in zip(finished, verdicts, strict=True):
            beam = scored(self._learn(shown(done, self.fixed, self.sliding), done), value)
            run.tracer.final(done.branch, beam, value, parts)
            beams.append(beam)
        return beams

    def _learn(self, beam: State, done: Finished) -> State:
        """The beam whose trigger has seen what was accepted, and whose proposals know which arm was kept."""
        if self.trigger == "latents":
            beam = anomaly.watched(beam, done)
        if done.branch.candidate.arm is None:
            return beam
        which, arm = done.branch.candidate.arm
        memory = list(beam.memory)
        memory[which] = self.proposals[which].learn(memory[which], arm)
        return replace(beam, memory=tuple(memory))

    # --- what it costs ---

    @property
    def beams(self) -> int:
        """Beams after a step."""
        return self.stages[-1][1]

    @property
    def _counts(self) -> tuple[int, ...]:
        return (self.candidates,) if isinstance(self.candidates, int) else tuple(self.candidates)

    def _count(self, depth: int) -> int:
        return self._counts[min(depth, len(self._counts) - 1)]

    def _own(self, rollout: Rollout) -> Rollout:
        """The rollout with this search's own kind of look and sampler."""
        if self.eta is not None and self.eta != rollout.eta:
            rollout = rollout.with_eta(self.eta)
        if self.preview in (None, rollout.preview) and self.ahead is None:
            return rollout
        return rollout.with_preview(self.preview or rollout.preview, self.ahead)

    def check(self, rollout: Rollout) -> None:
        """UserError where this search cannot run on this rollout."""
        rollout = self._own(rollout)
        if self.stages[-1][0] > rollout.steps:
            raise UserError(f"look is {self.stages[-1][0]}; it must lie in 1 … {rollout.steps} (the denoising steps)")
        if self.select == "resample" and not rollout.eta > 0:
            raise UserError("select 'resample' needs a stochastic sampler, or all copies stay equal: set --eta above 0")
        if self.branch > 1 and not rollout.eta > 0:
            raise UserError(
                f"branch is {self.branch}, which needs a stochastic sampler, or all copies stay equal: set eta above 0"
            )
        if self.predictor and self.predictor.look > self.stages[0][0]:
            raise UserError(
                f"the predictor looks after {self.predictor.look} evaluations, the search after {self.stages[0][0]}: "
                "set look to at least that"
            )
        near = [p.name for p in self.proposals if p.name != "gaussian"] + ["mutation"] * (self.generations > 1)
        if near and getattr(rollout.model, "noise_control", "latents") == "generator":
            raise UserError(
                f"model {rollout.model.name!r} takes its noise from a generator, where noises that are alike make "
                f"videos that are not: leave out {', '.join(near)}"
            )

    def evaluations(self, rollout: Rollout) -> int:
        """NFE by the rollout's formulas.

        Exact for chunks with the trigger "always" and without rollover, else the most that can be spent.
        """
        if self.rollover and self.budget is not None:
            return self.budget
        return self._cost(self._own(rollout)).video(self._count)

    def _cost(self, rollout: Rollout) -> StepCost:
        refilled = self.select == "resample"
        return StepCost(rollout, self.stages, self.branch, refilled, self.predictor, self._rounds)

    def _saving(self, rollout: Rollout) -> Rollover | None:
        """What plans the steps of a run where savings are spent; without a budget it is what the plan itself costs."""
        if not self.rollover:
            return None
        cost = self._cost(rollout)
        planned = cost.video(self._count)
        budget = planned if self.budget is None else self.budget
        if planned > budget:
            raise UserError(
                f"budget is {budget} and the candidates may need {planned} denoiser evaluations: "
                "name a budget with --budget, which sizes them"
            )
        return Rollover(cost, self._count, rollout.pieces, budget)

    def sized(self, budget: int, rollout: Rollout) -> "NoiseSearch":
        """This search with as many candidates a piece as the budget (in NFE) allows; looks stay.

        Beams stay too, unless fewer are needed to come within 3 % of the budget.
        """
        self.check(rollout)
        plan = replace(self, rollover=False)
        options = [m for n in range(self.beams, 0, -1) if (m := plan._narrowed(n)._filled(budget, rollout))]
        if not options:
            least = replace(plan._narrowed(1), candidates=1, generations=1)
            raise too_small(budget, least.evaluations(rollout), "one video")
        near = [method for method in options if method.evaluations(rollout) >= 0.97 * budget]
        found = near[0] if near else max(options, key=lambda method: method.evaluations(rollout))
        return replace(found, rollover=self.rollover, budget=budget if self.rollover else self.budget)

    def _narrowed(self, beams: int) -> "NoiseSearch":
        return replace(self, stages=(*self.stages[:-1], (self.stages[-1][0], beams)))

    def _filled(self, budget: int, rollout: Rollout) -> "NoiseSearch | None":
        """With the most candidates that fit; a video that has few of them has fewer generations."""

        def with_candidates(counts: tuple[int, ...]) -> "NoiseSearch":
            return replace(self, candidates=counts, generations=min(self.generations, max(counts)))

        counts = fit_candidates(
            lambda counts: with_candidates(counts).evaluations(rollout), rollout.pieces, self.beams, budget
        )
        if counts is None:
            return None
        found = with_candidates(counts)
        return replace(found, candidates=counts[0] if len(set(counts)) == 1 else counts)


def preview(run: Run, branches: Sequence[Branch], look: int) -> list[Branch]:
    """The branches, looked at and scored."""
    run.tracer.previewed(branches, look)
    return run.judge.previews(run.rollout.refine(branches, look), look)
