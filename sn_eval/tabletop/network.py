"""The denoiser: a small space-time U-Net with a noise level for every frame (diffusion forcing, arXiv:2407.01392).

Each frame has its own noise level sigma (x = (1-sigma) x0 + sigma eps), so clean context frames, chunk
continuation and a FIFO diagonal are one network. Plain torch: it trains wherever torch runs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(8, channels)


class Residual(nn.Module):
    """Two 3x3 convolutions of single frames; level and caption scale and shift the features between them (FiLM)."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.film = nn.Linear(condition, 2 * outputs)
        self.norm2, self.conv2 = _norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Float[Tensor, "n c h w"], condition: Float[Tensor, "n d"]) -> Float[Tensor, "n e h w"]:
        """Features of single frames."""
        scale, shift = self.film(condition)[..., None, None].chunk(2, 1)
        hidden = self.conv1(F.silu(self.norm1(x)))
        hidden = self.conv2(F.silu(self.norm2(hidden) * (1 + scale) + shift))
        return self.skip(x) + hidden


class TimeAttention(nn.Module):
    """Attention over the frames at each place, after a 3x3 gather that lets a place see its neighbours.

    Distances between frames enter as a learned bias, so windows of other lengths work too.
    """

    def __init__(self, channels: int, heads: int = 4, reach: int = 32) -> None:
        super().__init__()
        self.heads, self.reach = heads, reach
        self.norm = _norm(channels)
        self.gather = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.bias = nn.Parameter(torch.zeros(heads, 2 * reach + 1))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Float[Tensor, "n c h w"], frames: int) -> Float[Tensor, "n c h w"]:
        """n = b * frames feature maps, mixed along time."""
        n, c, h, w = x.shape
        normed = self.norm(x)
        seen = (normed + self.gather(normed)).view(-1, frames, c, h * w).permute(0, 3, 1, 2)
        q, k, v = self.qkv(seen).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5).flatten(1, 2)
        place = torch.arange(frames, device=x.device)
        apart = (place[None] - place[:, None]).clamp(-self.reach, self.reach) + self.reach
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias[:, apart].to(q.dtype))
        mixed = self.out(mixed.transpose(1, 2).flatten(2)).view(-1, h * w, frames, c)
        return x + mixed.permute(0, 2, 3, 1).reshape(n, c, h, w)


class SpaceTextAttention(nn.Module):
    """Attention among the places of one frame and the words of its caption."""

    def __init__(self, channels: int, text: int, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.norm = heads, _norm(channels)
        self.qkv, self.words = nn.Linear(channels, 3 * channels), nn.Linear(text, 2 * channels)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Float[Tensor, "n c h w"], text: Float[Tensor, "b l d"], pad: Tensor) -> Tensor:
        """n = b * frames feature maps, mixed along space and with the words that `pad` does not mask."""
        n, c, h, w = x.shape
        frames = n // text.shape[0]
        heads = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # noqa: E731
        q, k, v = self.qkv(self.norm(x).flatten(2).transpose(1, 2)).chunk(3, -1)
        k_text, v_text = self.words(text).repeat_interleave(frames, 0).chunk(2, -1)
        k, v = torch.cat([k, k_text], 1), torch.cat([v, v_text], 1)
        seen = torch.cat([pad.new_ones(pad.shape[0], h * w), ~pad], 1).repeat_interleave(frames, 0)
        mixed = F.scaled_dot_product_attention(heads(q), heads(k), heads(v), attn_mask=seen[:, None, None])
        return x + self.out(mixed.transpose(1, 2).flatten(2)).transpose(1, 2).reshape(n, c, h, w)


class CaptionEncoder(nn.Module):
    """A two-layer transformer over the words of a caption: features per word, and one for the whole."""

    def __init__(self, vocabulary: int, width: int, longest: int, condition: int) -> None:
        super().__init__()
        self.word, self.place = nn.Embedding(vocabulary, width), nn.Parameter(torch.randn(longest, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.pool = nn.Linear(width, condition)

    def forward(self, words: Int[Tensor, "b l"]) -> tuple[Tensor, Tensor, Tensor]:
        """(features of words [b, l, d], padding [b, l], feature of the caption [b, e]); 0 pads."""
        pad = words == 0
        pad = pad & (torch.arange(words.shape[1], device=words.device) > 0)  # the empty caption keeps one place
        text = self.layers(self.word(words) + self.place, src_key_padding_mask=pad)
        whole = (text * ~pad[..., None]).sum(1) / (~pad).sum(1, keepdim=True)
        return text, pad, self.pool(whole)


class SpaceTimeUNet(nn.Module):
    """Velocity of flow matching, v = eps - x0, for windows of latent frames with a noise level each.

    Two resolutions (16x16 and 8x8). The camera stands still, so the window's first frame is shown beside every
    frame, and the layers only correct a linear guess: preconditioning as in Karras et al. (arXiv:2206.00364,
    section 5), with the first frame as the prior's mean. They also say where things change (a gate on the prior's
    variance): what they call still is copied exactly, so backgrounds gather no noise.
    """

    spread: Tensor
    change: Tensor

    def __init__(
        self,
        channels: int = 16,
        widths: Sequence[int] = (48, 128),
        text: int = 128,
        condition: int = 256,
        vocabulary: int = 64,
        longest: int = 48,
    ) -> None:
        super().__init__()
        self.config = {"channels": channels, "widths": list(widths), "text": text, "condition": condition,
                       "vocabulary": vocabulary, "longest": longest}  # fmt: skip
        fine, coarse = widths
        self.text = CaptionEncoder(vocabulary, text, longest, condition)
        self.level = nn.Sequential(nn.Linear(64, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.first_level = nn.Linear(64, condition)
        self.enter = nn.Conv2d(3 * channels + 2, fine, 3, padding=1)
        self.down_fine = nn.ModuleList([Residual(fine, fine, condition) for _ in range(2)])
        self.time_down = TimeAttention(fine)
        self.shrink = nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
        self.middle = nn.ModuleList([Residual(coarse, coarse, condition) for _ in range(4)])
        self.time_middle = nn.ModuleList([TimeAttention(coarse) for _ in range(4)])
        self.space = nn.ModuleList([SpaceTextAttention(coarse, text) for _ in range(2)])
        self.grow = nn.Conv2d(coarse, fine * 4, 1)
        self.up_fine = nn.ModuleList([Residual(2 * fine, fine, condition), Residual(fine, fine, condition)])
        self.time_up = TimeAttention(fine)
        self.leave_norm, self.leave = _norm(fine), nn.Conv2d(fine, 2 * channels, 3, padding=1)
        self.register_buffer("spread", torch.ones(channels))  # standard deviation of each latent channel
        self.register_buffer("change", torch.ones(channels))  # and of its difference from a window's first frame
        nn.init.zeros_(self.leave.weight)

    def encode_text(self, words: Int[Tensor, "b l"]) -> tuple[Tensor, Tensor, Tensor]:
        """Caption features: per word [b, l, d], padding mask [b, l], whole [b, e]."""
        return self.text(words)

    def forward(
        self, x: Float[Tensor, "b t c h w"], sigma: Float[Tensor, "b t"], text: tuple[Tensor, Tensor, Tensor]
    ) -> Float[Tensor, "b t c h w"]:
        """Velocity of each frame; `text` is what `encode_text` gave."""
        words, pad, whole = text
        b, t, c, h, w = x.shape
        prior = self.prior(x, sigma)
        condition = self.level(_waves(sigma)) + self.first_level(_waves(sigma[:, :1])) + whole[:, None]
        condition = F.silu(condition.flatten(0, 1))
        scaled = x / prior.seen.sqrt()
        surprise = prior.apart / prior.total(1.0).sqrt()
        shown = torch.cat([scaled, scaled[:, :1].expand_as(scaled), surprise], 2).flatten(0, 1)
        hidden = self.enter(torch.cat([shown, _coordinates(shown)], 1))
        hidden = self.down_fine[0](hidden, condition)
        fine = self.down_fine[1](self.time_down(hidden, t), condition)
        hidden = self.shrink(fine)
        for i, (block, time) in enumerate(zip(self.middle, self.time_middle, strict=True)):
            hidden = time(block(hidden, condition), t)
            if i % 2 == 0:
                hidden = self.space[i // 2](hidden, words, pad)
        hidden = self.up_fine[0](torch.cat([F.pixel_shuffle(self.grow(hidden), 2), fine], 1), condition)
        hidden = self.up_fine[1](self.time_up(hidden, t), condition)
        raw = self.leave(F.silu(self.leave_norm(hidden))).view(b, t, 2 * c, h, w).float()
        correction, gate = raw.chunk(2, 2)
        return prior.velocity(correction, torch.sigmoid(gate + 3.0).clamp(min=1e-3))

    def prior(self, x: Tensor, sigma: Float[Tensor, "b t"]) -> "Prior":
        """What the window's first frame says of every frame before its own pixels are looked at.

        Model: x0 of the first frame is N(0, spread^2), that of any other differs from it by N(0, change^2).
        """
        s = sigma[..., None, None, None]
        wide = self.spread.view(1, 1, -1, 1, 1).square()
        seen = (1 - s).square() * wide + s.square()
        first, first_seen = s[:, :1], seen[:, :1]
        later = (torch.arange(x.shape[1], device=x.device) > 0).view(1, -1, 1, 1, 1)
        mean = later * (1 - first) * wide / first_seen * x[:, :1]
        change = torch.minimum(self.change.view(1, 1, -1, 1, 1).square(), wide)
        unsure = wide * first.square() / first_seen  # what the first frame's own noise hides
        unsure, change = later * torch.minimum(unsure, wide - change), torch.where(later, change, wide)
        return Prior(x, s, mean, change, unsure, seen)


@dataclass(frozen=True)
class Prior:
    """x0 ~ N(mean, gate * change + unsure) in every place, and x = (1-s) x0 + s eps; `seen` is the variance of x."""

    x: Tensor
    s: Tensor
    mean: Tensor
    change: Tensor
    unsure: Tensor
    seen: Tensor

    @property
    def apart(self) -> Tensor:
        """How far x is from what was expected."""
        return self.x - (1 - self.s) * self.mean

    def total(self, gate: Tensor | float) -> Tensor:
        """The variance of `apart`."""
        return (1 - self.s).square() * (gate * self.change + self.unsure) + self.s.square()

    def velocity(self, correction: Tensor, gate: Tensor | float = 1.0) -> Tensor:
        """The best linear estimate of eps - x0, plus a correction in units of its error."""
        variance, total = gate * self.change + self.unsure, self.total(gate)
        guess = (self.s - (1 - self.s) * variance) / total * self.apart - self.mean
        return guess + (variance / total).sqrt() * correction


def _waves(sigma: Tensor) -> Float[Tensor, "*n 64"]:
    rates = torch.exp(torch.linspace(0, math.log(200.0), 32, device=sigma.device))
    angles = sigma[..., None] * rates * math.pi / 2
    return torch.cat([angles.sin(), angles.cos()], -1)


def _coordinates(like: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 2 h w"]:
    n, _, h, w = like.shape
    line = lambda k: torch.linspace(-1, 1, k, device=like.device, dtype=like.dtype)  # noqa: E731
    return torch.stack(torch.meshgrid(line(h), line(w), indexing="ij")).expand(n, -1, -1, -1)
