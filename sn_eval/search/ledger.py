"""What goes to the writer, and when: whatever all beams share is certain; nothing waits longer than the lag.

Fixed-lag commitment, as in Viterbi decoding with a bounded traceback: where beams have not coalesced within
`lag` pieces, the leader's oldest piece is committed and beams that disagree with it are dropped. Memory
stays bounded.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from sn_eval.interfaces import Finished, FrameSink, Piece, State
from sn_eval.video import to_uint8


def leader(beams: Sequence[State]) -> State:
    """The beam with the best mean score; ties go to the lowest lineage, the plain path first."""
    return min(beams, key=lambda s: (math.inf if math.isnan(s.score) else -s.score, s.identity))


def settle(beams: Sequence[State], lag: int, emit: FrameSink) -> list[State]:
    """The beams that go on, once what is certain was emitted."""
    beams = list(beams)
    while beams[0].pieces:
        agreed = len({b.pieces[0].key for b in beams}) == 1
        if not agreed and len(beams[0].pieces) <= lag:
            break
        oldest = leader(beams).pieces[0]
        emit(oldest.frames)
        beams = [replace(b, pieces=b.pieces[1:]) for b in beams if b.pieces[0].key == oldest.key]
    return beams


def shown(finished: Finished, fixed: int, sliding: int) -> State:
    """The beam after a step: its new frames wait for the writer, its own anchors have moved on.

    `fixed` first frames stay for good (the start image, where the rollout has set it); `sliding` are the
    most recent.
    """
    state, frames = finished.state, finished.frames
    if frames is None:
        return state
    recent = torch.cat([*([] if state.sliding is None else [state.sliding]), frames])[-sliding:] if sliding else None
    first = frames[:fixed].clone() if state.fixed is None and fixed else state.fixed
    key = state.key if finished.key is None else finished.key
    pieces = (*state.pieces, Piece(key, to_uint8(frames).cpu()))
    return replace(state, pieces=pieces, fixed=first, sliding=recent if recent is None else recent.clone())


def scored(beam: State, value: float) -> State:
    """The beam with one more piece's score in its mean; NaN (not scored) leaves it."""
    if math.isnan(value):
        return beam
    return replace(beam, score_sum=beam.score_sum + value, scored=beam.scored + 1)
