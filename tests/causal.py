"""A tiny model that compresses time: each latent shows four frames, and its decoder remembers the latent before it."""

from contextlib import contextmanager

import torch

from sn_eval.interfaces import History
from sn_eval.models.gaussian import GaussianModel


class Causal(GaussianModel):
    """Frame j of a latent lies j/4 of the way from the latent before it; a latent with none before it shows one frame.

    `from_text`: begins from nothing, so that its first chunk is shorter.
    """

    def __init__(self, latents=4, from_text=False, **options):
        super().__init__(size=3, frames_per_chunk=4 * latents, **options)
        self.from_text = from_text
        if from_text:
            self.first_frames = 4 * latents - 3

    def latent_shape(self, frames):
        return super().latent_shape(frames // 4)

    def start(self, prompt, image, seed):
        begin = super().start(prompt, image, seed)
        return History() if self.from_text else History(begin.latents, begin.frames, begin.latents[-1])

    def decode(self, latents, histories):
        return self.decode_on(latents, histories)[0]

    def decode_on(self, latents, histories):
        memories = [h.decoder for h in histories]
        fresh = memories[0] is None
        before = latents[:, :1] if fresh else torch.stack(memories)[:, None]
        previous = torch.cat([before, latents[:, :-1]], 1)
        share = torch.arange(1, 5).div(4)[:, None, None, None]
        frames = (previous[:, :, None] + share * (latents - previous)[:, :, None]).flatten(1, 2)
        return self._pixels(frames[:, 3:] if fresh else frames), [each[-1].clone() for each in latents]

    def extend(self, history, latents, frames):
        return History(latents[-1:], frames[-1:], history.decoder, history.chunks + 1)


class Drafted(GaussianModel):
    """A model with blocks to cache; it only remembers which of its evaluations were drafts."""

    def __init__(self, **options):
        super().__init__(**options)
        self.is_drafting, self.evaluated = False, []
        self.denoiser.register_forward_pre_hook(lambda _, args: self.evaluated.append((len(args[0]), self.is_drafting)))

    @contextmanager
    def drafting(self):
        self.is_drafting = True
        try:
            yield
        finally:
            self.is_drafting = False
