"""Names of a reward's parts as people read them."""

from sn_eval.present import words
from sn_eval.present.report.model import Lang

BETWEEN = " › "


def part_name(lang: Lang, key: str) -> str:
    """A part's key in words, from the whole to its detail; of a reward that is not built in, the key itself, readable.

    >>> part_name("en", "object_persistence/identity"), part_name("ja", "object_persistence/identity")
    ('object persistence › identity', '物の持続 › 同一性')
    >>> part_name("ja", "my_reward/a_part")
    'my reward › a part'
    """
    return BETWEEN.join(_named(lang, name) for name in key.split("/"))


def _named(lang: Lang, name: str) -> str:
    known = f"part_name.{name}"
    return words.say(lang, known) if known in words.catalogue() else name.replace("_", " ")
