//! How a disk stands, from one report and what has grown in the last week. Pure.
//!
//! The levels of the counts are those at which, over 22,892 disks and 40 days, failures were told
//! from the rest: any replaced or pending sector came before two of three failures, but with one
//! false alarm in eleven disks, so it is watched only; 50 replaced or 10 pending sectors came with
//! one in 37. A count that keeps growing weighs more than one that stands still.

use super::report::{Kind, Report, exit};

/// How a disk stands, the worst last but for what could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
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

impl Level {
    /// The word that is published.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Watch => "watch",
            Self::Warning => "warning",
            Self::Failing => "failing",
            Self::Unreadable => "unreadable",
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

/// What has grown in the last week.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) reallocated: u64,
    pub(super) pending: u64,
    pub(super) uncorrectable: u64,
    pub(super) crc_errors: u64,
}

/// How it stands and why, the worst reason first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) level: Level,
    pub(super) reasons: Vec<String>,
}

/// A count that has reached this is likely to go on (HDD): replaced sectors.
const MANY_REALLOCATED: u64 = 50;
/// The same of sectors that cannot be read.
const MANY_PENDING: u64 = 10;
/// So many more in a week is growth; fewer may be one bad spot.
const MUCH_GROWTH: u64 = 5;
/// From here the end of an SSD's rated life is near, %.
const WORN: u64 = 90;

impl Verdict {
    /// A disk that could not be asked, because of `reason`.
    pub(super) fn unreadable(reason: String) -> Self {
        let reasons = vec![reason];
        Self {
            level: Level::Unreadable,
            reasons,
        }
    }

    /// Judges `report` (of a disk that does not sleep) with what has grown.
    pub(super) fn of(report: &Report, growth: Growth) -> Self {
        let mut case = Case::default();
        case.own_word(report);
        match report.kind {
            Kind::Nvme => case.nvme(report, growth),
            Kind::Hdd | Kind::Ssd | Kind::Scsi => case.counts(report, growth),
        }
        case.life(report);
        case.past(report, growth);
        // What fails is told even by half an answer; what is well only by a whole one.
        if !is_read(report) && !case.found.iter().any(|(level, _)| *level >= Level::Warning) {
            return Self::unreadable(why_unread(report));
        }
        case.close()
    }
}

/// Whether the answer says anything of the disk's health.
const fn is_read(report: &Report) -> bool {
    let refused = report.exit & (exit::USAGE | exit::OPEN | exit::COMMAND) != 0;
    report.has_figures || (report.passed.is_some() && !refused)
}

fn why_unread(report: &Report) -> String {
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

#[derive(Default)]
struct Case {
    found: Vec<(Level, String)>,
}

impl Case {
    fn find(&mut self, level: Level, reason: impl Into<String>) {
        self.found.push((level, reason.into()));
    }

    /// What the disk, or smartctl by the disk's thresholds, says in so many words. NVMe's word is
    /// nothing but "some bit of warning is set", and those are told one by one.
    fn own_word(&mut self, report: &Report) {
        let told_by_bits = report.critical_warning.is_some();
        let fails = report.passed == Some(false) || report.exit & exit::FAILING != 0;
        if fails && !told_by_bits {
            self.find(Level::Failing, "the disk itself says that it is failing");
        }
        for name in &report.failed_now {
            self.find(
                Level::Failing,
                format!("{name} is below its maker's threshold"),
            );
        }
        if report.exit & exit::PREFAIL != 0 && report.failed_now.is_empty() && !told_by_bits {
            let text = "a figure that foretells failure is below its maker's threshold";
            self.find(Level::Failing, text);
        }
        for name in &report.aged_now {
            self.find(
                Level::Watch,
                format!("{name} is below its maker's threshold: age or heat"),
            );
        }
    }

    fn nvme(&mut self, report: &Report, growth: Growth) {
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
                self.find(level, text);
            }
        }
        let lost = report.uncorrectable.unwrap_or_default();
        if lost > 0 {
            let text = format!(
                "what was written could not be read, times: {lost}{}",
                more(growth.uncorrectable)
            );
            self.find(Level::Warning, text);
        }
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

    /// Bad sectors of what is not NVMe. Solid-state disks replace blocks by design, so there the
    /// count alone is only watched.
    fn counts(&mut self, report: &Report, growth: Growth) {
        let wears = report.kind == Kind::Ssd;
        for (count, grown, many, what) in [
            (
                report.reallocated,
                growth.reallocated,
                MANY_REALLOCATED,
                "replaced sectors",
            ),
            (
                report.pending,
                growth.pending,
                MANY_PENDING,
                "sectors that cannot be read at present",
            ),
            (
                report.uncorrectable,
                growth.uncorrectable,
                MANY_PENDING,
                "errors that could not be corrected",
            ),
        ] {
            let Some(count) = count.filter(|count| *count > 0) else {
                continue;
            };
            let by_design = wears && many == MANY_REALLOCATED;
            let level = match (count >= many, grown >= MUCH_GROWTH) {
                (true, true) if !by_design => Level::Failing,
                (true, false) | (false, true) if !by_design => Level::Warning,
                (true, true) => Level::Warning,
                _ => Level::Watch,
            };
            self.find(level, format!("{what}: {count}{}", more(grown)));
        }
    }

    fn life(&mut self, report: &Report) {
        match report.wear {
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
        if report.self_test_failed {
            self.find(Level::Warning, "its last self-test found an error");
        }
    }

    /// What was, and may be over. The log of errors (bit 6) and a refused command (bit 2) say
    /// nothing by themselves: healthy disks have both.
    fn past(&mut self, report: &Report, growth: Growth) {
        if report.exit & exit::SELF_TEST != 0 && !report.self_test_failed {
            self.find(Level::Watch, "an earlier self-test found an error");
        }
        if report.exit & exit::PAST != 0 {
            self.find(
                Level::Watch,
                "a figure was below its maker's threshold at some time",
            );
        }
        if growth.crc_errors > 0 {
            let text = format!(
                "errors on its cable within a week: {}; reseat or renew the cable",
                growth.crc_errors
            );
            self.find(Level::Watch, text);
        }
    }

    fn close(mut self) -> Verdict {
        self.found
            .sort_by_key(|(level, _)| std::cmp::Reverse(*level));
        let level = self.found.first().map_or(Level::Ok, |(level, _)| *level);
        let reasons = self.found.into_iter().map(|(_, reason)| reason).collect();
        Verdict { level, reasons }
    }
}

fn more(grown: u64) -> String {
    match grown {
        0 => String::new(),
        grown => format!(", {grown} more within a week"),
    }
}
