"""Callers: so many calls in a second to each tenant, and what was told to them, counted."""

import threading
import time
import uuid
from collections import Counter

import grpc

import messages
from stage import CHATS, STORM, Service


class Traffic:
    """Calls from one thread, which never waits for answers."""

    def __init__(self, service: Service) -> None:
        credentials = grpc.ssl_channel_credentials((service.folder / "tls.crt").read_bytes())
        port = service.address.rsplit(":", 1)[1]
        self.channel = grpc.secure_channel(f"localhost:{port}", credentials)
        identity = {"request_serializer": None, "response_deserializer": None}
        self.crm = self.channel.unary_unary(messages.CRM, **identity)
        self.connector = self.channel.unary_unary(messages.CONNECTOR, **identity)
        self.headers = (("authorization", f"Bearer {service.key}"),)
        self.told: Counter[str] = Counter()
        # Calls in a second; the scenario changes them.
        self.rates = {"fast": 15.0, "connector": 4.0, "key": 3.0, "slow": 1.5, "dead": 8.0, "storm": 8.0, "stranger": 0.5, "last": 0.5, "bulk": 0.0}
        self.number = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        due = dict.fromkeys(self.rates, 0.0)
        before = time.monotonic()
        while not self.ended.wait(0.02):
            now = time.monotonic()
            for kind, rate in self.rates.items():
                # After a pause of the machine no flood.
                due[kind] = min(due[kind] + rate * (now - before), 5.0)
                while due[kind] >= 1:
                    due[kind] -= 1
                    self.call(kind)
            before = now

    def call(self, kind: str, seconds: float = 10.0) -> None:
        self.number += 1
        chat = CHATS[self.number % len(CHATS)]
        storm = STORM[self.number % len(STORM)]
        method, request, headers = self.crm, messages.crm("fast", chat), self.headers
        if kind == "connector":
            method, request = self.connector, messages.connector(storm, f"customer-{self.number}", f"m-{self.number}")
        elif kind == "key":
            request = messages.crm("fast", chat, key=str(uuid.uuid4()))
        elif kind == "storm":
            request = messages.crm(storm, chat)
        elif kind == "bulk":
            request = messages.crm("slow", chat, bulk=True)
        elif kind == "stranger":
            headers = ()
        elif kind in ("slow", "dead", "last"):
            request = messages.crm(kind, chat)
        # Bulk may wait for long, so it fills the queue.
        seconds = 50.0 if kind == "bulk" else seconds
        future = method.future(request, timeout=seconds, metadata=headers)
        future.add_done_callback(lambda done: self.told.update([done.code().name]))

    def end(self) -> None:
        self.ended.set()
        self.thread.join()
        self.channel.close()
