"""Runs Conduit and what it needs in containers: the `docker-*` commands of make.

    python3 scripts/docker.py up|up-full|build|down|logs|status|clean

`up` starts the infrastructure of compose.yaml (MongoDB, Redis, Mongo Express),
`up-full` the API and a worker as well. Needs Docker, or whatever answers to
`docker compose` or `docker-compose`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import processes
from progress import Problem, exit_with, say

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "conduit:local"
INFRASTRUCTURE = ["mongodb", "redis", "mongo-express"]
COMMANDS: Dict[str, List[str]] = {
    "up": ["up", "--detach", *INFRASTRUCTURE],
    "up-full": ["up", "--detach", "--build"],
    "build": ["build", "api"],
    "down": ["down"],
    "logs": ["logs", "--follow", "--tail", "100"],
    "status": ["ps"],
    "clean": ["down", "--volumes", "--remove-orphans"],
}
AFTERWARDS = {
    "up": (
        "MongoDB: 127.0.0.1:27017, Redis: 127.0.0.1:6379, Mongo Express: http://127.0.0.1:8081 (once the API has\n"
        "initiated the replica set, which it does at its first start)\n"
        "Now the server: make init, then make run-api and make run-worker, each in a terminal.\n"
        "Where the API of `make docker-up-full` ran first, use MONGODB_URI=mongodb://127.0.0.1:27017/?directConnection=true"
    ),
    "up-full": (
        "API and dashboard: http://127.0.0.1:8080, Mongo Express: http://127.0.0.1:8081\n"
        "An endpoint on this machine is http://host.docker.internal:PORT/ for the worker, and has to listen on more than loopback."
    ),
    "down": "The data is kept; make docker-clean removes it.",
    "clean": "Containers, the image and all data of them are removed.",
}


def compose() -> List[str]:
    """The command that runs Compose here, once an engine answers."""
    docker = shutil.which("docker")
    if docker and _succeeds([docker, "compose", "version"]):
        command = [docker, "compose"]
    elif shutil.which("docker-compose"):
        command = ["docker-compose"]
    else:
        what = "Docker's Compose was not found" if docker else "Docker was not found"
        raise Problem(what, "Install Docker Engine with its Compose plugin, or do without: make demo, make run-api.")
    if docker and not _succeeds([docker, "info"]):
        raise Problem(
            "the Docker engine does not answer",
            "Start it (sudo systemctl start docker, or Docker Desktop), and see that you may use it (docker info).",
        )
    return command


def _succeeds(command: List[str]) -> bool:
    quiet = subprocess.DEVNULL
    return subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet).returncode == 0


def main() -> int:
    """Runs one of the commands and says what there is afterwards."""
    arguments = sys.argv[1:]
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        say(f"usage: python3 scripts/docker.py {'|'.join(COMMANDS)}")
        return 2
    processes.raise_on_signals()
    command = [*compose(), "--project-name", "conduit", *COMMANDS[arguments[0]]]
    # The Dockerfile has cache mounts, which the builder of older versions does not know.
    environment = {**os.environ, "DOCKER_BUILDKIT": "1", "COMPOSE_DOCKER_CLI_BUILD": "1"}
    code = processes.run(command, env=environment, cwd=ROOT)
    if code == 0 and arguments[0] == "clean":
        # Compose removes images of others with it, or none that has a name.
        code = processes.run(["docker", "image", "rm", "--force", IMAGE])
    if code == 0 and arguments[0] in AFTERWARDS:
        print(AFTERWARDS[arguments[0]], flush=True)
    return code


if __name__ == "__main__":
    exit_with(main)
