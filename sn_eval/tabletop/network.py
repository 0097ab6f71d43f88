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

# channels last: convolutions and matrix products both like it so
Features = Float[Tensor, "n h w c"]
Changed = Float[Tensor, "n y x d"]
Turns = tuple[Float[Tensor, "tokens half"], Float[Tensor, "tokens half"]]


class Convolution(nn.Conv2d):
    """A 3x3 convolution on channels-last features."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride, padding=1)

    def forward(self, x: Features) -> Changed:
        """n single frames."""
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def _norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:])


def shift_in_time(x: Features, frames: int) -> Features:
    """A quarter of the channels from the frame before, a quarter from the frame after (TSM, arXiv:1811.08383)."""
    video = x.unflatten(0, (-1, frames))
    before, after, own = video.tensor_split((x.shape[-1] // 4, x.shape[-1] // 2), -1)
    none = torch.zeros_like(before[:, :1])
    shifted = [torch.cat([none, before[:, :-1]], 1), torch.cat([after[:, 1:], none], 1), own]
    return torch.cat(shifted, -1).flatten(0, 1)


class Residual(nn.Module):
    """Two convolutions, the first one seeing the neighbouring frames; level and caption scale and shift (FiLM)."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Convolution(inputs, outputs), Convolution(outputs, outputs)
        self.film = nn.Linear(condition, 2 * outputs)
        self.skip = nn.Linear(inputs, outputs) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Features, condition: Float[Tensor, "n e"], frames: int) -> Changed:
        """n = b * frames feature maps."""
        scale, shift = self.film(condition)[:, None, None].chunk(2, -1)
        hidden = self.conv1(F.silu(shift_in_time(_norm(x), frames)))
        hidden = self.conv2(F.silu(_norm(hidden) * (1 + scale) + shift))
        return self.skip(x) + hidden


class SpaceTimeAttention(nn.Module):
    """Attention among all places of all frames and the words of the caption.

    What moves is found where it was: a place looks at other frames and places at once. Positions enter as rotations
    (RoPE, arXiv:2104.09864) by frame, row and column, so windows of other lengths work too.
    """

    def __init__(self, channels: int, text: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.words = nn.Linear(channels, 3 * channels), nn.Linear(text, 2 * channels)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Features, turns: Turns, text: Float[Tensor, "b l d"]) -> Features:
        """n = b * frames feature maps, mixed with each other and with the caption's words; `turns`: `rotations`."""
        tokens = x.reshape(len(text), -1, x.shape[-1])
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # noqa: E731
        q, k, v = map(split, self.qkv(_norm(tokens)).chunk(3, -1))
        q, k = (_rotate(y, *turns) for y in (q, k))
        k_text, v_text = map(split, self.words(text).chunk(2, -1))
        mixed = F.scaled_dot_product_attention(q, torch.cat([k, k_text], 2), torch.cat([v, v_text], 2))
        return x + self.out(mixed.transpose(1, 2).flatten(2)).view(x.shape)


def rotations(shape: tuple[int, int, int], size: int, device: torch.device) -> Turns:
    """Cosine and sine of the angles of tokens (frames, rows, columns), [tokens, size / 2]: a quarter by frame."""
    sizes = (size // 8, (size // 2 - size // 8) // 2, (size // 2 - size // 8) // 2)
    axes = torch.meshgrid(*(torch.arange(n, device=device) for n in shape), indexing="ij")
    angles = [
        axis.flatten()[:, None] * (torch.pi / 2) * torch.logspace(0, -3, n, 2.0, device=device)
        for axis, n in zip(axes, sizes, strict=True)
    ]
    turned = torch.cat(angles, -1)
    return turned.cos(), turned.sin()


def _rotate(x: Float[Tensor, "b a n d"], cosine: Tensor, sine: Tensor) -> Float[Tensor, "b a n d"]:
    u, v = x.chunk(2, -1)
    cosine, sine = cosine.to(x.dtype), sine.to(x.dtype)
    return torch.cat([u * cosine - v * sine, u * sine + v * cosine], -1)


class CaptionEncoder(nn.Module):
    """A two-layer transformer over the words of a caption: features per word, and one for the whole."""

    def __init__(self, vocabulary: int, width: int, longest: int, condition: int) -> None:
        super().__init__()
        self.word, self.place = nn.Embedding(vocabulary, width), nn.Parameter(torch.randn(longest, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.pool = nn.Linear(width, condition)

    def forward(self, words: Int[Tensor, "b l"]) -> tuple[Tensor, Tensor]:
        """(features of words [b, l, d], feature of the caption [b, e]); word 0 pads."""
        pad = words == 0
        pad = pad & (torch.arange(words.shape[1], device=words.device) > 0)  # the empty caption keeps one place
        text = self.layers(self.word(words) + self.place, src_key_padding_mask=pad) * ~pad[..., None]
        return text, self.pool(text.sum(1) / (~pad).sum(1, keepdim=True))


class SpaceTimeUNet(nn.Module):
    """Velocity of flow matching, v = eps - x0, for windows of latent frames with a noise level each.

    Two resolutions (16x16 and 8x8). The camera stands still, so the window's first frame is shown beside every
    frame, and the layers only correct a linear guess: preconditioning as in Karras et al. (arXiv:2206.00364,
    section 5), with the first frame as the prior's mean. For every place they say four things: a correction; how
    unsure the prior is; what is there now; and whether that replaces the first frame. What they call still is copied
    exactly, so backgrounds gather no noise.
    """

    spread: Tensor
    change: Tensor

    def __init__(  # noqa: PLR0913  the sizes of its parts
        self,
        channels: int = 16,
        side: int = 16,
        widths: Sequence[int] = (64, 128),
        attentions: int = 2,
        heads: int = 2,
        text: int = 128,
        condition: int = 256,
        vocabulary: int = 64,
        longest: int = 48,
    ) -> None:
        super().__init__()
        self.config = {"channels": channels, "side": side, "widths": list(widths), "attentions": attentions,
                       "heads": heads, "text": text, "condition": condition, "vocabulary": vocabulary,
                       "longest": longest}  # fmt: skip
        self.heads = heads
        fine, coarse = widths
        self.text = CaptionEncoder(vocabulary, text, longest, condition)
        self.level = nn.Sequential(nn.Linear(64, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.first_level = nn.Linear(64, condition)
        self.enter = Convolution(3 * channels, fine)
        self.place = nn.Parameter(torch.zeros(side, side, fine))  # the camera stands still: places can be learned
        self.down = nn.ModuleList([Residual(fine, fine, condition) for _ in range(2)])
        self.shrink = Convolution(fine, coarse, stride=2)
        self.middle = nn.ModuleList([Residual(coarse, coarse, condition) for _ in range(attentions + 1)])
        self.attention = nn.ModuleList([SpaceTimeAttention(coarse, text, heads) for _ in range(attentions)])
        self.grow = nn.Linear(coarse, fine * 4)
        self.up = nn.ModuleList([Residual(2 * fine, fine, condition), Residual(fine, fine, condition)])
        self.leave = Convolution(fine, 4 * channels)
        self.register_buffer("spread", torch.ones(channels))  # standard deviation of each latent channel
        self.register_buffer("change", torch.ones(channels))  # and of its difference from a window's first frame
        nn.init.zeros_(self.leave.weight)

    def encode_text(self, words: Int[Tensor, "b l"]) -> tuple[Tensor, Tensor]:
        """Caption features: per word [b, l, d], whole [b, e]."""
        return self.text(words)

    def forward(
        self, x: Float[Tensor, "b t c h w"], sigma: Float[Tensor, "b t"], text: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "b t c h w"]:
        """Velocity of each frame; `text` is what `encode_text` gave."""
        words, whole = text
        frames = x.shape[1]
        prior = self.prior(x, sigma)
        condition = self.level(_waves(sigma)) + self.first_level(_waves(sigma[:, :1])) + whole[:, None]
        condition = F.silu(condition.flatten(0, 1))
        hidden = self.enter(prior.shown().flatten(0, 1).permute(0, 2, 3, 1)) + self.place
        for block in self.down:
            hidden = block(hidden, condition, frames)
        fine, hidden = hidden, self.shrink(hidden)
        hidden = self.middle[0](hidden, condition, frames)
        turns = rotations((frames, hidden.shape[1], hidden.shape[2]), hidden.shape[-1] // self.heads, x.device)
        for attention, block in zip(self.attention, self.middle[1:], strict=True):
            hidden = block(attention(hidden, turns, words), condition, frames)
        larger = F.pixel_shuffle(self.grow(hidden).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        hidden = torch.cat([larger, fine], -1)
        for block in self.up:
            hidden = block(hidden, condition, frames)
        raw = self.leave(F.silu(_norm(hidden))).permute(0, 3, 1, 2).unflatten(0, (-1, frames)).float()
        correction, doubt, shift, moved = raw.chunk(4, 2)
        gate = (prior.room * torch.sigmoid(doubt + torch.logit(0.95 / prior.room))).clamp(min=1e-3)  # at first 0.95
        return prior.velocity(correction, gate, torch.sigmoid(moved) * self.spread.view(1, 1, -1, 1, 1) * shift)

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
        return Prior(x, s, mean, change, unsure, seen, wide / change)


@dataclass(frozen=True)
class Prior:
    """x0 ~ N(mean + shift, gate * change + unsure) in every place, and x = (1-s) x0 + s eps.

    `seen` is the variance of x; `room` the gate at which nothing is known any more.
    """

    x: Tensor
    s: Tensor
    mean: Tensor
    change: Tensor
    unsure: Tensor
    seen: Tensor
    room: Tensor

    @property
    def apart(self) -> Tensor:
        """How far x is from what was expected."""
        return self.x - (1 - self.s) * self.mean

    def shown(self) -> Tensor:
        """What the layers see: x, the first frame, and the surprise, each at about unit variance, 3c channels."""
        scaled = self.x / self.seen.sqrt()
        return torch.cat([scaled, scaled[:, :1].expand_as(scaled), self.apart / self.total(1.0).sqrt()], 2)

    def total(self, gate: Tensor | float) -> Tensor:
        """The variance of `apart`."""
        return (1 - self.s).square() * (gate * self.change + self.unsure) + self.s.square()

    def velocity(self, correction: Tensor, gate: Tensor | float = 1.0, shift: Tensor | float = 0.0) -> Tensor:
        """The best linear estimate of eps - x0, plus a correction in units of its error."""
        variance, total = gate * self.change + self.unsure, self.total(gate)
        apart = self.apart - (1 - self.s) * shift
        guess = (self.s - (1 - self.s) * variance) / total * apart - self.mean - shift
        return guess + (variance / total).sqrt() * correction


def _waves(sigma: Tensor) -> Float[Tensor, "*n 64"]:
    rates = torch.exp(torch.linspace(0, math.log(200.0), 32, device=sigma.device))
    angles = sigma[..., None] * rates * math.pi / 2
    return torch.cat([angles.sin(), angles.cos()], -1)
