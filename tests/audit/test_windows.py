"""A window played as it is is the render itself; each edit does what it says to the subject, and nothing else."""

import pytest
import torch
from torch import Tensor

from sn_eval.audit import windows
from sn_eval.audit.windows import FRAMES, Edit, EventEdit, Layer, Stage, ball, event_windows, sticker, tabletop_windows
from sn_eval.tabletop.render import render

SIZE = (48, 64)


@pytest.fixture(scope="module")
def rendered():
    """Some windows, each with the scene and the times that it was rendered from."""
    real, drawn = windows.render, []

    def seen(scenes, times):
        drawn.append((scenes, times))
        return real(scenes, times)

    windows.render = seen
    try:
        pairs = []
        for index in range(12):
            drawn.clear()
            window = windows._tabletop(index)
            scenes, times = next(asked for asked in drawn if asked[0][0].things)  # the first one with its thing
            pairs.append((window, scenes, times))
    finally:
        windows.render = real
    return pairs


def stage(background: Tensor | None = None, x: Tensor | None = None) -> Stage:
    """A red ball on grey, at x (pixels), that may be swapped for a blue one."""
    x = torch.full((5,), 20.0) if x is None else x
    centre = torch.stack([x, torch.full_like(x, 24.0)], -1)
    grey = torch.full((len(x), 3, *SIZE), 0.5) if background is None else background
    own, other = (ball(centre, 6.0, SIZE, colour) for colour in ((0.9, 0.1, 0.1), (0.1, 0.1, 0.9)))
    return Stage(grey, own, other, "green")


def centre_of(picture: Tensor, background: Tensor) -> tuple[float, float]:
    """(x, y) of what differs from the background, in pixels; found by its difference alone."""
    weight = (picture - background).abs().sum(0)
    weight = weight * (weight > 0.02)
    h, w = weight.shape
    x = (weight.sum(0) * (torch.arange(w) + 0.5)).sum() / weight.sum()
    y = (weight.sum(1) * (torch.arange(h) + 0.5)).sum() / weight.sum()
    return x.item(), y.item()


def test_without_an_edit_a_window_is_the_render(rendered):
    for window, scenes, times in rendered:
        picture = render(scenes, times).frames[0]
        assert (window.video - picture).abs().max() < 1e-6, window.name
        assert window.video.shape == (FRAMES + 1, 3, 64, 64)


def test_without_its_subject_a_window_is_the_empty_scene(rendered):
    for window, _, _ in rendered[:4]:
        assert torch.equal(window.stage.play(Edit("absent")), window.stage.background)


def test_the_same_windows_come_in_every_run():
    for one, two in zip(tabletop_windows(3), tabletop_windows(3), strict=True):
        assert (one.name, one.prompt) == (two.name, two.prompt)
        assert torch.equal(one.video, two.video)


def test_windows_are_not_all_alike():
    made = tabletop_windows(12)
    assert len({w.prompt for w in made}) == 12
    assert len({w.subject.split()[-1] for w in made}) == 3
    assert all(w.stage.visitor_colour != w.subject.split()[0] for w in made)  # the visitor looks unlike the subject


def test_metadata_says_where_the_subject_is_and_whether_it_moves(rendered):
    for window, scenes, times in rendered:
        mask = render(scenes, times).masks[0, :, 0]
        told = window.metadata
        assert torch.equal(told["mask"], mask[0] > 0.5)
        rows, columns = torch.nonzero(mask[-1] > 0.5, as_tuple=True)
        x, y = told["path"][-1]
        assert x * 64 == pytest.approx(columns.float().mean().item() + 0.5, abs=0.5)
        assert y * 64 == pytest.approx(rows.float().mean().item() + 0.5, abs=0.5)
        assert (told["minimum_motion"] > 0) == ("still" not in window.prompt), window.prompt


def test_a_layer_moves_by_the_pixels_it_is_told_and_grows_about_its_centre():
    made = stage()
    shift = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 7.0], [-3.5, 2.5], [0.0, 0.0]])
    scale = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.5])
    moved = made.own.warped(shift, scale)
    shown = moved.over(made.background)
    x0, y0 = centre_of(shown[0], made.background[0])
    for t in range(4):
        x, y = centre_of(shown[t], made.background[t])
        assert (x - x0, y - y0) == pytest.approx(shift[t].tolist(), abs=0.05)
    assert moved.alpha[4].sum() == pytest.approx(1.5**2 * moved.alpha[0].sum().item(), rel=0.02)
    assert torch.allclose(moved.centre, made.own.centre + shift)
    assert centre_of(shown[4], made.background[4]) == pytest.approx((x0, y0), abs=0.3)


def test_a_shadow_goes_with_its_thing_and_the_rest_stays():
    window = next(w for w in tabletop_windows(12) if "white table" in w.prompt and "still" in w.prompt)
    made, dx = window.stage, torch.full((FRAMES + 1,), 0.125)
    moved = made.play(Edit(dx=dx if float(made.path[0, 0]) < 32 else -dx))
    step = 8 if float(made.path[0, 0]) < 32 else -8
    fallen, fallen_too = ((made.background - shown)[0].sum(0) for shown in (window.video, moved))
    assert torch.allclose(fallen_too.roll(-step, 1)[:, 8:-8], fallen[:, 8:-8], atol=0.12)
    far = (made.own.alpha[0] == 0) & (made.own.shade[0] > 0.999).all(0)
    far = far & far.roll(step, 1)
    assert torch.allclose(moved[0][:, far], made.background[0][:, far], atol=2e-3)


def test_a_twin_stands_beside_and_the_other_takes_the_subjects_place():
    made = stage()
    double = made.play(Edit(twin=True))
    assert torch.equal(double[..., :35], made.play()[..., :35])
    x, _ = centre_of(double[0][..., 35:], made.background[0][..., 35:])
    assert x + 35 == pytest.approx(20 + 0.4 * 64, abs=0.3)
    other = made.play(Edit("other"))
    assert centre_of(other[0], made.background[0]) == pytest.approx((20, 24), abs=0.6)
    assert other[0, 2, 24, 20] > other[0, 0, 24, 20]


def test_a_subject_that_is_held_stands_where_it_was_while_the_background_goes_on():
    background = torch.linspace(0.2, 0.8, 5).view(5, 1, 1, 1).expand(5, 3, *SIZE)
    made = stage(background, torch.linspace(15, 45, 5))
    held = made.play(Edit(still=True))
    assert torch.equal(held[0], made.play()[0])
    assert torch.equal(held[:, :, 24, 15], held[:1, :, 24, 15].expand(5, -1))
    assert torch.allclose(held[:, :, 2, 2], background[:, :, 2, 2])


def test_a_visitor_stands_far_from_the_subject_and_comes_and_goes_by_the_border():
    made = stage()
    there, comes, goes = (made.play(Edit(visitor=does)) != made.play() for does in ("stands", "enters", "leaves"))
    assert there[0][..., 40:].any()
    assert not there[..., :40].any()
    assert not comes[0].any()
    assert torch.equal(goes[0], there[0])
    assert torch.equal(comes[-1], there[-1])
    assert not goes[-1].any()
    subject = made.own.alpha.unsqueeze(1).expand(-1, 3, -1, -1) == 1
    assert not (there & subject).any()  # it stays behind the subject


@pytest.mark.parametrize("round_", [True, False])
def test_a_sticker_shows_its_texture_at_its_place_in_square_pixels(round_):
    texture = torch.stack([torch.linspace(0, 1, 32).expand(32, 32), torch.zeros(32, 32), torch.ones(32, 32)])
    layer: Layer = sticker(texture, torch.tensor([[30.0, 20.0]]), 8.0, SIZE, round_)
    rows, columns = torch.nonzero(layer.alpha[0] > 0.5, as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (12, 27, 22, 37)
    area = layer.alpha.sum().item()
    assert area == pytest.approx(torch.pi * 64 if round_ else 256, rel=0.02)
    assert layer.rgb[0, 0, 20, 24] < layer.rgb[0, 0, 20, 30] < layer.rgb[0, 0, 20, 36]
    assert layer.rgb[0, 2, 20, 30] == pytest.approx(1.0, abs=1e-6)


# --- windows with an event --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def glasses():
    return event_windows(2)


def changed(video: Tensor) -> list[int]:
    """Frames that differ from the anchor."""
    return torch.nonzero((video - video[:1]).abs().amax((1, 2, 3)) > 0.05).flatten().tolist()


def test_even_glasses_tip_and_odd_ones_stand(glasses):
    tips, stands = glasses
    assert "tips" in tips.prompt
    assert "stands" in stands.prompt
    assert changed(tips.video)[0] == 4  # it begins at frame 3
    assert changed(tips.video)[-1] == FRAMES
    assert changed(stands.video) == []


def test_an_event_can_be_stopped_short_brought_about_or_made_late(glasses):
    tips, stands = glasses
    assert changed(tips.events(EventEdit(spilt=0.0))) == []
    assert changed(stands.events(EventEdit(spilt=1.0)))[0] == 4
    assert changed(tips.events(EventEdit(late=5.0)))[0] == 9
    half = tips.events(EventEdit(spilt=0.5))
    full = tips.events(EventEdit(spilt=1.0))
    ends = [(v[-1] - v[0]).abs().mean().item() for v in (half, full)]
    assert 0 < ends[0] < ends[1]
    assert torch.allclose(full, tips.video)
    assert torch.equal(half[:6], full[:6])  # until it stops, it goes the same way


def test_a_glass_has_company_without_any_effect_on_the_event(glasses):
    tips, _ = glasses
    alone, both = tips.video, tips.events(EventEdit(visitor=True))
    differs = (alone != both).any(1)
    assert differs.any()
    side = float(tips.stage.path[0, 0]) > 32
    assert not differs[..., 20:].any() if side else not differs[..., :44].any()
