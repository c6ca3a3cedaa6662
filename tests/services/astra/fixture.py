"""A stand-in for Astra DB in front of one Cassandra node with TLS: metadata service and SNI proxy.

The metadata service speaks HTTPS and asks for the client certificate of the bundle.  The proxy
reads the server name of each TLS ClientHello and passes the bytes on, unopened, to the node whose
host id that is; another name is hung up on.
"""
import http.server
import json
import os
import socket
import ssl
import struct
import threading
import zipfile


def server_name(hello):
    """The SNI of a whole TLS ClientHello record, or None."""
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    at += 2 + struct.unpack_from(">H", hello, at)[0]
    at += 1 + hello[at]
    end = at + 2 + struct.unpack_from(">H", hello, at)[0]
    at += 2
    while at + 4 <= end:
        kind, size = struct.unpack_from(">HH", hello, at)
        if kind == 0:
            return hello[at + 9:at + 4 + size].decode()
        at += 4 + size
    return None


def receive(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


class Proxy:
    def __init__(self, nodes):
        self.nodes, self.seen = nodes, []  # host id -> (host, port); names asked for
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            head = receive(client, 5)
            hello = head + receive(client, struct.unpack_from(">H", head, 3)[0])
            name = server_name(hello)
            self.seen.append(name)
            node = socket.create_connection(self.nodes[name])
        except (KeyError, ConnectionError, OSError):
            client.close()
            return
        node.sendall(hello)
        threading.Thread(target=self.pump, args=(node, client), daemon=True).start()
        self.pump(client, node)

    @staticmethod
    def pump(source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
        except OSError:
            pass
        for sock in (source, to):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Metadata:
    def __init__(self, tls, answer):
        outer = self
        self.status, self.answer, self.chunked = 200, answer, False

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = outer.answer if self.path == "/metadata" else b"no such thing"
                self.send_response(outer.status if self.path == "/metadata" else 404)
                self.send_header("Content-Type", "application/json")
                if outer.chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                    body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:7], body[7:])) + b"0\r\n\r\n"
                else:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # a client without a certificate
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{tls}/server.pem", f"{tls}/server.key")
        context.load_verify_locations(f"{tls}/ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def bundle(path, tls, port, cert="client"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("config.json", json.dumps({"host": "localhost", "port": port, "keyspace": "", "localDC": "",
                                              "caCertLocation": "./ca.crt", "keyLocation": "./key",
                                              "certLocation": "./cert"}))
        for name, file in (("ca.crt", "ca.pem"), ("cert", f"{cert}.pem"), ("key", f"{cert}.key")):
            with open(os.path.join(tls, file), encoding="ascii") as f:
                z.writestr(name, f.read())
