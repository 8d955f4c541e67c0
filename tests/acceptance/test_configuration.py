"""The configuration: every fault at once, each with its place and what would be right."""

import pytest


def test_a_good_configuration_is_told_to_be_fine(home):
    service = home()
    assert "fine" in service.run("check")


FAULTS = {
    "unknown key": ({"node": {"intervall": "10s"}}, ["node.intervall", "interval"]),
    "unknown section": ({"mqqt": {}}, ["mqqt", "mqtt"]),
    "wrong type": ({"node": {"interval": 10}}, ["node.interval", "10s"]),
    "unknown unit": ({"node": {"interval": "10 parsecs"}}, ["node.interval", "parsecs"]),
    "out of range": ({"node": {"interval": "1ms"}}, ["node.interval"]),
    "bad node name": ({"node": {"name": "My Box"}}, ["node.name", "My Box"]),
    "bad address": ({"api": {"listen": "nowhere"}}, ["api.listen", "nowhere"]),
    "bad broker": ({"mqtt": {"broker": {"url": "http://broker"}}},
                   ["mqtt.broker.url", "mqtts://"]),
    "bad base topic": ({"mqtt": {"base_topic": "home/#"}}, ["mqtt.base_topic"]),
    "unreadable secret": (
        {"mqtt": {"broker": {"url": "mqtt://b", "username": "u",
                             "password_file": "/nowhere/secret"}}},
        ["mqtt.broker.password_file", "/nowhere/secret"]),
    "secret given twice": (
        {"mqtt": {"broker": {"url": "mqtt://b", "username": "u", "password": "x",
                             "password_file": "/dev/null"}}},
        ["mqtt.broker.password"]),
    "open to the network": ({"mqtt": {"embedded": {"listen": "0.0.0.0:1883"}}},
                            ["mqtt.embedded.listen", "users"]),
    "tokens in plain text": ({"api": {"listen": "0.0.0.0:8420"}}, ["api.listen", "api.tls"]),
    "unknown collector": ({"collect": {"cpuu": {}}}, ["collect.cpuu", "cpu"]),
    "rule without a condition": ({"rules": {"mine": {"severity": "info"}}}, ["rules.mine"]),
    "rule of an unknown severity": (
        {"rules": {"mine": {"severity": "bad", "series": "health/cpu/usage_pct", "above": 1}}},
        ["rules.mine.severity", "warning"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_file_its_key_and_what_is_right(home, name):
    config, told = FAULTS[name]
    service = home(config)
    text = service.run("check", code=2)
    line = next((line for line in text.splitlines() if told[0] in line), "")
    assert str(service.file) in line, text
    for part in told:
        assert part in line, text


def test_every_fault_is_told_at_once(home):
    service = home({
        "node": {"intervall": "10s", "heartbeat": "soon"},
        "api": {"listen": "nowhere"},
        "mqtt": {"broker": {"url": "http://broker"}},
        "rules": {"mine": {"severity": "bad"}},
    })
    text = service.run("check", code=2)
    for key in ("node.intervall", "node.heartbeat", "api.listen", "mqtt.broker.url", "rules.mine"):
        assert key in text, text


def test_the_service_does_not_start_with_a_faulty_configuration(home):
    service = home({"node": {"intervall": "10s"}})
    assert "node.intervall" in service.run("run", code=2)
    assert not service.data.exists(), "nothing was begun"


def test_a_file_that_is_no_toml_is_told_with_its_line(home):
    service = home()
    service.file.write_text("[node]\nname = box\n")
    text = service.run("check", code=2)
    assert str(service.file) in text and "2" in text, text


def test_a_file_that_is_not_there_is_told(home):
    service = home()
    service.file.unlink()
    assert str(service.file) in service.run("check", code=2)


def test_a_folder_beside_the_file_and_the_environment_win_over_it_in_this_order(home):
    service = home({"node": {"heartbeat": "bad in the file"}})
    extra = service.folder / "conf.d"
    extra.mkdir()
    (extra / "10-mine.toml").write_text("[node]\nheartbeat = '60s'\n")
    assert "fine" in service.run("check")
    (extra / "20-more.toml").write_text("[node]\nheartbeat = 'bad in the folder'\n")
    assert "bad in the folder" in service.run("check", code=2)
    service.environment["HOMEWATCH__NODE__HEARTBEAT"] = "70s"
    assert "fine" in service.run("check")
    service.environment["HOMEWATCH__NODE__HEARTBEAT"] = "bad in the environment"
    text = service.run("check", code=2)
    assert "environment: node.heartbeat" in text, text


def test_an_unknown_command_or_option_is_bad_usage(home):
    service = home()
    service.run("runn", code=2)
    service.run("run", "--fast", code=2)
    assert "usage" in service.run("--help").lower()
    assert service.run("--version").startswith("homewatch ")
