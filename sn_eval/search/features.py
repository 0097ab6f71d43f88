"""What a candidate looks like before anything of it is decoded: its noise, its context and its x0 estimate, pooled.

A pure function of branches, of fixed length for a number of channels, so that one model of a score serves all pieces of
a video: means over a coarse grid say where and when, spreads and differences say how much. Nothing in it belongs to a
video model: latents [t c h w] of any size are pooled to the same grid, pixels in place of latents, too. Latent features
as predictors of quality: arXiv:2606.20310 (PRISM) scores noisy latents; here plain statistics stand for a network.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from sn_eval.interfaces import Branch, Latents, State

VERSION = 1  # of the features: a predictor that was trained on others is refused
BLOCK = 128  # numbers of one pooled block, at most
CHANNELS = 64  # at most: of more, neighbouring ones stand together
GRIDS = ((2, 4, 4), (2, 3, 3), (1, 4, 4), (2, 2, 2), (1, 2, 2), (1, 1, 1))  # (time, height, width), the finest first
FAR = 6e4  # float16 ends there

Rows = Float[Tensor, "b _"]  # any number of columns


def given_features(branches: Sequence[Branch]) -> dict[str, Rows]:
    """What is known before the first evaluation, by group: "noise" and "context", a row a branch.

    The context is the beam's last accepted latents, else the history that the model starts from, else zeros.
    """
    noise = torch.stack([branch.candidate.noise for branch in branches]).float()
    context = _contexts(branches, noise)
    together = _few((noise * _like(context, noise)).mean((1, 3, 4)))  # does the noise resemble the context?
    return {
        "noise": _finite([pooled(noise), _spread(noise)]),
        "context": _finite([pooled(context), _spread(context), together]),
    }


def seen_features(branches: Sequence[Branch]) -> dict[str, Rows]:
    """What the x0 estimates of the last look show, by group: "latents"; a branch that was not looked at is an error."""
    estimates = [branch.clean for branch in branches if branch.clean is not None]
    if len(estimates) < len(branches):
        raise UserError("a branch has no estimate yet: look at it first (refine), or ask a predictor with look 0")
    clean = torch.stack(estimates).float()
    context = _like(_contexts(branches, clean), clean)
    away = (clean - context).abs()
    parts = [pooled(clean), pooled(away), _spread(clean), _motion(clean), _edges(clean), _alike(clean, context)]
    return {"latents": _finite(parts)}


def feature_rows(branches: Sequence[Branch], look: int) -> Rows:
    """All features of branches after `look` evaluations, a row each: given ones first."""
    groups = given_features(branches) | (seen_features(branches) if look else {})
    return torch.cat(list(groups.values()), 1)


def lengths(groups: Mapping[str, Rows]) -> dict[str, int]:
    """Numbers of each group, in order."""
    return {name: rows.shape[1] for name, rows in groups.items()}


def pooled(values: Latents) -> Rows:
    """Means over a coarse grid, and over everything, channel by channel: what matters may be where, or how much."""
    channels = min(values.shape[2], CHANNELS)
    grid = next(grid for grid in GRIDS if channels * math.prod(grid) <= BLOCK)
    by_place = F.adaptive_avg_pool3d(values.transpose(1, 2), grid)  # [b c t h w]
    by_channel = F.adaptive_avg_pool1d(by_place.flatten(2).transpose(1, 2), channels)
    return torch.cat([by_channel.flatten(1), by_channel.mean(1)], 1)


# --- the parts --------------------------------------------------------------------------------------------


def _contexts(branches: Sequence[Branch], like: Latents) -> Latents:
    parents = {branch.candidate.parent.identity: branch.candidate.parent for branch in branches}
    found = {name: _context(parent, like[0]).to(like.device) for name, parent in parents.items()}
    return torch.stack([found[branch.candidate.parent.identity] for branch in branches])


def _context(parent: State, like: Float[Tensor, "t c h w"]) -> Float[Tensor, "t c h w"]:
    """The beam's last latents, sampled to the shape of `like`: all branches of a batch share it."""
    for latents in (parent.clean, getattr(parent.inner, "latents", None)):
        if isinstance(latents, Tensor) and latents.ndim == 4 and latents.shape[1] == like.shape[1]:
            return _resized(latents.float()[None], (like.shape[0], *like.shape[2:]))[0]
    return torch.zeros_like(like)


def _like(context: Latents, values: Latents) -> Latents:
    """The last frame of the context, against which every frame of `values` is compared."""
    return context[:, -1:].expand_as(values)


def _resized(values: Latents, size: tuple[int, int, int]) -> Float[Tensor, "b _ c _ _"]:
    """(t, h, w) by area; the last frame stays the last one."""
    if values.shape[1] != size[0]:
        near = torch.linspace(0, values.shape[1] - 1, size[0]).round().long() if size[0] > 1 else torch.tensor([-1])
        values = values[:, near.to(values.device)]
    if tuple(values.shape[-2:]) == size[1:]:
        return values
    return F.adaptive_avg_pool3d(values, (values.shape[2], *size[1:]))


def _spread(values: Latents) -> Rows:
    return _few(values.transpose(1, 2).flatten(2).std(2, correction=0))


def _motion(values: Latents) -> Rows:
    """Mean change from frame to frame; 0 of a single frame."""
    if values.shape[1] < 2:
        return torch.zeros_like(_spread(values))
    return _few(values.diff(dim=1).abs().mean((1, 3, 4)))


def _edges(values: Latents) -> Rows:
    """Mean change from place to place; 0 of a single column."""
    if values.shape[-1] < 2:
        return torch.zeros_like(_spread(values))
    return _few(values.diff(dim=-1).abs().mean((1, 3, 4)))


def _few(by_channel: Rows) -> Rows:
    return F.adaptive_avg_pool1d(by_channel, min(by_channel.shape[1], CHANNELS))


def _alike(values: Latents, context: Latents) -> Rows:
    """Cosine with the context of every frame: the mean, the least, and the last frame's."""
    cosine = F.cosine_similarity(values.flatten(2), context.flatten(2), dim=2)
    return torch.stack([cosine.mean(1), cosine.amin(1), cosine[:, -1]], 1)


def _finite(parts: Sequence[Rows]) -> Rows:
    """One block, within what float16 holds."""
    return torch.cat(list(parts), 1).clamp(-FAR, FAR).cpu()
