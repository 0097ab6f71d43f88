"""How pages look beyond Streamlit's theme, on a screen and on paper."""

import streamlit as st

CSS = """
"""


def apply() -> None:
    """Put the styles on the page."""
    st.html(f"<style>{CSS}</style>")
