use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Exec, ExecError, Host};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject, Unit};

static SYNCHRONIZED: Metric =
    Metric::flag("synchronized", "Synchronized", FlagMeaning::Connected).diagnostic();
static OFFSET: Metric = Metric::gauge("offset_ms", "Offset", Unit::Millisecond)
    .decimals(3)
    .dead_band(5.0)
    .diagnostic();
static STRATUM: Metric = Metric::gauge("stratum", "Stratum", Unit::None).hidden();
static SERVICE: Metric = Metric::text("kept_by", "Kept by").diagnostic();

/// Clocks drift slowly, and asking costs a program.
pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "clock",
    period: Duration::from_mins(5),
    build,
};

/// How long one of the two programs may take.
const TIME: Duration = Duration::from_millis(1_400);

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    let command = |program: &str, arguments: &[&str]| {
        let mut argv = host.command(program);
        argv.extend(arguments.iter().map(|&word| word.to_owned()));
        argv
    };
    Box::new(ClockState {
        subject: Subject::of_host(Area::Health, "clock", "Clock"),
        exec: host.exec.clone(),
        chrony: command("chronyc", &["-c", "tracking"]),
        systemd: command("timedatectl", &["show"]),
    })
}

/// Whether something keeps the clock of this machine right: by chrony, which knows how far it is
/// off, else by what systemd says of the kernel's clock. The kernel itself is not asked: a service
/// that may read its clock state may set the clock as well.
struct ClockState {
    subject: Arc<Subject>,
    exec: Exec,
    chrony: Vec<String>,
    systemd: Vec<String>,
}

/// What is known of the clock.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    synchronized: bool,
    offset_ms: Option<f64>,
    stratum: Option<f64>,
    by: Option<String>,
}

impl Collect for ClockState {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let handle =
            Handle::try_current().map_err(|error| CollectError::Transient(error.to_string()))?;
        let mut failed = None;
        for (argv, read) in [
            (&self.chrony, chrony as fn(&str) -> Option<Kept>),
            (&self.systemd, systemd),
        ] {
            match handle.block_on(self.exec.run(argv, TIME)) {
                Ok(output) => {
                    let text = String::from_utf8_lossy(&output.stdout);
                    if let Some(kept) = read(&text).filter(|_| output.code == Some(0)) {
                        return Ok(vec![self.reading(&kept)]);
                    }
                }
                Err(ExecError::Absent(_)) => {}
                Err(error) => failed = Some(CollectError::Transient(error.to_string())),
            }
        }
        let none = "neither chronyc nor timedatectl tells of the clock";
        Err(failed.unwrap_or_else(|| CollectError::Lacking(none.to_owned())))
    }
}

impl ClockState {
    fn reading(&self, kept: &Kept) -> Reading {
        Reading::new(&self.subject)
            .with(&SYNCHRONIZED, kept.synchronized)
            .with_known(&OFFSET, kept.offset_ms)
            .with_known(&STRATUM, kept.stratum)
            .with_known(&SERVICE, kept.by.as_deref())
    }
}

/// `chronyc -c tracking`: reference, name, stratum, time, offset in seconds, …, leap status.
fn chrony(text: &str) -> Option<Kept> {
    let cells: Vec<&str> = text.trim().split(',').collect();
    let &[reference, name, stratum, _, offset, .., leap] = cells.as_slice() else {
        return None;
    };
    let synchronized = leap != "Not synchronised" && reference != "00000000";
    let offset: f64 = offset.parse().ok()?;
    let from = if name.is_empty() { "nothing" } else { name };
    Some(Kept {
        synchronized,
        offset_ms: Some(offset * 1000.0).filter(|_| synchronized),
        stratum: stratum.parse().ok().filter(|_| synchronized),
        by: Some(format!("chrony from {from}")),
    })
}

/// `timedatectl show`: one property a line.
fn systemd(text: &str) -> Option<Kept> {
    let of = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    let by = (of("NTP") == Some("yes")).then(|| "systemd-timesyncd or the like".to_owned());
    Some(Kept {
        synchronized: of("NTPSynchronized")? == "yes",
        by,
        ..Kept::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::{plain, sample};
    use crate::host::Clock;
    use crate::model::Value;
    use std::fs;

    const CHRONY: &str = "C0248F97,time.example.org,2,1767323045.123,-0.000251000,0.000012,\
                          0.0002,-3.1,0.001,0.05,0.012,0.0009,64.5,Normal\n";
    const LOST: &str = "00000000,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised\n";
    const SYSTEMD: &str = "Timezone=Europe/Berlin\nLocalRTC=no\nCanNTP=yes\nNTP=yes\n\
                           NTPSynchronized=yes\n";

    #[test]
    fn who_keeps_the_clock_says_how_well() {
        let kept = chrony(CHRONY).unwrap();
        assert!(kept.synchronized);
        assert_eq!(kept.offset_ms, Some(-0.251));
        assert_eq!(kept.stratum, Some(2.0));
        assert_eq!(kept.by.unwrap(), "chrony from time.example.org");
        let lost = chrony(LOST).unwrap();
        assert_eq!((lost.synchronized, lost.offset_ms), (false, None));
        assert!(systemd(SYSTEMD).unwrap().synchronized);
        let idle = systemd("NTP=no\nNTPSynchronized=no\n").unwrap();
        assert_eq!((idle.synchronized, idle.by), (false, None));
        for text in [
            "",
            "506 Cannot talk to daemon",
            "a,b,c,d,no number,e,Normal",
        ] {
            assert_eq!(chrony(text), None, "{text}");
            assert_eq!(systemd(text), None, "{text}");
        }
    }

    async fn ask(host: &Host) -> Result<Vec<Reading>, CollectError> {
        sample(plain(ENTRY, host)).await.1
    }

    #[tokio::test]
    async fn chrony_is_asked_first_and_nobody_has_to_be_there() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("exec")).unwrap();
        let put = |call: &str, text: &str| {
            fs::write(dir.path().join("exec").join(call), text).unwrap();
        };
        let mut host = Host::captured(dir.path(), Clock::Real);
        assert!(matches!(ask(&host).await, Err(CollectError::Lacking(_))));
        put("timedatectl show", &format!("0\n{SYSTEMD}"));
        put("chronyc -c tracking", "1\n506 Cannot talk to daemon\n");
        let readings = ask(&host).await.unwrap();
        assert_eq!(readings[0].value("offset_ms"), None);
        put("chronyc -c tracking", &format!("0\n{CHRONY}"));
        let readings = ask(&host).await.unwrap();
        assert_eq!(readings[0].value("synchronized"), Some(&Value::Flag(true)));
        assert_eq!(readings[0].value("offset_ms"), Some(&Value::Number(-0.251)));
        host.exec = Exec::Real;
        let broken = ("chronyc".to_owned(), vec!["/proc/version".to_owned()]);
        let none = ("timedatectl".to_owned(), vec!["homewatch-none".to_owned()]);
        host.commands = Arc::new([broken, none].into());
        assert!(matches!(ask(&host).await, Err(CollectError::Transient(_))));
        let mut clock = plain(ENTRY, &host);
        let outside = std::thread::scope(|scope| scope.spawn(|| clock.sample()).join());
        assert!(matches!(outside.unwrap(), Err(CollectError::Transient(_))));
    }
}
