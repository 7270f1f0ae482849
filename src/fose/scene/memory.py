"""How a memory budget becomes tiles: their size, how many are in flight, and GDAL's block cache."""

from dataclasses import dataclass
from math import ceil

from fose.errors import InputError
from fose.machine import cores, machine_memory
from fose.scene.grid import GridPair, Shape
from fose.scene.tiles import STATISTICS_TILE, Window, pan_window
from fose.scene.writer import BLOCK

# Python, NumPy, rasterio, GDAL's drivers, and what their allocators keep (measured: docs/benchmarks.md).
FIXED_OVERHEAD = 256 * 2**20  # bytes
# Tile shapes in output pixels, preferred first. All are one row of blocks high and whole blocks wide, so that
# blocks reach the file in one order and its bytes depend neither on memory nor on threads.
TILES: tuple[Shape, ...] = (
    (BLOCK, 4 * BLOCK),
    (BLOCK, 2 * BLOCK),
    (BLOCK, BLOCK),
)
DEFAULT = 2**30  # bytes; more where many cores or bands need more and the machine has it
CACHE_SHARE = 0.25
LEAST_CACHE = 16 * 2**20  # bytes
MOST_CACHE = 2**40  # bytes; what GDAL takes ends at 2**63


@dataclass(frozen=True)
class Budget:
    """A division of memory: tile shape in output pixels, compute threads, tiles in flight.

    fitting: statistics tiles in flight. Their size is fixed, so only their number can follow the memory.
    """

    tile: Shape
    threads: int
    ahead: int
    fitting: int

    @staticmethod
    def cache(memory: int | None) -> int:
        """GDAL's block cache, bytes. In bytes because rasterio takes small numbers for bytes, not megabytes."""
        return int(min(max(LEAST_CACHE, (DEFAULT if memory is None else memory) * CACHE_SHARE), MOST_CACHE))

    @staticmethod
    def _holding(threads: int, tile: "TileBytes") -> int:
        """The memory, whole megabytes, in which so many threads compute such tiles."""
        held = threads * tile.computing + (threads + 2) * tile.waiting
        return ceil(max(held / (1 - CACHE_SHARE), held + LEAST_CACHE) / 2**20) * 2**20

    @classmethod
    def split(
        cls,
        memory: int | None,
        threads: int | None,
        bands: int,
        itemsize: int,
        pair: GridPair,
        halo: int,
        reach: int = 0,
        working: float = 2.5,
    ) -> "Budget":
        """The largest tiles and most threads whose working set fits; InputError where not even one small tile does.

        memory: bytes beyond the fixed overhead; None: `DEFAULT`, and what all threads need up to a quarter of the
        machine's memory. threads: None takes the cores this process may use.
        halo, reach, working: the method's, see `fose.sharpener.Sharpener`.
        """
        wanted = threads or cores()
        if wanted < 1:
            raise InputError(f"--threads: expected at least 1, found {wanted}")
        # Without a halo nothing is computed twice, and smaller tiles stay in cache. Networks compute on whole blocks.
        tiles = TILES[:2] if reach else TILES if halo else TILES[1:]
        needs = [(tile, tile_bytes(tile, bands, itemsize, pair, halo, reach, working)) for tile in tiles]
        smallest = needs[-1][1]
        least = cls._holding(1, smallest)
        if memory is None:
            memory = max(DEFAULT, least, min(cls._holding(wanted, smallest), machine_memory() // 4))
        available = memory - cls.cache(memory)
        fitting = max(1, available // statistics_bytes(bands, pair, halo))
        most = min(wanted, available // smallest.computing)  # or --threads 1000000 would count down for minutes
        for count in range(most, 0, -1):
            for tile, need in needs:
                ahead = count + 2  # one being written, one read in advance
                if count * need.computing + ahead * need.waiting <= available:
                    return cls(tile, count, ahead, min(fitting, ahead))
        raise InputError(
            f"--memory: expected at least {least // 2**20} MB for this scene, found {memory / 2**20:.0f} MB"
        )


@dataclass(frozen=True)
class TileBytes:
    """What one tile holds while it is computed, and while it waits as input or as output."""

    computing: int
    waiting: int


def tile_bytes(
    tile: Shape, bands: int, itemsize: int, pair: GridPair, halo: int, reach: int = 0, working: float = 2.5
) -> TileBytes:
    """Working set of a tile: PAN, upsampled and result bands in float32, the methods' temporaries, stored pixels."""
    grown = pan_window(Window.of(0, 0, *tile), halo, pair, reach).shape
    pixels = grown[0] * grown[1]
    ms = bands / pair.ratio**2
    computing = int(pixels * 4 * (6 + working * bands + 6 * ms))
    waiting = int(pixels * 4 * (1 + 2 * ms) + tile[0] * tile[1] * bands * (itemsize + 4))
    return TileBytes(computing, waiting)


def statistics_bytes(bands: int, pair: GridPair, halo: int) -> int:
    """Working set of a statistics tile: as `tile_bytes`, and copies of the valid samples of every channel."""
    statistics = min(STATISTICS_TILE, pair.shape[0]), min(STATISTICS_TILE, pair.shape[1])
    grown = pan_window(Window.of(0, 0, *statistics), halo, pair).shape
    return int(grown[0] * grown[1] * 4 * (6 + 5 * bands + 6 * bands / pair.ratio**2))
