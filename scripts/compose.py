"""Checks compose.yaml: that Compose reads it, and that it says what it must.

    python3 scripts/compose.py

Needs no Docker engine: `docker compose config`, or Debian's docker-compose,
which is installed where that is allowed. Its answer, with all defaults and
nothing of this machine's environment, is compared with what is promised.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List

import system_packages
from progress import Problem, exit_with, say

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "compose.yaml"
SERVICES = {"api", "worker", "mongodb", "redis", "mongo-express"}
PUBLISHED = {"api": 8080, "mongo-express": 8081, "mongodb": 27017, "redis": 6379}
PINNED = re.compile(r"^[a-z0-9./-]+:\d+\.\d+\.\d+[a-z0-9.-]*$")
# A field that holds a secret, and the only value it may have in the file.
SECRET_NAME = re.compile(r"(TOKEN|PASSWORD|SECRET|_KEY)$")
USER_INFO = re.compile(r"://[^/\s]*@")


def compose() -> List[str]:
    """A command that reads compose files, installed if need be."""
    quiet = subprocess.DEVNULL
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], stdout=quiet, stderr=quiet).returncode == 0:
        return [docker, "compose"]
    if not shutil.which("docker-compose"):
        system_packages.install(["docker-compose"], "docker-compose, which reads compose.yaml, was not found")
    return ["docker-compose"]


def read_config(command: List[str]) -> Dict[str, Any]:
    """The file as Compose understands it, without an .env and the caller's variables."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with tempfile.NamedTemporaryFile(suffix=".env") as empty:
        result = subprocess.run(
            [*command, "--env-file", empty.name, "--file", str(FILE), "config"],
            cwd=ROOT, env=environment, capture_output=True, text=True,
        )
    if result.returncode != 0:
        raise Problem("Compose does not take compose.yaml", result.stderr.strip())
    return _read_yaml(result.stdout)


def _read_yaml(text: str) -> Dict[str, Any]:
    try:
        import yaml
    except ImportError:
        # Debian's docker-compose is Python and brings the library, for the system's Python.
        program = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
        command = ["/usr/bin/python3", "-c", program]
        result = subprocess.run(command, input=text, capture_output=True, text=True)
        if result.returncode != 0:
            raise Problem("no Python here reads YAML", "Install it: sudo apt-get install -y python3-yaml") from None
        return json.loads(result.stdout)
    return yaml.safe_load(text)


def faults(config: Dict[str, Any]) -> Iterator[str]:
    """What is wrong with it, a line each."""
    services: Dict[str, Any] = config.get("services", {})
    if set(services) != SERVICES:
        yield f"the services are {sorted(services)}, not {sorted(SERVICES)}"
        return
    for name, service in services.items():
        yield from (f"{name}: {fault}" for fault in _faults_of(name, service))
    for name in ("mongodb", "redis"):
        if not services[name].get("healthcheck", {}).get("test"):
            yield f"{name}: it has no health check"
        if not services[name].get("volumes"):
            yield f"{name}: its data is in no volume"
    for name, needs in (("api", ("mongodb", "redis")), ("worker", ("mongodb", "redis")), ("mongo-express", ("mongodb",))):
        for need in needs:
            if services[name].get("depends_on", {}).get(need, {}).get("condition") != "service_healthy":
                yield f"{name}: it does not wait until {need} is healthy"
    if "--replSet" not in services["mongodb"]["command"]:
        yield "mongodb: it is no replica set"
    redis = " ".join(services["redis"]["command"])
    for option in ("--appendonly yes", "--maxmemory-policy noeviction"):
        if option not in redis:
            yield f"redis: it is started without {option}"


def _faults_of(name: str, service: Dict[str, Any]) -> Iterator[str]:
    ports = [_published(port) for port in service.get("ports", [])]
    wanted = [("127.0.0.1", PUBLISHED[name])] if name in PUBLISHED else []
    if ports != wanted:
        yield f"it publishes {ports}, not {wanted}"
    if not service.get("build") and not PINNED.match(service.get("image", "")):
        yield f"its image {service.get('image')} is not pinned to a version"
    for variable, value in (service.get("environment") or {}).items():
        if SECRET_NAME.search(variable) and value:
            yield f"{variable} has a value in the file"
        if USER_INFO.search(str(value)):
            yield f"{variable} has user information in it"
    if service.get("privileged") or service.get("network_mode") == "host":
        yield "it is privileged, or on the machine's own network"


def _published(port: Any) -> Any:
    if isinstance(port, dict):
        return port.get("host_ip", ""), int(port.get("published", 0))
    address, _, rest = str(port).rpartition(":")[0].rpartition(":")
    return address, int(rest)


def main() -> int:
    """Names each fault; the exit code is 1 if there is one."""
    found = list(faults(read_config(compose())))
    for fault in found:
        say(f"error: compose.yaml: {fault}")
    print(f"compose.yaml: {len(SERVICES)} services, faults: {len(found)}", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    exit_with(main)
