"""Interrupted, shared out, killed at any moment: the bytes of the output are those of an unbroken run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

import fose
from fose.errors import InputError, OutputError
from fose.scene import journal as journals
from fose.scene import resume, writer
from fose.scene.journal import STRIP, Journal, StripWriter, folder_of, share
from fose.scene.sharpen import Options, sharpen_files
from fose.scene.tiles import Window

MB = 2**20
SHAPE = (1300, 700)  # three strips of 512 rows, of two blocks


@pytest.fixture(scope="module")
def pixels(synth):
    """PAN and MS of three strips; noise, which shows a misplaced block better than texture."""
    noise = np.random.default_rng(3)
    return noise.integers(1, 2000, SHAPE).astype(np.uint16), noise.integers(1, 2000, (3, 325, 175)).astype(np.uint16)


@pytest.fixture(scope="module")
def hole():
    hole = np.zeros((325, 175), bool)
    hole[120:140, 100:150] = hole[300, 3] = True
    return hole


def tagged(dataset):
    dataset.descriptions = ("red edge", "nir", "vert é")
    dataset.scales, dataset.offsets, dataset.units = (0.5, 0.1, 1.0), (1.0, -3.0, 0.0), ("W", "m", "1")
    dataset.update_tags(2, wavelength="832")
    dataset.update_tags(ACQUIRED="2020-01-01")
    dataset.update_tags(ns="IMD", satId='"WV02"')


# What the files hold, and the options.
KINDS = {
    "plain": ({}, {}),
    "nodata": ({"nodata": 0}, {}),
    "mask": ({"mask": True}, {}),
    "alpha": ({"alpha": True}, {}),
    "float": ({"dtype": np.float32}, {"resampling": "cubic"}),
    "other type": ({}, {"dtype": "int32", "nodata": -7.0}),
    "COG": ({"mask": True}, {"driver": "COG", "creation": {"COMPRESS": "DEFLATE"}}),
    "union": ({}, {"extent": "union", "creation": {"compress": "lzw"}}),
    "extent of PAN": ({}, {"extent": "pan", "bands": [3, 1]}),
    "metadata": ({"crs": "+proj=tmerc +lat_0=1.5 +lon_0=9 +ellps=bessel +units=m", "prepare": tagged}, {}),
}


def save(synth, folder, pixels, hole, kind, phase=(0.0, 0.0)):
    """Files of a kind, in a folder of their own."""
    folder.mkdir(exist_ok=True)
    pan, ms = pixels
    holds = dict(KINDS[kind][0])
    dtype = holds.pop("dtype", np.uint16)
    crs, prepare = holds.pop("crs", synth.UTM), holds.pop("prepare", None)
    if holds.pop("mask", False):
        holds["mask"] = ~hole
    if holds.pop("alpha", False):
        holds["alpha"] = np.where(hole, 0, 65535).astype(dtype)
    ms = ms.astype(dtype)
    if dtype == np.float32 or "nodata" in holds:
        ms = np.where(hole, dtype(np.nan) if dtype == np.float32 else 0, ms).astype(dtype)
    blocks = {"blockxsize": 512, "blockysize": 512}
    pan_path = synth.save(folder / "pan.tif", pan.astype(dtype), synth.utm(), crs=crs, **blocks)
    ms_path = synth.save(folder / "ms.tif", ms, synth.utm(4, phase), crs=crs, prepare=prepare, **blocks, **holds)
    return pan_path, ms_path


@pytest.fixture(scope="module", params=KINDS)
def job(request, synth, pixels, hole, tmp_path_factory):
    """(PAN, MS), the options, and the output of an unbroken run: its name and what it is, with what lies beside it."""
    folder = tmp_path_factory.mktemp("kinds")
    phase = (-13.0, 22.0) if KINDS[request.param][1].get("extent") else (0.0, 0.0)
    pair = save(synth, folder / "in", pixels, hole, request.param, phase)
    options = {"register": "off"} | KINDS[request.param][1]
    (folder / "out").mkdir()
    sharpen_files(pair[0], [pair[1]], folder / "out" / "out.tif", method(synth), Options(**options, threads=2))
    return pair, options, contents(folder / "out")


def method(synth):
    return synth.SHARPENERS["test-detail"]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def sharpen(synth, pair, out, shard=None, progress=None, **options):
    options = {"register": "off", "threads": 2} | options
    return resume.sharpen_files(pair[0], [pair[1]], out, method(synth), Options(**options), shard, progress)


class Interrupt:
    """A progress that interrupts the run once so many pixels are written."""

    def __init__(self, share):
        self.share, self.done = share, 0

    def __call__(self, done, total):
        self.done += done
        if self.done >= self.share * total:
            raise KeyboardInterrupt


def interrupted(synth, pair, out, at=0.39, **options):
    with pytest.raises(KeyboardInterrupt):
        sharpen(synth, pair, out, progress=Interrupt(at), **options)


# The bytes of an unbroken run


def test_an_interrupted_run_continues_to_the_bytes_of_an_unbroken_one(synth, job, tmp_path):
    pair, options, expected = job
    out = tmp_path / "out.tif"
    interrupted(synth, pair, out, **options, threads=1, memory=100 * MB)
    assert synth.left_over(tmp_path) == ["out.tif.fose"]
    assert synth.left_over(folder_of(out)) == ["00001.strip", "journal.json"]
    seen = []
    report = sharpen(synth, pair, out, progress=lambda *counts: seen.append(counts), **options, memory=2**30)
    assert contents(tmp_path) == expected
    assert seen[0][0] == 512 * report.shape[2]
    assert {total for _, total in seen} == {sum(done for done, _ in seen)}
    assert report.output == str(out)
    assert report.seconds["assemble"] > 0


def test_shards_merge_to_the_bytes_of_an_unbroken_run(synth, job, tmp_path):
    pair, options, expected = job
    out = tmp_path / "out.tif"
    left = [sharpen(synth, pair, out, (i, 3), **options, memory=i * 100 * MB).missing_strips for i in (2, 3, 1)]
    assert left == [[1, 3], [1], []]
    for path in pair:
        path.rename(path.with_suffix(".away"))  # merging needs no input
    try:
        report = fose.merge(out)
    finally:
        for path in pair:
            path.with_suffix(".away").rename(path)
    assert contents(tmp_path) == expected
    assert (report.output, report.shape[0], report.missing_strips) == (str(out), len(options.get("bands", "123")), [])


@pytest.mark.parametrize("kind", ["plain", "mask", "alpha"])
def test_the_bytes_depend_neither_on_memory_nor_on_threads(synth, pixels, hole, tmp_path, kind):
    pair = save(synth, tmp_path / "in", pixels, hole, kind)
    seen = set()
    for memory, threads in ((2**31, 1), (60 * MB, 1), (100 * MB, 3)):
        options = Options(register="off", memory=memory, threads=threads, overwrite=True)
        sharpen_files(pair[0], [pair[1]], tmp_path / "out.tif", method(synth), options)
        seen.add((tmp_path / "out.tif").read_bytes())
    assert len(seen) == 1


@pytest.fixture
def pair(synth, pixels, hole, tmp_path_factory):
    return save(synth, tmp_path_factory.mktemp("pair"), pixels, hole, "plain")


@pytest.fixture
def whole(synth, pair, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out.tif"
    sharpen_files(pair[0], [pair[1]], out, method(synth), Options(register="off", threads=2))
    return out.read_bytes()


def test_an_interrupted_assembly_computes_nothing_again(synth, pair, whole, tmp_path, monkeypatch):
    out = tmp_path / "out.tif"

    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journals.OutputFile, "_seal", interrupt)
        with pytest.raises(KeyboardInterrupt):
            sharpen(synth, pair, out)
    assert synth.left_over(tmp_path) == ["out.tif.fose"]
    monkeypatch.setattr(resume, "registered", None)
    sharpen(synth, pair, out)
    assert contents(tmp_path) == {"out.tif": whole}


@pytest.mark.parametrize("damage", ["gone", "cut", "longer", "a bit", "empty"])
@pytest.mark.parametrize("strip", [0, 2])
def test_a_damaged_strip_is_computed_again(synth, pair, whole, tmp_path, damage, strip):
    out = tmp_path / "out.tif"
    sharpen(synth, pair, out, (1, 1))
    path = folder_of(out) / f"{strip + 1:05d}.strip"
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "a bit":
        data[len(data) // 3] ^= 4
        path.write_bytes(data)
    else:
        path.write_bytes({"cut": data[:-100], "longer": data + b"\0", "empty": b""}[damage])
    with pytest.raises(InputError, match=rf"found 2 whole ones; missing {strip + 1}: run --shard 1 of 1 again"):
        fose.merge(out)
    sharpen(synth, pair, out)
    assert contents(tmp_path) == {"out.tif": whole}


def test_a_full_disk_keeps_the_strips_before_it(synth, pair, whole, tmp_path, monkeypatch):
    out = tmp_path / "out.tif"
    packed = Journal.packed

    def full(self, window, image, valid):
        if window.rows.start >= 2 * STRIP:
            raise OSError(28, "No space left on device")
        return packed(self, window, image, valid)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "packed", full)
        with pytest.raises(OutputError, match=r"cannot write .*out\.tif\.fose/00003\.strip: no space left on device$"):
            sharpen(synth, pair, out)
    assert synth.left_over(folder_of(out)) == ["00001.strip", "00002.strip", "journal.json"]
    sharpen(synth, pair, out)
    assert contents(tmp_path) == {"out.tif": whole}


def test_an_existing_output_is_replaced_only_when_asked(synth, pair, whole, tmp_path):
    out = tmp_path / "out.tif"
    out.write_text("precious")
    with pytest.raises(OutputError, match="exists; add --overwrite"):
        sharpen(synth, pair, out)
    interrupted(synth, pair, out, overwrite=True)
    assert out.read_text() == "precious"
    sharpen(synth, pair, out, (1, 1), overwrite=True)
    with pytest.raises(OutputError, match="exists; add --overwrite"):
        fose.merge(out)
    assert out.read_text() == "precious"
    fose.merge(out, overwrite=True)
    assert contents(tmp_path) == {"out.tif": whole}


# Shares


@given(count=st.integers(1, 200), n=st.integers(1, 250))
def test_every_strip_belongs_to_one_shard(count, n):
    assert [strip for i in range(1, n + 1) for strip in share((i, n), count)] == list(range(count))


def test_more_shards_than_strips(synth, pair, whole, tmp_path):
    out = tmp_path / "out.tif"
    for i in range(1, 6):
        sharpen(synth, pair, out, (i, 5))
    fose.merge(out)
    assert out.read_bytes() == whole


def test_a_shard_that_is_run_again_computes_nothing(synth, pair, tmp_path, monkeypatch):
    out = tmp_path / "out.tif"
    sharpen(synth, pair, out, (2, 3))
    monkeypatch.setattr(resume, "registered", None)
    assert sharpen(synth, pair, out, (2, 3)).missing_strips == [1, 3]


def test_a_run_that_resumes_makes_what_shards_left(synth, pair, whole, tmp_path):
    out = tmp_path / "out.tif"
    sharpen(synth, pair, out, (2, 2))
    sharpen(synth, pair, out)
    assert contents(tmp_path) == {"out.tif": whole}


@pytest.mark.parametrize("shard", [(0, 3), (4, 3), (1, 0), (-1, -1)])
def test_impossible_shards_are_refused(synth, pair, tmp_path, shard):
    with pytest.raises(InputError, match=r"--shard: expected i/n with i in 1\.\.n, found"):
        sharpen(synth, pair, tmp_path / "out.tif", shard)
    assert synth.left_over(tmp_path) == []


def test_merging_says_which_shards_are_missing(synth, pair, tmp_path):
    out = tmp_path / "out.tif"
    with pytest.raises(InputError, match=r"expected strips of .*out\.tif in .*out\.tif\.fose, found no journal there"):
        fose.merge(out)
    sharpen(synth, pair, out, (2, 3))
    before = contents(folder_of(out))
    with pytest.raises(InputError, match=r"expected 3 strips .* found 1 .*; missing 1, 3: run --shard 1, 3 of 3"):
        fose.merge(out)
    assert contents(folder_of(out)) == before
    assert synth.left_over(tmp_path) == ["out.tif.fose"]


def test_ranges_are_short():
    assert resume._ranges([0, 1, 2, 6, 8, 9]) == "1-3, 7, 9-10"


# Another job


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"resampling": "cubic"}, 'resampling was "lanczos", is "cubic"; run that one again, or delete the folder'),
        ({"bands": (2, 1)}, r"bands was none, is \[2, 1\]; output was 3 x 1300 x 700 <u2 in strips of 512, is 2 x "),
        ({"creation": {"COMPRESS": "LZW"}}, "creation was {}, is"),
        ({"dtype": "uint8", "nodata": 0, "driver": "COG"}, "and 1 more; run"),
    ],
)
def test_another_jobs_journal_is_refused_and_kept(synth, pair, tmp_path, options, said):
    out = tmp_path / "out.tif"
    sharpen(synth, pair, out, (1, 3))
    before = contents(folder_of(out))
    with pytest.raises(OutputError, match=rf"out\.tif\.fose was begun by another job: .*{said}"):
        sharpen(synth, pair, out, (2, 3), **options)
    assert contents(folder_of(out)) == before


def test_changed_inputs_are_refused(synth, pair, tmp_path):
    out = tmp_path / "out.tif"
    sharpen(synth, pair, out, (1, 3))
    os.utime(pair[1], (1e9, 1e9))
    with pytest.raises(OutputError, match=r"file .*ms\.tif was \d+ bytes of 20.*, is \d+ bytes of 2001-09-09T01:46:40"):
        sharpen(synth, pair, out)


def test_what_a_vrt_is_made_of_counts(synth, pair, tmp_path):
    vrt = tmp_path / "ms.vrt"
    with rasterio.open(pair[1]) as source, rasterio.vrt.WarpedVRT(source) as view:
        rasterio.shutil.copy(view, vrt, driver="VRT")
    out = tmp_path / "out.tif"
    sharpen(synth, (pair[0], vrt), out, (1, 3))
    Path(f"{pair[1]}.aux.xml").write_text("<PAMDataset/>")  # a viewer's, of no consequence
    sharpen(synth, (pair[0], vrt), out, (2, 3))
    os.utime(pair[1], (1e9, 1e9))
    with pytest.raises(OutputError, match=r"file .*ms\.tif was"):
        sharpen(synth, (pair[0], vrt), out, (3, 3))


def test_a_methods_options_count(pair, tmp_path):
    fose.sharpen(*pair, tmp_path / "out.tif", "brovey", weights=[0.5, 0.25, 0.25], shard=(1, 3), register="off")
    fose.sharpen(*pair, tmp_path / "out.tif", "brovey", weights=(0.5, 0.25, 0.25), shard=(2, 3), register="off")
    with pytest.raises(OutputError, match=r"method's weights was \[0\.5, 0\.25, 0\.25\], is \[0\.5, 0\.5, 0\.0\]"):
        fose.sharpen(*pair, tmp_path / "out.tif", "brovey", weights=(0.5, 0.5, 0.0), shard=(3, 3), register="off")


def test_a_run_from_another_folder_continues(synth, pair, whole, tmp_path, monkeypatch):
    sharpen(synth, pair, tmp_path / "out.tif", (1, 2))
    monkeypatch.chdir(tmp_path)
    sharpen(synth, [os.path.relpath(path) for path in pair], "out.tif")
    assert contents(tmp_path) == {"out.tif": whole}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"job": {}}', "\xff"])
def test_a_damaged_journal_is_one_clear_error(synth, pair, tmp_path, text):
    out = tmp_path / "out.tif"
    sharpen(synth, pair, out, (1, 3))
    (folder_of(out) / "journal.json").write_bytes(text.encode("latin-1"))
    for attempt in (lambda: fose.merge(out), lambda: sharpen(synth, pair, out)):
        with pytest.raises(OutputError, match=r"expected a journal .*; delete the folder to start anew$"):
            attempt()


@pytest.mark.parametrize("found", ["file", "folder"])
def test_something_else_of_the_folders_name_is_kept(synth, pair, tmp_path, found):
    out = tmp_path / "out.tif"
    if found == "folder":
        folder_of(out).mkdir()
        (folder_of(out) / "mine").write_text("precious")
    else:
        folder_of(out).write_text("precious")
    with pytest.raises(OutputError, match=r"found something else there; delete it$"):
        sharpen(synth, pair, out)
    assert synth.left_over(tmp_path) == ["out.tif.fose"]
    assert (folder_of(out) / "mine" if found == "folder" else folder_of(out)).read_text() == "precious"


def test_what_gdal_refuses_is_known_before_it_is_computed(synth, pair, tmp_path, monkeypatch):
    monkeypatch.setattr(type(method(synth)), "fit", lambda *args: pytest.fail("computed in vain"))
    with pytest.raises(OutputError, match="cannot create"):
        sharpen(synth, pair, tmp_path / "out.tif", creation={"BLOCKXSIZE": "17"})
    assert synth.left_over(tmp_path) == []


def test_gdals_own_method_does_not_resume(pair, tmp_path):
    for options in ({"resume": True}, {"shard": (1, 2)}):
        with pytest.raises(InputError, match="method gdal-brovey: expected no resume or shard"):
            fose.sharpen(*pair, tmp_path / "out.tif", "gdal-brovey", **options)


def test_without_resume_a_journal_is_left_alone(synth, pair, whole, tmp_path):
    out = tmp_path / "out.tif"
    sharpen(synth, pair, out, (1, 3))
    before = contents(folder_of(out))
    sharpen_files(pair[0], [pair[1]], out, method(synth), Options(register="off"))
    assert out.read_bytes() == whole
    assert contents(folder_of(out)) == before


def test_of_processes_that_begin_at_once_one_makes_the_journal(synth, pair, tmp_path, monkeypatch):
    out = tmp_path / "out.tif"
    made = []
    monkeypatch.setattr(resume, "_compute", lambda work, journal, *rest: made.append((work.spec, work.report)))
    sharpen(synth, pair, out, (1, 3))
    (folder_of(out) / "journal.json").unlink()
    folder_of(out).rmdir()
    with ThreadPoolExecutor(8) as pool:
        begun = pool.map(lambda number: Journal.begin(out, {"number": str(number)}, 1, *made[0]), range(40))
        jobs = {journal.job["number"] for journal in begun}
    assert len(jobs) == 1
    assert synth.left_over(tmp_path) == ["out.tif.fose"]


# In processes of their own, killed

# Slower than any machine, so that kills fall into every phase. Ends with what `fose` makes of the outcome.
SLOW = """
import sys, time
import fose
from fose.scene import writer

class Slow:
    name, halo, reach, working, pause = "slow", 2, 0, 2.5, float(sys.argv[1])
    def fit(self, scene):
        return sum(scene.map(lambda tile: tile.samples(tile.pan).sum()))
    def apply(self, tile, fit):
        time.sleep(self.pause)
        return tile.ms_up + tile.pan * (fit / 1e12)

write = writer.OutputFile.write
def slowly(self, *tile):
    time.sleep(Slow.pause / 2)
    write(self, *tile)
writer.OutputFile.write = slowly

what, pan, ms, out = sys.argv[2:6]
if what == "merge":
    fose.merge(out, overwrite=True)
else:
    shard = tuple(map(int, what.split("/"))) if "/" in what else None
    resume = what == "resume"
    fose.sharpen(pan, ms, out, Slow(), resume=resume, shard=shard, register="off", overwrite=True, threads=2)
"""


def environment():
    source = Path(__file__).parents[2] / "src"
    return os.environ | {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}


def start(what, pair, out, pause=0.2):
    command = [sys.executable, "-c", SLOW, str(pause), what, *map(str, pair), str(out)]
    return subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)


def finish(process):
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


def kill_until_done(begin, moments, check):
    """Start, kill at each of the moments (seconds), and let the last one end; `check` the folder after each kill."""
    kills = 0
    for moment in moments:
        process = begin()
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        process.communicate()
        if process.returncode == 0:
            return kills
        assert process.returncode == -signal.SIGKILL
        check()
    finish(begin())
    return kills


@pytest.fixture
def slow_whole(pair, tmp_path_factory):
    """What the slow method makes in one go, and the seconds it took."""
    out = tmp_path_factory.mktemp("slow") / "out.tif"
    started = time.monotonic()
    finish(start("unbroken", pair, out))
    return out.read_bytes(), time.monotonic() - started


def check_kills(pair, slow_whole, tmp_path, seed, most):
    expected, seconds = slow_whole
    generator = random.Random(seed)
    out = tmp_path / "out.tif"
    out.write_bytes(b"precious")

    def check():
        assert out.read_bytes() in (b"precious", expected)

    moments = [generator.uniform(0.2, 1.2) * seconds for _ in range(most)]
    print(f"seed {seed}, kills after {moments}")
    kills = kill_until_done(lambda: start("resume", pair, out), moments, check)
    assert out.read_bytes() == expected
    assert not folder_of(out).exists()
    assert kills


def test_killed_at_random_moments_it_continues_to_the_same_bytes(pair, slow_whole, tmp_path):
    check_kills(pair, slow_whole, tmp_path, seed=1, most=5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killed_many_times_it_continues_to_the_same_bytes(pair, slow_whole, tmp_path, seed):
    check_kills(pair, slow_whole, tmp_path, seed=seed, most=25)


def test_shards_in_processes_at_once_one_of_them_killed(synth, pair, slow_whole, tmp_path):
    out = tmp_path / "out.tif"
    processes = [start(f"{i}/3", pair, out) for i in (1, 2, 3)]
    wait_for(lambda: folder_of(out).exists())
    processes[1].kill()
    processes[1].communicate()
    for process in (processes[0], processes[2]):
        finish(process)
    if not (folder_of(out) / "00002.strip").exists():
        with pytest.raises(InputError, match=r"missing 2: run --shard 2 of 3 again"):
            fose.merge(out)
    finish(start("2/3", pair, out))
    generator = random.Random(2)
    moments = [generator.uniform(0.3, 2) for _ in range(2)]
    print(f"merge killed after {moments}")
    kill_until_done(lambda: start("merge", pair, out), moments, lambda: None)
    assert out.read_bytes() == slow_whole[0]
    assert not folder_of(out).exists()


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_merge_leaves_the_strips_and_no_output(synth, pair, slow_whole, tmp_path):
    out = tmp_path / "out.tif"
    finish(start("1/1", pair, out, pause=0))
    process = start("merge", pair, out, pause=0.5)
    wait_for(lambda: len(synth.left_over(tmp_path)) == 2)  # the hidden folder of the output
    process.kill()
    process.communicate()
    assert not out.exists()
    finish(start("merge", pair, out, pause=0))
    assert out.read_bytes() == slow_whole[0]


def test_the_unfinished_strip_of_a_killed_run_does_not_stay(synth, pair, tmp_path):
    out = tmp_path / "out.tif"
    sharpen(synth, pair, out, (1, 3))
    journal = Journal.find(out)
    abandoned = StripWriter(journal)  # as a kill leaves it
    abandoned.write(Window.of(512, 0, 512, 512), np.zeros((3, 512, 512), np.uint16), None)
    assert "00002.part" in synth.left_over(folder_of(out))
    sharpen(synth, pair, out, (2, 3))
    assert synth.left_over(folder_of(out)) == ["00001.strip", "00002.strip", "journal.json"]


def test_the_journal_is_plain_text(synth, pair, tmp_path):
    sharpen(synth, pair, tmp_path / "out.tif", (1, 3))
    told = json.loads((folder_of(tmp_path / "out.tif") / "journal.json").read_text())
    assert told["job"]["method"] == "test-detail"
    assert told["output"]["tags"]["FOSE_PAN"] == "pan.tif"


def test_strips_are_as_high_as_tiles_and_blocks():
    from fose.scene.memory import TILES

    assert {rows for rows, _ in TILES} == {STRIP} == {writer.BLOCK}
