"""The noises that a beam tries next; candidate 0 is always what the plain sampler would draw.

Noise is a function of seed, prompt, depth, the beam's lineage and the candidate's index, so candidate sets are
nested (the first two of four are the two of two) and no knob of one method changes what another draws.
"""

from collections.abc import Sequence

from sn_eval.interfaces import Candidate, NoiseProposal, State
from sn_eval.sampling import child, generator, normal

Shape = tuple[int, int, int, int]


def propose(
    state: State, count: int, shape: Shape, proposals: Sequence[NoiseProposal] = (), *, first: int = 0
) -> list[Candidate]:
    """Candidates first … count−1 of one beam: the plain one, then the proposals in turn (none: independent noise)."""
    return [_proposed(state, i, shape, proposals) if i else plain(state, shape) for i in range(first, count)]


def plain(state: State, shape: Shape) -> Candidate:
    """Candidate 0: the plain sampler's own noise."""
    return candidate(state, 0, shape, "plain")


def candidate(state: State, index: int, shape: Shape, proposal: str) -> Candidate:
    """The candidate of that index with noise of its own, independent of all others."""
    key = child(state.key, index)
    return Candidate(state, index, key, normal(shape, *_name(state), key), proposal)


def _proposed(state: State, index: int, shape: Shape, proposals: Sequence[NoiseProposal]) -> Candidate:
    own = candidate(state, index, shape, "gaussian")
    if not proposals:
        return own
    which = (index - 1) % len(proposals)
    memory = state.memory[which] if state.memory else None
    draw = proposals[which].draw(state, memory, own.noise, generator(*_name(state), own.key, "proposal"))
    return Candidate(state, index, own.key, draw.noise, proposals[which].name, (which, draw.arm))


def _name(state: State) -> tuple[int, str, int]:
    """What names a step's noise: other prompts of the same seed draw other noise, so they are independent."""
    return (state.seed, state.prompts[0], state.depth)
