//! What a disk says of its self-tests, whatever its kind: ATA, NVMe and SCSI each have a log of
//! their own. Nothing is judged here.

use serde_json::Value;

/// How a self-test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It found nothing.
    Passed,
    /// It found an error.
    Failed,
    /// Somebody or something ended it; it says nothing of the disk.
    Aborted,
}

/// The words of [`Ending::as_str`].
pub(super) const ENDINGS: &[&str] = &["passed", "failed", "aborted"];

impl Ending {
    /// The word that is published.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }
}

/// One self-test that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) ending: Ending,
    /// How the disk calls it.
    pub(super) kind: String,
    /// In its own words.
    pub(super) said: String,
    /// When, in hours of its life.
    pub(super) hours: Option<u64>,
}

/// A self-test that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Running {
    /// %, where the disk tells it.
    pub(super) remaining: Option<u64>,
}

/// What the log holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) running: Option<Running>,
    /// The newest first.
    pub(super) tests: Vec<Test>,
}

impl Log {
    /// Reads it out of an answer.
    pub(super) fn of(json: &Value) -> Self {
        [ata(json), nvme(json), scsi(json)]
            .into_iter()
            .find(|log| *log != Self::default())
            .unwrap_or_default()
    }

    /// Whether the newest that says anything of the disk found an error.
    pub(super) fn has_failed(&self) -> bool {
        let mut endings = self.tests.iter().map(|test| test.ending);
        endings.find(|ending| *ending != Ending::Aborted) == Some(Ending::Failed)
    }
}

fn number(json: &Value, pointer: &str) -> Option<u64> {
    json.pointer(pointer).and_then(Value::as_u64)
}

fn text(json: &Value, pointer: &str) -> String {
    let found = json.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().chars().take(100).collect()
}

fn ata(json: &Value) -> Log {
    let status = "/ata_smart_data/self_test/status";
    let remaining = number(json, &format!("{status}/remaining_percent"));
    let runs = number(json, &format!("{status}/value")).is_some_and(|value| value >> 4 == 15);
    let tables = ["extended", "standard"].into_iter().filter_map(|log| {
        let table = format!("/ata_smart_self_test_log/{log}/table");
        json.pointer(&table).and_then(Value::as_array)
    });
    let test = |row: &Value| {
        let passed = row.pointer("/status/passed").and_then(Value::as_bool);
        let ending = match (passed, number(row, "/status/value").map(|value| value >> 4)) {
            (Some(true), _) | (None, Some(0)) => Ending::Passed,
            (Some(false), _) | (None, Some(3..=8)) => Ending::Failed,
            (None, Some(1 | 2)) => Ending::Aborted,
            (None, _) => return None,
        };
        Some(Test {
            ending,
            kind: text(row, "/type/string"),
            said: text(row, "/status/string"),
            hours: number(row, "/lifetime_hours"),
        })
    };
    let longest = tables.max_by_key(|table| table.len());
    Log {
        running: runs.then_some(Running { remaining }),
        tests: longest.into_iter().flatten().filter_map(test).collect(),
    }
}

fn nvme(json: &Value) -> Log {
    let log = "/nvme_self_test_log";
    let runs = number(json, &format!("{log}/current_self_test_operation/value"));
    // What is done, not what remains.
    let done = number(json, &format!("{log}/current_self_test_completion_percent"));
    let remaining = done.map(|done| 100u64.saturating_sub(done));
    let table = json
        .pointer(&format!("{log}/table"))
        .and_then(Value::as_array);
    let test = |row: &Value| {
        let ending = match number(row, "/self_test_result/value")? {
            0 => Ending::Passed,
            5..=7 => Ending::Failed,
            1..=4 | 8 | 9 => Ending::Aborted,
            _ => return None,
        };
        Some(Test {
            ending,
            kind: text(row, "/self_test_code/string"),
            said: text(row, "/self_test_result/string"),
            hours: number(row, "/power_on_hours"),
        })
    };
    Log {
        running: runs
            .is_some_and(|code| code & 15 != 0)
            .then_some(Running { remaining }),
        tests: table.into_iter().flatten().filter_map(test).collect(),
    }
}

fn scsi(json: &Value) -> Log {
    let mut log = Log::default();
    for place in 0..20 {
        let Some(row) = json.get(format!("scsi_self_test_{place}")) else {
            continue;
        };
        let said = text(row, "/result/string");
        let runs = row.get("self_test_in_progress").and_then(Value::as_bool);
        let ending = match number(row, "/result/value") {
            _ if runs == Some(true) => None,
            Some(0) => Some(Ending::Passed),
            Some(1 | 2) => Some(Ending::Aborted),
            Some(3..=7) => Some(Ending::Failed),
            // smartctl before 7.4 tells the words only.
            None if said == "Completed" => Some(Ending::Passed),
            None if said.starts_with("Completed, segment failed") => Some(Ending::Failed),
            None if said.starts_with("Aborted") => Some(Ending::Aborted),
            Some(15) => None,
            _ => continue,
        };
        match ending {
            Some(ending) => log.tests.push(Test {
                ending,
                kind: text(row, "/code/string"),
                said,
                hours: number(row, "/power_on_time/hours"),
            }),
            None => log.running = Some(Running { remaining: None }),
        }
    }
    log
}
