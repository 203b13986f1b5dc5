"""What users of stomp.py do, and what its own tests try with RabbitMQ and ActiveMQ."""

import unittest

import stomp

from server import Inbox, Server
from test_stomp import CONNECTIONS, StompCase


class Reconnecting(stomp.ConnectionListener):
    """The listener of stomp.py's manual: it connects and subscribes again whenever it is disconnected."""

    def __init__(self, connection):
        self.connection = connection
        self.messages = Inbox()
        self.subscribed = Inbox()

    def connect_and_subscribe(self):
        self.connection.connect("guest", "guest", wait=True)
        headers = {"receipt": "again"}
        self.connection.subscribe("/queue/reconnecting", id="1", ack="auto", headers=headers)

    def on_receipt(self, frame):
        self.subscribed.put(frame.headers["receipt-id"])

    def on_message(self, frame):
        self.messages.put(frame.body)

    def on_disconnected(self):
        self.connect_and_subscribe()


class HabitsTest(StompCase):
    def test_non_ascii_headers_and_bodies_in_every_version(self):
        for version in CONNECTIONS:
            with self.subTest(version=version):
                connection = self.connect(version)
                destination = f"/topic/grüße-{version.replace('.', '-')}"
                self.subscribe(connection, destination)
                self.send(connection, destination, "日本語", ключ="значение")
                message = connection.listener.messages.next()
                self.assertEqual(message.body, "日本語")
                self.assertEqual(message.headers["ключ"], "значение")
                self.assertEqual(message.headers["destination"], destination)

    def test_octets_that_are_no_text(self):
        connection = self.connect("1.2", auto_decode=False)
        self.subscribe(connection, "/topic/octets")
        octets = bytes(range(256)) * 4096
        connection.send("/topic/octets", octets, content_type="application/octet-stream")
        message = connection.listener.messages.next()
        self.assertEqual(message.body, octets)
        self.assertEqual(message.headers["content-type"], "application/octet-stream")

    def test_heart_beats_keep_an_idle_connection(self):
        connection = self.connect("1.2", heartbeats=(1000, 1000))
        beats = Inbox()
        connection.listener.on_heartbeat = beats.put_nothing
        # The server's own interval is ten seconds.
        beats.next()
        self.subscribe(connection, "/topic/beats")
        self.send(connection, "/topic/beats", "still here")
        self.assertEqual(connection.listener.messages.next().body, "still here")

    def test_acks_and_nacks_in_the_words_of_each_version(self):
        for version in ("1.1", "1.2"):
            with self.subTest(version=version):
                queue = f"/queue/acks-{version.replace('.', '-')}"
                connection = self.connect(version)
                self.send(connection, queue, "work", persistent="true")
                self.subscribe(connection, queue, ack="client-individual")
                first = connection.listener.messages.next()
                self.settle(connection, connection.nack, first, version)
                again = connection.listener.messages.next()
                self.assertEqual((again.body, again.headers["redelivered"]), ("work", "true"))
                self.settle(connection, connection.ack, again, version)
                self.assertTrue(connection.listener.messages.values.empty())
                self.assertTrue(connection.listener.errors.values.empty())

    def settle(self, connection, verb, message, version):
        if version == "1.2":
            verb(message.headers["ack"], receipt="settled")
        else:
            verb(message.headers["message-id"], "1", receipt="settled")
        # What comes again may come first.
        self.assertEqual(connection.listener.receipts.next(), "settled")

    def test_an_ack_belongs_to_its_transaction(self):
        connection = self.connect("1.2")
        self.send(connection, "/queue/ack-tx", "order", persistent="true")
        self.subscribe(connection, "/queue/ack-tx", ack="client-individual")
        order = connection.listener.messages.next()
        transaction = connection.begin()
        connection.ack(order.headers["ack"], transaction=transaction)
        connection.send("/queue/ack-tx-out", "invoice", transaction=transaction)
        connection.abort(transaction)
        transaction = connection.begin()
        connection.ack(order.headers["ack"], transaction=transaction)
        connection.send("/queue/ack-tx-out", "second invoice", transaction=transaction)
        connection.commit(transaction, receipt="committed")
        self.assertEqual(connection.listener.receipts.next(), "committed")
        connection.disconnect(receipt="bye")
        again = self.connect("1.2")
        self.subscribe(again, "/queue/ack-tx-out")
        self.assertEqual(again.listener.messages.next().body, "second invoice")
        self.send(again, "/queue/ack-tx", "next order")
        self.subscribe(again, "/queue/ack-tx", id="2")
        self.assertEqual(again.listener.messages.next().body, "next order")

    def test_durable_subscriptions_by_the_headers_of_each_family(self):
        families = {
            "RabbitMQ": ({}, {"durable": "true", "auto-delete": "false"}),
            "ActiveMQ": ({"client-id": "amq"}, {"activemq.subscriptionName": "sub"}),
            "Artemis": ({"client-id": "artemis"}, {"durable-subscription-name": "sub"}),
        }
        for family, (connect, subscribe) in families.items():
            with self.subTest(family=family):
                topic = f"/topic/durable-{family}"
                connection = self.connect("1.2", headers=connect)
                self.subscribe(connection, topic, id=family, headers=subscribe)
                connection.disconnect(receipt="bye")
                sender = self.connect("1.2")
                self.send(sender, topic, "missed", persistent="true")
                connection = self.connect("1.2", headers=connect)
                self.subscribe(connection, topic, id=family, headers=subscribe)
                self.assertEqual(connection.listener.messages.next().body, "missed")

    def test_prefetch_and_selector(self):
        connection = self.connect("1.2")
        for size in ("1", "5", "7", "9"):
            self.send(connection, "/queue/chosen", size, size=size)
        wanted = {"selector": "size > 3", "prefetch-count": "1"}
        self.subscribe(connection, "/queue/chosen", ack="client-individual", headers=wanted)
        for expected in ("5", "7", "9"):
            message = connection.listener.messages.next()
            self.assertEqual(message.body, expected)
            self.assertTrue(connection.listener.messages.values.empty())
            connection.ack(message.headers["ack"])

    def test_expires_and_priority(self):
        connection = self.connect("1.2")
        self.send(connection, "/queue/expiring", "long gone", expires="1")
        self.send(connection, "/queue/expiring", "late", priority="1")
        self.send(connection, "/queue/expiring", "urgent", priority="9", expires="0")
        self.subscribe(connection, "/queue/expiring")
        bodies = [connection.listener.messages.next().body for _ in range(2)]
        self.assertEqual(bodies, ["urgent", "late"])

    def test_request_and_reply_by_temporary_queues(self):
        # As with RabbitMQ: the broker subscribes. As with ActiveMQ: the client does.
        for style in ("RabbitMQ", "ActiveMQ"):
            with self.subTest(style=style):
                queue = f"/queue/rpc-{style}"
                replier = self.connect("1.2")
                self.subscribe(replier, queue)
                client = self.connect("1.2")
                if style == "ActiveMQ":
                    self.subscribe(client, "/temp-queue/answers", id="answers")
                self.send(client, queue, "?", **{"reply-to": "/temp-queue/answers", "correlation-id": "c"})
                request = replier.listener.messages.next()
                self.assertNotEqual(request.headers["reply-to"], "/temp-queue/answers")
                self.send(replier, request.headers["reply-to"], "!", **{"correlation-id": "c"})
                reply = client.listener.messages.next()
                self.assertEqual((reply.body, reply.headers["correlation-id"]), ("!", "c"))

    def test_every_frame_may_ask_for_a_receipt(self):
        connection = self.connect("1.2")
        self.subscribe(connection, "/queue/receipts", ack="client")
        self.send(connection, "/queue/receipts", "x")
        message = connection.listener.messages.next()
        connection.ack(message.headers["ack"], receipt="ack")
        connection.send_frame("BEGIN", {"transaction": "t", "receipt": "begin"})
        connection.send_frame("ABORT", {"transaction": "t", "receipt": "abort"})
        connection.send_frame("UNSUBSCRIBE", {"id": "1", "receipt": "unsubscribe"})
        for expected in ("ack", "begin", "abort", "unsubscribe"):
            self.assertEqual(connection.listener.receipts.next(), expected)

    def test_errors_name_the_frame_and_end_the_connection(self):
        for command, headers in [
            ("ABORT", {"transaction": "never-begun"}),
            ("ACK", {"no": "id"}),
            ("SUBSCRIBE", {"destination": "/topic/x"}),
            ("NONSENSE", {}),
        ]:
            with self.subTest(command=command):
                connection = self.connect("1.2")
                gone = Inbox()
                connection.listener.on_disconnected = gone.put_nothing
                connection.send_frame(command, {"receipt": "r", **headers})
                error = connection.listener.errors.next()
                self.assertTrue(error.headers["message"] and error.body)
                gone.next()


class ReconnectingTest(unittest.TestCase):
    def test_a_listener_that_reconnects_finds_its_queue_again(self):
        server = Server()
        connection = stomp.Connection12(
            [server.stomp],
            reconnect_sleep_initial=0.05,
            reconnect_sleep_max=0.5,
            reconnect_attempts_max=100,
        )
        listener = Reconnecting(connection)
        connection.set_listener("", listener)
        listener.connect_and_subscribe()
        listener.subscribed.next()
        # On the same port, with the same queues.
        server.stop()
        server.start()
        listener.subscribed.next()
        connection.send("/queue/reconnecting", "back")
        self.assertEqual(listener.messages.next(), "back")
        connection.remove_listener("")
        connection.disconnect()
        server.stop()


if __name__ == "__main__":
    unittest.main()
