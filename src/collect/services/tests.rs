//! Services over scripted programs, an engine on a socket, and folders.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::collect::testing::{built, sample};
use crate::collect::{Collect, CollectError};
use crate::host::{Clock, Exec, Host};
use crate::model::{Action, Command, Order, Origin, Reading, Timestamp, Value};

mod checks;
mod containers;
mod jobs;
mod units;
mod updates;

/// A machine whose programs are scripts.
struct Machine {
    dir: TempDir,
    host: Host,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::set_to("2026-05-01T12:00:00Z".parse().unwrap());
        let mut host = Host::captured(dir.path(), clock);
        host.exec = Exec::Real;
        Self { dir, host }
    }

    fn program(&mut self, name: &str, script: &str) {
        let file = self.dir.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let mut commands = BTreeMap::clone(&self.host.commands);
        // By the shell: a file that was just written may be busy for another thread's fork.
        let argv = vec!["sh".to_owned(), file.display().to_string()];
        commands.insert(name.to_owned(), argv);
        self.host.commands = Arc::new(commands);
    }

    fn put(&self, path: &str, text: &str) {
        crate::host::testing::put(self.dir.path(), path, text);
    }
}

/// Until a program has ended that the machine was too busy to end within one sample.
async fn settled(
    mut collector: Box<dyn Collect>,
    fits: impl Fn(&[Reading]) -> bool,
) -> (Box<dyn Collect>, Vec<Reading>) {
    for _ in 0..100 {
        let (back, result) = sample(collector).await;
        collector = back;
        let readings = result.unwrap();
        if fits(&readings) {
            return (collector, readings);
        }
    }
    panic!("it is never told")
}

fn text<'a>(reading: &'a Reading, key: &str) -> Option<&'a str> {
    match reading.value(key)? {
        Value::Text(text) => Some(text),
        Value::Number(_) | Value::Flag(_) | Value::Moment(_) => None,
    }
}

fn number(reading: &Reading, key: &str) -> Option<f64> {
    reading.value(key).and_then(Value::as_number)
}
