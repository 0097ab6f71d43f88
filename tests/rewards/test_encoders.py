"""The bundled encoder is the real one: it knows a palace and a daisy."""

import pytest
import torch

from rewards.base import UserError
from rewards.encoders import create_encoder
from rewards.imagenet_encoder import lite0


@pytest.mark.parametrize(("picture", "label"), [("china.jpg", 698), ("flower.jpg", 985)])
def test_it_recognises_what_is_shown(picture, label):
    images = pytest.importorskip("sklearn.datasets")
    image = torch.tensor(images.load_sample_image(picture)).permute(2, 0, 1)[None] / 255
    image = image[
        ..., 106:533
    ]  # the middle square, as the network was trained; encoders of ours crop nothing
    features = create_encoder("imagenet-lite0")(image)
    assert features.shape == (1, 1280)
    assert lite0()[0].classifier(features).argmax().item() == label  # palace, daisy


def test_its_identity_is_on_record():
    encoder = create_encoder("imagenet-lite0@64")
    assert encoder.name == "imagenet-lite0@64"
    assert encoder.sha256.startswith("57934424")  # the digest that the file's own name carries
    assert create_encoder("imagenet-lite0").name == "imagenet-lite0"
    assert create_encoder("imagenet-lite0@64") is encoder


def test_leading_dimensions_are_kept_and_gradients_are_not():
    features = create_encoder("imagenet-lite0@64")(torch.rand(2, 3, 3, 32, 48).requires_grad_())
    assert features.shape == (2, 3, 1280)
    assert not features.requires_grad


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("imagenet-lite", "Did you mean 'imagenet-lite0'"),
        ("imagenet-lite0@50", "multiple of 32"),
        ("", "Known"),
    ],
)
def test_wrong_names_get_one_clear_line(name, rule):
    with pytest.raises(UserError, match=rule):
        create_encoder(name)
