//! What a tick costs with 300 processes.

use std::collections::BTreeMap;
use std::time::Duration;

use homewatch::bus::{Bus, Event, Heard, State};
use homewatch::collect;
use homewatch::config::Problems;
use homewatch::host::{Clock, Host};
use homewatch::meter::Meters;
use homewatch::power::{Activity, Curve, Setup, Terms};
use homewatch::store::Store;
use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::tree::Tree;

/// What power needs of the collectors.
const WANTED: [&str; 8] = [
    "cpu",
    "processes",
    "disk_io",
    "network",
    "rapl",
    "sensors",
    "battery",
    "nvidia",
];
const TICKS: u32 = 200;
const PROCESSES: usize = 300;

fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

pub fn print() {
    println!("\ncost of a tick of 10 s (goal 0.1 % of a core: 10 ms)");
    let mut children: Vec<_> = (0..PROCESSES)
        .filter_map(|_| std::process::Command::new("sleep").arg("600").spawn().ok())
        .collect();
    let spent = runtime().block_on(ticks(Host::real(), || {}));
    let name = format!(
        "this machine's /proc with {} processes more",
        children.len()
    );
    line(&name, spent);
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut tree = Tree::new(PROCESSES, 40);
    let clock = Clock::set_to("2026-01-02T03:04:05Z".parse().unwrap());
    let host = Host::captured(tree.path(), clock);
    let spent = runtime().block_on(ticks(host, || tree.work()));
    let name = format!("a simulated one: {PROCESSES} processes at work in 40 services");
    line(&name, spent);
}

fn line(name: &str, spent: f64) {
    println!(
        "  {name:<58} {:7.3} ms, {:.4} %",
        spent * 1e3,
        spent / 10.0 * 100.0
    );
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
}

/// Seconds of processor time a tick; `work` goes on between ticks and does not count.
async fn ticks(host: Host, mut work: impl FnMut()) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let entries = collect::ENTRIES.iter();
    let entries: Vec<_> = entries
        .filter(|entry| WANTED.contains(&entry.name))
        .copied()
        .collect();
    let tables = BTreeMap::new();
    let mut slots = collect::build_from(&entries, &host, &tables, &Problems::default());
    slots.push(Meters::new(&[]).slot());
    let activity = Activity::default();
    // As if a meter had taught what they draw.
    activity.want_disks();
    slots.push(collect::services(&host, &[], activity.clone()));
    let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
    let mut listener = bus.listen();
    let cancel = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let setup = Setup {
        curve: Some(Curve {
            idle_w: 20.0,
            max_w: 70.0,
        }),
        activity,
        terms: Terms {
            services: 10,
            processes: 10,
            ..Terms::default()
        },
        ..Setup::default()
    };
    let run = homewatch::power::run(setup, bus.clone(), store, cancel.clone());
    tasks.spawn(async move { drop(run.await) });
    let tick = Duration::from_secs(10);
    tasks.spawn(collect::run(slots, host, bus, tick, cancel.clone()));
    let (mut begun, mut apart) = (0.0, 0.0);
    let mut heard = 0;
    while heard < TICKS + 10 {
        if let Heard::Event(Event::Batch(batch, _)) = listener.next().await
            && batch.outcomes.iter().any(|one| one.collector == "cpu")
        {
            heard += 1;
            let before = processor_time();
            work();
            let after = processor_time();
            apart += after - before;
            if heard == 10 {
                (begun, apart) = (after, 0.0);
            }
        }
    }
    let spent = processor_time() - begun - apart;
    cancel.cancel();
    spent / f64::from(TICKS)
}
