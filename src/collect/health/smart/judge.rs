use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::scan::{Found, subject_of};
use super::watch::{Bench, Watched};
use crate::host::{Memory, Output};

/// Judges one disk by smartctl's answers as the collector does, without a machine: for whoever has
/// the answers of many disks.
#[derive(Debug)]
pub struct Judge {
    disk: Watched,
    memory: Memory,
}

/// What an answer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// `ok`, `watch`, `warning`, `failing` or `unreadable`.
    pub level: &'static str,
    /// Why, the worst first.
    pub reasons: Vec<String>,
}

impl Default for Judge {
    fn default() -> Self {
        Self::new()
    }
}

impl Judge {
    /// Of a disk that nothing is known of.
    pub fn new() -> Self {
        let found = Found {
            name: "/dev/sda".to_owned(),
            kind: "sat".to_owned(),
            error: None,
        };
        let subject = subject_of(&found, None, None);
        Self {
            disk: Watched::new(found, Some(subject), tokio::time::Instant::now()),
            memory: Memory::default(),
        }
    }

    /// How the disk stands after `stdout` of a smartctl that ended with `code` at `now`; `None` of
    /// one that has slept ever since. The answers come in order of time.
    pub fn judge(&mut self, code: i32, stdout: &[u8], now: Timestamp) -> Option<Opinion> {
        let output = Output {
            code: Some(code),
            stdout: stdout.to_vec(),
            stderr: Vec::new(),
        };
        let bench = Bench {
            memory: self.memory.clone(),
            known: BTreeMap::new(),
            now,
            by_command: false,
            felt: BTreeSet::new(),
        };
        self.disk.take(&Ok(output), &bench);
        self.disk.verdict().map(|verdict| Opinion {
            level: verdict.level.as_str(),
            reasons: verdict.reasons.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_one_after_the_other() {
        let mut judge = Judge::default();
        let mut level = |code, pending: Option<u64>, day: i64| {
            let answer = match pending {
                Some(count) => format!(
                    r#"{{"smartctl":{{}},"smart_status":{{"passed":true}},"ata_smart_attributes":
                    {{"table":[{{"id":197,"raw":{{"value":{count}}}}}]}}}}"#
                ),
                None => r#"{"smartctl":{}}"#.to_owned(),
            };
            let now = Timestamp::from_second(1_790_000_000 + day * 86_400).unwrap();
            let opinion = judge.judge(code, answer.as_bytes(), now);
            opinion.map(|opinion| (opinion.level, opinion.reasons.len()))
        };
        assert_eq!(level(3, None, 0), None, "it sleeps");
        assert_eq!(level(0, Some(0), 1), Some(("ok", 0)));
        assert_eq!(level(0, Some(2), 2), Some(("watch", 1)));
        assert_eq!(level(3, None, 2), Some(("watch", 1)), "it sleeps again");
        assert_eq!(level(0, Some(3), 3), Some(("warning", 1)));
    }
}
