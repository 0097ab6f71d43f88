"""What a run costs, counted where no method can hide it: `Meter` wraps models, rollouts and rewards."""

from sn_eval.cost.meter import Meter

__all__ = ["Meter"]
