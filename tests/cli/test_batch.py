"""``fose batch``: what it prints where, and its exit status."""

import json

import pytest


@pytest.fixture
def scenes(synth, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "scenes" / name).mkdir(parents=True)
        synth.textured_pair(tmp_path / "scenes" / name, ms_shape=(20, 25))
    return tmp_path / "scenes"


def test_it_says_what_became_of_each_scene(fose, scenes, tmp_path):
    arguments = ("batch", scenes, tmp_path / "out", "-m", "brovey", "--register", "off")
    result = fose(*arguments)
    assert result.exit_code == 0, result.stderr
    first, second, last = result.stdout.splitlines()
    assert first.startswith(f"1/2 {tmp_path / 'out/a.tif'}: 100x80 px, 3 bands, uint16, brovey")
    assert second.startswith("2/2 ")
    assert last == "2 sharpened, 0 finished before, 0 failed"
    (tmp_path / "out/b.tif").unlink()
    (scenes / "b/ms.tif").write_text("no image")
    result = fose(*arguments)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"1/2 {tmp_path / 'out/a.tif'}: finished before",
        "0 sharpened, 1 finished before, 1 failed",
    ]
    assert result.stderr.startswith("error: b: cannot open ")
    assert len(result.stderr.splitlines()) == 1


def test_json_is_all_that_stdout_holds(fose, scenes, tmp_path):
    rules = ("--pan", "{name}/pan.tif", "--ms", "{name}/ms.tif", "--bands", "2")
    result = fose("batch", scenes, tmp_path / "out", "-m", "brovey", "--register", "off", "--json", *rules)
    told = json.loads(result.stdout)
    assert [(scene["name"], scene["state"], scene["report"]["shape"]) for scene in told] == [
        ("a", "made", [1, 80, 100]),
        ("b", "made", [1, 80, 100]),
    ]


def test_a_bad_manifest_or_option_is_one_line(refused, tmp_path, scenes):
    assert "expected a folder, a table (.csv)" in refused("batch", tmp_path / "absent", tmp_path / "out")
    assert "expected one of the methods" in refused("batch", scenes, tmp_path / "out", "-m", "magic")
    assert not (tmp_path / "out").exists()
