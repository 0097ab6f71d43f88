"""Every model, rollout, proposal and search method can be found, explained, misspelt and added to."""

import pytest
from searching import made

from rewards.base import UserError
from sn_eval import models, proposals, rollouts, search
from sn_eval.interfaces import NoiseProposal, Rollout, SearchMethod, StepwiseModel
from sn_eval.models.gaussian import GaussianModel

REGISTRIES = [models, proposals, rollouts, search]
ALL = [(registry, name) for registry in REGISTRIES for name in registry.names()]


@pytest.mark.parametrize(("registry", "name"), ALL, ids=lambda x: x if isinstance(x, str) else "")
def test_every_component_explains_itself(registry, name):
    told = registry.describe(name)
    assert len(told.summary) > 10
    assert all(parameter.type != "any" for parameter in told.parameters)


@pytest.mark.parametrize("registry", REGISTRIES)
def test_a_misspelt_name_gets_a_hint(registry):
    name = registry.names()[0]
    with pytest.raises(UserError, match=f"Did you mean '{name}'"):
        registry.create(name[:-1] + "x")


@pytest.mark.parametrize("registry", REGISTRIES)
def test_an_unknown_parameter_is_named_with_the_allowed_ones(registry):
    with pytest.raises(UserError, match=r"no parameter 'colour'.*Allowed"):
        registry.create(registry.names()[0], colour=3)


def test_they_keep_their_protocols():
    model = models.create("gaussian")
    assert isinstance(model, StepwiseModel)
    for name in rollouts.names():
        assert isinstance(rollouts.create(name, model=model), Rollout)
    assert all(isinstance(proposals.create(name), NoiseProposal) for name in proposals.names())
    assert all(isinstance(made(name), SearchMethod) for name in search.names())


def test_a_method_of_ones_own_is_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from rewards.registry import component\n"
        "from sn_eval.search.noise_search import NoiseSearch\n"
        "@component('wide')\n"
        "def wide(candidates: int = 9):\n"
        "    '''Many candidates.'''\n"
        "    return NoiseSearch(candidates, ((2, 1),), name='wide')\n"
    )
    method = search.create(f"{file}:wide", candidates=3)
    assert method.evaluations(rollouts.create("chunk", model=GaussianModel(), steps=4, chunks=2)) == 2 * (
        6 + 2
    )
