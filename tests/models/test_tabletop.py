import pytest
import torch
from small_model import write_untrained

from rewards.base import UserError
from sn_eval import models, rollouts, search
from sn_eval.models.tabletop import TabletopModel

PROMPT = "a red ball rolls to the right, on a white table"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_untrained(tmp_path_factory.mktemp("tabletop"))


@pytest.fixture(scope="module")
def model(folder):
    return models.create("tabletop", path=str(folder))


def video(model, method="plain", prompt=PROMPT, image=None, seed=0, **how):
    frames = []
    rollout = rollouts.create("chunk", model=model, **{"steps": 4, "chunks": 2, **how})
    search.create(method)(rollout, None, [prompt], emit=frames.append, image=image, seed=seed)
    return torch.cat(frames)


def test_start_frames_are_the_prompts_scene(model):
    start = model.start(PROMPT, None, 3)
    assert start.frames.shape == (3, 3, 64, 64)
    again = model.start(PROMPT, None, 3)
    assert torch.equal(start.frames, again.frames)
    assert not torch.equal(start.frames, model.start(PROMPT, None, 4).frames)
    assert torch.allclose(model.decode(start.latents[None], [start])[0], start.frames, atol=0.25)


def test_a_given_image_is_the_start(model):
    image = torch.rand(3, 96, 128)
    start = model.start(PROMPT, image, 0)
    assert start.frames.shape == (1, 3, 64, 64)
    assert float(start.frames.mean()) == pytest.approx(float(image[:, :, 16:112].mean()), abs=0.01)  # its middle square
    assert video(model, image=image).shape == (12, 3, 64, 64)


def test_text_to_video_has_no_start(folder):
    model = TabletopModel(str(folder), start="text")
    assert model.start(PROMPT, None, 0).latents is None
    assert video(model).shape == (12, 3, 64, 64)


def test_the_video_follows_its_history(model):
    """Dropping the context changes the chunk: an adapter that ignored its history would pass unnoticed."""
    start = model.start(PROMPT, None, 0)
    x, times = torch.randn(1, *model.latent_shape(6)), torch.ones(1, 6)
    with_history = model.denoise(x, times, model.condition([PROMPT], [start]))
    other = model.denoise(x, times, model.condition([PROMPT], [model.start(PROMPT, None, 9)]))
    assert (with_history - other).abs().max() > 0.1


def test_history_keeps_the_last_context_frames(model):
    start = model.start(PROMPT, None, 0)
    latents, frames = torch.randn(6, 16, 16, 16), torch.rand(6, 3, 64, 64)
    grown = model.extend(start, latents, frames)
    assert torch.equal(grown.latents, latents[-3:])
    assert torch.equal(start.latents, model.start(PROMPT, None, 0).latents)


def test_guidance_is_one_call_on_twice_the_batch(folder):
    model = TabletopModel(str(folder), guidance=2.0)
    seen = []
    model.denoiser.register_forward_hook(lambda module, args, output: seen.append(len(args[0])))
    start = model.start(PROMPT, None, 0)
    x, times = torch.randn(3, *model.latent_shape(6)), torch.full((3, 6), 0.5)
    guided = model.denoise(x, times, model.condition([PROMPT] * 3, [start] * 3))
    assert seen == [6]
    assert model.evaluations_per_call == 2
    free = TabletopModel(str(folder), guidance=1.0).denoise(x, times, model.condition([PROMPT] * 3, [start] * 3))
    assert guided.shape == free.shape


def test_captions_are_encoded_once_and_paraphrases_are_one_caption(folder):
    model = TabletopModel(str(folder))
    calls = []
    model.denoiser.text.register_forward_hook(lambda *_: calls.append(1))
    start = model.start(PROMPT, None, 0)
    for prompt in (PROMPT, PROMPT, "A red ball moves to the right,  on a WHITE table!"):
        model.condition([prompt], [start])
    assert len(calls) == 1


def test_a_level_of_its_own_for_every_frame(model):
    start = model.start(PROMPT, None, 0)
    cond = model.condition([PROMPT], [start])
    x, times = torch.randn(1, *model.latent_shape(6)), torch.linspace(0.1, 1, 6)[None]
    clean = model.denoise(x, torch.cat([torch.zeros(1, 1), times[:, 1:]], 1), cond)
    assert torch.allclose(clean[:, 0], x[:, 0], atol=1e-5), "a frame at level 0 is its own estimate"


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda f: (f / "model_index.json").unlink(), "no model_index.json"),
        (lambda f: (f / "model_index.json").write_text("{"), "cannot read"),
        (lambda f: (f / "denoiser" / "diffusion_pytorch_model.safetensors").unlink(), "missing weights"),
        (lambda f: cut(f / "denoiser" / "diffusion_pytorch_model.safetensors"), "truncated"),
        (lambda f: (f / "codec" / "config.json").write_text('{"channels": 8, "patch": 4}'), "do not fit"),
        (lambda f: (f / "denoiser" / "config.json").write_text('{"colour": 8}'), "do not fit"),
    ],
)
def test_broken_weights_are_told_in_one_line(tmp_path, harm, told):
    folder = write_untrained(tmp_path / "model")
    harm(folder)
    with pytest.raises(UserError, match=told) as caught:
        TabletopModel(str(folder))
    assert "\n" not in str(caught.value)
    assert "git checkout" in str(caught.value)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1000])


def test_an_unknown_start_is_refused(folder):
    with pytest.raises(UserError, match="must be 'scene'"):
        TabletopModel(str(folder), start="nothing")
