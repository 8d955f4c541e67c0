"""Reports: what a period used and cost, however it is asked for."""

import json

from harness import until


def test_a_report_can_be_had_by_every_way_and_the_store_alone_is_enough(home, host):
    service = home({"host": host.config("sys"), "power": {"host": {"idle_w": 20, "max_w": 60}}})
    service.start()
    until(lambda: "energy_kwh" in service.get("power/report", period="day")["figures"],
          "the machine's energy")
    text = service.run("report", "power", "--period", "day")
    assert text.startswith("Power — box\n") and "Energy" in text
    assert max(map(len, text.splitlines())) <= 80
    told = json.loads(service.run("report", "power", "--format", "json"))
    assert told["node"] == "box" and "energy_kwh" in told["figures"]
    assert told["figures"]["forecast_month_kwh"]["remark"].endswith("7 are needed")
    assert service.get("power/report")["period"]["name"].endswith("so far")
    page = service.folder / "power.html"
    service.run("report", "power", "--format", "html", "-o", page)
    shown = page.read_text()
    assert "<svg" in shown and "<script" not in shown and "http" not in shown.split("<body>")[1]

    service.stop()
    told = json.loads(service.run("report", "power", "--period", "week", "--format", "json"))
    assert told["figures"]["energy_kwh"]["value"] >= 0
    rows = service.run("report", "power", "--format", "csv").splitlines()
    assert rows[0] == "part,item,figure,value,unit" and rows[1].startswith("report,power,node,box")


def test_what_cannot_be_reported_is_refused_with_what_can(home):
    service = home()
    told = service.run("report", "ddns", code=2)
    assert "invalid value 'ddns'" in told and "power" in told
    assert "a period is day, week" in service.run("report", "power", "--period", "5", code=2)
    assert "there is no store" in service.run("report", "power", code=1)


def test_the_health_is_reported_and_what_is_too_young_to_be_foreseen_says_what_is_missing(home, host):
    service = home({"host": host.config("sys")})
    service.start()
    until(lambda: "health/cpu/usage_pct" in service.series(), "figures")
    until(lambda: service.get("history", series="health/cpu/usage_pct", **{"from": "-1h"})
          ["series"][0]["points"], "the processor in the history")
    text = service.run("report", "health", "--period", "day")
    assert text.startswith("Health — box\n") and "Verdict:" in text
    told = service.get("health/predictions")
    assert told["items"] == [] and told["full"] is True
    assert service.api().get("/api/v1/health/disks/none").status_code == 404
