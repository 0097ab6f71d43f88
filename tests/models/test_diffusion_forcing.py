"""The adapter of models with a noise level for every frame, on tiny random pipelines of both families.

Their own calls are the reference: from the same noise they must give the same latents. The steps are Euler's, as the
tiny pipelines' schedulers make them (`tiny_wan`); published ones ship UniPC at second order.
"""

from dataclasses import replace

import pytest
import tiny_wan
import torch
from searching import NearAnchor, run

from rewards.base import UserError
from sn_eval import models, search
from sn_eval.cost.meter import Meter
from sn_eval.interfaces import CachedBlocks, Candidate, History, NoVideo, StatefulDecoder, StepwiseModel
from sn_eval.models.diffusion_forcing import DiffusionForcing
from sn_eval.rollouts.chunk import ChunkRollout
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.sampling import normal
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.video import to_uint8

IMAGE = torch.linspace(0, 1, 3 * 32 * 32).view(3, 32, 32)
PROMPT = "a red ball"
SIZE = {"width": 32, "height": 32}
CALL = {"height": 32, "width": 32, "num_inference_steps": 4, "guidance_scale": 3.0, "output_type": "latent"}
FAMILIES = ["skyreels", "wan"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {kind: getattr(tiny_wan, kind)(tmp_path_factory.mktemp(kind)) for kind in FAMILIES}


@pytest.fixture(scope="module")
def made(folders):
    """The adapters, loaded once each: `made("wan", start="text")`."""
    kept = {}

    def make(kind, **options):
        options = {"frames_per_chunk": 8, "context": 2, "guidance": 3.0, **options}
        name = (kind, *sorted(options.items()))
        if name not in kept:
            kept[name] = DiffusionForcing(folders[kind], **SIZE, **options)
        return kept[name]

    return make


@pytest.fixture
def model(made):
    return made("skyreels")


def plain_noise(model, depth=0, seed=3):
    """The noise of the plain sampler's own path."""
    return normal(model.latent_shape(model.frames_per_chunk), seed, PROMPT, depth, 0)


def finish(model, state, noise, steps=4):
    """One chunk as the rollout makes it."""
    rollout = ChunkRollout(model, steps, 1)
    return rollout.commit(rollout.expand([Candidate(state, 0, 0, noise, "plain")]))[0]


def begun(model, image=None):
    return ChunkRollout(model, 4, 1).start([PROMPT], image, 3)


class FixedNoise:
    """Hands out given tensors where diffusers draws noise."""

    def __init__(self, *noises):
        self.noises = list(noises)

    def __call__(self, shape, **_):
        noise = self.noises.pop(0).transpose(0, 1)[None]
        assert noise.shape == tuple(shape)
        return noise.clone()


def own_call(model, noises, monkeypatch, **options):
    """The latents of the pipeline's own call from these noises [t c h w], in our order of axes."""
    module = __import__(type(model.pipeline).__module__, fromlist=["randn_tensor"])
    monkeypatch.setattr(module, "randn_tensor", FixedNoise(*noises))
    return model.pipeline(PROMPT, **CALL, **options).frames[0].transpose(0, 1)


# --- the pipelines' own calls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_first_chunk_from_text_is_the_pipelines_own_call(made, kind, monkeypatch):
    model = made(kind, start="text", frames_per_chunk=12)
    noise = plain_noise(model)
    own = own_call(model, [noise], monkeypatch, num_frames=9)
    ours = finish(model, begun(model), noise)
    assert own.std() > 0.3
    assert torch.allclose(ours.state.clean, own, atol=1e-4)
    assert ours.frames.shape == (model.first_frames, 3, 32, 32) == (9, 3, 32, 32)


def test_a_second_chunk_is_that_of_the_pipelines_own_long_video(made, monkeypatch):
    first, then = made("skyreels", start="text", frames_per_chunk=12), made("skyreels", start="text")
    noise, unused = normal((5, 4, 4, 4), "n").split([3, 2])
    later = torch.cat([unused[:1], normal((2, 4, 4, 4), "m")])  # the pipeline draws noise for the context as well
    own = own_call(first, [noise, later], monkeypatch, num_frames=17, base_num_frames=9, overlap_history=1)
    state = finish(first, begun(first), noise).state
    state = replace(state, inner=replace(state.inner, latents=state.inner.latents[-1:]))
    ours = finish(then, state, later[1:]).state
    assert len(own) == 5
    assert torch.allclose(torch.cat([state.clean, ours.clean]), own, atol=1e-4)
    forgot = finish(then, replace(state, inner=replace(state.inner, latents=None)), later[1:]).state
    assert (forgot.clean - own[3:]).abs().mean() > 0.05, "the history matters"


def test_a_chunk_from_an_image_is_the_image_pipelines_own_call(made, monkeypatch):
    from diffusers import WanImageToVideoPipeline

    model = made("wan")
    noise = plain_noise(model)
    parts = {k: v for k, v in model.pipeline.components.items() if not k.endswith("_2")}
    taken = dict.fromkeys(("image_encoder", "image_processor", "transformer_2"))
    pipeline = WanImageToVideoPipeline(**{**parts, **taken}, expand_timesteps=True)
    pipeline.set_progress_bar_config(disable=True)
    given = torch.cat([torch.zeros(1, 4, 4, 4), noise]).transpose(0, 1)[None]
    own = pipeline(IMAGE[None], PROMPT, latents=given, num_frames=9, **{**CALL, "output_type": "pt"}).frames[0]
    ours = finish(model, begun(model, IMAGE), noise)
    assert ours.frames.shape == (8, 3, 32, 32)
    assert torch.allclose(ours.frames, own[1:], atol=1e-3)
    other = finish(model, begun(model, 1 - IMAGE), noise)
    assert (other.frames - ours.frames).abs().mean() > 0.01, "the image matters"


# --- levels, guidance, batches ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_frame_has_its_own_level(made, kind):
    model = made(kind, guidance=1.0)
    x, cond = normal((1, 2, 4, 4, 4), "x"), model.condition([PROMPT], [History()])
    same, mixed = torch.tensor([[800.0, 800.0]]), torch.tensor([[800.0, 200.0]])
    velocity = [(x - model.denoise(x, times, cond)) / (times / 1000)[..., None, None, None] for times in (same, mixed)]
    assert (velocity[0][:, 1] - velocity[1][:, 1]).abs().mean() > 0.02
    swapped = model.denoise(x.flip(1), mixed.flip(1), cond).flip(1)
    assert not torch.allclose(swapped, model.denoise(x, mixed, cond), atol=1e-2), "frames have an order"


@pytest.mark.parametrize("kind", FAMILIES)
def test_guidance_is_two_evaluations_in_one_batch_and_both_halves_count(made, kind):
    guided, plain = made(kind), made(kind, guidance=1.0)
    free = made(kind, guidance=1.0)
    assert (guided.evaluations_per_call, plain.evaluations_per_call) == (2, 1)
    x, times = normal((1, 2, 4, 4, 4), "x"), torch.full((1, 2), 700.0)
    asked, unasked = (free.denoise(x, times, free.condition([words], [History()])) for words in (PROMPT, ""))
    batches = []
    hook = guided.denoiser.register_forward_pre_hook(
        lambda _, args, kwargs: batches.append(len(kwargs["hidden_states"])), with_kwargs=True
    )
    ours = guided.denoise(x, times, guided.condition([PROMPT], [History()]))
    hook.remove()
    assert batches == [2]
    assert (asked - unasked).abs().mean() > 1e-3
    assert torch.allclose(ours, unasked + 3 * (asked - unasked), atol=1e-4)


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_batch_is_its_samples(made, kind):
    model = made(kind)
    states = [begun(model, image) for image in (IMAGE, 1 - IMAGE)]
    noise = normal((2, 2, 4, 4, 4), "x")
    times = torch.tensor([[900.0, 400.0], [300.0, 600.0]])
    cond = model.condition([PROMPT, "a blue cube"], [s.inner for s in states])
    both = model.denoise(noise, times, cond)
    alone = [model.denoise(noise[i : i + 1], times[i : i + 1], cond[i : i + 1]) for i in range(2)]
    assert torch.allclose(both, torch.cat(alone), atol=1e-5)
    frames, seen = model.decode_on(noise, [s.inner for s in states])
    for row, state in enumerate(states):
        one, after = model.decode_on(noise[row : row + 1], [state.inner])
        assert torch.allclose(one[0], frames[row], atol=1e-4)
        pairs = zip(after[0].features, seen[row].features, strict=True)
        assert all(torch.allclose(a, b, atol=1e-3) for a, b in pairs if isinstance(a, torch.Tensor))


# --- the decoder's memory ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAMILIES)
def test_chunks_decode_as_all_latents_at_once_would(made, kind):
    model = made(kind, start="text")
    latents = normal((2, 5, 4, 4, 4), "z")
    vae = model.pipeline.vae
    mean, std = (torch.tensor(v).view(1, -1, 1, 1, 1) for v in (vae.config.latents_mean, vae.config.latents_std))
    with torch.no_grad():
        whole = (vae.decode(latents.transpose(1, 2) * std + mean).sample / 2 + 0.5).transpose(1, 2)
    parts, histories = [], [History(), History()]
    for part in latents.split([1, 2, 2], 1):
        looked = model.decode(part, histories)
        frames, seen = model.decode_on(part, histories)
        assert torch.equal(looked, frames), "a look leaves the memory as it was"
        parts.append(frames)
        histories = [replace(h, decoder=each) for h, each in zip(histories, seen, strict=True)]
    assert [p.shape[1] for p in parts] == [1, 8, 8]
    assert whole.std() > 0.1
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)
    forgot = model.decode(latents[:, 1:3], [History(), History()])
    assert forgot.shape[1] == 5, "without a memory the first latent is one frame"


def test_a_video_of_chunks_is_decoded_without_a_seam(made):
    model = made("skyreels", start="text")
    clean = []

    class Kept(ChunkRollout):
        def commit(self, branches):
            finished = super().commit(branches)
            clean.append(finished[0].state.clean)
            return finished

    rollout = Kept(model, 3, 3)
    got = run(search.create("plain"), rollout, seed=1).frames
    whole = model.decode(torch.cat(clean)[None], [History()])[0]
    assert len(got) == rollout.frames == 5 + 8 + 8
    assert (got.int() - to_uint8(whole).int()).abs().max() <= 1


# --- rollouts and searches --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["image", "text"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_search_runs_and_spends_what_the_formula_says(made, kind, start):
    model = made(kind, start=start)
    assert all(isinstance(model, each) for each in (StepwiseModel, StatefulDecoder, CachedBlocks))
    seen = [0]
    hook = model.denoiser.register_forward_pre_hook(
        lambda _, args, kwargs: seen.__setitem__(0, seen[0] + len(kwargs["hidden_states"])), with_kwargs=True
    )
    rollout = ChunkRollout(model, 2, 2, max_batch=3)
    method = NoiseSearch(2, ((1, 2),))
    got = run(method, rollout, NearAnchor(), image=IMAGE if start == "image" else None, seed=1)
    hook.remove()
    assert len(got.frames) == rollout.frames == (16 if start == "image" else 13)
    assert seen[0] == method.evaluations(rollout) == got.generated.evaluations == 2 * (2 + 2 + 4 + 2)


@pytest.mark.parametrize(("kind", "start", "preview"), [("skyreels", "text", "early"), ("wan", "image", "draft")])
def test_a_queue_runs_on_it(made, kind, start, preview):
    rollout = FifoRollout(made(kind, start=start, guidance=1.0), 4, 2, preview=preview)
    method = NoiseSearch(2, ((2, 1),))
    got = run(method, rollout, NearAnchor(), image=IMAGE if start == "image" else None, seed=1)
    assert len(got.frames) == rollout.frames == (16 if start == "image" else 13)
    assert got.generated.evaluations <= method.evaluations(rollout)
    assert got.frames.float().std() > 10


def test_the_meter_counts_its_evaluations_and_frames(made):
    with Meter() as meter:
        rollout = meter.rollout(ChunkRollout(meter.model(made("wan", start="text")), 2, 1))
        run(search.create("plain"), rollout)
    assert (meter.nfe, meter.counts["decoded_frames"]) == (2 * 2, 5)


def test_a_draft_is_cheaper_and_leaves_no_trace(model):
    """The same candidates in other batches are the same drafts, and what follows a draft is as if there was none."""
    state = begun(model, IMAGE)
    drafts = ChunkRollout(model, 4, 1, preview="draft")
    noises = normal((3, 2, 4, 4, 4), "x")
    candidates = [Candidate(state, i, i, noise, "plain") for i, noise in enumerate(noises)]
    before = finish(model, state, noises[0]).state.clean
    calls = [0]
    hook = model.denoiser.blocks[-1].ffn.register_forward_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
    together = [b.clean for b in drafts.refine(drafts.expand(candidates), 4)]
    hook.remove()
    assert calls == [2], "two of four evaluations run all blocks"
    sliced = replace(drafts, max_batch=1)
    apart = [b.clean for b in sliced.refine(sliced.expand(candidates), 4)]
    assert torch.allclose(torch.stack(together), torch.stack(apart), atol=1e-4)
    coarse = ChunkRollout(model, 4, 1, preview="coarse")
    full = [b.clean for b in coarse.refine(coarse.expand(candidates), 4)]
    assert (together[0] - full[0]).abs().mean() > 1e-3, "a draft is rougher"
    assert torch.equal(finish(model, state, noises[0]).state.clean, before)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 40}, r"width is 40.*multiple of 16 \(VAE 8 × patch 2\): use 32 or 48"),
        ({"height": 8}, "height is 8.*use 16"),
        ({"frames_per_chunk": 10}, "frames_per_chunk is 10.*multiple of 4.*use 8 or 12"),
        ({"context": 0}, "context is 0"),
        ({"start": "noise"}, "start is 'noise'"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(folders, options, message):
    with pytest.raises(UserError, match=message) as told:
        models.create("diffusion_forcing", path=folders["skyreels"], **{**SIZE, "frames_per_chunk": 8, **options})
    assert "\n" not in str(told.value)


def test_a_pipeline_with_one_level_for_a_whole_clip_is_refused(tmp_path):
    path = tiny_wan.wan(tmp_path, expand_timesteps=False)
    with pytest.raises(UserError, match=r"a WanPipeline of this kind.*image_to_video"):
        models.create("diffusion_forcing", path=path, **SIZE)


def test_an_image_where_none_is_wanted_and_none_where_one_is(made):
    with pytest.raises(UserError, match="--image"):
        begun(made("skyreels"))
    with pytest.raises(UserError, match="leave the image out"):
        begun(made("skyreels", start="text"), IMAGE)


def test_numbers_that_float16_cannot_hold_say_what_would(made, monkeypatch):
    model = made("skyreels", dtype="float16")
    monkeypatch.setattr(model, "_velocity", lambda _, x, *rest: torch.full_like(x, float("inf")))
    with pytest.raises(NoVideo, match="dtype=bfloat16 or float32"):
        finish(model, begun(model, IMAGE), plain_noise(model))


def test_a_scheduler_of_another_kind_is_refused(made, monkeypatch):
    from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

    model = made("wan")
    for other in (DDIMScheduler(), UniPCMultistepScheduler(use_flow_sigmas=True)):
        monkeypatch.setattr(model.pipeline, "scheduler", other)
        with pytest.raises(UserError, match=f"a {type(other).__name__}, is not set up for flow matching"):
            model.schedule(2)
    monkeypatch.setattr(model.pipeline, "scheduler", FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True))
    with pytest.raises(UserError, match="cannot be set to 2 steps"):
        model.schedule(2)


def test_videos_that_are_not_equally_far_are_no_batch(made):
    text, state = made("wan", start="text"), begun(made("wan"), IMAGE).inner
    with pytest.raises(UserError, match="context of"):
        text.condition([PROMPT, PROMPT], [state, History()])
    with pytest.raises(UserError, match="start all alike"):
        text.decode(normal((2, 1, 4, 4, 4), "z"), [state, History()])


def test_other_weights_and_other_settings_have_other_fingerprints(made, folders, tmp_path):
    options = {**SIZE, "frames_per_chunk": 8, "context": 2, "guidance": 3.0}
    same, other = (DiffusionForcing(folders[kind], **options) for kind in FAMILIES)
    assert same.fingerprint == made("skyreels").fingerprint
    assert len({same.fingerprint, other.fingerprint, made("skyreels", guidance=1.0).fingerprint}) == 3
