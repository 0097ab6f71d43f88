"""Experiment files for tests: one that has every part, and a small one that runs."""

FULL = """\
# every part of an experiment
name: full-example
about: Does the search pay?
model: {use: tabletop, params: {on: true}}
rollout:
  use: chunk
  params: {steps: 3, chunks: 2}
reward: tabletop_quality
evaluators:
  - use: anchor_consistency
    name: anchor
    params: {encoder: imagenet-lite0@96}
  - motion_floor
methods:
  - plain
  - use: best_of_n
    name: bon
    budget: solve
  - {use: scaling_noise, params: {beams: 1}}
baseline: plain
budget:
  unit: videos
  amounts: [2, 4]
  within: 0.05
prompts:
  - a red ball rolls to the left, on a wooden table
  - text: a blue cube turns, on a white table
    group: turning
    split: dev
  - text: two things happen
    group: story
    schedule:
      - a red ball rolls to the left
      - a red ball lies still
    image: null
seeds: [0, 1]
allow_same_family: false
acceptance:
  - evaluator: anchor
    at_least: 0.8
    at_most: 1.0
    groups: [turning, story]
    critical: true
    because: people see a change below it
labels: null
primary:
  - outcome: acceptance
    minimum_effect: 0.1
    method: bon
looks:
  at: [0.5, 1]
  spending: pocock
rules:
  confidence: 0.95
  chance_of_profit: 0.8
  no_worse:
    - evaluator: motion_floor
      margin: 0.05
  max_latency: 60
  max_failures: 0.05
prices:
  rate:
    value: 2.5
    currency: USD
    unit: GPU-hour
    as_of: 2026-04-01
    source: a price list
    illustrative: true
  utilisation: {value: 0.7, low: 0.5, high: 0.9, source: last month, as_of: 2026-04-01}
  currency: JPY
  exchange:
    of: USD
    to: JPY
    rate: 150
    on: 2026-03-02
    source: a bank
    illustrative: true
  tax_included: false
business:
  videos_per_month: {value: 100, source: plan}
  minutes_per_video: {value: 0.5, source: plan}
  attempts_cap: 4
  review: {value: 500, source: wages}
  rejection: {value: 200, source: wages}
  fallback: {value: 50000, low: 30000, high: 80000, source: an offer, illustrative: true}
  one_off: {value: 1000000, source: plan}
  monthly: {value: 20000, source: plan}
  discount: {value: 0.05, source: finance}
  ramp: [0.5, 1.0]
  months: 24
  compute_per_attempt: {value: null, source: unknown yet}
  tax: {value: 0.3, source: finance}
  deadline_hours: {value: 200, source: plan}
  fiscal_year_starts: 4
notes:
  asked_by: somebody
  on: 2026-04-01
"""
"""Every part and nearly every key; `line_of` finds a key's line by its text."""

SMALL = """\
name: small
model: tabletop
rollout: {use: chunk, params: {steps: 2, chunks: 2}}
reward: tabletop_quality
evaluators: [motion_floor]
methods: [plain, best_of_n]
budget: {unit: videos, amounts: [2]}
prompts:
  - text: a red ball rolls to the left, on a wooden table
    split: dev
  - a blue cube turns, on a white table
"""
"""Runs in seconds on the embedded model."""


def line_of(text: str, part: str) -> int:
    """Number of the only line that holds `part`."""
    lines = [number for number, line in enumerate(text.split("\n"), 1) if part in line]
    assert len(lines) == 1, (part, lines)
    return lines[0]


ANALYTIC = """\
name: analytic
model: {use: gaussian, params: {size: 16}}
rollout: {use: chunk, params: {steps: 4, chunks: 4}}
reward: experiment_rewards:bright
evaluators: [lighting_consistency]
methods: [plain, best_of_n, {use: scaling_noise, params: {look: 1}}]
budget: {unit: videos, amounts: [3], within: 0.2}
prompts:
  - {text: one, split: dev}
  - {text: two, split: dev}
  - three
seeds: [0, 1]
primary:
  - {outcome: lighting_consistency, minimum_effect: 0.02}
"""
"""Runs at once: the analytic model, measured by pixels."""
