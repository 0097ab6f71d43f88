"""The state of a page lies in its URL, so that a link shows a colleague the same thing; all of it is checked."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import streamlit as st

from sn_eval.present.money import Lang
from sn_eval.present.words import LANGUAGES

LANG, RUN = "lang", "run"


def language() -> Lang:
    """Of the URL, else the one that was chosen before, else the browser's: Japanese, or English."""
    own = "ja" if (st.context.locale or "").lower().startswith("ja") else "en"
    return kept(LANG, LANGUAGES, own)  # type: ignore[return-value]  # one of them


def kept(name: str, known: Collection[str], own: str) -> str:
    """What goes along from page to page: of the URL, else what this visitor had before, else `own`."""
    found = st.query_params.get(name) or st.session_state.get(f"_{name}")
    st.session_state[f"_{name}"] = found if found in known else own
    return str(st.session_state[f"_{name}"])


def asked(name: str) -> str:
    """A value of the URL as it came, "" for none: hold it against what is known before use."""
    return st.query_params.get(name, "")


def pick(
    label: str, options: Mapping[str, str], key: str, *, own: str = "", draw: Callable[..., Any] = st.selectbox,
    **more: Any,
) -> str:  # fmt: skip
    """A choice among codes (code → words), kept in the URL under `key`.

    own: where the URL names no known one [the first]. draw: st.selectbox, st.radio, st.segmented_control or st.pills.
    Streamlit's own `bind` would put the words there.
    """
    codes = list(options)
    wanted = asked(key) if asked(key) in options else own or codes[0]
    widget = _widget(key)
    if asked(key) in options or own or st.session_state.get(widget) not in options:
        st.session_state[widget] = wanted  # the URL is right, also after the browser's "back"

    def chosen() -> None:
        if st.session_state[widget] in options:
            st.query_params[key] = st.session_state[widget]

    found = draw(label, codes, format_func=options.__getitem__, key=widget, on_change=chosen, **more)
    return found if found in options else wanted


def forget(key: str) -> None:
    """A choice of `pick` is as if it had never been made."""
    st.query_params.pop(key, None)
    st.session_state.pop(_widget(key), None)


def _widget(key: str) -> str:
    return f"pick-{key}-{language()}"


def link(**more: str) -> Mapping[str, str]:
    """What a link to another page carries: language and run, and what is given here."""
    run = st.session_state.get(f"_{RUN}")
    return {LANG: language()} | ({RUN: run} if run else {}) | more
