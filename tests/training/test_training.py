"""Recipes, and all four stages on made-up data: they run, they learn, they resume exactly, they export."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch", reason="training needs PyTorch (extra train)")
pytest.importorskip("onnx", reason="export needs onnx (extra train)")

from fose.cli import main  # noqa: E402
from fose.cli.train import _bars  # noqa: E402
from fose.data.made_up import made_up_sources  # noqa: E402
from fose.errors import InputError  # noqa: E402
from fose.nn.files import read_tensors  # noqa: E402
from fose.runtime.network import Network  # noqa: E402
from fose.runtime.openvino import OpenVinoEngine  # noqa: E402
from fose.training import checkpoint, loop, run  # noqa: E402
from fose.training.export import export  # noqa: E402
from fose.training.plot import PICTURE, draw, read_log  # noqa: E402
from fose.training.recipe import as_dict, from_dict, load  # noqa: E402
from fose.training.stages import NAMES  # noqa: E402

RECIPES = Path(__file__).parents[2] / "recipes"


def silent(name, done, total, error):
    pass


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """A finished smoke run from the command line: its folder, and what was said in said.txt."""
    folder = tmp_path_factory.mktemp("smoke")
    recipe = str(RECIPES / "smoke.toml")
    done = CliRunner().invoke(main, ["train", recipe, "--data", "none", "-o", str(folder), "--threads", "1"])
    assert done.exit_code == 0, done.output
    (folder / "said.txt").write_text(done.stdout)
    return folder


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_recipes_load_and_survive_the_trip(path):
    recipe = load(path)
    assert from_dict(json.loads(json.dumps(as_dict(recipe)))) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed = 3", "found speed"),
        ("[fusion]\nstep = 3", "found step"),
        ("[fusion]\nsteps = 1.5", "expected int"),
        ("fusion = 3", "expected a table"),
        ("a =", "cannot read recipe"),
    ],
)
def test_wrong_recipes_are_refused(tmp_path, text, message):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load(path)


def test_all_stages_run_and_are_logged(smoke):
    for name in NAMES:
        lines = [json.loads(line) for line in (smoke / f"{name}.jsonl").read_text().splitlines()]
        _, header = checkpoint.read(smoke / f"{name}.safetensors")
        assert lines[-1]["step"] == header["step"] == getattr(load(RECIPES / "smoke.toml"), name).steps
        assert np.isfinite(lines[-1]["valid"])
        assert header["recipe"]["name"] == "smoke"


def test_without_a_terminal_each_check_is_one_line(smoke):
    lines = (smoke / "said.txt").read_text().splitlines()
    assert lines[0].startswith("recipe smoke: 12 training samples")
    assert [line.split(",")[0] for line in lines[5:]] == [
        "train samples: 12/12",
        "validation samples: 6/6",
        "diffusion: 40/40",
        "one_step: teacher: 4/4",
        "one_step: 20/20",
        "end_to_end: 40/40",
        "fusion: 6/20",  # where the parts have been frozen so far, which is kept aside
        "fusion: 20/20",
    ]
    assert all("validation L1 0." in line for line in lines if line.startswith(("fusion: 2", "diffusion: 4")))


def test_bars_show_steps_and_errors(capsys):
    with _bars() as progress:
        progress("diffusion", 3, 40, None)
        progress("diffusion", 40, 40, 0.25)
        progress("fusion", 1, 20, None)
    said = capsys.readouterr().err
    assert "diffusion" in said
    assert "40/40" in said
    assert "validation L1 0.2500" in said
    assert "1/20" in said


def test_the_run_is_drawn(smoke, tmp_path):
    assert (smoke / PICTURE).read_bytes()[:4] == b"\x89PNG"
    log = tmp_path / "diffusion.jsonl"
    lines = [{"step": step, "loss": 1 / step, "valid": 2 / step} for step in (1, 2, 2, 3)]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [line["step"] for line in read_log(log)] == [1, 2, 3]  # a step is logged again after a kill
    draw(tmp_path, NAMES, "diffusion")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["diffusion.jsonl", PICTURE]


def test_pancollection_files_train(tmp_path):
    """Each patch is a scene of its own; what shows nothing is left out."""
    h5py = pytest.importorskip("h5py", reason="pip install 'fose[research]'")
    gt = np.stack([source.ms[:, :64, :64].astype(float) for source in made_up_sources(6, 1)])
    gt[2] = 0
    images = {"gt": gt, "lms": gt, "pan": gt.mean(axis=1, keepdims=True)}
    images["ms"] = gt.reshape(6, 4, 16, 4, 16, 4).mean(axis=(3, 5))
    for name in ("train_qb.h5", "valid_qb.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            for key, image in images.items():
                file[key] = image
    recipe = tmp_path / "tiny.toml"
    recipe.write_text('[data]\npancollection = "qb"\ntrain = 6\n[end_to_end]\nsteps = 2\nbatch = 2\n')
    plan = run.prepare(recipe, tmp_path, ("end_to_end",))
    assert len(run._bank(plan, "train", silent)) == 5
    run.train_all(plan, tmp_path / "run", "cpu", 1, silent)
    assert np.isfinite(read_log(tmp_path / "run" / "end_to_end.jsonl")[-1]["valid"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wv3.toml"], "expected PanCollection's train_wv3.h5 in"),
        (["smoke.toml", "--device", "gpu"], "--device: expected cpu, cuda or cuda:N, found 'gpu'"),
        (["smoke.toml", "--device", "cuda:99"], "--device: expected a CUDA device of this machine"),
        (["smoke.toml", "--stages", "diffusion,fuse"], "--stages: expected some of"),
    ],
)
def test_wrong_calls_end_in_one_line(tmp_path, arguments, message):
    recipe, *options = arguments
    output = ["--data", str(tmp_path), "-o", str(tmp_path / "run")]
    done = CliRunner().invoke(main, ["train", str(RECIPES / recipe), *output, *options])
    assert done.exit_code == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_equals_an_unbroken_one(tmp_path, monkeypatch):
    plan = run.prepare(RECIPES / "smoke.toml", "none", ("end_to_end",))
    monkeypatch.setattr(loop, "CHECK_EVERY", 15)
    run.train_all(plan, tmp_path / "whole", "cpu", 1, silent)

    def stop(name, done, total, error):
        if done == 15 and error is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.train_all(plan, tmp_path / "broken", "cpu", 1, stop)
    run.train_all(plan, tmp_path / "broken", "cpu", 1, silent)
    whole, _ = checkpoint.read(tmp_path / "whole" / "end_to_end.safetensors")
    broken, _ = checkpoint.read(tmp_path / "broken" / "end_to_end.safetensors")
    assert whole.keys() == broken.keys()
    assert all(torch.equal(whole[name], broken[name]) for name in whole)


def test_loading_is_strict(smoke, tmp_path):
    from fose.nn.model import new_model

    wider = load(RECIPES / "any.toml").model
    with pytest.raises(RuntimeError, match="size mismatch"):
        checkpoint.load_model(smoke / "end_to_end.safetensors", new_model("end_to_end", wider))
    (tmp_path / "x.safetensors").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="cannot read checkpoint"):
        checkpoint.read(tmp_path / "x.safetensors")


def test_a_missing_stage_is_named(tmp_path):
    plan = run.prepare(RECIPES / "smoke.toml", "none", ("fusion",))
    with pytest.raises(InputError, match="expected the finished stage one_step"):
        run.train_all(plan, tmp_path, "cpu", 1, silent)


@pytest.mark.parametrize("stage", ["one_step", "end_to_end", "fusion"])
def test_exported_model_sharpens_a_scene(smoke, tmp_path, stage):
    """The exported network obeys the law of the tile, keeps constants and takes any band count."""
    from fose import api

    export(smoke, stage, tmp_path)
    engine = OpenVinoEngine(tmp_path / "model.onnx")
    network = Network("fose", engine, engine.receptive_field)
    rng = np.random.default_rng(5)
    for bands in (1, 4, 7):
        fine = np.cumsum(rng.normal(size=(bands, 200, 176)), axis=2) * 8 + 500
        pan, ms = fine.mean(axis=0), fine.reshape(bands, 50, 4, 44, 4).mean(axis=(2, 4))
        whole = api.sharpen_array(pan, ms, method=network, ratio=4.0)
        tiled = api.sharpen_array(pan, ms, method=network, ratio=4.0, tile=(64, 112))
        assert np.abs(whole - tiled).max() <= 1e-5 * 2047
        assert np.isfinite(whole).all()
    flat = api.sharpen_array(np.full((64, 64), 9.0), np.full((3, 16, 16), 7.0), method=network, ratio=4.0)
    assert np.abs(flat - 7).max() < 1e-3


def test_a_finished_run_is_a_method(smoke):
    from fose import api

    rng = np.random.default_rng(6)
    pan, ms = rng.uniform(100, 900, (64, 64)), rng.uniform(100, 900, (3, 16, 16))
    sharp = api.sharpen_array(pan, ms, method=str(smoke / "model"))
    assert np.isfinite(sharp).all()
    assert api.method(str(smoke / "model")).name == "model"


def test_the_model_of_stage_4_is_an_average(smoke):
    """joint_share of the last weights, the rest of those that were kept aside when the parts' freezing ended."""
    frozen, last = (checkpoint.read(folder / "fusion.safetensors") for folder in (smoke / "frozen", smoke))
    assert (frozen[1]["step"], last[1]["step"]) == (6, 20)
    start, end = checkpoint.under("ema", frozen[0]), checkpoint.under("ema", last[0])
    shipped, _ = read_tensors(smoke / "model" / "model.safetensors", "model")
    assert all(torch.allclose(shipped[name], (start[name] + end[name]) / 2, atol=1e-6) for name in end)
    assert any(not torch.equal(start[name], end[name]) for name in end)


def test_checkpoints_are_averaged(smoke, tmp_path):
    first, last, target = smoke / "one_step.safetensors", smoke / "diffusion.safetensors", tmp_path / "mean.safetensors"
    checkpoint.average(first, last, 0.25, target)
    start, end, mixed = (checkpoint.under("ema", checkpoint.read(path)[0]) for path in (first, last, target))
    assert mixed.keys() == end.keys()
    assert all(torch.allclose(mixed[name], 0.75 * start[name] + 0.25 * end[name], atol=1e-6) for name in mixed)
    assert checkpoint.read(target)[1]["averaged"] == "0.75 of one_step at step 20, 0.25 of diffusion at step 40"
