"""Things found by phrases: what a detector's boxes make of a video, and the networks themselves, tiny and random."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rewarding import BLUE, RED, WINE, exposed, noisy, picture, score, still, video

import rewards
from rewards.base import UserError
from rewards.locating import phrase_detector
from rewards.locating.detector_locator import SAME, DetectorLocator, best_boxes, regions
from rewards.locating.phrase_detector import create_detector, create_segmenter

SHOW = "a ball"


class Scripted:
    """Knows where everything is: `truth[frame]` lists (box in pixels of 64, score); the same for every phrase."""

    name, threshold = "scripted", 0.2

    def __init__(self, truth):
        self.truth = truth

    def __call__(self, pictures, phrases):
        most = max(len(frame) for frame in self.truth) + 1
        boxes, scores = torch.zeros(len(pictures), most, 4), torch.zeros(len(pictures), most, len(phrases))
        for i in range(len(pictures)):
            for j, (box, sure) in enumerate(self.truth[i % len(self.truth)]):
                boxes[i, j], scores[i, j] = torch.tensor(box) / 64, sure
        return boxes, scores


class Discs:
    """A segmenter that knows that everything is round."""

    def __call__(self, pictures, boxes):
        step = (torch.arange(128) + 0.5) / 128
        left, top, right, bottom = boxes[..., None, None].unbind(-3)
        x = (2 * step - left - right) / (right - left).clamp(min=1e-6)
        y = (2 * step.unsqueeze(-1) - top - bottom) / (bottom - top).clamp(min=1e-6)
        return (torch.hypot(x, y) < 1).float()


def box(x, radius=6.0, y=46.0, score=0.8):
    """A thing of `picture` as a detector reports it."""
    return [x - radius, y - radius, x + radius, y + radius], score


def following(frames, *, start=18, speed=2, radius=6.0, **more):
    """What a detector reports of `video(frames)`."""
    return [[box(start + speed * t, radius, **more)] for t in range(frames)]


def make(**params):
    return rewards.create("object_persistence", **params)


def persistence(truth, segmenter=None):
    """object_persistence on scripted boxes; the anchor is `truth[0]`."""
    made = make()
    made.locator = DetectorLocator(Scripted(truth), segmenter, "imagenet-lite0@64", [SHOW])
    return made


ANCHOR, START = video(1, start=16), [box(16)]
KEPT = score(persistence([START, *following(8)]), video(8), ANCHOR)


# --- what the boxes make of a video ----------------------------------------------------------------------------------


@pytest.mark.parametrize("segmenter", [None, Discs()])
@pytest.mark.parametrize("colour", [RED, BLUE, WINE, (0.93, 0.8, 0.12)])
@pytest.mark.parametrize("kind", ["disc", "box"])
def test_a_thing_that_only_moves_keeps_its_score(kind, colour, segmenter):
    clip = video(9, start=16, kind=kind, colour=colour)
    made = persistence(following(9, start=16), segmenter if kind == "disc" else None)
    assert score(made, clip[:, 1:], clip[:, :1]) > 0.93


def test_scale_light_and_a_loose_box_do_not_matter():
    larger = persistence([START, *following(8, radius=7.5)])
    assert score(larger, video(8, radius=7.5), ANCHOR) > 0.9
    loose = persistence([START, *following(8, radius=6.4)])
    for stops in (-0.25, 0.25):
        assert score(loose, exposed(video(8), stops), ANCHOR) > 0.9


def test_it_falls_by_the_share_of_frames_without_the_thing():
    for gone in (2, 4, 8):
        made = persistence([START, *following(8 - gone), *([[]] * gone)])
        clip = torch.cat([video(8)[:, : 8 - gone], still(gone)], dim=1)
        assert score(made, clip, ANCHOR) == pytest.approx(KEPT * (8 - gone) / 8, abs=0.03)


def test_two_of_a_thing_count_as_two_although_they_touch():
    clip = torch.stack([picture([("disc", RED, 30, 46, 6.0), ("disc", RED, 41, 46, 6.0)])] * 8)[None]
    made = persistence([START, *([[box(30), box(41)]] * 8)])
    scores = made(clip, [SHOW], fps=8.0, anchor=ANCHOR)
    assert scores.parts["single"].item() == 0
    assert scores.values.item() == pytest.approx(KEPT / 2, abs=0.05)
    alone = persistence([[box(30), box(41)]] * 9)
    assert score(alone, clip, clip[:, :1]) > 0.93  # two from the start are no copies


def test_parts_groups_and_doubtful_boxes_are_no_copies():
    extra = [([12.0, 40.0, 40.0, 52.0], 0.5), ([15.0, 42.0, 21.0, 52.0], 0.7), box(50, score=0.3)]
    made = persistence([START, *([*frame, *extra] for frame in following(4))])
    assert score(made, video(4), ANCHOR) > 0.93


@pytest.mark.parametrize("segmenter", [None, Discs()])
def test_another_colour_or_shape_in_the_thing_s_place_is_another_thing(segmenter):
    made = persistence([START, *following(8)], segmenter)
    values = {"blue": video(8, colour=BLUE), "wine": video(8, colour=WINE), "box": video(8, kind="box")}
    values = {name: score(made, clip, ANCHOR) for name, clip in values.items()}
    assert values["blue"] < 0.35
    assert values["box"] < 0.55
    assert values["wine"] < KEPT - 0.15


def test_a_larger_and_surer_thing_beside_it_is_not_taken_for_it():
    beside = [("box", BLUE, 50, 46, 9.0)]
    clip = video(8, others=beside)
    made = persistence([START, *([*frame, box(50, 9.0, score=0.9)] for frame in following(8))])
    assert made(clip, [SHOW], fps=8.0, anchor=ANCHOR).parts["identity"].item() > 0.95


def test_what_the_anchor_does_not_show_is_not_scored():
    assert math.isnan(score(persistence([[], *following(8)]), video(8), ANCHOR))


def test_a_tiny_thing_and_one_behind_the_border_are_followed():
    truth = [[box(60 + t, 2.0)] for t in range(5)]
    clip = torch.stack([picture([("disc", RED, 60 + t, 46, 2.0)]) for t in range(5)])[None]
    located = persistence(truth).locator(clip, [SHOW], None)
    assert located.shown.tolist() == [[True]]
    assert located.found.areas[0, :, 0, 0].tolist() == pytest.approx([4 * w / 64**2 for w in (4, 4, 4, 3, 2)], rel=0.01)


def test_centres_and_areas_are_those_of_the_boxes():
    clip = torch.rand(1, 3, 3, 48, 96)
    located = persistence(following(3)).locator(clip, [SHOW], None)
    assert located.found.membership.shape == (1, 3, 1, 32, 64)
    centre = located.found.centre()[0, :, 0]
    assert torch.allclose(centre, torch.tensor([[18 / 64, 46 / 64], [20 / 64, 46 / 64], [22 / 64, 46 / 64]]), atol=1e-4)
    assert torch.allclose(located.found.areas[0, :, 0, 0], torch.tensor((12 / 64) ** 2), atol=1e-4)
    assert torch.equal(located.found.areas[0, :, 0, 1:], torch.zeros(3, 3))


def test_a_segmenter_s_mask_takes_the_box_s_place():
    found = persistence([START, []], Discs()).locator(video(2), [SHOW], None).found
    assert found.areas[0, 0, 0, 0].item() == pytest.approx(math.pi * 6**2 / 64**2, rel=0.08)  # the box: 27 % more
    assert found.membership[0, 1].max() == 0


def test_overlapping_instances_have_regions_of_their_own():
    masks = torch.zeros(1, 1, 1, 2, 4, 8)
    masks[..., 0, :, :4], masks[..., 1, :, 3:] = 1, 1
    found = regions(masks)
    assert found.labels[0, 0, 0, 0].tolist() == [1, 1, 1, 1, 2, 2, 2, 2]
    assert found.areas[0, 0, 0].tolist() == [0.5, 0.5, 0, 0]
    assert found.order[0, 0, 0, :2].tolist() == [1, 2]


def test_the_surest_of_overlapping_boxes_stays():
    boxes = torch.tensor([[[0.0, 0, 0.5, 0.5], [0.0, 0, 0.5, 0.55], [0.6, 0.6, 0.9, 0.9], [0.2, 0.2, 0.1, 0.1]]])
    kept, exists = best_boxes(boxes, torch.tensor([[[0.5], [0.9], [0.6], [0.95]]]), 0.1)
    assert exists.tolist() == [[[True, True, False, False]]]
    assert torch.equal(kept[0, 0, :2], boxes[0, [1, 2]])


def test_looks_do_not_depend_on_the_ground_but_on_the_thing():
    light, dark = (picture([("disc", RED, 30, 46, 6.0)], table=(c,) * 3) for c in (0.94, 0.13))
    clip = noisy(torch.stack([light, dark])[None])
    for segmenter in (None, Discs()):
        look = persistence([[box(30)]] * 2, segmenter).locator(clip, [SHOW], None).look[0, :, 0]
        assert torch.cosine_similarity(look[0], look[1], dim=0) > SAME


# --- what to look for ------------------------------------------------------------------------------------------------


class Asked(Scripted):
    """Remembers its phrases."""

    def __init__(self):
        super().__init__([START])
        self.asked = []

    def __call__(self, pictures, phrases):
        self.asked.append((len(pictures), tuple(phrases)))
        return super().__call__(pictures, phrases)


def test_phrases_come_from_metadata_then_the_parameter_then_the_prompt():
    clips = ANCHOR.expand(3, 2, -1, -1, -1)
    detector = Asked()
    locate = DetectorLocator(detector, None, "imagenet-lite0@64", None)
    two = {"objects": ["a ball", "a cup"]}
    located = locate(clips, ["a ball rolls"] * 3, [two, {}, two])
    assert detector.asked == [(4, ("a ball", "a cup")), (2, ("a ball rolls",))]  # one call for those that ask the same
    assert located.shown.tolist() == [[True, True], [True, False], [True, True]]
    DetectorLocator(detector, None, "imagenet-lite0@64", ["a mug"])(clips, ["a ball rolls"] * 3, [{}] * 3)
    assert detector.asked[-1] == (6, ("a mug",))


@pytest.mark.parametrize(
    ("prompt", "objects", "rule"),
    [(" ", None, "nothing to look for"), ("a", [], r"nothing to look for: \[\]"), ("a", ["a", "."], "nothing to look"),
     ("a", "a ball", "list of texts.*'a ball'"), ("a", [3], "list of texts.*3"), ("a", 3, "list of texts.*3")],
)  # fmt: skip
def test_nothing_to_look_for_gets_one_clear_line(prompt, objects, rule):
    with pytest.raises(UserError, match=rule) as error:
        score(rewarded_by(START), ANCHOR, prompt=prompt, metadata=[{"objects": objects}])
    assert "\n" not in str(error.value)


def rewarded_by(frame):
    """object_persistence that takes its phrases from prompts."""
    made = persistence([frame])
    made.locator.objects = None
    return made


# --- the networks, tiny and random, read from folders as transformers writes them ------------------------------------

WORDS = ["a", "red", "blue", "ball", "glass", "table"]
SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def save_owl(path: Path, kind: str) -> None:
    """OWL-ViT or OWLv2, with a tokenizer of letters."""
    import transformers as hf

    letters = sorted(set("".join(WORDS)))
    tokens = ["!", *letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = hf.CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[], pad_token="!")
    n, name = len(tokens), {"owlvit": "OwlViT", "owlv2": "Owlv2"}[kind]
    special = {"bos_token_id": n - 2, "eos_token_id": n - 1, "pad_token_id": 0}
    text = {**SMALL, **special, "vocab_size": n, "max_position_embeddings": 16}
    vision = {**SMALL, "image_size": 32, "patch_size": 8}
    config = getattr(hf, f"{name}Config")(text_config=text, vision_config=vision, projection_dim=16)
    model = getattr(hf, f"{name}ForObjectDetection")(config)
    torch.nn.init.zeros_(model.box_head.dense2.weight)  # each patch offers itself: random boxes are slivers
    torch.nn.init.zeros_(model.box_head.dense2.bias)
    model.save_pretrained(path)
    size = {"height": 32, "width": 32}
    images = getattr(hf, f"{name}ImageProcessor")(size=size, crop_size=size)
    getattr(hf, f"{name}Processor")(images, tokenizer).save_pretrained(path)


def save_grounding_dino(path: Path) -> None:
    """Grounding DINO; it knows BERT's own numbers of the special tokens, so the vocabulary keeps them."""
    import transformers as hf

    tokens = [f"[unused{i}]" for i in range(1100)]
    tokens[1040 : 1040 + len(WORDS)] = WORDS
    for i, token in {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}.items():
        tokens[i] = token
    tokenizer = hf.BertTokenizer(vocab={token: i for i, token in enumerate(tokens)})
    swin = hf.SwinConfig(image_size=64, embed_dim=8, depths=[1] * 4, num_heads=[1, 1, 2, 2], window_size=4,
                         out_indices=[2, 3, 4])  # fmt: skip
    few = {"num_queries": 10, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16,
           "encoder_attention_heads": 2, "decoder_attention_heads": 2, "d_model": 32}  # fmt: skip
    config = hf.GroundingDinoConfig(
        backbone_config=swin, text_config=hf.BertConfig(**SMALL, vocab_size=1100), max_text_len=32, **few
    )
    hf.GroundingDinoForObjectDetection(config).save_pretrained(path)
    images = hf.GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    hf.GroundingDinoProcessor(images, tokenizer).save_pretrained(path)


def save_sam2(path: Path) -> None:
    """SAM 2 for pictures of 64 × 64."""
    import transformers as hf

    backbone = hf.Sam2HieraDetConfig(
        hidden_size=8, image_size=[64, 64], blocks_per_stage=[1] * 4, embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2], global_attention_blocks=[], window_size_per_stage=[4, 4, 4, 2],
    )  # fmt: skip
    vision = hf.Sam2VisionConfig(backbone_config=backbone, backbone_channel_list=[64, 32, 16, 8],
                                 backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]], fpn_hidden_size=16)  # fmt: skip
    decoder = {"hidden_size": 16, "mlp_dim": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
               "iou_head_hidden_dim": 16}  # fmt: skip
    prompts = {"hidden_size": 16, "image_size": 64, "mask_input_channels": 4}
    model = hf.Sam2Model(
        hf.Sam2Config(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    )
    for matrix in (parameter for parameter in model.parameters() if parameter.ndim > 1):
        torch.nn.init.normal_(matrix, std=0.2)  # with the usual 0.02 every mask is 0.5 everywhere
    model.save_pretrained(path)
    hf.Sam2Processor(hf.Sam2ImageProcessor(size={"height": 64, "width": 64})).save_pretrained(path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One folder for each network."""
    root = tmp_path_factory.mktemp("networks")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for kind in ("owlvit", "owlv2"):
            save_owl(root / kind, kind)
        save_grounding_dino(root / "grounding_dino")
        save_sam2(root / "sam2")
    return root


NETWORKS = [("owl", "owlvit"), ("owl", "owlv2"), ("grounding_dino", "grounding_dino")]


@pytest.fixture(params=NETWORKS, ids=[folder for _, folder in NETWORKS])
def network(request, folders):
    """Kind and folder of a detector."""
    return SimpleNamespace(kind=request.param[0], path=str(folders / request.param[1]))


def wide(frames=3):
    return torch.nn.functional.interpolate(video(frames)[0], (48, 96))


def test_a_detector_answers_each_phrase(network):
    detector = create_detector(network.kind, network.path)
    boxes, scores = detector(wide(), ["a red ball", "a glass"])
    n, q, k = scores.shape
    assert (n, k, boxes.shape) == (3, 2, (3, q, 4))
    assert bool(((scores >= 0) & (scores <= 1)).all())
    assert not torch.allclose(scores[..., 0], scores[..., 1], atol=1e-4)
    turned = detector(wide(), ["a glass", "a red ball"])[1]
    assert torch.allclose(turned[..., :1].flip(-1), scores[..., 1:], atol=1e-4)
    assert not detector.network.training


def test_pictures_in_one_pass_or_one_by_one_are_the_same(network, monkeypatch):
    detector = create_detector(network.kind, network.path)
    monkeypatch.setitem(phrase_detector.PICTURES, "cpu", 16)
    together = detector(wide(), ["a red ball"])
    alone = [detector(one[None], ["a red ball"]) for one in wide()]
    for whole, parts in zip(together, zip(*alone, strict=True), strict=True):
        assert torch.allclose(whole, torch.cat(parts), atol=1e-4)


def test_boxes_and_scores_are_those_of_transformers(network):
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    model = AutoModelForZeroShotObjectDetection.from_pretrained(network.path).eval()
    processor = AutoProcessor.from_pretrained(network.path)
    boxes, scores = create_detector(network.kind, network.path)(wide(1), ["a red ball"])
    words = slice(1, 4) if network.kind == "grounding_dino" else slice(1)  # its first piece is [CLS]
    inputs = processor(images=list(wide(1)), text=[["a red ball"]], do_rescale=False, return_tensors="pt")
    with torch.no_grad():
        out = model(**inputs)
    found = processor.post_process_grounded_object_detection(out, threshold=0, target_sizes=[(48, 96)])
    assert torch.allclose(boxes[0] * torch.tensor([96.0, 48, 96, 48]), found[0]["boxes"], atol=1e-3)
    assert torch.allclose(scores[..., 0], out.logits[..., words].sigmoid().amax(-1), atol=1e-5)


@pytest.mark.parametrize("segmented", [False, True])
def test_object_persistence_on_a_network(network, folders, segmented):
    segmenter = str(folders / "sam2") if segmented else None
    made = make(locator=network.kind, weights=network.path, segmenter=segmenter, encoder="imagenet-lite0@64")
    clips = torch.cat([video(3), video(3, colour=BLUE, start=40)])
    ask = [{"objects": ["a red ball", "a glass"]}, {}]
    both = made(clips, ["a ball", "a blue ball"], fps=8.0, metadata=ask)
    again = made(clips, ["a ball", "a blue ball"], fps=8.0, metadata=ask)
    alone = [made(clips[i : i + 1], [["a ball"], ["a blue ball"]][i], fps=8.0, metadata=ask[i : i + 1]) for i in (0, 1)]
    assert bool((both.values > 0).all())
    assert torch.equal(both.values, again.values)
    assert torch.allclose(both.values, torch.cat([x.values for x in alone]), atol=made.spec.batch_tolerance)
    assert made.spec.families == (f"detector:{network.path}", "encoder:imagenet-lite0")
    assert (made.spec.cost, made.spec.encoder) == ("large network", "imagenet-lite0@64")


def test_a_segmenter_makes_a_mask_of_each_box(folders):
    boxes = torch.tensor([[0.1, 0.1, 0.4, 0.5], [0.5, 0.5, 0.9, 0.9]]).expand(3, -1, -1)
    segmenter = create_segmenter(str(folders / "sam2"))
    masks = segmenter(wide(), boxes)
    assert masks.shape == (3, 2, 16, 16)
    assert bool(((masks >= 0) & (masks <= 1)).all())
    assert not torch.allclose(masks[:, 0], masks[:, 1], atol=1e-3)
    assert torch.allclose(masks[:, 1:], segmenter(wide(), boxes[:, 1:]), atol=1e-5)


def test_masks_are_those_of_transformers(folders):
    from transformers import Sam2Model, Sam2Processor

    model, processor = (x.from_pretrained(folders / "sam2") for x in (Sam2Model, Sam2Processor))
    inputs = processor(images=list(wide(1)), input_boxes=[[[9.6, 4.8, 38.4, 24.0]]], do_rescale=False,
                       return_tensors="pt")  # fmt: skip
    sizes = inputs.pop("original_sizes")
    with torch.no_grad():
        wanted = model.eval()(**inputs, multimask_output=False).pred_masks[:, :, 0].sigmoid()
    assert sizes.tolist() == [[48, 96]]
    made = create_segmenter(str(folders / "sam2"))(wide(1), torch.tensor([[[0.1, 0.1, 0.4, 0.5]]]))
    assert torch.allclose(made, wanted, atol=1e-5)


# --- what can be wrong -----------------------------------------------------------------------------------------------


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ({"locator": "owl"}, "locator 'owl' needs weights: a folder, or a hub id such as google/owlv2"),
        ({"locator": "grounding_dino"}, "needs weights.*IDEA-Research/grounding-dino-tiny"),
        ({"locator": "owl", "weights": "/nowhere"}, "cannot load owl from '/nowhere'.*Name a folder"),
        ({"locator": "owl", "weights": "nobody/nothing"}, "cannot load owl from 'nobody/nothing'.*hub id such as"),
        ({"weights": "google/owlv2-base-patch16"}, "locator 'colour' has no weights.*'owl' or 'grounding_dino'"),
        ({"locator": "feature", "objects": ["a ball"]}, "locator 'feature' has no objects"),
        ({"locator": "owlvit"}, "locator must be one of 'colour', 'feature', 'owl', 'grounding_dino'"),
    ],
)
def test_wrong_parameters_get_one_clear_line(offline, params, rule):
    with pytest.raises(UserError, match=rule) as error:
        make(**params)
    assert "\n" not in str(error.value)


def test_another_network_s_folder_is_named_as_such(folders):
    with pytest.raises(UserError, match="holds a model of type 'grounding-dino'; owl needs owlvit or owlv2, such as"):
        make(locator="owl", weights=str(folders / "grounding_dino"))
    with pytest.raises(UserError, match="type 'owlvit'; sam2 needs sam2"):
        make(locator="owl", weights=str(folders / "owlvit"), segmenter=str(folders / "owlvit"))


def test_weights_that_are_not_all_there_are_refused(folders, tmp_path):
    from transformers import AutoModelForZeroShotObjectDetection

    model = AutoModelForZeroShotObjectDetection.from_pretrained(folders / "owlvit")
    model.owlvit.save_pretrained(tmp_path / "half")
    with pytest.raises(UserError, match="lacks .* weights of owl, .* save the whole OwlViTForObjectDetection"):
        make(locator="owl", weights=str(tmp_path / "half"))
    model.save_pretrained(tmp_path / "bare")
    with pytest.raises(UserError, match="cannot load owl from .*bare.*the processor's files") as error:
        make(locator="owl", weights=str(tmp_path / "bare"))
    assert "\n" not in str(error.value)


def test_broken_files_get_one_clear_line(folders, tmp_path):
    model = tmp_path / "model.safetensors"
    for file in (folders / "sam2").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    model.write_bytes(b"no weights")
    with pytest.raises(UserError, match="cannot load sam2 from") as error:
        create_segmenter(str(tmp_path))
    assert "\n" not in str(error.value)


def test_phrases_too_long_to_be_read_whole_are_refused(network):
    detector = create_detector(network.kind, network.path)
    with pytest.raises(UserError, match="reads up to .* word pieces.*Name the things shortly") as error:
        detector(wide(), ["a red ball and a blue glass on a table " * 4])
    assert "\n" not in str(error.value)
