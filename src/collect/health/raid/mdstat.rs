//! What `/proc/mdstat` says. Pure.

use crate::collect::read::percent;

/// One array of mdstat.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Array<'a> {
    pub(super) name: &'a str,
    pub(super) is_active: bool,
    /// The kernel has given it up.
    pub(super) is_broken: bool,
    pub(super) level: Option<&'a str>,
    /// How many it should have, and how many of them work.
    pub(super) devices: Option<(u64, u64)>,
    /// In KiB.
    pub(super) blocks: Option<u64>,
    pub(super) failed: u64,
    pub(super) spares: u64,
    pub(super) work: Option<Work<'a>>,
    pub(super) is_container: bool,
}

/// What is being done to all of an array.
#[derive(Debug, PartialEq)]
pub(super) struct Work<'a> {
    pub(super) what: &'a str,
    /// %; not known while it waits for another one.
    pub(super) progress: Option<f64>,
    pub(super) minutes: Option<f64>,
    pub(super) kib_per_s: Option<f64>,
}

impl Array<'_> {
    fn missing(&self) -> u64 {
        self.devices.map_or(0, |(all, up)| all.saturating_sub(up))
    }

    /// Whether a device that it should have does not work; not known of one that is not started,
    /// for which the kernel does not tell how many it should have.
    pub(super) fn is_degraded(&self) -> Option<bool> {
        self.is_active.then(|| self.is_broken || self.missing() > 0)
    }

    /// Whether more is lost than its level can lose. Of RAID 10 that depends on which.
    fn is_lost(&self) -> bool {
        let (all, up) = self.devices.unwrap_or_default();
        let spare = match self.level {
            Some("raid4" | "raid5") => 1,
            Some("raid6") => 2,
            Some("raid1" | "raid10") => all.saturating_sub(1),
            _ => 0,
        };
        self.is_broken || all.saturating_sub(up) > spare
    }

    pub(super) fn state(&self) -> &'static str {
        let what = self.work.as_ref().map(|work| work.what);
        match what {
            _ if self.is_lost() => "failed",
            _ if !self.is_active => "inactive",
            Some("recovery" | "reshape" | "resync") if self.missing() > 0 => "rebuilding",
            _ if self.missing() > 0 => "degraded",
            Some("check" | "repair") => "checking",
            Some("recovery" | "reshape") => "rebuilding",
            Some("resync") => "resyncing",
            _ => "ok",
        }
    }
}

/// Every array of `/proc/mdstat`.
pub(super) fn parse(text: &str) -> Vec<Array<'_>> {
    let mut arrays: Vec<Array<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(array) = head(line) {
            arrays.push(array);
        } else if line.starts_with([' ', '\t'])
            && let Some(array) = arrays.last_mut()
        {
            array.is_container |= is_of_container(line) && !array.is_active;
            array.blocks = array.blocks.or_else(|| blocks(line));
            array.devices = array.devices.or_else(|| devices(line));
            array.work = array.work.take().or_else(|| work(line));
        }
    }
    arrays.retain(|array| !array.is_container);
    arrays
}

/// `md0 : active (auto-read-only) raid1 sdb1[1] sda1[0](F)`.
fn head(line: &str) -> Option<Array<'_>> {
    let (name, rest) = line.split_once(" : ")?;
    if !name.starts_with("md") || name.contains(' ') {
        return None;
    }
    let mut words = rest
        .split_ascii_whitespace()
        .filter(|word| !word.starts_with('('));
    let state = words.next()?;
    let mut array = Array {
        name,
        is_active: state != "inactive",
        is_broken: state == "broken",
        ..Array::default()
    };
    for word in words {
        let Some((_, marks)) = word.split_once('[') else {
            array.level = array.level.or(Some(word));
            continue;
        };
        array.failed += u64::from(marks.contains("(F)"));
        array.spares += u64::from(marks.contains("(S)"));
    }
    Some(array)
}

/// `super external:imsm`; an array inside names its container, `super external:/md127/0`, which is
/// `-md127/0` while that must not touch it.
fn is_of_container(line: &str) -> bool {
    let told = line.split_once("super external:");
    told.is_some_and(|(_, what)| !what.starts_with(['/', '-']))
}

/// `3906886464 blocks super 1.2 …`
fn blocks(line: &str) -> Option<u64> {
    let (count, _) = line.trim_start().split_once(" blocks")?;
    count.parse().ok()
}

/// `… [3/2] [U_U]`: how many there should be, and how many work.
fn devices(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_ascii_whitespace();
    words.find_map(|word| {
        let (all, up) = word.strip_prefix('[')?.strip_suffix(']')?.split_once('/')?;
        Some((all.parse().ok()?, up.parse().ok()?))
    })
}

/// `[=>…]  recovery = 12.6% (370/2930) finish=127.5min speed=33440K/sec`, or `resync=DELAYED`.
fn work(line: &str) -> Option<Work<'_>> {
    const WORKS: [&str; 5] = ["recovery", "resync", "reshape", "check", "repair"];
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let what = WORKS.into_iter().find(|what| {
        let is = |word: &&str| word.split('=').next() == Some(what);
        words.iter().any(is)
    })?;
    let after = |key: &str, end: &str| {
        let found = words
            .iter()
            .find_map(|word| word.strip_prefix(key)?.strip_suffix(end));
        let figure = found.and_then(|number| number.parse::<f64>().ok());
        figure.filter(|figure| (0.0..f64::INFINITY).contains(figure))
    };
    // The kernel's percentage has one digit; its blocks are exact.
    let blocks = words.iter().find_map(|word| {
        let (done, all) = word.strip_prefix('(')?.strip_suffix(')')?.split_once('/')?;
        percent(done.parse().ok()?, all.parse().ok()?)
    });
    Some(Work {
        what,
        progress: blocks.filter(|share| *share <= 100.0),
        minutes: after("finish=", "min"),
        kib_per_s: after("speed=", "K/sec"),
    })
}
