"""`poc report` judges a run that is there, without a model, and says what it wrote."""

import json
import subprocess
import sys

import findings as runs
import pytest
import yaml
from typer.testing import CliRunner

from sn_eval.cli import app

SOME = "html,md,csv,json"


def report(*words):
    return CliRunner().invoke(app, ["poc", "report", *map(str, words)], prog_name="sn-eval")


def test_it_says_the_verdict_why_and_where(tmp_path):
    result = report(runs.folder("complete"), "--lang", "en", "--format", SOME, "--out", tmp_path, "--quiet")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Go\n")
    assert "break-even" in result.stdout
    for name in ("report.en.html", "report.en.md", "tables.en", "evidence.json"):
        assert (tmp_path / name).exists()
        assert name in result.stdout


def test_both_languages_into_the_run_itself(tmp_path):
    run = runs.write_run(tmp_path / "run", **runs.VARIANTS["minimal"])
    assert report(run, "--format", "md").exit_code == 0
    assert {path.name for path in (run / "report").glob("*.md")} == {"report.ja.md", "report.en.md"}


def test_machines_read_the_verdict(tmp_path):
    result = report(runs.folder("illustrative"), "--format", "json", "--out", tmp_path, "--json")
    told = json.loads(result.stdout)
    assert told["decision"] != "go"
    assert told["watermark"]
    assert told["files"] == [{"format": "json", "path": str(tmp_path / "evidence.json")}]
    assert {reason["code"] for reason in told["reasons"]} >= {"uplift", "profit", "illustrative_inputs"}


def test_other_prices_and_inputs_judge_the_same_cells(tmp_path):
    run = runs.folder("complete")
    spec = yaml.safe_load((run / "spec.yaml").read_text(encoding="utf-8"))
    spec["prices"]["rate"]["value"] *= 10
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    told = [
        json.loads(report(run, *more, "--format", "json", "--out", tmp_path, "--json").stdout)["numbers"]
        for more in ((), ("--spec", tmp_path / "other.yaml"))
    ]
    assert told[1]["price/hour"] == pytest.approx(10 * told[0]["price/hour"])
    assert told[1]["acceptance/plain"] == told[0]["acceptance/plain"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("nowhere",), "no run at nowhere"),
        ((".", "--format", "pdf"), "'pdf': choose among html"),
        ((".", "--lang", "fr"), "choose ja, en or both"),
    ],
)
def test_wrong_input_is_one_line(words, line):
    result = report(*words)
    assert result.exit_code == 2
    assert line in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.output


def test_no_torch_is_loaded(tmp_path):
    program = (
        "import sys\nfrom sn_eval.cli import app\n"
        f"app(['poc', 'report', {str(runs.folder('minimal'))!r}, '--out', {str(tmp_path)!r}, '--quiet'],"
        " standalone_mode=False)\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) >= 10
