"""Without the extra: one line that says what to install."""

import sys

import pytest
from click.testing import CliRunner

from fose.cli import main


@pytest.fixture
def without_dask(monkeypatch):
    for name in [name for name in sys.modules if name == "fose.xr" or name.startswith("fose.xr.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dask", None)


def test_the_import_says_what_to_install(without_dask):
    with pytest.raises(ImportError, match=r"fose\.xr needs xarray, rioxarray and dask: pip install 'fose\[dask\]'"):
        import fose.xr  # noqa: F401


def test_the_command_says_what_to_install(without_dask, holed_pair, tmp_path):
    arguments = [*map(str, holed_pair), str(tmp_path / "out.tif"), "-m", "gsa", "--dask", "local"]
    done = CliRunner().invoke(main, ["sharpen", *arguments])
    assert done.exit_code == 1
    assert "pip install 'fose[dask]'" in done.output
    assert len(done.output.strip().splitlines()) == 1
