//! Figures of the watch over the machine's health:
//! `cargo bench --bench health [-- [cost] [drives] [fleet] [plain] [MACHINES] [--captures FOLDER] [--seed N]
//! [--fault NAME] [--machine N]]`
//!
//! `cost` is what the collectors cost, `drives` how the verdict on disks fares, `fleet` how what is
//! foretold does on machines that age, each for two years (100 without a fault); all of them unless
//! some are named; `plain` is a second fleet of other making. `--captures` takes a folder of smartctl's
//! answers (`smartctl --json -a`).
//! `--seed` makes another fleet, `--fault` plants that fault alone (`none`: only the machines without a
//! fault), `--machine` lets that one alone live and tells its story.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::format_push_string,
    clippy::large_futures,
    missing_docs,
    unreachable_pub,
    reason = "a program that measures"
)]

mod cost;
mod drives;
mod fleet;

use std::path::Path;
use std::time::Instant;

use fleet::{Fault, Machine, Plain, Story};

/// Minutes between two looks; the service looks every minute.
const STEP: f64 = 10.0;
const YEARS: f64 = 2.0;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let words = ["cost", "drives", "fleet", "plain"];
    let named = arguments.iter().any(|one| words.contains(&one.as_str()));
    let wants = |word: &str| !named || arguments.iter().any(|argument| argument == word);
    let machines = arguments.windows(2).rev().find_map(|pair| match pair {
        [before, number] if !before.starts_with("--") => number.parse().ok(),
        _ => None,
    });
    let machines: u64 = machines.unwrap_or(100);
    if wants("cost") {
        cost::print();
    }
    if wants("drives") {
        drives::fleet();
    }
    let folder = arguments.iter().position(|one| one == "--captures");
    if let Some(folder) = folder.and_then(|place| arguments.get(place + 1)) {
        drives::captures(Path::new(folder));
    }
    if wants("fleet") {
        let fleet = Fleet::of(&arguments, machines);
        fleet.planted();
        fleet.mended();
        fleet.healthy();
    }
    if wants("plain") {
        Fleet::of(&arguments, machines).plain();
    }
}

/// The word behind an option.
fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let place = arguments.iter().position(|one| one == name)?;
    arguments.get(place + 1).map(String::as_str)
}

/// Which machines live.
struct Fleet {
    /// What the random numbers of all of them begin with.
    seed: u64,
    /// How many without a fault; a fifth of it with each fault.
    machines: u64,
    /// With which faults.
    faults: Vec<Fault>,
    /// Whether any are without.
    healthy: bool,
    /// The only one that lives.
    alone: Option<u64>,
}

impl Fleet {
    fn of(arguments: &[String], machines: u64) -> Self {
        let number = |name| option(arguments, name).map(|word| word.parse().unwrap());
        let fault = option(arguments, "--fault");
        let wants = |one: &Fault| fault.is_none_or(|name| format!("{one:?}") == name);
        Self {
            seed: number("--seed").unwrap_or(0),
            machines,
            faults: Fault::ALL.into_iter().filter(wants).collect(),
            healthy: fault.is_none_or(|name| name == "none"),
            alone: number("--machine"),
        }
    }

    fn seeds(&self, count: u64) -> impl Iterator<Item = u64> {
        let alone = self.alone;
        (0..count).filter(move |one| alone.is_none_or(|alone| alone == *one))
    }

    fn shows(&self) -> bool {
        self.alone.is_some() || std::env::var_os("HEALTH_BENCH_SHOW").is_some()
    }

    fn planted(&self) {
        let each = self.machines.div_ceil(5);
        println!("planted failures, {each} machines each:");
        for fault in &self.faults {
            let make = |seed| Machine::new(seed, Some(*fault)).live(900.0, STEP);
            self.plant(*fault, each, make);
        }
    }

    /// How failures of one kind were told, each of which `live` makes from a seed.
    fn plant(&self, fault: Fault, each: u64, live: impl Fn(u64) -> Story) {
        let (mut failed, mut announced) = (0, 0);
        let (mut leads, mut late, mut others) = (Vec::new(), Vec::new(), 0);
        let need = f64::from(fault.kind().lead_days());
        for seed in self.seeds(each) {
            let story = live(self.seed + seed + 1_000);
            others += story.false_alarms.len();
            if self.shows() {
                println!("   {seed}: {story:?}");
            }
            let Some(at) = story.failed else { continue };
            failed += 1;
            let lead = story.announced.map(|told| at - told);
            announced += u32::from(lead.is_some());
            leads.extend(lead);
            if lead.is_none_or(|lead| lead < need) {
                late.push((seed, lead.map(f64::round)));
            }
        }
        leads.sort_by(f64::total_cmp);
        let (least, middle) = (leads.first(), leads.get(leads.len() / 2));
        println!(
            "  {fault:?}: failed {failed}, announced {announced}, at least {need:.0} days before \
             {}; days before: least {:.1}, middle {:.1}; false alarms {others}; \
             missed or late: {late:?}",
            failed - late.len(),
            least.unwrap_or(&f64::NAN),
            middle.unwrap_or(&f64::NAN),
        );
    }

    /// What is mended before it fails: how long until that is understood.
    fn mended(&self) {
        let each = self.machines.div_ceil(10);
        println!("mended before they fail, {each} machines each:");
        for fault in &self.faults {
            self.mend(*fault, each);
        }
    }

    fn mend(&self, fault: Fault, each: u64) {
        let (mut announced, mut others) = (0, 0);
        let (mut after, mut stale) = (Vec::new(), Vec::new());
        for seed in self.seeds(each) {
            let story = Machine::mended(self.seed + seed + 5_000, fault).live(700.0, STEP);
            others += story.false_alarms.len();
            if self.shows() {
                println!("   {seed}: {story:?}");
            }
            let Some(at) = story.mended.filter(|_| story.announced.is_some()) else {
                continue;
            };
            announced += 1;
            let took = story.withdrawn.map(|then| then - at);
            after.extend(took);
            if took.is_none_or(|took| took > 14.0) {
                stale.push(seed);
            }
        }
        after.sort_by(f64::total_cmp);
        let (middle, most) = (after.get(after.len() / 2), after.last());
        println!(
            "  {fault:?}: announced {announced}; withdrawn after days: middle {:.1}, most {:.1}; \
             false alarms {others}; stale for more than 14 days: {stale:?}",
            middle.unwrap_or(&f64::NAN),
            most.unwrap_or(&f64::NAN),
        );
    }

    /// The second fleet: what is planted over a year, and what comes within ninety days of data.
    fn plain(&self) {
        for (short, days) in [(false, 600.0), (true, 90.0)] {
            println!("plain machines, {days:.0} days of data at most:");
            for fault in &self.faults {
                let live = |seed| Plain::new(seed, Some(*fault), short).live(days, STEP);
                self.plant(*fault, self.machines.div_ceil(2), live);
            }
            if self.healthy {
                self.well(|seed| Plain::new(seed, None, short).live(days, STEP));
            }
        }
    }

    fn healthy(&self) {
        if self.healthy {
            self.well(|seed| Machine::new(seed, None).live(YEARS * 365.0, STEP));
        }
    }

    /// What is told of machines without a fault, each of which `live` makes from a seed.
    fn well(&self, live: impl Fn(u64) -> Story) {
        let machines = self.machines;
        let (mut alarms, mut years) = (Vec::new(), 0.0);
        let begun = Instant::now();
        for seed in self.seeds(machines) {
            let story = live(self.seed + seed + 1);
            years += story.days / 365.0;
            alarms.extend(story.false_alarms.into_iter().map(|alarm| (seed, alarm)));
        }
        println!(
            "healthy: {machines} machines, {years:.0} years: {} false alarms, {:.3} a year a machine \
         ({:.2} s a machine and year)",
            alarms.len(),
            alarms.len() as f64 / years,
            begun.elapsed().as_secs_f64() / years,
        );
        for kind in Fault::ALL.map(Fault::kind) {
            let of = alarms.iter().filter(|(_, (one, ..))| *one == kind);
            println!("  {}: {}", kind.as_str(), of.count());
        }
        if self.shows() {
            for alarm in alarms {
                println!("   {alarm:?}");
            }
        }
    }
}
