"""Goes through the Dockerfile's steps one by one, where no Docker engine runs.

    python3 scripts/docker_steps.py [--quick|--build]

Copies what .dockerignore lets in to a clean folder and checks that it is a whole
workspace and nothing else, and that the image is what is promised: not root, a
health check, pinned bases. With `--build` every RUN is run there, from nothing,
and what it makes is put together as the image is: the programs must start, the
health check must tell a server that lives from none, and the stop signal must
end it well. `--quick` is the same without optimising. A stage's absolute paths
are those below a folder of its own; what comes from a base image is taken from
this machine.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import processes
import servers
import toolchain
from dockerfile import Ignored, Stage, Step, stages
from progress import Problem, Progress, exit_with

ROOT = Path(__file__).resolve().parent.parent
PINNED = re.compile(r"^[a-z0-9/-]+:\d+\.\d+(\.\d+)?[a-z0-9.-]*$")
MUST_STAY_OUT = re.compile(r"(^|/)(\.env|\.git|\.tools|\.conduit[^/]*|target|node_modules)(/|$)")
LARGEST_CONTEXT = 20_000_000
NOT_OPTIMISED = {
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "256",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
}
ALIVE_SECONDS = 30.0
END_SECONDS = 45.0


class Steps:
    """The Dockerfile's stages, each with a folder that stands for its root."""

    def __init__(self, folder: Path, found: List[Stage], build_environment: Dict[str, str]) -> None:
        self._folder = folder
        self._stages = found
        self._environment = build_environment
        self._working: Dict[int, str] = {}

    def root(self, number: int) -> Path:
        """The folder that stands for a stage's root."""
        return self._folder / f"stage-{number}"

    def inside(self, number: int, path: str) -> Path:
        """A path of a stage, relative to its WORKDIR where it is not absolute."""
        return self.root(number) / os.path.join(self._working.get(number, "/"), path).lstrip("/")

    def go(self, number: int, with_runs: bool) -> None:
        """Carries out the steps of a stage that make files."""
        self.root(number).mkdir(parents=True)
        for step in self._stages[number].steps:
            if step.name == "WORKDIR":
                self._working[number] = os.path.join(self._working.get(number, "/"), step.rest)
                self.inside(number, ".").mkdir(parents=True, exist_ok=True)
            elif step.name == "COPY":
                self._copy(number, step)
            elif step.name == "RUN" and with_runs:
                self._run(number, step)

    def _copy(self, number: int, step: Step) -> None:
        *sources, target = step.words
        place = self.inside(number, target)
        names = [stage.name for stage in self._stages]
        for source in sources:
            if not step.option("from"):
                ignored = Ignored((ROOT / ".dockerignore").read_text(encoding="utf-8"))
                if source != ".":
                    raise Problem(f"COPY of {source} is not understood: the context is copied whole")
                for path in ignored.files(ROOT):
                    (place / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / path, place / path)
                continue
            origin = names.index(step.option("from"))
            found = self.inside(origin, source)
            made_here = source.startswith(self._working.get(origin, "/") + "/")
            if not found.exists() and not made_here:
                found = Path(source)
            if not found.exists():
                raise Problem(f"COPY --from={step.option('from')} {source}: there is no such file")
            if found.is_dir():
                shutil.copytree(found, place, dirs_exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, place / found.name if target.endswith("/") else place)

    def _run(self, number: int, step: Step) -> None:
        working = self._working.get(number, "/")
        code = processes.run(["/bin/sh", "-c", step.rest], env=self._environment, cwd=self.inside(number, "."))
        if code != 0:
            raise Problem(f"a RUN step ended with exit code {code}", step.rest)
        # What lies in a cache is no part of the layer.
        for name, value in step.options:
            target = dict(part.partition("=")[::2] for part in value.split(",")).get("target", "")
            if name == "mount" and target.startswith(working):
                shutil.rmtree(self.root(number) / target.lstrip("/"), ignore_errors=True)


def check_context(folder: Path) -> None:
    """The build's input is a workspace that cargo can read, and holds nothing of this machine."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    strangers = [path for path in files if MUST_STAY_OUT.search(path)]
    if strangers:
        raise Problem(f"the build would get {', '.join(strangers[:5])}", "Name it in .dockerignore.")
    size = sum((folder / path).stat().st_size for path in files)
    if size > LARGEST_CONTEXT:
        raise Problem(f"the build would get {size // 1_000_000} MB of files", "See what .dockerignore lets in.")
    command = [toolchain.cargo(), "metadata", "--locked", "--no-deps", "--format-version", "1"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode != 0:
        raise Problem("what .dockerignore lets in is no whole workspace", result.stderr.strip())
    print(f"context: {len(files)} files, {size / 1_000_000:.1f} MB", flush=True)


def check_image(found: List[Stage]) -> None:
    """What the last stage says of itself."""
    for stage in found:
        if not PINNED.match(stage.base):
            raise Problem(f"the base image {stage.base} is not pinned to a version")
    last = found[-1]
    user = last.last("USER").rest
    if not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", user):
        raise Problem(f"the image's user is {user}, not a number other than 0")
    for name in ("STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "LABEL", "EXPOSE"):
        last.last(name)
    print(f"image: from {last.base}, user {user}, {len(last.steps)} steps", flush=True)


def check_programs(steps: Steps, number: int, last: Stage) -> None:
    """Starts the programs as a container would, and asks the health check."""
    environment = {"PATH": f"{steps.inside(number, '/usr/local/bin')}:/usr/bin:/bin"}
    environment.update(step.rest.partition("=")[::2] for step in last.steps if step.name == "ENV")
    port, folder = servers.free_port(), steps.inside(number, ".")
    environment.update(
        PORT=str(port), WORKER_PORT=str(servers.free_port()), MONGODB_DATABASE="conduit",
        # Nobody is there, which is no reason to end.
        MONGODB_URI=f"mongodb://127.0.0.1:{servers.free_port()}", REDIS_URI=f"redis://127.0.0.1:{servers.free_port()}",
    )
    programs = sorted(path.name for path in steps.inside(number, "/usr/local/bin").iterdir())
    if programs != ["conduit", "conduit-server"]:
        raise Problem(f"the image's programs are {programs}")
    print(_answer(["conduit-server", "--version"], environment, 0), flush=True)
    health = last.last("HEALTHCHECK").rest
    check = Step("CMD", (), health.partition("CMD ")[2]).words
    _answer(check, environment, 1)
    start = [*last.last("ENTRYPOINT").words, *last.last("CMD").words]
    refused = _answer(start, environment, 1)
    if "CONDUIT_API_TOKEN" not in refused:
        raise Problem("without a token the image must say what to set", refused)
    environment["CONDUIT_API_TOKEN"] = "only-for-this-check"
    for command in (start, [*last.last("ENTRYPOINT").words, "worker"]):
        _check_life(command, check, environment, folder, last.last("STOPSIGNAL").rest)


def _check_life(command: List[str], check: List[str], environment: Dict[str, str], folder: Path, stop: str) -> None:
    log = folder / "log"
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    server = processes.start_in_background([program, *command[1:]], log, environment, folder)
    try:
        deadline = time.monotonic() + ALIVE_SECONDS
        while _run(check, environment)[0] != 0:
            if server.poll() is not None or time.monotonic() > deadline:
                raise Problem(f"{' '.join(command)} is never healthy", log.read_text(encoding="utf-8"))
            time.sleep(0.1)
        server.send_signal(getattr(signal, stop))
        code = server.wait(END_SECONDS)
        if code != 0:
            raise Problem(f"{' '.join(command)} ended with exit code {code} after {stop}", log.read_text(encoding="utf-8"))
    finally:
        processes.end_session(server, 1.0)
        log.unlink()
    print(f"{' '.join(command)}: healthy, and ended by {stop} with exit code 0", flush=True)


def _answer(command: List[str], environment: Dict[str, str], wanted: int) -> str:
    code, text = _run(command, environment)
    if code != wanted:
        raise Problem(f"{' '.join(command)} ended with exit code {code}, not {wanted}", text)
    return text


def _run(command: List[str], environment: Dict[str, str]) -> Tuple[int, str]:
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    result = subprocess.run([program, *command[1:]], env=environment, capture_output=True, text=True, timeout=60)
    return result.returncode, (result.stdout + result.stderr).strip()


@contextmanager
def _clean_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="conduit-docker-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Goes through the steps as far as the arguments say."""
    arguments = sys.argv[1:]
    if arguments not in ([], ["--quick"], ["--build"]):
        print("usage: python3 scripts/docker_steps.py [--quick|--build]", file=sys.stderr)
        return 2
    processes.raise_on_signals()
    found = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    check_image(found)
    # Its own target folder, as in a builder that has none yet.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARGO_TARGET")}
    environment.update(NOT_OPTIMISED if arguments == ["--quick"] else {})
    with _clean_folder() as folder:
        steps = Steps(folder, found, environment)
        with Progress("copying the sources"):
            steps.go(0, with_runs=False)
        check_context(steps.inside(0, "."))
        if arguments:
            shutil.rmtree(steps.root(0))
            for number in range(len(found)):
                steps.go(number, with_runs=True)
            size = sum(path.stat().st_size for path in steps.inside(len(found) - 1, "/usr/local/bin").iterdir())
            print(f"programs: {size / 1_000_000:.0f} MB", flush=True)
            check_programs(steps, len(found) - 1, found[-1])
    print("Dockerfile: all is well", flush=True)
    return 0


if __name__ == "__main__":
    exit_with(main)
