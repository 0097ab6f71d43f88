"""Every sentence is there in both languages with the same names, is used, and every rule of the verdict has its own."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from sn_eval.decision.verdict import CODES
from sn_eval.present import words
from sn_eval.present.words import LANGUAGES, catalogue, placeholders, say

PRESENT = Path(words.__file__).parent
DASHBOARD = PRESENT.parents[1] / "dashboard"
SOURCES = [*PRESENT.rglob("*.py"), *DASHBOARD.rglob("*.py"), PRESENT.parent / "cli" / "poc_report.py"]
FILE = re.compile(r"\.(json|yaml|parquet|mp4|png|jpg|jsonl|jinja|py|js|css|html|csv|zip)$")
GAP = "\0"  # what a program fills in


def literals(path: Path) -> set[str]:
    """Strings of a program without blanks; names that it fills in are gaps."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.add("".join(part.value if isinstance(part, ast.Constant) else GAP for part in node.values))
    return {text for text in found if re.fullmatch(r"[\w.\0-]+\.[\w\0-]+", text)}


PAGES = {key for path in PRESENT.rglob("*.jinja") for key in re.findall(r'say\("([^"]+)"', path.read_text())}
TOPICS = {key.partition(".")[0] for key in catalogue()}
LITERALS = {
    text for text in PAGES.union(*map(literals, SOURCES)) if text.partition(".")[0] in TOPICS and not FILE.search(text)
}


def pattern(literal: str) -> re.Pattern[str]:
    """A key with gaps as a pattern."""
    return re.compile(re.escape(literal).replace(re.escape(GAP), r"[\w-]+").replace(GAP, r"[\w-]+"))


def test_no_topic_stands_in_two_files():
    topics = [topic for path in words.FOLDER.glob("*.yaml") for topic in yaml.safe_load(path.read_text("utf-8"))]
    assert len(topics) == len(set(topics))


def test_every_sentence_is_there_in_both_languages():
    for key, texts in catalogue().items():
        assert set(texts) == set(LANGUAGES), key
        for lang in LANGUAGES:
            assert texts[lang].strip(), (key, lang)


def test_both_languages_fill_in_the_same():
    for key, texts in catalogue().items():
        assert placeholders(texts["ja"]) == placeholders(texts["en"]), key


def test_japanese_is_japanese_and_english_is_not():
    letters = re.compile(r"[ぁ-んァ-ヶ一-龠＝＿]")
    same = {key for key, texts in catalogue().items() if texts["ja"] == texts["en"]}
    for key, texts in catalogue().items():
        assert not letters.search(texts["en"]), key
        assert letters.search(re.sub(r"{.*?}", "語", texts["ja"])) or key in same, key


def test_every_sentence_is_used():
    patterns = [pattern(literal) for literal in LITERALS]
    unused = [key for key in catalogue() if not any(each.fullmatch(key) for each in patterns)]
    assert not unused


def test_every_key_that_is_asked_for_is_there():
    assert len(LITERALS) > 200
    assert not [each for each in LITERALS if not any(pattern(each).fullmatch(key) for key in catalogue())]


@pytest.mark.parametrize("code", CODES)
def test_every_rule_has_three_sentences(code):
    for lang in LANGUAGES:
        told = {say(lang, f"reason.{code}.{outcome}") for outcome in ("holds", "fails", "open")}
        assert len(told) == 3, (code, lang)


def test_what_is_not_known_is_a_dash():
    assert say("en", "fact.against", value=None) == say("en", "fact.against") == "Baseline: –"


def test_braces_of_a_value_are_text():
    assert say("en", "page.title", run="{x} {0}") == "Video generation PoC, decision report: {x} {0}"
