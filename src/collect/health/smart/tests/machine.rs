use serde_json::{Value as Json, json};

use super::super::*;
use super::answer;
use crate::config::Problems;
use crate::host::Clock;
use crate::model::Value;

/// A machine in a folder with the disks of its kernel and the answers of its smartctl.
pub(super) struct Machine {
    pub(super) dir: tempfile::TempDir,
    pub(super) host: Host,
    pub(super) smart: Box<dyn Collect>,
}

pub(super) const SCAN: &str = "smartctl --json --scan-open";

impl Machine {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for part in ["exec", "sys/block"] {
            std::fs::create_dir_all(dir.path().join(part)).unwrap();
        }
        let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
        let host = Host::captured(dir.path(), clock);
        let smart = made(&host);
        Self { dir, host, smart }
    }

    /// Starts the program anew, so many hours later.
    pub(super) fn restart(&mut self, hours: i64) {
        let now = self.host.clock.now() + jiff::SignedDuration::from_hours(hours);
        self.host.clock.set(now);
        self.smart = made(&self.host);
    }

    pub(super) fn with(self, disks: &[(&str, &str, Json)]) -> Self {
        let mut found = Vec::new();
        for (name, kind, json) in disks {
            self.kernel(name);
            found.push(json!({"name": format!("/dev/{name}"), "type": kind}));
            self.says(name, kind, 0, &json.to_string());
        }
        self.scans(&json!(found));
        self
    }

    pub(super) fn kernel(&self, name: &str) {
        let device = self.dir.path().join(format!("sys/block/{name}/device"));
        std::fs::create_dir_all(&device).unwrap();
        std::fs::write(device.join("serial"), format!("S-{name}")).unwrap();
    }

    pub(super) fn scans(&self, devices: &Json) {
        self.answers(
            SCAN,
            &format!("0\n{}", answer(&json!({"devices": devices}))),
        );
    }

    pub(super) fn says(&self, name: &str, kind: &str, code: i32, text: &str) {
        let call = format!("smartctl --json -n standby,3 -d {kind} -a _dev_{name}");
        self.answers(&call, &format!("{code}\n{text}"));
    }

    pub(super) fn answers(&self, call: &str, text: &str) {
        std::fs::write(
            self.dir.path().join("exec").join(call.replace('/', "_")),
            text,
        )
        .unwrap();
    }

    pub(super) fn remove(&self, path: &str) {
        let path = self.dir.path().join(path);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }

    /// One sample, `later` than the one before.
    pub(super) async fn sample(&mut self, later: Duration) -> Result<Vec<Reading>, CollectError> {
        tokio::time::advance(later).await;
        let dir = self.dir.path();
        let spare = made(&Host::captured(dir, Clock::Real));
        let mut smart = std::mem::replace(&mut self.smart, spare);
        let sampled = tokio::task::spawn_blocking(move || (smart.sample(), smart));
        let (readings, smart) = sampled.await.unwrap();
        self.smart = smart;
        readings
    }

    pub(super) async fn now(&mut self) -> Vec<Reading> {
        self.sample(Duration::ZERO).await.unwrap()
    }
}

pub(super) fn made(host: &Host) -> Box<dyn Collect> {
    configured(host, "").0
}

/// A collector by this table, and the faults of it.
pub(super) fn configured(host: &Host, table: &str) -> (Box<dyn Collect>, Vec<String>) {
    let source = config::File::from_str(table, config::FileFormat::Toml);
    let built = config::Config::builder()
        .add_source(source)
        .build()
        .unwrap();
    let problems = Problems::default();
    let value = config::Value::new(None, built.cache.into_table().unwrap());
    let smart = build(
        host,
        Section::new("collect.smart".to_owned(), value, &problems),
    );
    let faults = problems.into_vec();
    (smart, faults.iter().map(ToString::to_string).collect())
}

pub(super) fn told(reading: &Reading, key: &str) -> String {
    match reading.value(key) {
        Some(Value::Text(text)) => text.to_string(),
        Some(value) => value.as_number().unwrap().to_string(),
        None => String::new(),
    }
}

pub(super) fn ids(readings: &[Reading]) -> Vec<&str> {
    readings
        .iter()
        .map(|reading| reading.subject.id.as_str())
        .collect()
}
