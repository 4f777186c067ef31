"""Shards as tasks of Ray.

Tasks and not actors: a task takes its processors only while it runs, so nothing can hold all of
them and wait. Ray keeps the processes of tasks, so a tokenizer is still loaded once in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

from turnmill.errors import TurnmillError
from turnmill.prepare.engines.engine import Task
from turnmill.prepare.engines.installed import first_line, in_use, last_line, library

_AHEAD = 64
"""Calls that wait beside those for which there are processors: an autoscaler sees them."""


class Ray:
    """Calls tasks on a cluster of Ray: the one in use, the one at the address, or a local one."""

    def __init__(self, address: str | None = None, threads: int | None = None) -> None:
        self._ray = library("ray", "ray", (2, 9), 3)
        self.threads = threads or 1
        self._is_ours = not self._ray.is_initialized()
        if self._is_ours:
            self._connect(address)
        elif address is not None:
            raise in_use("Ray", "call ray.shutdown() first")
        self._refuse_too_many_threads()

    def _connect(self, address: str | None) -> None:
        try:
            self._ray.init(address=address)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise TurnmillError(
                f"no cluster of Ray can be reached: {first_line(error)}",
                code="engine-unreachable",
                path=address,
                hint="give the address of its head, such as head:6379, or none",
            ) from error

    def _refuse_too_many_threads(self) -> None:
        """A call that no machine can take would wait for ever."""
        most = max((node["Resources"].get("CPU", 0) for node in self._ray.nodes()), default=0)
        if 0 < most < self.threads:
            self.close()
            message = f"no machine of the cluster has {self.threads} processors"
            hint = f"give --threads {int(most)} or less: with Ray it is the number of each shard"
            raise TurnmillError(message, code="too-many-threads", hint=hint)

    def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
        """Calls them, some ahead of the processors; a call whose worker dies is made again."""
        ray = self._ray
        call = ray.remote(_call)
        ahead = _AHEAD + 2 * int(ray.cluster_resources().get("CPU", 0)) // self.threads
        numbered = iter(enumerate(items, 1))
        waiting: list[Any] = []
        try:
            while True:
                for number, item in islice(numbered, ahead - len(waiting)):
                    name = f"turnmill {task.name} {number}/{len(items)}"
                    options = {"num_cpus": self.threads, "scheduling_strategy": "SPREAD"}
                    waiting.append(call.options(name=name, **options).remote(task, item))
                if not waiting:
                    return
                done, waiting = ray.wait(waiting)
                if waiting:
                    # All that are done: a look at a long list takes as long as a short task.
                    more, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=0)
                    done += more
                yield from map(self._result, done)
        finally:
            # To cancel without a cluster would start one.
            for reference in waiting if ray.is_initialized() else ():
                ray.cancel(reference, force=True)

    def _result(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            raise TurnmillError(
                f"Ray gave a task up: {last_line(error)}",
                code="engine-failed",
                hint="every machine of the cluster needs turnmill; the log of Ray says more. Run "
                "the same command again to go on: finished shards are kept",
            ) from error

    def close(self) -> None:
        """Leaves the cluster, if it was not in use before."""
        if self._is_ours:
            self._ray.shutdown()


def _call(task: Task, item: Any) -> Any:
    """What runs on a worker."""
    result = task(item)
    for name, count in getattr(result, "counts", {}).items():
        if count:
            _counter(name).inc(count)
    return result


@cache
def _counter(name: str) -> Any:
    """A metric of Ray, which its dashboard and Prometheus show."""
    from ray.util.metrics import Counter

    return Counter(f"turnmill_{name}", description=f"{name} of the shards that turnmill made")
