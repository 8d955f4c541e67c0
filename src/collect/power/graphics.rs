//! Who uses graphics cards: by what the kernel's drivers tell of each open card (`amdgpu`, `i915`,
//! and others that write `drm-engine-…`, `xe` that writes `drm-cycles-…`), and by NVIDIA's own
//! program.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::collect::frame;
use crate::collect::read::figure;
use crate::collect::{Collect, CollectError, Slot};
use crate::host::{Exec, ExecError, Host, Process, Root};
use crate::model::Reading;
use crate::power::{Activity, Owner, Use};

/// Which files a process has open is looked up at its second look and then once in so many.
const AGAIN: u32 = 30;
/// How long NVIDIA's program may take.
const TIME: Duration = frame::PATIENCE;
/// It watches for a second itself, and costs some hundredths of a second of processor time.
const PERIOD: Duration = Duration::from_secs(30);

/// The time that each process had on graphics cards.
pub(super) struct Graphics {
    root: Root,
    looks: u32,
    is_here: bool,
    at: Option<Instant>,
    known: HashMap<(u32, u64), Client>,
}

#[derive(Default)]
struct Client {
    looks: u32,
    /// Its open cards.
    files: Vec<String>,
    /// What it has had so far of each engine of each card.
    had: HashMap<String, Had>,
}

/// What a client has had of an engine: time, or cycles of all that there were meanwhile.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Had {
    Nanoseconds(f64),
    Cycles { own: f64, all: f64 },
}

impl Had {
    /// The share of an engine's time since `before`, `lap` seconds ago.
    fn share_since(self, before: Self, lap: f64) -> f64 {
        let (own, all) = match (before, self) {
            (Self::Nanoseconds(before), Self::Nanoseconds(now)) => (now - before, lap * 1e9),
            (Self::Cycles { own, all }, Self::Cycles { own: now, all: end }) => {
                (now - own, end - all)
            }
            (Self::Nanoseconds(_) | Self::Cycles { .. }, _) => (0.0, 0.0),
        };
        if own > 0.0 && all > 0.0 {
            own / all
        } else {
            0.0
        }
    }
}

impl Graphics {
    pub(super) fn new(root: &Root) -> Self {
        Self {
            root: root.clone(),
            looks: 0,
            is_here: false,
            at: None,
            known: HashMap::new(),
        }
    }

    /// How much of a card's time each had since the last look, %, beside what `told` says by
    /// process; `None` without any card. `homes` are the services of `processes`.
    pub(super) fn look(
        &mut self,
        processes: &[Process],
        homes: &[Arc<str>],
        told: &HashMap<u32, f64>,
    ) -> Option<Use> {
        if self.looks.is_multiple_of(AGAIN) {
            self.is_here = has_card(&self.root);
        }
        self.looks = self.looks.wrapping_add(1);
        if !self.is_here && told.is_empty() {
            return None;
        }
        let now = Instant::now();
        let lap = self.at.replace(now).map(|at| now.duration_since(at));
        let lap = lap.map_or(0.0, |lap| lap.as_secs_f64());
        let mut known = HashMap::with_capacity(processes.len());
        let mut used = Use::default();
        for (process, service) in processes.iter().zip(homes) {
            let mut share = told.get(&process.pid).copied().unwrap_or(0.0);
            if self.is_here {
                let key = (process.pid, process.start);
                let mut client = self.known.remove(&key).unwrap_or_default();
                share += client.look(&self.root, process.pid, lap) * 100.0;
                known.insert(key, client);
            }
            if share > 0.0 {
                let owner = Owner {
                    service: service.to_string(),
                    command: process.name.to_string(),
                };
                used.add(owner, share);
            }
        }
        self.known = known;
        Some(used)
    }
}

impl Client {
    /// How much of an engine's time it had since the last look, `lap` seconds ago: 2 if it had all
    /// the time of two.
    fn look(&mut self, root: &Root, pid: u32, lap: f64) -> f64 {
        let is_due = self.looks < 2 || self.looks.wrapping_add(pid).is_multiple_of(AGAIN);
        self.looks = self.looks.wrapping_add(1);
        if is_due {
            self.files = open_cards(root, pid);
        }
        let mut has = HashMap::new();
        for file in &self.files {
            let path = root.proc(&format!("{pid}/fdinfo/{file}"));
            // A card that was closed meanwhile is no fault.
            let text = Root::read(&path).unwrap_or_default();
            // Several files of one client tell the same.
            has.extend(engines(&text));
        }
        let before = std::mem::replace(&mut self.had, has);
        let both = self
            .had
            .iter()
            .filter_map(|(engine, now)| Some((now, *before.get(engine)?)));
        both.map(|(now, before)| now.share_since(before, lap)).sum()
    }
}

fn has_card(root: &Root) -> bool {
    let entries = fs::read_dir(root.sys("class/drm")).into_iter().flatten();
    let mut names = entries.flatten().map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().starts_with("renderD"))
}

fn open_cards(root: &Root, pid: u32) -> Vec<String> {
    let files = fs::read_dir(root.proc(&format!("{pid}/fd")));
    let files = files.into_iter().flatten().flatten();
    let cards = files.filter(|file| {
        let target = fs::read_link(file.path());
        target.is_ok_and(|target| target.starts_with("/dev/dri"))
    });
    let names = cards.filter_map(|file| file.file_name().into_string().ok());
    names.collect()
}

/// What the client that a file belongs to (several files may) has had of each engine, by card,
/// client and engine. Where a driver tells cycles and time, time counts.
fn engines(text: &str) -> HashMap<String, Had> {
    let lines = || text.lines().filter_map(|line| line.split_once(':'));
    let field = |key: &str| {
        let mut lines = lines().filter(|(own, _)| *own == key);
        lines.next().map(|(_, text)| text.trim())
    };
    let number = |text: &str| text.trim().parse().ok().map(figure);
    let Some(client) = field("drm-client-id") else {
        return HashMap::new();
    };
    let card = field("drm-pdev").unwrap_or_default();
    let mut engines = HashMap::new();
    for (key, text) in lines() {
        let cycles = key.strip_prefix("drm-cycles-").and_then(|engine| {
            let all = number(field(&format!("drm-total-cycles-{engine}"))?)?;
            let own = number(text)?;
            Some((engine, Had::Cycles { own, all }))
        });
        let time = key.strip_prefix("drm-engine-").and_then(|engine| {
            let time = number(text.trim().strip_suffix(" ns")?)?;
            Some((engine, Had::Nanoseconds(time)))
        });
        if let Some((engine, had)) = time.or(cycles) {
            let name = format!("{card} {client} {engine}");
            if time.is_some() || !engines.contains_key(&name) {
                engines.insert(name, had);
            }
        }
    }
    engines
}

/// The place in the frame where NVIDIA's program is asked who uses its cards. It publishes
/// nothing itself: what each process used is left in `activity`.
pub fn nvidia_clients(host: &Host, activity: Activity) -> Slot {
    let host = host.clone();
    Slot::new("nvidia_clients", PERIOD, move || {
        let mut argv = host.command("nvidia-smi");
        argv.extend(["pmon", "-c", "1", "-s", "u"].map(str::to_owned));
        Box::new(Clients {
            root: host.root.clone(),
            exec: host.exec.clone(),
            argv,
            activity: activity.clone(),
        })
    })
}

struct Clients {
    root: Root,
    exec: Exec,
    argv: Vec<String>,
    activity: Activity,
}

impl Collect for Clients {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        self.activity.leave_clients(HashMap::new());
        if !self.root.proc("driver/nvidia").exists() {
            return Err(CollectError::Absent("no NVIDIA driver".to_owned()));
        }
        // Asking would wake them, and nobody uses one that sleeps.
        if super::nvidia::all_sleep(&self.root) {
            return Ok(Vec::new());
        }
        let handle =
            Handle::try_current().map_err(|error| CollectError::Transient(error.to_string()))?;
        let output = match handle.block_on(self.exec.run(&self.argv, TIME)) {
            Ok(output) => output,
            Err(ExecError::Absent(_)) => {
                return Err(CollectError::Absent("no nvidia-smi".to_owned()));
            }
            Err(error) => return Err(CollectError::Transient(error.to_string())),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        self.activity.leave_clients(clients(&text));
        Ok(Vec::new())
    }
}

/// What `nvidia-smi pmon` tells: the use of shaders, encoder and decoder by process, %.
fn clients(text: &str) -> HashMap<u32, f64> {
    let mut columns: Vec<&str> = Vec::new();
    let mut used = HashMap::new();
    for line in text.lines() {
        if let Some(head) = line.trim_start().strip_prefix('#') {
            // The first line names them, the second tells their units.
            if columns.is_empty() {
                columns = head.split_ascii_whitespace().collect();
            }
            continue;
        }
        let cells: Vec<_> = line.split_ascii_whitespace().collect();
        let cell = |name: &str| {
            let place = columns.iter().position(|column| *column == name)?;
            cells.get(place).copied()
        };
        let Some(pid) = cell("pid").and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        // Those that did nothing have a dash.
        let shares = ["sm", "enc", "dec"].map(|name| cell(name)?.parse::<u32>().ok());
        let share: f64 = shares.into_iter().flatten().map(f64::from).sum();
        *used.entry(pid).or_insert(0.0) += share;
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::put;
    use std::os::unix::fs::symlink;

    fn process(pid: u32, name: &str) -> Process {
        Process {
            pid,
            start: 1,
            name: name.into(),
            ticks: 0,
            pages: 0,
            core: None,
        }
    }

    fn card(time: u64) -> String {
        format!(
            "pos: 0\ndrm-driver: i915\ndrm-client-id: 7\ndrm-pdev: 0000:00:02.0\n\
             drm-engine-render: {time} ns\ndrm-engine-video: 0 ns\ndrm-engine-capacity-video: 2\n"
        )
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_a_card_open_is_told_by_the_time_of_its_engines() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let root = Root::new(dir.join("proc"), dir.join("sys"), dir.join("root"));
        let all = [process(5, "ffmpeg"), process(6, "sh")];
        let homes = ["jellyfin".into(), "".into()];
        let nobody = HashMap::new();
        assert_eq!(Graphics::new(&root).look(&all, &homes, &nobody), None);
        fs::create_dir_all(dir.join("sys/class/drm/renderD128")).unwrap();
        fs::create_dir_all(dir.join("proc/5/fd")).unwrap();
        // Two files of one client, and one that is no card.
        for (file, target) in [
            ("3", "/dev/dri/renderD128"),
            ("4", "/dev/dri/renderD128"),
            ("5", "/dev/null"),
        ] {
            symlink(target, dir.join(format!("proc/5/fd/{file}"))).unwrap();
        }
        for file in ["3", "4"] {
            put(dir, &format!("proc/5/fdinfo/{file}"), &card(1_000_000_000));
        }
        let mut graphics = Graphics::new(&root);
        assert_eq!(graphics.look(&all, &homes, &nobody), Some(Use::default()));
        tokio::time::advance(Duration::from_secs(10)).await;
        for file in ["3", "4"] {
            put(dir, &format!("proc/5/fdinfo/{file}"), &card(6_000_000_000));
        }
        let used = graphics.look(&all, &homes, &nobody).unwrap();
        assert!((used.services["jellyfin"] - 50.0).abs() < 1e-9);
        assert!((used.total - 50.0).abs() < 1e-9);
        // Beside what NVIDIA's program says; a counter that goes back is no use.
        tokio::time::advance(Duration::from_secs(10)).await;
        for file in ["3", "4"] {
            put(dir, &format!("proc/5/fdinfo/{file}"), &card(1));
        }
        let told = HashMap::from([(6, 30.0), (99, 70.0)]);
        let used = graphics.look(&all, &homes, &told).unwrap();
        assert!((used.total - 30.0).abs() < 1e-9);
        assert_eq!(used.processes.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn cycles_are_a_share_of_all_that_there_were() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let root = Root::new(dir.join("proc"), dir.join("sys"), dir.join("root"));
        fs::create_dir_all(dir.join("sys/class/drm/renderD128")).unwrap();
        fs::create_dir_all(dir.join("proc/5/fd")).unwrap();
        symlink("/dev/dri/renderD128", dir.join("proc/5/fd/3")).unwrap();
        let say = |rcs: u64, vcs: u64, all: u64| {
            let text = format!(
                "drm-driver:\txe\ndrm-client-id:\t9\ndrm-pdev:\t0000:03:00.0\n\
                 drm-cycles-rcs:\t{rcs}\ndrm-total-cycles-rcs:\t{all}\n\
                 drm-cycles-vcs:\t{vcs}\ndrm-total-cycles-vcs:\t{all}\n\
                 drm-engine-capacity-vcs:\t2\ndrm-cycles-ccs:\t5\n"
            );
            put(dir, "proc/5/fdinfo/3", &text);
        };
        let (all, homes) = ([process(5, "ffmpeg")], ["jellyfin".into()]);
        let mut graphics = Graphics::new(&root);
        let mut look = || graphics.look(&all, &homes, &HashMap::new()).unwrap();
        say(1_000, 0, 50_000);
        assert_eq!(look(), Use::default());
        tokio::time::advance(Duration::from_secs(10)).await;
        say(3_000, 4_000, 60_000);
        assert!((look().services["jellyfin"] - 60.0).abs() < 1e-9);
        // A card that sleeps has no cycles at all, and one that was reset begins anew.
        tokio::time::advance(Duration::from_secs(10)).await;
        say(3_000, 4_000, 60_000);
        assert_eq!(look(), Use::default());
        say(1, 1, 2);
        assert_eq!(look(), Use::default());
    }

    #[test]
    fn time_goes_before_cycles_and_one_never_becomes_the_other() {
        for text in [
            "drm-client-id: 1\ndrm-cycles-a: 5\ndrm-total-cycles-a: 9\ndrm-engine-a: 7 ns\n",
            "drm-client-id: 1\ndrm-engine-a: 7 ns\ndrm-cycles-a: 5\ndrm-total-cycles-a: 9\n",
        ] {
            let had = engines(text);
            assert_eq!(had.get(" 1 a"), Some(&Had::Nanoseconds(7.0)));
        }
        let cycles = Had::Cycles { own: 5.0, all: 9.0 };
        assert!(cycles.share_since(Had::Nanoseconds(1.0), 10.0) < 1e-9);
    }

    #[test]
    fn the_program_s_table_is_read_by_its_heads() {
        let text = "# gpu         pid   type     sm    mem    enc    dec    jpg    ofa    command\n\
                    # Idx           #    C/G      %      %      %      %      %      %    name\n\
                    \x20   0       1234     C     45     12      -      5      -      -    ollama\n\
                    \x20   1       1234     C     10     12      -      -      -      -    ollama\n\
                    \x20   0          -     -      -      -      -      -      -      -    -\n\
                    \x20   0       4242     G\n";
        let want = HashMap::from([(1234, 60.0), (4242, 0.0)]);
        assert_eq!(clients(text), want);
        assert!(clients("Failed to initialize NVML\n").is_empty());
        assert!(engines("pos: 0\n").is_empty());
    }

    #[tokio::test]
    async fn the_program_is_asked_where_there_is_a_driver_that_is_awake() {
        let dir = tempfile::tempdir().unwrap();
        let clock = crate::host::Clock::set_to(jiff::Timestamp::UNIX_EPOCH);
        let host = Host::captured(dir.path(), clock);
        let activity = Activity::default();
        let clients = Clients {
            root: host.root.clone(),
            exec: host.exec.clone(),
            argv: vec!["nvidia-smi".to_owned(), "pmon".to_owned()],
            activity: activity.clone(),
        };
        let ask = |clients: Clients| {
            let asked = tokio::task::spawn_blocking(move || {
                let mut clients = clients;
                let told = clients.sample();
                (clients, told)
            });
            async { asked.await.unwrap() }
        };
        let (back, told) = ask(clients).await;
        assert!(matches!(told, Err(CollectError::Absent(_))));
        fs::create_dir_all(dir.path().join("proc/driver/nvidia")).unwrap();
        let (back, told) = ask(back).await;
        assert!(told.is_err(), "the program is not there");
        let state = "sys/bus/pci/drivers/nvidia/0000:01:00.0/power/runtime_status";
        put(dir.path(), state, "suspended\n");
        let (back, told) = ask(back).await;
        assert!(told.unwrap().is_empty());
        drop(back);
        assert!(activity.clients().is_empty());
    }
}
