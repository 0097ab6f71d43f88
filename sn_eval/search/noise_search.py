"""The one search loop: propose noises, look ahead cheaply, keep the promising ones, finish only those.

ScalingNoise (Yang et al., arXiv:2503.16400, section 4): beam search over the initial noises of a long video's
pieces, steered by a long-horizon reward on previews. Stages of looks make successive halving (Jamieson &
Talwalkar, arXiv:1502.07943), resampling makes sequential Monte Carlo, a trigger makes search on anomaly.
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
from sn_eval.search import selection
from sn_eval.search.budget import fit_candidates, too_small
from sn_eval.search.candidates import plain, propose
from sn_eval.search.correlation import Pairs
from sn_eval.search.judge import Judge
from sn_eval.search.ledger import leader, scored, settle, shown
from sn_eval.search.trace import Tracer


@component("noise_search")
@dataclass(frozen=True)
class NoiseSearch:
    """Beam search over noise. The number of beams is what the last stage keeps.

    candidates: noises a beam, one number or one a piece (the last one repeats); the first is the plain
    sampler's. stages: (look, keep), …: after `look` evaluations `keep` of all branches go on. select:
    "top", "epsilon" (with probability `epsilon` each beam's own best), or "resample" (particles with log
    weight `strength`·score; needs one stage and a stochastic sampler, eta > 0). trigger: "always", or
    "anomaly": a beam tries others than the plain candidate only where that one's preview scores more than
    `drop` below the beam's mean so far. proposals: where candidates 1, 2, … come from, in turn; none:
    independent noise. lag: pieces that may wait until beams agree. fixed, sliding: anchor frames of each
    kind. preview, ahead, eta: the kind of look and the sampler in place of the rollout's. predictor: guesses scores
    before any decode; only the share that it keeps is previewed. generations: rounds in which a beam's candidates are
    tried; from the second on they are mutations of its best so far, `mutation` (0 … 1) being how much is fresh.
    branch: copies of every survivor between two stages (needs eta > 0). rollover: what a step leaves of a budget buys
    more candidates later. budget: evaluations that may be spent in all, set by `sized`.
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
        judge, tracer, pairs = Judge(reward, rollout.model.fps), Tracer(rollout, trace), Pairs()
        start = rollout.start(prompts, image, seed, sub_seed(seed, self.video))
        beams = [replace(start, memory=(None,) * len(self.proposals))]
        try:
            for depth in range(rollout.pieces):
                branches = self._look_ahead(rollout, judge, tracer, beams)
                tracer.committed(branches)
                beams = self._accept(rollout, judge, tracer, pairs, rollout.commit(branches))
                beams = settle(beams, self.lag, emit)
                if on_progress:
                    on_progress(depth + 1, rollout.pieces)
        except BaseException:  # Ctrl-C, too: what the best beam has finished is shown, not lost
            settle([leader(beams)], 0, emit)
            raise
        winner = leader(beams)
        settle([winner], 0, emit)
        return Generated(rollout.frames, winner.score, winner.key, tracer.spent, pairs.correlations())

    # --- one step ---

    def _look_ahead(self, rollout: Rollout, judge: Judge, tracer: Tracer, beams: Sequence[State]) -> list[Branch]:
        """The branches that are worth finishing."""
        depth, shape = beams[0].depth, rollout.noise_shape()
        if not rollout.matters(depth):
            return rollout.expand([plain(beam, shape) for beam in beams])
        count = self._count(depth)
        candidates = [c for beam in beams for c in propose(beam, count, shape, self.proposals)]
        branches: list[Branch] = []
        for number, (look, keep) in enumerate(self.stages):
            if number == 0:
                branches = self._first_look(rollout, judge, tracer, candidates)
            else:
                branches = preview(rollout, judge, tracer, branches, look)
            kept = self._select(branches, keep)
            tracer.stage(number, look, branches, kept)
            branches = kept
        return branches

    def _first_look(
        self, rollout: Rollout, judge: Judge, tracer: Tracer, candidates: Sequence[Candidate]
    ) -> list[Branch]:
        """All candidates in one batch; on the anomaly trigger the plain ones, then the others of alarmed
        beams.
        """
        look = self.stages[0][0]
        if self.trigger == "always":
            return preview(rollout, judge, tracer, rollout.expand(candidates), look)
        firsts = rollout.expand([c for c in candidates if c.index == 0])
        branches = preview(rollout, judge, tracer, firsts, look)
        alarmed = {b.candidate.parent.identity for b in branches if self._anomalous(b)}
        others = [c for c in candidates if c.index > 0 and c.parent.identity in alarmed]
        if others:
            branches += preview(rollout, judge, tracer, rollout.expand(others), look)
        return branches

    def _anomalous(self, branch: Branch) -> bool:
        """Whether the plain candidate falls behind its beam; so is what cannot be compared (the first
        piece).
        """
        return not branch.score >= branch.candidate.parent.score - self.drop

    def _select(self, branches: Sequence[Branch], keep: int) -> list[Branch]:
        if self.select == "resample":
            return selection.resample(branches, keep, self.strength)
        if self.select == "epsilon":
            return selection.epsilon_greedy(branches, keep, self.epsilon)
        return selection.top(branches, keep)

    def _accept(
        self,
        rollout: Rollout,
        judge: Judge,
        tracer: Tracer,
        pairs: Pairs,
        finished: Sequence[Finished],
    ) -> list[State]:
        """The beams after this step, scored: by the finished piece where it is what was looked at, else by
        the look.
        """
        branches = [f.branch for f in finished]
        verdicts = [(b.score, dict(b.parts)) for b in branches]
        if rollout.preview_is_piece:
            clips = [f.frames for f in finished if f.frames is not None]
            verdicts = judge.clips(clips, branches)
            pairs.add(branches, [value for value, _ in verdicts])
        beams = []
        for done, (value, parts) in zip(finished, verdicts, strict=True):
            beam = scored(self._learn(shown(done, self.fixed, self.sliding), done.branch.candidate), value)
            tracer.final(done.branch, beam, value, parts)
            beams.append(beam)
        return beams

    def _learn(self, beam: State, candidate: Candidate) -> State:
        """The beam whose proposals know which arm was kept."""
        if candidate.arm is None:
            return beam
        which, arm = candidate.arm
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
        if self.stages[-1][0] > rollout.steps:
            raise UserError(f"look is {self.stages[-1][0]}; it must lie in 1 … {rollout.steps} (the denoising steps)")
        if self.select == "resample" and not rollout.eta > 0:
            raise UserError("select 'resample' needs a stochastic sampler, or all copies stay equal: set --eta above 0")

    def evaluations(self, rollout: Rollout) -> int:
        """NFE by the rollout's formulas: parents × candidates at the first look, then what each stage keeps.

        Exact for chunks with the trigger "always", else the most that can be spent.
        """
        rollout = self._own(rollout)
        total, parents = rollout.overhead(), 1
        for depth in range(rollout.pieces):
            alive, seen = parents, 0
            if rollout.matters(depth):
                alive = parents * self._count(depth)
                for look, keep in self.stages:
                    total += rollout.preview_evaluations(depth, alive, seen, look)
                    alive, seen = self._survivors(alive, keep), look
            total += rollout.finish_evaluations(depth, alive, parents, seen)
            parents = alive
        return total

    def _survivors(self, alive: int, keep: int) -> int:
        return keep if self.select == "resample" else min(keep, alive)

    def sized(self, budget: int, rollout: Rollout) -> "NoiseSearch":
        """This search with as many candidates a piece as the budget (in NFE) allows; looks stay.

        Beams stay too, unless fewer are needed to come within 3 % of the budget.
        """
        self.check(rollout)
        options = [m for n in range(self.beams, 0, -1) if (m := self._narrowed(n)._filled(budget, rollout))]
        if not options:
            least = replace(self._narrowed(1), candidates=1)
            raise too_small(budget, least.evaluations(rollout), "one video")
        near = [method for method in options if method.evaluations(rollout) >= 0.97 * budget]
        return near[0] if near else max(options, key=lambda method: method.evaluations(rollout))

    def _narrowed(self, beams: int) -> "NoiseSearch":
        return replace(self, stages=(*self.stages[:-1], (self.stages[-1][0], beams)))

    def _filled(self, budget: int, rollout: Rollout) -> "NoiseSearch | None":
        def cost(counts: tuple[int, ...]) -> int:
            return replace(self, candidates=counts).evaluations(rollout)

        counts = fit_candidates(cost, rollout.pieces, self.beams, budget)
        if counts is None:
            return None
        return replace(self, candidates=counts[0] if len(set(counts)) == 1 else counts)


def preview(rollout: Rollout, judge: Judge, tracer: Tracer, branches: Sequence[Branch], look: int) -> list[Branch]:
    """The branches, looked at and scored."""
    tracer.previewed(branches, look)
    return judge.previews(rollout.refine(branches, look), look)
