"""The cluster of Ray that work is sent to: joined by its address, or begun on this machine while it is used."""

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import UserError, one_line
from pipeline.machines.nodes import Node
from pipeline.packing import code

HERE = "ray"  # the word for a cluster of this machine alone
MEMORY = 256 << 20  # bytes of its object store: files travel in pieces


def check_address(address: str) -> None:
    """Raises UserError where it is none, or nobody answers there."""
    if address == HERE:
        return
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or "/" in host:
        raise UserError(
            f"--on {address} is no address of a Ray cluster: give HOST:PORT as `ray start --head` printed it, on a "
            f"machine of the cluster, or --on {HERE} for this machine alone"
        )
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--on {address}: no Ray cluster answers there ({error}); is `ray start --head` running?"
        ) from error


@contextlib.contextmanager
def joined(address: str, own_code: Path) -> Iterator:
    """Ray, joined to a cluster or to a new one of this machine, with our code on the way to its nodes."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    # pages of what a node had in mind when it died: that it died is said by us, in a line
    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    code.copy_into(own_code)
    common = {"runtime_env": {"working_dir": str(own_code)}, "log_to_driver": False, "logging_level": "ERROR"}
    # sockets lie in it, whose paths must be short
    place = tempfile.mkdtemp(prefix="ray-", dir="/tmp") if address == HERE else ""
    # Ray takes these for itself, and would end this process where it stands
    ours = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        if place:
            count = len(os.sched_getaffinity(0))
            own = {"num_cpus": count, "object_store_memory": MEMORY, "include_dashboard": False, "_temp_dir": place}
            ray.init(address="local", **own, **common)
        else:
            _join(ray, address, common)
        if threading.current_thread() is threading.main_thread():
            for number, does in ours.items():
                signal.signal(number, signal.SIG_DFL if does is None else does)
        yield ray
    finally:
        ray.shutdown()
        if place:
            shutil.rmtree(place, ignore_errors=True)


def _join(ray, address: str, options: dict) -> None:
    try:
        ray.init(address=address, **options)
    except RuntimeError as error:
        if "Version mismatch" not in str(error):
            raise
        versions = [line.strip() for line in str(error).splitlines() if line.startswith("    ")]
        there, here = ", ".join(versions[:2]), ", ".join(versions[2:4])
        raise UserError(f"the cluster at {address} has other versions ({there}) than here ({here})") from error
    except (ConnectionError, ValueError, ray.exceptions.RayError) as error:
        raise UserError(
            f"cannot join the cluster at {address}: {one_line(str(error))[:200]}; start it on a machine of the "
            f"cluster, after `ray start --address={address}` there"
        ) from error


def nodes_of(ray) -> dict[str, Node]:
    """Ray's id -> each node that is alive."""
    found = {}
    for node in (node for node in ray.nodes() if node["Alive"]):
        name = node["NodeManagerHostname"]
        # one machine may be several nodes
        name += f"/{node['NodeID'][:6]}" if name in [other.name for other in found.values()] else ""
        found[node["NodeID"]] = Node(name, node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0))
    return found
