"""Text–image encoders of open_clip: any model it names, a local checkpoint or folder, and the bundled tabletop-clip.

Source: open_clip (Ilharco et al., 2021); tabletop-clip is made by `sn-eval tabletop train-clip`, see its card under
data/models/tabletop-clip.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.encoders import Encoder, Network, Preprocessing, file_digest, grid_of, in_one_line, state_digest
from rewards.registry import did_you_mean

BUNDLED = "tabletop-clip"
CONFIG, MERGES = "open_clip_config.json", "bpe.txt.gz"
FITS: dict[str, Literal["square", "crop"]] = {"squash": "square", "shortest": "crop"}


def tabletop_clip(size: int | None) -> Encoder:
    """The bundled model of the tabletop world, whose own input size is 64 pixels."""
    folder = bundled_folder()
    if not (folder / CONFIG).is_file():
        raise UserError(
            f"no {CONFIG} in {folder}: restore the folder (`git checkout data/models`), "
            f"or train one: sn-eval tabletop train-clip --out {folder}"
        )
    return _from_folder(BUNDLED, folder, size)


def bundled_folder() -> Path:
    """Where tabletop-clip lies: beside the package in a checkout, in the package data of an installed copy."""
    root = Path(__file__).resolve().parents[2]
    installed = root / "sn_eval" / "_data"
    return (installed if installed.is_dir() else root) / "data" / "models" / BUNDLED


def open_clip_model(rest: str, size: int | None) -> Encoder:
    """The encoder behind "open_clip:rest": a folder, "hf-hub:ID", or MODEL, MODEL/TAG, MODEL/path/to/weights."""
    if (Path(rest) / CONFIG).is_file():
        return _from_folder(f"open_clip:{rest}", Path(rest), size)
    if rest.startswith("hf-hub:"):
        return _encoder(f"open_clip:{rest}", rest, None, size, {})
    from open_clip import get_pretrained_cfg, list_models, list_pretrained_tags_by_model

    model, _, weights = rest.partition("/")
    if model not in list_models():
        hint = did_you_mean(model, list_models())
        raise UserError(
            f"open_clip has no model {model!r}, and {rest!r} is no folder with an {CONFIG}.{hint} "
            'List them: python -c "import open_clip; print(open_clip.list_models())"'
        )
    tags = list_pretrained_tags_by_model(model)
    if not weights and not tags:
        raise UserError(f"open_clip offers no weights for {model!r}: name a file, open_clip:{model}/path/to/weights")
    weights = weights or tags[0]
    if Path(weights).is_file():
        return _encoder(f"open_clip:{model}/{weights}", model, weights, size, {}, Path(weights))
    if weights not in tags:
        offered = f"tags: {', '.join(tags)}" if tags else "it has no tags"
        raise UserError(f"{weights!r} is neither a file nor weights that open_clip knows for {model}; {offered}")
    quick = {"force_quick_gelu": bool(get_pretrained_cfg(model, weights).get("quick_gelu", False))}
    return _encoder(f"open_clip:{model}/{weights}", model, weights, size, quick)


def _from_folder(name: str, folder: Path, size: int | None) -> Encoder:
    """A folder in open_clip's layout, with a small vocabulary of its own where it has one."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError(f"encoder {name!r}: no *.safetensors in {folder}; restore the folder or name another")
    merges = {"bpe_path": str(folder / MERGES)} if (folder / MERGES).is_file() else {}
    return _encoder(name, f"local-dir:{folder}", None, size, {"tokenizer": merges}, files[0])


def _encoder(
    name: str, model: str, weights: str | None, size: int | None, options: dict[str, Any], file: Path | None = None
) -> Encoder:
    """Build the model and its tokenizer; `file` is where the weights lie, if that is known."""
    import open_clip
    from safetensors import SafetensorError

    named = f"{name}@{size}" if size else name
    tokens = options.pop("tokenizer", {})
    try:
        network = open_clip.create_model(model, weights, force_image_size=size, **options)
        tokenizer = open_clip.get_tokenizer(model, **tokens)
        told = open_clip.get_model_preprocess_cfg(network)
    except (RuntimeError, ValueError, TypeError, KeyError, OSError, EOFError, SafetensorError) as error:
        where = f" from {file}" if file else ""
        mend = (
            f"Without @{size} it may load: some networks take one size only"
            if size
            else "Name a local file (open_clip:MODEL/path/to/weights), or check the connection to the hub"
        )
        raise UserError(f"cannot load encoder {named!r}{where}: {in_one_line(error)}. {mend}") from error
    side = told["size"] if isinstance(told["size"], int) else min(told["size"])
    fit = FITS.get(told.get("resize_mode", "shortest"), "crop")
    prepare = Preprocessing(side, tuple(told["mean"]), tuple(told["std"]), fit)
    return Encoder(
        named, name, file_digest(file) if file else state_digest(network), prepare, _OpenClip(network, tokenizer)
    )


class _OpenClip(Network):
    """Both towers."""

    def __init__(self, network: Any, tokenizer: Any) -> None:
        super().__init__()
        self.network, self.tokenizer = network.eval().requires_grad_(False), tokenizer
        self.network.to(memory_format=torch.channels_last)  # convolutions are twice as fast so
        self.scale = float(network.logit_scale.exp())

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        features: Tensor = self.network.encode_image(x.contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
        return features

    def text(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        device = next(self.network.parameters()).device
        features: Tensor = self.network.encode_text(self.tokenizer(texts).to(device))  # type: ignore[operator]
        return features

    def patches(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d gh gw"]:
        """A ResNet's map before it is pooled, at stride 16; a transformer's last patch tokens."""
        visual: Any = self.network.visual
        if hasattr(visual, "attnpool") and hasattr(visual, "layer3"):
            fine: Tensor = visual.layer3(visual.layer2(visual.layer1(visual.stem(x))))
            return fine
        if not hasattr(visual, "forward_intermediates"):
            return super().patches(x)
        found: Tensor = visual.forward_intermediates(x, indices=1, intermediates_only=True)["image_intermediates"][-1]
        return found if found.ndim == 4 else grid_of(found, *x.shape[-2:])
