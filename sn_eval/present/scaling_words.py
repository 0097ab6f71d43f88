"""What a fitted budget–quality curve says, or why there is none, in the reader's language."""

import re

from sn_eval.decision.findings import ScalingFit
from sn_eval.present.report.teller import Teller

FORM = re.compile(r"; (?P<budgets>\d+) budgets determine the curve and cannot check its form$")
GAIN = r"from (?P<first>\S+) to (?P<last>\S+) (?P<unit>\S+) it gains (?P<gain>\S+) \((?P<low>\S+) to (?P<high>\S+)\)$"
SAYINGS = {
    "few_budgets": r"no curve: (?P<budgets>\d+) budgets?, and it takes (?P<least>\d+)$",
    "few_prompts": r"no curve: (?P<prompts>\d+) prompts have a value at every budget, and it takes (?P<least>\d+)$",
    "worse": rf"no curve: more compute makes it worse: {GAIN}",
    "no_rise": rf"no curve: no clear rise with compute: {GAIN}",
    "no_ceiling": r"no ceiling in sight",
    "rising": r"still rising at (?P<last>\S+) (?P<unit>\S+);",
    "within": r"from about (?P<at>\S+) (?P<unit>\S+) on .*\(within what was measured\)$",
    "beyond": r"from about (?P<at>\S+) (?P<unit>\S+) on .*\(beyond what was measured: an extrapolation\)$",
}
"""How `decision.scaling` words it, by key of the catalogue."""


def scaling_words(t: Teller, fit: ScalingFit) -> str:
    """A sentence; words that are not known stay as they are, named as such."""
    form = FORM.search(fit.words)
    text = FORM.sub("", fit.words)
    said = t("curve.other", words=text)
    for key, pattern in SAYINGS.items():
        if found := re.match(pattern, text):
            values = found.groupdict()
            if "unit" in values:
                values["unit"] = t.unit(values["unit"])
            said = t(f"curve.{key}", **values)
            break
    more = [t("curve.form", budgets=form["budgets"])] if form else []
    return t("curve.of", method=fit.method, outcome=t.outcome(fit.outcome), words=t.joined([said, *more]))
