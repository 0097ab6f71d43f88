"""Diffusers' image-to-video pipelines with tiny random weights, built from configurations: no hub, no download."""

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

WORDS = ["<pad>", "</s>", "<unk>", "<image>", "<|end_header_id|>", "a", "red", "ball", "blue", "cup"]
WIDE = 16  # of every text


def tokenizer():
    """Words to numbers, nothing more."""
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=WIDE
    )


def t5(kind=T5EncoderModel, config=T5Config):
    """A text encoder of one layer."""
    small = {"d_model": WIDE, "d_kv": 8, "d_ff": WIDE, "num_layers": 1, "num_heads": 2}
    return kind(config(vocab_size=len(WORDS), **small)).eval()


def clip_sizes(**more):
    return {"hidden_size": WIDE, "intermediate_size": WIDE, "num_hidden_layers": 2, "num_attention_heads": 2, **more}


def svd():
    from diffusers import (
        AutoencoderKLTemporalDecoder,
        EulerDiscreteScheduler,
        StableVideoDiffusionPipeline,
        UNetSpatioTemporalConditionModel,
    )

    unet = UNetSpatioTemporalConditionModel(
        sample_size=16,
        in_channels=8,
        out_channels=4,
        num_frames=3,
        block_out_channels=(32, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        cross_attention_dim=16,
        num_attention_heads=2,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
    )
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        layers_per_block=1,
        latent_channels=4,
    )
    vision = CLIPVisionConfig(**clip_sizes(projection_dim=16, image_size=224, patch_size=56))
    return StableVideoDiffusionPipeline(
        vae=vae,
        image_encoder=CLIPVisionModelWithProjection(vision),
        unet=unet,
        scheduler=EulerDiscreteScheduler(prediction_type="v_prediction", timestep_type="continuous", sigma_max=700.0),
        feature_extractor=CLIPImageProcessor(crop_size=224, size=224),
    )


def _wan_parts(image_dim=None):
    from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel

    torch.manual_seed(1)
    vae = AutoencoderKLWan(
        base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.1, -0.2, 0.3, 0.0],
        latents_std=[1.5, 2.0, 0.5, 1.0],
    )

    def network():
        return WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=12,
            out_channels=4,
            text_dim=WIDE,
            freq_dim=16,
            ffn_dim=16,
            num_layers=2,
            rope_max_seq_len=16,
            image_dim=image_dim,
        )

    parts = {
        "tokenizer": tokenizer(),
        "text_encoder": t5(UMT5EncoderModel, UMT5Config),
        "vae": vae,
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
        "transformer": network(),
    }
    return parts, network


def wan():
    from diffusers import WanImageToVideoPipeline

    parts, _ = _wan_parts(image_dim=WIDE)
    vision = CLIPVisionConfig(**clip_sizes(image_size=28, patch_size=14))
    return WanImageToVideoPipeline(
        **parts,
        image_encoder=CLIPVisionModel(vision),
        image_processor=CLIPImageProcessor(crop_size=28, size=28),
    )


def wan_two():
    from diffusers import WanImageToVideoPipeline

    parts, network = _wan_parts()
    return WanImageToVideoPipeline(
        **parts, transformer_2=network(), image_encoder=None, image_processor=None, boundary_ratio=0.8
    )


def wan_from_text():
    from diffusers import WanPipeline

    parts, _ = _wan_parts()
    return WanPipeline(**parts)


def _ltx_parts(timestep_conditioning):
    from diffusers import AutoencoderKLLTXVideo, FlowMatchEulerDiscreteScheduler, LTXVideoTransformer3DModel

    vae = AutoencoderKLLTXVideo(
        latent_channels=4,
        block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        spatio_temporal_scaling=(True, True),
        decoder_spatio_temporal_scaling=(True, True),
        decoder_inject_noise=(False, False, False),
        downsample_type=("conv", "conv"),
        upsample_residual=(False, False),
        upsample_factor=(1, 1),
        timestep_conditioning=timestep_conditioning,
        patch_size=1,
        patch_size_t=1,
    )
    vae.latents_mean.copy_(torch.tensor([0.1, -0.2, 0.3, 0.0]))
    vae.latents_std.copy_(torch.tensor([1.5, 2.0, 0.5, 1.0]))
    network = LTXVideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        num_layers=2,
        caption_channels=WIDE,
    )
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "vae": vae,
        "text_encoder": t5(),
        "tokenizer": tokenizer(),
        "transformer": network,
    }


def ltx():
    from diffusers import LTXImageToVideoPipeline

    return LTXImageToVideoPipeline(**_ltx_parts(timestep_conditioning=False))


def ltx_condition():
    from diffusers import LTXConditionPipeline

    return LTXConditionPipeline(**_ltx_parts(timestep_conditioning=True))


def cog(**more):
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXImageToVideoPipeline,
        CogVideoXTransformer3DModel,
    )

    network = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=8,
        out_channels=4,
        time_embed_dim=8,
        text_embed_dim=WIDE,
        num_layers=2,
        sample_width=4,
        sample_height=4,
        sample_frames=5,
        max_text_seq_length=WIDE,
        use_rotary_positional_embeddings=True,
        **more,
    )
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
    )
    return CogVideoXImageToVideoPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=vae,
        transformer=network,
        scheduler=CogVideoXDDIMScheduler(),
    )


def cog_dpm():
    """Version 1.5 (patches that span two latents), with the scheduler that draws noise at every step."""
    from diffusers import CogVideoXDPMScheduler

    pipeline = cog(patch_size_t=2, ofs_embed_dim=8)
    pipeline.scheduler = CogVideoXDPMScheduler()
    return pipeline


def hunyuan(kind="token_replace"):
    from diffusers import (
        AutoencoderKLHunyuanVideo,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideoImageToVideoPipeline,
        HunyuanVideoTransformer3DModel,
    )

    beside = kind == "latent_concat"
    network = HunyuanVideoTransformer3DModel(
        in_channels=9 if beside else 4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        patch_size=2,
        patch_size_t=1,
        guidance_embeds=not beside,
        text_embed_dim=WIDE,
        pooled_projection_dim=WIDE,
        rope_axes_dim=(2, 2, 4),
        image_condition_type=kind,
    )
    vae = AutoencoderKLHunyuanVideo(
        latent_channels=4,
        down_block_types=("HunyuanVideoDownBlock3D",) * 4,
        up_block_types=("HunyuanVideoUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        norm_num_groups=2,
        mid_block_add_attention=False,
    )
    words = {"vocab_size": len(WORDS), "hidden_size": WIDE, "intermediate_size": WIDE}
    heads = {"num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 2}
    llava = LlavaConfig(
        vision_config=CLIPVisionConfig(**clip_sizes(image_size=28, patch_size=14)),
        text_config=LlamaConfig(**words, **heads, pad_token_id=0),
        image_token_index=WORDS.index("<image>"),
        pad_token_id=0,
        image_seq_length=4,
    )
    text = CLIPTextConfig(**clip_sizes(vocab_size=len(WORDS), max_position_embeddings=77, eos_token_id=1))
    return HunyuanVideoImageToVideoPipeline(
        text_encoder=LlavaForConditionalGeneration(llava),
        tokenizer=tokenizer(),
        transformer=network,
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder_2=CLIPTextModel(text),
        tokenizer_2=tokenizer(),
        image_processor=CLIPImageProcessor(crop_size=28, size=28),
    )


def hunyuan_beside():
    return hunyuan("latent_concat")


HUNYUAN_PROMPT = {
    "template": "<image> a <|end_header_id|> a <|end_header_id|> {} a a a <|end_header_id|>",
    "crop_start": 5,
    "image_emb_len": 4,
    "image_emb_start": 0,
    "image_emb_end": 4,
}
"""The pipeline's own is for 576 tokens a picture and a vocabulary that has its words."""


@torch.no_grad()
def enliven(pipeline):
    """Make what comes out depend on what goes in about as strongly as trained weights would."""
    for network in filter(None, (getattr(pipeline, name, None) for name in ("transformer", "transformer_2"))):
        for name, weight in network.named_parameters():
            if name.endswith("weight") and weight.ndim > 1:
                weight.mul_(3.0)
        config, out = pipeline.vae.config, pipeline.vae.encoder.conv_out
        means = config.get("z_dim") or config.latent_channels  # not the variances behind them
        getattr(out, "conv", out).weight[:means].mul_(16.0)


def saved(build, folder):
    """The folder of a pipeline, as `save_pretrained` writes it."""
    torch.manual_seed(0)
    pipeline = build()
    enliven(pipeline)
    pipeline.save_pretrained(folder)
    return str(folder)
