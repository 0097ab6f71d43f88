"""A record is whole or absent, says the same after a round trip, and never pretends to a number."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from pydantic import ValidationError

from sn_eval.results import record as records
from sn_eval.results.files import ResultsError, write_whole
from sn_eval.results.record import Quantity, Record, load, save, versions


def test_round_trip(record, tmp_path):
    path = save(record, tmp_path / "cell")
    assert load(path) == record
    assert load(path.parent) == record
    assert os.listdir(path.parent) == ["record.json"]


def test_json_is_what_the_design_promises(record, tmp_path):
    data = json.loads(save(record, tmp_path).read_text("utf-8"))
    assert data["prompt"] == "赤いグラス <b>"
    assert data["cost"]["nfe"] == {"value": 480.0, "source": "measured", "how": "forward hooks"}
    assert data["cost"]["energy_joules"] == {"value": None, "source": "none", "how": "no counter"}
    assert data["cost"]["seconds"]["by_phase"] == {"generate": 2.5, "decode": 0.5}
    assert data["scores"] == {"persistence": 0.8, "spill": None}, "NaN is not JSON: not scored is null"
    wanted = {"prompt", "model", "rollout", "method", "seed", "frames", "fps", "frames_sha256", "versions"}
    assert wanted <= data.keys()


def test_records_are_frozen_and_complete(record):
    with pytest.raises(ValidationError):
        record.seed = 8
    with pytest.raises(ValidationError, match="extra"):
        Record.model_validate(record.model_dump() | {"surprise": 1})
    without = record.model_dump()
    del without["frames_sha256"]
    with pytest.raises(ValidationError, match="frames_sha256"):
        Record.model_validate(without)


def test_quantities_say_where_they_come_from():
    assert Quantity.none("no counter").value is None
    assert Quantity.measured(3, "counted") == Quantity(value=3, source="measured", how="counted")
    with pytest.raises(ValidationError):
        Quantity(value=3, source="guessed", how="")
    for value, source in [(None, "measured"), (0.0, "none")]:
        with pytest.raises(ValidationError, match="None exactly where"):
            Quantity(value=value, source=source, how="")


def test_lengths_and_totals(record):
    assert record.seconds_of_video == 5
    assert record.cost.seconds.total == 3


def test_versions_name_what_changes_bits():
    found = versions()
    assert {"python", "torch", "numpy", "sn-eval"} <= found.keys()
    assert versions(("surely-not-installed",)).keys() == {"python"}


def test_bad_records_are_one_line(record, tmp_path):
    with pytest.raises(ResultsError, match="did not finish"):
        load(tmp_path / "record.json")
    path = save(record, tmp_path)
    path.write_text(path.read_text()[:300])
    with pytest.raises(ResultsError, match="not a record of schema 1: .*JSON"):
        load(path)
    path.write_text(record.model_dump_json().replace('"seed":7', '"seed":"x"'))
    with pytest.raises(ResultsError, match="seed: ") as caught:
        load(path)
    assert "\n" not in str(caught.value)
    path.write_text(record.model_dump_json().replace('"schema_version":1', '"schema_version":2'))
    with pytest.raises(ResultsError, match="schema_version"):
        load(path)


def test_unwritable_folder_is_one_line(record, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match=r"cannot write .*record\.json: .*free space"):
        save(record, tmp_path / "file")


def test_a_full_disk_keeps_the_old_file(tmp_path):
    """The size limit of a process stands for a full disk."""
    path = tmp_path / "record.json"
    path.write_text("old")
    program = """if True:
        import resource, sys
        from pathlib import Path
        from sn_eval.results.files import ResultsError, write_whole
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_whole(Path(sys.argv[1]), "x" * 5000)
        except ResultsError as error:
            print(error)
    """
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"cannot write {path}: File too large. Choose")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["record.json"]


def test_kill_9_at_any_moment_leaves_a_whole_record_or_none(tmp_path):
    """A child rewrites the record without pause and is killed at twelve different moments."""
    program = """if True:
        import sys
        from pathlib import Path
        from sn_eval.results.files import write_whole
        print("ready", flush=True)
        for number in range(10**9):
            write_whole(Path(sys.argv[1]) / f"{number % 50}.json", '{"text": "' + "x" * 200_000 + '"}')
    """
    checked = 0
    for turn in range(12):
        folder = tmp_path / str(turn)
        child = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(0.007 * turn)
        child.send_signal(signal.SIGKILL)
        child.wait()
        for path in folder.glob("*.json"):
            assert len(json.loads(path.read_text())["text"]) == 200_000
            checked += 1
    assert checked > 12


def test_write_whole_replaces_and_is_readable_by_others(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, "one")
    write_whole(path, "ünï")
    assert path.read_text("utf-8") == "ünï"
    assert path.stat().st_mode & 0o777 == 0o644


def test_file_name_is_the_one_the_design_names():
    assert records.FILE_NAME == "record.json"
