"""One step in large pictures: the plain sampler's noise, what was kept instead, and what plain sampling really made."""

from html import escape

from dashboard.page import Page
from dashboard.tree.pictures import Sprite
from sn_eval.present.search_telling import figure
from sn_eval.results.search_tree import Rescue

SIZE = 168  # pixels of a picture's longer side


def frames_html(page: Page, rescue: Rescue, sprite: Sprite | None, plain_sprite: Sprite | None, still: str = "") -> str:
    """The pictures that there are, each with its name and score; "" where there are none.

    still: where a frame of the cell's own video is shown from, in place of pictures of its candidates; "" for none.
    """
    shown = [*_candidates(page, rescue, sprite), *_plain_video(page, rescue, plain_sprite, bool(still))]
    if still:
        shown.append(_of_video(page, rescue, still))
    return f'<div class="sn-frames">{"".join(shown)}</div>' if shown else ""


def _candidates(page: Page, rescue: Rescue, sprite: Sprite | None) -> list[str]:
    """Preview and finished piece of the plain and of the chosen candidate."""
    if sprite is None or rescue.plain is None:
        return []
    made = []
    for node, who in ((rescue.plain, "plain"), (rescue.chosen, "chosen"))[rescue.same :]:
        look = node.at(rescue.look) if rescue.look is not None else None
        kind = "kept" if node.kept else ""
        mark = _mark(page, who, node.kept)
        about = page(f"trajectory.most.{who}_preview")
        score = figure(look.score if look else node.score)
        made.append(_frame(sprite.of(node, "preview", SIZE, about), about, score, kind, mark))
        if node.final:
            about = page(f"trajectory.most.{who}_final")
            picture = sprite.of(node, "final", SIZE, about)
            made.append(_frame(picture, about, figure(node.final.score), kind, mark))
    return [each for each in made if each]


def _plain_video(page: Page, rescue: Rescue, sprite: Sprite | None, judged: bool) -> list[str]:
    """Where plain sampling's own video stood at the end of this step. judged: it is one of those compared."""
    if sprite is None:
        return []
    about = page("trajectory.most.plain_cell")
    score = figure(rescue.before) if judged else ""
    made = _frame(sprite.plain(rescue.step, SIZE, about), about, score, "own", "")
    return [made] if made else []


def _of_video(page: Page, rescue: Rescue, still: str) -> str:
    """A frame of the shown video itself, which the browser takes from its file."""
    about = page("trajectory.chosen_video")
    picture = (
        f'<video class="sn-tile" src="{escape(still)}" preload="metadata" muted playsinline '
        f'aria-label="{escape(about)}" style="width:{SIZE}px;height:{SIZE}px;object-fit:contain"></video>'
    )
    return _frame(picture, about, figure(rescue.after), "kept", f"★ ✓ {page('trajectory.status.chosen')}")


def _mark(page: Page, who: str, kept: bool) -> str:
    """What became of it, unless its name says so already."""
    if who == "chosen" and kept:
        return "★ ✓"
    return f"✓ {page('trajectory.status.kept')}" if kept else page("trajectory.status.dropped")


def _frame(picture: str, about: str, score: str, kind: str, mark: str) -> str:
    """A picture with words below; "" without a picture."""
    if not picture:
        return ""
    told = f"<b>{score or '&nbsp;'}</b>{escape(about)}<br>{escape(mark)}"
    return f'<figure class="sn-frame {kind}">{picture}<figcaption>{told}</figcaption></figure>'
