"""A Kubernetes API server with its etcd, of nothing else: objects are checked, admitted and kept, and nobody acts on
them. No kubelet runs pods, no controller finishes jobs."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.helm.chart import Answer, Manifest, helm, tool

READY_SECONDS = 240.0
"""Until the server must be ready; on two busy cores it takes some ten."""


class Cluster:
    """Started by `start`, ended by `stop`. Keeps everything in a folder of its own, on the quickest of disks: etcd
    syncs each write."""

    def __init__(self) -> None:
        self._tools = {name: tool(name) for name in ("etcd", "kube-apiserver", "kubectl", "helm")}
        self.folder = Path(tempfile.mkdtemp(prefix="spanledger-kubernetes-", dir=os.environ.get("TMPDIR", "/tmp")))
        self.kubeconfig = self.folder / "kubeconfig"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._port = _free_port()
        self._token = secrets.token_hex(16)

    def start(self) -> None:
        """Both, until the server is ready. Raises `RuntimeError` with what they said."""
        store, peer = _free_port(), _free_port()
        self._run(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{store}",
            f"--advertise-client-urls=http://127.0.0.1:{store}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
        )
        key = self.folder / "service-accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        tokens = self.folder / "tokens.csv"
        tokens.write_text(f'{self._token},admin,admin,"system:masters"\n')
        tokens.chmod(0o600)
        self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{store}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={self.folder / 'certificates'}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            # Nobody makes the service accounts that it waits for.
            "--disable-admission-plugins=ServiceAccount",
        )
        user = {"name": "admin", "user": {"token": self._token}}
        server = {"server": f"https://127.0.0.1:{self._port}", "insecure-skip-tls-verify": True}
        self.kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "test", "cluster": server}],
                    "users": [user],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
                    "current-context": "test",
                }
            )
        )
        self.kubeconfig.chmod(0o600)
        self._wait()

    def stop(self) -> None:
        """End both, the server first, and remove the folder."""
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kubectl(self, *arguments: str, input: str | None = None) -> Answer:
        """Run kubectl as the administrator."""
        command = [str(self._tools["kubectl"]), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=input, capture_output=True, text=True)
        return Answer(done.returncode, done.stdout, done.stderr)

    def helm(self, *arguments: str | Path) -> Answer:
        """Run Helm as the administrator."""
        return helm(*arguments, environment={"KUBECONFIG": str(self.kubeconfig)})

    def apply(self, objects: list[Manifest]) -> None:
        """Make objects; those of a namespace with it."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        answer = self.kubectl("apply", "--server-side", "-f", "-", input=text)
        assert answer.status == 0, answer.error

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """A request to the server itself. Raises `urllib.error.HTTPError`."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self._port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/merge-patch+json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30, context=_trusting()) as answer:
            return json.loads(answer.read())

    def _run(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen([self._tools[name], *arguments], stdout=log, stderr=log, cwd=self.folder)
            )

    def _wait(self) -> None:
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if any(process.poll() is not None for process in self._processes):
                break
            try:
                with urllib.request.urlopen(
                    f"https://127.0.0.1:{self._port}/readyz", timeout=5, context=_trusting()
                ) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.2)
        said = "\n".join((self.folder / name).read_text()[-3000:] for name in ("etcd.log", "kube-apiserver.log"))
        self.stop()
        raise RuntimeError(f"the Kubernetes API server did not become ready:\n{said}")


def _trusting() -> ssl.SSLContext:
    """The server made its certificate itself, on loopback."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
