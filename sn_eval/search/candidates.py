"""The noises that a beam tries next; candidate 0 is always what the plain sampler would draw.

Noise is a function of seed, prompt, depth, the beam's lineage and the candidate's index, so candidate sets are
nested (the first two of four are the two of two) and no knob of one method changes what another draws.
"""

from collections.abc import Sequence

from sn_eval.interfaces import Candidate, NoiseProposal, State
from sn_eval.sampling import child, generator, normal

Shape = tuple[int, int, int, int]


def propose(
    state: State, count: int, shape: Shape, proposals: Sequence[NoiseProposal] = ()
) -> list[Candidate]:
    """`count` candidates of one beam: the plain one, then the proposals in turn (none: independent noise)."""
    return [plain(state, shape), *(_other(state, i, shape, proposals) for i in range(1, count))]


def plain(state: State, shape: Shape) -> Candidate:
    """Candidate 0: the plain sampler's own noise."""
    key = child(state.key, 0)
    return Candidate(state, 0, key, normal(shape, *_name(state), key), "plain")


def _other(state: State, index: int, shape: Shape, proposals: Sequence[NoiseProposal]) -> Candidate:
    key = child(state.key, index)
    fresh = normal(shape, *_name(state), key)
    if not proposals:
        return Candidate(state, index, key, fresh, "gaussian")
    which = (index - 1) % len(proposals)
    memory = state.memory[which] if state.memory else None
    draw = proposals[which].draw(state, memory, fresh, generator(*_name(state), key, "proposal"))
    return Candidate(state, index, key, draw.noise, proposals[which].name, (which, draw.arm))


def _name(state: State) -> tuple[int, str, int]:
    """What names a step's noise: other prompts of the same seed draw other noise, so they are independent."""
    return (state.seed, state.prompts[0], state.depth)
