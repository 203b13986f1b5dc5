"""A person with telnet: what a terminal makes of Enter and of Ctrl-@."""

import os
import pty
import select
import subprocess
import time
import unittest

from server import PATIENCE_SECONDS, Server

ENTER = "\r"
CTRL_AT = "\0"


class Telnet:
    """Debian's telnet at a terminal of its own."""

    def __init__(self, host, port):
        self.terminal, slave = pty.openpty()
        command = ["telnet", host, str(port)]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self.seen = ""
        self.until("Escape character")

    def type(self, *lines):
        """Types lines, and Enter behind each."""
        for line in lines:
            os.write(self.terminal, (line + ENTER).encode())

    def until(self, text):
        """What is seen up to a text, which has to come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.seen:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.terminal], [], [], max(left, 0))
            assert ready, f"{text!r} did not come: {self.seen!r}"
            try:
                self.seen += os.read(self.terminal, 65536).decode()
            except OSError:
                raise AssertionError(f"telnet ended before {text!r}: {self.seen!r}") from None
        head, self.seen = self.seen.split(text, 1)
        return head + text

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


class TelnetTest(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)

    def person(self):
        telnet = Telnet(*self.server.stomp)
        self.addCleanup(telnet.close)
        return telnet

    def test_a_person_connects_subscribes_sends_and_sees(self):
        person = self.person()
        person.type("CONNECT", "", CTRL_AT)
        self.assertIn("version:1.0", person.until("session:"))
        person.type("SUBSCRIBE", "destination:/topic/telnet", "receipt:s", "", CTRL_AT)
        person.until("receipt-id:s")
        person.type("SEND", "destination:/topic/telnet", "", "hello by hand" + CTRL_AT)
        message = person.until("message-id:") + person.until("hello by hand")
        self.assertIn("MESSAGE", message)
        self.assertIn("destination:/topic/telnet", message)

    def test_blank_lines_do_no_harm_and_an_error_says_what_to_do(self):
        person = self.person()
        person.type("", "", "STOMP", "accept-version:1.2", "host:localhost", "", CTRL_AT, "", "")
        self.assertIn("version:1.2", person.until("session:"))
        person.type("send", "destination:/topic/telnet", "", "x" + CTRL_AT)
        person.until("ERROR")
        person.until("Connection closed by foreign host.")

    def test_disconnect_is_answered(self):
        person = self.person()
        person.type("CONNECT", "accept-version:1.1", "host:/", "", CTRL_AT)
        person.until("session:")
        person.type("DISCONNECT", "receipt:bye", "", CTRL_AT)
        person.until("receipt-id:bye")
        person.until("Connection closed by foreign host.")


if __name__ == "__main__":
    unittest.main()
