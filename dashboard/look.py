"""How pages look beyond Streamlit's theme, on a screen and on paper.

Dark letters on light grounds throughout: every pair of colours here has a contrast of 4.5 or more.
"""

import streamlit as st

CSS = """
[data-testid="stMainBlockContainer"] {padding-top: 3.2rem;}
[data-testid="stMain"] h1 {font-size: 2rem; padding: .3rem 0;}
[data-testid="stMain"] h2 {font-size: 1.5rem; padding: .7rem 0 .3rem;}
[data-testid="stMain"] h3 {font-size: 1.15rem; padding: .3rem 0;}
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] * {color: #555 !important; opacity: 1;}
[data-testid="stSidebar"] [data-testid="stIconMaterial"] {color: #555;}
button[role="radio"][aria-checked="true"] *, button[aria-pressed="true"] * {color: #00557f;}
[data-testid="stCode"] .token {color: #333 !important;}
[data-testid="stVegaLiteChart"], [data-testid="stHtml"] {max-width: 100%; overflow-x: auto;}
[data-testid="stElementContainer"], [data-testid="stVerticalBlock"], [data-testid="stLayoutWrapper"] {max-width: 100%;
  min-width: 0;}
.sn-tile {display: inline-block; flex: none; background-repeat: no-repeat; border-radius: 4px;}
.sn-verdict {display: flex; align-items: center; gap: .9rem; padding: .9rem 1.2rem; border-radius: .5rem;
  font-size: 1.7rem; font-weight: 700; line-height: 1.3; color: #1a1a1a; border-left: .5rem solid;
  overflow-wrap: anywhere;}
.sn-verdict .sn-sign {flex: none; width: 2.6rem; height: 2.6rem; border-radius: 50%; color: #fff; display: grid;
  place-items: center; font-size: 1.5rem;}
.sn-go {background: #e3f4ee; border-color: #00735a} .sn-go .sn-sign {background: #00735a}
.sn-conditional {background: #fdf1d8; border-color: #8a5a00} .sn-conditional .sn-sign {background: #8a5a00}
.sn-continue {background: #e2f0f9; border-color: #0067a3} .sn-continue .sn-sign {background: #0067a3}
.sn-stop {background: #fbe6dc; border-color: #a63c00} .sn-stop .sn-sign {background: #a63c00}
.sn-invalid {background: #ececec; border-color: #1a1a1a} .sn-invalid .sn-sign {background: #1a1a1a}
.sn-provisional {background: #f2f2f2; border-color: #595959} .sn-provisional .sn-sign {background: #595959}
.sn-facts {display: grid; grid-template-columns: repeat(auto-fit, minmax(11.5rem, 1fr)); gap: .8rem;}
.sn-fact {border: 1px solid #d0d0d0; border-top: .3rem solid #8a8a8a; border-radius: .4rem; padding: .7rem .9rem;
  background: #fff; color: #1a1a1a; break-inside: avoid; word-break: keep-all; word-break: auto-phrase;
  overflow-wrap: break-word;}
.sn-fact:only-child {max-width: 26rem;}
.sn-fact .tied {white-space: nowrap;}
.sn-fact.sn-good {border-top-color: #00735a} .sn-fact.sn-bad {border-top-color: #a63c00}
.sn-fact.sn-open {border-top-color: #8a5a00}
.sn-label {font-size: .9rem; color: #444;} .sn-value {font-size: 1.5rem; font-weight: 700; line-height: 1.4;}
.sn-more {font-size: .85rem; color: #444; line-height: 1.45;}
.sn-tone {font-size: .85rem; font-weight: 700; margin-top: .25rem;}
.sn-mark {font-size: .8rem; font-weight: 700; color: #8a3100; white-space: nowrap;}
.sn-pair {display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem;}
.sn-film {margin: 0; min-width: 0;}
.sn-film video {width: 100%; max-height: 22rem; background: #1a1a1a; border-radius: .3rem;}
.sn-film img {width: 100%; margin-top: .3rem; border-radius: .2rem;}
.sn-film figcaption {font-size: .85rem; color: #444; line-height: 1.4; overflow-wrap: anywhere;}
.sn-film code {font-size: .72rem; color: #444;}
.sn-gone {display: grid; place-items: center; text-align: center; padding: 1rem; min-height: 7rem; color: #444;
  background: #f2f2f2; border: 1px dashed #8a8a8a; border-radius: .3rem; font-size: .85rem;}
@media print {
  @page {size: A4; margin: 12mm;}
  [data-testid="stSidebar"], [data-testid="stHeader"], [data-testid="stToolbar"], [data-testid="stDownloadButton"],
  [data-testid="stButton"], [data-testid="stPageLink"], [data-testid="stStatusWidget"],
  [data-testid="stExpandSidebarButton"] {display: none !important;}
  .stApp, [data-testid="stAppViewContainer"], [data-testid="stMain"] {position: static !important;
    overflow: visible !important; height: auto !important; display: block !important;}
  [data-testid="stMainBlockContainer"] {padding: 0 2px !important; max-width: none !important;}
  [data-testid="stVegaLiteChart"], [data-testid="stHorizontalBlock"], [data-testid="stAlert"], .sn-verdict, .sn-fact,
  .sn-film {break-inside: avoid;}
  [data-testid="stExpander"] details:not([open]) {display: none;}
  .sn-facts {grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .5rem;}
  .sn-fact {padding: .5rem .6rem;} .sn-value {font-size: 1.2rem;} .sn-verdict {font-size: 1.4rem;}
  [data-testid="stVegaLiteChart"] svg {max-width: 100% !important; height: auto !important;}
  h1, h2, h3 {break-after: avoid;}
  * {print-color-adjust: exact; -webkit-print-color-adjust: exact;}
}
"""


def apply() -> None:
    """Put the styles on the page."""
    st.html(f"<style>{CSS}</style>")
