"""The command line: what it prints where, its options, its exit status, and one line for every failure."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

import fose
from fose.cli import COMMANDS, main
from fose.cli.options import Memory
from fose.cli.sharpen import sharpen as sharpen_command

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def pair(synth, tmp_path):
    return [str(path) for path in synth.textured_pair(tmp_path, ms_shape=(40, 50))]


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def run(*arguments):
    """In a process of its own: everything that reaches the two streams, whoever wrote it."""
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", "import fose.cli; fose.cli.main(prog_name='fose')", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def error_line(result):
    """The one line that says what is wrong."""
    assert result.exit_code not in (0, None), result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    if result.exit_code == 1:  # click explains wrong usage (2) with a hint above
        assert result.stderr.strip() == lines[0]
    return lines[0]


# sharpen


def test_sharpen_writes_and_says_what(synth, tmp_path, pair):
    out = tmp_path / "out.tif"
    result = invoke("sharpen", *pair, out, "--method", "brovey")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{out}: 200x160 px, 3 bands, uint16, brovey, sensor generic, ")
    assert result.stdout.count("\n") == 1
    assert all(line.startswith("note: ") for line in result.stderr.splitlines())
    assert synth.load(out).shape == (3, 160, 200)


def test_quiet_says_nothing(tmp_path, pair):
    result = run("sharpen", *pair, tmp_path / "out.tif", "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "out.tif").exists()


def test_without_georeference_nothing_but_the_notice_is_printed(synth, tmp_path):
    pan = synth.save(tmp_path / "pan.tif", np.full((80, 100), 9, np.uint8))
    ms = synth.save(tmp_path / "ms.tif", np.full((2, 20, 25), 7, np.uint8))
    result = run("sharpen", pan, ms, tmp_path / "out.tif", "--register", "off")
    assert result.returncode == 0
    assert result.stderr == "note: no georeference on either raster; equal extents assumed\n"


def test_json_is_the_report_and_all_there_is_on_stdout(tmp_path, pair):
    result = invoke("sharpen", *pair, tmp_path / "out.tif", "--method", "gsa", "--json")
    report = json.loads(result.stdout)
    assert report["method"] == "gsa"
    assert report["version"] == fose.__version__
    assert report["shape"] == [3, 160, 200]
    assert report["inputs"] == {"pan": pair[0], "ms": [pair[1]]}
    assert report["registration"]["mode"] == "auto"


def test_a_full_disk_behind_stdout_is_one_line(tmp_path, pair):
    command = [sys.executable, "-m", "fose", "sharpen", *pair, str(tmp_path / "out.tif"), "--json", "--register", "off"]
    with Path("/dev/full").open("w") as full:
        environment = os.environ | {"PYTHONPATH": str(SOURCE)}
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, timeout=60)
    assert result.returncode == 1
    assert "Error: No space left on device" in result.stderr
    assert "Traceback" not in result.stderr


def test_json_and_quiet_together_print_the_report_only(tmp_path, pair):
    result = invoke("sharpen", *pair, tmp_path / "out.tif", "--json", "--quiet")
    assert json.loads(result.stdout)["output"] == str(tmp_path / "out.tif")
    assert result.stderr == ""


@pytest.mark.parametrize("method", [*fose.methods()])
def test_every_method_runs(synth, tmp_path, pair, method):
    result = invoke("sharpen", *pair, tmp_path / "out.tif", "--method", method, "--quiet")
    assert result.exit_code == 0, result.stderr
    out = synth.load(tmp_path / "out.tif")
    assert out.shape == (3, 160, 200)
    pan, ms = synth.load(pair[0]), synth.load(pair[1])
    for band, given in zip(out, ms, strict=True):
        assert np.corrcoef(band.ravel(), pan.ravel())[0, 1] > 0.9
        # GDAL's fits nothing: weights of one over the number of bands make its result brighter or darker.
        assert method == "gdal-brovey" or abs(band.mean() - given.mean()) < 0.05 * given.mean()


def test_several_ms_files_are_stacked_in_order_and_named(synth, tmp_path):
    pan = synth.save(tmp_path / "B8.tif", np.full((80, 100), 9, np.uint8), synth.utm())
    files = [
        synth.save(tmp_path / f"B{number}.tif", np.full((20, 25), number, np.uint8), synth.utm(4))
        for number in (4, 3, 2)
    ]
    result = invoke("sharpen", pan, *files, tmp_path / "out.tif", "--method", "exp", "--quiet")
    assert result.exit_code == 0, result.stderr
    assert synth.load(tmp_path / "out.tif")[:, 5, 5].tolist() == [4, 3, 2]
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.descriptions == ("B4", "B3", "B2")
        assert dataset.tags()["FOSE_MS"] == "B4.tif, B3.tif, B2.tif"


def test_bands_choose_and_order(synth, tmp_path):
    pan = synth.save(tmp_path / "pan.tif", np.full((80, 100), 9, np.uint8), synth.utm())
    values = np.arange(10, 14, dtype=np.uint16)[:, None, None] + np.zeros((4, 20, 25), np.uint16)
    ms = synth.save(tmp_path / "ms.tif", values, synth.utm(4))
    invoke("sharpen", pan, ms, tmp_path / "out.tif", "--method", "exp", "--bands", "4,1,2")
    assert synth.load(tmp_path / "out.tif")[:, 5, 5].tolist() == [13, 10, 11]


def test_options_reach_the_file(synth, tmp_path, pair):
    options = ["--dtype", "float32", "--nodata", "-1", "--co", "COMPRESS=DEFLATE", "--co", "BLOCKXSIZE=128"]
    options += [
        "--resampling",
        "cubic",
        "--extent",
        "union",
        "--threads",
        "1",
        "--memory",
        "1GB",
        "--register",
        "off",
    ]
    assert invoke("sharpen", *pair, tmp_path / "out.tif", *options).exit_code == 0
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.dtypes == ("float32",) * 3
        assert dataset.nodata == -1
        assert dataset.compression.name == "deflate"
        assert dataset.block_shapes[0][1] == 128
    assert invoke("sharpen", *pair, tmp_path / "cog.tif", "--of", "COG").exit_code == 0
    with rasterio.open(tmp_path / "cog.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_weights_change_the_result(synth, tmp_path, pair):
    for name, weights in (("a", []), ("b", ["--weights", "0.7,0.2,0.1"])):
        result = invoke("sharpen", *pair, tmp_path / f"{name}.tif", "--method", "brovey", *weights)
        assert result.exit_code == 0, result.stderr
    assert not np.array_equal(synth.load(tmp_path / "a.tif"), synth.load(tmp_path / "b.tif"))


def test_a_gpu_without_pytorch_is_one_line(tmp_path, pair, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "fose.runtime.torch", raising=False)
    message = error_line(invoke("sharpen", *pair, tmp_path / "out.tif", "--device", "cuda"))
    assert message.startswith("Error: --device cuda needs PyTorch, found none (")
    assert message.endswith("; pip install fose[gpu]")
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", r"Error: --device cuda: PyTorch \S+ sees 0 GPUs; use --device cpu"),
        ("cuda:1", r"Error: --device cuda:1: PyTorch \S+ sees 0 GPUs; use --device cpu"),
        ("gpu", "Error: --device: expected auto, cpu, cuda or cuda:0 and so on; found 'gpu'"),
    ],
)
def test_a_device_that_there_is_not_is_one_line(tmp_path, pair, monkeypatch, device, message):
    torch = pytest.importorskip("torch", reason="GPUs need PyTorch (extra gpu or train)")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    found = error_line(invoke("sharpen", *pair, tmp_path / "out.tif", "--device", device))
    assert re.fullmatch(message, found)
    assert not (tmp_path / "out.tif").exists()


def test_sensor_is_what_the_user_says(tmp_path, pair):
    result = invoke("sharpen", *pair, tmp_path / "out.tif", "--sensor", "quickbird", "--bands", "1,2,3", "--json")
    if result.exit_code:  # three of its four bands: refused or taken, never guessed
        assert "QuickBird" in error_line(result) or "quickbird" in error_line(result)
    else:
        assert json.loads(result.stdout)["sensor"].lower().startswith("quickbird")


def test_existing_output_is_refused_and_overwritten_on_request(synth, tmp_path, pair):
    out = tmp_path / "out.tif"
    out.write_text("precious")
    assert error_line(invoke("sharpen", *pair, out)) == f"Error: output {out} exists; add --overwrite to replace it"
    assert out.read_text() == "precious"
    assert invoke("sharpen", *pair, out, "--overwrite").exit_code == 0
    assert synth.load(out).shape == (3, 160, 200)


@pytest.mark.parametrize("method", ["exp", "gdal-brovey"])
def test_an_input_is_never_overwritten(tmp_path, pair, method):
    """A forgotten OUT makes the last MS file the output."""
    before = Path(pair[1]).read_bytes()
    (tmp_path / "link.tif").symlink_to(pair[1])
    for out in (pair[1], tmp_path / "." / "link.tif"):
        message = error_line(invoke("sharpen", *pair, out, "--overwrite", "--method", method))
        assert message == f"Error: output {out} is one of the inputs, which are never replaced; name another output"
    assert Path(pair[1]).read_bytes() == before


USAGE = {  # exit status 2: the words are wrong
    "no paths": ([], "expected PAN, at least one MS, and OUT, found 0 paths"),
    "two paths": (["a.tif", "b.tif"], "expected PAN, at least one MS, and OUT, found 2 paths"),
    "unknown option": (["a", "b", "c", "--colour"], "No such option"),
    "memory": (["a", "b", "c", "--memory", "lots"], "'--memory': expected a size such as 512MB or 2GB, found 'lots'"),
    "negative memory": (["a", "b", "c", "--memory", "-5MB"], "'--memory': expected a size"),
    "threads": (["a", "b", "c", "--threads", "0"], "'--threads'"),
    "bands": (["a", "b", "c", "--bands", "1,x"], "expected int numbers separated by commas, found '1,x'"),
    "no bands": (["a", "b", "c", "--bands", ""], "expected int numbers separated by commas, found ''"),
    "weights": (["a", "b", "c", "--weights", "1;2"], "expected float numbers separated by commas, found '1;2'"),
    "creation": (["a", "b", "c", "--co", "COMPRESS"], "expected KEY=VALUE, found 'COMPRESS'"),
    "creation key": (["a", "b", "c", "--co", "=LZW"], "expected KEY=VALUE, found '=LZW'"),
    "extent": (["a", "b", "c", "--extent", "all"], "'--extent'"),
    "format": (["a", "b", "c", "--of", "PNG"], "'--of'"),
    "register": (["a", "b", "c", "--register", "no"], "'--register'"),
    "reference": (["a", "b", "c", "--reference", "sun"], "'--reference'"),
    "nodata": (["a", "b", "c", "--nodata", "none"], "'--nodata'"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_names_the_option(case):
    arguments, message = USAGE[case]
    result = invoke("sharpen", *arguments)
    assert result.exit_code == 2
    assert message in error_line(result)


REFUSED = {  # exit status 1: the words are right and the job is impossible; {d} is the folder of the pair
    "absent": (["{d}/absent.tif", "{d}/ms.tif", "{o}"], "cannot open {d}/absent.tif: "),
    "absent ms": (["{d}/pan.tif", "{d}/absent.tif", "{o}"], "cannot open {d}/absent.tif: "),
    "no raster": (["{d}/pan.tif", "{d}/text.tif", "{o}"], "cannot open {d}/text.tif: "),
    "swapped": (["{d}/ms.tif", "{d}/pan.tif", "{o}"], "expected one PAN band in {d}/ms.tif, found 3"),
    "method": (["{p}", "--method", "magic"], "found 'magic'"),
    "kernel": (["{p}", "--resampling", "sinc"], "resampling: expected one of nearest, bilinear, "),
    "type": (["{p}", "--dtype", "complex64"], "--dtype: expected uint8, "),
    "nodata": (["{p}", "--nodata", "-1"], "nodata: expected an integer in 0..65535 for uint16; found -1"),
    "bands": (["{p}", "--bands", "4"], "--bands: expected numbers in 1..3"),
    "sensor": (["{p}", "--sensor", "hubble"], "hubble"),
    "no weights": (["{p}", "--method", "gsa", "--weights", "1,2,3"], "weights"),
    "count of weights": (["{p}", "--method", "brovey", "--weights", "1,2"], "weights"),
    "gdal's weights": (["{p}", "--method", "gdal-brovey", "--weights", "1,2"], "expected 3 numbers"),
    "little memory": (["{p}", "--memory", "1MB"], "--memory: expected at least "),
    "no memory": (["{p}", "--memory", "0"], "--memory: expected at least "),
    "directory": (["{d}/pan.tif", "{d}/ms.tif", "{d}"], "expected an output file name, found the directory"),
    "no directory": (["{d}/pan.tif", "{d}/ms.tif", "{d}/no/out.tif"], "output directory {d}/no does not exist"),
    "creation": (["{p}", "--co", "BLOCKXSIZE=17"], "cannot create {o}: "),
    "apart": (["{d}/pan.tif", "{d}/far.tif", "{o}"], "no common area (PAN grid 200x160 px"),
    "stack": (["{d}/pan.tif", "{d}/ms.tif", "{d}/far.tif", "{o}"], "expected MS files of one grid"),
    "broken": (["{d}/pan.tif", "{d}/broken.tif", "{o}"], "cannot read {d}/broken.tif, band "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_every_failure_is_one_line_and_leaves_no_file(synth, tmp_path, pair, case):
    (tmp_path / "text.tif").write_text("no raster")
    synth.save(tmp_path / "far.tif", np.ones((40, 50), np.uint16), synth.utm(4, (9000, 0)))
    broken = synth.save(tmp_path / "broken.tif", synth.load(pair[1]), synth.utm(4), compress="deflate")
    broken.write_bytes(broken.read_bytes()[:-3000])
    before = synth.left_over(tmp_path)
    arguments, message = REFUSED[case]
    names = {"d": str(tmp_path), "o": str(tmp_path / "out.tif")}
    if arguments[0] == "{p}":
        arguments = ["{d}/pan.tif", "{d}/ms.tif", "{o}", *arguments[1:]]
    result = run("sharpen", *(argument.format(**names) for argument in arguments))
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("Error: ")
    assert message.format(**names) in result.stderr
    assert synth.left_over(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", 512 * 2**20),
        ("512MB", 512 * 2**20),
        ("1.5GB", 3 * 2**29),
        ("2 GiB", 2**31),
        ("100k", 100 * 2**10),
        ("1T", 2**40),
    ],
)
def test_memory_sizes(text, size):
    assert Memory().convert(text, None, None) == size


# info


def test_info_says_what_would_be_done(synth, tmp_path):
    pan, ms = synth.textured_pair(tmp_path, ms_shape=(40, 50), phase=(1.0, 0.0))
    result = invoke("info", pan, ms)
    assert result.exit_code == 0, result.stderr
    text = result.stdout
    for expected in ("200x160 px of 0.5x0.5", "50x40 px of 2x2", "4 PAN pixels per MS pixel", "1 rows, 0 columns"):
        assert expected in text
    for expected in ("100.0% of PAN", "200x160 px, 3 bands, uint16", "missing: none declared", "registration"):
        assert expected in text
    assert synth.left_over(tmp_path) == ["ms.tif", "pan.tif"]


def test_info_as_json(synth, tmp_path, pair):
    facts = json.loads(invoke("info", *pair, "--json", "--bands", "3,1").stdout)
    assert facts["ratio"] == 4
    assert facts["output_shape"] == [2, 160, 200]
    assert facts["overlap"] == 1
    assert len(facts["bands"]) == 2
    assert facts["registration"]["mode"] == "auto"


@pytest.mark.parametrize(("arguments", "status"), [(["a.tif"], 2), (["a.tif", "b.tif"], 1)])
def test_info_fails_in_one_line(arguments, status):
    result = invoke("info", *arguments)
    assert result.exit_code == status
    error_line(result)


# methods, help, versions, plugin


def test_methods_lists_each_on_a_line_and_marks_the_default():
    lines = invoke("methods").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(fose.methods())
    assert [line.split()[0] for line in lines if line.endswith("[default]")] == [fose.api.DEFAULT_METHOD]
    expected = "exp brovey ihs pca gs gsa bt-h bdsd bdsd-pc pracs hpf sfim atwt awlp gdal-brovey mtf-glp mtf-glp-fs"
    expected += " mtf-glp-hpm mtf-glp-hpm-h mtf-glp-cbd"
    assert set(fose.methods()) >= set(expected.split())


def test_commands_run_in_any_thread():
    """A server or a notebook may call them from a worker; only the main thread can handle signals."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(invoke, "methods").result().exit_code == 0


def test_help_names_every_command_and_option():
    text = invoke("--help").stdout
    assert all(name in text for name in COMMANDS)
    text = invoke("sharpen", "--help").stdout
    options = "method bands weights resampling extent of co dtype nodata memory threads register reference overwrite"
    for name in f"{options} quiet json sensor resume shard".split():
        assert f"--{name}" in text, name


def test_version():
    assert invoke("--version").stdout.strip() == f"fose, version {fose.__version__}"


def test_an_unknown_command_is_refused():
    result = invoke("blur")
    assert result.exit_code == 2
    assert "No such command" in error_line(result)


def test_rio_sharpen_is_the_same_command(tmp_path, pair):
    """Through the installed entry point where there is one: this checkout may not be installed."""
    plugins = [point for point in entry_points(group="rasterio.rio_plugins") if point.name == "sharpen"]
    if not plugins:
        pytest.skip("fose is not installed: no entry point")
    assert plugins[0].value == "fose.cli.sharpen:sharpen"
    assert plugins[0].load() is sharpen_command
    from rasterio.rio.main import main_group

    result = CliRunner().invoke(main_group, ["sharpen", *pair, str(tmp_path / "out.tif"), "--quiet"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out.tif").exists()
