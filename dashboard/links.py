"""Links from page to page, which carry the run and the language along."""

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from dashboard import state
from dashboard.page import Page, plain

ICON = ":material/arrow_forward:"


def to(page: Page, key: str, label: str, **query: str) -> None:
    """A link to the page of this key, e.g. "compare", with what its URL shall say; label is shown literally.

    Where a page is shown by itself, without the frame that knows the others, the label stands as text.
    """
    try:
        st.page_link(f"app_pages/{key}.py", label=plain(label), icon=ICON, query_params=state.link(**query))
    except StreamlitPageNotFoundError:
        st.markdown(plain(label))
