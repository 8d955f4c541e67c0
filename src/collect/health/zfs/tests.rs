use super::*;
use crate::collect::testing::{plain, sample};
use crate::host::Clock;
use crate::host::testing::put;
use crate::model::Value;

const STATUS: &str = "zpool status -p";
const LIST: &str = "zpool list -Hp -o name,size,allocated,free,fragmentation";

struct Machine {
    dir: tempfile::TempDir,
    host: Host,
    zfs: Option<Box<dyn Collect>>,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::set_to("2026-03-11T00:00:00Z".parse().unwrap());
        let host = Host::captured(dir.path(), clock);
        let zfs = Some(plain(ENTRY, &host));
        Self { dir, host, zfs }
    }

    fn file(&self, path: &str, text: &str) {
        put(self.dir.path(), path, text);
    }

    fn state(&self, pool: &str, state: &str) {
        self.file(&format!("proc/spl/kstat/zfs/{pool}/state"), state);
    }

    fn answers(&self, call: &str, text: &str) {
        self.file(&format!("exec/{call}"), text);
    }

    async fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let (zfs, readings) = sample(self.zfs.take().unwrap()).await;
        self.zfs = Some(zfs);
        readings
    }

    async fn only(&mut self) -> Reading {
        let mut readings = self.sample().await.unwrap();
        assert_eq!(readings.len(), 1);
        readings.remove(0)
    }
}

fn told(reading: &Reading, key: &str) -> String {
    match reading.value(key) {
        Some(Value::Text(text)) => text.to_string(),
        Some(Value::Moment(at)) => at.to_string(),
        Some(value) => value.as_number().unwrap().to_string(),
        None => String::new(),
    }
}

/// A pool of two disks with these figures.
fn status(state: &str, scan: &str, second: &str, errors: &str) -> String {
    format!(
        "0\n  pool: tank\n state: {state}\n  scan: {scan}\nconfig:\n\n\tNAME  STATE READ WRITE CKSUM\n\
         \ttank  {state} 0 0 0\n\t  mirror-0  {state} 0 0 0\n\t    sda  ONLINE 0 0 0\n\t    sdb  {second}\n\n\
         errors: {errors}\n"
    )
}

const SCRUBBED: &str = "scrub repaired 0B in 0h1m with 0 errors on Tue Mar 10 00:00:00 2026";
const WELL: &str = "No known data errors";

#[tokio::test(start_paused = true)]
async fn a_pool_tells_how_it_stands() {
    let mut machine = Machine::new();
    machine.state("tank", "ONLINE\n");
    machine.file("proc/spl/kstat/zfs/arcstats", "no pool");
    machine.state("$import", "ONLINE\n");
    machine.answers(STATUS, &status("ONLINE", SCRUBBED, "ONLINE 0 0 0", WELL));
    machine.answers(LIST, "0\ntank\t1000\t400\t600\t7\nother\t-\t-\t-\t-\n");
    let reading = machine.only().await;
    assert_eq!(reading.subject.key(), "health/pool-zfs-tank");
    for (key, want) in [
        ("state", "online"),
        ("degraded", "0"),
        ("has_errors", "0"),
        ("errors", "0"),
        ("data_errors", "0"),
        ("devices", "2"),
        ("devices_failed", "0"),
        ("work", "none"),
        ("used_pct", "40"),
        ("free_bytes", "600"),
        ("fragmentation_pct", "7"),
    ] {
        assert_eq!(told(&reading, key), want, "{key}");
    }
    assert!(!told(&reading, "scrub_age_s").is_empty());
    assert!(reading.detail.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_the_kernel_says_is_told_at_once_and_zpool_asked_anew() {
    let mut machine = Machine::new();
    machine.state("tank", "ONLINE");
    machine.answers(STATUS, &status("ONLINE", SCRUBBED, "ONLINE 0 0 0", WELL));
    machine.only().await;
    machine.state("tank", "DEGRADED");
    let resilver = "resilver in progress since x\n\t1G resilvered, 10.5% done, 01:00:00 to go\nstatus: A disk is away.";
    machine.answers(
        STATUS,
        &status(
            "DEGRADED",
            resilver,
            "FAULTED 3 1 0 too many errors",
            "1 data errors",
        ),
    );
    let reading = machine.only().await;
    for (key, want) in [
        ("state", "degraded"),
        ("degraded", "1"),
        ("has_errors", "1"),
        ("errors", "4"),
        ("data_errors", "1"),
        ("devices_failed", "1"),
        ("work", "resilver"),
        ("progress_pct", "10.5"),
        ("remaining_s", "3600"),
    ] {
        assert_eq!(told(&reading, key), want, "{key}");
    }
    let detail = reading.detail.as_ref().unwrap();
    assert_eq!(
        detail["bad_devices"][0],
        "sdb: faulted, errors of reading 3, writing 1, checksums 0"
    );
    assert_eq!(detail["says"][0], "A disk is away.");
    // The scrub before the resilver is remembered.
    assert!(!told(&reading, "scrubbed").is_empty());
    assert_eq!(machine.host.memory.keys("zfs/"), ["zfs/tank"]);
    machine.answers(
        STATUS,
        &status("ONLINE", "scrub in progress since x", "ONLINE 0 0 0", WELL),
    );
    machine.state("tank", "ONLINE");
    assert_eq!(told(&machine.only().await, "work"), "scrub");
}

#[tokio::test(start_paused = true)]
async fn every_state_has_its_word() {
    for (state, want) in [
        ("ONLINE", "online"),
        ("DEGRADED", "degraded"),
        ("FAULTED", "faulted"),
        ("OFFLINE", "offline"),
        ("REMOVED", "removed"),
        ("UNAVAIL", "unavailable"),
        ("SUSPENDED", "suspended"),
        ("SOMETHING", ""),
    ] {
        let mut machine = Machine::new();
        machine.state("tank", state);
        let reading = machine.only().await;
        assert_eq!(told(&reading, "state"), want);
        let degraded = match want {
            "" => "",
            "online" => "0",
            _ => "1",
        };
        assert_eq!(told(&reading, "degraded"), degraded);
        // Without zpool nothing else is known, and why is told.
        assert_eq!(told(&reading, "has_errors"), "");
        assert!(reading.detail.unwrap()["remedy"].is_string());
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_zfs_is_known_by_zpool_alone_and_one_that_fails_tells_nothing() {
    let mut machine = Machine::new();
    assert!(matches!(
        machine.sample().await,
        Err(CollectError::Absent(_))
    ));
    machine.file("proc/spl/kstat/zfs/arcstats", "");
    machine.answers(STATUS, "1\n");
    assert!(matches!(
        machine.sample().await,
        Err(CollectError::Absent(_))
    ));
    tokio::time::advance(EVERY).await;
    machine.answers(STATUS, &status("ONLINE", SCRUBBED, "ONLINE 0 0 0", WELL));
    assert_eq!(told(&machine.only().await, "state"), "online");
}

#[tokio::test(start_paused = true)]
async fn a_zpool_that_may_not_ask_is_told_with_its_remedy_until_it_may() {
    let mut machine = Machine::new();
    machine.state("tank", "ONLINE");
    machine.answers(STATUS, "1\n");
    let detail = machine.only().await.detail.unwrap();
    let log = detail["log"].as_str().unwrap();
    assert!(log.contains("zpool cannot tell (no answer)"), "{log}");
    assert!(detail["remedy"].as_str().unwrap().contains("zfs.conf"));
    tokio::time::advance(EVERY).await;
    machine.answers(STATUS, &status("ONLINE", SCRUBBED, "ONLINE 0 0 0", WELL));
    assert!(machine.only().await.detail.is_none());
}
