"""The alerts that a failing PostgreSQL raises: the service reaches the database through a proxy, which drops everything at a bad moment."""

import socket
import threading
import time
import urllib.parse
from pathlib import Path

from prometheus import Prometheus, rules_of
from stage import Portal, Service, until
from traffic import Traffic

ALERTS = {"OpenlinesBudgetsNotShared", "OpenlinesDirectoryNotFollowed", "OpenlinesNewTokensNotStored"}


class Proxy:
    """Passes connections on to the database, until they are cut."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address, self.open, self.lock = address, [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.address)
            except OSError:
                return
            with self.lock:
                self.open += [client, server]
            for source, target in [(client, server), (server, client)]:
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        try:
            while some := source.recv(65536):
                target.sendall(some)
        except OSError:
            pass
        finally:
            for each in (source, target):
                each.close()

    def cut(self) -> None:
        """Ends all connections, and takes no more."""
        # Accepting may not notice that its socket is closed; shutting it down it does.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for each in self.open:
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def run(chart: Path, binary: Path, folder: Path, url: str) -> set[str]:
    """Which of the alerts have fired."""
    processes = []
    try:
        storm = Portal(binary, folder, "storm", "none")
        processes.append(storm.process)
        parts = urllib.parse.urlsplit(url)
        proxy = Proxy((parts.hostname, parts.port))
        through = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}").geturl()
        service = Service(binary, folder, {"storm": storm}, store=through)
        processes.append(service)
        prometheus = Prometheus(folder, service.admin, rules_of(chart, chart / "ci/restricted-values.yaml"))
        processes.append(prometheus)
        traffic = Traffic(service)
        traffic.rates = {"storm": 8.0}
        begun = time.time()
        until(lambda: traffic.told["OK"] > 20, 60, "no calls succeed")
        # The server grants new tokens, and says so when the database is gone already.
        storm.fault("slow_after", method="oauth.token", delay_ms=1500, always=True)
        storm.expire_tokens()
        until(lambda: storm.granted() > 0, 30, "no token is refreshed")
        proxy.cut()
        fired: set[str] = set()

        def all_fired() -> bool:
            fired.update(prometheus.fired(begun, time.time()) & ALERTS)
            return fired == ALERTS

        try:
            until(all_fired, 150, "")
        except TimeoutError:
            pass
        traffic.end()
        return fired
    finally:
        for process in reversed(processes):
            process.kill()
