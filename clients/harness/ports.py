"""Free ports, for programs that must be told where to listen."""

import random
import socket

# Below the ports that the kernel gives to whoever asks for any, so that no connection can take one before the program listens, or
# while it is started again.
BELOW = range(12_000, 32_000)


def free_port(*hosts: str) -> int:
    """A port that is free at each of the addresses, which are those of loopback."""
    while True:
        port = random.choice(BELOW)
        if all(_is_free(host, port) for host in hosts or ("127.0.0.1",)):
            return port


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as unused:
        try:
            unused.bind((host, port))
        except OSError:
            return False
    return True
