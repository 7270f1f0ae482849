"""`fose sharpen --resume` and `--shard`, `fose merge`: what they print, how they end, how a signal is answered."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def pair(synth, tmp_path):
    """Two strips of 512 rows."""
    (tmp_path / "in").mkdir()
    return synth.textured_pair(tmp_path / "in", ms_shape=(150, 40))


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "out.tif"


def test_shards_say_what_is_left_and_merge_what_was_made(synth, fose, pair, out):
    whole = out.with_name("whole.tif")
    assert fose("sharpen", *pair, whole, "-m", "gsa").exit_code == 0
    first = fose("sharpen", *pair, out, "-m", "gsa", "--shard", "1/2")
    assert first.exit_code == 0, first.stderr
    assert first.stdout.startswith(f"{out}: shard 1/2 done in ")
    assert first.stdout.endswith(" s, 1 strip left to other shards; fose merge joins them\n")
    second = fose("sharpen", *pair, out, "-m", "gsa", "--shard", "2/2", "--memory", "100MB", "--json")
    assert json.loads(second.stdout)["missing_strips"] == []
    assert synth.left_over(out.parent) == ["out.tif.fose", "whole.tif"]
    merged = fose("merge", out)
    assert merged.exit_code == 0, merged.stderr
    assert merged.stdout.startswith(f"{out}: 160x600 px, 3 bands, uint16, gsa, sensor generic, ")
    assert out.read_bytes() == whole.read_bytes()
    assert synth.left_over(out.parent) == ["out.tif", "whole.tif"]


def test_merge_is_quiet_or_json_when_asked(fose, pair, out):
    for options in (["--quiet"], ["--json", "--overwrite", "--threads", "1"]):
        assert fose("sharpen", *pair, out, "-m", "gsa", "--shard", "1/1", "--overwrite", "-q").exit_code == 0
        merged = fose("merge", out, *options)
        assert merged.exit_code == 0
        assert merged.stderr == ""
    assert json.loads(merged.stdout)["output"] == str(out)


def test_resume_alone_is_a_plain_run(synth, fose, pair, out):
    result = fose("sharpen", *pair, out, "-m", "gsa", "--resume")
    assert result.stdout.startswith(f"{out}: 160x600 px, ")
    assert synth.left_over(out.parent) == ["out.tif"]


def test_merge_names_what_is_missing(fose, refused, pair, out):
    assert refused("merge", out).startswith(f"Error: expected strips of {out} in {out}.fose, found no journal there; ")
    assert fose("sharpen", *pair, out, "-m", "gsa", "--shard", "2/2").exit_code == 0
    assert refused("merge", out) == (
        f"Error: expected 2 strips in {out}.fose, found 1 whole ones; missing 1: "
        "run --shard 1 of 2 again, or --resume for all of them"
    )


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2", ""])
def test_impossible_shards_are_wrong_usage(refused, pair, out, shard):
    assert "expected i/n with i in 1..n, such as 2/8, found" in refused("sharpen", *pair, out, "--shard", shard)


def test_another_jobs_journal_is_one_line(fose, refused, pair, out):
    assert fose("sharpen", *pair, out, "--method", "gsa", "--shard", "1/2").exit_code == 0
    assert refused("sharpen", *pair, out, "--method", "brovey", "--resume") == (
        f"Error: {out}.fose was begun by another job: method was gsa, is brovey; "
        "run that one again, or delete the folder to start anew"
    )


# The command line, with half a second for each tile: a signal surely comes between the first strip and the last.
SLOW = """
import time
import fose.cli
from fose.scene.journal import StripWriter

write = StripWriter.write
def slowly(self, *tile):
    write(self, *tile)
    time.sleep(0.5)
StripWriter.write = slowly
fose.cli.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_says_how_to_continue_and_the_next_run_does(synth, tmp_path, out, number):
    pair = synth.textured_pair(tmp_path, ms_shape=(640, 20))  # five strips
    command = [sys.executable, "-c", SLOW, "sharpen", *map(str, pair), str(out), "-m", "gsa", "--resume"]
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    first = Path(f"{out}.fose", "00001.strip")
    try:
        deadline = time.monotonic() + 60
        while not first.exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    kept = f"finished strips are kept in {out}.fose; run the same command again to continue"
    ended = [kept, "Aborted!"] if number == signal.SIGINT else [f"Error: ended by {number.name}", kept]
    assert [line for line in errors.splitlines() if line] == ended
    assert process.returncode == (1 if number == signal.SIGINT else 128 + number)
    assert synth.left_over(out.parent) == ["out.tif.fose"]
    age = first.stat().st_mtime_ns
    again = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while again.poll() is None:
        with contextlib.suppress(FileNotFoundError):  # removed at the end
            assert first.stat().st_mtime_ns == age
        time.sleep(0.1)
    assert again.returncode == 0
    assert synth.left_over(out.parent) == ["out.tif"]
