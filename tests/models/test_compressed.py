"""A model whose latents each show four frames, decoded causally: the history carries the decoder's state."""

import torch
from searching import NearAnchor, run

from sn_eval import search
from sn_eval.interfaces import History
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.chunk import ChunkRollout
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.video import to_uint8


class Compressed(GaussianModel):
    """Frame j of a latent lies j/4 of the way from the latent before it, which only the history knows."""

    def __init__(self):
        super().__init__(size=3, frames_per_chunk=8)

    def latent_shape(self, frames):
        return super().latent_shape(frames // 4)

    def decode(self, latents, histories):
        before = torch.stack([h.decoder for h in histories])[:, None]
        previous = torch.cat([before, latents[:, :-1]], 1)
        share = torch.arange(1, 5).div(4)[:, None, None, None]
        return self._pixels((previous[:, :, None] + share * (latents - previous)[:, :, None]).flatten(1, 2))

    def start(self, prompt, image, seed):
        begin = super().start(prompt, image, seed)
        return History(begin.latents, begin.frames, begin.latents[-1])

    def extend(self, history, latents, frames):
        return History(latents[-1:], frames[-1:], latents[-1], history.chunks + 1)


def test_chunks_decode_as_the_whole_video_would():
    model = Compressed()
    rollout = ChunkRollout(model, 6, 4)
    latents = []

    class Kept(ChunkRollout):
        def commit(self, branches):
            finished = super().commit(branches)
            latents.append(finished[0].state.clean)
            return finished

    got = run(search.create("plain"), Kept(model, 6, 4), seed=1).frames
    whole = model.decode(torch.cat(latents)[None], [model.start("a red ball", None, 1)])[0]
    assert got.shape == (32, 3, 3, 3)
    assert rollout.frames == 32
    assert (got.int() - to_uint8(whole).int()).abs().max() <= 1


def test_a_search_over_it_keeps_each_beams_decoder():
    rollout = ChunkRollout(Compressed(), 6, 4)
    got = run(
        NoiseSearch(3, ((3, 2),), select="epsilon", epsilon=1.0), rollout, NearAnchor(), seed=1
    ).frames.int()
    jumps = (got[1:] - got[:-1]).abs().float().mean((1, 2, 3))
    assert got.shape == (32, 3, 3, 3)
    assert jumps[7::8].mean() < 1.6 * jumps.mean(), "no seam where a chunk begins"
