"""stomp.py over TCP, in every version of the protocol."""

import unittest

import stomp

from server import Inbox, Server

CONNECTIONS = {
    "1.0": stomp.Connection10,
    "1.1": stomp.Connection11,
    "1.2": stomp.Connection12,
}


class Listener(stomp.ConnectionListener):
    def __init__(self):
        self.messages = Inbox()
        self.receipts = Inbox()
        self.errors = Inbox()

    def on_message(self, frame):
        self.messages.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def on_error(self, frame):
        self.errors.put(frame)


class StompCase(unittest.TestCase):
    """Tests with a server of their own, and its clients."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def connect(self, version, headers=None, **options):
        connection = CONNECTIONS[version]([self.server.stomp], **options)
        connection.listener = Listener()
        connection.set_listener("", connection.listener)
        connection.connect("anyone", "anything", wait=True, headers=headers or {})
        self.addCleanup(lambda: connection.is_connected() and connection.disconnect())
        return connection

    def subscribe(self, connection, destination, ack="auto", id="1", headers=None):
        """Subscribes, and waits until the subscription is active."""
        headers = {"receipt": "sub", **(headers or {})}
        connection.subscribe(destination, id=id, ack=ack, headers=headers)
        self.assertEqual(connection.listener.receipts.next(), "sub")

    def send(self, connection, destination, body, **headers):
        """Sends, and waits until the server has it."""
        connection.send(destination, body, receipt="sent", headers=headers)
        self.assertEqual(connection.listener.receipts.next(), "sent")


class StompTest(StompCase):
    def test_topic_in_every_version(self):
        for version in CONNECTIONS:
            with self.subTest(version=version):
                connection = self.connect(version)
                self.subscribe(connection, "/topic/python")
                connection.send("/topic/python", "grüße", headers={"odd": "a:b"}, receipt="sent")
                message = connection.listener.messages.next()
                self.assertEqual(message.body, "grüße")
                self.assertEqual(message.headers["odd"], "a:b")
                self.assertEqual(connection.listener.receipts.next(), "sent")

    def test_versions_hear_each_other(self):
        connections = [self.connect(version) for version in CONNECTIONS]
        for connection in connections:
            self.subscribe(connection, "/topic/all")
        connections[0].send("/topic/all", "to all")
        for connection in connections:
            self.assertEqual(connection.listener.messages.next().body, "to all")

    def test_queue_is_acknowledged_message_by_message(self):
        producer = self.connect("1.2")
        for n in range(3):
            producer.send("/queue/python", str(n))
        consumer = self.connect("1.2")
        self.subscribe(consumer, "/queue/python", ack="client-individual")
        first, second, third = (consumer.listener.messages.next() for _ in range(3))
        self.assertEqual([first.body, second.body, third.body], ["0", "1", "2"])
        consumer.ack(second.headers["ack"], receipt="acked")
        self.assertEqual(consumer.listener.receipts.next(), "acked")
        consumer.disconnect(receipt="bye")

        again = self.connect("1.1")
        self.subscribe(again, "/queue/python", ack="client")
        left = [again.listener.messages.next() for _ in range(2)]
        self.assertEqual([message.body for message in left], ["0", "2"])
        self.assertEqual({message.headers["redelivered"] for message in left}, {"true"})
        again.ack(left[1].headers["message-id"], "1", receipt="both")
        self.assertEqual(again.listener.receipts.next(), "both")

    def test_transaction(self):
        connection = self.connect("1.1")
        self.subscribe(connection, "/topic/tx")
        transaction = connection.begin()
        connection.send("/topic/tx", "never", transaction=transaction)
        connection.abort(transaction)
        transaction = connection.begin()
        connection.send("/topic/tx", "later", transaction=transaction)
        connection.send("/topic/tx", "now")
        connection.commit(transaction)
        self.assertEqual(connection.listener.messages.next().body, "now")
        self.assertEqual(connection.listener.messages.next().body, "later")

    def test_error_says_what_was_wrong(self):
        connection = self.connect("1.2")
        connection.send("/nowhere", "x", receipt="r9")
        error = connection.listener.errors.next()
        self.assertEqual(error.headers["receipt-id"], "r9")
        self.assertTrue(error.body)


if __name__ == "__main__":
    unittest.main()
