"""An untrained tabletop model on disk: real code and layout, no training. It copies its first frame, plus noise."""

import random
from pathlib import Path

import torch

from sn_eval.tabletop.codec import PatchCodec
from sn_eval.tabletop.network import SpaceTimeUNet
from sn_eval.tabletop.render import render
from sn_eval.tabletop.scene import VOCABULARY, random_scene
from sn_eval.tabletop.train import Optimizer, Recipe, Training, save_weights


def write_untrained(folder: Path) -> Path:
    rng = random.Random(0)
    frames = render([random_scene(rng) for _ in range(6)], torch.arange(3.0).expand(6, -1) * 8).frames
    codec = PatchCodec().fit(frames.flatten(0, 1))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SpaceTimeUNet(vocabulary=len(VOCABULARY))
    training = Training(network, network, Optimizer(network, Recipe()), codec)
    save_weights(training, Recipe(), folder)
    return folder
