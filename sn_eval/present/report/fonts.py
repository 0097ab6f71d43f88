"""Fonts of Office files: a Latin and an East Asian one, both named, so that no program draws Japanese in a fallback.

Programs choose between the two letter by letter; without `a:ea` (slides, charts) or `w:eastAsia` (papers) Japanese gets
the theme's default, which on many machines is Chinese or a row of boxes.
"""

from dataclasses import dataclass
from typing import Any

from lxml import etree
from pptx.oxml.ns import qn

from sn_eval.present.report.model import Lang


@dataclass(frozen=True)
class Fonts:
    """Names of both fonts, and the language for spelling and line breaks."""

    latin: str
    east_asian: str
    tag: str


FONTS: dict[Lang, Fonts] = {
    "ja": Fonts(latin="Arial", east_asian="Yu Gothic", tag="ja-JP"),
    "en": Fonts(latin="Arial", east_asian="Yu Gothic", tag="en-US"),  # prompts may be Japanese in an English report
}

_RUNS = ("a:rPr", "a:defRPr", "a:endParaRPr")
_AFTER = {qn(tag) for tag in ("a:cs", "a:sym", "a:hlinkClick", "a:hlinkMouseOver", "a:rtl", "a:extLst")}


def dress(root: Any, fonts: Fonts) -> None:
    """Name both fonts in every run below an element of DrawingML (a slide, a chart)."""
    for run in root.iter(qn("a:r")):
        if run.find(qn("a:rPr")) is None:
            run.insert(0, etree.SubElement(run, qn("a:rPr")))
    for properties in root.iter(*map(qn, _RUNS)):
        if properties.tag != qn("a:defRPr"):
            properties.set("lang", fonts.tag)
        for tag, name in (("a:latin", fonts.latin), ("a:ea", fonts.east_asian)):
            for old in properties.findall(qn(tag)):
                properties.remove(old)
            font = etree.SubElement(properties, qn(tag), typeface=name)
            later = next((child for child in properties if child.tag in _AFTER), None)
            if later is not None:
                later.addprevious(font)


def dress_theme(theme: bytes, fonts: Fonts) -> bytes:
    """A theme with both fonts for headings and texts, for whatever a user adds to the deck."""
    root = etree.fromstring(theme)
    for group in root.iter(qn("a:majorFont"), qn("a:minorFont")):
        group.find(qn("a:latin")).set("typeface", fonts.latin)
        group.find(qn("a:ea")).set("typeface", fonts.east_asian)
        for script in group.findall(qn("a:font")):
            if script.get("script") == "Jpan":
                script.set("typeface", fonts.east_asian)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True))
