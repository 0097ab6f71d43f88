"""The black-box adapter on tiny random pipelines of every family: the pipeline's own call, chunk after chunk."""

import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import Any

import pytest
import tiny_pipelines
import torch
from searching import run

from rewards.base import UserError
from sn_eval import models, search
from sn_eval.cost.meter import Meter
from sn_eval.interfaces import CachedBlocks, Cond
from sn_eval.models import pipeline_families
from sn_eval.models.image_to_video import ImageToVideo
from sn_eval.models.pipeline_families import Family, picture, seeded_by
from sn_eval.rollouts.chunk import ChunkRollout
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.sampling import normal
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.video import to_uint8

SIZE = {"width": 32, "height": 16}
SQUARE = {"width": 32, "height": 32}  # LTX wants multiples of 32
IMAGE = torch.linspace(0, 1, 64).expand(3, 32, 64)  # dark on the left, so that its mirror image is another
SHORT = {"max_sequence_length": 16}
TEMPLATE = {"prompt_template": tiny_pipelines.HUNYUAN_PROMPT, **SHORT}


@dataclass(frozen=True)
class Case:
    """A pipeline, and how its own users call it for (frames so far, noise, generator)."""

    build: Callable[[], Any]
    call: Callable[..., dict[str, Any]]
    params: dict[str, Any]
    evaluations: int  # a sample and step
    control: str = "latents"
    draws: str = ""  # what draws its noise, where its own call keeps its image only if it draws itself
    drafts: bool = True
    options: dict[str, Any] = field(default_factory=lambda: dict(SHORT))
    size: dict[str, int] = field(default_factory=lambda: dict(SIZE))


def channels_first(noise):
    return {"latents": noise[None].transpose(1, 2)}


def frames_first(noise):
    return {"latents": noise[None]}


def last(frames):
    return {"image": picture(frames[-1])}


def ltx_condition_call(frames, noise):
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    return {"conditions": [LTXVideoCondition(video=[picture(frame) for frame in frames])], "guidance_scale": 2.0}


CASES = {
    "svd": Case(
        tiny_pipelines.svd,
        lambda frames, noise: {**last(frames), **frames_first(noise), "max_guidance_scale": 1.5},
        {"guidance": 1.5},
        evaluations=2,
        drafts=False,
        options={},
    ),
    "wan": Case(
        tiny_pipelines.wan,
        lambda frames, noise: {**last(frames), **channels_first(noise), "guidance_scale": 3.0},
        {"num_frames": 5, "guidance": 3.0},
        evaluations=2,
    ),
    "wan, two networks": Case(
        tiny_pipelines.wan_two,
        lambda frames, noise: {**last(frames), **channels_first(noise), "guidance_scale": 3.0},
        {"num_frames": 5, "guidance": 3.0},
        evaluations=2,
        options={"guidance_scale_2": 1.5, **SHORT},
    ),
    "ltx": Case(
        tiny_pipelines.ltx,
        lambda frames, noise: {**last(frames), "guidance_scale": 1.0},
        {"num_frames": 5, "guidance": 1.0},
        evaluations=1,
        draws="diffusers.pipelines.ltx.pipeline_ltx_image2video.randn_tensor",
        size={"width": 64, "height": 32},
    ),
    "ltx condition": Case(
        tiny_pipelines.ltx_condition,
        ltx_condition_call,
        {"num_frames": 9, "context": 5, "guidance": 2.0},
        evaluations=2,
        control="generator",
        options={"decode_timestep": 0.05, "decode_noise_scale": 0.0, **SHORT},
        size=SQUARE,
    ),
    "cog": Case(
        tiny_pipelines.cog,
        lambda frames, noise: {**last(frames), **frames_first(noise), "guidance_scale": 2.0},
        {"num_frames": 9, "guidance": 2.0},
        evaluations=2,
    ),
    "cog 1.5": Case(
        tiny_pipelines.cog_dpm,
        lambda frames, noise: {**last(frames), **frames_first(noise), "guidance_scale": 1.0},
        {"num_frames": 9, "guidance": 1.0},
        evaluations=1,
    ),
    "hunyuan": Case(
        tiny_pipelines.hunyuan,
        lambda frames, noise: {**last(frames), **channels_first(noise), "guidance_scale": 6.0},
        {"num_frames": 5, "guidance": 6.0},
        evaluations=1,
        options=TEMPLATE,
    ),
    "hunyuan, image beside": Case(
        tiny_pipelines.hunyuan_beside,
        lambda frames, noise: {
            **last(frames), **channels_first(noise), "true_cfg_scale": 2.0, "negative_prompt": "", "guidance_scale": 1.0
        },
        {"num_frames": 5, "guidance": 2.0},
        evaluations=2,
        drafts=False,
        options=TEMPLATE,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folder of each case's pipeline, made when it is first asked for."""
    made: dict[str, str] = {}

    def folder(name):
        if name not in made:
            made[name] = tiny_pipelines.saved(CASES[name].build, tmp_path_factory.mktemp("pipeline"))
        return made[name]

    return folder


@pytest.fixture(scope="module")
def load(folders):
    """The adapter of a case, loaded once."""
    made: dict[str, ImageToVideo] = {}

    def model(name):
        case = CASES[name]
        if name not in made:
            made[name] = ImageToVideo(folders(name), options=case.options, **case.size, **case.params)
        return made[name]

    return model


@pytest.fixture(params=CASES, scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def case(name):
    return CASES[name]


@pytest.fixture(scope="module")
def model(name, load):
    return load(name)


def chunks(model, count=2, steps=2, preview="coarse"):
    return ChunkRollout(model, steps, count, preview=preview)


def own_call(model, case, frames, noise, chunk):
    """The frames of the pipeline's own call; what it draws is named as the adapter promises."""
    generator = seeded_by(noise) if case.control == "generator" else torch.Generator().manual_seed(chunk)
    prompt = {"prompt": "a red ball"} if "prompt" in signature(model.pipeline.__call__).parameters else {}
    size = {**case.size, "num_frames": model.num_frames, "num_inference_steps": 2}
    arguments = {**case.call(frames, noise), **size, **prompt, **case.options, "generator": generator}
    with pytest.MonkeyPatch.context() as patch:
        if case.draws:
            patch.setattr(case.draws, lambda shape, **how: noise[None].transpose(1, 2).reshape(shape))
        return model.pipeline(**arguments, output_type="pt").frames[0]


@contextmanager
def counted(model):
    """Samples of every evaluation, seen at the networks."""
    seen: list[int] = []

    def count(module, args, kwargs):
        seen.append(len(args[0] if args else kwargs["hidden_states"]))

    hooks = [network.register_forward_pre_hook(count, with_kwargs=True) for network in model.denoiser]
    yield seen
    for hook in hooks:
        hook.remove()


def noises(model, *names):
    return torch.stack([normal(model.latent_shape(model.frames_per_chunk), *name) for name in names])


def conds(model, images):
    """A condition for each image, standing still for as long as the model looks back."""
    frames = torch.stack([model.start("p", i, 0).frames.repeat(model.context_frames, 1, 1, 1) for i in images])
    return Cond(("a red ball",) * len(images), {"frames": frames, "chunk": torch.zeros(len(images), dtype=torch.int64)})


def test_plain_is_the_pipelines_own_call_chunk_after_chunk(model, case):
    got = run(search.create("plain"), chunks(model), image=IMAGE, seed=3).frames
    known, wanted = model.start("p", IMAGE, 0).frames, []
    for depth in range(2):
        frames = own_call(model, case, known, noises(model, (3, "a red ball", depth, 0))[0], depth)
        new = frames[len(known) * model.family.repeats :]
        known = torch.cat([known, new])[-model.context_frames :]
        wanted.append(to_uint8(new))
    assert len(got) == chunks(model).frames == model.first_frames + model.frames_per_chunk
    assert (got.int() - torch.cat(wanted).int()).abs().max() <= 1


def test_a_dropped_history_would_be_noticed(model, case):
    known = model.start("p", IMAGE, 0).frames.repeat(model.context_frames, 1, 1, 1)
    noise = noises(model, (1,))[0]
    for changed in {0, model.context_frames - 1}:  # each frame that is looked at, the oldest as well
        other = known.clone()
        other[changed] = other[changed].flip(-1)
        right, forgot = (own_call(model, case, frames, noise, 1) for frames in (other, known))
        new = slice(len(known) * model.family.repeats, None)
        assert (right - forgot)[new].abs().max() > 2 / 255, "a chunk depends on what came before it"
    history = model.extend(model.start("p", IMAGE, 0), noise, other)
    assert torch.equal(model.condition(["p"], [history]).tensors["frames"][0], other)
    assert history.frames.shape == known.shape, "and no more of it is kept"


def test_noise_controls_each_sample_and_a_batch_is_its_samples(model, case):
    assert model.noise_control == case.control
    noise = noises(model, (1,), (2,), (1,), (1,))
    images = [IMAGE, IMAGE, IMAGE, IMAGE.flip(-1)]
    cond = conds(model, images)
    both = model.sample(cond, noise, 2)
    alone = torch.cat([model.sample(cond[i : i + 1], noise[i : i + 1], 2) for i in range(4)])
    assert torch.allclose(both, alone, atol=1e-4)
    assert torch.allclose(both[0], both[2], atol=1e-5), "the same noise, the same video"
    assert (both[0] - both[1]).abs().max() > 0.1, "another noise, another video"
    histories = [model.start("p", image, 0) for image in images]
    frames = model.decode(both, histories)
    one = torch.cat([model.decode(both[i : i + 1], histories[i : i + 1]) for i in range(4)])
    assert torch.allclose(frames, one, atol=1e-4)
    assert frames.shape == (4, model.first_frames, 3, model.height, model.width)


def test_every_network_call_of_a_search_is_in_the_formula(model, case):
    keep = 2 if model.family.together == "one image" else 1
    method = NoiseSearch(3, ((1, keep),))
    with counted(model) as seen:
        got = run(method, chunks(model), image=IMAGE)
    assert model.evaluations_per_call == case.evaluations
    assert sum(seen) == method.evaluations(chunks(model)) == case.evaluations * (3 + 2 * keep + 3 * keep + 2 * keep)
    assert len(got.frames) == chunks(model).frames


def test_a_draft_is_rougher_and_leaves_nothing_behind(model, case, monkeypatch):
    assert isinstance(model, CachedBlocks) == case.drafts
    if not case.drafts:
        with pytest.raises(UserError, match="draft"):
            chunks(model, preview="draft")
        return
    monkeypatch.setattr(model, "draft", 1e9)  # whatever the first block says, the rest is taken from the step before
    cond, noise = conds(model, [IMAGE]), noises(model, (1,))
    before = model.sample(cond, noise, 3)
    with counted(model) as seen, model.drafting():
        draft, again = (model.sample(cond, noise, 3) for _ in range(2))
    assert sum(seen) == 2 * 3 * case.evaluations, "an evaluation is one, however rough"
    assert torch.equal(draft, again), "nothing is cached from one call to the next"
    assert not torch.equal(draft, before)
    assert torch.equal(model.sample(cond, noise, 3), before)


def test_a_failed_draft_leaves_nothing_behind(load, monkeypatch):
    model = load("ltx")
    cond, noise = conds(model, [IMAGE]), noises(model, (1,))
    before = model.sample(cond, noise, 2)

    def run_out(arguments):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as broken:
        broken.setattr(model.family, "run", run_out)
        with model.drafting(), pytest.raises(RuntimeError, match="out of memory"):
            model.sample(cond, noise, 2)
    assert not model.pipeline.transformer.is_cache_enabled
    assert torch.equal(model.sample(cond, noise, 2), before)


def test_a_sampler_that_draws_globally_is_named_all_the_same(folders):
    case = CASES["ltx"]
    model = ImageToVideo(folders("ltx"), options=SHORT, **case.size, **case.params)
    model.pipeline.scheduler.register_to_config(stochastic_sampling=True)
    model.family = pipeline_families.family_of(model.pipeline, SHORT)
    cond, noise = conds(model, [IMAGE, IMAGE]), noises(model, (1,), (2,))
    torch.manual_seed(0)
    outside = torch.get_rng_state()
    both = model.sample(cond, noise, 3)
    assert torch.equal(torch.get_rng_state(), outside)
    torch.manual_seed(1)
    alone = torch.cat([model.sample(cond[i : i + 1], noise[i : i + 1], 3) for i in range(2)])
    assert torch.allclose(both, alone, atol=1e-4)


def test_the_meter_sees_drafts_of_a_search(load):
    model, method = load("ltx"), NoiseSearch(3, ((1, 1),))
    with Meter() as meter:
        rollout = meter.rollout(chunks(meter.model(model), count=1, preview="draft"))
        run(method, rollout, image=IMAGE)
    assert (meter.nfe, meter.nfe_preview) == (3 + 2, 3)


def test_a_pipeline_of_no_known_family_goes_by_its_signature(folders, monkeypatch):
    monkeypatch.setattr(pipeline_families, "FAMILIES", {})
    case = CASES["ltx"]
    model = ImageToVideo(folders("ltx"), options=SHORT, **case.size, **case.params)
    assert type(model.family) is Family
    assert not isinstance(model, CachedBlocks)
    history = model.start("p", IMAGE, 0)
    noise = noises(model, (1,), (2,))
    frames = model.decode(model.sample(conds(model, [IMAGE, IMAGE]), noise, 2), [history, history])
    own = replace(case, control="generator", draws="")
    for mine, each in zip(frames, noise, strict=True):
        assert (mine - own_call(model, own, history.frames, each, 0)[1:]).abs().max() <= 1 / 255
    assert len(run(NoiseSearch(3, ((1, 1),)), chunks(model), image=IMAGE).frames) == 8
    with pytest.raises(UserError, match="guidance is 2.0, and StableVideoDiffusionPipeline has none"):
        ImageToVideo(folders("svd"), guidance=2.0)
    odd = ImageToVideo(folders("ltx"), options=SHORT, **case.size, num_frames=6)
    with pytest.raises(UserError, match=r"made \(5, 3, 32, 64\) .* where \(6, 3, 32, 64\) was asked for"):
        odd.sample(conds(odd, [IMAGE]), noises(odd, (1,)), 1)


def test_guidance_of_the_second_network_is_an_option(load, folders):
    model = load("wan, two networks")
    other = ImageToVideo(folders("wan, two networks"), num_frames=5, guidance=3.0, options=SHORT, **SIZE)
    cond, noise = conds(model, [IMAGE]), noises(model, (1,))
    assert not torch.allclose(model.sample(cond, noise, 2), other.sample(cond, noise, 2), atol=1e-4)
    assert len(model.denoiser) == 2


def test_weights_can_be_used_with_another_class(folders):
    path, size = folders("ltx"), {**SQUARE, "num_frames": 9}
    model = ImageToVideo(path, pipeline_class="LTXConditionPipeline", context=5, **size)
    assert isinstance(model.family, pipeline_families.LtxCondition)
    assert (model.first_frames, model.frames_per_chunk) == (8, 4)
    with pytest.raises(UserError, match="LTXCondition, which diffusers .* does not have"):
        ImageToVideo(path, pipeline_class="LTXCondition", **size)
    with pytest.raises(UserError, match="cannot load"):
        ImageToVideo(path, pipeline_class="StableVideoDiffusionPipeline", **size)


def test_other_weights_or_settings_have_another_fingerprint(folders, tmp_path):
    copied = shutil.copytree(folders("ltx"), tmp_path / "copy")

    def fingerprint(path=None, tuned=0.0, **params):
        model = ImageToVideo(str(path or folders("ltx")), **{**SQUARE, "num_frames": 9, **params})
        with torch.no_grad():
            model.pipeline.transformer.proj_out.weight.add_(tuned)
        return model.fingerprint

    assert fingerprint() == fingerprint(copied)
    others = [fingerprint(tuned=1e-3), fingerprint(guidance=2.0), fingerprint(options={"negative_prompt": "red"})]
    assert len({fingerprint(), *others}) == 4


WRONG = {
    "num_frames is 12; LTXImageToVideoPipeline makes 1 [+] a multiple of 4: 9 or 13": ("ltx", {"num_frames": 12}),
    "num_frames is 0; .* 1 or 5": ("ltx", {"num_frames": 0}),
    "num_frames is 5; CogVideoX.* 1 or 9": ("cog", {"num_frames": 5}),
    "width is 40; LTXImageToVideoPipeline needs a multiple of 32: 32 or 64": ("ltx", {"width": 40}),
    "height is 8; LTXImageToVideoPipeline needs a multiple of 32: 32": ("ltx", {"height": 8}),
    "width is 10; StableVideo.* a multiple of 8: 8 or 16": ("svd", {"width": 10}),
    "context is 2; LTXImageToVideoPipeline takes 1 frame": ("ltx", {"context": 2}),
    "context is 2; LTXConditionPipeline takes 1 [+] a multiple of 4 frames": ("ltx condition", {"context": 2}),
    "context is 9; .* fewer than num_frames": ("ltx condition", {"context": 9, "num_frames": 9}),
    "overlap is 5; of 5 frames .* 0 … 4": ("ltx", {"num_frames": 5, "overlap": 5}),
    "takes no negative; its options are .*negative_prompt": ("ltx", {"options": {"negative": "red"}}),
    "options name guidance_scale": ("ltx", {"options": {"guidance_scale": 2.0}}),
    "context is 1; it must be fewer than num_frames .1.": ("hunyuan, image beside", {"num_frames": 1}),
    "draft is 2.0": ("ltx", {"draft": 2.0}),
    "dtype is 'int8'": ("ltx", {"dtype": "int8"}),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_does_not_fit_is_one_line(folders, message):
    name, params = WRONG[message]
    with pytest.raises(UserError, match=message) as caught:
        ImageToVideo(folders(name), **{**SQUARE, **params})
    assert "\n" not in str(caught.value)


def test_pipelines_without_an_image_are_named_with_their_kin(tmp_path, monkeypatch, load):
    text = tiny_pipelines.saved(tiny_pipelines.wan_from_text, tmp_path)
    with pytest.raises(UserError, match="WanPipeline makes video from text.*pipeline_class=WanImageToVideoPipeline"):
        ImageToVideo(text)
    pipeline = load("ltx").pipeline
    monkeypatch.setattr("sn_eval.models.image_to_video.load_pipeline", lambda *args: pipeline)
    monkeypatch.setattr(pipeline.scheduler, "order", 2, raising=False)
    with pytest.raises(UserError, match="evaluates the network 2 times a step"):
        ImageToVideo("anywhere")


def test_what_a_black_box_cannot_do_is_refused(load, folders, tmp_path):
    model = load("svd")
    with pytest.raises(UserError, match="coarse"):
        chunks(model, preview="early")
    with pytest.raises(UserError, match="chunk"):
        FifoRollout(model, 2, 2)
    with pytest.raises(UserError, match="--image"):
        run(search.create("plain"), chunks(model))
    with pytest.raises(UserError, match="save_pretrained"):
        models.create("image_to_video", path=str(tmp_path))
    wrong = {"guidance_scale_2": 2.0, **SHORT}
    one = ImageToVideo(folders("wan"), num_frames=5, options=wrong, **SIZE)
    with pytest.raises(UserError, match="WanImageToVideoPipeline refused the call: `guidance_scale_2`"):
        one.sample(conds(one, [IMAGE]), noises(one, (1,)), 2)
