use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::chip::Chip;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Exec, ExecError, Host, Root};
use crate::model::{Area, FlagMeaning, Metric, Reading, Subject};

static UNDER_VOLTAGE: Metric = Metric::flag("under_voltage", "Under-voltage", FlagMeaning::Problem);
static CAPPED: Metric =
    Metric::flag("frequency_capped", "Frequency capped", FlagMeaning::Problem).diagnostic();
static THROTTLED: Metric = Metric::flag("throttled", "Throttled", FlagMeaning::Problem);
static SOFT_LIMIT: Metric = Metric::flag(
    "soft_temperature_limit",
    "Soft temperature limit",
    FlagMeaning::Problem,
)
.diagnostic();
static WAS_UNDER_VOLTAGE: Metric = Metric::flag(
    "under_voltage_since_boot",
    "Under-voltage since boot",
    FlagMeaning::Problem,
)
.diagnostic();
static WAS_CAPPED: Metric = Metric::flag(
    "frequency_capped_since_boot",
    "Frequency capped since boot",
    FlagMeaning::Problem,
)
.hidden();
static WAS_THROTTLED: Metric = Metric::flag(
    "throttled_since_boot",
    "Throttled since boot",
    FlagMeaning::Problem,
)
.diagnostic();
static WAS_AT_SOFT_LIMIT: Metric = Metric::flag(
    "soft_temperature_limit_since_boot",
    "Soft temperature limit since boot",
    FlagMeaning::Problem,
)
.hidden();

/// The firmware's bits and what they say (its documentation of `get_throttled`).
static BITS: [(u32, &Metric); 8] = [
    (0, &UNDER_VOLTAGE),
    (1, &CAPPED),
    (2, &THROTTLED),
    (3, &SOFT_LIMIT),
    (16, &WAS_UNDER_VOLTAGE),
    (17, &WAS_CAPPED),
    (18, &WAS_THROTTLED),
    (19, &WAS_AT_SOFT_LIMIT),
];

pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "raspberry_pi",
    period: Duration::ZERO,
    build,
};

/// Where the kernel of Raspberry Pi OS shows the firmware's bits, in hexadecimal.
const FILE: &str = "devices/platform/soc/soc:firmware/get_throttled";
/// How long the firmware's own program may take.
const TIME: Duration = Duration::from_secs(2);
/// What lets homewatch ask the firmware.
const REMEDY: &str = "packaging/raspberry-pi.conf lets the service ask the firmware; without \
                      systemd: sudo usermod -aG video homewatch";

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    let mut argv = host.command("vcgencmd");
    argv.push("get_throttled".to_owned());
    Box::new(RaspberryPi {
        subject: Subject::of_host(Area::Health, "raspberry-pi", "Raspberry Pi"),
        root: host.root.clone(),
        exec: host.exec.clone(),
        argv,
    })
}

/// What the firmware of a Raspberry Pi says of its supply and of slowing itself down: from the
/// kernel, else from `vcgencmd`, else the kernel's alarm for under-voltage alone.
struct RaspberryPi {
    subject: Arc<Subject>,
    root: Root,
    exec: Exec,
    argv: Vec<String>,
}

impl Collect for RaspberryPi {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let board = Root::read_trimmed(&self.root.proc("device-tree/model"));
        if !board.is_some_and(|board| board.starts_with("Raspberry Pi")) {
            return Err(CollectError::Absent("no Raspberry Pi".to_owned()));
        }
        let mut reading = Reading::new(&self.subject);
        let told = Root::read_trimmed(&self.root.sys(FILE));
        let bits = match told.as_deref().and_then(hexadecimal) {
            Some(bits) => Ok(bits),
            None => self.ask(),
        };
        match (bits, self.alarm()) {
            (Ok(bits), _) => {
                for (bit, metric) in BITS {
                    reading.push(metric, Some(bits >> bit & 1 == 1));
                }
            }
            (Err(_), Some(alarm)) => reading.push(&UNDER_VOLTAGE, Some(alarm)),
            (Err(error), None) => return Err(error),
        }
        Ok(vec![reading])
    }
}

impl RaspberryPi {
    fn ask(&self) -> Result<u32, CollectError> {
        let handle =
            Handle::try_current().map_err(|error| CollectError::Transient(error.to_string()))?;
        let output = match handle.block_on(self.exec.run(&self.argv, TIME)) {
            Ok(output) => output,
            Err(ExecError::Absent(_)) => {
                let text = "neither the kernel nor vcgencmd tells throttling";
                return Err(CollectError::Absent(text.to_owned()));
            }
            Err(error) => return Err(CollectError::Transient(error.to_string())),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let word = text.trim().strip_prefix("throttled=");
        word.and_then(hexadecimal).ok_or_else(|| {
            let said: String = text.trim().chars().take(100).collect();
            CollectError::Broken(format!("vcgencmd says \"{said}\"; {REMEDY}"))
        })
    }

    /// Whether the kernel's driver has seen an under-voltage since it last looked, two seconds ago.
    fn alarm(&self) -> Option<bool> {
        let chips = Chip::all(&self.root)?;
        let chip = chips.iter().find(|chip| chip.name == "rpi_volt")?;
        let path = format!("{}/in0_lcrit_alarm", chip.dir());
        Some(Root::read_trimmed(&self.root.sys(&path))? == "1")
    }
}

/// `0x50005`, or the same without `0x`.
fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::{plain, sample};
    use crate::host::Clock;
    use crate::host::testing::put;
    use crate::model::Value;
    use std::fs;

    /// The figures of a board that are true, or why there are none.
    async fn ask(host: &Host) -> Result<Vec<&'static str>, CollectError> {
        let readings = sample(plain(ENTRY, host)).await.1?;
        let values = readings[0].values.iter();
        let set = values.filter(|(_, value)| *value == Value::Flag(true));
        Ok(set.map(|(metric, _)| metric.key).collect())
    }

    #[tokio::test]
    async fn the_firmware_is_heard_by_the_kernel_its_program_or_the_alarm() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let host = Host::captured(dir, Clock::Real);
        let absent = |result| matches!(result, Err(CollectError::Absent(_)));
        assert!(absent(ask(&host).await));
        put(dir, "proc/device-tree/model", "Raspberry Pi 4 Model B\0");
        assert!(absent(ask(&host).await));
        let alarm = "sys/class/hwmon/hwmon1/in0_lcrit_alarm";
        put(dir, "sys/class/hwmon/hwmon1/name", "rpi_volt");
        assert!(absent(ask(&host).await), "no such file");
        put(dir, alarm, "1\n");
        assert_eq!(ask(&host).await.unwrap(), ["under_voltage"]);
        let program = "exec/vcgencmd get_throttled";
        put(dir, program, "0\nthrottled=0x50005\n");
        let all = [
            "under_voltage",
            "throttled",
            "under_voltage_since_boot",
            "throttled_since_boot",
        ];
        assert_eq!(ask(&host).await.unwrap(), all);
        let file = format!("sys/{FILE}");
        put(dir, &file, "0\n");
        assert_eq!(ask(&host).await.unwrap(), [""; 0]);
        put(dir, &file, "?\n");
        put(dir, program, "255\nVCHI initialization failed\n");
        fs::remove_file(dir.join(alarm)).unwrap();
        let text = ask(&host).await.unwrap_err().to_string();
        let told = text.contains("VCHI") && text.contains("packaging/raspberry-pi.conf");
        assert!(told, "{text}");
    }

    #[tokio::test]
    async fn a_program_that_cannot_be_run_is_told() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "proc/device-tree/model", "Raspberry Pi 5");
        let mut host = Host::captured(dir.path(), Clock::Real);
        host.exec = Exec::Real;
        let program = ("vcgencmd".to_owned(), vec!["/proc/version".to_owned()]);
        host.commands = Arc::new([program].into());
        assert!(matches!(ask(&host).await, Err(CollectError::Transient(_))));
        let mut board = plain(ENTRY, &host);
        let outside = std::thread::scope(|scope| scope.spawn(|| board.sample()).join());
        assert!(matches!(outside.unwrap(), Err(CollectError::Transient(_))));
    }
}
