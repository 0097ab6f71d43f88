"""The rewards library is usable without sn_eval, and importing it stays light."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = (
    "sn_eval",
    "diffusers",
    "transformers",
    "sklearn",
    "open_clip",
    "timm",
    "scipy",
    "pandas",
    "torchvision",
)


def loaded(code: str) -> set[str]:
    """Which heavy packages a fresh interpreter has loaded after running this."""
    ask = f"{code}\nimport sys\nprint(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_naming_and_making_pixel_rewards_loads_nothing_heavy():
    code = (
        "import torch, rewards\n"
        "assert 'object_persistence' in rewards.names()\n"
        "r = rewards.create('tabletop_quality')\n"
        "x = torch.rand(1, 3, 3, 16, 16)\n"
        "assert r(x, ['a'], fps=8).values.shape == (1,)\n"
    )
    assert loaded(code) == set()


def test_the_encoder_reward_needs_timm_but_not_sn_eval():
    code = "import rewards\nr = rewards.create('anchor_consistency')\nassert r.spec.encoder"
    assert "sn_eval" not in loaded(code)
