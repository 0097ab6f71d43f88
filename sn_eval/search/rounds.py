"""A beam's candidates tried in rounds: first independent noises, then mutations of the best ones so far.

EvoSearch (He et al., arXiv:2505.17618, section 4) for the initial noise: the elite is kept, and a child is the
variance-preserving mutation √(1−β²)·ε + β·ξ of a member of it, so that children stay standard normal. Steps of
denoising are spent on children as on any candidate: a search in rounds costs what it costs in one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sn_eval.interfaces import Branch, Candidate, State
from sn_eval.search.candidates import Shape, candidate
from sn_eval.search.selection import rank


@dataclass(frozen=True)
class Round:
    """Candidates of a beam that are tried at once; those of the first generation are proposed, later ones mutated."""

    generation: int
    indices: range


def rounds(count: int, generations: int, *, alone: bool = False) -> list[Round]:
    """The candidates spread evenly over the generations; the first ones get what is left over.

    alone: the plain candidate has a round of its own, before the others of the first generation. A generation without
    candidates is left out.

    >>> [list(each.indices) for each in rounds(5, 2)], [list(each.indices) for each in rounds(3, 5, alone=True)]
    ([[0, 1, 2], [3, 4]], [[0], [1], [2]])
    """
    share, more = divmod(count, generations)
    ends = [share * turn + min(turn, more) for turn in range(generations + 1)]
    tried = [Round(turn, range(*each)) for turn, each in enumerate(pairwise(ends))]
    if alone:
        tried[:1] = [Round(0, range(1)), Round(0, range(1, ends[1]))]
    return [each for each in tried if each.indices]


def mutants(
    state: State, indices: range, tried: Sequence[Branch], shape: Shape, mutation: float
) -> list[Candidate]:
    """Candidates of one beam, made from those of its own that were tried: the better half of them, in turn."""
    own = sorted((b for b in tried if b.candidate.parent.identity == state.identity), key=rank)
    elite = own[: (len(own) + 1) // 2]
    return [_mutant(state, i, elite[turn % len(elite)], shape, mutation) for turn, i in enumerate(indices)]


def _mutant(state: State, index: int, parent: Branch, shape: Shape, mutation: float) -> Candidate:
    """√(1−β²)·ε + β·ξ, with ξ what an independent candidate of this index would be."""
    own = candidate(state, index, shape, "mutation")
    noise = (1 - mutation**2) ** 0.5 * parent.candidate.noise.to(own.noise) + mutation * own.noise
    return Candidate(state, index, own.key, noise, own.proposal)
