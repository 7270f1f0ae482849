"""The same Dask array to be computed once more, and later.

As `dask.graph_manipulation.bind`, which up to Dask 2026.8 leaves the tasks of rechunked arrays as they are, so that
they miss what they depend on.
"""

from collections.abc import Hashable
from typing import Any

import dask.array as da
from dask._task_spec import Alias, DataNode, Task, TaskRef, convert_legacy_graph
from dask.base import tokenize
from dask.core import flatten
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph


def anew(array: "da.Array", after: Delayed, seed: str) -> "da.Array":
    """An array of equal pixels whose tasks have keys of their own and start when `after` has been computed.

    What is in memory already, in the graph or as futures of persisted blocks, is shared.
    """
    graph = array.__dask_graph__().cull(set(flatten(array.__dask_keys__())))
    flat = dict(graph)
    persisted = {key for key, value in flat.items() if _is_future(value)}
    nodes = convert_legacy_graph({key: flat[key] for key in flat.keys() - persisted}, all_keys=set(flat))
    renamed = {key: _renamed(key, seed) for key, node in nodes.items() if not isinstance(node, DataNode)}
    tasks: dict[Hashable, Any] = {}
    for key, new in renamed.items():
        node = nodes[key].substitute(renamed, key=new)
        waits = any(other in renamed for other in nodes[key].dependencies)
        tasks[new] = node if waits else Task(new, _first, node, TaskRef(after.key))
    name = _renamed(array.name, seed)
    for key in flatten(array.__dask_keys__()):
        if key not in renamed:
            tasks[(name, *key[1:])] = Alias((name, *key[1:]), key)
    layer = HighLevelGraph.from_collections(name, tasks, dependencies=(array, after))
    return da.Array(layer, name, array.chunks, dtype=array.dtype, meta=array._meta)


def _first(value: Any, after: Any) -> Any:
    return value


def _renamed(key: Any, seed: str) -> Any:
    if isinstance(key, tuple):
        return (_renamed(key[0], seed), *key[1:])
    return f"{str(key).split('-')[0]}-{tokenize(key, seed)}"


def _is_future(value: Any) -> bool:
    """Whether it is a `distributed.Future`, without importing distributed, which may not be installed."""
    return type(value).__module__.startswith("distributed.") and type(value).__name__ == "Future"
