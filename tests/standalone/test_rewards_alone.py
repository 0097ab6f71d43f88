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
    "skops",
    "open_clip",
    "timm",
    "scipy",
    "pandas",
    "torchvision",
    "cv2",
    "yaml",
)
BLOCKED = ("sn_eval", "diffusers", "pydantic", "dashboard", "benchmarks")
CALL = "x = torch.rand(2, 3, 3, 32, 32)\nprint(r(x, ['a', 'b'], fps=8.0).values.shape)\n"


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(code: str) -> set[str]:
    """Which heavy packages a fresh interpreter has loaded after running this."""
    return set(run(f"{code}\nimport sys\nprint('LOADED', *(m for m in {HEAVY!r} if m in sys.modules))").split()[1:])


def alone(code: str) -> str:
    """What it prints where the rest of the project, and what that stands on, cannot be imported."""
    block = f"import sys\nsys.modules.update(dict.fromkeys({BLOCKED!r}))\nimport torch, rewards\n"
    return run(block + code)


def test_importing_it_loads_nothing_heavy():
    assert loaded("import torch, rewards") == set()


def test_naming_and_making_pixel_rewards_loads_nothing_heavy():
    code = (
        "import torch, rewards\n"
        "assert 'object_persistence' in rewards.names()\n"
        "r = rewards.create('tabletop_quality')\n"
        "x = torch.rand(1, 3, 3, 16, 16)\n"
        "assert r(x, ['a'], fps=8).values.shape == (1,)\n"
    )
    assert loaded(code) <= {"cv2"}  # optical flow, once it is called


def test_the_encoder_reward_needs_timm_but_not_sn_eval():
    code = "import rewards\nr = rewards.create('anchor_consistency')\nassert r.spec.encoder"
    assert "sn_eval" not in loaded(code)


def test_pixel_rewards_run_where_the_rest_is_blocked():
    names = ("object_persistence", "lighting_consistency", "motion_floor", "tabletop_quality")
    assert alone("".join(f"r = rewards.create({n!r})\n{CALL}" for n in names)) == "torch.Size([2])\n" * len(names)


def test_encoders_composites_templates_and_bridges_work_where_the_rest_is_blocked(tmp_path):
    code = (
        "r = rewards.create('anchor_consistency', encoder='imagenet-lite0@32')\n"
        f"{CALL}"
        "from rewards.bridges import TRLReward\n"
        "from rewards.templates import scaffold\n"
        f"files = scaffold.write('shop', 'signage_loop', {str(tmp_path)!r})\n"
        "use = f'{files[0]}:shop'\n"
        f"r = rewards.create(use)\n{CALL}"
        "print(len(TRLReward(use)(['a', 'b'], list(x))))\n"
    )
    assert alone(code).split() == ["torch.Size([2])", "torch.Size([2])", "2"]


def test_every_name_can_be_explained_where_the_rest_is_blocked():
    assert alone("print(all(rewards.describe(name).summary for name in rewards.names()))") == "True\n"
