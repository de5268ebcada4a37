"""A command, measured."""

import os
import pathlib
import re
import statistics
import subprocess
import threading
import time


class Measured:
    """A command's wall clock, the CPU time of it and what it waited for, and the most memory it had itself."""

    def __init__(self, words, **more):
        began = time.monotonic()
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
        self.rss = 0
        reader = threading.Thread(target=self._read, args=(child,))
        reader.start()
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            status = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{child.pid}/status").read_text())
            self.rss = max(self.rss, int(status[1]) / 1024 if status else 0)
            time.sleep(0.004)
        self.wall = time.monotonic() - began
        _, status, usage = os.wait4(child.pid, 0)
        reader.join()
        self.cpu = usage.ru_utime + usage.ru_stime
        assert status == 0, f"{words[0]} ended with {status}:\n{self.text[-4000:]}"

    def _read(self, child):
        self.text = child.stdout.read().decode(errors="replace")


def spread(values, digits=2):
    """Median, least and greatest."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
