"""The meter counts what happened, whoever asked for it, and changes nothing."""

import copy
import inspect
import mmap
import time
import typing

import pytest
import torch

from rewards.base import Scores
from sn_eval.cost import Meter
from sn_eval.interfaces import BlackBoxModel, Cond, History, Rollout, StepwiseModel
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.chunk import ChunkRollout
from sn_eval.search.candidates import propose


class Brightness:
    spec = "brightness"

    def __call__(self, frames, prompts, *, fps, anchor=None, metadata=None):
        return Scores(frames.mean((1, 2, 3, 4)))


class NoModule(GaussianModel):
    """A model without a network to hook: counted at its boundary."""

    def __init__(self):
        super().__init__(guidance=3.0)
        self.network, self.denoiser = self.denoiser, None

    def denoise(self, x, times, cond):
        return self.network(x, times, cond.tensors["last"], cond.tensors["mean"])


class BlackBox:
    name, capability, fps, guidance, evaluations_per_call = "box", "black_box", 8.0, 1.0, 1
    noise_control = "latents"
    frames_per_chunk, context_frames, device = 2, 1, torch.device("cpu")

    def __init__(self):
        self.denoiser = torch.nn.Linear(4, 4)

    def sample(self, cond, noise, steps):
        for _ in range(steps):
            noise = self.denoiser(noise)
        return noise

    def start(self, prompt, image, seed):
        return History()

    def condition(self, prompts, histories):
        return Cond(tuple(prompts))

    def latent_shape(self, frames):
        return (frames, 1, 1, 4)

    def decode(self, latents, histories):
        return latents.expand(-1, -1, 3, -1, -1)

    def extend(self, history, latents, frames):
        return history


def asked(model, batch):
    history = model.start("a", None, 0)
    cond = model.condition(["a"] * batch, [history] * batch)
    x = torch.randn(batch, *model.latent_shape(4), generator=torch.Generator().manual_seed(0))
    return x, torch.full((batch, 4), 0.5), cond, [history] * batch


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("batch", [1, 5])
def test_nfe_is_batch_times_calls_and_guidance_counts_twice(guidance, batch):
    raw = GaussianModel(guidance=guidance)
    with Meter() as meter:
        model = meter.model(raw)
        x, times, cond, histories = asked(model, batch)
        for _ in range(3):
            clean = model.denoise(x, times, cond)
        frames = model.decode(clean, histories)
    factor = 1 if guidance == 1 else 2
    assert meter.nfe == 3 * batch * factor
    assert meter.counts["decoded_frames"] == batch * frames.shape[1]
    assert meter.cost().nfe.value == meter.nfe
    assert "forward hook" in meter.cost().nfe.how


def test_metering_changes_no_bit():
    raw = GaussianModel(guidance=2.0)
    x, times, cond, histories = asked(raw, 3)
    expected = raw.denoise(x, times, cond)
    with Meter() as meter:
        model = meter.model(raw)
        for _ in range(4):  # with and without the counting of operations
            assert torch.equal(model.denoise(x, times, cond), expected)
        assert torch.equal(model.decode(expected, histories), raw.decode(expected, histories))


def test_a_call_around_the_wrapper_counts_too():
    raw = GaussianModel()
    with Meter() as meter:
        meter.model(raw)
        raw.denoise(*asked(raw, 2)[:3])
    assert meter.nfe == 2


def test_hooks_are_gone_afterwards():
    raw = GaussianModel()
    with Meter() as meter:
        meter.model(raw)
    with Meter() as second:
        second.model(raw)
        raw.denoise(*asked(raw, 2)[:3])
    raw.denoise(*asked(raw, 7)[:3])
    assert (meter.nfe, second.nfe) == (0, 2)


def test_hooks_are_gone_after_an_error():
    raw, meter = GaussianModel(), Meter()

    def failing():
        with meter:
            meter.model(raw)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    raw.denoise(*asked(raw, 2)[:3])
    assert meter.nfe == 0


def test_a_model_without_a_network_counts_at_its_boundary():
    with Meter() as meter:
        model = meter.model(NoModule())
        model.denoise(*asked(model, 3)[:3])
    assert meter.nfe == 6
    assert "boundary" in meter.cost().nfe.how


def test_a_black_box_counts_every_step_inside():
    noise, cond = torch.randn(3, 2, 1, 1, 4), Cond(("a",) * 3)
    with Meter() as meter:
        meter.model(BlackBox()).sample(cond, noise, 5)
    assert meter.nfe == 15
    box = BlackBox()
    box.denoiser = None
    box.sample = lambda cond, noise, steps: noise
    with Meter() as meter:
        meter.model(box).sample(cond, noise, 5)
    assert meter.nfe == 15


def test_the_batch_is_that_of_the_latents_wherever_they_are_given():
    class Net(torch.nn.Module):
        def forward(self, time, text, *, hidden_states):
            return hidden_states

    box = BlackBox()
    box.denoiser = Net()
    with Meter() as meter:
        meter.model(box)
        box.denoiser(torch.tensor(3.0), torch.zeros(1, 7), hidden_states=torch.zeros(6, 2, 3, 4, 4))
    assert meter.nfe == 6


def test_several_networks_add_up():
    box = BlackBox()
    box.denoiser = [torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)]
    with Meter() as meter:
        meter.model(box)
        for net in box.denoiser:
            net(torch.zeros(3, 4))
    assert meter.nfe == 6


@pytest.mark.parametrize(("preview", "nfe", "nfe_preview"), [("early", 12 + 4, 12), ("coarse", 12 + 10, 12)])
def test_previews_are_told_apart(preview, nfe, nfe_preview):
    """Four candidates looked at for three steps of five, two of them finished; ALGORITHM.md, chunk mode."""
    with Meter() as meter:
        model = meter.model(GaussianModel())
        rollout = meter.rollout(ChunkRollout(model, steps=5, chunks=2, preview=preview))
        branches = rollout.expand(propose(rollout.start(["a"], None, 0), 4, rollout.noise_shape()))
        rollout.commit(rollout.refine(branches, 3)[:2])
    assert (meter.nfe, meter.nfe_preview) == (nfe, nfe_preview)
    assert meter.counts["decoded_frames"] == (4 + 2) * model.frames_per_chunk
    assert {"preview", "generate", "decode", "encode"} <= meter.seconds.keys()
    assert meter.cost().nfe_preview.source == "measured"


def test_previews_that_were_not_told_apart_are_not_zero():
    with Meter() as meter:
        meter.model(GaussianModel())
    assert meter.cost().nfe_preview.value is None


def test_phases_add_up_to_the_wall_clock_and_inner_ones_are_not_counted_twice():
    start = time.perf_counter()
    with Meter() as meter:
        time.sleep(0.02)
        with meter.phase("load"):
            time.sleep(0.03)
            with meter.phase("write"):
                time.sleep(0.05)
        meter.sink(lambda frames: time.sleep(0.02))(torch.zeros(1, 3, 2, 2))
    wall = time.perf_counter() - start
    seconds = meter.seconds
    assert sum(seconds.values()) == pytest.approx(wall, abs=0.02)
    assert seconds["load"] == pytest.approx(0.03, abs=0.02)
    assert seconds["write"] == pytest.approx(0.07, abs=0.03)
    assert seconds["search"] == pytest.approx(0.02, abs=0.02)


def test_an_error_ends_its_phase():
    with Meter() as meter:
        with pytest.raises(RuntimeError), meter.phase("load"):
            raise RuntimeError
        time.sleep(0.03)
    assert meter.seconds["search"] > 0.025


def test_rewards_are_counted_and_pass_through():
    reward = Brightness()
    with Meter() as meter:
        metered = meter.reward(reward)
        frames = torch.rand(3, 4, 3, 2, 2)
        scores = metered(frames, ["a"] * 3, fps=8.0)
    assert torch.equal(scores.values, reward(frames, ["a"] * 3, fps=8.0).values)
    assert meter.counts["reward_frames"] == 12
    assert metered.spec == "brightness"
    assert meter.seconds["reward"] > 0


def test_wrappers_keep_the_protocol():
    meter = Meter()
    stepwise, box = meter.model(GaussianModel()), meter.model(BlackBox())
    assert isinstance(stepwise, StepwiseModel)
    assert not isinstance(stepwise, BlackBoxModel)
    assert isinstance(box, BlackBoxModel)
    assert not isinstance(box, StepwiseModel)
    assert stepwise.rho == GaussianModel().rho, "a model's own extras pass through"
    with pytest.raises(AttributeError):
        _ = stepwise.surely_not_there
    assert copy.copy(stepwise).rho == stepwise.rho
    rollout = meter.rollout(ChunkRollout(stepwise))
    assert isinstance(rollout, Rollout)
    for protocol, wrapper in [(StepwiseModel, stepwise), (BlackBoxModel, box), (Rollout, rollout)]:
        for name in typing._get_protocol_attrs(protocol):
            inspect.getattr_static(wrapper, name)  # what Python 3.12's isinstance asks


def test_flops_of_a_known_product():
    box = BlackBox()
    box.denoiser = torch.nn.Linear(8, 8, bias=False)
    with Meter() as meter:
        model = meter.model(box)
        for _ in range(5):
            model.sample(Cond(("a",)), torch.zeros(1, 2, 1, 3, 8), 2)
    assert meter.flops.total == 5 * 2 * (2 * 6 * 8 * 8)
    assert meter.cost().flops.source == "estimated"


def test_peak_memory_belongs_to_the_cell():
    with Meter() as large, mmap.mmap(-1, 64 * 2**20) as held:  # pages of its own: malloc may have had them already
        held.write(b"1" * len(held))
    with Meter() as small:
        pass
    peak = large.cost().peak_memory_bytes
    assert peak.value > 64 * 2**20
    if peak.source == "measured":
        assert small.cost().peak_memory_bytes.value < peak.value - 32 * 2**20


def test_energy_is_a_number_with_a_source_or_none_with_a_reason():
    with Meter() as meter:
        pass
    energy = meter.cost().energy_joules
    assert (energy.value is None) == (energy.source == "none")
    assert energy.how


def test_the_meter_itself_is_cheap():
    """Hundreds of calls a second are usual: a call's overhead stays below a millisecond of CPU time."""
    model = GaussianModel()
    what = asked(model, 4)[:3]

    def seconds(one, calls=200):
        start = time.process_time()
        for _ in range(calls):
            one(*what)
        return (time.process_time() - start) / calls

    with Meter() as meter:
        metered = meter.model(model)
        seconds(metered.denoise, 3)
        with_meter = min(seconds(metered.denoise) for _ in range(3))
    without = min(seconds(model.denoise) for _ in range(3))
    assert with_meter - without < 1e-3
