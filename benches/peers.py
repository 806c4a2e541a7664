"""The builders that `builds` compares Jettison with, and what their builds cost."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """What a builder leaves alone becomes a child of this process, so that its time can be counted."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def orphans_seconds():
    """Processor time of the adopted that have ended."""
    total = 0
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return total
        if pid == 0:
            return total
        total += usage.ru_utime + usage.ru_stime


def run(argv, **options):
    result = subprocess.run(
        list(map(str, argv)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    if result.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, argv))}\n{result.stdout.decode(errors='replace')[-3000:]}")
    return result.stdout.decode(errors="replace")


def children(pid):
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    except OSError:
        pass
    return found


def descendants(pid):
    """A process and everything below it."""
    found, rest = [], [pid]
    while rest:
        pid = rest.pop()
        found.append(pid)
        rest += children(pid)
    return found


def processor_seconds(pid):
    """Processor time of a process, of what runs below it, and of what has ended there."""
    total = 0
    for pid in descendants(pid):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(int(fields[place]) for place in (11, 12, 13, 14))
        except OSError:
            pass
    return total / TICKS


def forget_peaks(pid):
    for pid in descendants(pid):
        try:
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        except OSError:
            pass


def peak_memory(pid):
    """The largest memory that a process and what is below it have had since `forget_peaks`, in MB."""
    total = 0
    for pid in descendants(pid):
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1]) / 1000
        except OSError:
            pass
    return total


class Tool:
    """A builder: how it is called, whose time counts too, and how its results are thrown away."""

    def __init__(self, name, argv, world=None, env=None, prune=()):
        self.name, self.argv, self.world = name, list(map(str, argv)), world
        # Only clients have an environment; buildah may run beside a daemon, but without it.
        self.env, self.is_client, self.prunes = env or {}, env is not None, prune

    def build(self, directory, *options):
        """Wall seconds, processor seconds, and memory in MB: the client's and the daemon's."""
        argv = [*self.argv, *options, str(directory)]
        world = self.world.process.pid if self.world else None
        # What others have written is not to be waited for here.
        os.sync()
        orphans_seconds()
        if world:
            forget_peaks(world)
            before = processor_seconds(world)
        start = time.perf_counter()
        process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **self.env}
        )
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"failed: {' '.join(argv)}\n{output.decode(errors='replace')[-3000:]}")
        # What a builder does after its answer is its build's, too.
        time.sleep(0.3)
        processor = usage.ru_utime + usage.ru_stime + orphans_seconds()
        memory = usage.ru_maxrss / 1000
        if world:
            processor += processor_seconds(world) - before
        if self.is_client:
            memory += peak_memory(world)
        return wall, processor, memory

    def prune(self):
        for argv in self.prunes:
            run(argv)


class World:
    """Where the peers of one generation run: this machine, or a tree of `sid-tree`.

    Processes there have a PID namespace, so that whatever a daemon leaves alone is below the namespace's first
    process and its time is counted, and so that nothing outlives it.
    """

    def __init__(self, directory, tree=None):
        self.directory, self.tree = directory, tree
        directory.mkdir()
        self.socket = directory / "docker.sock"
        if self.has("dockerd"):
            script = (
                f"dockerd --data-root {directory}/data --exec-root {directory}/exec --pidfile {directory}/pid "
                f"-H unix://{self.socket} --storage-driver overlay2 --bridge none --iptables=false "
                f"--ip6tables=false >{directory}/log 2>&1 & "
                'daemon=$!; trap "kill $daemon" TERM; while kill -0 $daemon 2>&-; do wait $daemon; done'
            )
        else:
            script = 'sleep 1000000 & sleep=$!; trap "kill $sleep" TERM; wait'
        argv = ["unshare", "--pid", "--fork", "--kill-child"]
        argv += [REPOSITORY / "benches/sid-tree", tree] if tree else ["--mount-proc"]
        self.process = subprocess.Popen([*argv, "sh", "-c", script])
        self.enter = []

    def wait(self):
        """Until commands can be run there."""
        first = self.first()
        if self.tree:
            self.enter = ["nsenter", "--target", str(first), "--mount", "--pid", f"--wd={self.directory}"]

    def has(self, program):
        if self.tree:
            return any((Path(self.tree) / place / program).exists() for place in ("usr/bin", "usr/sbin"))
        return shutil.which(program) is not None

    def first(self):
        """The first process of the namespace, once it is all set up."""
        for _ in range(300):
            for pid in children(self.process.pid):
                try:
                    if Path(f"/proc/{pid}/comm").read_text() == "sh\n" and children(pid):
                        return pid
                except OSError:
                    pass
            time.sleep(0.05)
        sys.exit(f"nothing started in {self.tree or 'this machine'}")

    def call(self, *argv):
        return [*self.enter, *argv]

    def wait_for_daemon(self, docker):
        for _ in range(300):
            if subprocess.run([*docker, "version"], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        sys.exit(f"dockerd did not start:\n{(self.directory / 'log').read_text()[-2000:]}")

    def end(self):
        for pid in children(self.process.pid):
            os.kill(pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Peers:
    """The peers of this machine and, if there is one, of a tree."""

    def __init__(self):
        self.worlds, self.tools, self.loads = [], [], []

    def start(self, scratch, tree=None):
        places = [("host", None)] + ([("sid", tree)] if tree else [])
        for name, place in places:
            world = World(scratch / name, place)
            self.worlds.append(world)
            world.wait()
            if world.has("dockerd"):
                self.add_docker(world)
            else:
                print("docker is not installed: apt-get install docker.io", file=sys.stderr)
            if world.has("buildah"):
                self.add_buildah(world)
            else:
                print("buildah is not installed: apt-get install buildah", file=sys.stderr)

    def add_docker(self, world):
        # Another program of that name may come first.
        docker = world.call("/usr/bin/docker", "-H", f"unix://{world.socket}")
        world.wait_for_daemon(docker)
        version = run([*docker, "version", "--format", "{{.Server.Version}}"]).split("+")[0].strip()
        version = ".".join(version.split(".")[:2])
        build = [*docker, "build", "--network", "host", "-q"]
        prune = [
            [*docker, "builder", "prune", "--all", "--force"],
            [*docker, "image", "prune", "--force"],
        ]
        for name, switch in (("buildkit", "1"), ("classic", "0")):
            env = {"DOCKER_BUILDKIT": switch}
            self.tools.append(Tool(f"{name} {version}", build, world, env, prune))
        self.loads.append(lambda archive: run([*docker, "load", "-i", archive]))

    def add_buildah(self, world):
        places = ["--root", world.directory / "buildah", "--runroot", world.directory / "buildah-run"]
        buildah = world.call("buildah", *places, "--storage-driver", "overlay")
        version = run(world.call("buildah", "--version")).split()[2]
        version = ".".join(version.split(".")[:2])
        build = [*buildah, "build", "--layers", "--isolation", "chroot", "--pull-never", "-q"]
        prune = [[*buildah, "rm", "--all"], [*buildah, "rmi", "--prune", "--force"]]
        self.tools.append(Tool(f"buildah {version}", build, world if world.tree else None, None, prune))
        self.loads.append(lambda archive: run([*buildah, "pull", f"docker-archive:{archive}"]))

    def load(self, archive):
        """Gives all of them the image in an archive."""
        for load in self.loads:
            load(archive)

    def end(self):
        for world in self.worlds:
            world.end()
