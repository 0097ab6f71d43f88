"""Baselines that spend on whole videos: one, N of which one is chosen blindly, N of which the best is chosen.

Best-of-N is the standard comparison of inference-time scaling (Ma et al., arXiv:2501.09732). The N videos
start from the same image and run in lockstep, one batch a step; video 0 has the plain sampler's noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Literal

import torch

from rewards.base import Reward, UserError
from rewards.registry import component
from sn_eval.interfaces import FrameSink, Generated, Image, Progress, Rollout, State, TraceSink
from sn_eval.sampling import generator, sub_seed
from sn_eval.search.budget import too_small
from sn_eval.search.candidates import plain as plain_candidate
from sn_eval.search.judge import Judge
from sn_eval.search.ledger import leader, scored, shown
from sn_eval.search.spool import Spool
from sn_eval.search.trace import Tracer


@dataclass(frozen=True)
class WholeVideos:
    """`videos` whole videos, one of them shown: the "first", a "random" one, or the "best" by mean piece
    score.

    steps: denoising steps in place of the rollout's own. spend: what `sized` buys with a budget.
    fixed, sliding: anchor frames of each kind, as in the search.
    """

    name: str
    videos: int = 1
    choose: Literal["first", "random", "best"] = "first"
    steps: int | None = None
    spend: Literal["nothing", "videos", "steps"] = "nothing"
    fixed: int = 2
    sliding: int = 2

    def __post_init__(self) -> None:
        """Refuses what makes no video."""
        for what, value in (("videos", self.videos), ("steps", self.steps)):
            if value is not None and value < 1:
                raise UserError(f"{what} is {value}; it must be 1 or more")

    def __call__(
        self,
        rollout: Rollout,
        reward: Reward | None,
        prompts: Sequence[str],
        *,
        emit: FrameSink,
        image: Image | None = None,
        seed: int = 0,
        trace: TraceSink | None = None,
        on_progress: Progress | None = None,
    ) -> Generated:
        """Makes `videos` videos and shows one; only "best" asks the reward (None will do for the others)."""
        rollout = self._stepped(rollout)
        judge = self._judge(rollout, reward)
        tracer = Tracer(rollout, trace, starts=self.videos)
        videos = [rollout.start(prompts, image, seed, sub_seed(seed, i)) for i in range(self.videos)]
        with Spool(self.videos, emit) as spool:
            for depth in range(rollout.pieces):
                videos = spool.take(self._longer(rollout, judge, tracer, videos))
                if on_progress:
                    on_progress(depth + 1, rollout.pieces)
            chosen = self._chosen(videos, seed)
            spool.show(chosen)
        winner = videos[chosen]
        return Generated(rollout.frames, winner.score, winner.key, tracer.spent)

    def _longer(
        self, rollout: Rollout, judge: Judge | None, tracer: Tracer, videos: Sequence[State]
    ) -> list[State]:
        """Every video with one more piece."""
        branches = rollout.expand([plain_candidate(video, rollout.noise_shape()) for video in videos])
        tracer.committed(branches)
        finished = rollout.commit(branches)
        clips = [f.frames for f in finished if f.frames is not None]
        verdicts: list[tuple[float, dict[str, float]]] = [(float("nan"), {})] * len(finished)
        if judge and clips:
            verdicts = judge.clips(clips, [f.branch for f in finished])
        longer = []
        for done, (value, parts) in zip(finished, verdicts, strict=True):
            video = scored(shown(done, self.fixed, self.sliding), value)
            tracer.final(done.branch, video, value, parts)
            longer.append(video)
        return longer

    def _chosen(self, videos: Sequence[State], seed: int) -> int:
        if self.choose == "random":
            return int(torch.randint(len(videos), (1,), generator=generator(seed, videos[0].prompts[0], "random_pick")))
        if self.choose == "best":
            best = leader([replace(v, seed=i) for i, v in enumerate(videos)])  # ties: the lower video
            return best.seed
        return 0

    def _judge(self, rollout: Rollout, reward: Reward | None) -> Judge | None:
        if self.choose != "best" or self.videos == 1:
            return None
        if reward is None:
            raise UserError(f"{self.name} chooses by a reward and none is given; name one with --reward")
        return Judge(reward, rollout.model.fps)

    # --- what it costs ---

    def _stepped(self, rollout: Rollout) -> Rollout:
        return rollout if self.steps is None else rollout.with_steps(self.steps)

    def evaluations(self, rollout: Rollout) -> int:
        """NFE: N times one video."""
        return self.videos * one_video(self._stepped(rollout))

    def sized(self, budget: int, rollout: Rollout) -> "WholeVideos":
        """As many videos, or as many steps, as the budget (in NFE) allows."""
        cost = one_video(self._stepped(rollout))
        if self.spend != "steps":
            if budget < cost:
                raise too_small(budget, cost, "one video")
            return replace(self, videos=budget // cost) if self.spend == "videos" else self
        most = max(budget, rollout.steps)  # a step costs an evaluation at least
        costs = ((steps, spent) for steps in range(1, most + 1) if (spent := _cost(rollout, steps)) is not None)
        fewest, minimum = next(costs)
        if budget < minimum:
            raise too_small(budget, minimum, "one video of the fewest steps")
        fitting = [steps for steps, _ in takewhile(lambda each: each[1] <= budget, costs)]
        return replace(self, steps=max(fitting, default=fewest))


def one_video(rollout: Rollout) -> int:
    """NFE of one plain video: every piece finished without a look."""
    return rollout.overhead() + sum(rollout.finish_evaluations(d, 1, 1, 0) for d in range(rollout.pieces))


def _cost(rollout: Rollout, steps: int) -> int | None:
    """NFE of one video of so many steps; None where the rollout cannot run with them."""
    try:
        return one_video(rollout.with_steps(steps))
    except UserError:
        return None


@component("plain")
def plain(steps: int | None = None) -> WholeVideos:
    """One video, as the model samples it; a budget changes nothing."""
    return WholeVideos("plain", steps=steps)


@component("plain_more_steps")
def plain_more_steps(steps: int | None = None) -> WholeVideos:
    """One video; a budget is spent on denoising steps."""
    return WholeVideos("plain_more_steps", steps=steps, spend="steps")


@component("random_pick")
def random_pick(videos: int = 4) -> WholeVideos:
    """N whole videos, one chosen blindly: the control that spends as much and knows nothing."""
    return WholeVideos("random_pick", videos, "random", spend="videos")


@component("best_of_n")
def best_of_n(videos: int = 4) -> WholeVideos:
    """N whole videos, the one with the best reward is kept."""
    return WholeVideos("best_of_n", videos, "best", spend="videos")
