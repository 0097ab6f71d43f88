"""Diffusers pipelines with a noise level for every frame: SkyReels-V2 diffusion forcing and Wan 2.2 TI2V.

Diffusion forcing (Chen et al., arXiv:2407.01392; SkyReels-V2, arXiv:2504.13074): clean latents of the video so far
stand in front of the new ones at level 0, so one network continues a video and runs a FIFO queue. Nothing inside the
pipeline is changed; its text encoder, scheduler (for the levels), transformer and VAE are used in our own loop. The
steps are Euler's; published pipelines ship a second-order solver, UniPC, which needs fewer of them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from inspect import signature
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.registry import component
from sn_eval.interfaces import Clip, Cond, History, Image, Latents, NoVideo, Schedule, Video
from sn_eval.models.loading import load_pipeline
from sn_eval.models.wan_decoder import Memory, WanCodec, memories
from sn_eval.models.wan_draft import Drafts, drafting
from sn_eval.models.wan_families import check_chunk, check_size, velocity_of
from sn_eval.sampling import x0_from_flow

FLOW = "flow_prediction"


@component("diffusion_forcing")
class DiffusionForcing:
    """A SkyReels-V2 diffusion-forcing or Wan 2.2 TI2V pipeline, loaded from a folder or a hub id.

    path: what `DiffusionPipeline.from_pretrained` takes. width, height: of the frames. frames_per_chunk: new frames a
    chunk, whole latents of the VAE (4 frames each). context: clean latents that a chunk looks back at; the own call of
    Wan 2.2 TI2V knows 1 only, the given image. guidance: scale of classifier-free guidance, 1 for none;
    negative_prompt: what it leads away from. fps: frames a second. start: "image" (give one), or "text", from nothing:
    the first chunk is then three frames shorter. offload, compile, attention, device, dtype: see
    `loading.load_pipeline`. UserError for a pipeline or a size that does not fit.
    """

    name = "diffusion_forcing"
    capability: Literal["stepwise", "black_box"] = "stepwise"
    per_frame_levels = True

    def __init__(  # noqa: PLR0913  (what a pipeline call needs, by name)
        self,
        path: str,
        width: int = 832,
        height: int = 480,
        frames_per_chunk: int = 20,
        context: int = 5,
        guidance: float = 5.0,
        negative_prompt: str = "",
        fps: float = 24.0,
        start: str = "image",
        offload: str = "none",
        compile: bool = False,
        attention: str | None = None,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        if start not in ("image", "text"):
            raise UserError(f"start is {start!r}; it must be 'image' (from a given image) or 'text' (from nothing)")
        if context < 1:
            raise UserError(f"context is {context}; a chunk must look back at 1 latent or more")
        self.width, self.height, self.frames_per_chunk, self.context_frames = width, height, frames_per_chunk, context
        self.guidance, self.negative_prompt, self.fps = guidance, negative_prompt, float(fps)
        self.from_text, self.device = start == "text", torch.device(device)
        self.pipeline = load_pipeline(path, self.device, dtype, offload, compile, attention)
        self._velocity = velocity_of(self.pipeline)
        self.codec = WanCodec(self.pipeline.vae, self.device)
        check_size(width, height, self.denoiser.config.patch_size, self.codec.spatial)
        check_chunk(frames_per_chunk, self.codec.temporal)
        self.schedule(2)  # refuses a scheduler that is not for flow matching
        self._text: dict[str, Tensor] = {}
        self._drafts: Drafts | None = None

    @property
    def denoiser(self) -> Any:
        """The pipeline's transformer."""
        return self.pipeline.transformer

    @property
    def first_frames(self) -> int:
        """Frames of the first chunk: the first latent of a video shows one frame only."""
        return self.codec.frames(self.frames_per_chunk // self.codec.temporal, self.from_text)

    @property
    def evaluations_per_call(self) -> int:
        """2 with guidance, else 1."""
        return 1 if self.guidance == 1.0 else 2

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the configuration, of every weight's shape and of a few of its values."""
        pipeline, own = self.pipeline, (self.width, self.height, self.frames_per_chunk, self.context_frames)
        digest = hashlib.sha256(repr((*own, self.guidance, self.negative_prompt, self.fps, self.from_text)).encode())
        for part in (pipeline.transformer, pipeline.vae, pipeline.scheduler):
            config = {key: value for key, value in part.config.items() if not key.startswith("_")}
            digest.update(repr((type(part).__name__, sorted(config.items()))).encode())
        for network in (pipeline.transformer, pipeline.vae, pipeline.text_encoder):
            for name, weight in sorted(network.state_dict().items()):
                digest.update(f"{name}{tuple(weight.shape)}{weight.dtype}".encode() + _sampled(weight))
        return digest.hexdigest()[:16]

    def schedule(self, steps: int) -> Schedule:
        """The levels of the pipeline's own scheduler, shifted as it is configured; times are sigma·1000."""
        scheduler = self._set_to(steps)
        sigma = torch.as_tensor(getattr(scheduler, "sigmas", [1.0])).float().cpu().flip(0)
        if scheduler.config.get("prediction_type", FLOW) != FLOW or sigma[0] != 0 or sigma[-1] > 1:
            kind = type(scheduler).__name__
            raise UserError(f"the scheduler, a {kind}, is not set up for flow matching; use the one published with it")
        return Schedule(sigma * self._time_scale, 1 - sigma, sigma)

    def start(self, prompt: str, image: Image | None, seed: int) -> History:
        """From the image (resized), seen by the decoder already, or from nothing, as `start` says."""
        if self.from_text:
            if image is not None:
                raise UserError("the model is set to start from text: leave the image out, or set start to 'image'")
            return History()
        if image is None:
            raise UserError("the model starts from an image: give one with --image, or set start to 'text'")
        size = (self.height, self.width)
        frame = F.interpolate(image[None].float(), size, mode="bilinear", antialias=True, align_corners=False)
        frame = frame.clamp(0, 1).to(self.device)
        latents = self.codec.encode(frame[0])
        _, features = self.codec.decode(latents[None], [None])
        return History(latents, frame, memories(features, 1)[0])

    def condition(self, prompts: Sequence[str], histories: Sequence[History]) -> Cond:
        """Text embeddings and the clean context of each sample; histories of one call are equally long."""
        context = [self._context(history) for history in histories]
        if len({len(latents) for latents in context}) > 1:
            raise UserError(f"context of {sorted({len(c) for c in context})} latents in one batch: start all alike")
        text = torch.cat([self._words(prompt) for prompt in prompts])
        return Cond(tuple(prompts), {"context": torch.stack(context), "text": text})

    def latent_shape(self, frames: int) -> tuple[int, int, int, int]:
        """(t, c, h, w): one latent for every 4 frames, or fewer."""
        space, time = self.codec.spatial, self.codec.temporal
        return (-(-frames // time), self.codec.channels, self.height // space, self.width // space)

    @torch.no_grad()
    def denoise(self, x: Latents, times: Float[Tensor, "b t"], cond: Cond) -> Latents:
        """The estimate of the clean new latents, guided by the text; the context stands in front, at time 0."""
        context, text = cond.tensors["context"], cond.tensors["text"]
        known = context.shape[1]
        window = torch.cat([context, x], 1).transpose(1, 2).to(self.denoiser.dtype)
        told = torch.cat([times.new_zeros(len(x), known), self._told(times)], 1)
        with self._drafts.call(self.denoiser, times) if self._drafts else nullcontext():
            velocity = self._guided(window, told, text)[:, :, known:].transpose(1, 2)
        if self.denoiser.dtype == torch.float16 and not torch.isfinite(velocity).all():
            raise NoVideo("fp16 overflow: the network gave NaN or infinity; use dtype=bfloat16 or float32")
        return x0_from_flow(x, velocity, times / self._time_scale)

    def decode(self, latents: Latents, histories: Sequence[History]) -> Video:
        """The frames that follow each history."""
        return self.codec.decode(latents, [history.decoder for history in histories])[0]

    def decode_on(self, latents: Latents, histories: Sequence[History]) -> tuple[Video, list[Memory]]:
        """The frames that follow each history, and what its decoder remembers afterwards."""
        frames, features = self.codec.decode(latents, [history.decoder for history in histories])
        return frames, memories(features, len(latents))

    def extend(self, history: History, latents: Clip, frames: Float[Tensor, "n 3 H W"]) -> History:
        """Keeps the last context latents, and the last frame."""
        joined = latents if history.latents is None else torch.cat([history.latents, latents])
        kept, last = joined[-self.context_frames :].clone(), frames[-1:].clone()
        return replace(history, latents=kept, frames=last, chunks=history.chunks + 1)

    @contextmanager
    def drafting(self) -> Iterator[None]:
        """Within it every second evaluation runs the first block only (`wan_draft`)."""
        with drafting(self.denoiser) as drafts:
            self._drafts = drafts
            try:
                yield
            finally:
                self._drafts = None

    # --- the parts ---

    def _set_to(self, steps: int) -> Any:
        """The pipeline's scheduler for so many steps; a copy, so that the pipeline's own stays as it is."""
        scheduler = deepcopy(self.pipeline.scheduler)
        try:
            scheduler.set_timesteps(steps)
        except ValueError as error:
            kind = type(scheduler).__name__
            raise UserError(f"the scheduler, a {kind}, cannot be set to {steps} steps: {error}") from error
        return scheduler

    @cached_property
    def _time_scale(self) -> float:
        return float(self.pipeline.scheduler.config.num_train_timesteps)

    @cached_property
    def _whole_times(self) -> bool:
        return not torch.as_tensor(self._set_to(2).timesteps).is_floating_point()

    def _told(self, times: Float[Tensor, "b t"]) -> Float[Tensor, "b t"]:
        """Times as the network gets them: whole ones where the scheduler cuts them off (1e-4: float32's rounding)."""
        return (times + 1e-4).floor() if self._whole_times else times

    def _guided(
        self, window: Float[Tensor, "b c t h w"], times: Float[Tensor, "b t"], text: Float[Tensor, "b n d"]
    ) -> Float[Tensor, "b c t h w"]:
        if self.guidance == 1.0:
            return self._velocity(self.denoiser, window, times, text, self.fps).float()
        both = torch.cat([text, self._words(self.negative_prompt).expand_as(text)])
        window, times = window.repeat(2, 1, 1, 1, 1), times.repeat(2, 1)
        asked, free = self._velocity(self.denoiser, window, times, both, self.fps).float().chunk(2)
        return free + self.guidance * (asked - free)

    def _context(self, history: History) -> Clip:
        if history.latents is None:
            return torch.zeros(self.latent_shape(0), device=self.device)
        return history.latents[-self.context_frames :]

    @torch.no_grad()
    def _words(self, prompt: str) -> Float[Tensor, "1 n d"]:
        """The pipeline's own embedding of a prompt, as long as its call makes it."""
        if prompt not in self._text:
            length = signature(self.pipeline.__call__).parameters["max_sequence_length"].default
            embedded, _ = self.pipeline.encode_prompt(
                [prompt], do_classifier_free_guidance=False, max_sequence_length=length
            )
            self._text[prompt] = embedded.to(self.device, self.denoiser.dtype)
        return self._text[prompt]


def _sampled(weight: Tensor) -> bytes:
    """At most 16 values of a tensor, evenly spaced; none of one whose values are not in memory."""
    if weight.is_meta:
        return b""
    flat = weight.detach().flatten()
    return flat[:: max(1, len(flat) // 16)][:16].float().cpu().numpy().tobytes()
