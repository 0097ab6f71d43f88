"""What differs between diffusers' image-to-video pipelines: one small class a family, read off diffusers 0.42.

The questions that each answers: does the call keep its image when it is given noise, in which layout do latents go in
and come out, what does it take for an image, how many samples fit into one call, which sizes and frame counts work,
what guidance costs, and how its latents become pixels. What is not said is as in `Family`, which knows nothing.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import lcm
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sn_eval.interfaces import Clip, Latents, Video
from sn_eval.models.loading import networks

Control = Literal["latents", "generator"]
Shown = Float[Tensor, "b k 3 H W"]  # frames that a call is conditioned on, 0..1


class Family:
    """A pipeline of which only the signature is known: noise seeds its generator, pixels come out, a sample a call.

    pipeline: the loaded pipeline. options: arguments of its call that the user added.
    """

    noise_control: Control = "generator"
    together: Literal["any", "one image", "one"] = "one"  # which samples one call can take
    fps = 8.0
    rate: str | None = None  # the argument that tells the pipeline its frame rate
    scale = "guidance_scale"
    space, time = 1, 1  # pixels a latent along one side, frames a latent
    every = 1  # frames of a call: 1 + a multiple of it
    cut = 0  # frames at the front that the pipeline itself leaves out
    repeats = 1  # shown again at the front, of one given image
    cached = False  # whether diffusers' first-block cache works inside its call

    def __init__(self, pipeline: Any, options: Mapping[str, Any]) -> None:
        self.pipeline, self.options = pipeline, options

    @property
    def networks(self) -> list[Any]:
        """Those that denoise."""
        return networks(self.pipeline)

    @property
    def grain(self) -> int:
        """Width and height must be multiples of it."""
        return 1

    def context_fits(self, frames: int) -> bool:
        """Whether a call can be conditioned on so many frames."""
        return frames == 1

    def shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(t, c, h, w) of what a call of so many frames gives: here pixels."""
        return (frames, 3, height, width)

    def evaluations(self, guidance: float) -> int:
        """Network evaluations a sample and step."""
        return 2 if guidance > 1 and not self._distilled else 1

    def arguments(self, shown: Shown, guidance: float) -> dict[str, Any]:
        """The image, and the guidance, as this pipeline takes them."""
        return {"image": picture(shown[0, -1]), self.scale: guidance}

    def noise(self, noise: Latents, shown: Shown, generators: Sequence[torch.Generator]) -> Tensor:
        """Initial noise as the pipeline takes it, where it does."""
        return noise

    def run(self, arguments: Mapping[str, Any]) -> Latents:
        """What the call gives for these arguments: here pixels 0..1."""
        frames = self.pipeline(**arguments, output_type="pt").frames
        return torch.as_tensor(frames if isinstance(frames, Tensor) else torch.stack(list(frames))).float()

    def pixels(self, latents: Latents, frames: int) -> Video:
        """All frames of a call, 0..1."""
        return latents.clamp(0, 1)

    def context(self) -> AbstractContextManager[Any]:
        """What a call with cached blocks must stand in: nothing where the pipeline itself names its evaluations."""
        return nullcontext()

    @property
    def _distilled(self) -> bool:
        """Whether guidance is an input of the network, which then needs one evaluation for it."""
        return any(getattr(module.config, "guidance_embeds", False) for module in self.networks)


class LatentFamily(Family):
    """What the known ones share: latents come out, [b t c h w] or the other way round, and are decoded from outside."""

    frames_first = False  # layout: [b t c h w], else [b c t h w]
    converts = True  # whether the pipeline itself turns given noise into the type that it draws in
    factors = ("vae_scale_factor_spatial", "vae_scale_factor_temporal")  # names of space and time

    def __init__(self, pipeline: Any, options: Mapping[str, Any]) -> None:
        super().__init__(pipeline, options)
        self.space, self.time = (int(getattr(pipeline, name, 1)) for name in self.factors)
        self.every = self.time

    @property
    def grain(self) -> int:
        """Latents are cut into patches; the pipelines themselves ask for 16."""
        patch = self.networks[0].config.patch_size
        return lcm(16, self.space * (patch if isinstance(patch, int) else max(patch)))

    def shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(t, c, h, w) of the latents."""
        config = self.pipeline.vae.config
        channels = getattr(config, "z_dim", None) or config.latent_channels
        return ((frames - 1) // self.time + 1, channels, height // self.space, width // self.space)

    def arguments(self, shown: Shown, guidance: float) -> dict[str, Any]:
        """An image a sample."""
        return {"image": [picture(clip[-1]) for clip in shown], self.scale: guidance}

    def noise(self, noise: Latents, shown: Shown, generators: Sequence[torch.Generator]) -> Tensor:
        """In the pipeline's layout."""
        return self._ordered(noise if self.converts else noise.to(self.networks[0].dtype))

    def run(self, arguments: Mapping[str, Any]) -> Latents:
        """Clean latents as the call returns them."""
        latents = self.pipeline(**arguments, output_type="latent").frames
        return self._ordered(latents).float()

    def pixels(self, latents: Latents, frames: int) -> Video:
        """Decoded as the pipeline itself does it."""
        video = self._decoded(self._ordered(latents).to(self.pipeline.vae.dtype), frames).float()
        return (video / 2 + 0.5).clamp(0, 1).transpose(1, 2)

    def _ordered(self, latents: Tensor) -> Tensor:
        """From our order of axes to the pipeline's, and back."""
        return latents if self.frames_first else latents.transpose(1, 2)

    def _decoded(self, latents: Tensor, frames: int) -> Float[Tensor, "b 3 n H W"]:
        return self.pipeline.vae.decode(latents, return_dict=False)[0]


class StableVideo(LatentFamily):
    """Stable Video Diffusion (arXiv:2311.15127): no text, no compression of time; guidance grows along the frames."""

    noise_control = "latents"
    together = "any"
    frames_first, converts = True, False
    fps, rate, scale = 7.0, "fps", "max_guidance_scale"
    factors = ("vae_scale_factor", "")

    @property
    def grain(self) -> int:
        """The network halves latents once a level but the last; the pipeline wants eights."""
        return lcm(8, self.space * 2 ** (len(self.networks[0].config.block_out_channels) - 1))

    def _decoded(self, latents: Tensor, frames: int) -> Float[Tensor, "b 3 n H W"]:
        # a part of another size would join frames of two videos in one pass of a decoder that looks along time
        return self.pipeline.decode_latents(latents, frames, decode_chunk_size=frames)


class CogVideo(LatentFamily):
    """CogVideoX (arXiv:2408.06072), 1.0 and 1.5, whose patches may span two latents: odd counts get one in front."""

    noise_control = "latents"
    together = "any"
    frames_first, converts = True, False
    cached = True

    def __init__(self, pipeline: Any, options: Mapping[str, Any]) -> None:
        super().__init__(pipeline, options)
        self.every = 2 * self.time  # of an even number of latents, the decoder takes the first for more than one frame

    def shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(t, c, h, w), t rounded up to whole patches."""
        t, c, h, w = super().shape(frames, height, width)
        return (t + self._padding(t), c, h, w)

    def _decoded(self, latents: Tensor, frames: int) -> Float[Tensor, "b 3 n H W"]:
        return self.pipeline.decode_latents(latents[:, self._padding((frames - 1) // self.time + 1) :])

    def _padding(self, count: int) -> int:
        return -count % (self.networks[0].config.patch_size_t or 1)


class Wan(LatentFamily):
    """Wan 2.1 and 2.2 (arXiv:2503.20314): a call repeats its one image for all its prompts. Guidance is a second call.

    With two networks (2.2) the second one's guidance is the option `guidance_scale_2`.
    """

    noise_control = "latents"
    together = "one image"
    fps = 16.0
    cached = True

    def arguments(self, shown: Shown, guidance: float) -> dict[str, Any]:
        """One image. It draws nothing but the noise, and would encode its image once a generator."""
        return {"image": picture(shown[0, -1]), "generator": None, self.scale: guidance}

    def _decoded(self, latents: Tensor, frames: int) -> Float[Tensor, "b 3 n H W"]:
        given = (self.pipeline.vae.config[name] for name in ("latents_mean", "latents_std"))
        mean, std = (torch.tensor(each).to(latents)[:, None, None, None] for each in given)
        return super()._decoded(latents * std + mean, frames)


class Ltx(LatentFamily):
    """LTX-Video from an image (arXiv:2501.00103).

    Given latents, its call leaves its image out and keeps the first of them as it is: so the image is put there before,
    as the call itself would do.
    """

    noise_control: Control = "latents"
    together = "any"
    fps, rate = 25.0, "frame_rate"
    cached = True
    factors = ("vae_spatial_compression_ratio", "vae_temporal_compression_ratio")

    @property
    def grain(self) -> int:
        """As the pipeline asks."""
        return lcm(32, self.space)

    def noise(self, noise: Latents, shown: Shown, generators: Sequence[torch.Generator]) -> Tensor:
        """The image's latent and, after it, the noise: a row of tokens, in the order t h w."""
        vae, images = self.pipeline.vae, [picture(clip[-1]) for clip in shown]
        pixels = self.pipeline.video_processor.preprocess(images).to(noise.device, vae.dtype)
        seen = vae.encode(pixels[:, :, None]).latent_dist.sample(list(generators)).float()
        mean, std = self._scale(seen)
        start = ((seen - mean) / std).transpose(1, 2)
        return torch.cat([start, noise[:, 1:]], 1).permute(0, 1, 3, 4, 2).flatten(1, 3)

    def run(self, arguments: Mapping[str, Any]) -> Latents:
        """The call returns such a row."""
        tokens = self.pipeline(**arguments, output_type="latent").frames
        t, c, h, w = self.shape(arguments["num_frames"], arguments["height"], arguments["width"])
        return tokens.reshape(-1, t, h, w, c).permute(0, 1, 4, 2, 3).float()

    def _decoded(self, latents: Tensor, frames: int) -> Float[Tensor, "b 3 n H W"]:
        vae, (mean, std) = self.pipeline.vae, self._scale(latents)
        clean = latents * std / vae.config.scaling_factor + mean
        if not vae.config.timestep_conditioning:
            return vae.decode(clean, None, return_dict=False)[0]
        when = float(self.options.get("decode_timestep", 0.0))
        blur = self.options.get("decode_noise_scale")
        blur = when if blur is None else float(blur)
        fresh = torch.stack([torch.randn(x.shape, generator=seeded_by(x)) for x in clean]).to(clean)
        times = torch.full((len(clean),), when).to(clean)
        return vae.decode((1 - blur) * clean + blur * fresh, times, return_dict=False)[0]

    def _scale(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel."""
        vae = self.pipeline.vae
        mean, std = (values.view(1, -1, 1, 1, 1).to(like) for values in (vae.latents_mean, vae.latents_std))
        return mean, std


class LtxCondition(Ltx):
    """LTX-Video from a clip: several frames, 1 + a multiple of 8, as a condition at the front. It takes no noise."""

    noise_control = "generator"

    def context_fits(self, frames: int) -> bool:
        """Whole latents only."""
        return frames % self.time == 1 % self.time

    def arguments(self, shown: Shown, guidance: float) -> dict[str, Any]:
        """A clip a sample. Pixels are rounded to 8 bits, as a picture's are."""
        return {"video": (shown.clamp(0, 1) * 255).round() / 255, self.scale: guidance}

    def run(self, arguments: Mapping[str, Any]) -> Latents:
        """This call returns latents as they are."""
        return LatentFamily.run(self, arguments)


class Hunyuan(LatentFamily):
    """HunyuanVideo (arXiv:2412.03603) from an image, put in the place of the first latent or beside all of them.

    Guidance is an input of the network where it was distilled so, else a second call with an empty prompt. Beside all
    of them, the first latent is not shown: what it decodes to goes with it.
    """

    noise_control = "latents"
    fps = 24.0

    def __init__(self, pipeline: Any, options: Mapping[str, Any]) -> None:
        super().__init__(pipeline, options)
        if self.networks[0].config.image_condition_type == "latent_concat":
            self.cut, self.repeats = 4, 0  # the image is in what is left out
        self.cached = self._distilled  # two calls a step could not be told apart
        self.together = "any" if self._distilled else "one"  # a second prompt stands with one black picture

    def arguments(self, shown: Shown, guidance: float) -> dict[str, Any]:
        """An image a sample."""
        image = [picture(clip[-1]) for clip in shown]
        if self._distilled:
            return {"image": image, "guidance_scale": guidance}
        negative = self.options.get("negative_prompt", "")
        return {"image": image, "true_cfg_scale": guidance, "negative_prompt": negative}

    def run(self, arguments: Mapping[str, Any]) -> Latents:
        """The latents of the last step: those that the call returns may lack the first, which decoding needs."""
        last: dict[str, Tensor] = {}

        def keep(pipeline: Any, step: int, time: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            last.update(tensors)
            return tensors

        self.pipeline(**arguments, output_type="latent", callback_on_step_end=keep)
        return last["latents"].transpose(1, 2).float()

    def context(self) -> AbstractContextManager[Any]:
        """The pipeline does not name its evaluations; one a step needs one name."""
        context: AbstractContextManager[Any] = self.pipeline.transformer.cache_context("step")
        return context

    def _decoded(self, latents: Tensor, frames: int) -> Float[Tensor, "b 3 n H W"]:
        scaled = latents / self.pipeline.vae.config.scaling_factor
        return super()._decoded(scaled, frames)[:, :, self.cut :]


FAMILIES: dict[str, type[Family]] = {
    "StableVideoDiffusionPipeline": StableVideo,
    "CogVideoXImageToVideoPipeline": CogVideo,
    "WanImageToVideoPipeline": Wan,
    "LTXImageToVideoPipeline": Ltx,
    "LTXConditionPipeline": LtxCondition,
    "HunyuanVideoImageToVideoPipeline": Hunyuan,
}


def family_of(pipeline: Any, options: Mapping[str, Any]) -> Family:
    """The family of this pipeline's class, or of the nearest class that it derives from; else the one of no family."""
    known = (FAMILIES[each.__name__] for each in type(pipeline).__mro__ if each.__name__ in FAMILIES)
    family = next(known, Family)(pipeline, options)
    if getattr(pipeline.scheduler.config, "stochastic_sampling", False):
        family.together = "one"  # its draws come from torch's global generator, in the order of the batch
    return family


def picture(frame: Float[Tensor, "3 H W"]) -> Any:
    """The frame as the kind of picture that every pipeline takes."""
    from PIL import Image as Pictures

    pixels = (frame.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
    return Pictures.fromarray(pixels.cpu().numpy())


def seeded_by(values: Clip) -> torch.Generator:
    """A generator that only these values name: the same ones always give the same draws, on every device."""
    digest = hashlib.sha256(values.detach().float().cpu().contiguous().numpy().tobytes()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Within it, what a pipeline draws from torch's global generator is named by `seed`; outside, nothing moved."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
