"""Single pictures on disk."""

from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from rewards.base import UserError
from sn_eval.video.frames import to_uint8
from sn_eval.video.writing import cannot_write


def read_image(path: Path | str, size: tuple[int, int] | None = None) -> Float[Tensor, "3 h w"]:
    """A picture in RGB 0..1, upright (EXIF); with `size` (width, height) it is cropped centrally to fill it.

    Transparent parts become white. Raises UserError for a missing file or one that is no picture.
    """
    try:
        with Image.open(path) as file:
            picture = _eight_bits(ImageOps.exif_transpose(file)).convert("RGBA")
    except FileNotFoundError as error:
        raise UserError(f"image {path} does not exist. Give the path of a PNG or JPEG") from error
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise UserError(f"image {path} cannot be read: {error}. Give a PNG or JPEG that opens") from error
    white = Image.new("RGBA", picture.size, "white")
    picture = Image.alpha_composite(white, picture).convert("RGB")
    if size is not None and size != picture.size:
        picture = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    return _pixels(picture).float() / 255


Picture: TypeAlias = Image.Image | UInt8[Tensor, "3 h w"] | Float[Tensor, "3 h w"]


def save_image(image: Picture, path: Path | str) -> Path:
    """Write a picture as PNG, whole or not at all; UserError when it cannot be written."""
    path = Path(path)
    picture = image if isinstance(image, Image.Image) else picture_of(to_uint8(image[None])[0])
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(partial, format="PNG", compress_level=1)  # thrice as fast as the default, a quarter larger
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise cannot_write(path, error) from error
    return path


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grey of 16 bits in 8: Pillow itself would cut all above 255 off."""
    if not picture.mode.startswith("I;16"):
        return picture
    return Image.fromarray((np.asarray(picture) / 257).round().astype(np.uint8))


def _pixels(picture: Image.Image) -> UInt8[Tensor, "3 h w"]:
    data = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return data.view(picture.height, picture.width, 3).permute(2, 0, 1)


def picture_of(pixels: UInt8[Tensor, "3 h w"]) -> Image.Image:
    """Bytes as a picture of Pillow."""
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy())
