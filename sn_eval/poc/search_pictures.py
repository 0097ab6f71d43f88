"""What a cell leaves to look at: the video as a strip, and what its search looked at, large for a few, small for all.

`contact_sheet.png`: the video. `search.png`: previews of the first steps, the kept ones framed. `candidates.jpg`: a
tile for every candidate (`sn_eval.results.thumbnails`), for the dashboard's tree.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from rewards.functional import fit_within
from sn_eval.interfaces import Branch, Finished, Preview
from sn_eval.results import thumbnails
from sn_eval.results.files import write_whole
from sn_eval.results.trace import read_trace
from sn_eval.video import SheetRow, Strip, contact_sheet, save_image, to_uint8
from sn_eval.video.pictures import picture_of

SHEET_STEPS = 8  # steps of a search that are shown in its picture
SHEET_CANDIDATES = 10
TILE = 128  # pixels of a tile's longer side, at most
TILES = 600  # that are kept: memory and files must not grow with the video
COLUMNS = 20

Tile = UInt8[Tensor, "3 h w"]


@dataclass
class SearchTap:
    """A rollout that remembers, small, how the first candidates' previews and pieces ended.

    tiles: by the candidate's name; a later look replaces an earlier one.
    """

    rollout: Any
    tiles: dict[thumbnails.Name, Tile] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rollout, name)

    def with_steps(self, steps: int) -> "SearchTap":
        """The rollout with other denoising steps, looked over its shoulder by the same memory."""
        return SearchTap(self.rollout.with_steps(steps), self.tiles)

    def with_eta(self, eta: float) -> "SearchTap":
        """The rollout with a more, or less, stochastic sampler, looked over its shoulder by the same memory."""
        return SearchTap(self.rollout.with_eta(eta), self.tiles)

    def with_preview(self, preview: Preview, ahead: int | None = None) -> "SearchTap":
        """The rollout with another kind of look, looked over its shoulder by the same memory."""
        return SearchTap(self.rollout.with_preview(preview, ahead), self.tiles)

    def refine(self, branches: Sequence[Branch], look: int, decode: bool = True) -> list[Branch]:
        """The rollout's own."""
        refined: list[Branch] = self.rollout.refine(branches, look, decode)
        for branch in refined:
            self._keep("preview", branch, branch.preview)
        return refined

    def commit(self, branches: Sequence[Branch]) -> list[Finished]:
        """The rollout's own."""
        finished: list[Finished] = self.rollout.commit(branches)
        for done in finished:
            self._keep("final", done.branch, done.frames)
        return finished

    def _keep(self, kind: str, branch: Branch, frames: Float[Tensor, "t 3 H W"] | None) -> None:
        parent = branch.candidate.parent
        name = (kind, parent.depth, f"{branch.candidate.key:016x}", parent.seed)
        if frames is not None and len(frames) and (name in self.tiles or len(self.tiles) < TILES):
            self.tiles[name] = _small(frames[-1:])


def _small(frame: Float[Tensor, "1 3 H W"]) -> Tile:
    """A frame as bytes, its longer side at most TILE; what holds no number is black: the search may yet drop it."""
    return to_uint8(fit_within(frame.float(), TILE).nan_to_num(0.0, 0.0, 0.0))[0]


def save_pictures(folder: Path, text: str, label: str, strip: Strip, tap: SearchTap, fps: float) -> None:
    """Write all of them. text: what the video shows. label: stands left of its strip."""
    rows = [SheetRow(label, torch.stack(strip.frames))]
    save_image(
        contact_sheet(rows, strip.times[: len(strip.frames)], caption=text, fps=fps), folder / "contact_sheet.png"
    )
    if any(kind == "preview" for kind, *_ in tap.tiles):
        save_image(search_sheet(folder / "trace.jsonl", tap, text, label.partition("\n")[0]), folder / "search.png")
    if tap.tiles:
        _save_tiles(folder, tap)


def search_sheet(trace: Path, tap: SearchTap, text: str, method: str) -> Image.Image:
    """A row a step, a tile a candidate: the preview's last frame with its score, framed where it was kept."""
    looked: dict[int, dict[str, dict[str, Any]]] = {}
    for row in read_trace(trace):
        if row["kind"] == "preview" and row["step"] < SHEET_STEPS and _name(row) in tap.tiles:
            looked.setdefault(row["step"], {})[row["key"]] = row  # a later stage replaces an earlier one
    rows = []
    width = min(SHEET_CANDIDATES, max(len(found) for found in looked.values()))
    for step, found in sorted(looked.items()):
        best = sorted(found.values(), key=lambda row: (not row["kept"], -(row["score"] or 0.0), row["key"]))[:width]
        tiles = [tap.tiles[_name(row)].cpu() for row in best]
        blank = torch.full_like(tiles[0], 255)
        score = [
            ("" if row["score"] is None else f"{row['score']:.3f}") + (" kept" if row["kept"] else "") for row in best
        ]
        rows.append(
            SheetRow(
                f"chunk {step + 1}",
                torch.stack(tiles + [blank] * (width - len(tiles))),
                marks={i: "#0072B2" for i, row in enumerate(best) if row["kept"]},
                notes=dict(enumerate(score)),
            )
        )
    caption = f"{text}\n{method}: previews of each chunk's candidates, the kept ones framed"
    return contact_sheet(rows, list(range(1, width + 1)), caption=caption)


def _name(row: dict[str, Any]) -> thumbnails.Name:
    return (row["kind"], row["step"], row["key"], row["seed"])


def _save_tiles(folder: Path, tap: SearchTap) -> None:
    """One picture of all tiles, and its index."""
    tiles = list(tap.tiles.values())
    height, width = tiles[0].shape[-2:]
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    picture = Image.new("RGB", (columns * width, rows * height), "white")
    for place, tile in enumerate(tiles):
        picture.paste(picture_of(tile), thumbnails.corner(place, columns, (width, height)))
    packed = io.BytesIO()
    picture.save(packed, format="JPEG", quality=88)
    write_whole(folder / thumbnails.PICTURE, packed.getvalue())
    thumbnails.save_index(folder, (width, height), columns, {name: i for i, name in enumerate(tap.tiles)})
