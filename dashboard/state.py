"""The state of a page lies in its URL, so that a link shows a colleague the same thing; all of it is checked."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from sn_eval.present.money import Lang
from sn_eval.present.words import LANGUAGES

LANG, RUN = "lang", "run"
KEPT = (LANG, RUN)  # go along from page to page


def language() -> Lang:
    """Of the URL, else the one that was chosen before on another page, else the browser's: Japanese, or English."""
    found = st.query_params.get(LANG) or st.session_state.get("_lang")
    if found not in LANGUAGES:
        found = "ja" if (st.context.locale or "").lower().startswith("ja") else "en"
    st.session_state["_lang"] = found
    return found  # type: ignore[return-value]  # one of them


def asked(name: str) -> str:
    """A value of the URL as it came, "" for none: hold it against what is known before use."""
    return st.query_params.get(name, "")


def pick(
    label: str, options: Mapping[str, str], key: str, *, draw: Callable[..., Any] = st.selectbox, **more: Any
) -> str:
    """A choice among codes (code → words), kept in the URL under `key`; the first where the URL names no known one.

    draw: st.selectbox, st.radio, st.segmented_control or st.pills. Streamlit's own `bind` would put the words there.
    """
    codes = list(options)
    wanted = asked(key) if asked(key) in options else codes[0]
    widget = f"pick-{key}-{language()}"
    if asked(key) in options or st.session_state.get(widget) not in options:
        st.session_state[widget] = wanted  # the URL is right, also after the browser's "back"

    def chosen() -> None:
        if st.session_state[widget] in options:
            st.query_params[key] = st.session_state[widget]

    found = draw(label, codes, format_func=options.__getitem__, key=widget, on_change=chosen, **more)
    return found if found in options else wanted


def link(**more: str) -> Mapping[str, str]:
    """What a link to another page carries: language and run, and what is given here."""
    kept = {name: st.query_params[name] for name in KEPT if name in st.query_params}
    return {LANG: language()} | kept | more
