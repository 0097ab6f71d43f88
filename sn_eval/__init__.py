"""sn-eval: inference-time search for long videos, compared at equal cost, down to a decision."""

__version__ = "0.1.0"
