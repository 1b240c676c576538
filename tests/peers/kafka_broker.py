"""A real Kafka broker, one node without ZooKeeper, from the jars that Maven Central has of it.

    python3 tests/peers/kafka_broker.py

fetches the jars and prints where they are. Needs Java 17 and Maven; the first time also a network.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POM = Path(__file__).parent / "kafka" / "pom.xml"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "peers"
_MAVEN_SECONDS = 900
_START_SECONDS = 90


class CannotRun(Exception):
    """Why there is no broker on this machine."""


def jars() -> Path:
    """The folder with the jars, filled when it is not there yet. Raises `CannotRun`."""
    java, maven = shutil.which("java"), shutil.which("mvn")
    if java is None:
        raise CannotRun("a real Kafka broker needs Java, which is not installed")
    folder = CACHE / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    if maven is None:
        raise CannotRun("the jars of Kafka are fetched with Maven, which is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second finds them there
        if not folder.exists():
            unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
            goal = ["dependency:copy-dependencies", f"-DoutputDirectory={unfinished}", "-DincludeScope=runtime"]
            fetched = subprocess.run(
                [maven, "-q", "-B", "-f", str(POM), *goal],
                capture_output=True,
                text=True,
                timeout=_MAVEN_SECONDS,
                check=False,
            )
            if fetched.returncode:
                raise CannotRun(f"the jars of Kafka cannot be fetched:\n{fetched.stdout[-2000:]}")
            unfinished.rename(folder)
    return folder


@contextmanager
def broker(folder: Path, partitions: int = 3) -> Iterator[str]:
    """`host:port` of a broker that keeps everything below `folder`; topics are made when they are used first. Raises
    `CannotRun`."""
    classes = f"{jars()}/*"
    java = ["java", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classes]
    port, controller = _free_ports(2)
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder / "server.properties"
    properties.write_text(
        f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
num.partitions={partitions}
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""
    )
    cluster = "c3BhbmxlZGdlci10ZXN0cw"  # 16 bytes in base64, as storage wants them
    formatted = subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)],
        capture_output=True,
        text=True,
        check=False,
    )
    if formatted.returncode:
        raise AssertionError(f"the broker's folder cannot be made:\n{formatted.stdout}{formatted.stderr}")
    output = folder / "broker.log"
    with output.open("wb") as log:
        process = subprocess.Popen([*java, "kafka.Kafka", str(properties)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the broker does not start:\n{output.read_text()[-4000:]}")
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        if process.poll() is None:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


if __name__ == "__main__":
    try:
        print(jars())
    except CannotRun as reason:
        sys.exit(str(reason))
