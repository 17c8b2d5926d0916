"""The worker processes of a sweep, as they are seen from outside."""

import contextlib
import time

import psutil


def workers_of(pid=None):
    """Return the processes that run points for a process, however they were started."""
    workers = []
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            command = " ".join(child.cmdline())
            server = "forkserver" in command and child.ppid() == (pid or psutil.Process().pid)
            if "resource_tracker" not in command and not server and child.status() != psutil.STATUS_ZOMBIE:
                workers.append(child)
    return workers


def all_end(processes, seconds=20):
    """Tell whether processes end by themselves within some seconds."""
    until = time.monotonic() + seconds
    while any(running(process) for process in processes):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def running(process):
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
