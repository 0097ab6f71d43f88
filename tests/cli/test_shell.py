"""The command line as a whole: help, exit codes, one-line errors, Ctrl-C, light start."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rewards.base import UserError
from sn_eval.cli import app, console, group
from sn_eval.results.files import ResultsError

COMMANDS = [
    "",
    "generate",
    "compare",
    "evaluate",
    "dashboard",
    "doctor",
    "models",
    "models list",
    "models check",
    "models fit-predictor",
    "metrics",
    "metrics list",
    "metrics show",
    "metrics audit",
    "rewards",
    "rewards list",
    "rewards show",
    "rewards fit",
    "rewards next",
    "rewards new",
    "rewards score",
    "rewards audit",
    "poc",
    "poc new",
    "poc plan",
    "poc headroom",
    "poc import",
    "poc run",
    "poc status",
    "poc report",
    "tabletop",
    "tabletop scene",
    "tabletop train",
    "tabletop check",
    "tabletop train-clip",
    "tabletop check-clip",
]
GROUPS = ("models", "metrics", "rewards", "poc", "tabletop")
# these have no progress to silence
SILENT = ("models list", "metrics list", "rewards list", "rewards show", "rewards new", "poc new", "poc status")


def sn_eval(*words: str):
    return CliRunner().invoke(app, list(words), prog_name="sn-eval")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    result = sn_eval(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage: sn-eval " + command in result.stdout
    leaf = command and command not in GROUPS
    assert not leaf or (f"sn-eval {command}" in result.stdout.split("Usage:")[1].split("\n", 1)[1])  # an example


def test_every_command_is_in_this_test():
    def names(one: typer.Typer, before: str = "") -> set[str]:
        own = {f"{before}{c.name or c.callback.__name__}" for c in one.registered_commands}
        for sub in one.registered_groups:
            own |= {f"{before}{sub.typer_instance.info.name}"}
            own |= names(sub.typer_instance, f"{before}{sub.typer_instance.info.name} ")
        return own

    assert names(app) == set(COMMANDS) - {""}


def test_every_command_can_be_machine_read_and_quiet():
    for command in set(COMMANDS) - {"", *GROUPS}:
        text = sn_eval(*command.split(), "--help").stdout
        assert "--json" in text, command
        assert "--quiet" in text or command in SILENT, command


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("generate", "costs half [the model's own]"),
        ("metrics audit", 'pip install "sn-eval[audit]"'),
        ("compare", "sheets/ [runs/<suite>]"),
    ],
)
def test_brackets_in_help_are_shown(command, words):
    shown = sn_eval(*command.split(), "--help").stdout.replace("│", " ")
    assert words in " ".join(shown.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mdels"], "Did you mean 'models'?"),
        (["models", "chek"], "Did you mean 'check'?"),
        (["--colour"], "No such option: --colour"),
        (["rewards", "show"], "Missing argument"),
        (["metrics", "show", "warping_eror"], "Did you mean 'warping_error'?"),
        (["rewards", "show", "lightning_consistency"], "Did you mean 'lighting_consistency'?"),
        (["tabletop", "scene", "a red ball", "--frames", "many"], "'--frames'"),
        (["tabletop", "scene", "a red ball", "--frames", "0"], "'--frames'"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(words, said):
    result = sn_eval(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


# --- what goes wrong inside a command ---------------------------------------------------------------------


def raising(error: BaseException):
    """What a command line says whose only command raises this."""
    from sn_eval.cli import OneLineErrors

    trial = group(cls=OneLineErrors)

    @trial.command()
    def burst() -> None:
        raise error

    @trial.command()
    def other() -> None:
        pass

    return CliRunner().invoke(trial, ["burst"])


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("beams is 0;\n it must be 1 or more"), 2, "error: beams is 0; it must be 1 or more"),
        (ResultsError("cannot write x: full"), 2, "error: cannot write x: full"),
        (typer.BadParameter("too small"), 2, "error: Invalid value: too small"),
        (OSError(28, "No space left on device", "runs/a.mp4"), 1, "error: cannot write runs/a.mp4: No space left"),
        (PermissionError(13, "Permission denied", "/x"), 1, "error: cannot use /x: Permission denied."),
        (MemoryError(), 1, "error: out of memory."),
        (KeyError("mass"), 1, "error: unexpected KeyError: 'mass'; run with SN_EVAL_DEBUG=1 for the traceback"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_no_error_shows_a_traceback(error, code, line, monkeypatch):
    monkeypatch.delenv(console.DEBUG, raising=False)
    result = raising(error)
    assert result.exit_code == code
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


def test_exit_codes_of_commands_pass_through():
    assert raising(typer.Exit(console.PARTIAL)).exit_code == console.PARTIAL


def test_the_traceback_is_shown_when_asked_for(monkeypatch):
    monkeypatch.setenv(console.DEBUG, "1")
    result = raising(ZeroDivisionError("division by zero"))
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: unexpected ZeroDivisionError")


def test_stopping_says_where_the_work_is(capsys):
    with pytest.raises(SystemExit) as left, console.friendly(kept="runs/a"):
        raise KeyboardInterrupt
    assert left.value.code == 130
    assert capsys.readouterr().err == "stopped; finished work is kept in runs/a\n"


# --- progress, tables, JSON -------------------------------------------------------------------------------


def test_progress_off_a_terminal_is_a_line_now_and_then_on_stderr(capsys):
    with console.progress() as bars:
        bar = bars.add("making")
        for done in range(1, 101):
            bar(done, 100)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["making: 1%", "making: 100%"]


def test_steps_within_a_long_work_do_not_fill_a_log(capsys):
    with console.progress() as bars:
        whole, step = bars.add("videos"), bars.add("this video")
        for number in range(5):
            whole(number, 5)
            step(0, 1)
            step(1, 1)
        whole(5, 5)
    assert capsys.readouterr().err.splitlines() == ["videos: 0%", "videos: 100%"]


def test_the_time_left_counts_from_where_a_resumed_run_began(capsys, monkeypatch):
    clock = iter([0.0, 100.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with console.progress() as bars:
        bar = bars.add("training", 100)
        bar(50)
        bar(60)
    assert capsys.readouterr().err.splitlines()[-1] == "training: 60%, 6:40 left"


def test_quiet_says_nothing(capsys):
    with console.progress(quiet=True) as bars:
        bars.add("making")(1, 2)
        bars.say("loading")
    assert capsys.readouterr().err == ""


def test_tables_keep_brackets_and_missing_figures(capsys):
    console.show_table("[bold]", ["method", "score"], [["a[0]", 0.12345], ["b", None]], note="n [of] 2")
    text = capsys.readouterr().out
    for part in ("[bold]", "a[0]", "0.123", "–", "n [of] 2"):
        assert part in text


def test_json_has_no_nan(capsys):
    console.print_json({"a": float("nan"), "b": Path("x"), "c": (1, 2.5)})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": "x", "c": [1, 2.5]}


# --- as a process -----------------------------------------------------------------------------------------


def test_help_and_version_load_no_torch():
    code = (
        "import sys; from sn_eval.cli import main; sys.argv = ['sn-eval', '--version']\n"
        "try: main()\n"
        "except SystemExit as left: print(left.code, 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[0].startswith("sn-eval ")
    assert said.splitlines()[-1] == "0 False"


def test_ctrl_c_stops_with_one_line_and_keeps_the_frames(tmp_path):
    words = ["tabletop", "scene", "a red ball rolls", "--frames", "1000000", "--out", str(tmp_path / "s")]
    process = subprocess.Popen(
        [sys.executable, "-m", "sn_eval", *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    partial = tmp_path / "s" / "scene.partial.mp4"
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == f"stopped; finished work is kept in {tmp_path / 's'}"
    assert "Traceback" not in err
    assert partial.stat().st_size > 0


def test_a_reader_that_leaves_early_is_no_error():
    words = f"{sys.executable} -m sn_eval rewards show object_persistence | true"
    said = subprocess.run(["bash", "-c", words], capture_output=True, text=True)
    assert said.stderr == ""
