"""What a frame's captions say is what the frame shows; the loss ranks true over false; a training can be stopped."""

import gzip
import json
import random
from dataclasses import replace

import pytest
import torch

from rewards.base import UserError
from rewards.encoders import create_encoder
from sn_eval.tabletop import captions, train_clip
from sn_eval.tabletop.captions import FACTS, GROUPS, INDEX, Statement
from sn_eval.tabletop.codec import PatchCodec
from sn_eval.tabletop.scene import Description, Thing, complete, random_scene
from sn_eval.tabletop.train_clip import ClipRecipe, contrast

TINY = ClipRecipe(
    batch=8, captions=4, width=8, layers=(1, 1, 1, 1), text_width=32, text_layers=1, embed=16,
    scenes_at_start=4, scenes_a_step=1, most_frames=64, warmup=1,
)  # fmt: skip


def facts_at(scene, *times):
    return captions.look([scene], torch.tensor([times])).facts[0]


def value(facts, fact):
    return facts[:, INDEX[fact]].tolist()


# --- captions ---------------------------------------------------------------------------------------------


def test_a_frame_is_described_as_it_is_then():
    said = Description((Thing("glass", None, "tips"), Thing("ball", "red")), "marble", "mint", "warm", dims=True)
    scene = replace(complete(said, random.Random(0)), tips_at=5.0, dims_at=6.0)
    facts = facts_at(scene, 0.0, 9.5, 30.0)
    assert value(facts, "upright") == [1, -1, 0]  # -1: while it falls nothing is said
    assert value(facts, "clean") == [1, -1, 0]
    assert value(facts, "spilled") == [0, -1, 1]
    assert value(facts, "bright") == [1, -1, 0]
    assert value(facts, "dim") == [0, -1, 1]
    for fact in ("glass", "ball", "red ball", "warm light", "marble table", "mint wall"):
        assert value(facts, fact) == [1, 1, 1]
    for fact in ("cube", "blue ball", "red cube", "cool light", "black table"):
        assert value(facts, fact) == [0, 0, 0]


def test_without_a_glass_nothing_stands_and_nothing_is_spilled():
    facts = facts_at(complete(Description((Thing("cube", "blue"),)), random.Random(1)), 0.0, 30.0)
    assert value(facts, "upright") == value(facts, "spilled") == [0, 0]
    assert value(facts, "clean") == [1, 1]


def test_of_two_balls_both_are_there_and_one_kind():
    scene = complete(Description((Thing("ball", "red", "right"), Thing("ball", "green"))), random.Random(2))
    facts = facts_at(scene, 0.0)
    assert value(facts, "ball") == value(facts, "red ball") == value(facts, "green ball") == [1]


def test_how_far_an_event_has_gone_rises_from_0_to_1():
    scene = complete(Description((Thing("glass", None, "tips"),), dims=True), random.Random(3))
    degree = captions.look([scene], torch.arange(45.0)[None]).degree[0]
    assert degree[0].tolist() == [0, 0]
    assert degree[-1].tolist() == pytest.approx([1, 1], abs=1e-5)
    assert (degree.diff(dim=0) >= -1e-6).all()


def test_a_caption_of_a_frame_is_true_of_it_and_a_changed_one_is_not():
    rng = random.Random(4)
    scenes = [captions.training_scene(rng) for _ in range(12)]
    facts = captions.look(scenes, torch.tensor([[30.0]] * 12)).facts[:, 0]
    for row in facts:
        made = captions.caption(row, rng)
        assert captions.truth(row[None], [made]).item() == 1
        wrong = next(fact for fact in GROUPS["wall"] if row[INDEX[fact]] == 0)
        assert captions.truth(row[None], [Statement("", (*made.facts, wrong))]).item() == 0


def test_every_fact_has_phrases_and_every_word_is_one_token(tmp_path):
    from open_clip import SimpleTokenizer

    assert set(captions.PHRASES) == set(FACTS)
    train_clip.write_merges(tmp_path / "bpe.txt.gz")
    tokenizer = SimpleTokenizer(str(tmp_path / "bpe.txt.gz"), context_length=8)
    assert all(len(tokenizer.encode(word)) == 1 for word in captions.words())
    assert tokenizer.decode(tokenizer.encode("a xylophone spills")) == "a xylophone spills "  # others in pieces
    assert gzip.decompress((tmp_path / "bpe.txt.gz").read_bytes()).startswith(b"#version")


def test_training_scenes_show_each_kind_and_each_event_often():
    rng = random.Random(5)
    scenes = [captions.training_scene(rng) for _ in range(400)]
    share = lambda holds: sum(map(holds, scenes)) / 400  # noqa: E731
    for kind in GROUPS["kind"]:
        assert share(lambda s, kind=kind: any(t.kind == kind for t in s.things)) > 0.25
    assert share(lambda s: s.tips_at is not None) > 0.15
    assert share(lambda s: s.dims) > 0.3


# --- frames and loss --------------------------------------------------------------------------------------


def codec():
    rng = random.Random(0)
    frames = captions.look([random_scene(rng) for _ in range(8)], torch.tensor([[0.0, 20.0]] * 8)).frames
    return PatchCodec().fit(frames.flatten(0, 1))


def test_decoded_and_altered_frames_stay_pictures_and_near():
    rng = torch.Generator().manual_seed(0)
    frames = captions.look([random_scene(random.Random(1))] * 4, torch.zeros(4, 1)).frames[:, 0]
    quiet = replace(TINY, decoded=1.0, latent_noise=0.0)
    through = train_clip.decoded(frames, codec(), quiet, rng)
    assert 0 < (through - frames).abs().mean() < 0.02
    altered = train_clip.augmented(frames, rng)
    assert altered.shape == frames.shape
    assert (altered.min() >= 0, altered.max() <= 1) == (True, True)
    assert not torch.allclose(altered[0], altered[1], atol=0.05)  # each in its own way


def test_the_loss_counts_only_what_is_known():
    logits = torch.tensor([[3.0, 0.0, 99.0], [0.0, 5.0, -99.0]], requires_grad=True)
    loss = contrast(logits, torch.tensor([[1, 0, -1], [-1, -1, -1]], dtype=torch.int8))
    assert loss.item() == pytest.approx(torch.log1p(torch.tensor(-3.0).exp()).item())
    loss.backward()
    assert logits.grad[:, 2].tolist() == [0, 0]
    assert logits.grad[1].tolist() == [0, 0, 0]


def test_an_event_is_learned_by_degrees():
    logits = torch.zeros(1, 2, requires_grad=True)
    optimizer = torch.optim.SGD([logits], 2.0)
    for _ in range(300):
        optimizer.zero_grad()
        train_clip.by_degree(logits, torch.tensor([0.3])).sum().backward()
        optimizer.step()
    assert logits.softmax(1)[0, 1].item() == pytest.approx(0.3, abs=0.01)


# --- training ---------------------------------------------------------------------------------------------


def test_training_writes_what_open_clip_loads_and_goes_on_where_it_stopped(tmp_path):
    import open_clip

    losses = []
    on_step = lambda training, loss, done: losses.append(loss)  # noqa: E731
    first = train_clip.train(tmp_path, 0.02, codec(), TINY, on_step=on_step)
    assert first.step == len(losses) >= 1
    model = open_clip.create_model(f"local-dir:{tmp_path}").eval()
    encoder = create_encoder(f"open_clip:{tmp_path}")
    frames = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(encoder(frames), model.encode_image(frames * 2 - 1), atol=1e-5)
    assert encoder.prepare.fit == "square"
    assert encoder.text(["a red ball"]).shape == (1, 16)
    told = json.loads((tmp_path / "open_clip_config.json").read_text())
    assert told["training"]["steps"] == first.step
    again = train_clip.train(tmp_path, 0.04, codec(), TINY)
    assert again.step > first.step
    assert again.seconds > first.seconds


def test_a_damaged_checkpoint_is_one_clear_line(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="cannot resume from .*Remove the file") as error:
        train_clip.train(tmp_path, 0.01, codec(), TINY)
    assert "\n" not in str(error.value)
