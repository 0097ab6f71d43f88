"""`sn-eval poc report`: the decision of a run, and the files to show it with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn_eval.cli.console import AsJson, Quiet, print_json, progress, say

if TYPE_CHECKING:
    from sn_eval.decision.findings import Findings

DEFAULT = "html,pptx,docx,xlsx,csv,md,json"
LANGS = {"ja": ("ja",), "en": ("en",), "both": ("ja", "en")}


def report(
    run: Annotated[Path, typer.Argument(help="Run folder that poc run or poc import made.")],
    lang: Annotated[str, typer.Option(help="ja, en or both.")] = "both",
    formats: Annotated[str, typer.Option("--format", help="Some of html, pptx, docx, xlsx, csv, md, json.")] = DEFAULT,
    out: Annotated[Path | None, typer.Option(help="Folder for the files [RUN/report].")] = None,
    spec: Annotated[
        Path | None, typer.Option(help="Judge by the rules, prices and business inputs of this file [the run's own].")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="Price list to use [the run's own, else the shipped one].")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Judge a run by its declared rules, and write the report; nothing is run, and no model is loaded.

    Changed prices or business inputs need no new videos: give them with --spec or --prices. Numbers can be traced:
    evidence.json names the cells behind each.

    Examples:

      sn-eval poc report runs/shop

      sn-eval poc report runs/shop --lang ja --format html,pptx

      sn-eval poc report runs/shop --spec shop-2027.yaml --prices prices-2027.yaml --out report-2027
    """
    from sn_eval.decision.analysis import analyse
    from sn_eval.decision.prices import load_prices
    from sn_eval.present.report.write import known_formats, write_reports
    from sn_eval.results.experiment_file import load_experiment
    from sn_eval.results.run_folder import RunFolder

    wanted, langs = known_formats(formats.split(",")), _langs(lang)
    opened = RunFolder.open(run)
    with progress(quiet=quiet or as_json) as bars:
        bar = bars.add("judging the run", 2)
        findings = analyse(
            opened,
            experiment=load_experiment(spec) if spec is not None else None,
            prices=load_prices(prices) if prices is not None else None,
        )
        bar(1, 2, "writing the report")
        used = {name: path for name, path in (("spec", spec), ("prices", prices)) if path is not None}
        files = write_reports(findings, out or run / "report", langs=langs, formats=wanted, used=used)
    told = _told(findings, langs[-1])
    if as_json:
        print_json({**told, "files": [{"format": name, "path": path} for name, path in files]})
        return
    say(f"{told['headline']}\n")
    for line in told["why"]:
        say(f"  {line}")
    say()
    for name, path in files:
        say(f"{name:5} {path}")


def _langs(lang: str) -> tuple[Any, ...]:
    """Languages of the report; ResultsError for others."""
    from sn_eval.results.files import ResultsError

    if lang not in LANGS:
        raise ResultsError(f"--lang {lang!r}: choose ja, en or both")
    return LANGS[lang]


def _told(findings: "Findings", lang: Any) -> dict[str, Any]:
    """The verdict with its reasons, in words and as data."""
    from sn_eval.present.report.teller import OUTCOMES, Teller

    t, verdict = Teller(findings, lang), findings.verdict
    signs = {"holds": "✓", "fails": "✗", "open": "?"}
    return {
        "decision": verdict.decision,
        "headline": t(f"verdict.{verdict.decision}.title"),
        "arm": verdict.arm,
        "why": [f"{signs[OUTCOMES[reason.holds]]} {t.reason(reason)}" for reason in verdict.reasons],
        "reasons": [
            {"code": reason.code, "holds": reason.holds, "values": dict(reason.values)} for reason in verdict.reasons
        ],
        "numbers": {key: value for key, (value, _) in findings.numbers.items()},
        "watermark": list(findings.watermark),
    }
