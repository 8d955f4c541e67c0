use std::sync::Arc;
use std::time::Duration;

use crate::collect::rate::growth;
use crate::collect::read::{figure, need, nonsense, percent};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Host, KeptFile, Root};
use crate::model::{Area, Metric, Reading, Subject, Unit};

static USAGE: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent)
    .decimals(1)
    .dead_band(2.0);
static USER: Metric = share("user_pct", "CPU for programs");
static SYSTEM: Metric = share("system_pct", "CPU for the kernel");
static IOWAIT: Metric = share("iowait_pct", "CPU waiting for disks");
static STEAL: Metric = share("steal_pct", "CPU taken by the hypervisor");
static LOAD_1: Metric = load("load_1m", "Load over 1 minute");
static LOAD_5: Metric = load("load_5m", "Load over 5 minutes");
static LOAD_15: Metric = load("load_15m", "Load over 15 minutes");
static CORES: Metric = Metric::gauge("cores", "Logical processors", Unit::None).diagnostic();
static FREQUENCY: Metric = megahertz("frequency_mhz", "CPU frequency");
static SLOWEST: Metric = megahertz("frequency_min_mhz", "Slowest core").hidden();
static FASTEST: Metric = megahertz("frequency_max_mhz", "Fastest core").hidden();
static CORE_USAGE: Metric = Metric::gauge("usage_pct", "Usage", Unit::Percent)
    .decimals(0)
    .dead_band(10.0)
    .hidden();
static CORE_FREQUENCY: Metric = megahertz("frequency_mhz", "Frequency").hidden();

const fn share(key: &'static str, name: &'static str) -> Metric {
    Metric::gauge(key, name, Unit::Percent)
        .decimals(1)
        .dead_band(2.0)
        .diagnostic()
}

const fn load(key: &'static str, name: &'static str) -> Metric {
    Metric::gauge(key, name, Unit::None)
        .decimals(2)
        .dead_band(0.25)
        .diagnostic()
}

const fn megahertz(key: &'static str, name: &'static str) -> Metric {
    Metric::gauge(key, name, Unit::Megahertz)
        .dead_band(250.0)
        .diagnostic()
}

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "cpu",
    period: Duration::ZERO,
    build,
};

fn build(host: &Host, mut section: Section<'_>) -> Box<dyn Collect> {
    let per_core = section.flag("per_core").unwrap_or(false);
    section.finish();
    Box::new(Cpu {
        subject: Subject::of_host(Area::Health, "cpu", "CPU"),
        root: host.root.clone(),
        stat: host.root.keep_proc("stat"),
        load: host.root.keep_proc("loadavg"),
        per_core,
        last: None,
        cores: Vec::new(),
        buffer: Vec::new(),
    })
}

struct Cpu {
    subject: Arc<Subject>,
    root: Root,
    stat: KeptFile,
    load: KeptFile,
    per_core: bool,
    last: Option<Times>,
    cores: Vec<Core>,
    buffer: Vec<u8>,
}

struct Core {
    number: u32,
    /// Only with `per_core`.
    subject: Option<Arc<Subject>>,
    frequency: Option<KeptFile>,
    last: Option<Times>,
    now: Option<Times>,
}

impl Collect for Cpu {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let text = need(&mut self.stat, &mut self.buffer)?;
        let mut lines = text.lines();
        let Some(total) = lines
            .next()
            .and_then(|line| line.strip_prefix("cpu "))
            .and_then(Times::parse)
        else {
            return Err(nonsense(self.stat.path(), "no line \"cpu\""));
        };
        let numbered = lines.map_while(|line| line.strip_prefix("cpu")?.split_once(' '));
        let cores: Vec<(u32, Option<Times>)> = numbered
            .filter_map(|(number, rest)| Some((number.parse().ok()?, Times::parse(rest))))
            .collect();
        let count = cores.len();
        self.meet(cores);
        let shares = self.last.replace(total).and_then(|last| total.since(last));
        let frequencies = self.frequencies();
        let mut reading = Reading::new(&self.subject);
        if let Some(shares) = shares {
            shares.tell(&mut reading);
        }
        let loads = self.load.read(&mut self.buffer).ok().map(parse_loads);
        for (metric, load) in [&LOAD_1, &LOAD_5, &LOAD_15]
            .into_iter()
            .zip(loads.unwrap_or_default())
        {
            reading.push(metric, load);
        }
        reading.push(&CORES, (count > 0).then(|| figure(count as u64)));
        let known: Vec<f64> = frequencies.iter().flatten().copied().collect();
        if !known.is_empty() {
            reading.push(
                &FREQUENCY,
                Some(known.iter().sum::<f64>() / figure(known.len() as u64)),
            );
            reading.push(&SLOWEST, known.iter().copied().reduce(f64::min));
            reading.push(&FASTEST, known.iter().copied().reduce(f64::max));
        }
        let mut readings = vec![reading];
        for (core, frequency) in self.cores.iter_mut().zip(frequencies) {
            let usage = core.usage();
            if let Some(subject) = &core.subject {
                let mut reading = Reading::new(subject);
                reading.push(&CORE_USAGE, usage);
                reading.push(&CORE_FREQUENCY, frequency);
                readings.push(reading);
            }
        }
        Ok(readings)
    }
}

impl Cpu {
    /// Keeps one entry a core that is online, in the kernel's order.
    fn meet(&mut self, cores: Vec<(u32, Option<Times>)>) {
        let same = self.cores.len() == cores.len()
            && self
                .cores
                .iter()
                .zip(&cores)
                .all(|(old, (number, _))| old.number == *number);
        if !same {
            self.cores = cores.iter().map(|(number, _)| self.core(*number)).collect();
        }
        for (core, (_, times)) in self.cores.iter_mut().zip(cores) {
            core.now = times;
        }
    }

    fn core(&self, number: u32) -> Core {
        let path = format!("devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq");
        let has_frequency = self.root.sys(&path).exists();
        let subject = || {
            let id = format!("cpu-core-{number}");
            Subject::of_host(Area::Health, &id, &format!("CPU core {number}"))
        };
        Core {
            number,
            subject: self.per_core.then(subject),
            frequency: has_frequency.then(|| self.root.keep_sys(&path)),
            last: None,
            now: None,
        }
    }

    /// Each core's frequency in MHz, where it is known.
    fn frequencies(&mut self) -> Vec<Option<f64>> {
        let buffer = &mut self.buffer;
        let read = |core: &mut Core| {
            let text = core.frequency.as_mut()?.read(buffer).ok()?;
            let kilohertz: u64 = text.trim().parse().ok()?;
            (kilohertz > 0).then(|| figure(kilohertz) / 1000.0)
        };
        self.cores.iter_mut().map(read).collect()
    }
}

impl Core {
    fn usage(&mut self) -> Option<f64> {
        let now = self.now?;
        let shares = now.since(self.last.replace(now)?)?;
        Some(shares.usage)
    }
}

fn parse_loads(text: &str) -> [Option<f64>; 3] {
    let load = |word: &str| word.parse().ok().filter(|load: &f64| *load >= 0.0);
    let mut words = text.split_ascii_whitespace().map(load);
    std::array::from_fn(|_| words.next().flatten())
}

/// The kernel's accounting of one processor or all, in ticks. Guests are part of `user` and
/// `nice` there, so they are not counted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    user: u64,
    nice: u64,
    system: u64,
    idle: u64,
    iowait: u64,
    irq: u64,
    softirq: u64,
    steal: u64,
}

struct Shares {
    usage: f64,
    user: f64,
    system: f64,
    iowait: f64,
    steal: f64,
}

impl Shares {
    fn tell(&self, reading: &mut Reading) {
        reading.push(&USAGE, Some(self.usage));
        reading.push(&USER, Some(self.user));
        reading.push(&SYSTEM, Some(self.system));
        reading.push(&IOWAIT, Some(self.iowait));
        reading.push(&STEAL, Some(self.steal));
    }
}

impl Times {
    /// Reads the numbers after the name; kernels before 2.6.11 tell fewer.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_ascii_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            user: next()?,
            nice: next()?,
            system: next()?,
            idle: next()?,
            iowait: next().unwrap_or(0),
            irq: next().unwrap_or(0),
            softirq: next().unwrap_or(0),
            steal: next().unwrap_or(0),
        })
    }

    /// What the time since `last` was spent on; `None` if a reset or no time lies between. The
    /// kernel's idle and iowait may step back a little by themselves; that counts as none.
    fn since(self, last: Self) -> Option<Shares> {
        let user = growth(last.user, self.user)? + growth(last.nice, self.nice)?;
        let interrupts = growth(last.irq, self.irq)? + growth(last.softirq, self.softirq)?;
        let system = growth(last.system, self.system)? + interrupts;
        let steal = growth(last.steal, self.steal)?;
        let iowait = self.iowait.saturating_sub(last.iowait);
        let idle = self.idle.saturating_sub(last.idle);
        let busy = user + system + steal;
        let total = busy + iowait + idle;
        Some(Shares {
            usage: percent(busy, total)?,
            user: percent(user, total)?,
            system: percent(system, total)?,
            iowait: percent(iowait, total)?,
            steal: percent(steal, total)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(text: &str) -> Times {
        Times::parse(text).unwrap()
    }

    #[test]
    fn shares_are_of_the_time_between_and_a_reset_gives_none() {
        let old = times("100 0 100 1000 100 0 0 0 50 50");
        let new = times("120 10 120 1040 105 3 2 0 99 99");
        let shares = new.since(old).unwrap();
        assert!((shares.usage - 55.0).abs() < 1e-9);
        assert!((shares.user - 30.0).abs() < 1e-9);
        assert!((shares.system - 25.0).abs() < 1e-9);
        assert!((shares.iowait - 5.0).abs() < 1e-9);
        assert!(old.since(new).is_none(), "reset");
        assert!(new.since(new).is_none(), "no time");
        assert_eq!(Times::parse("1 2 x 4"), None);
        assert_eq!(times("1 2 3 4").steal, 0);
    }

    #[test]
    fn loads_that_are_no_numbers_are_not_known() {
        assert_eq!(
            parse_loads("0.5 x 1.25 1/2 3"),
            [Some(0.5), None, Some(1.25)]
        );
        assert_eq!(parse_loads("-1 nan 0"), [None, None, Some(0.0)]);
        assert_eq!(parse_loads(""), [None; 3]);
    }
}
