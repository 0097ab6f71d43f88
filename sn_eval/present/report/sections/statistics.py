"""How sure all this is: how many prompts, how large an effect they could show, how the setting was chosen."""

from collections.abc import Iterator

from sn_eval.present.report.model import Bullets, Column, Grid, Paragraph, Row, Section
from sn_eval.present.report.sections.quality import differences
from sn_eval.present.report.teller import Teller
from sn_eval.results.experiment import ACCEPTANCE


def statistics(t: Teller) -> Section:
    """n, power, n needed, looks, and the choice on dev prompts."""
    blocks = [Bullets((_size(t), *_method(t), *_power(t), *_looks(t), *_choice(t)))]
    return Section("statistics", t("section.statistics"), (*blocks, *_values(t), *_all(t)), "engineer")


def _size(t: Teller) -> Paragraph:
    run = t.findings.run
    return t.paragraph(
        "statistics.size", prompts=run.confirm_prompts, dev=run.dev_prompts, repeats=run.repeats, done=run.done,
        planned=run.planned,
    )  # fmt: skip


def _method(t: Teller) -> Iterator[Paragraph]:
    yield t.paragraph("statistics.pairing")
    if t.primary is not None:
        d = t.primary.difference
        yield t.paragraph(
            "statistics.primary", f"difference/{t.primary.outcome}/{t.primary.arm}",
            outcome=t.outcome(t.primary.outcome), n=d.n_prompts, pairs=d.n_pairs, dropped=d.dropped,
            p=words_of_p(t, t.primary.p),
        )  # fmt: skip
        if d.method.startswith("t-interval"):
            yield t.paragraph("statistics.few", n=d.n_prompts)


def words_of_p(t: Teller, p: float | None) -> str:
    """A p value as it is written in a sentence."""
    if p is None:
        return t("word.unknown")
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _power(t: Teller) -> Iterator[Paragraph]:
    power = t.findings.power
    if power is None:
        yield t.paragraph("statistics.no_power")
        return

    def show(value: float | None) -> str:
        return t.amount(power.outcome, value, signed=True)

    if power.power is not None:
        yield t.paragraph(
            "statistics.power", "power/power", "power/effect", effect=show(power.effect),
            power=t.percent(power.power, 0), prompts=power.prompts,
        )  # fmt: skip
    if power.detectable is not None:
        yield t.paragraph("statistics.detectable", "power/detectable", effect=show(power.detectable))
    if power.needed_80 is not None:
        needed = {"needed_80": power.needed_80, "needed_90": power.needed_90}
        yield t.paragraph(
            "statistics.needed", "power/needed_80", "power/needed_90", effect=show(power.effect), **needed
        )


def _looks(t: Teller) -> Iterator[Paragraph]:
    """The interval that this look allows, where it is not the plain one."""
    compared = t.primary
    if compared is None:
        return
    d, (low, high) = compared.difference, compared.adjusted
    if low is None or high is None:
        yield t.paragraph("statistics.no_look")
    elif (low, high) != (d.low, d.high):
        shown = [t.amount(compared.outcome, value, signed=True) for value in (low, high)]
        yield t.paragraph("statistics.look", low=shown[0], high=shown[1])
    else:
        yield t.paragraph("statistics.one_look")


def _choice(t: Teller) -> Iterator[Paragraph]:
    choice = t.findings.choice
    if choice is None:
        yield t.paragraph("statistics.no_choice")
    elif len(choice.values) < 2:
        yield t.paragraph("statistics.only", arm=choice.arm)
    else:
        outcome = t.outcome(choice.outcome)
        yield t.paragraph(
            "statistics.choice", arm=choice.arm, outcome=outcome, prompts=choice.prompts, n=len(choice.values)
        )


def _all(t: Teller) -> Iterator[Grid]:
    """Every comparison by an evaluator."""
    found = [each for each in t.findings.comparisons if each.outcome != ACCEPTANCE]
    if found:
        yield differences(t, found, "all_evaluators")


def _values(t: Teller) -> Iterator[Grid]:
    """What the settings reached on dev prompts."""
    choice = t.findings.choice
    if choice is None or len(choice.values) < 2:
        return
    share = choice.outcome == ACCEPTANCE
    columns = (
        Column(t("column.arm")),
        Column(t.outcome(choice.outcome), "percent" if share else "number", t("word.dev"), digits=1 if share else 3),
    )
    rows = tuple(
        Row((arm, value), look="chosen" if arm == choice.arm else "plain") for arm, value in choice.values.items()
    )
    yield Grid("choice", t("statistics.choice_table"), columns, rows)
