"""Any diffusers image-to-video pipeline as a black box: the end of the video so far is the next chunk's image.

One call of the pipeline makes a chunk, so a search has coarse previews (a call of few steps) and the chunk rollout.
Nothing inside the pipeline is touched. What differs between pipelines stands in `pipeline_families`.
"""

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.registry import component
from sn_eval.interfaces import Clip, Cond, History, Image, Latents, Video
from sn_eval.models.loading import load_pipeline
from sn_eval.models.pipeline_families import Family, family_of, own_randomness, seeded_by

OURS = {
    "image", "video", "conditions", "prompt", "height", "width", "num_frames", "num_inference_steps", "guidance_scale",
    "max_guidance_scale", "true_cfg_scale", "fps", "frame_rate", "latents", "generator", "output_type", "return_dict",
    "num_videos_per_prompt", "callback_on_step_end",
}  # fmt: skip
"""Arguments of a call that are not an option: the search, or a parameter of the adapter, sets them."""
LOOKED_AT = 64  # values of each tensor of weights that the fingerprint reads


@component("image_to_video")
class ImageToVideo:
    """A diffusers image-to-video pipeline, loaded from a folder (or, where no such folder exists, a hub id).

    path: what `DiffusionPipeline.from_pretrained` takes. pipeline_class: class to use its weights with, where the
    folder names another one ("LTXConditionPipeline"). width, height: of the frames. num_frames: of one call (None: as
    many as the pipeline makes by itself); the first `overlap` of them show given frames again and are dropped (None:
    all that do so). context: frames of the video so far that a call is given, where it takes several. fps: None for the
    family's own. guidance: 1 for none, None for the pipeline's own. options: further arguments of the call
    ({negative_prompt: …, guidance_scale_2: …, decode_timestep: …}). draft: how far the first block's output may be from
    the last step's (0 … 1, relative) for a draft to leave out the rest. offload, compile, attention, device, dtype: see
    `loading.load_pipeline`. Raises UserError where the pipeline takes no image, or something does not fit it.
    """

    name = "image_to_video"
    capability: Literal["stepwise", "black_box"] = "black_box"
    drafts_of_some = True  # whether there is `drafting` depends on the pipeline

    def __init__(  # noqa: PLR0913  (what a pipeline call needs, by name)
        self,
        path: str,
        pipeline_class: str | None = None,
        width: int = 256,
        height: int = 256,
        num_frames: int | None = None,
        overlap: int | None = None,
        context: int = 1,
        fps: float | None = None,
        guidance: float | None = None,
        options: Mapping[str, Any] | None = None,
        draft: float = 0.1,
        offload: str = "none",
        compile: bool = False,
        attention: str | None = None,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        self.device, self.options, self.draft = torch.device(device), dict(options or {}), draft
        self.pipeline = load_pipeline(path, self.device, dtype, offload, compile, attention, pipeline_class)
        self._takes = inspect.signature(self.pipeline.__call__).parameters
        self.kind = type(self.pipeline).__name__
        self._check_pipeline()
        self.family: Family = family_of(self.pipeline, self.options)
        self.noise_control = self.family.noise_control
        self.width, self.height, self.context_frames = width, height, context
        self.num_frames = self._own_frames() if num_frames is None else num_frames
        self.overlap = context - 1 + self.family.repeats if overlap is None else overlap
        self.fps = self.family.fps if fps is None else float(fps)
        self.guidance = self._own_guidance(guidance)
        self._check_sizes()
        self._drafting = False
        if self.family.cached:  # else there is no such method: the model is none of `CachedBlocks`
            self.drafting = self._draft

    # --- what the pipeline is ---

    @property
    def frames_per_chunk(self) -> int:
        """New frames of one call."""
        return self.num_frames - self.family.cut - self.overlap

    @property
    def first_frames(self) -> int:
        """New frames of the first call, which is given one frame only."""
        return self.num_frames - self.family.cut - self._shown_again(1)

    @property
    def denoiser(self) -> torch.nn.Module:
        """The pipeline's network, or networks: every evaluated sample counts."""
        return torch.nn.ModuleList(self.family.networks)

    @property
    def evaluations_per_call(self) -> int:
        """2 with guidance that was not distilled into the network, else 1, a sample and step."""
        return self.family.evaluations(self.guidance)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of class, settings, configurations and a sample of the weights: other weights have another one."""
        call = (self.width, self.height, self.num_frames, self.overlap, self.context_frames, self.fps, self.guidance)
        digest = hashlib.sha256(repr((self.kind, call, sorted(self.options.items()), self.draft)).encode())
        for name, part in sorted(self.pipeline.components.items()):
            digest.update(f"{name} {type(part).__name__} {_settings(part)}".encode())
            if isinstance(part, torch.nn.Module):
                _read_weights(digest, part)
        return digest.hexdigest()[:16]

    # --- the protocol ---

    def start(self, prompt: str, image: Image | None, seed: int) -> History:
        """The given image, resized; an image-to-video model cannot start without one."""
        if image is None:
            raise UserError(f"{self.kind} needs a start image: give one with --image")
        size = (self.height, self.width)
        frame = F.interpolate(image[None].float(), size, mode="bilinear", antialias=True, align_corners=False)
        return History(frames=frame.clamp(0, 1))

    def condition(self, prompts: Sequence[str], histories: Sequence[History]) -> Cond:
        """The last frames of each history, and its prompt (for pipelines that take one)."""
        frames = [h.frames[-self.context_frames :] for h in histories if h.frames is not None]
        chunk = torch.tensor([h.chunks for h in histories])
        return Cond(tuple(prompts), {"frames": torch.stack(frames), "chunk": chunk})

    def latent_shape(self, frames: int) -> tuple[int, int, int, int]:
        """(t, c, h, w) of the noise of a call that shows this many new frames."""
        return self.family.shape(frames + self.overlap + self.family.cut, self.height, self.width)

    @torch.no_grad()
    def sample(self, cond: Cond, noise: Latents, steps: int) -> Latents:
        """The pipeline's own call on this noise, for as many samples at a time as it can take."""
        noise, clean = noise.to(self.device), torch.empty_like(noise, device=self.device)
        for rows in self._calls(cond):
            clean[rows] = self._call(cond.index(rows), noise[rows], steps)
        return clean

    @torch.no_grad()
    def decode(self, latents: Latents, histories: Sequence[History]) -> Video:
        """Frames that the pipeline's own decoder gives, less those that were shown already."""
        with own_randomness(0, self.device):
            frames = self.family.pixels(latents.to(self.device), self.num_frames)
        known = histories[0].frames
        return frames[:, self._shown_again(1 if known is None else len(known)) :].contiguous()

    def extend(self, history: History, latents: Clip, frames: Float[Tensor, "n 3 H W"]) -> History:
        """The last frames are the next call's."""
        known = frames if history.frames is None else torch.cat([history.frames.to(frames), frames])
        return History(frames=known[-self.context_frames :].clone(), chunks=history.chunks + 1)

    # --- one call ---

    def _calls(self, cond: Cond) -> list[list[int]]:
        """Rows that go through the pipeline together: all, those of one image, or each by itself."""
        rows = list(range(len(cond)))
        if self.family.together == "any":
            return [rows]
        if self.family.together == "one":
            return [[row] for row in rows]
        groups: list[list[int]] = []
        frames = cond.tensors["frames"]
        for row in rows:
            same = next((group for group in groups if torch.equal(frames[group[0]], frames[row])), None)
            groups.append([row]) if same is None else same.append(row)
        return groups

    def _call(self, cond: Cond, noise: Latents, steps: int) -> Latents:
        offered = self.call_arguments(cond, noise, steps)
        arguments = {name: value for name, value in offered.items() if name in self._takes} | self.options
        try:
            with self._cached(), own_randomness(int(cond.tensors["chunk"][0]), self.device):
                clean = self.family.run(arguments)
        except ValueError as error:
            raise UserError(f"{self.kind} refused the call: {' '.join(str(error).split())[:240]}") from error
        if clean.shape != noise.shape:
            made, asked = tuple(clean.shape[1:]), tuple(noise.shape[1:])
            raise UserError(
                f"{self.kind} made {made} (t, c, h, w) where {asked} was asked for: set num_frames, width and height "
                "to what it makes"
            )
        return clean

    def call_arguments(self, cond: Cond, noise: Latents, steps: int) -> dict[str, Any]:
        """What the pipeline is offered; it gets what its signature takes. A subclass adds its own."""
        shown, generators = cond.tensors["frames"].to(self.device), self._generators(cond, noise)
        offered = {
            "prompt": list(cond.prompts),
            "height": self.height,
            "width": self.width,
            "num_frames": self.num_frames,
            "num_inference_steps": steps,
            "generator": generators[0] if self.family.together == "one" else generators,
        }
        if self.noise_control == "latents":
            offered["latents"] = self.family.noise(noise, shown, generators)
        if self.family.rate is not None:
            offered[self.family.rate] = round(self.fps)
        return offered | self.family.arguments(shown, self.guidance)

    def _generators(self, cond: Cond, noise: Latents) -> list[torch.Generator]:
        """A generator a sample: named by its noise, or, where that is given itself, by the chunk's number.

        What the pipeline draws besides (noise on the image) is then the same for all candidates of a chunk.
        """
        if self.noise_control == "generator":
            return [seeded_by(each) for each in noise]
        return [torch.Generator().manual_seed(int(chunk)) for chunk in cond.tensors["chunk"]]

    def _shown_again(self, known: int) -> int:
        """Frames at the front of a call that was given so many frames that are no news."""
        return max(0, self.overlap - self.context_frames + min(known, self.context_frames))

    @contextmanager
    def _draft(self) -> Iterator[None]:
        """Within it calls leave out blocks whose input hardly changed since the step before (first-block cache)."""
        before, self._drafting = self._drafting, True
        try:
            yield
        finally:
            self._drafting = before

    @contextmanager
    def _cached(self) -> Iterator[None]:
        """One call with cached blocks, while drafting: the caches go with it, also where it fails."""
        if not self._drafting:
            yield
            return
        from diffusers.hooks import FirstBlockCacheConfig

        with ExitStack() as stack:
            for network in self.family.networks:
                network.enable_cache(FirstBlockCacheConfig(threshold=self.draft))
                stack.callback(network.disable_cache)
            stack.enter_context(self.family.context())
            yield

    # --- what does not fit ---

    def _own_frames(self) -> int:
        """Frames of a call of which nothing is said."""
        own = self._takes["num_frames"].default
        if not isinstance(own, int):
            own = next((getattr(network.config, "num_frames", None) for network in self.family.networks), None)
        if not isinstance(own, int):
            raise UserError(f"{self.kind} does not say how many frames it makes: give num_frames")
        return own

    def _own_guidance(self, given: float | None) -> float:
        """The scale of guidance: as given, else the pipeline's own."""
        scale = self._takes.get(self.family.scale)
        if scale is not None:
            return float(scale.default) if given is None else given
        if given is not None and given != 1.0:
            raise UserError(f"guidance is {given}, and {self.kind} has none: leave guidance out")
        return 1.0

    def _check_pipeline(self) -> None:
        """UserError for what makes no video from an image, or hides what it draws or evaluates."""
        if not {"image", "num_frames"} <= set(self._takes):
            raise UserError(_not_from_image(self.kind, "num_frames" in self._takes))
        if mistaken := sorted(OURS.intersection(self.options)):
            raise UserError(f"options name {', '.join(mistaken)}, which the search itself sets: leave it out there")
        if unknown := sorted(set(self.options) - set(self._takes)):
            known = ", ".join(sorted(set(self._takes) - OURS))
            raise UserError(f"{self.kind} takes no {', '.join(unknown)}; its options are {known}")
        if "generator" not in self._takes:
            raise UserError(f"{self.kind} takes no generator, so its noise cannot be chosen: use another pipeline")
        order = getattr(self.pipeline.scheduler, "order", 1)
        if order != 1:
            kind = type(self.pipeline.scheduler).__name__
            raise UserError(f"{kind} evaluates the network {order} times a step; use a scheduler of order 1 (Euler)")

    def _check_sizes(self) -> None:
        family, every = self.family, self.family.every
        if not 0 < self.draft <= 1:
            raise UserError(f"draft is {self.draft}; it must lie above 0 (nothing is left out) … 1 (nearly all)")
        for what, size in (("width", self.width), ("height", self.height)):
            _check_multiple(f"{what} is {size}; {self.kind}", size, family.grain)
        if self.num_frames < 1 or (self.num_frames - 1) % every:
            low = max(0, (self.num_frames - 1) // every) * every + 1
            raise UserError(
                f"num_frames is {self.num_frames}; {self.kind} makes 1 + a multiple of {every}: {low} or {low + every}"
            )
        if self.context_frames < 1 or not family.context_fits(self.context_frames):
            fits = f"1 + a multiple of {every} frames" if family.context_fits(1 + every) else "1 frame"
            raise UserError(f"context is {self.context_frames}; {self.kind} takes {fits} of the video so far")
        if self.context_frames >= self.num_frames:
            raise UserError(f"context is {self.context_frames}; it must be fewer than num_frames ({self.num_frames})")
        shown = self.num_frames - family.cut
        if not 0 <= self.overlap < shown:
            raise UserError(f"overlap is {self.overlap}; of {shown} frames at least one must be new: 0 … {shown - 1}")


def _not_from_image(kind: str, video: bool) -> str:
    """Why this pipeline cannot go on with a video, and what could."""
    if not video:
        return f"{kind} makes no video (its call takes no num_frames and image): use an image-to-video pipeline"
    import diffusers

    base = kind.removesuffix("Pipeline")
    near = next((n for n in (f"{base}ImageToVideoPipeline", f"{base}ConditionPipeline") if hasattr(diffusers, n)), None)
    way = f", or, if these weights take an image, give pipeline_class={near}" if near else ""
    return f"{kind} makes video from text alone, so no chunk goes on from the last: load an image-to-video model{way}"


def _check_multiple(what: str, size: int, grain: int) -> None:
    if size < 1 or size % grain:
        low = max(1, size // grain) * grain
        near = f"{low}" if size < grain else f"{low} or {low + grain}"
        raise UserError(f"{what} needs a multiple of {grain}: {near}")


def _settings(part: Any) -> str:
    """The configuration of a part of a pipeline, without where it came from."""
    config = getattr(part, "config", None) or {}
    known = dict(config.to_dict() if hasattr(config, "to_dict") else config)
    kept = {key: value for key, value in known.items() if key[:1] != "_" and key != "transformers_version"}
    return json.dumps(kept, default=str, sort_keys=True)


def _read_weights(digest: Any, module: torch.nn.Module) -> None:
    """Names, shapes and a few values of every tensor; none of those that are not in memory."""
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        if value.device.type != "meta":
            flat = value.detach().reshape(-1)
            digest.update(flat[:: max(1, len(flat) // LOOKED_AT)].float().cpu().numpy().tobytes())
