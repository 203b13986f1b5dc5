"""The `websockets` package, against an endpoint and against STOMP by hand."""

import unittest

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from server import PATIENCE_SECONDS, Server


class WebSocketTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def connect(self, path, **options):
        options = {"open_timeout": PATIENCE_SECONDS, **options}
        return connect(f"ws://{self.server.http}{path}", **options)

    def test_both_styles_of_endpoint_talk(self):
        for path in ("/websocket/8", "/programmatic/8"):
            with self.subTest(path=path), self.connect(path) as socket:
                welcome = socket.recv(PATIENCE_SECONDS)
                self.assertEqual(welcome, "Welcome, user 8. Open sessions: 1.")
                socket.send("grüße")
                self.assertEqual(socket.recv(PATIENCE_SECONDS), "user 8: grüße")
                socket.send(b"\x00\xff")
                self.assertEqual(socket.recv(PATIENCE_SECONDS), b"\x00\xff")
                socket.send(["frag", "ments"])
                self.assertEqual(socket.recv(PATIENCE_SECONDS), "user 8: fragments")
                self.assertTrue(socket.ping().wait(PATIENCE_SECONDS))

    def test_close_code_and_reason_arrive(self):
        with self.connect("/websocket/8") as socket:
            socket.recv(PATIENCE_SECONDS)
            socket.send("close 4001 bye")
            with self.assertRaises(ConnectionClosed) as closed:
                socket.recv(PATIENCE_SECONDS)
        received = closed.exception.rcvd
        self.assertEqual((received.code, received.reason), (4001, "bye"))

    def test_refusals_have_their_status(self):
        for path, options, status in (
            ("/websocket/eight", {}, 400),
            ("/nothing", {}, 404),
            ("/websocket/8", {"origin": "http://evil.example"}, 403),
        ):
            with self.subTest(path=path), self.assertRaises(InvalidStatus) as refused:
                self.connect(path, **options)
            self.assertEqual(refused.exception.response.status_code, status)

    def test_stomp_by_hand_over_its_subprotocol(self):
        subprotocols = ["v12.stomp", "v11.stomp"]
        with self.connect("/gs-guide-websocket", subprotocols=subprotocols) as socket:
            self.assertEqual(socket.subprotocol, "v12.stomp")
            socket.send("CONNECT\naccept-version:1.2\nhost:x\n\n\0")
            self.assertTrue(socket.recv(PATIENCE_SECONDS).startswith("CONNECTED\nversion:1.2\n"))
            socket.send("SUBSCRIBE\nid:0\ndestination:/topic/hand\n\n\0")
            socket.send("SEND\ndestination:/topic/hand\n\nhi\0")
            message = socket.recv(PATIENCE_SECONDS)
            self.assertTrue(message.startswith("MESSAGE\n") and message.endswith("\n\nhi\0"))


if __name__ == "__main__":
    unittest.main()
