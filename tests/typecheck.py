"""The type checker that jaxtyping's import hook uses under pytest: beartype, as mypy reads the types.

An int is a float there (PEP 484), and `typing.Self` is allowed on a method whose class is not decorated.
"""

from typing import Any, Self

from beartype import BeartypeConf, FrozenDict
from beartype import beartype as configure

beartype = configure(conf=BeartypeConf(is_pep484_tower=True, hint_overrides=FrozenDict({Self: Any})))
