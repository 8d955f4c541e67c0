//! What the REST bridge answers, asked in process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test code"
)]

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use homewatch::bus::{Bus, State};
use homewatch::config::{self, Environment, Sources};
use homewatch::host::{Clock, Memory};
use homewatch::http::{Api, Days, History, Scope, Setup, TicketKey, Tokens, router};
use homewatch::model::{
    Alert, AlertState, Area, Batch, CommandResult, Device, Metric, Outcome, Reading, Severity,
    Source, Subject, Timestamp, Unit,
};
use homewatch::power::{DayBook, Given, Owner, Shares, pieces};
use homewatch::predict::{Board, Posted};
use homewatch::report::{Basis, Reports};
use homewatch::store::{Point, Store};
use proptest::prelude::*;
use serde_json::Value as Json;
use tower::ServiceExt as _;

static USAGE: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent).decimals(1);
static HEAT: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius);
static BYTES: Metric = Metric::total("read_bytes", "Read", Unit::Byte);
static TESTED: Metric = Metric::state("selftest", "Last self-test", &["passed"]);
static MODE: Metric = Metric::state("mode", "Mode", &["on", "off"]);

struct Past;

impl History for Past {
    fn query(
        &self,
        series: &str,
        from: Timestamp,
        _: Timestamp,
        points: usize,
    ) -> Result<Option<Vec<Point>>, String> {
        let point = Point {
            at: from,
            value: Some(2.0),
        };
        Ok(series
            .ends_with("usage_pct")
            .then(|| vec![point; points.min(3)]))
    }
}

struct Home {
    memory: Memory,
    board: Board,
    api: Arc<Api>,
    bus: Bus,
    book: DayBook,
    router: Router,
    key: TicketKey,
    now: Timestamp,
    read: String,
    ack: String,
    control: String,
    _dir: tempfile::TempDir,
}

struct Got {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Got {
    fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    fn is_problem(&self, status: u16) {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.json()["status"], status);
    }
}

fn alert(id: &str) -> Alert {
    serde_json::from_value(serde_json::json!({
        "id": id, "rule": "hot", "severity": Severity::Warning, "state": AlertState::Firing,
        "subject": "health/cpu", "summary": "CPU is hot", "since": "2026-01-01T00:00:00Z", "count": 1
    }))
    .unwrap()
}

fn reports(dir: &std::path::Path, now: Timestamp) -> Reports {
    let config = config::load(&Sources {
        file: Some("/dev/null".into()),
        environment: Environment::default(),
        beneath: None,
    });
    Reports::new(Basis {
        store: Store::open(dir).unwrap(),
        memory: Memory::default(),
        book: DayBook::default(),
        node: "nas".to_owned(),
        clock: Clock::set_to(now),
        config: Arc::new(config.unwrap()),
    })
}

fn home_with(budget: u64) -> Home {
    let dir = tempfile::tempdir().unwrap();
    let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
    let tokens = Tokens::new(dir.path());
    let [read, ack, control] = [Scope::Read, Scope::Ack, Scope::Control]
        .map(|scope| tokens.add(scope.as_str(), &[scope], now).unwrap());
    let (bus, mut requests) = Bus::new(State::new(std::time::Duration::from_mins(5)));
    std::thread::spawn(move || {
        while let Some(request) = requests.blocking_recv() {
            let command = request.command;
            let ok = !command.name.contains("refuse");
            let result = CommandResult {
                id: None,
                command: command.name,
                ok,
                error: (!ok).then(|| "refused".to_owned()),
                detail: Some(format!("{:?}", command.origin).into()),
            };
            drop(request.respond.send(result));
        }
    });
    let key = TicketKey::load(dir.path()).unwrap();
    let book = DayBook::default();
    let board = Board::default();
    let memory = Memory::default();
    let api = Api::new(Setup {
        bus: bus.clone(),
        node: "nas".to_owned(),
        clock: Clock::set_to(now),
        data_dir: dir.path(),
        daily_budget: budget,
        history: Arc::new(Past),
        reports: reports(dir.path(), now),
        days: Days {
            book: book.clone(),
            store: Store::open(&dir.path().join("days")).unwrap(),
            time_zone: jiff::tz::TimeZone::UTC,
        },
        parts: Arc::new(Vec::new),
        tickets: key.clone(),
        predictions: board.clone(),
        memory: memory.clone(),
    });
    let router = router(&api);
    let home = Home {
        board,
        memory,
        api,
        bus,
        book,
        router,
        key,
        now,
        read,
        ack,
        control,
        _dir: dir,
    };
    home.tick(7.5);
    home
}

fn home() -> Home {
    home_with(5_000_000)
}

impl Home {
    fn tick(&self, usage: f64) {
        let cpu = Subject::of_host(Area::Health, "cpu", "CPU");
        let disk = Subject::of_host(Area::Health, "disk-a", "Disk A");
        let readings = vec![
            Reading::new(&cpu).with(&USAGE, usage),
            Reading::new(&disk)
                .with(&HEAT, 41.0)
                .with(&BYTES, 5.0)
                .with(&MODE, "on"),
        ];
        let outcomes = vec![Outcome {
            collector: "t",
            result: Ok(readings),
        }];
        self.bus.publish(Batch {
            at: self.now,
            outcomes,
        });
    }

    async fn ask(
        &self,
        method: &str,
        uri: &str,
        token: &str,
        extra: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Got {
        let mut request = Request::builder().method(method).uri(uri);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in extra {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 10 << 20).await.unwrap().to_vec();
        Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    async fn get(&self, uri: &str) -> Got {
        self.ask("GET", uri, &self.read, &[], "").await
    }

    async fn post(&self, uri: &str, token: &str, body: &str) -> Got {
        self.ask("POST", uri, token, &[], body.to_owned()).await
    }
}

const READS: [&str; 16] = [
    "/api/v1/power/advice",
    "/api/v1/power/report",
    "/metrics",
    "/api/v1/summary",
    "/api/v1/series",
    "/api/v1/history?series=health/cpu/usage_pct",
    "/api/v1/alerts",
    "/api/v1/power/services",
    "/api/v1/power/processes",
    "/api/v1/power/outages",
    "/api/v1/health",
    "/api/v1/health/disks/a",
    "/api/v1/health/predictions",
    "/api/v1/usage",
    "/api/v1/openapi.json",
    "/api/v1/charts/health/cpu/usage_pct.svg",
];

#[tokio::test]
async fn every_reading_route_wants_a_token_with_the_scope_read() {
    // Ten wrong tokens are too many for one address.
    for uris in READS.chunks(9) {
        let home = home();
        for uri in uris {
            assert_eq!(home.get(uri).await.status, 200, "{uri}");
            for wrong in ["", "hw_wrong"] {
                home.ask("GET", uri, wrong, &[], "").await.is_problem(401);
            }
            let other = home.ask("GET", uri, &home.ack, &[], "").await;
            other.is_problem(403);
        }
    }
    let home = home();
    home.ask("GET", "/api/v1/events", &home.control, &[], "")
        .await
        .is_problem(403);
    assert_eq!(home.ask("GET", "/healthz", "", &[], "").await.status, 200);
}

#[tokio::test]
async fn commands_want_their_scope_a_fit_body_and_a_target() {
    let home = home();
    home.bus.alert(alert("hot"));
    let uri = "/api/v1/alerts/hot/ack";
    let done = home.post(uri, &home.ack, "").await;
    assert_eq!((done.status, &done.json()["ok"]), (200, &Json::Bool(true)));
    assert_eq!(
        home.post("/api/v1/alerts/all/ack", &home.ack, "{\"note\":\"x\"}")
            .await
            .status,
        200
    );
    assert_eq!(
        home.post("/api/v1/control/alert/hot/ack", &home.control, "")
            .await
            .status,
        200
    );
    home.post(uri, &home.read, "").await.is_problem(403);
    home.post("/api/v1/control/alert/hot/ack", &home.ack, "")
        .await
        .is_problem(403);
    home.post("/api/v1/alerts/cold/ack", &home.ack, "")
        .await
        .is_problem(404);
    home.post(uri, &home.ack, "{").await.is_problem(400);
    home.post(uri, &home.ack, "[]").await.is_problem(400);
    let refused = home.post(uri, &home.ack, &"x".repeat(70_000)).await;
    refused.is_problem(413);
    assert_eq!(
        refused.headers["connection"], "close",
        "its rest is not read"
    );
    home.ask(
        "POST",
        uri,
        &home.ack,
        &[("content-type", "text/plain")],
        "{}",
    )
    .await
    .is_problem(415);
    home.post("/api/v1/control/nonsense", &home.control, "")
        .await
        .is_problem(400);
    home.post("/api/v1/control/alert/refuse/ack", &home.control, "")
        .await
        .is_problem(409);
    home.get(uri).await.is_problem(405);
    home.get("/api/v2").await.is_problem(404);
}

#[tokio::test]
async fn a_ticket_acknowledges_its_alert_and_nothing_else() {
    let home = home();
    home.bus.alert(alert("hot"));
    home.bus.alert(alert("cold"));
    let ticket = home.key.issue("hot", home.now);
    let done = home
        .post(&format!("/api/v1/alerts/hot/ack?ticket={ticket}"), "", "")
        .await;
    assert_eq!(
        (done.status, &done.json()["detail"]),
        (200, &Json::from("Push"))
    );
    for other in ["cold/ack", "all/ack", "hot/unack"] {
        home.post(&format!("/api/v1/alerts/{other}?ticket={ticket}"), "", "")
            .await
            .is_problem(401);
    }
}

#[tokio::test]
async fn wrong_tokens_are_limited_and_right_ones_are_not() {
    let home = home();
    let mut last = 0;
    for _ in 0..20 {
        last = home
            .ask("GET", "/api/v1/summary", "hw_x", &[], "")
            .await
            .status;
    }
    assert_eq!(last, 429);
    assert_eq!(home.get("/api/v1/summary").await.status, 200);
}

#[tokio::test]
async fn a_strong_tag_differs_by_encoding_and_saves_the_body() {
    let home = home();
    let mut tags = std::collections::BTreeSet::new();
    for encoding in ["identity", "gzip", "br", "zstd"] {
        let accept = ("accept-encoding", encoding);
        let uri = "/api/v1/openapi.json";
        let got = home.ask("GET", uri, &home.read, &[accept], "").await;
        let told = got
            .headers
            .get("content-encoding")
            .map_or("identity", |v| v.to_str().unwrap());
        assert_eq!(told, encoding);
        let tag = got.headers["etag"].to_str().unwrap().to_owned();
        let again = home
            .ask(
                "GET",
                uri,
                &home.read,
                &[accept, ("if-none-match", &tag)],
                "",
            )
            .await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        tags.insert(tag);
    }
    assert_eq!(tags.len(), 4);
}

#[tokio::test]
async fn the_summary_stays_below_one_kibibyte_compressed() {
    let home = home();
    for n in 0..50 {
        let mut alert = alert(&format!("rule-{n}-{}", n * 7919));
        alert.summary = format!("{n} ").repeat(200);
        home.bus.alert(alert);
    }
    let got = home
        .ask(
            "GET",
            "/api/v1/summary",
            &home.read,
            &[("accept-encoding", "gzip")],
            "",
        )
        .await;
    assert!(got.body.len() < 1024, "{}", got.body.len());
    let body = home.get("/api/v1/summary?fields=verdict,cpu").await.json();
    assert_eq!(
        body,
        serde_json::json!({"verdict": "warning", "cpu": {"usage_pct": 7.5}})
    );
}

#[tokio::test]
async fn the_summary_says_where_the_watts_come_from() {
    static WATTS: Metric = Metric::gauge("power_w", "Power", Unit::Watt);
    let home = home();
    let mut host = Reading::new(&Subject::of_host(Area::Power, "host", "Host")).with(&WATTS, 42.0);
    host.source = Some(Source::Model);
    home.bus.publish(Batch {
        at: home.now,
        outcomes: vec![Outcome {
            collector: "power",
            result: Ok(vec![host]),
        }],
    });
    let body = home.get("/api/v1/summary?fields=power,cpu").await.json();
    assert_eq!(
        body,
        serde_json::json!({"cpu": {"usage_pct": 7.5},
            "power": {"power_w": 42, "source": "model"}})
    );
}

#[tokio::test]
async fn a_thing_is_among_the_hottest_once_however_many_tell_its_temperature() {
    let home = home();
    // Its driver tells it too, as a subject of its own.
    let drive = Subject::of_host(Area::Health, "temp-disk-a", "Disk A");
    home.bus.publish(Batch {
        at: home.now,
        outcomes: vec![Outcome {
            collector: "drivetemp",
            result: Ok(vec![Reading::new(&drive).with(&HEAT, 42.0)]),
        }],
    });
    for path in [
        "summary",
        "series",
        "health",
        "alerts",
        "health/predictions",
    ] {
        let answer = home.get(&format!("/api/v1/{path}?fields=nix")).await;
        answer.is_problem(400);
        let text = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(text.contains("\"nix\" is not known; there are: "), "{text}");
    }
    home.get("/api/v1/health/predictions?cursor=nix")
        .await
        .is_problem(400);
    let body = home.get("/api/v1/summary?fields=hottest").await.json();
    assert_eq!(
        body,
        serde_json::json!({"hottest": [{"label": "Disk A", "temperature_c": 42}]})
    );
}

#[tokio::test]
async fn a_delta_has_only_what_changed_and_everything_after_a_removal() {
    let home = home();
    let cursor = home.get("/api/v1/health").await.json()["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let same = home
        .get(&format!("/api/v1/summary?since={cursor}"))
        .await
        .json();
    assert_eq!(same["changed"], false);
    home.tick(50.0);
    let delta = home
        .get(&format!("/api/v1/health?since={cursor}"))
        .await
        .json();
    assert_eq!(delta["items"].as_array().unwrap().len(), 1);
    home.bus.alert(alert("hot"));
    home.bus.clear_alert(alert("hot"));
    let delta = home
        .get(&format!("/api/v1/health?since={cursor}"))
        .await
        .json();
    assert_eq!(delta["full"], true);
    home.get("/api/v1/health?since=x").await.is_problem(400);
    assert_eq!(
        home.get("/api/v1/health?since=0.5").await.json()["full"],
        true
    );
}

/// A day on which `services` used what stands beside them, kWh, besides 1 kWh of idle.
fn day(home: &Home, date: &str, services: &[(&str, f64)]) {
    let given = |energy_kwh: f64| Given {
        power_w: energy_kwh * 10.0,
        energy_kwh,
    };
    let used: f64 = services.iter().map(|(_, kwh)| kwh).sum();
    let all = services.iter();
    let processes = all.clone().map(|(name, kwh)| {
        let owner = Owner::from(format!(
            "{}/worker",
            if *name == "kernel" { "" } else { name }
        ));
        (owner, given(*kwh))
    });
    let shares = Shares {
        power_w: 10.0 + used * 10.0,
        seconds: 3600.0,
        energy_kwh: 1.0 + used,
        idle: given(1.0),
        services: all
            .map(|(name, kwh)| ((*name).to_owned(), given(*kwh)))
            .collect(),
        processes: processes.collect(),
        ..Shares::default()
    };
    let noon: Timestamp = format!("{date}T12:00:00Z").parse().unwrap();
    let hour = noon + jiff::SignedDuration::from_hours(1);
    let piece = pieces(noon, hour, &jiff::tz::TimeZone::UTC)[0];
    let cost = shares.energy_kwh * 0.5;
    home.book.add(&[(piece, cost)], &shares, true, Some("EUR"));
}

fn names(body: &Json, key: &str) -> Vec<String> {
    let items = body["items"].as_array().unwrap().iter();
    items
        .map(|item| item[key].as_str().unwrap_or("-").to_owned())
        .collect()
}

#[tokio::test]
async fn what_services_and_processes_used_is_told_for_any_range_of_days() {
    let home = home();
    let nothing = home.get("/api/v1/power/services").await.json();
    assert_eq!(
        (&nothing["days"], &nothing["items"]),
        (&0.into(), &serde_json::json!([]))
    );
    assert!(nothing["currency"].is_null() && nothing["host"]["mean_w"].is_null());
    day(&home, "2025-12-29", &[("a", 2.0), ("b", 1.0)]);
    day(&home, "2026-01-02", &[("b", 3.0), ("kernel", 0.5)]);
    let today = home.get("/api/v1/power/services").await.json();
    assert_eq!(
        (&today["from"], &today["to"]),
        (&"2026-01-02".into(), &"2026-01-02".into())
    );
    assert_eq!(today["host"]["power_w"], 45.0);
    assert_eq!(today["host"]["estimated_pct"], 100.0);
    assert_eq!(today["idle"]["power_w"], 10.0);
    assert!(today["gpu"].is_null());
    let b = &today["items"][0];
    assert_eq!((&b["service"], &b["power_w"]), (&"b".into(), &30.0.into()));
    assert_eq!((&b["energy_kwh"], &b["cost"]), (&3.0.into(), &1.5.into()));
    assert_eq!(b["share_pct"], 66.67);
    // The week began on Monday, the 29th.
    let week = home.get("/api/v1/power/services?period=week").await.json();
    assert_eq!(names(&week, "service"), ["b", "a", "kernel"]);
    assert_eq!(
        (&week["days"], &week["host"]["energy_kwh"]),
        (&2.into(), &8.5.into())
    );
    let past = "/api/v1/power/services?from=2025-12-01&to=2025-12-31";
    let past = home.get(past).await.json();
    assert_eq!(names(&past, "service"), ["a", "b"]);
    assert!(past["items"][0]["power_w"].is_null(), "now is not then");
    for period in ["day", "month", "year"] {
        let uri = format!("/api/v1/power/processes?period={period}");
        assert_eq!(home.get(&uri).await.json()["days"], 1, "{period}");
    }
}

#[tokio::test]
async fn processes_are_paged_and_what_is_wrong_with_a_range_is_told() {
    let home = home();
    day(&home, "2026-01-02", &[("b", 3.0), ("kernel", 0.5)]);
    let processes = home
        .get("/api/v1/power/processes?limit=1&fields=process,service")
        .await;
    let one = serde_json::json!([{"process": "worker", "service": "b"}]);
    assert_eq!(processes.json()["items"], one);
    let next = processes.json()["next"].as_str().unwrap().to_owned();
    let uri = format!("/api/v1/power/processes?cursor={next}");
    let page = home.get(&uri).await.json();
    assert_eq!(names(&page, "service"), ["-"], "what runs in no service");
    // The same answer is not sent twice.
    let tag = processes.headers["etag"].to_str().unwrap().to_owned();
    let same = [("if-none-match", tag.as_str())];
    let uri = "/api/v1/power/processes?limit=1&fields=process,service";
    assert_eq!(
        home.ask("GET", uri, &home.read, &same, "").await.status,
        304
    );
    for bad in [
        "from=x",
        "to=2026-13-01",
        "period=age",
        "period=day&to=2026-01-01",
        "from=2026-02-01",
        "from=2024-01-01",
        "limit=0",
        "x=1",
        "cursor=nix",
        "fields=nix",
    ] {
        for what in ["services", "processes"] {
            home.get(&format!("/api/v1/power/{what}?{bad}"))
                .await
                .is_problem(400);
        }
    }
}

#[tokio::test]
async fn who_draws_something_now_has_an_entry_before_any_of_it_is_booked() {
    let home = home();
    // A thousand processes leave a rest.
    let mut shares = Shares {
        power_w: 20.0,
        energy_kwh: 2.0,
        ..Shares::default()
    };
    shares.gpu = Given {
        power_w: 5.0,
        energy_kwh: 0.0,
    };
    shares.services.insert(
        "fresh".to_owned(),
        Given {
            power_w: 5.0,
            energy_kwh: 0.0,
        },
    );
    for number in 0..1000 {
        let given = Given {
            power_w: 0.0,
            energy_kwh: 0.002,
        };
        shares
            .processes
            .insert(Owner::from(format!("ci/cc{number}")), given);
    }
    let at: Timestamp = "2026-01-02T13:00:00Z".parse().unwrap();
    let piece = pieces(at, at, &jiff::tz::TimeZone::UTC)[0];
    home.book.add(&[(piece, 1.0)], &shares, false, None);
    let now = home.get("/api/v1/power/services").await.json();
    assert_eq!(now["gpu"]["power_w"], 5.0);
    assert!(names(&now, "service").contains(&"fresh".to_owned()));
    let now = home.get("/api/v1/power/processes").await.json();
    assert!(now["rest"]["energy_kwh"].as_f64().unwrap() > 1.0);
}

#[tokio::test]
async fn a_disk_is_told_whole_and_one_that_is_not_there_is_not_found() {
    let home = home();
    let disk = Subject::of_device(
        Area::Health,
        "disk-wd-1",
        "WD (sda)",
        Device::Part {
            id: "disk-wd-1".to_owned(),
            name: "WD40".to_owned(),
            manufacturer: None,
            model: Some("WD40".to_owned()),
            serial: Some("1".to_owned()),
        },
    );
    let warm = Subject::of_host(Area::Health, "temp-disk-wd-1", "WD (sda)");
    let readings = vec![
        Reading::new(&disk)
            .with(&TESTED, "passed")
            .with(&USAGE, 7.0),
        Reading::new(&warm).with(&HEAT, 40.0),
    ];
    let outcome = Outcome {
        collector: "smart",
        result: Ok(readings),
    };
    home.bus.publish(Batch {
        at: home.now,
        outcomes: vec![outcome],
    });
    home.board.post(posted());
    for uri in ["wd-1", "disk-wd-1"] {
        let got = home.get(&format!("/api/v1/health/disks/{uri}")).await;
        assert_eq!(got.status, 200);
        let body = got.json();
        assert_eq!(body["label"], "WD (sda)");
        assert_eq!(body["device"]["serial"], "1");
        assert_eq!(body["device"].get("manufacturer"), None);
        assert_eq!(body["self_tests"]["selftest"], "passed");
        assert_eq!(body["state"]["usage_pct"].as_f64(), Some(7.0));
        assert_eq!(body["temperatures"][0]["state"]["temperature_c"], 40);
        assert_eq!(
            body["history"]["series"]["health/disk-wd-1/usage_pct"]["max"].as_f64(),
            Some(2.0)
        );
        let states: Vec<_> = body["predictions"].as_array().unwrap().iter().collect();
        assert_eq!(states.len(), 2);
        assert_eq!(
            (&states[0]["state"], &states[1]["state"]),
            (&"foreseen".into(), &"learning".into())
        );
    }
    let plain = home.get("/api/v1/health/disks/a").await.json();
    assert_eq!(plain["device"], serde_json::json!({}), "the host's own");
    assert_eq!(plain["predictions"], serde_json::json!([]));
    home.get("/api/v1/health/disks/none").await.is_problem(404);
    home.get("/api/v1/health/disks/%ff").await.is_problem(400);
    home.get("/api/v1/health/disks/a?x=1").await.is_problem(400);
}

#[tokio::test]
async fn outages_are_told_the_newest_first() {
    let home = home();
    assert_eq!(
        home.get("/api/v1/power/outages").await.json()["items"],
        serde_json::json!([])
    );
    let outage = |from: &str, more: serde_json::Value| {
        let mut outage = serde_json::json!({
            "from": from, "to": "2026-01-02T00:00:00Z", "duration_s": 40.0, "battery_low": false,
            "shutting_down": false, "gaps": false, "looks": [3.0, 3.0]});
        outage
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        outage
    };
    let old = outage(
        "2026-01-01T10:00:00Z",
        serde_json::json!({"ended": "mains", "lowest_charge_pct": 71.0}),
    );
    let new = outage("2026-01-01T23:59:20Z", serde_json::json!({}));
    let of_desk = outage(
        "2026-01-01T12:00:00Z",
        serde_json::json!({"ended": "unseen"}),
    );
    let record =
        |list: serde_json::Value| serde_json::json!({"list": list, "count": 2, "total_s": 80.0});
    home.memory.put(
        "ups/ups-rack/outages",
        &record(serde_json::json!([old, new])),
    );
    home.memory.put(
        "ups/ups-desk/outages",
        &record(serde_json::json!([of_desk])),
    );
    let body = home.get("/api/v1/power/outages").await.json();
    let items = body["items"].as_array().unwrap();
    let told: Vec<_> = items
        .iter()
        .map(|one| (&one["ups"], &one["lasts"], &one["ended"]))
        .collect();
    let null = serde_json::Value::Null;
    assert_eq!(
        told,
        [
            (&"ups-rack".into(), &true.into(), &null),
            (&"ups-desk".into(), &false.into(), &"unseen".into()),
            (&"ups-rack".into(), &false.into(), &"mains".into()),
        ]
    );
    assert_eq!(items[2]["lowest_charge_pct"], 71.0);
    assert_eq!(items[0]["looks"], null, "of no use to anybody");
    let of_one = home
        .get("/api/v1/power/outages?ups=desk&fields=ups")
        .await
        .json();
    assert_eq!(of_one["items"], serde_json::json!([{"ups": "ups-desk"}]));
    for bad in ["when=now", "cursor=nix", "fields=ups,nix"] {
        home.get(&format!("/api/v1/power/outages?{bad}"))
            .await
            .is_problem(400);
    }
    let page = home.get("/api/v1/power/outages?limit=1").await.json();
    let next = page["next"].as_str().unwrap();
    let uri = format!("/api/v1/power/outages?cursor={next}");
    let rest = home.get(&uri).await;
    assert_eq!(rest.json()["items"].as_array().unwrap().len(), 2);
}

/// One part of each kind.
fn posted() -> Posted {
    serde_json::from_value(serde_json::json!({
        "at": "2026-01-02T00:00:00Z",
        "predictions": [{
            "id": "wear-disk-wd-1", "kind": "wear", "subject": "health/disk-wd-1",
            "label": "WD (sda)", "outlook": "near", "text": "it wears", "confidence_pct": 90,
            "due": {"earliest": "2026-01-05T00:00:00Z", "likely": "2026-01-09T00:00:00Z"},
            "lead_days": 30, "evidence": [{"what": "wear", "figure": "98 %"}],
            "advice": "replace it", "since": "2026-01-01T00:00:00Z"
        }],
        "outlooks": [
            {"kind": "disk", "subject": "health/disk-wd-1", "label": "WD (sda)", "missing": "3 days"},
            {"kind": "space", "subject": "health/fs-root", "label": "/"}
        ]
    }))
    .unwrap()
}

#[tokio::test]
async fn what_is_foreseen_comes_first_then_what_is_too_young_then_what_is_well() {
    let home = home();
    let empty = home.get("/api/v1/health/predictions").await.json();
    assert_eq!(
        (&empty["items"], empty.get("judged_at")),
        (&serde_json::json!([]), None)
    );
    let note = empty["note"].as_str().unwrap();
    assert!(note.contains("first three minutes"), "{note}");
    home.board.post(posted());
    let got = home.get("/api/v1/health/predictions").await.json();
    assert_eq!(got["judged_at"], "2026-01-02T00:00:00.000Z");
    assert_eq!(got.get("note"), None);
    let items = got["items"].as_array().unwrap();
    let states: Vec<_> = items
        .iter()
        .map(|item| item["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["foreseen", "learning", "clear"]);
    assert_eq!(items[0]["due"]["likely"], "2026-01-09T00:00:00Z");
    assert_eq!(items[1]["missing"], "3 days");
    let first = home
        .get("/api/v1/health/predictions?limit=1&fields=id")
        .await
        .json();
    assert_eq!(
        first["items"],
        serde_json::json!([{"id": "wear-disk-wd-1"}])
    );
    let rest = format!(
        "/api/v1/health/predictions?cursor={}",
        first["next"].as_str().unwrap()
    );
    assert_eq!(
        home.get(&rest).await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    home.get("/api/v1/health/predictions?limit=0")
        .await
        .is_problem(400);
    let mut mended = posted();
    mended.predictions[0].outlook = homewatch::predict::Nearness::Withdrawn;
    home.board.post(mended);
    let got = home.get("/api/v1/health/predictions").await.json();
    assert_eq!(got["items"][0]["state"], "withdrawn");
}

#[tokio::test]
async fn pages_together_are_the_whole_list() {
    let home = home();
    let (mut seen, mut uri) = (
        Vec::new(),
        "/api/v1/series?limit=1&fields=series".to_owned(),
    );
    loop {
        let page = home.get(&uri).await.json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|i| i["series"].clone()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        uri = format!("/api/v1/series?limit=1&fields=series&cursor={next}");
    }
    assert_eq!(seen.len(), 4);
    let cpu = home
        .get("/api/v1/series?area=health&subject=cpu")
        .await
        .json();
    assert_eq!(cpu["items"][0]["value"], 7.5);
}

#[tokio::test]
async fn bad_parameters_are_told() {
    let home = home();
    for uri in [
        "/api/v1/series?limit=0",
        "/api/v1/series?area=garden",
        "/api/v1/series?limmit=1",
        "/api/v1/alerts?state=x",
        "/api/v1/alerts?severity=%ff",
        "/api/v1/history",
        "/api/v1/history?series=a&points=5001",
        "/api/v1/history?series=a&from=yesterday",
        "/api/v1/history?series=a&from=now&to=-1h",
        "/api/v1/events?kinds=x",
    ] {
        home.get(uri).await.is_problem(400);
    }
    home.get("/api/v1/history?series=a/b/c")
        .await
        .is_problem(404);
    home.get("/api/v1/charts/health/cpu/usage_pct.png")
        .await
        .is_problem(404);
}

#[tokio::test]
async fn metrics_follow_the_declarations() {
    let text = String::from_utf8(home().get("/metrics").await.body).unwrap();
    for line in [
        "# TYPE homewatch_usage_pct gauge",
        "homewatch_usage_pct{area=\"health\",subject=\"cpu\"} 7.5",
        "# TYPE homewatch_read_bytes_total counter",
        "homewatch_mode{area=\"health\",subject=\"disk-a\",state=\"on\"} 1",
        "homewatch_mode{area=\"health\",subject=\"disk-a\",state=\"off\"} 0",
        "homewatch_collector_up{collector=\"t\"} 1",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn over_budget_the_small_things_still_work() {
    let home = home_with(10);
    assert_eq!(home.get("/api/v1/summary").await.status, 200);
    assert!(
        home.get("/api/v1/usage").await.json()["used_bytes"]
            .as_u64()
            .unwrap()
            > 10
    );
    home.get("/api/v1/series").await.is_problem(429);
    assert_eq!(home.get("/api/v1/summary").await.status, 200);
}

#[tokio::test]
async fn events_resume_where_they_stopped_and_tell_what_is_lost() {
    let home = home();
    let api = Arc::clone(&home.api);
    let heard = async |last: &str| {
        let mut request = Request::builder().uri("/api/v1/events?kinds=alert");
        request = request.header("authorization", format!("Bearer {}", home.read));
        if !last.is_empty() {
            request = request.header("last-event-id", last);
        }
        let response = home
            .router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        response.into_body().into_data_stream()
    };
    let test = async {
        use futures_util::StreamExt as _;
        let mut stream = heard("").await;
        let hello = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
        let id = hello
            .split("id: ")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .to_owned();
        tokio::task::yield_now().await;
        home.bus.alert(alert("hot"));
        let text = stream.next().await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&text).contains("event: alert\ndata: {"));
        for (last, want) in [(id.as_str(), "event: alert\n"), ("old.7", "event: reset\n")] {
            let mut again = heard(last).await;
            let mut text = String::new();
            while !text.contains("event: ") {
                text += &String::from_utf8_lossy(&again.next().await.unwrap().unwrap());
            }
            assert!(text.contains(want), "{last}: {text}");
        }
    };
    tokio::select! { () = api.pump() => panic!("the bus is gone"), () = test => {} }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_query_makes_the_bridge_fail(query in "[ -~]{0,60}", route in 0usize..9) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let path = READS[route].split('?').next().unwrap();
        let query: String = query.chars().filter(|c| !" #\"<>\\^`{|}".contains(*c)).collect();
        let status = runtime.block_on(async { home().get(&format!("{path}?{query}")).await.status });
        prop_assert!(status < 500);
    }
}

#[tokio::test]
async fn advice_is_not_known_at_first() {
    let home = home();
    let told = home.get("/api/v1/power/advice").await.json();
    assert_eq!((&told["known"], &told["count"]), (&false.into(), &0.into()));
    let odd = home.get("/api/v1/power/advice?all=1").await;
    odd.is_problem(400);
}

#[tokio::test]
async fn a_report_comes_in_the_format_that_is_asked_for() {
    let home = home();
    let json = home.get("/api/v1/power/report?period=2025-12").await;
    assert_eq!(json.headers["content-type"], "application/json");
    assert_eq!(json.json()["period"]["name"], "December 2025");
    let page = home.get("/api/v1/power/report?format=html").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.body.starts_with(b"<!doctype html>"));
    for (accept, kind) in [
        ("text/csv", "text/csv; charset=utf-8"),
        (
            "application/xml, text/html;q=0.9",
            "text/html; charset=utf-8",
        ),
        ("text/plain", "text/plain; charset=utf-8"),
        ("*/*", "application/json"),
    ] {
        let uri = "/api/v1/power/report";
        let got = home
            .ask("GET", uri, &home.read, &[("accept", accept)], "")
            .await;
        assert_eq!(got.headers["content-type"], kind, "{accept}");
    }
    for query in ["period=fortnight", "period=2999", "format=pdf", "nod=x"] {
        let got = home.get(&format!("/api/v1/power/report?{query}")).await;
        got.is_problem(400);
    }
    let got = home.get("/api/v1/power/report?node=x").await;
    got.is_problem(404);
}
