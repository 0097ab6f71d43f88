import pytest
import torch

from rewards.base import UserError
from sn_eval.tabletop.network import SpaceTimeUNet
from sn_eval.tabletop.train import Optimizer, Recipe, draw_levels, motion_weights, train


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return SpaceTimeUNet(widths=(16, 32), heads=2, text=32, condition=32).eval()


def drawn_pair(count, sigma, spread, change):
    """First frame and another of the model's own assumption, noised: (x, velocity) as [count, 2, 16, 1, 1]."""
    generator = torch.Generator().manual_seed(1)
    normal = lambda: torch.randn(count, 1, 1, 1, 1, generator=generator)  # noqa: E731
    first = spread * normal()
    z = torch.cat([first, first + change * normal()], 1)
    eps = torch.cat([normal(), normal()], 1)
    s = torch.tensor(sigma).view(1, 2, 1, 1, 1)
    return ((1 - s) * z + s * eps).expand(-1, -1, 16, -1, -1), (eps - z).expand(-1, -1, 16, -1, -1)


@pytest.mark.parametrize("sigma", [(0.0, 0.5), (0.0, 1.0), (0.05, 0.7), (0.3, 0.3)])
def test_the_linear_guess_is_the_best_linear_estimate(network, sigma):
    """Its error is uncorrelated with both frames, and as large as the layers are told."""
    network.spread.fill_(1.3)
    network.change.fill_(0.4)
    x, velocity = drawn_pair(100_000, sigma, 1.3, 0.4)
    prior = network.prior(x, torch.tensor(sigma).expand(len(x), 2))
    error = (velocity - prior.velocity(torch.zeros_like(x)))[:, 1, 0]
    size = prior.velocity(torch.ones_like(x)) - prior.velocity(torch.zeros_like(x))
    assert error.std() == pytest.approx(size[0, 1, 0].item(), rel=0.03)
    if sigma[0] == 0:  # where the first frame is clean, the estimate is exactly the optimal one
        for place in (0, 1):
            assert abs((error * x[:, place, 0]).mean()) < 0.02


def test_what_is_gated_still_is_copied(network):
    first = torch.randn(1, 1, 16, 16, 16)
    z = first.expand(-1, 3, -1, -1, -1)
    sigma = torch.tensor([[0.0, 0.6, 0.6]])
    eps = torch.randn_like(z)
    s = sigma[..., None, None, None]
    prior = network.prior((1 - s) * z + s * eps, sigma)
    still = prior.velocity(torch.zeros_like(z), 1e-3)
    assert torch.allclose(still[:, 1:], (eps - z)[:, 1:], atol=0.01)


def test_untrained_layers_change_nothing_and_batches_are_independent(network):
    x, sigma = torch.randn(3, 5, 16, 16, 16), torch.rand(3, 5)
    words = torch.randint(2, 40, (3, 48))
    with torch.no_grad():
        out = network(x, sigma, network.encode_text(words))
        alone = network(x[1:2], sigma[1:2], network.encode_text(words[1:2]))
    assert torch.allclose(out[1:2], alone, atol=1e-4)
    assert torch.isfinite(out).all()


def test_the_caption_reaches_every_frame(network):
    with torch.no_grad():
        network.leave.weight.normal_(std=0.1)
        for block in network.attention:
            block.out.weight.normal_(std=0.2)
        x, sigma = torch.randn(1, 4, 16, 16, 16), torch.full((1, 4), 0.8)
        one, other = torch.randint(2, 40, (2, 1, 48))
        change = (network(x, sigma, network.encode_text(one)) - network(x, sigma, network.encode_text(other))).abs()
    assert (change.amax((0, 2, 3, 4)) > 1e-4).all()


def test_levels_cover_context_shared_independent_and_diagonal_windows():
    recipe = Recipe()
    levels, counted = draw_levels(4000, recipe, torch.Generator().manual_seed(0))
    assert levels.min() >= 0
    assert levels.max() <= 1
    context = ~counted[:, 0]
    assert float(context.float().mean()) == pytest.approx(recipe.mix[0], abs=0.03)
    assert 0.2 < levels[context, 0].max() <= recipe.context_noise
    assert (levels[context, 0] == 0).float().mean() > 0.4
    kept = (~counted).sum(1)[context]
    assert kept.min() >= 1
    assert kept.max() <= 6
    rising = (levels.diff(dim=1) > 0).all(1) & ~context
    assert float(rising.float().mean()) == pytest.approx(recipe.mix[3], abs=0.03)


def test_moving_places_weigh_more_and_every_frame_weighs_the_same():
    z = torch.zeros(1, 9, 16, 16, 16)
    for t in range(9):
        z[0, t, :, 4, t] = 2.0
    weights = motion_weights(z, 12.0)
    assert weights[0, 4, 0, 4, 4] > 5 * weights[0, 4, 0, 12, 12]
    assert torch.allclose(weights.mean((-1, -2)), torch.ones(1, 9, 1), atol=1e-5)


def test_one_step_moves_every_weight():
    """Muon works on views of the convolutions' weights: a copy would train without any effect."""
    network = SpaceTimeUNet(widths=(16, 32), heads=2, text=32, condition=32).to(memory_format=torch.channels_last)
    before = {name: value.clone() for name, value in network.named_parameters()}
    for weight in network.parameters():
        weight.grad = torch.randn_like(weight)
    Optimizer(network, Recipe()).step(1.0)
    assert not [name for name, value in network.named_parameters() if torch.equal(value, before[name])]


def test_what_moves_is_found_in_another_place(network):
    """Attention carries content across places: a change in one corner of a clean frame reaches the far corner."""
    with torch.no_grad():
        for part in network.attention:
            part.out.weight.normal_(std=0.2)
        network.leave.weight.normal_(std=0.1)
        x, sigma = torch.randn(1, 4, 16, 16, 16), torch.tensor([[0.0, 0.8, 0.8, 0.8]])
        words = network.encode_text(torch.randint(2, 40, (1, 48)))
        other = x.clone()
        other[:, 0, :, 0, 0] += 1
        change = (network(x, sigma, words) - network(other, sigma, words)).abs()
    assert change[:, 3, :, 15, 15].max() > 1e-5


@pytest.mark.slow
def test_training_goes_on_where_it_stopped(tmp_path):
    recipe = Recipe(batch=2, codec_clips=4, clips_at_start=4, clips_a_step=0)
    first = train(tmp_path, 0.02, recipe)
    assert (tmp_path / "denoiser" / "diffusion_pytorch_model.safetensors").exists()
    steps = []
    again = train(tmp_path, 0.05, recipe, on_step=lambda training, loss, done: steps.append(training.step))
    assert steps[0] == first.step + 1
    assert again.seconds > first.seconds
    onward = train(tmp_path / "onward", 0.0, recipe, start_from=tmp_path)
    saved = again.average.state_dict()
    assert all(torch.allclose(v, saved[k], atol=1e-3) for k, v in onward.average.state_dict().items())
    with pytest.raises(UserError, match="cannot start from"):
        train(tmp_path / "nowhere", 0.0, recipe, start_from=tmp_path / "empty")
    (tmp_path / "checkpoint.pt").write_bytes(b"broken")
    with pytest.raises(UserError, match="cannot resume"):
        train(tmp_path, 0.1, recipe)
