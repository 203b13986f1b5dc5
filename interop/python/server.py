"""Starts the real binary on free ports."""

import os
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("TIDINGS_BIN", os.path.join(ROOT, "target", "debug", "tidings"))

# Nothing takes this long; it only ends a test that hangs.
PATIENCE_SECONDS = 20


class Server:
    def __init__(self):
        self.data = tempfile.TemporaryDirectory()
        self.http, self.stomp = "127.0.0.1:0", ("127.0.0.1", 0)
        self.start()

    def start(self):
        """Starts it, and where it was stopped with the same ports and queues as before."""
        host, port = self.stomp
        flags = ["--listen", self.http, "--stomp-listen", f"{host}:{port}"]
        flags += ["--data-dir", os.path.join(self.data.name, "queues")]
        self.process = subprocess.Popen(
            [BINARY, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        said = ""
        while "Ctrl-C" not in said:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError("the server ended: " + self.process.stderr.read())
            said += line
        self.http = re.search(r"^\s+HTTP\s+http://([^/\s]+)/", said, re.M).group(1)
        host, port = re.search(r"^\s+STOMP\s+(\S+)", said, re.M).group(1).rsplit(":", 1)
        self.stomp = (host, int(port))

    def stop(self):
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        assert self.process.returncode == 0, errors
        assert time.monotonic() - began < 5, "stopping took five seconds or more"
        assert "ERROR" not in errors and "panicked" not in errors, errors


class Inbox:
    """Values that another thread brings."""

    def __init__(self):
        self.values = queue.Queue()
        self.put = self.values.put

    def put_nothing(self):
        """For what happens and says nothing."""
        self.put(None)

    def next(self):
        return self.values.get(timeout=PATIENCE_SECONDS)
