"""Any diffusers image-to-video pipeline as a black box: the last frame so far is the next chunk's image.

One pipeline call makes a chunk from given initial noise (`latents=`), so a search has coarse previews and
the chunk rollout; nothing inside the pipeline is touched. Tried with Stable Video Diffusion
(arXiv:2311.15127).
"""

import inspect
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.registry import component
from sn_eval.interfaces import Clip, Cond, History, Image, Latents, Video
from sn_eval.models.loading import load_pipeline


@component("image_to_video")
class ImageToVideo:
    """A diffusers image-to-video pipeline, loaded from a folder (or, where no such folder exists, a hub id).

    path: what `DiffusionPipeline.from_pretrained` takes. width, height: of the frames. num_frames: of one
    call; the first `overlap` of them show the given image again and are dropped. guidance: 1 for none.
    axes: order of the pipeline's latents, "btchw" or "bcthw" ("auto": read off the kind of its VAE). dtype:
    "float32", "bfloat16", …. Raises UserError where the pipeline is missing or takes no initial noise.
    """

    name = "image_to_video"
    capability = "black_box"
    noise_control: Literal["latents", "generator"] = "latents"
    context_frames = 1

    def __init__(  # noqa: PLR0913  (what a pipeline call needs, by name)
        self,
        path: str,
        width: int = 256,
        height: int = 256,
        num_frames: int = 14,
        overlap: int = 1,
        fps: float = 7.0,
        guidance: float = 3.0,
        axes: Literal["auto", "btchw", "bcthw"] = "auto",
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        if not 0 <= overlap < num_frames:
            raise UserError(f"overlap is {overlap}; of {num_frames} frames at least one must be new")
        self.width, self.height, self.num_frames, self.overlap = width, height, num_frames, overlap
        self.fps, self.guidance, self.device = float(fps), guidance, torch.device(device)
        self.pipeline = load_pipeline(path, self.device, dtype)
        self._takes = set(inspect.signature(self.pipeline.__call__).parameters)
        if not {"image", "latents"} <= self._takes:
            kind = type(self.pipeline).__name__
            raise UserError(f"{kind} takes no image or no initial noise (latents=); use an image-to-video pipeline")
        stacked = hasattr(self.pipeline.vae.config, "latents_mean")
        self.axes = axes if axes != "auto" else ("bcthw" if stacked else "btchw")

    @property
    def frames_per_chunk(self) -> int:
        """New frames of one call."""
        return self.num_frames - self.overlap

    @property
    def denoiser(self) -> torch.nn.Module:
        """The pipeline's network, or networks: every evaluated sample counts."""
        names = ("unet", "transformer", "transformer_2")
        found = [getattr(self.pipeline, name, None) for name in names]
        return torch.nn.ModuleList([module for module in found if module is not None])

    @property
    def evaluations_per_call(self) -> int:
        """2 with guidance, else 1, a sample and step."""
        return 2 if self.guidance > 1.0 else 1

    def start(self, prompt: str, image: Image | None, seed: int) -> History:
        """The given image, resized; an image-to-video model cannot start without one."""
        if image is None:
            raise UserError(f"{type(self.pipeline).__name__} needs a start image: give one with --image")
        size = (self.height, self.width)
        frame = F.interpolate(image[None].float(), size, mode="bilinear", antialias=True, align_corners=False)
        return History(frames=frame.clamp(0, 1))

    def condition(self, prompts: Sequence[str], histories: Sequence[History]) -> Cond:
        """The last frame of each history, and its prompt (for pipelines that take one)."""
        frames = [h.frames[-1] for h in histories if h.frames is not None]
        return Cond(tuple(prompts), {"image": torch.stack(frames)})

    def latent_shape(self, frames: int) -> tuple[int, int, int, int]:
        """(t, c, h, w) of the noise of a call that shows this many new frames."""
        pipe, vae = self.pipeline, self.pipeline.vae.config
        space = getattr(pipe, "vae_scale_factor_spatial", getattr(pipe, "vae_scale_factor", 8))
        time = getattr(pipe, "vae_scale_factor_temporal", 1)
        channels = getattr(vae, "z_dim", None) or vae.latent_channels
        count = (frames + self.overlap - 1) // time + 1
        return (count, channels, self.height // space, self.width // space)

    @torch.no_grad()
    def sample(self, cond: Cond, noise: Latents, steps: int) -> Latents:
        """The pipeline's own call on this noise."""
        offered = self.call_arguments(cond, self._ordered(noise), steps)
        taken = {name: value for name, value in offered.items() if name in self._takes}
        return self._ordered(self.pipeline(**taken).frames).float()

    def call_arguments(self, cond: Cond, noise: Tensor, steps: int) -> dict[str, Any]:
        """What the pipeline is offered; it gets what its signature takes. A subclass adds its own."""
        return {
            "image": [_picture(frame) for frame in cond.tensors["image"]],
            "prompt": list(cond.prompts),
            "height": self.height,
            "width": self.width,
            "num_frames": self.num_frames,
            "num_inference_steps": steps,
            "guidance_scale": self.guidance,
            "max_guidance_scale": self.guidance,
            "latents": noise.to(self.device, self.pipeline.dtype),
            # what else a pipeline draws (noise on the image) is the same for every candidate
            "generator": [torch.Generator().manual_seed(0) for _ in cond.prompts],
            "output_type": "latent",
        }

    @torch.no_grad()
    def decode(self, latents: Latents, histories: Sequence[History]) -> Video:
        """Frames that the pipeline's own decoder gives, less the overlap."""
        pipe, vae = self.pipeline, self.pipeline.vae
        ordered = self._ordered(latents).to(self.device, vae.dtype)
        if hasattr(pipe, "decode_latents"):
            extra = {"num_frames": self.num_frames}
            takes = inspect.signature(pipe.decode_latents).parameters
            video = pipe.decode_latents(ordered, **{k: v for k, v in extra.items() if k in takes})
        else:
            video = vae.decode(_denormalised(ordered, vae.config), return_dict=False)[0]
        frames = (video.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 1, 3, 4)
        return frames[:, self.overlap :].contiguous()

    def extend(self, history: History, latents: Clip, frames: Float[Tensor, "n 3 H W"]) -> History:
        """The last frame is the next image."""
        return History(frames=frames[-1:].clone(), chunks=history.chunks + 1)

    def _ordered(self, latents: Tensor) -> Tensor:
        """From our order of axes to the pipeline's, and back."""
        return latents if self.axes == "btchw" else latents.transpose(1, 2)


def _picture(frame: Float[Tensor, "3 H W"]) -> Any:
    """The frame as the kind of picture that every pipeline takes."""
    from PIL import Image as Pictures

    pixels = (frame.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
    return Pictures.fromarray(pixels.cpu().numpy())


def _denormalised(latents: Tensor, config: Any) -> Tensor:
    """Latents [b c t h w] in the units of a VAE whose config tells their mean and standard deviation."""
    if getattr(config, "latents_mean", None) is None:
        raise UserError("this pipeline's VAE does not say how its latents are scaled: write a subclass with `decode`")
    mean, std = (torch.tensor(v).view(1, -1, 1, 1, 1).to(latents) for v in (config.latents_mean, config.latents_std))
    return latents * std + mean
