"""Tiny random pipelines of the kinds that take a noise level for every frame, saved as their users save them.

The parts are the real classes: a Wan VAE that compresses time by four, a UMT5 encoder, a transformer of two blocks.
"""

from pathlib import Path

import torch

SIZE = 32  # pixels: four by four latents of four channels
CHANNELS = 4
WORDS = ("a", "red", "ball", "blue", "cube", "on", "the", "table", "glass", "tips")


def tokenizer():
    """A tokenizer of a few words, made without any download."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    known = {word: i for i, word in enumerate(("<pad>", "</s>", "<unk>", *WORDS))}
    words = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", known["</s>"])])
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def text_encoder():
    """One layer of sixteen features."""
    from transformers import UMT5Config, UMT5EncoderModel

    shape = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    return UMT5EncoderModel(UMT5Config(vocab_size=3 + len(WORDS), **shape))


PATCHED = {
    "dim_mult": [1, 1, 1],
    "temperal_downsample": [True, True],
    "is_residual": True,
    "patch_size": 2,
    "in_channels": 12,
    "out_channels": 12,
}
UNPATCHED = {"dim_mult": [1, 1, 1, 1], "temperal_downsample": [False, True, True]}


def vae(patched: bool = False):
    """Time compressed by four, each side by eight: as in Wan 2.1, or, `patched`, as in Wan 2.2.

    Its weights are scaled up so that latents and pictures fill their range.
    """
    from diffusers import AutoencoderKLWan

    made = AutoencoderKLWan(
        base_dim=4,
        z_dim=CHANNELS,
        num_res_blocks=1,
        latents_mean=[0.1, -0.2, 0.3, 0.0],
        latents_std=[1.5, 0.7, 1.1, 2.0],
        **(PATCHED if patched else UNPATCHED),
    )
    with torch.no_grad():
        made.decoder.conv_out.weight.mul_(3.0)
        made.encoder.conv_out.weight.mul_(8.0)
    return made


TRANSFORMER = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": CHANNELS,
    "out_channels": CHANNELS,
    "text_dim": 16,
    "freq_dim": 16,
    "ffn_dim": 32,
    "num_layers": 3,
}


def lively(transformer):
    """A random transformer whose output depends on its input as strongly as a trained one's would."""
    with torch.no_grad():
        for name, weight in transformer.named_parameters():
            if name.endswith("weight") and weight.ndim > 1:
                weight.mul_(2.0)
    return transformer


def skyreels(folder: Path, kind: str = "SkyReelsV2DiffusionForcingPipeline") -> str:
    """A SkyReels-V2 diffusion-forcing pipeline, with its fps embedding.

    Its scheduler is the one that real ones ship, UniPC, at first order and without corrector: that is Euler's step.
    """
    import diffusers

    torch.manual_seed(0)
    first_order = {"solver_order": 1, "disable_corrector": list(range(64))}
    flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 5.0}
    pipeline = getattr(diffusers, kind)(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(),
        transformer=lively(diffusers.SkyReelsV2Transformer3DModel(**TRANSFORMER, inject_sample_info=True)),
        vae=vae(),
        scheduler=diffusers.UniPCMultistepScheduler(**flow, **first_order),
    )
    pipeline.save_pretrained(folder)
    return str(folder)


def wan(folder: Path, expand_timesteps: bool = True) -> str:
    """A Wan 2.2 TI2V pipeline (a time for every token); without `expand_timesteps` one of Wan 2.1 (one for all)."""
    import diffusers

    torch.manual_seed(0)
    pipeline = diffusers.WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(),
        transformer=lively(diffusers.WanTransformer3DModel(**TRANSFORMER)),
        vae=vae(patched=True),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=5.0),
        expand_timesteps=expand_timesteps,
    )
    pipeline.save_pretrained(folder)
    return str(folder)
