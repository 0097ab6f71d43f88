"""The frame around the pages: navigation, language, run."""

from pathlib import Path

import streamlit as st

from dashboard import look, runs, state
from sn_eval.present.words import say
from sn_eval.results.files import ResultsError

PAGES = {
    "decision": ":material/gavel:",
    "roi": ":material/payments:",
    "compare": ":material/compare:",
    "trajectories": ":material/account_tree:",
    "lab": ":material/labs:",
    "runs": ":material/list_alt:",
}
NAMES = {"ja": "日本語", "en": "English"}
FOLDER = Path(__file__).resolve().parent / "app_pages"


def main() -> None:
    """Draw the sidebar, and run the page that the URL names."""
    new = state.LANG not in st.query_params and f"_{state.LANG}" not in st.session_state
    lang = state.language()
    st.set_page_config(page_title="sn-eval", page_icon="🎬", layout="wide")
    look.apply()
    pages = [
        st.Page(FOLDER / f"{key}.py", title=say(lang, f"pages.{key}.title"), icon=icon, url_path=key, default=not place)
        for place, (key, icon) in enumerate(PAGES.items())
    ]
    page = st.navigation(pages, position="hidden")
    with st.sidebar:
        links = st.container()
        st.divider()
        state.pick("言語 / Language", NAMES, state.LANG, own=lang, draw=st.segmented_control, required=True)
        _choose_run(lang)
    for each in pages:  # their links carry language and run, so that every entry of the browser's history is whole
        links.page_link(each, query_params=state.link())
    if new:
        st.query_params.update(state.link())  # an address that is copied shows the same, whoever opens it
    page.run()


def _choose_run(lang: state.Lang) -> None:
    """The runs of the folder; one that is unknown is said on the page."""
    try:
        ids = list(runs.run_ids())
    except ResultsError:
        return
    if state.asked(state.RUN) in (*ids, ""):
        own = state.kept(state.RUN, ids, ids[0])
        state.pick(say(lang, "app.run"), {name: name for name in ids}, state.RUN, own=own)


if __name__ == "__main__":
    main()
