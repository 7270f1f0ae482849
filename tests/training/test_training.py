"""Recipes, and all four stages on made-up data: they run, they learn, they resume exactly, they export."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch (extra train)")
pytest.importorskip("onnx", reason="export needs onnx (extra train)")

from fose.errors import InputError  # noqa: E402
from fose.runtime.network import Network  # noqa: E402
from fose.runtime.openvino import OpenVinoEngine  # noqa: E402
from fose.training import checkpoint, loop, run  # noqa: E402
from fose.training.export import export  # noqa: E402
from fose.training.recipe import as_dict, from_dict, load  # noqa: E402
from fose.training.stages import NAMES  # noqa: E402

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """A finished smoke run: its folder."""
    folder = tmp_path_factory.mktemp("smoke")
    run.train_all(run.prepare(RECIPES / "smoke.toml", "none"), folder, "cpu", 2, lambda line: None)
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


def test_a_resumed_run_equals_an_unbroken_one(tmp_path, monkeypatch):
    plan = run.prepare(RECIPES / "smoke.toml", "none", ("end_to_end",))
    monkeypatch.setattr(loop, "CHECK_EVERY", 15)
    run.train_all(plan, tmp_path / "whole", "cpu", 1, lambda line: None)

    def stop(line):
        if "15/" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.train_all(plan, tmp_path / "broken", "cpu", 1, stop)
    run.train_all(plan, tmp_path / "broken", "cpu", 1, lambda line: None)
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
        run.train_all(plan, tmp_path, "cpu", 1, lambda line: None)


@pytest.mark.parametrize("stage", ["one_step", "end_to_end", "fusion"])
def test_exported_model_sharpens_a_scene(smoke, tmp_path, stage):
    """The exported network obeys the law of the tile, keeps constants and takes any band count."""
    from fose import api

    export(smoke, stage, tmp_path)
    network = Network("fose", OpenVinoEngine(tmp_path / "model.onnx"))
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
