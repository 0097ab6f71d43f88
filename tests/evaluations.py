"""Evaluations as `sn-eval evaluate` leaves them."""

from sn_eval.results.evaluation import Evaluation, Measure, VideoResult


def measure(name="subject_consistency", encoder=None, mode="fixed", **more) -> Measure:
    fields = {
        "key": f"{name}[{encoder}]" if encoder else name, "name": name, "mode": mode, "higher_is_better": True,
        "low": 0.0, "high": 1.0, "families": ("pixels",), "encoder": encoder,
    }  # fmt: skip
    return Measure(**(fields | more))


def video(name, values, **more) -> VideoResult:
    fields = {
        "video": name, "path": f"clips/{name}.mp4", "prompt": f"a {name}", "frames": 4, "fps": 8.0, "width": 64,
        "height": 48, "values": values,
    }  # fmt: skip
    return VideoResult(**(fields | more))


def evaluation(measures, videos, **more) -> Evaluation:
    fields = {"suite": "bundled", "mode": "fixed", "measures": tuple(measures), "videos": tuple(videos)}
    return Evaluation(**(fields | more))
