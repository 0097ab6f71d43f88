"""Is the scene that of the picture that the video was made from? VBench-I2V's background score.

Source: VBench++ (arXiv:2411.13503), image-to-video part: the subject's formula on DreamSim's features of the whole
picture.
"""

from rewards.registry import component
from sn_eval.metrics.i2v_subject import WEIGHTS, FromPicture
from sn_eval.results.evaluation import Mode


@component("i2v_background")
class I2VBackground(FromPicture):
    """Likeness to the picture that the video was made from, and of neighbouring frames, by how it looks; 0..1.

    .4·L + .3·mean + .3·min of cos+(t−1, t); L is the mean of cos+(picture, t) over frames, in mode "reference" their
    maximum, as published. That mode also resizes as VBench does (bicubic, no antialias). encoder: the published one,
    DreamSim, is not offered here; the default sees colour, texture and sharpness rather than where things stand.
    weights: of the three terms. The curve is cos+(picture, t). Every video needs its picture. NaN for a single frame.
    """

    def __init__(
        self, encoder: str = "imagenet-lite0-early@96", weights: tuple[float, ...] = WEIGHTS, mode: Mode = "fixed"
    ) -> None:
        super().__init__("i2v_background", encoder, weights, mode, "bicubic", ("blur", "colour_drift"))
