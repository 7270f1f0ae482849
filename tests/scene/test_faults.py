"""The file is whole or absent: a fault at every step of reading and writing, full disks, signals."""

import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
import rasterio.io
import rasterio.shutil
from rasterio.errors import RasterioIOError

from fose.errors import FoseError, OutputError, ReadError
from fose.scene import reader, writer
from fose.scene.sharpen import Options, sharpen_files

SMALL = Options(register="off", threads=2)


@pytest.fixture(scope="module")
def pair(synth, tmp_path_factory):
    """PAN of 1200 x 1480, so that the output has 9 blocks."""
    return synth.textured_pair(tmp_path_factory.mktemp("faults"), ms_shape=(300, 370))


def run(synth, pair, out, **options):
    options = {"register": "off", "threads": 2, "memory": 64 * 2**20} | options
    return sharpen_files(pair[0], [pair[1]], out, synth.SHARPENERS["test-ratio"], Options(**options))


class Nth:
    """Wraps a function so that its n-th call raises."""

    def __init__(self, function, n, error):
        self.function, self.left, self.error = function, n, error

    def __call__(self, *args, **kwargs):
        self.left -= 1
        if self.left == 0:
            raise self.error
        return self.function(*args, **kwargs)

    def __get__(self, instance, owner=None):  # as a method
        return self if instance is None else lambda *args, **kwargs: self(instance, *args, **kwargs)


FULL = OSError(28, "No space left on device")
STEPS = {
    "open of PAN": (rasterio, "open", 1, RasterioIOError("gone")),
    "open of MS": (rasterio, "open", 2, RasterioIOError("gone")),
    "open in a thread": (rasterio, "open", 3, RasterioIOError("gone")),
    "read while fitting": (reader.Raster, "_read_band", 1, ReadError("cannot read x.tif, band 1: bad block")),
    "read while sharpening": (reader.Raster, "_read_band", 12, ReadError("cannot read x.tif, band 1: bad block")),
    "last reads": (reader.Raster, "_read_band", 30, ReadError("cannot read x.tif, band 1: bad block")),
    "make the folder": (pathlib.Path, "mkdir", 1, FULL),
    "describe": (writer.OutputFile, "_describe", 1, RasterioIOError("no")),
    "first write": (writer.OutputFile, "write", 1, OutputError("cannot write: full")),
    "second write": (writer.OutputFile, "write", 2, OutputError("cannot write: full")),
    "compute": (writer.OutputFile, "write", 2, MemoryError()),
    "interrupt": (writer.OutputFile, "write", 2, KeyboardInterrupt()),
    "verify": (writer, "_verify", 1, OutputError("block missing")),
    "verify cannot open": (writer, "_verify", 1, RasterioIOError("no")),
    "flush": (os, "fsync", 1, FULL),
    "interrupt at flush": (os, "fsync", 1, KeyboardInterrupt()),
    "rename": (pathlib.Path, "replace", 1, OSError(5, "Input/output error")),
    "trial of COG": (rasterio.shutil, "copy", 1, RasterioIOError("no")),
    "copy to COG": (rasterio.shutil, "copy", 2, RasterioIOError("no")),
    "verify COG": (writer, "_verify", 2, OutputError("block missing")),
}


@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
@pytest.mark.parametrize("driver", ["GTiff", "COG"])
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_at_any_step_leaves_the_folder_as_it_was(synth, pair, tmp_path, monkeypatch, step, driver, existing):
    owner, name, n, error = STEPS[step]
    if "COG" in step and driver != "COG":
        pytest.skip("a step of COG only")
    out = tmp_path / "out.tif"
    if existing:
        out.write_bytes(b"precious")
        (tmp_path / "out.tif.aux.xml").write_text("<PAMDataset/>")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    fault = Nth(getattr(owner, name), n, error)
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises((FoseError, MemoryError, KeyboardInterrupt)) as raised:
        run(synth, pair, out, driver=driver, overwrite=existing)
    monkeypatch.undo()
    assert fault.left <= 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    if not isinstance(raised.value, (MemoryError, KeyboardInterrupt)):
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", [RasterioIOError, OSError])
def test_a_failing_driver_is_an_output_error_naming_the_target(synth, pair, tmp_path, monkeypatch, kind):
    class Broken:
        closed = False

        def __init__(self, dataset):
            self.dataset = dataset

        def __getattr__(self, name):
            return getattr(self.dataset, name)

        def __setattr__(self, name, value):
            if name == "dataset":
                object.__setattr__(self, name, value)
            else:
                setattr(self.dataset, name, value)

        def write(self, *args, **kwargs):
            raise kind("device on fire")

    real = rasterio.open

    def opened(path, mode="r", **options):
        return Broken(real(path, mode, **options)) if mode == "w" else real(path, mode, **options)

    monkeypatch.setattr(rasterio, "open", opened)
    with pytest.raises(OutputError, match=r"cannot write .*out\.tif: device on fire"):
        run(synth, pair, tmp_path / "out.tif")
    monkeypatch.undo()
    assert synth.left_over(tmp_path) == []


class Failing:
    """A sharpener that fails in one of its two steps."""

    name, halo, reach, working = "failing", 0, 0, 2.5

    def __init__(self, step):
        self.step = step

    def fit(self, scene):
        list(scene.map(lambda tile: self.fail("fit")))

    def apply(self, tile, fit):
        self.fail("apply")
        return tile.ms_up

    def fail(self, step):
        if self.step == step:
            raise ZeroDivisionError(step)


@pytest.mark.parametrize("step", ["fit", "apply"])
def test_a_failing_method_leaves_nothing(synth, pair, tmp_path, step):
    with pytest.raises(ZeroDivisionError, match=step):
        sharpen_files(pair[0], [pair[1]], tmp_path / "out.tif", Failing(step), SMALL)
    assert synth.left_over(tmp_path) == []


@pytest.mark.parametrize("which", [0, 1], ids=["pan", "ms"])
@pytest.mark.parametrize("damage", ["truncated", "corrupt"])
def test_an_unreadable_input_block_is_named_and_nothing_is_written(synth, tmp_path, which, damage):
    folder, target = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    target.mkdir()
    pan, ms = synth.arrays((100, 120))
    noise = np.random.default_rng(0).integers(0, 9, pan.shape)
    blocks = {"compress": "deflate", "blockxsize": 32, "blockysize": 32}
    paths = synth.save_pair(folder, (pan + noise).astype(np.uint16), ms.astype(np.uint16), **blocks)
    data = paths[which].read_bytes()
    cut = len(data) * 2 // 3
    paths[which].write_bytes(data[:cut] + (b"" if damage == "truncated" else bytes(len(data) - cut)))
    with pytest.raises(ReadError, match=rf"cannot read .*{paths[which].name}, band \d: ") as raised:
        run(synth, paths, target / "out.tif")
    assert "\n" not in str(raised.value)
    assert synth.left_over(target) == []


# In a process of its own


def script(pair, out, method="brovey", *options):
    return [
        *(sys.executable, "-c", "import fose.cli; fose.cli.main()", "sharpen", *map(str, pair), str(out)),
        "--method", method,
        "--register", "off", "--threads", "2", *options,
    ]  # fmt: skip


def environment():
    source = pathlib.Path(__file__).parents[2] / "src"
    # No bytecode: under a file size limit Python 3.11 writes it truncated, and the next import fails.
    return os.environ | {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}


def own_line(errors):
    """The one line that fose prints; libtiff writes to stderr by itself, out of anyone's reach."""
    lines = [line for line in errors.splitlines() if line.strip() and not line.startswith("_tiff")]
    assert len(lines) == 1, errors
    return lines[0]


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
@pytest.mark.parametrize("compress", ["NONE", "ZSTD"])
@pytest.mark.parametrize("kilobytes", [3, 300, 1500])
def test_a_file_size_limit_is_one_clear_error(synth, pair, tmp_path, driver, compress, kilobytes):
    """As a full disk: the output is 10 MB, 2 MB compressed."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024,) * 2)

    out = tmp_path / "out.tif"
    out.write_bytes(b"precious")
    command = script(pair, out, "brovey", "--of", driver, "--co", f"COMPRESS={compress}", "--overwrite")
    done = subprocess.run(
        command, env=environment(), preexec_fn=limit, capture_output=True, text=True, timeout=120
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert re.fullmatch(rf"Error: cannot (write|create) {out}: \S.*", own_line(done.stderr))
    assert synth.left_over(tmp_path) == ["out.tif"]
    assert out.read_bytes() == b"precious"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1.5 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system; the file size limit is tested instead")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(synth, pair, small_disk, driver):
    command = script(pair, small_disk / "out.tif", "brovey", "--of", driver)
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert own_line(done.stderr) == f"Error: cannot write {small_disk / 'out.tif'}: no space left on device"
    assert synth.left_over(small_disk) == []


@pytest.fixture(scope="module")
def slow_pair(synth, tmp_path_factory):
    """8192 x 8192 PAN, stored sparsely, which takes seconds to sharpen."""
    folder = tmp_path_factory.mktemp("slow")
    paths = []
    for name, size, step, count in (("pan", 8192, 1, 1), ("ms", 2048, 4, 4)):
        profile = {"width": size, "height": size, "count": count, "dtype": "uint16", "SPARSE_OK": True, "tiled": True}
        path = folder / f"{name}.tif"
        with rasterio.open(path, "w", driver="GTiff", transform=synth.utm(step), crs=synth.UTM, **profile):
            paths.append(path)
    return paths


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_signals_leave_no_target_and_touch_none(synth, slow_pair, tmp_path, number):
    """In the middle of writing; a kill cannot be cleaned up after, but the target is untouched."""
    out = tmp_path / "out.tif"
    out.write_bytes(b"precious")
    command = script(slow_pair, out, "gsa", "--overwrite", "--memory", "256MB")
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while len(synth.left_over(tmp_path)) < 2:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode != 0
    assert out.read_bytes() == b"precious"
    if number != signal.SIGKILL:
        assert synth.left_over(tmp_path) == ["out.tif"]
    if number == signal.SIGINT:
        assert own_line(errors) == "Aborted!"
    if number in (signal.SIGTERM, signal.SIGHUP):
        assert own_line(errors) == f"Error: ended by {number.name}"
        assert process.returncode == 128 + number


def test_two_runs_at_once_do_not_meet(synth, pair, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run, synth, pair, tmp_path / f"{index}.tif") for index in range(2)]
        for each in runs:
            each.result()
    assert np.array_equal(synth.load(tmp_path / "0.tif"), synth.load(tmp_path / "1.tif"))
    assert synth.left_over(tmp_path) == ["0.tif", "1.tif"]
