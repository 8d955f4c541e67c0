"""The REST bridge: who may ask, what is answered, what it costs, what is refused."""

import gzip
import json
import re
import socket

import brotli
import httpx
import pytest
import zstandard
from harness import until
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families

GETS = ["summary", "series", "alerts", "health", "usage", "openapi.json",
        "history?series=health/cpu/usage_pct"]


@pytest.fixture(scope="module")
def ready(desktop):
    """The service once it has something to tell."""
    mqtt = desktop.mqtt("homewatch/box/health/#")
    mqtt.wait("homewatch/box/health/cpu", lambda m: "usage_pct" in m.json)
    mqtt.wait("homewatch/box/health/temp-coretemp-package-id-0")
    return desktop


def is_problem(answer, status):
    """Every refusal has the same shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status and body["title"] and body["detail"]
    return body


def raw(service, data):
    """What the bridge answers to these very bytes."""
    with socket.create_connection(("127.0.0.1", service.api_port), 60) as peer:
        peer.sendall(data)
        out = b""
        while piece := peer.recv(65536):
            out += piece
            if b"\r\n\r\n" in out:
                break
        return out


# Who may ask

def test_health_is_open_to_all_and_nothing_else_is(ready):
    assert httpx.get(f"{ready.url}/healthz").json()["ok"] is True
    for path in [f"/api/v1/{path}" for path in GETS] + ["/metrics", "/api/v1/events"]:
        body = is_problem(httpx.get(f"{ready.url}{path}"), 401)
        assert "token" in body["detail"]
    answer = httpx.get(f"{ready.url}/api/v1/summary")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("value", ["Bearer nonsense", "Basic dTpw", "Bearer", "hw_", ""])
def test_a_token_that_is_none_is_refused(ready, value):
    answer = httpx.get(f"{ready.url}/api/v1/summary", headers={"Authorization": value})
    is_problem(answer, 401)


def test_each_scope_allows_what_it_says_and_no_more(ready):
    ack = "/api/v1/alerts/nothing/ack"
    control = "/api/v1/control/rule/nothing/silence"
    for scopes, reads, acks, controls in [(("read",), 200, 403, 403), (("ack",), 403, 404, 403),
                                          (("control",), 403, 403, 404)]:
        api = ready.api(*scopes)
        assert api.get("/api/v1/summary").status_code == reads
        assert api.post(ack).status_code == acks
        got = api.post(control, json={"for": "1h"}).status_code
        assert got == controls or (controls == 404 and got in (404, 409, 422)), got
    is_problem(ready.api("ack").get("/api/v1/summary"), 403)


def test_a_token_works_at_once_and_ends_when_it_is_revoked(home):
    service = home().start()
    token = service.run("token", "add", "guest", "--scope", "read").splitlines()[0]
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{service.url}/api/v1/summary", headers=headers).status_code == 200
    assert "guest" in service.run("token", "list")
    assert token not in service.run("token", "list")
    for file in service.data.rglob("*"):
        assert not file.is_file() or token.encode() not in file.read_bytes(), file
    service.run("token", "revoke", "guest")
    until(lambda: httpx.get(f"{service.url}/api/v1/summary",
                            headers=headers).status_code == 401, "the end of the token")
    assert "guest" in service.run("token", "revoke", "guest", code=1)


def test_guessing_tokens_is_slowed_down_but_locks_nobody_out(home):
    service = home().start()
    codes = {httpx.get(f"{service.url}/api/v1/summary",
                       headers={"Authorization": f"Bearer hw_{n}"}).status_code
             for n in range(20)}
    assert codes == {401, 429}
    assert service.get("summary")


# What is answered

def test_the_summary_fits_into_a_kibibyte(ready):
    answer = ready.api().get("/api/v1/summary", headers={"Accept-Encoding": "br"})
    body = answer.json()
    assert int(answer.headers["content-length"]) < 1024
    assert body["node"] == "box" and body["verdict"] in ("ok", "warning", "critical")
    assert body["cpu"]["usage_pct"] >= 0 and body["hottest"][0]["temperature_c"] > 0


@pytest.mark.parametrize("name, decode", [
    ("gzip", gzip.decompress), ("br", brotli.decompress),
    ("zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    ("identity", bytes)])
def test_answers_are_compressed_as_the_client_likes(ready, name, decode):
    with ready.api().stream("GET", "/api/v1/openapi.json",
                            headers={"Accept-Encoding": name}) as answer:
        data = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding", "identity") == name
    assert json.loads(decode(data))["openapi"].startswith("3.1")


def test_what_has_not_changed_is_not_sent_again(ready):
    api = ready.api()
    first = api.get("/api/v1/openapi.json")
    tag = first.headers["etag"]
    assert re.fullmatch(r'"[^"]+"', tag), "a strong one"
    again = api.get("/api/v1/openapi.json", headers={"If-None-Match": tag})
    assert again.status_code == 304 and not again.content
    other = api.get("/api/v1/openapi.json", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200 and other.content == first.content


def test_a_cursor_brings_only_what_has_changed(home, host):
    service = home({"host": host.config()}).start()
    until(lambda: "health/temp-coretemp-package-id-0/temperature_c" in service.series(),
          "the first figures")
    page = service.get("series", limit=500)
    assert page["full"] is True
    host.processor(61)
    until(lambda: service.series()["health/temp-coretemp-package-id-0/temperature_c"]["value"]
          == 61, "the new figure")
    delta = service.get("series", since=page["cursor"], limit=500)
    changed = {item["subject"] for item in delta["items"]}
    assert delta["full"] is False and "temp-coretemp-package-id-0" in changed
    assert "temp-coretemp-core-0" not in changed
    # A cursor of another run means everything.
    service.stop()
    service.start()
    assert service.get("series", since=page["cursor"])["full"] is True


def test_lists_come_in_pages_that_join_without_gap(ready):
    whole = list(ready.series())
    names, cursor = [], {}
    while True:
        page = ready.get("series", limit=7, **cursor)
        assert len(page["items"]) <= 7
        names += [item["series"] for item in page["items"]]
        if "next" not in page:
            break
        cursor = {"cursor": page["next"]}
    assert names == sorted(names) and set(whole) <= set(names)


def test_only_the_fields_that_are_asked_for(ready):
    assert set(ready.get("summary", fields="verdict,node")) == {"verdict", "node"}
    items = ready.get("series", fields="series,value", limit=3)["items"]
    assert all(set(item) <= {"series", "value"} for item in items)


def test_health_is_what_mqtt_says(ready):
    items = {item["subject"]: item for item in ready.get("health", limit=500)["items"]}
    heard = ready.mqtt("homewatch/box/health/temp-coretemp-core-0").wait("#").json
    shown = items["temp-coretemp-core-0"]
    assert shown["state"]["temperature_c"] == heard["temperature_c"] and shown["available"]


def test_a_chart_is_a_small_picture(ready):
    answer = ready.api().get("/api/v1/charts/health/cpu/usage_pct.svg")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/svg+xml"
    assert answer.text.startswith("<svg") and len(answer.content) < 20_000


def test_the_description_is_valid_and_tells_what_is_answered(ready):
    document = ready.get("openapi.json")
    validate(document)
    api = ready.api()
    for path, methods in document["paths"].items():
        if "get" in methods and "{" not in path and not path.endswith("/events"):
            params = {"series": "health/cpu/usage_pct"} if path.endswith("/history") else {}
            answer = api.get(path, params=params)
            assert str(answer.status_code) in methods["get"]["responses"], path


def test_metrics_are_prometheus_text(ready):
    answer = ready.api("read").get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    heat = families["homewatch_temperature_c"]
    assert heat.type == "gauge" and heat.documentation
    subjects = {sample.labels["subject"]: sample.value for sample in heat.samples}
    assert subjects["temp-coretemp-core-0"] == 43
    for family in families.values():
        assert family.name.startswith("homewatch_"), family.name


# Events

def events(answer):
    """The events of a stream, one after the other, as dicts."""
    event = {}
    for line in answer.iter_lines():
        if not line:
            if event:
                yield event
            event = {}
        elif not line.startswith(":"):
            key, _, value = line.partition(": ")
            event[key] = value


def test_changes_are_told_as_they_happen_and_can_be_resumed(home, host):
    service = home({"host": host.config(), "rules": {"temperature_high": {"for": "0s"}}}).start()
    api = service.api("read")
    with api.stream("GET", "/api/v1/events?kinds=alert") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        stream = events(answer)
        start = next(stream)["id"]
        host.processor(97)
        def hot(event):
            return (event.get("event") == "alert"
                    and json.loads(event["data"])["rule"] == "temperature_high")

        alert = next(event for event in stream if hot(event))
    # Somebody who was away since the start hears what came after.
    with api.stream("GET", "/api/v1/events?kinds=alert",
                    headers={"Last-Event-ID": start}) as answer:
        missed = next(event for event in events(answer) if hot(event))
        assert missed["data"] == alert["data"]
    with api.stream("GET", "/api/v1/events", headers={"Last-Event-ID": "other.1"}) as answer:
        assert any(event.get("event") == "reset" for event in
                   (next(stream) for stream in [events(answer)] for _ in range(2)))


# What is refused

def test_paths_and_methods_that_are_not_there(ready):
    api = ready.api()
    is_problem(api.get("/api/v1/nothing"), 404)
    is_problem(api.get("/"), 404)
    answer = api.post("/api/v1/summary")
    is_problem(answer, 405)
    assert "GET" in answer.headers["allow"]
    is_problem(api.get("/api/v1/alerts/x/ack"), 405)


@pytest.mark.parametrize("query", [
    "series?limit=0", "series?limit=501", "series?limit=x", "series?area=kitchen",
    "series?since=nonsense", "series?colour=red", "alerts?state=sad", "alerts?severity=mild",
    "history", "history?series=health/cpu/usage_pct&from=yesterdayish",
    "history?series=health/cpu/usage_pct&from=now&to=-1h",
    "history?series=health/cpu/usage_pct&points=0",
    "history?series=health/cpu/usage_pct&points=5001",
    "events?kinds=gossip", "summary?x=1"])
def test_a_bad_query_is_told(ready, query):
    is_problem(ready.api().get(f"/api/v1/{query}"), 400)


def test_what_is_not_there_is_told(ready):
    api = ready.api()
    is_problem(api.get("/api/v1/history?series=health/none/usage_pct"), 404)
    is_problem(api.get("/api/v1/charts/health/none/usage_pct.svg"), 404)
    is_problem(api.post("/api/v1/alerts/none/ack"), 404)


def test_a_body_that_is_too_large_or_broken(ready):
    api = ready.api()
    path = "/api/v1/alerts/all/ack"
    is_problem(api.post(path, content=b'{"note": "' + b"x" * 100_000 + b'"}'), 413)
    # What was not read of that body has closed the connection.
    headers = {"Authorization": f"Bearer {ready.token()}"}
    is_problem(httpx.post(ready.url + path, content=b'{"note": ', headers=headers), 400)


def test_addresses_and_heads_that_are_too_large(ready):
    long = b"GET /api/v1/summary?fields=" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    assert re.match(rb"HTTP/1.1 (414|431)", raw(ready, long))
    many = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"
    assert raw(ready, many).startswith(b"HTTP/1.1 431")
    heads = b"".join(b"X-%d: 1\r\n" % n for n in range(500))
    assert raw(ready, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + heads + b"\r\n").startswith(
        b"HTTP/1.1 431")


@pytest.mark.parametrize("data", [
    b"\x00\x01\x02\x03\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    b"GET /healthz HTTP/9.9\r\n\r\n", b"POST /api/v1/alerts/all/ack HTTP/1.1\r\nHost: x\r\n"
    b"Content-Length: -5\r\n\r\n"])
def test_nonsense_on_the_port_harms_nobody(ready, data):
    raw(ready, data)
    assert httpx.get(f"{ready.url}/healthz").status_code == 200


def test_hundreds_of_idle_connections_harm_nobody_for_long(home):
    service = home().start()
    crowd = []
    try:
        for _ in range(300):
            crowd.append(socket.create_connection(("127.0.0.1", service.api_port), 60))
    finally:
        for peer in crowd:
            peer.close()
    until(service._is_ready, "service for others")


def test_the_daily_budget_holds_and_leaves_what_matters(home):
    service = home({"api": {"daily_budget": "10kB"}}).start()
    api = service.api()
    assert service.get("usage")["budget_bytes"] == 10_000
    answers = [api.get("/metrics", headers={"Accept-Encoding": "identity"}) for _ in range(20)]
    assert answers[0].status_code == 200
    is_problem(answers[-1], 429)
    assert int(answers[-1].headers["retry-after"]) > 0
    used = service.get("usage")
    assert used["used_bytes"] >= 10_000
    assert api.get("/api/v1/summary").status_code == 200
    assert api.get("/api/v1/alerts").status_code == 200
