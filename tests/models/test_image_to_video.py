"""The black-box adapter on a tiny random Stable Video Diffusion pipeline: its own call, chunk after chunk."""

import pytest
import torch
from searching import run

from rewards.base import UserError
from sn_eval import models, search
from sn_eval.interfaces import Cond
from sn_eval.models.image_to_video import ImageToVideo, _picture
from sn_eval.rollouts.chunk import ChunkRollout
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.sampling import normal
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.video import to_uint8

IMAGE = torch.linspace(0, 1, 3 * 32 * 32).view(3, 32, 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from diffusers import (
        AutoencoderKLTemporalDecoder,
        EulerDiscreteScheduler,
        StableVideoDiffusionPipeline,
        UNetSpatioTemporalConditionModel,
    )
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    unet = UNetSpatioTemporalConditionModel(
        sample_size=16,
        in_channels=8,
        out_channels=4,
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
    vision = CLIPVisionConfig(
        hidden_size=16,
        projection_dim=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=224,
        patch_size=56,
    )
    pipeline = StableVideoDiffusionPipeline(
        vae=vae,
        image_encoder=CLIPVisionModelWithProjection(vision),
        unet=unet,
        scheduler=EulerDiscreteScheduler(
            prediction_type="v_prediction", timestep_type="continuous", sigma_max=700.0
        ),
        feature_extractor=CLIPImageProcessor(crop_size=224, size=224),
    )
    path = tmp_path_factory.mktemp("svd")
    pipeline.save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def model(folder):
    return ImageToVideo(folder, width=32, height=32, num_frames=3, guidance=1.5)


def chunks(model, count=2):
    return ChunkRollout(model, 2, count, preview="coarse")


def own_call(model, image, noise):
    """The pipeline as its users call it, frames out."""
    size = {"height": 32, "width": 32, "num_frames": 3}
    rest = {"generator": torch.Generator().manual_seed(0), "output_type": "pt"}
    call = model.pipeline(
        _picture(image), latents=noise[None], num_inference_steps=2, max_guidance_scale=1.5, **size, **rest
    )
    return call.frames[0][1:]


def test_plain_is_the_pipelines_own_call_chunk_after_chunk(model):
    got = run(search.create("plain"), chunks(model), image=IMAGE, seed=3).frames
    image, wanted = model.start("p", IMAGE, 0).frames[0], []
    for depth in range(2):
        frames = own_call(model, image, normal(model.latent_shape(2), 3, "a red ball", depth, 0))
        image = frames[-1]
        wanted.append(to_uint8(frames))
    assert got.shape == (4, 3, 32, 32)
    assert (got.int() - torch.cat(wanted).int()).abs().max() <= 1


def test_a_dropped_history_would_be_noticed(model):
    noise = normal(model.latent_shape(2), 3, 1, 0)
    begin = model.start("p", IMAGE, 0).frames[0]
    later = own_call(model, begin, normal(model.latent_shape(2), 3, 0, 0))[-1]
    forgot, right = own_call(model, begin, noise), own_call(model, later, noise)
    assert (forgot - right).abs().max() > 2 / 255, "the second chunk depends on the first one's last frame"
    history = model.extend(model.start("p", IMAGE, 0), noise, torch.stack([begin, later]))
    assert torch.equal(model.condition(["p"], [history]).tensors["image"][0], later)


def test_a_search_runs_on_it_and_one_by_one_is_plain(model):
    searched = run(NoiseSearch(1, ((1, 1),)), chunks(model), image=IMAGE).frames
    assert torch.equal(searched, run(search.create("plain"), chunks(model), image=IMAGE).frames)
    several = run(NoiseSearch(3, ((1, 2),)), chunks(model), image=IMAGE)
    assert several.frames.shape == searched.shape


def test_every_network_call_is_in_the_formula(model):
    seen = [0]

    def count(module, args, kwargs):
        seen[0] += len(args[0] if args else kwargs["sample"])

    hook = model.pipeline.unet.register_forward_pre_hook(count, with_kwargs=True)
    method = NoiseSearch(3, ((1, 2),))
    got = run(method, chunks(model), image=IMAGE)
    hook.remove()
    assert seen[0] == method.evaluations(chunks(model)) == got.generated.evaluations == 2 * (3 + 4 + 6 + 4)


def test_a_batch_is_its_samples(model):
    noise = torch.stack([normal(model.latent_shape(2), i) for i in range(2)])
    images = torch.stack([IMAGE, IMAGE.flip(-1)])
    both = model.sample(Cond(("p", "q"), {"image": images}), noise, 2)
    alone = [model.sample(Cond(("p",), {"image": images[i : i + 1]}), noise[i : i + 1], 2) for i in range(2)]
    assert torch.allclose(both, torch.cat(alone), atol=1e-3)


def test_what_a_black_box_cannot_do_is_refused(model, tmp_path):
    with pytest.raises(UserError, match="coarse"):
        ChunkRollout(model, 2, 2, preview="early")
    with pytest.raises(UserError, match="chunk"):
        FifoRollout(model, 2, 2)
    with pytest.raises(UserError, match="--image"):
        run(search.create("plain"), chunks(model))
    with pytest.raises(UserError, match="cannot load"):
        models.create("image_to_video", path=str(tmp_path))
