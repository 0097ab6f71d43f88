"""A small run that was really made: three prompts, three methods, the analytic model; with videos, traces and tiles."""

from pathlib import Path

from running import written

from sn_eval.poc.run import run

NAME = "hills"
PROMPTS = ("a hill", "a lake", "a <script>alert('road')</script> [link](https://example.com) $x$ {y}")
VIDEO_SECONDS = 33 / 8


def made(folder: Path) -> Path:
    """The run's folder, in `folder`; about seven seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    experiment = written(
        folder,
        name=NAME,
        methods=["plain", "best_of_n", "scaling_noise"],
        prompts=list(PROMPTS),
        seeds=[0],
        rollout={"use": "chunk", "params": {"steps": 3, "chunks": 8}},
        budget={"unit": "nfe", "amounts": [72]},
        acceptance=[{"evaluator": "red", "at_least": 0.5, "because": "redder than not"}],
        allow_same_family=True,
    )
    outcome = run(experiment, folder / NAME)
    assert outcome.finished, outcome
    return folder / NAME
