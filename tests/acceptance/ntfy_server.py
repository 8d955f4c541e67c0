"""A small server that speaks ntfy's protocol, for tests. Standard library only.

As the real one: ``POST /`` with a JSON object, ``POST``/``PUT /<topic>`` with plain text and
headers, ``GET /<topic>/json`` (also ``/sse`` and ``/raw``) as a stream or with ``poll=1``,
``since=`` (``all``, ``none``, ``latest``, a message id, a Unix time, a duration), keepalive events,
access by bearer token or basic authentication, errors as ntfy words them.

A test may also tell it to fail::

    with NtfyServer() as ntfy:
        ntfy.answer(429, retry_after=1)   # or 500, 403, ...; answer(200) ends it
        ntfy.go_away()                    # nothing listens any more
        ntfy.come_back()                  # on the same port, with all messages
        message = ntfy.wait("topic")      # a message that was published, as a dict
        ntfy.press(message, "Acknowledge")

``python3 ntfy_server.py --port 8080 [--token T] [--keepalive 45]`` runs it on its own.
"""

import argparse
import base64
import json
import re
import secrets
import socket
import string
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOPIC = re.compile(r"^[-_A-Za-z0-9]{1,64}$")
DISALLOWED = {"docs", "static", "file", "app", "metrics", "account", "settings", "signup",
              "login", "reset-password", "v1"}
MESSAGE_LIMIT = 4096
JSON_LIMIT = 32768
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
ALPHABET = string.ascii_letters + string.digits


class Refusal(Exception):
    """An answer of ntfy's kind: code, HTTP status, text."""

    def __init__(self, code, error, retry_after=None):
        super().__init__(error)
        self.code = code
        self.status = code // 100
        self.error = error
        self.retry_after = retry_after


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """A client that hangs up is no error."""


class NtfyServer:
    """The server. ``port=0`` takes a free one, which stays the same over ``go_away``."""

    def __init__(self, port=0, host="127.0.0.1", token=None, users=None, open_topics=(),
                 keepalive=45.0):
        self.host = host
        self.port = port
        self.token = token
        self.users = dict(users or {})
        self.open_topics = set(open_topics)
        self.keepalive = keepalive
        self.messages = []
        self.requests = []
        self.subscribers = {}
        self.changed = threading.Condition()
        self._forced = None
        self._server = None
        self._thread = None
        self._connections = set()
        self._epoch = 0

    # Life

    def start(self):
        """Listens; returns itself."""
        owner = self

        class Handler(_Handler):
            ntfy = owner

        self._server = _Server((self.host, self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def stop(self):
        """Closes the port and every connection."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = None
        with self.changed:
            self._epoch += 1
            connections = list(self._connections)
            self.changed.notify_all()
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has gone by itself

    go_away = stop
    come_back = start

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # What a test asks and orders

    @property
    def url(self):
        """Without a slash at its end."""
        return f"http://{self.host}:{self.port}"

    def answer(self, status, retry_after=None):
        """Answers every publication with ``status`` from now on; 200 ends that."""
        self._forced = None if status == 200 else (status, retry_after)

    def of(self, topic):
        """Every message that was taken on ``topic``."""
        with self.changed:
            return [message for message in self.messages if message["topic"] == topic]

    def wait(self, topic, count=1, timeout=30.0, matches=lambda message: True):
        """Waits for the ``count``-th message on ``topic`` that ``matches``, and returns it."""
        def found():
            seen = [m for m in self.messages if m["topic"] == topic and matches(m)]
            return seen[count - 1] if len(seen) >= count else None

        with self.changed:
            if not self.changed.wait_for(found, timeout):
                raise AssertionError(
                    f"no message {count} on {topic} within {timeout} s; there are: {self.messages}")
            return found()

    def wait_for_attempts(self, count=1, timeout=30.0):
        """Waits until ``count`` publications were tried, taken or not."""
        def tried():
            return sum(1 for method, path in self.requests if method != "GET") >= count

        with self.changed:
            if not self.changed.wait_for(tried, timeout):
                raise AssertionError(f"no {count} attempts within {timeout} s")

    def wait_for_subscriber(self, topic=None, timeout=30.0):
        """Waits until somebody listens to ``topic`` (or to any) and returns the topic."""
        def listening():
            names = [name for name, count in self.subscribers.items() if count > 0]
            return topic in names if topic else bool(names)

        with self.changed:
            if not self.changed.wait_for(listening, timeout):
                raise AssertionError(f"nobody subscribed to {topic} within {timeout} s")
            return topic or next(n for n, count in self.subscribers.items() if count > 0)

    @staticmethod
    def press(message, label):
        """Does what the phone does when the button ``label`` of ``message`` is pressed; returns
        the status code."""
        action = next((a for a in message.get("actions", []) if a["label"] == label), None)
        if action is None:
            raise AssertionError(f"no button {label!r} in {message}")
        request = urllib.request.Request(
            action["url"], data=action.get("body", "").encode(),
            method=action.get("method", "POST"), headers=action.get("headers") or {})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code

    # What the handler needs

    def check_access(self, headers, topic):
        """Refuses who is not known; without token and users everybody is welcome."""
        if (self.token is None and not self.users) or topic in self.open_topics:
            return
        kind, _, value = (headers.get("Authorization") or "").partition(" ")
        if not value:
            raise Refusal(40301, "forbidden")
        if kind.lower() == "bearer" and self.token is not None and value == self.token:
            return
        if kind.lower() == "basic":
            try:
                name, _, password = base64.b64decode(value).decode().partition(":")
            except ValueError:
                raise Refusal(40101, "unauthorized") from None
            if name in self.users and self.users[name] == password:
                return
            if not name and self.token is not None and password == self.token:
                return
        raise Refusal(40101, "unauthorized")

    def forced(self):
        """Fails if a test has ordered so."""
        if self._forced:
            status, retry_after = self._forced
            texts = {429: "limit reached: too many requests", 403: "forbidden",
                     401: "unauthorized", 413: "JSON body too large",
                     500: "internal server error"}
            raise Refusal(status * 100 + 1, texts.get(status, "told to"), retry_after)

    def take(self, fields):
        """Takes a message in and hands it to who listens."""
        message = {
            "id": "".join(secrets.choice(ALPHABET) for _ in range(12)),
            "time": int(time.time()),
            "expires": int(time.time()) + 12 * 3600,
            "event": "message",
        }
        message.update({key: value for key, value in fields.items() if value not in (None, [], "")})
        message.setdefault("message", "triggered")
        for action in message.get("actions", []):
            action.setdefault("id", "".join(secrets.choice(ALPHABET) for _ in range(10)))
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()
        return message


class _Handler(BaseHTTPRequestHandler):
    ntfy = None
    protocol_version = "HTTP/1.1"
    server_version = "ntfy"

    def setup(self):
        super().setup()
        with self.ntfy.changed:
            self.ntfy._connections.add(self.connection)

    def finish(self):
        with self.ntfy.changed:
            self.ntfy._connections.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass  # the client has hung up

    def log_message(self, format, *args):
        """Says nothing."""

    def do_GET(self):
        self._guarded(self._get)

    def do_POST(self):
        self._guarded(self._publish)

    do_PUT = do_POST

    def _guarded(self, work):
        with self.ntfy.changed:
            self.ntfy.requests.append((self.command, self.path))
            self.ntfy.changed.notify_all()
        try:
            work()
        except Refusal as refusal:
            body = {"code": refusal.code, "http": refusal.status, "error": refusal.error,
                    "link": "https://ntfy.sh/docs/publish/"}
            headers = {}
            if refusal.retry_after is not None:
                headers["Retry-After"] = str(refusal.retry_after)
            self._answer(refusal.status, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, status, body, headers=None):
        data = (json.dumps(body) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    # Publishing

    def _publish(self):
        body = self._body()
        self.ntfy.forced()
        topic = unquote(urlsplit(self.path).path).strip("/")
        fields = self._from_json(body) if not topic else self._from_plain(topic, body)
        topic = fields.get("topic")
        if not isinstance(topic, str) or not TOPIC.match(topic):
            raise Refusal(40009, "invalid request: topic invalid")
        if topic in DISALLOWED:
            raise Refusal(40010, "invalid request: topic name is disallowed")
        self.ntfy.check_access(self.headers, topic)
        self._answer(200, self.ntfy.take(fields))

    def _body(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > 20 * JSON_LIMIT:
            self.close_connection = True
            raise Refusal(41303, "JSON body too large")
        return self.rfile.read(length)

    @staticmethod
    def _from_json(body):
        if len(body) > JSON_LIMIT:
            raise Refusal(41303, "JSON body too large")
        try:
            fields = json.loads(body)
        except ValueError:
            fields = None
        if not isinstance(fields, dict) or "topic" not in fields:
            raise Refusal(40017, "invalid request: request body must be message JSON")
        priority = fields.get("priority", 3)
        if type(priority) is not int or not 0 <= priority <= 5:
            raise Refusal(40007, "invalid priority parameter")
        actions = fields.get("actions", [])
        fine = isinstance(actions, list) and len(actions) <= 3 and all(
            isinstance(a, dict) and a.get("action") in ("view", "broadcast", "http")
            and a.get("label") and (a.get("url") or a["action"] == "broadcast") for a in actions)
        if not fine:
            raise Refusal(40018, "invalid request: actions invalid")
        if len(str(fields.get("message", "")).encode()) > MESSAGE_LIMIT:
            raise Refusal(40014, "invalid request: attachments not allowed")
        sequence = fields.get("sequence_id")
        if sequence is not None and not TOPIC.match(str(sequence)):
            raise Refusal(40049, "invalid request: sequence ID invalid")
        return fields

    def _from_plain(self, topic, body):
        if len(body) > MESSAGE_LIMIT:
            raise Refusal(40014, "invalid request: attachments not allowed")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise Refusal(40011, "invalid message: message must be UTF-8 encoded") from None
        fields = {"topic": topic, "message": text}
        title = self.headers.get("Title") or self.headers.get("X-Title")
        priority = self.headers.get("Priority") or self.headers.get("X-Priority")
        tags = self.headers.get("Tags") or self.headers.get("X-Tags")
        if title:
            fields["title"] = title
        if priority:
            words = {"min": 1, "low": 2, "default": 3, "high": 4, "max": 5, "urgent": 5}
            fields["priority"] = words.get(priority) or (
                int(priority) if priority in "12345" else None)
            if fields["priority"] is None:
                raise Refusal(40007, "invalid priority parameter")
        if tags:
            fields["tags"] = [tag.strip() for tag in tags.split(",")]
        return fields

    # Subscribing

    def _get(self):
        parts = urlsplit(self.path)
        if parts.path == "/v1/health":
            self._answer(200, {"healthy": True})
            return
        topics, _, form = parts.path.strip("/").partition("/")
        names = topics.split(",")
        if form not in ("json", "sse", "raw"):
            raise Refusal(40401, "page not found")
        if not all(TOPIC.match(name) for name in names):
            raise Refusal(40009, "invalid request: topic invalid")
        for name in names:
            self.ntfy.check_access(self.headers, name)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        poll = query.get("poll", query.get("po", "")).lower() in ("1", "yes", "true")
        since = query.get("since", query.get("si", "all" if poll else "none"))
        keep = self._since(since)
        kinds = {"json": "application/x-ndjson", "sse": "text/event-stream", "raw": "text/plain"}
        self.send_response(200)
        self.send_header("Content-Type", f"{kinds[form]}; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._stream(names, form, keep, since, poll)

    def _since(self, since):
        """Makes a predicate on (place, message) of what ``since`` asks for."""
        if since == "none":
            return lambda place, message: False
        if since == "all":
            return lambda place, message: True
        if since == "latest":
            return None
        if since.isdigit() and len(since) < 12:
            return lambda place, message: message["time"] >= int(since)
        if re.fullmatch(r"\d+[smhd]", since):
            start = time.time() - int(since[:-1]) * UNITS[since[-1]]
            return lambda place, message: message["time"] >= start
        if re.fullmatch(r"[A-Za-z0-9]{12}", since):
            with self.ntfy.changed:
                ids = [message["id"] for message in self.ntfy.messages]
            # As the real one: an id that it has forgotten gives everything.
            after = ids.index(since) if since in ids else -1
            return lambda place, message: place > after
        raise Refusal(40008, "invalid since parameter")

    def _stream(self, names, form, keep, since, poll):
        ntfy = self.ntfy
        with ntfy.changed:
            epoch = ntfy._epoch
            place = len(ntfy.messages)
            old = [(n, m) for n, m in enumerate(ntfy.messages) if m["topic"] in names]
            for name in names:
                ntfy.subscribers[name] = ntfy.subscribers.get(name, 0) + (0 if poll else 1)
            ntfy.changed.notify_all()
        old = old[-1:] if keep is None else [(n, m) for n, m in old if keep(n, m)]
        try:
            if not poll:
                self._event("open", names, form)
            for _, message in old:
                self._line(message, form)
            while not poll:
                with ntfy.changed:
                    ntfy.changed.wait_for(
                        lambda: len(ntfy.messages) > place or ntfy._epoch != epoch, ntfy.keepalive)
                    if ntfy._epoch != epoch:
                        self.close_connection = True
                        return
                    fresh, place = ntfy.messages[place:], len(ntfy.messages)
                for message in fresh:
                    if message["topic"] in names:
                        self._line(message, form)
                if not fresh:
                    self._event("keepalive", names, form)
            self._chunk(b"")
        finally:
            with ntfy.changed:
                for name in names:
                    ntfy.subscribers[name] -= 0 if poll else 1
                ntfy.changed.notify_all()

    def _event(self, kind, names, form):
        event = {"id": "".join(secrets.choice(ALPHABET) for _ in range(12)),
                 "time": int(time.time()), "event": kind, "topic": ",".join(names)}
        self._line(event, form)

    def _line(self, message, form):
        text = json.dumps(message, ensure_ascii=False)
        if form == "sse":
            kind = message["event"]
            text = (f"event: {kind}\n" if kind != "message" else "") + f"data: {text}\n"
        elif form == "raw":
            text = message.get("message", "").replace("\n", " ")
        self._chunk(text.encode() + b"\n")

    def _chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def main():
    """Runs the server until it is interrupted."""
    parser = argparse.ArgumentParser(description="A small ntfy server for tests")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--token")
    parser.add_argument("--keepalive", type=float, default=45.0)
    options = parser.parse_args()
    with NtfyServer(options.port, token=options.token, keepalive=options.keepalive) as server:
        print(server.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
