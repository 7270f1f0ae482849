"""Whole-process speed and memory of fose beside GDAL's weighted Brovey, interleaved on the same files.

    python benchmarks/throughput.py [--size 8192] [--repeats 3] [--methods fose,brovey,gsa,mtf-glp-fs] [--folder DIR]

Orfeo ToolBox's rcs (otbcli_BundleToPerfectSensor, Debian's otb-bin) and orthority's Gram-Schmidt (`oty`, see --oty)
take part where they are installed.

Makes a uint16 PAN of size x size and MS of a quarter of it with 4 and 8 bands, runs every command once per round, and
prints medians and the ratio to GDAL in the same round. Uncompressed output, two threads, as GDAL's command below.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

THREADS = 2
CREATION = ("TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "BIGTIFF=YES")


@dataclass(frozen=True)
class Run:
    """One process: wall and CPU seconds, peak resident MiB."""

    wall: float
    cpu: float
    peak: float


def texture(rows: int, cols: int, seed: int) -> np.ndarray:
    """Noise with a spectrum like a landscape's: octaves of ever finer, ever weaker noise."""
    rng = np.random.default_rng(seed)
    image = np.zeros((rows, cols), np.float32)
    for step in (256, 64, 16, 4, 1):
        coarse = rng.normal(0, 8 * step**0.5, (rows // step, cols // step)).astype(np.float32)
        image += np.repeat(np.repeat(coarse, step, 0), step, 1)
    return image


def make_scene(folder: Path, size: int) -> None:
    """pan.tif, ms4.tif and ms8.tif: tiled, uncompressed, 11-bit values."""
    profile = {"driver": "GTiff", "dtype": "uint16", "crs": "EPSG:32631", "tiled": True, "bigtiff": "if_safer"}
    profile |= {"blockxsize": 512, "blockysize": 512}
    strip = 1024
    pan_place, ms_place = from_origin(5e5, 4.6e6, 0.5, 0.5), from_origin(5e5, 4.6e6, 2, 2)
    low = size // 4
    with (
        rasterio.open(folder / "pan.tif", "w", width=size, height=size, count=1, transform=pan_place, **profile) as pan,
        rasterio.open(folder / "ms4.tif", "w", width=low, height=low, count=4, transform=ms_place, **profile) as ms4,
        rasterio.open(folder / "ms8.tif", "w", width=low, height=low, count=8, transform=ms_place, **profile) as ms8,
    ):
        for top in range(0, size, strip):
            image = np.clip(texture(strip, size, top) + 600, 1, 2047)
            small = image.reshape(strip // 4, 4, low, 4).mean(axis=(1, 3))
            pan.write(image.astype(np.uint16), 1, window=((top, top + strip), (0, size)))
            for out in (ms4, ms8):
                bands = np.stack([small * (0.4 + 0.15 * band) + 40 * band for band in range(out.count)])
                out.write(bands.astype(np.uint16), window=((top // 4, (top + strip) // 4), (0, low)))


def gdal_command(folder: Path, bands: int) -> list[str]:
    """GDAL's weighted Brovey with its default cache."""
    script = shutil.which("gdal_pansharpen.py")
    if script is None:
        sys.exit("gdal_pansharpen.py not found: install Debian's gdal-bin and python3-gdal, or GDAL's own Python tools")
    with Path(script).open() as file:
        interpreter = file.readline().removeprefix("#!").split()
    weights = [part for _ in range(bands) for part in ("-w", str(1 / bands))]
    creation = [part for option in CREATION for part in ("-co", option)]
    files = [str(folder / name) for name in ("pan.tif", f"ms{bands}.tif", "out.tif")]
    return [*interpreter, script, "-q", "-r", "cubic", *weights, "-threads", str(THREADS), *creation, *files]


def otb_command(folder: Path, bands: int) -> list[str]:
    """Orfeo ToolBox: superimposition and ratio component substitution in one application, its default memory."""
    creation = "&gdal:co:".join(("?&streaming:type=auto", *CREATION))
    pan, ms = folder / "pan.tif", folder / f"ms{bands}.tif"
    out = ["-out", f"{folder / 'out.tif'}{creation}", "uint16"]
    return ["otbcli_BundleToPerfectSensor", "-inp", str(pan), "-inxs", str(ms), "-method", "rcs", *out]


def oty_command(program: str, folder: Path, bands: int) -> list[str]:
    """orthority's Gram-Schmidt."""
    pan, ms = folder / "pan.tif", folder / f"ms{bands}.tif"
    creation = [part for option in CREATION for part in ("-co", option)]
    files = ["-p", str(pan), "-ms", str(ms), "-of", str(folder / "out.tif")]
    return [program, "sharpen", *files, "--no-build-ovw", *creation]


def fose_command(folder: Path, bands: int, method: str, extra: list[str]) -> list[str]:
    """fose with its default memory; --register as given, uncompressed like GDAL's."""
    creation = [part for option in (*CREATION, "COMPRESS=NONE") for part in ("--co", option)]
    files = [str(folder / name) for name in ("pan.tif", f"ms{bands}.tif", "out.tif")]
    command = [sys.executable, "-m", "fose", "sharpen", "-q", "--threads", str(THREADS), "--method", method]
    return [*command, *extra, *creation, *files]


def timed(command: list[str], out: Path) -> Run:
    """Run a command to its end; its output is removed before and after, so that every run writes a new file."""
    out.unlink(missing_ok=True)
    started = time.perf_counter()
    quiet = {"OTB_LOGGER_LEVEL": "WARNING", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(THREADS)}
    process = subprocess.Popen(command, env=os.environ | quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status or not out.exists():
        sys.exit(f"failed ({status}): {' '.join(command)}")
    out.unlink()
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def table(size: int, runs: dict[str, list[Run]]) -> str:
    """Markdown: medians over the rounds, ratios to GDAL taken round by round."""
    megapixels = size * size / 1e6
    lines = ["| command | PAN MP/s | × GDAL | CPU s | peak MiB |", "|---|---|---|---|---|"]
    for name, mine in runs.items():
        reference = runs[next(key for key in runs if key.startswith("gdal") and key[-2:] == name[-2:])]
        ratio = statistics.median(theirs.wall / run.wall for run, theirs in zip(mine, reference, strict=True))
        wall, cpu, peak = (statistics.median(getattr(run, key) for run in mine) for key in ("wall", "cpu", "peak"))
        lines.append(f"| {name} | {megapixels / wall:.1f} | {ratio:.2f} | {cpu:.1f} | {peak:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Parse, run the rounds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--methods", default="fose,brovey,gsa,mtf-glp-fs")
    parser.add_argument("--oty", default="oty", help="orthority's command line, which may live in its own environment")
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        make_scene(folder, chosen.size)
        commands = {}
        for bands in (4, 8):
            commands[f"gdal weighted Brovey ×{bands}"] = gdal_command(folder, bands)
            for method in chosen.methods.split(","):
                commands[f"fose {method} ×{bands}"] = fose_command(folder, bands, method, ["--register", "off"])
            commands[f"fose gsa, registered ×{bands}"] = fose_command(folder, bands, "gsa", [])
            if shutil.which("otbcli_BundleToPerfectSensor"):
                commands[f"otb rcs ×{bands}"] = otb_command(folder, bands)
            if shutil.which(chosen.oty):
                commands[f"orthority gram-schmidt ×{bands}"] = oty_command(chosen.oty, folder, bands)
        runs: dict[str, list[Run]] = {key: [] for key in commands}
        for _ in range(chosen.repeats):
            for key, command in commands.items():
                runs[key].append(timed(command, folder / "out.tif"))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    cores = len(os.sched_getaffinity(0))
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {cores} cores, commit {commit}, {chosen.size}² PAN, uint16, ratio 4")
    print(table(chosen.size, runs))


if __name__ == "__main__":
    main()
