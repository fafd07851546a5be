"""The scripts of examples/slurm on a real Slurm: one node, of Debian's packages, on the loopback interface."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import start
from counts import count
from test_sameness import FILES
from test_saving import finished

Note = Callable[[str, int], None]
SCRIPTS = Path(__file__).parents[2] / "examples" / "slurm"
DAEMONS = ("munged", "slurmctld", "slurmd")
CONF = """
ClusterName=torture
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SwitchType=switch/none
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2
KillWait=20
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
# `cnn` as jobs find it: a second for each step, so that time runs out
SLOW = f"""#!{sys.executable}
import sys, time
from cnncli import cli
from cnncli.training import Trainer
step = Trainer._step
def slow(self, *args):
    time.sleep(SECONDS)
    return step(self, *args)
Trainer._step = slow
sys.exit(cli.main())
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A controller and a node; ``SLURM_CONF`` names them."""
    if not count("26") or any(shutil.which(name) is None for name in DAEMONS) or os.geteuid():
        pytest.skip("before a release, with Debian's slurmd, slurmctld, slurm-client and munge, as root")
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    (folder / "key").write_bytes(os.urandom(128))
    (folder / "key").chmod(0o400)
    conf = folder / "slurm.conf"
    host = socket.gethostname().split(".")[0]
    conf.write_text(CONF.format(host=host, folder=folder, ports=[free_port(), free_port()]))
    files = [f"--{name}={folder}/{name}" for name in ("pid-file", "log-file", "seed-file")]
    commands = [
        ["munged", "--foreground", "--force", f"--key-file={folder}/key", f"--socket={folder}/munge", *files],
        ["slurmctld", "-D", "-c"],
        ["slurmd", "-D"],
    ]
    daemons: list[subprocess.Popen[bytes]] = []
    with pytest.MonkeyPatch.context() as patch, (folder / "out").open("wb") as out:
        patch.setenv("SLURM_CONF", str(conf))
        try:
            for command in commands:
                daemons.append(subprocess.Popen(command, stdout=out, stderr=out))
                time.sleep(0.5)
            deadline = time.monotonic() + 60
            while "idle" not in said("sinfo", "--noheader"):
                assert time.monotonic() < deadline, (folder / "out").read_text()
                time.sleep(0.2)
            yield
        finally:
            said("scancel", "--user=root")
            deadline = time.monotonic() + 60
            while said("squeue", "--noheader").strip() and time.monotonic() < deadline:
                time.sleep(0.5)
            for daemon in reversed(daemons):
                daemon.terminate()
                with suppress(subprocess.TimeoutExpired):
                    daemon.wait(30)
                daemon.kill()


def said(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.stdout


@pytest.fixture
def sbatch(folder: Path, slurm: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Submit a script of the examples with options that overrule its own; gives the job's number."""
    (folder / "bin").mkdir()
    paths = [str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(paths))

    def submit(script: str, *options: str, arguments: tuple[str, ...] = ("short.yaml",), slow: float = 0) -> str:
        (folder / "bin" / "cnn").write_text(SLOW.replace("SECONDS", str(slow)))
        (folder / "bin" / "cnn").chmod(0o755)
        return said("sbatch", "--parsable", *options, str(SCRIPTS / script), *arguments).strip()

    return submit


def facts(job: str) -> list[dict[str, str]]:
    """What Slurm tells about a job, or each task of an array."""
    records = said("scontrol", "--oneliner", "show", "job", job).splitlines()
    return [dict(part.split("=", 1) for part in record.split() if "=" in part) for record in records]


def ended(job: str, seconds: int = 300) -> list[dict[str, str]]:
    """Facts about a job, or the tasks of an array, that has ended."""
    deadline = time.monotonic() + seconds
    while not all(task["JobState"] in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT") for task in facts(job)):
        assert time.monotonic() < deadline, facts(job)
        for task in facts(job):
            if task["Reason"] == "BeginTime":  # queued again for two minutes later; at once the node would refuse it
                time.sleep(5)
                said("scontrol", "update", f"JobId={task['JobId']}", "StartTime=now")
        time.sleep(0.5)
    return facts(job)


def until(text: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while not log.exists() or text not in log.read_text():
        assert time.monotonic() < deadline, f"no {text!r} in {log}"
        time.sleep(0.2)


@pytest.fixture
def whole(folder: Path) -> Path:
    """A run that nothing stopped."""
    finished(start("train", "short.yaml", "--run", "whole"))
    return folder / "whole"


def assert_equal(run: Path, whole: Path) -> None:
    for name in FILES:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_job_that_runs_out_of_time_goes_on(sbatch: Callable[..., str], whole: Path, tried: Note) -> None:
    """Warned by SIGUSR1, it saves, ends with 75 and is queued again, until it is done."""
    job = sbatch("requeue.sh", "--time=1", "--signal=USR1@30", slow=1.0)
    (end,) = ended(job)
    log = Path(f"cnn-{job}.log").read_text()
    assert (end["JobState"], end["ExitCode"]) == ("COMPLETED", "0:0"), log
    assert int(end["Restarts"]) >= 1
    assert log.count("stopped by SIGUSR1") == int(end["Restarts"])
    assert_equal(Path("runs", f"cnn-{job}"), whole)
    tried("26", 1)


def test_a_job_that_is_cancelled_goes_on_when_it_is_submitted_again(
    sbatch: Callable[..., str], whole: Path, tried: Note
) -> None:
    job = sbatch("single.sh", slow=0.5)
    until("epoch  3/12", Path(f"cnn-{job}.log"))
    said("scancel", job)
    ended(job)
    assert "stopped by SIGTERM" in Path(f"cnn-{job}.log").read_text()
    job = sbatch("single.sh")
    assert ended(job)[0]["JobState"] == "COMPLETED"
    assert_equal(Path("runs/cnn"), whole)
    tried("26", 1)


def test_an_array_of_eight(sbatch: Callable[..., str], tried: Note) -> None:
    job = sbatch("array.sh", "--array=0-7%4")
    assert [task["JobState"] for task in ended(job)] == ["COMPLETED"] * 8
    results = [json.loads(Path(f"seeds-{k}.log").read_text().splitlines()[-1]) for k in range(8)]
    assert [result["run"] for result in results] == [f"runs/seeds-{k}" for k in range(8)]
    finished(start("train", "short.yaml", "train.seed=3", "--run", "alone"))
    assert_equal(Path("runs/seeds-3"), Path("alone"))
    tried("26", 8)


def test_one_training_by_two_processes(folder: Path, sbatch: Callable[..., str], tried: Note) -> None:
    pytest.importorskip("mpi4py")
    (folder / "wide.yaml").write_text((folder / "short.yaml").read_text().replace("batch_size: 8", "batch_size: 64"))
    finished(start("train", "wide.yaml", "--run", "whole"))
    options = ("--nodes=1", "--ntasks-per-node=2", "--cpus-per-task=1")
    job = sbatch("mpi.sh", *options, arguments=("wide.yaml",))
    (end,) = ended(job)
    run = Path("runs", f"cnn-{job}")
    assert end["JobState"] == "COMPLETED", Path(f"cnn-{job}.log").read_text()
    assert json.loads((run / "env.json").read_text())["processes"] == 2
    assert_equal(run, folder / "whole")
    tried("26", 1)


def test_a_sweep(sbatch: Callable[..., str], tried: Note) -> None:
    arguments = ("short.yaml", "optimizer.sgd.lr=0.1,0.05", "train.seed=0,1")
    job = sbatch("sweep.sh", "--array=0-3", arguments=arguments)
    assert [task["JobState"] for task in ended(job)] == ["COMPLETED"] * 4
    table, _ = start("sweep", *arguments, "--json").communicate(timeout=60)
    assert len(table.splitlines()) >= 4, table
    tried("26", 4)
