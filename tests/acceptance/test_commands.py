"""The other commands: status, doctor, and reloading with SIGHUP."""

import re

from harness import NODE, free_port, until


def test_status_shows_one_screen_and_needs_no_token(home, host):
    service = home({"host": host.config("sys")}).start()
    until(lambda: "health/cpu/usage_pct" in service.series(), "figures")
    text = service.run("status")
    assert NODE in text and "no alerts" in text
    assert re.search(r"cpu\s.*%", text) and re.search(r"memory\s.*%", text)


def test_status_without_a_service_says_so(home):
    assert "not run" in service_text(home())


def service_text(service):
    """What ``status`` says when nothing runs."""
    return service.run("status", code=1)


def test_the_doctor_tells_what_was_found_and_what_is_missing(home, host):
    service = home({"host": host.config()})
    text = service.run("doctor")
    assert "coretemp" in text.lower() or "temperature" in text.lower(), text


def test_the_doctor_fails_if_something_configured_cannot_work(home):
    service = home({"mqtt": {"broker": {"url": "mqtt://127.0.0.1:1"}}})
    text = service.run("doctor", code=1)
    assert "broken" in text and "127.0.0.1:1" in text


def test_a_reload_puts_the_new_configuration_in_force(home, host):
    service = home({"host": host.config("sys")}).start()
    mqtt = service.mqtt("homewatch/box/alert/#")
    host.processor(60)
    service.configure({"rules": {"warm": {"series": "health/temp-coretemp-package-id-0/"
                                          "temperature_c", "above": 55}}})
    assert "is in force" in service.reload()
    assert mqtt.wait("#", lambda m: m.json["rule"] == "warm").json["state"] == "firing"


def test_a_bad_reload_is_refused_with_its_faults_and_changes_nothing(home):
    service = home().start()
    pid = service.process.pid
    service.token()
    service.configure({"node": {"intervall": "10s"}})
    told = service.reload()
    assert "node.intervall" in told and "refused" in told
    assert service.process.pid == pid and service.get("summary")["node"] == NODE
    # A file that is just being saved is empty for a moment: that is not "all defaults".
    service.file.write_text("")
    told = service.reload()
    assert "is empty" in told and "refused" in told
    assert service.get("summary")["node"] == NODE


def test_a_reload_may_change_the_node_and_the_ports(home):
    service = home().start()
    old = service.mqtt_port
    service.mqtt_port = free_port()
    service.configure({"node": {"name": "other"},
                       "mqtt": {"embedded": {"listen": f"127.0.0.1:{service.mqtt_port}"}}})
    assert "is in force" in service.reload()
    mqtt = service.mqtt("homewatch/#")
    mqtt.wait("homewatch/other/status", lambda m: m.text == "online")
    assert old != service.mqtt_port


def test_tokens_are_refused_that_make_no_sense(home):
    service = home()
    assert "no tokens" in service.run("token", "list")
    service.run("token", "add", "phone", "--scope", "all", code=2)
    service.run("token", "add", "phone", code=2)
    service.run("token", "add", "a b", "--scope", "read", code=1)
    service.run("token", "add", "phone", "--scope", "read")
    assert "phone" in service.run("token", "add", "phone", "--scope", "read", code=1)
    assert "█" in service.run("token", "add", "tablet", "--scope", "read", "--qr")


def test_the_doctor_knows_the_running_service_its_store_and_its_tokens(home):
    service = home({"history": {"max_size": "16MB"}}).start()
    service.token()
    text = service.run("doctor")
    assert f"127.0.0.1:{service.mqtt_port}, served by the running homewatch" in text
    assert f"127.0.0.1:{service.api_port}, served by the running homewatch" in text
    assert "in use by the running homewatch" in text and "1 access token" in text
    service.stop()
    assert f"{service.data} can be used" in service.run("doctor")


def test_the_doctor_tells_what_cannot_work_with_its_remedy(home, mosquitto):
    taken = home().start()
    service = home({
        "api": {"listen": f"127.0.0.1:{taken.api_port}"},
        "history": {"max_size": "1000TB"},
        "mqtt": {"broker": {"url": f"mqtt://127.0.0.1:{mosquitto.port}"}},
        "push": {"ntfy": {"server": "http://127.0.0.1:1", "topic": "box"}},
    })
    service.data.mkdir()
    (service.data / "homewatch.redb").write_text("no store")
    text = service.run("doctor", "--push", code=1)
    assert f"the broker mqtt://127.0.0.1:{mosquitto.port} lets us in" in text
    for told in ("is taken by", "is damaged", "less than history.max_size", "127.0.0.1:1"):
        assert told in text, text
    phone = home({"push": {"ntfy": {"topic": "box"}}})
    assert "homewatch doctor --push" in phone.run("doctor")


def test_the_doctor_names_collectors_that_read_nonsense(home, host):
    host.write("proc/meminfo", "nonsense")
    text = home({"host": host.config()}).run("doctor")
    assert "memory:" in text
