"""Aesthetic and imaging quality: a given head and given weights, computed as stated, or refused in one line."""

import pickle
import sys
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms as T
from rewarding import video
from safetensors.torch import save_file
from torch import nn

from rewards.base import UserError
from rewards.encoders import create_encoder, file_digest
from sn_eval import metrics
from sn_eval.audit.corruptions import gaussian_blur
from sn_eval.metrics.imaging_quality import shrunk

ENCODER = "imagenet-lite0-early@32"  # 160 features
MODES = ["fixed", "reference"]


# --- aesthetic quality --------------------------------------------------------------------------------------


def head(path, features=160, seed=0, **changed):
    generator = torch.Generator().manual_seed(seed)
    state = {"weight": torch.randn(1, features, generator=generator), "bias": torch.tensor([5.0])} | changed
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return str(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("frames", [1, 5, 8])
def test_aesthetic_quality_is_the_heads_mean_rating(tmp_path, suffix, frames):
    path = head(tmp_path / f"head{suffix}")
    clip = torch.rand(frames, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    state = torch.load(head(tmp_path / "again.pth"), weights_only=True)
    features = F.normalize(create_encoder(ENCODER)(clip), dim=1)
    ratings = F.linear(features, state["weight"], state["bias"])[:, 0] / 10
    metric = metrics.create("aesthetic_quality", head=path, encoder=ENCODER)
    for size in (1, 3, 32):
        found = metric.measure(clip.split(size))
        assert found.value == pytest.approx(ratings.mean().item(), abs=1e-5)
        assert list(found.curve) == pytest.approx(ratings.tolist(), abs=1e-5)


def test_its_record_names_encoder_and_head_and_its_range_is_the_heads(tmp_path):
    path = tmp_path / "head.pth"
    spec = metrics.create("aesthetic_quality", head=head(path), encoder=ENCODER).spec
    assert spec.encoder == ENCODER
    assert spec.encoder_sha256 == f"{create_encoder(ENCODER).sha256}+{file_digest(path)}"
    weight = torch.load(path, weights_only=True)["weight"]
    middle, reach = 0.5, weight.norm().item() / 10
    assert spec.range == pytest.approx((middle - reach, middle + reach))
    best = F.normalize(weight, dim=1) @ weight[0] / 10 + 0.5  # the features that please most
    assert best.item() == pytest.approx(spec.range[1])


def test_in_reference_mode_frames_are_resized_as_vbench_does(tmp_path):
    prepare = metrics.create("aesthetic_quality", head=head(tmp_path / "h.pth", 128), encoder="tabletop-clip",
                             mode="reference").encoder.prepare  # fmt: skip
    assert (prepare.resize, prepare.antialias, prepare.torchvision) == ("bicubic", False, "float")


class Harmful:
    """Does something when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"weight": torch.zeros(1, 12)}, r"takes 12 features, encoder 'imagenet-lite0-early@32' gives 160"),
        ({"weight": torch.zeros(2, 160)}, r"no linear head: its weight is \[2, 160\], its bias \[1\]"),
        ({"bias": torch.zeros(1, 1)}, r"its bias \[1, 1\]"),
        ({"bias": torch.tensor([torch.nan])}, "its numbers are not finite"),
        ({"more": torch.zeros(1)}, "it holds bias, more, weight"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_head_that_does_not_fit_gets_one_clear_line(tmp_path, suffix, changed, rule):
    path = head(tmp_path / f"head{suffix}", **changed)
    with pytest.raises(UserError, match=rule) as error:
        metrics.create("aesthetic_quality", head=path, encoder=ENCODER)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["head.pth", "head.safetensors", "head.txt"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", bytes(range(256)) * 9, b"PK\x03\x04rest of it"])
def test_a_file_that_is_no_head_gets_one_clear_line(tmp_path, name, content):
    path = tmp_path / name
    with pytest.raises(UserError, match="there is no file"):
        metrics.create("aesthetic_quality", head=str(path), encoder=ENCODER)
    path.write_bytes(content)
    with pytest.raises(UserError, match="is no linear head: it is no file of tensors alone") as error:
        metrics.create("aesthetic_quality", head=str(path), encoder=ENCODER)
    assert "\n" not in str(error.value)


def test_nothing_in_a_head_file_is_executed(tmp_path):
    path, trap = tmp_path / "head.pth", tmp_path / "trap"
    torch.save({"weight": Harmful(str(trap)), "bias": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="no file of tensors alone"):
        metrics.create("aesthetic_quality", head=str(path), encoder=ENCODER)
    path.write_bytes(pickle.dumps(Harmful(str(trap)), 2))
    with pytest.raises(UserError, match="no file of tensors alone"):
        metrics.create("aesthetic_quality", head=str(path), encoder=ENCODER)
    assert not trap.exists()


def test_a_head_must_be_given_and_is_read_before_the_encoder_is_fetched(tmp_path):
    with pytest.raises(UserError, match="needs head"):
        metrics.create("aesthetic_quality")
    with pytest.raises(UserError, match="there is no file"):
        metrics.create("aesthetic_quality", head=str(tmp_path / "none.pth"))  # the default encoder is on a hub


# --- imaging quality ------------------------------------------------------------------------------------------


class Musiq(nn.Module):
    """In place of pyiqa's network: rates sharpness; keeps the shapes it saw."""

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        assert not pretrained  # that would fetch weights of another task
        self.gain, self.shapes = nn.Parameter(torch.zeros(1)), []

    def forward(self, x):
        assert not self.training
        self.shapes.append(tuple(x.shape))
        return (self.gain * (x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3)))[:, None]


@pytest.fixture
def pyiqa(monkeypatch):
    """A package pyiqa of its own, whatever is installed."""
    modules = {name: ModuleType(name) for name in ("pyiqa", "pyiqa.archs", "pyiqa.archs.musiq_arch")}
    modules["pyiqa.archs.musiq_arch"].MUSIQ = Musiq
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


def weights(tmp_path, gain=1000.0, name="gain"):
    torch.save({name: torch.tensor([gain])}, tmp_path / "musiq.pth")
    return str(tmp_path / "musiq.pth")


@pytest.mark.usefixtures("pyiqa")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("frames", [1, 5, 17])
def test_imaging_quality_is_the_mean_rating_over_a_hundred(tmp_path, mode, frames):
    clip = video(frames)[0]
    wanted = 10 * (clip[..., 1:] - clip[..., :-1]).abs().mean((1, 2, 3))
    metric = metrics.create("imaging_quality", weights=weights(tmp_path), mode=mode)
    for size in (1, 3, 32):
        found = metric.measure(clip.split(size))
        assert found.value == pytest.approx(wanted.mean().item(), abs=1e-6)
        assert list(found.curve) == pytest.approx(wanted.tolist(), abs=1e-6)
    assert max(shape[0] for shape in metric.network.shapes) <= 8
    assert metric.spec.encoder_sha256 == file_digest(tmp_path / "musiq.pth")
    assert metric.key == "imaging_quality[musiq-spaq]"


@pytest.mark.usefixtures("pyiqa")
@pytest.mark.parametrize("which", range(3))
def test_one_blurred_frame_lowers_it(tmp_path, which):
    clip = video(3)[0]
    bad = clip.clone()
    bad[which] = gaussian_blur(clip[which], 3.0)
    metric = metrics.create("imaging_quality", weights=weights(tmp_path))
    assert metric.measure([bad]).value < metric.measure([clip]).value - 0.01


@pytest.mark.usefixtures("pyiqa")
def test_ratings_off_the_scale_count_as_its_ends_unless_published(tmp_path):
    clip = video(2)[0]
    for gain, end in ((1e4, 1.0), (-1e4, 0.0)):
        fixed, published = (metrics.create("imaging_quality", weights=weights(tmp_path, gain), mode=m) for m in MODES)
        assert fixed.measure([clip]).value == end
        assert abs(published.measure([clip]).value - end) > 0.05
        assert published.spec.range[0] < 0 < 1 < published.spec.range[1]


@pytest.mark.parametrize("size", [(600, 800), (800, 600), (513, 300), (1080, 1920), (721, 1283), (1023, 777)])
def test_large_frames_are_shrunk_as_the_public_tool_does(size):
    frames = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    h, w = size
    scale = 512.0 / max(h, w)
    wanted = T.Resize((int(scale * h), int(scale * w)), antialias=False)(frames * 255) / 255
    assert torch.allclose(shrunk(frames, published=True), wanted, atol=1e-4)
    smoothed = shrunk(frames, published=False)
    assert max(smoothed.shape[-2:]) == 512
    assert smoothed.std() < wanted.std()


@pytest.mark.parametrize("size", [(512, 512), (300, 512), (37, 51)])
@pytest.mark.parametrize("published", [True, False])
def test_small_frames_stay_as_they_are(size, published):
    frames = torch.rand(1, 3, *size)
    assert shrunk(frames, published=published) is frames


@pytest.mark.usefixtures("pyiqa")
def test_other_weights_get_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="needs weights"):
        metrics.create("imaging_quality")
    with pytest.raises(UserError, match="there are no weights"):
        metrics.create("imaging_quality", weights=str(tmp_path / "none.pth"))
    for path, rule in (
        (weights(tmp_path, name="other"), "holds no weights of MUSIQ-SPAQ.*Missing key"),
        (__file__, "it is no file of tensors alone"),
    ):
        with pytest.raises(UserError, match=rule) as error:
            metrics.create("imaging_quality", weights=path)
        assert "\n" not in str(error.value)
    assert metrics.create("imaging_quality", weights=weights(tmp_path, name="module.gain"))  # trained in parallel


def test_without_the_package_it_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyiqa.archs.musiq_arch", None)
    with pytest.raises(UserError, match=r'needs the package pyiqa.*pip install "sn-eval\[quality\]"') as error:
        metrics.create("imaging_quality", weights=weights(tmp_path))
    assert "\n" not in str(error.value)


def test_the_real_network_takes_what_it_is_given(tmp_path):
    musiq = pytest.importorskip("pyiqa.archs.musiq_arch")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = musiq.MUSIQ(pretrained=False)
        nn.init.constant_(network.head.bias, 50.0)
    torch.save(network.state_dict(), tmp_path / "random.pth")
    frames = torch.rand(3, 3, 90, 130, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = network.eval()(frames)[:, 0] / 100
    found = metrics.create("imaging_quality", weights=str(tmp_path / "random.pth"), mode="reference").measure([frames])
    assert list(found.curve) == pytest.approx(wanted.tolist(), abs=1e-5)
