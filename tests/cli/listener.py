"""listener.py DIR - a mail server and a web hook on loopback, for tests.

Writes DIR/ports ("smtp http") when both listen, then one file for each thing that was taken:
DIR/mail-<n> (the bytes behind DATA, after "FROM .." and "TO .." lines) and DIR/hook-<n> (path, the
Idempotency-Key, the body).  While DIR/refuse is there, mails get 451 and hooks 503; while DIR/hang
is there, neither gets an answer, and DIR/hanging says that somebody waits for one.
Ends when its standard input ends.
"""
import http.server
import os
import pathlib
import socketserver
import sys
import threading
import time

room = pathlib.Path(sys.argv[1])
lock = threading.Lock()
counts = {"mail": 0, "hook": 0}


def keep(kind, text):
    with lock:
        counts[kind] += 1
        path = room / f"{kind}-{counts[kind]}"
        path.with_suffix(".new").write_bytes(text)
        os.rename(path.with_suffix(".new"), path)


def hang():
    while (room / "hang").exists():
        (room / "hanging").touch()
        time.sleep(0.02)


class Mail(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        try:
            self.talk()
        except OSError:
            pass  # nobody waits any more

    def talk(self):
        hang()
        self.say("220 test")
        sender, to = "", []
        while True:
            line = self.rfile.readline().decode().strip()
            word = line.upper()
            if word.startswith(("EHLO", "HELO")):
                self.say("250 test")
            elif word.startswith("MAIL FROM"):
                sender = line[10:]
                self.say("451 later" if (room / "refuse").exists() else "250 ok")
            elif word.startswith("RCPT TO"):
                to.append(line[8:])
                self.say("250 ok")
            elif word == "DATA":
                self.say("354 go on")
                data = b""
                while not data.endswith(b"\r\n.\r\n"):
                    data += self.rfile.readline()
                keep("mail", f"FROM {sender}\nTO {' '.join(to)}\n".encode() + data)
                self.say("250 taken")
            elif word == "QUIT" or not line:
                self.say("221 bye")
                return
            else:
                self.say("502 what")


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        hang()
        refuse = (room / "refuse").exists()
        if not refuse:
            key = self.headers["Idempotency-Key"]
            keep("hook", f"{self.path}\n{key}\n".encode() + body)
        try:
            self.send_response(503 if refuse else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            pass  # nobody waits any more

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


mail = Server(("127.0.0.1", 0), Mail)
hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
for server in (mail, hook):
    threading.Thread(target=server.serve_forever, daemon=True).start()
(room / "ports.new").write_text(f"{mail.server_address[1]} {hook.server_address[1]}\n")
os.rename(room / "ports.new", room / "ports")
sys.stdin.read()
