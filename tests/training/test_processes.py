"""Several processes train as one does: started by torchrun, on the CPU."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch (extra train)")
pytest.importorskip("onnx", reason="export needs onnx (extra train)")

from fose.data import draw  # noqa: E402
from fose.data.made_up import made_up_sources  # noqa: E402
from fose.errors import InputError  # noqa: E402
from fose.training import device, loop, run, world  # noqa: E402
from fose.training.bank import Bank  # noqa: E402
from fose.training.stages import NAMES  # noqa: E402
from fose.training.world import World  # noqa: E402

WORKER = Path(__file__).with_name("worker.py")
STAGE = "steps = 6\nbatch = 4\npatch = 32\nwarmup = 2\nrate = 1e-2\n"
RECIPE = """
teacher_patches = 8
teacher_samples = 2
teacher_steps = 3
frozen_share = 0.4
[data]
made_up = true
train = 4
valid = 2
[model]
width = 8
depth = 2
plain_width = 8
hidden = 8
""" + "".join(f"[{name}]\n{STAGE}" for name in NAMES)

# Sums over half batches, then over processes, round differently from sums over whole ones: float32's 1e-7 of a
# gradient. AdamW's first steps follow little but the signs of gradients, which may enlarge what is near zero; losses
# hardly see it (1e-7 was found).
TOLERANCE = 1e-5


def together(recipe, output, *stop):
    """Train in two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*command, WORKER, recipe, output, *stop], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def logs(folder):
    return {name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()] for name in NAMES}


@pytest.fixture
def worker(monkeypatch):
    """This process as the workers are: float32, short checks."""
    spec = importlib.util.spec_from_file_location("fose_test_worker", WORKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    for name in ("CHECK_EVERY", "VALID_BATCHES"):
        monkeypatch.setattr(loop, name, getattr(module, name))


def test_two_processes_equal_one_also_when_resumed_by_another_number(tmp_path, worker):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    plan = run.prepare(recipe, "none")
    run.train_all(plan, tmp_path / "one", "cpu", 1, lambda *state: None)

    def stop(name, done, total, error):
        if done == 4:
            raise KeyboardInterrupt

    together(recipe, tmp_path / "mixed", "2")
    with pytest.raises(KeyboardInterrupt):
        run.train_all(plan, tmp_path / "mixed", "cpu", 1, stop)
    together(recipe, tmp_path / "mixed")

    one, mixed = logs(tmp_path / "one"), logs(tmp_path / "mixed")
    for name in NAMES:
        assert [line["step"] for line in mixed[name]] == [2, 4, 6]
        for key in ("loss", "valid"):
            expected = [line[key] for line in one[name]]
            assert [line[key] for line in mixed[name]] == pytest.approx(expected, rel=TOLERANCE), (name, key)
    assert (tmp_path / "mixed" / "training.png").stat().st_size > 1000
    assert not list((tmp_path / "mixed").glob("*.part"))


def test_shares_make_up_the_batch():
    bank = Bank(draw(made_up_sources(2, 1), 3, 1))
    whole = bank.batch(6, 32, (0, 5))
    parts = [bank.batch(6, 32, (0, 5), World(torch.device("cpu"), rank, 3).share(6)) for rank in range(3)]
    assert torch.equal(whole.clean, torch.cat([part.clean for part in parts]))
    for index in range(3):
        assert torch.equal(whole.inputs[index], torch.cat([part.inputs[index] for part in parts]))
    for drawn in (lambda b, g: b.noise(g), lambda b, g: b.times(1000, g)):
        made = [drawn(batch, torch.Generator().manual_seed(7)) for batch in (whole, *parts)]
        assert torch.equal(made[0], torch.cat(made[1:]))


def test_batches_that_the_processes_do_not_divide_are_refused(tmp_path, monkeypatch):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match=r"\[diffusion\] batch: expected a multiple of the 3 processes, found 4"):
        run.prepare(recipe, "none")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", "expected cpu, cuda or cuda:N, found 'gpu'"),
        ("cuda:x", "expected cpu, cuda or cuda:N"),
        ("cuda:2", r"\(cuda:0 to cuda:1\), found cuda:2"),
    ],
)
def test_wrong_devices_are_refused(name, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match=message):
        device.choose(name)


def test_devices_are_found(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device.choose("cpu") == torch.device("cpu")
    assert device.choose("cuda") == torch.device("cuda:0")
    assert device.choose("cuda:1") == torch.device("cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match=r"\(none\), found cuda; try --device cpu"):
        device.choose("cuda")


def test_one_device_for_several_processes_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="each process takes one, found 'cuda:1'"), world.joined("cuda:1"):
        pass


@pytest.mark.parametrize(("amx", "avx"), [(False, False), (True, False), (False, True)])
def test_bfloat16_where_the_cpu_computes_in_it(amx, avx, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    layer = torch.nn.Linear(3, 2)
    with device.autocast(torch.device("cpu")):
        found = layer(torch.ones(1, 3)).dtype
    assert found == (torch.bfloat16 if amx or avx else torch.float32)
