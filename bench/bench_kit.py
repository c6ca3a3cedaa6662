"""bench_kit.py - what the benchmarks share: a measured run of a program, and its place in docs/benchmarks.md."""
import os
import signal
import subprocess
import sys
import threading
import time


class Sampler(threading.Thread):
    """CPU seconds and peak memory of all processes of a session, as /proc shows them five times a second.

    wait4 alone is not enough: Spark's Java process is not waited for by the Python that starts it.
    """

    def __init__(self, session):
        super().__init__(daemon=True)
        self.session, self.done = session, threading.Event()
        self.cpu, self.peak_mb = {}, 0.0

    def sample(self):
        resident = 0
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == self.session:
                self.cpu[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                resident += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        self.peak_mb = max(self.peak_mb, resident / 2**20)

    def run(self):
        while not self.done.wait(0.2):
            self.sample()


def run(command, log):
    """Wall seconds, CPU seconds and peak MB of one process and those that it starts."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("cut off"))
    start = time.monotonic()
    with open(log, "wb") as f:
        process = subprocess.Popen(command, stdout=f, stderr=f, start_new_session=True)
    sampler = Sampler(process.pid)
    sampler.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:  # cut off: what was started ends, too
        os.killpg(process.pid, signal.SIGKILL)
        raise
    wall = time.monotonic() - start
    process.returncode = status
    sampler.done.set()
    sampler.join()
    if status != 0:
        sys.exit(f"{' '.join(command)}\nended with status {status}; see {log}")
    cpu = max(usage.ru_utime + usage.ru_stime, sum(sampler.cpu.values()))
    return wall, cpu, max(usage.ru_maxrss / 1024, sampler.peak_mb)


def publish(path, name, title, text):
    """Puts the text between the markers of the benchmark `name`; a new one goes to the end."""
    begin, end = f"<!-- bench {name}: begin -->", f"<!-- bench {name}: end -->"
    old = open(path).read() if os.path.exists(path) else "# Benchmarks\n"
    block = f"{begin}\n{text}\n{end}"
    if begin in old:
        new = old[:old.index(begin)] + block + old[old.index(end) + len(end):]
    else:
        new = old.rstrip("\n") + f"\n\n## {title}\n\n" + block + "\n"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(new)
