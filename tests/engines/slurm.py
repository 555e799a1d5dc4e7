"""A throw-away SLURM on this machine: a real controller and a real node daemon with four fake GPUs.

Needs root (device nodes, munge) and Debian's packages munge and slurm-wlm. Nothing outside its folder is
written but munge's socket.
"""

import os
import re
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol")

CONF = """
ClusterName=ci
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=17000
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool.%n
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd.%n.pid
SlurmctldLogFile={base}/slurmctld.log
SlurmdLogFile={base}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
GresTypes=gpu
ReturnToService=2
KillWait=5
MinJobAge=3600
SchedulerParameters=batch_sched_delay=1,sched_min_interval=0,bf_interval=5
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17001 CPUs=4 RealMemory=4000 Gres=gpu:4 State=UNKNOWN
PartitionName=main Nodes=n1 Default=YES MaxTime=INFINITE State=UP
"""

# sacct needs an accounting database; submitit asks it for three columns that the controller knows too.
SACCT = r"""#!/usr/bin/env python3
import re, subprocess, sys
print("JobID|State|NodeList")
for job in [sys.argv[i + 1] for i, a in enumerate(sys.argv) if a == "-j"]:
    shown = subprocess.run(["scontrol", "-o", "show", "job", job], capture_output=True, text=True).stdout
    for line in shown.splitlines():
        d = dict(re.findall(r"(\w+)=(\S*)", line))
        t = d.get("ArrayTaskId")
        name = d["JobId"] if t is None else f"{d['ArrayJobId']}_{t if t.isdigit() else '[' + t + ']'}"
        print(f"{name}|{d['JobState']}|{d.get('NodeList', '')}")
"""


def missing() -> str | None:
    """Why there can be no SLURM here, or None."""
    if os.geteuid() != 0:
        return "the SLURM testbed needs root"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)} (apt-get install munge slurm-wlm)" if absent else None


class Cluster:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.environment = {
            "SLURM_CONF": str(base / "slurm.conf"),
            "PATH": f"{base}/bin:{os.environ['PATH']}",
        }

    def run(self, *command: str) -> str:
        return subprocess.run(
            command, env={**os.environ, **self.environment}, check=True, capture_output=True, text=True
        ).stdout

    def tell(self, *command: str) -> bool:
        """Run a command that comes too late if its job has just ended; return whether it did not."""
        try:
            self.run(*command)
        except subprocess.CalledProcessError:
            return False
        return True

    def start(self) -> None:
        for name in ("state", "bin", "spool.n1"):
            (self.base / name).mkdir()
        for number in range(4):  # GPUs must be device nodes, or CUDA_VISIBLE_DEVICES is silently not set
            os.mknod(self.base / f"gpu{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        (self.base / "slurm.conf").write_text(CONF.format(base=self.base))
        (self.base / "gres.conf").write_text(f"Name=gpu File={self.base}/gpu[0-3]\n")
        (self.base / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        sacct = self.base / "bin" / "sacct"
        sacct.write_text(SACCT)
        sacct.chmod(0o755)
        self._start_munge()
        self.run("slurmctld")
        self.run("slurmd", "-N", "n1")
        deadline = time.monotonic() + 30
        while self.run("sinfo", "-h", "-N", "-o", "%T").split() != ["idle"]:
            assert time.monotonic() < deadline, (self.base / "slurmctld.log").read_text()[-2000:]
            time.sleep(0.1)

    def _start_munge(self) -> None:
        if subprocess.run("munge -n | unmunge", shell=True, capture_output=True).returncode == 0:
            return
        folder = Path("/run/munge")
        folder.mkdir(exist_ok=True)
        shutil.chown(folder, "munge", "munge")
        for stale in folder.glob("munge.socket.2*"):
            stale.unlink()
        self.run("runuser", "-u", "munge", "--", shutil.which("munged") or "munged")
        time.sleep(0.3)

    def stop(self) -> None:
        self.run("scancel", "-u", "root")
        deadline = time.monotonic() + 30
        while self.jobs("RUNNING,PENDING,COMPLETING") and time.monotonic() < deadline:
            time.sleep(0.2)
        daemons = [int(path.read_text()) for path in self.base.glob("*.pid")]
        for daemon in daemons:
            os.kill(daemon, signal.SIGTERM)
        while (
            any(Path(f"/proc/{daemon}").exists() for daemon in daemons) and time.monotonic() < deadline + 30
        ):
            time.sleep(0.1)
        shutil.rmtree(self.base, ignore_errors=True)

    def jobs(self, state: str) -> list[str]:
        """Ids of the jobs in a state, for example RUNNING."""
        return self.run("squeue", "-h", "-r", "-t", state, "-o", "%A").split()

    def restarts(self) -> list[int]:
        """How often each job so far was started again, in the order of the jobs' ids."""
        jobs = re.findall(r"JobId=(\d+).*?Restarts=(\d+)", self.run("scontrol", "-o", "show", "job"))
        return [int(count) for _, count in sorted(jobs, key=lambda job: int(job[0]))]
