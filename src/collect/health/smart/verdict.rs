//! How a disk stands, from one report and what has grown in the last week. Pure.
//!
//! The levels of the counts are those at which, over 22,892 disks and 40 days, failures were told
//! from the rest: any replaced or pending sector came before two of three failures, but with one
//! false alarm in eleven disks, so it is watched only; 50 replaced or 10 pending sectors came with
//! one in 37. A count that keeps growing weighs more than one that stands still: so the counts that
//! warn by themselves are twice as high, and growth warns well below them (`benches/health` scores
//! it).

use serde::{Deserialize, Serialize};

use super::known::Known;
use super::report::{Kind, Report, exit};

/// How a disk stands, the worst last but for what could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::collect::health) enum Level {
    /// Nothing speaks against it.
    Ok,
    /// Something is out of the ordinary; most such disks live on.
    Watch,
    /// It is likelier to fail than others.
    Warning,
    /// It says so itself, or has begun to.
    Failing,
    /// It could not be asked: that is neither good nor bad.
    Unreadable,
}

/// The words of [`Level::as_str`].
pub(super) const LEVELS: &[&str] = &["ok", "watch", "warning", "failing", "unreadable"];

/// The word for a disk that could not be asked.
pub const UNREADABLE: &str = "unreadable";

/// Why a disk that answers tells nothing.
pub const NO_SMART: &str = "it has no S.M.A.R.T.";

impl Level {
    /// The word that is published.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Watch => "watch",
            Self::Warning => "warning",
            Self::Failing => "failing",
            Self::Unreadable => UNREADABLE,
        }
    }

    /// What to do.
    pub(super) const fn advice(self) -> Option<&'static str> {
        match self {
            Self::Ok => None,
            Self::Watch => Some("keep a backup; it is watched"),
            Self::Warning => Some("make a backup and plan to replace it"),
            Self::Failing => Some("make a backup now and replace it"),
            Self::Unreadable => Some("homewatch doctor tells what would help"),
        }
    }
}

/// The counts that are judged; one that is not told is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) reallocated: Option<u64>,
    pub(super) pending: Option<u64>,
    pub(super) uncorrectable: Option<u64>,
    pub(super) crc_errors: Option<u64>,
}

/// What has grown in the last week.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) reallocated: u64,
    pub(super) pending: u64,
    pub(super) uncorrectable: u64,
    pub(super) crc_errors: u64,
    /// Bad sectors came on two days or more.
    pub(super) again: bool,
}

/// How it stands and why, the worst reason first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::collect::health) struct Verdict {
    pub(in crate::collect::health) level: Level,
    pub(in crate::collect::health) reasons: Vec<String>,
}

/// A count that has reached this is likely to go on (HDD): replaced sectors.
const MANY_REALLOCATED: u64 = 100;
/// The same of sectors that cannot be read.
const MANY_PENDING: u64 = 20;
/// So many more in a week is growth; fewer may be one bad spot, unless they come again.
const MUCH_GROWTH: u64 = 5;
/// So many lost reads may be one bad spot: the kernel reads five times more before it gives up.
const ONE_SPOT: u64 = 6;
/// One bit in so many is lost by a sound disk (JEDEC JESD218, client class).
const BITS_A_LOSS: u64 = 1_000_000_000_000_000;
/// From here the end of an SSD's rated life is near, %.
const WORN: u64 = 90;

impl Verdict {
    /// By what was found, each with its level.
    pub(in crate::collect::health) fn by(mut found: Vec<(Level, String)>) -> Self {
        found.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
        let level = found.first().map_or(Level::Ok, |(level, _)| *level);
        let reasons = found.into_iter().map(|(_, reason)| reason).collect();
        Self { level, reasons }
    }

    /// A disk that could not be asked, because of `reason`.
    pub(super) fn unreadable(reason: String) -> Self {
        let reasons = vec![reason];
        Self {
            level: Level::Unreadable,
            reasons,
        }
    }

    /// Judges `report` (of a disk that does not sleep) with what has grown, but for what is
    /// `known` of it.
    pub(super) fn of(report: &Report, growth: Growth, known: &Known) -> Self {
        let mut case = Case {
            known,
            found: Vec::new(),
        };
        match report.kind {
            Kind::Nvme => case.nvme(report, growth),
            Kind::Hdd | Kind::Ssd | Kind::Scsi => case.counts(report, growth),
        }
        case.own_word(report);
        case.thresholds(report);
        case.life(report);
        case.past(report, growth);
        // What fails is told even by half an answer; what is well only by a whole one.
        if !is_read(report) && !case.found.iter().any(|(level, _)| *level >= Level::Warning) {
            return Self::unreadable(why_unread(report));
        }
        Self::by(case.found)
    }
}

/// Whether the answer says anything of the disk's health.
const fn is_read(report: &Report) -> bool {
    let refused = report.exit & (exit::USAGE | exit::OPEN | exit::COMMAND) != 0;
    report.has_figures || (report.passed.is_some() && !refused)
}

fn why_unread(report: &Report) -> String {
    if report.available == Some(false) {
        return NO_SMART.to_owned();
    }
    if report.enabled == Some(false) {
        return "SMART is switched off on this disk (sudo smartctl -s on switches it on)"
            .to_owned();
    }
    match report.errors.first() {
        Some(error) => error.clone(),
        None => format!(
            "it tells nothing of its health (exit status {})",
            report.exit
        ),
    }
}

struct Case<'a> {
    known: &'a Known,
    found: Vec<(Level, String)>,
}

/// Whether the disk, or smartctl for it, says that it fails.
fn says_failing(report: &Report) -> bool {
    report.passed == Some(false) || report.exit & exit::FAILING != 0
}

impl Case<'_> {
    fn find(&mut self, level: Level, reason: impl Into<String>) {
        self.found.push((level, reason.into()));
    }

    /// What the disk says in so many words, unless the bits of its warning have told why.
    fn own_word(&mut self, report: &Report) {
        if says_failing(report) && report.critical_warning.unwrap_or_default() == 0 {
            let mut text = "the disk itself says that it is failing".to_owned();
            if let Some(said) = &report.said {
                text = format!("{text}: {said}");
            }
            self.find(Level::Failing, text);
        }
    }

    /// The thresholds that the maker has set.
    fn thresholds(&mut self, report: &Report) {
        let known = self.known;
        let minds = |(id, _): &&(u64, String)| !known.ignores_attribute(*id);
        for (id, name) in report.failed_now.iter().filter(minds) {
            let text = format!("{name} ({id}) is below its maker's threshold");
            self.find(Level::Failing, text);
        }
        for (id, name) in report.aged_now.iter().filter(minds) {
            let text = format!("{name} ({id}) is below its maker's threshold: age or heat");
            self.find(Level::Watch, text);
        }
        let is_told = !report.failed_now.is_empty() || report.critical_warning.is_some();
        if report.exit & exit::PREFAIL != 0 && !is_told {
            let text = "a figure that foretells failure is below its maker's threshold";
            self.find(Level::Failing, text);
        }
    }

    fn nvme(&mut self, report: &Report, growth: Growth) {
        const HEAT: usize = 1;
        const BITS: [(Level, &str); 6] = [
            (Level::Failing, "its spare blocks are used up"),
            (
                Level::Warning,
                "it is outside the temperatures it is made for",
            ),
            (Level::Failing, "too many errors have made it unreliable"),
            (Level::Failing, "it has become read-only"),
            (
                Level::Warning,
                "its protection against power loss has failed",
            ),
            (
                Level::Warning,
                "its persistent memory has become read-only or unreliable",
            ),
        ];
        let bits = report.critical_warning.unwrap_or_default();
        for (place, (level, text)) in BITS.into_iter().enumerate() {
            if bits >> place & 1 == 1 {
                // NVMe says "failing" for every bit. Heat passes; nothing else does.
                let fails = says_failing(report) && place != HEAT;
                self.find(if fails { Level::Failing } else { level }, text);
            }
        }
        if bits >> BITS.len() != 0 {
            let level = if says_failing(report) {
                Level::Failing
            } else {
                Level::Warning
            };
            self.find(level, "it warns of something that is not known here");
        }
        self.lost_reads(report, growth);
        if let (Some(left), Some(least)) = (report.spare, report.spare_least)
            && left < least
            && bits & 1 == 0
        {
            self.find(
                Level::Failing,
                format!("{left} % of its spare blocks are left, below {least} %"),
            );
        }
    }

    /// Reads that NVMe has lost. One is a warning; a disk that has lost more than one bad spot and
    /// what its class may lose of all that was read does not hold what it is made for.
    fn lost_reads(&mut self, report: &Report, growth: Growth) {
        let Some(lost) = self.above("uncorrectable", report.counts.uncorrectable, |accepted| {
            accepted.uncorrectable
        }) else {
            return;
        };
        let bits = report.read_bytes.unwrap_or_default().saturating_mul(8);
        let many = lost > ONE_SPOT.saturating_add(bits / BITS_A_LOSS);
        let level = if many || growth.uncorrectable >= MUCH_GROWTH {
            Level::Failing
        } else {
            Level::Warning
        };
        let more = more(growth.uncorrectable);
        let mut text = format!("what was written could not be read, times: {lost}{more}");
        if many {
            text.push_str(
                "; that is more than one bad spot, and than it may lose of all it has read",
            );
        }
        self.find(level, text);
    }

    /// What of a count is to be judged: what is above the accepted, and not 0.
    fn above(
        &self,
        word: &str,
        count: Option<u64>,
        accepted: fn(&Counts) -> Option<u64>,
    ) -> Option<u64> {
        let accepted = accepted(&self.known.accepted).unwrap_or_default();
        let above = count?.saturating_sub(accepted);
        (above > 0 && !self.known.ignores(word)).then_some(above)
    }

    /// Bad sectors of what is not NVMe. Solid-state disks replace blocks by design, so there the
    /// count alone is only watched.
    fn counts(&mut self, report: &Report, growth: Growth) {
        type Row = (&'static str, Option<u64>, Accepted, u64, u64, &'static str);
        type Accepted = fn(&Counts) -> Option<u64>;
        let wears = report.kind == Kind::Ssd;
        let rows: [Row; 3] = [
            (
                "reallocated",
                report.counts.reallocated,
                |accepted| accepted.reallocated,
                growth.reallocated,
                MANY_REALLOCATED,
                "replaced sectors",
            ),
            (
                "pending",
                report.counts.pending,
                |accepted| accepted.pending,
                growth.pending,
                MANY_PENDING,
                "sectors that cannot be read at present",
            ),
            (
                "uncorrectable",
                report.counts.uncorrectable,
                |accepted| accepted.uncorrectable,
                growth.uncorrectable,
                MANY_PENDING,
                "errors that could not be corrected",
            ),
        ];
        for (word, count, accepted, grown, many, what) in rows {
            let Some(above) = self.above(word, count, accepted) else {
                continue;
            };
            let by_design = wears && many == MANY_REALLOCATED;
            let grows = grown >= MUCH_GROWTH || (grown > 0 && growth.again);
            let level = match (above >= many, grows) {
                (true, true) if !by_design => Level::Failing,
                (true, false) | (false, true) if !by_design => Level::Warning,
                (true, true) => Level::Warning,
                _ => Level::Watch,
            };
            let beyond = match accepted(&self.known.accepted) {
                Some(accepted) => format!(" beyond the {accepted} that are accepted"),
                None => String::new(),
            };
            self.find(level, format!("{what}: {above}{beyond}{}", more(grown)));
        }
    }

    fn life(&mut self, report: &Report) {
        match report.wear.filter(|_| !self.known.ignores("wear")) {
            Some(wear @ 100..) => {
                self.find(
                    Level::Warning,
                    format!("{wear} % of its rated writes are used up"),
                );
            }
            Some(wear @ WORN..) => {
                self.find(
                    Level::Watch,
                    format!("{wear} % of its rated writes are used up"),
                );
            }
            _ => {}
        }
        if report.log.has_failed() && !self.known.ignores("selftest") {
            self.find(Level::Warning, "its last self-test found an error");
        }
    }

    /// What was, and may be over. The log of errors (bit 6) and a refused command (bit 2) say
    /// nothing by themselves: healthy disks have both.
    fn past(&mut self, report: &Report, growth: Growth) {
        let is_told = report.log.has_failed() || self.known.ignores("selftest");
        if report.exit & exit::SELF_TEST != 0 && !is_told {
            self.find(Level::Watch, "an earlier self-test found an error");
        }
        if report.exit & exit::PAST != 0 {
            self.find(
                Level::Watch,
                "a figure was below its maker's threshold at some time",
            );
        }
        if growth.crc_errors > 0 && !self.known.ignores("crc_errors") {
            let text = format!(
                "errors on its cable within a week: {}; reseat or renew the cable",
                growth.crc_errors
            );
            self.find(Level::Watch, text);
        }
    }
}

fn more(grown: u64) -> String {
    match grown {
        0 => String::new(),
        grown => format!(", {grown} more within a week"),
    }
}
