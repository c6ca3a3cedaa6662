"""proxy.py - a TCP proxy in front of PostgreSQL that cuts connections at the worst moments.

Sits between a client and the server, reads the client's messages (protocol 3.0), and, when armed, ends both
sides at one point:

    copy     in the middle of a COPY: half of a CopyData message is passed on
    commit   before the server sees COMMIT: the transaction is rolled back
    answer   after the server committed, before the client hears of it: the outcome is in doubt
    now      at once, whatever is going on

    proxy = Proxy(("127.0.0.1", 15432)); proxy.port; proxy.arm("answer"); proxy.cuts
"""
import socket
import struct
import threading

CUTS = ("copy", "commit", "answer", "now")


class Proxy:
    def __init__(self, upstream):
        self.upstream = upstream
        self.lock = threading.Lock()
        self.armed = None                     # under lock
        self.cuts = dict.fromkeys(CUTS, 0)    # under lock
        self.pairs = set()                    # under lock
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, cut):
        """The next connection that comes to that point is cut.  "now" cuts all that are open, or the next."""
        with self.lock:
            self.armed = cut
            pairs = list(self.pairs)
        if cut == "now" and pairs and self._take("now"):
            for pair in pairs:
                self._close(pair)

    def _take(self, cut):
        with self.lock:
            if self.armed != cut:
                return False
            self.armed = None
            self.cuts[cut] += 1
            return True

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(self.upstream, timeout=10)
                server.settimeout(None)
            except OSError:  # the server is down: so is this connection
                client.close()
                continue
            pair = Pair(client, server)
            with self.lock:
                self.pairs.add(pair)
            if self._take("now"):
                self._close(pair)
                continue
            threading.Thread(target=self._guard, args=(self._to_server, pair), daemon=True).start()
            threading.Thread(target=self._guard, args=(self._to_client, pair), daemon=True).start()

    def _guard(self, pump, pair):
        try:
            pump(pair)
        except OSError:
            pass
        self._close(pair)

    def _close(self, pair):
        with self.lock:
            self.pairs.discard(pair)
        for end in (pair.client, pair.server):
            # Reset, not an orderly end: what is on its way is lost.
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def _to_client(self, pair):
        while data := pair.server.recv(65536):
            if pair.deaf:  # the answer to COMMIT is here: it was done
                pair.answered.set()
                return
            pair.client.sendall(data)

    def _to_server(self, pair):
        """Whole messages of the client, one after the other."""
        stream = pair.client.makefile("rb")
        started = False
        while True:
            kind = b"" if not started else stream.read(1)
            size = stream.read(4)
            if len(size) < 4:
                return
            body = stream.read(struct.unpack("!I", size)[0] - 4)
            if not started:
                code = struct.unpack("!I", body[:4])[0]
                if code in (80877103, 80877104):  # asks for TLS or GSS: no
                    pair.client.sendall(b"N")
                    continue
                started = True
            if not self._pass(pair, kind, size, body):
                return

    def _pass(self, pair, kind, size, body):
        """One message; False: the connection is to be cut."""
        commit = kind in (b"Q", b"P") and b"commit" in body.lower() and b"on commit" not in body.lower()
        if kind == b"d" and len(body) > 1 and self._take("copy"):
            pair.server.sendall(kind + size + body[:len(body) // 2])
            return False
        if commit and self._take("commit"):
            return False
        if commit and self._take("answer"):
            pair.deaf = True
            pair.server.sendall(kind + size + body)
            return kind == b"P" or not pair.answered.wait(10)  # a pipeline's answer comes after its Sync
        pair.server.sendall(kind + size + body)
        return True


class Pair:
    def __init__(self, client, server):
        self.client, self.server = client, server
        self.deaf = False
        self.answered = threading.Event()
