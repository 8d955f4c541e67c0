use std::fs;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::collect::card::card;
use crate::collect::frame;
use crate::collect::health::gpu::{self, Figures};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Exec, ExecError, Host, Root};
use crate::model::{Area, Reading, Subject, slug};
use crate::power::metrics::{LIMIT, SENSED, USAGE};
use crate::power::{PowerSample, Scope, SourceKind};

/// The program costs some hundredths of a second of processor time a call.
pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "nvidia",
    period: Duration::from_secs(30),
    build,
};

/// How long an answer may take.
const TIME: Duration = frame::PATIENCE;
/// The figures that are asked for, in order.
const QUERY: &str = "--query-gpu=pci.bus_id,name,power.draw,power.limit,utilization.gpu,uuid,\
                     temperature.gpu,temperature.memory,fan.speed,clocks.gr,clocks.mem,\
                     memory.used,memory.total,clocks_throttle_reasons.active,\
                     ecc.errors.corrected.volatile.total,ecc.errors.uncorrected.volatile.total,\
                     pcie.link.gen.current,pcie.link.width.current";
/// The same for drivers that do not know all of them.
const SHORT: &str = "--query-gpu=pci.bus_id,name,power.draw,power.limit,utilization.gpu";
const FORMAT: &str = "--format=csv,noheader,nounits";
/// What the program says of a figure that it does not know.
const UNKNOWN_FIELD: &str = "is not a valid field";

/// Why a card is slowed down, by bit (NVML's clock event reasons), and whether that is a trouble
/// rather than a limit that is meant.
const REASONS: [(u64, &str, bool); 6] = [
    (0x04, "power limit", false),
    (0x08, "hardware slowdown", true),
    (0x10, "in step with other cards", false),
    (0x20, "too hot", true),
    (0x40, "far too hot", true),
    (0x80, "the supply asks for it", true),
];

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    Box::new(Nvidia {
        root: host.root.clone(),
        exec: host.exec.clone(),
        program: host.command("nvidia-smi"),
        query: QUERY,
        complaint: None,
        known: Vec::new(),
    })
}

/// NVIDIA's graphics cards by their own program, which is called once for their power and their
/// health: `power/gpu-<place>` and `health/gpu-<place>` each. The power is right to ±5 W by its
/// maker's word, and the mean of a second on Ampere and later. While all of them sleep it is not
/// called, since that would wake them; then nothing of them is known.
struct Nvidia {
    root: Root,
    exec: Exec,
    program: Vec<String>,
    query: &'static str,
    /// What the program complained of, though it told of cards.
    complaint: Option<String>,
    /// The cards that were seen last.
    known: Vec<Card>,
}

impl Collect for Nvidia {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        if all_sleep(&self.root) && !self.known.is_empty() {
            for card in &mut self.known {
                card.power = [None; 3];
                card.figures = Figures::default();
            }
        } else {
            self.known = self.ask()?;
        }
        Ok(self.known.iter().flat_map(Card::readings).collect())
    }
}

impl Nvidia {
    fn ask(&mut self) -> Result<Vec<Card>, CollectError> {
        let handle =
            Handle::try_current().map_err(|error| CollectError::Transient(error.to_string()))?;
        let mut argv = self.program.clone();
        argv.extend([self.query.to_owned(), FORMAT.to_owned()]);
        let output = match handle.block_on(self.exec.run(&argv, TIME)) {
            Ok(output) => output,
            Err(ExecError::Absent(_)) => {
                return Err(CollectError::Absent("no nvidia-smi".to_owned()));
            }
            Err(error) => return Err(CollectError::Transient(error.to_string())),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        if output.code != Some(0) && text.contains(UNKNOWN_FIELD) && self.query != SHORT {
            tracing::info!("this nvidia-smi is old: the health of the cards is not told");
            self.query = SHORT;
            return self.ask();
        }
        let (cards, complaint) = cards(output.code, &text)?;
        if complaint.is_some() && complaint != self.complaint {
            let said = complaint.as_deref().unwrap_or_default();
            tracing::warn!("nvidia-smi tells some cards only: {said}");
        }
        self.complaint = complaint;
        Ok(cards)
    }
}

/// The cards of an answer that ended with `code`, and what it complains of besides: one that has fallen
/// off its bus makes the program fail and costs no other its figures.
fn cards(code: Option<i32>, text: &str) -> Result<(Vec<Card>, Option<String>), CollectError> {
    let cards: Vec<_> = text.lines().filter_map(Card::parse).collect();
    if code == Some(0) {
        return if cards.is_empty() {
            Err(CollectError::Lacking("no NVIDIA card".to_owned()))
        } else {
            Ok((cards, None))
        };
    }
    if cards.is_empty() {
        return Err(refused(text));
    }
    let mut others = text.lines().filter(|line| Card::parse(line).is_none());
    let complaint = others.find(|line| !line.trim().is_empty());
    let complaint = complaint.unwrap_or_default().chars().take(200).collect();
    Ok((cards, Some(complaint)))
}

/// Whether all cards sleep, as far as is known.
pub(super) fn all_sleep(root: &Root) -> bool {
    let Ok(entries) = fs::read_dir(root.sys("bus/pci/drivers/nvidia")) else {
        return false;
    };
    let entries = entries
        .flatten()
        .map(|entry| entry.path().join("power/runtime_status"));
    let mut states = entries
        .filter_map(|path| Root::read_trimmed(&path))
        .peekable();
    states.peek().is_some() && states.all(|state| state == "suspended")
}

fn refused(text: &str) -> CollectError {
    let line = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("no word");
    let line: String = line.chars().take(200).collect();
    if line.contains("No devices") {
        return CollectError::Lacking("no NVIDIA card".to_owned());
    }
    let remedy = if line.contains("mismatch") {
        "the driver was updated: restart the machine"
    } else {
        "is the driver loaded?"
    };
    CollectError::Broken(format!("nvidia-smi: {line}; {remedy}"))
}

/// A card as the program tells it.
#[derive(Debug, PartialEq)]
struct Card {
    bus: String,
    name: String,
    /// Power, limit, usage.
    power: [Option<f64>; 3],
    uuid: Option<String>,
    figures: Figures,
}

impl Card {
    /// A line; `[N/A]`, `[Not Supported]` and their kin are not known.
    fn parse(line: &str) -> Option<Self> {
        const MIB: f64 = 1_048_576.0;
        let mut cells = line.split(',').map(str::trim);
        let bus = cells.next().filter(|bus| bus.contains(':'))?.to_lowercase();
        let name = cells.next()?.to_owned();
        let figure = |cell: Option<&str>| {
            let number: Option<f64> = cell?.parse().ok();
            number.filter(|figure| (0.0..1e12).contains(figure))
        };
        let power = [
            figure(cells.next()),
            figure(cells.next()),
            figure(cells.next()).filter(|share| *share <= 100.0),
        ];
        let uuid = cells.next().filter(|uuid| uuid.starts_with("GPU-"));
        let mut figures = Figures {
            load: power.last().copied().flatten(),
            temperature: figure(cells.next()),
            memory_temperature: figure(cells.next()).filter(|degrees| *degrees > 0.0),
            fan: figure(cells.next()),
            clock: figure(cells.next()),
            memory_clock: figure(cells.next()),
            memory_used: figure(cells.next()).map(|mebibytes| mebibytes * MIB),
            memory_total: figure(cells.next()).map(|mebibytes| mebibytes * MIB),
            throttle: cells.next().and_then(throttle),
            corrected: figure(cells.next()),
            uncorrected: figure(cells.next()),
            generation: figure(cells.next()),
            lanes: figure(cells.next()),
        };
        if uuid.is_none() {
            // An old driver was asked for power only.
            figures = Figures::default();
        }
        Some(Self {
            bus,
            name,
            power,
            uuid: uuid.map(str::to_owned),
            figures,
        })
    }

    fn readings(&self) -> Vec<Reading> {
        let mut readings = vec![reading(&self.bus, &self.name, self.power)];
        if self.uuid.is_some() {
            let (place, uuid) = (place(&self.bus), self.uuid.as_deref());
            readings.push(gpu::reading(
                &place,
                &self.name,
                "NVIDIA",
                uuid,
                &self.figures,
            ));
        }
        readings
    }
}

/// `0x0000000000000004` → what it says.
fn throttle(cell: &str) -> Option<(Vec<&'static str>, bool)> {
    let bits = u64::from_str_radix(cell.strip_prefix("0x")?, 16).ok()?;
    let set = REASONS.iter().filter(|(bit, ..)| bits & bit != 0);
    let trouble = set.clone().any(|(_, _, trouble)| *trouble);
    Some((set.map(|(_, reason, _)| *reason).collect(), trouble))
}

/// The program writes eight digits of the PCI domain where the kernel writes four.
fn place(bus: &str) -> String {
    slug(bus.strip_prefix("0000").unwrap_or(bus))
}

fn reading(bus: &str, name: &str, [power, limit, usage]: [Option<f64>; 3]) -> Reading {
    let place = place(bus);
    let device = card(&place, name, Some("NVIDIA"));
    let subject = Subject::of_device(Area::Power, &format!("gpu-{place}"), name, device);
    let mut reading = Reading::new(&subject)
        .with_known(&SENSED, power)
        .with_known(&LIMIT, limit)
        .with_known(&USAGE, usage);
    reading.source = Some(SourceKind::Gpu.source());
    reading.detail = Some(PowerSample::detail(&Scope::Gpu(place), None));
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_card_does_not_know_is_not_zero() {
        let card = Card::parse(
            "00000000:0C:00.0, NVIDIA GeForce RTX 2080 SUPER, 23.45, 250.00, 4, GPU-1b2c, 40, N/A, \
             38, 765, 810, 214, 8192, 0x0000000000000044, [N/A], [N/A], 1, 16",
        )
        .unwrap();
        assert_eq!(place(&card.bus), "0000-0c-00-0");
        assert_eq!(card.name, "NVIDIA GeForce RTX 2080 SUPER");
        assert_eq!(card.power, [Some(23.45), Some(250.0), Some(4.0)]);
        let figures = &card.figures;
        assert_eq!(
            (figures.temperature, figures.memory_temperature),
            (Some(40.0), None)
        );
        assert_eq!((figures.fan, figures.clock), (Some(38.0), Some(765.0)));
        assert_eq!(figures.memory_used, Some(214.0 * 1_048_576.0));
        let throttle = (vec!["power limit", "far too hot"], true);
        assert_eq!(figures.throttle, Some(throttle));
        assert_eq!((figures.corrected, figures.lanes), (None, Some(16.0)));
        assert_eq!(card.readings().len(), 2);
        let card = Card::parse("00000000:01:00.0, GT 710, 9, 19, 400").unwrap();
        assert_eq!(card.power, [Some(9.0), Some(19.0), None], "more than all");
        let line = "00000000:01:00.0, GT 710, [N/A], [Not Supported], 0";
        let card = Card::parse(line).unwrap();
        assert_eq!(card.power, [None, None, Some(0.0)]);
        assert_eq!(card.figures, Figures::default());
        assert_eq!(card.readings().len(), 1);
        assert_eq!(Card::parse("NVIDIA-SMI has failed"), None);
        assert_eq!(Card::parse(""), None);
        assert_eq!(super::throttle("[N/A]"), None);
        assert_eq!(
            super::throttle("0x0000000000000001"),
            Some((Vec::new(), false))
        );
    }

    #[test]
    fn why_the_program_fails_is_told() {
        assert!(matches!(
            refused("No devices were found\n"),
            CollectError::Lacking(_)
        ));
        let text = "\nNVIDIA-SMI has failed because it couldn't communicate with the driver.";
        assert!(matches!(refused(text), CollectError::Broken(text) if text.contains("loaded?")));
        let text = "Failed to initialize NVML: Driver/library version mismatch\n";
        assert!(matches!(refused(text), CollectError::Broken(text) if text.contains("restart")));
    }

    #[test]
    fn a_card_that_has_fallen_off_its_bus_costs_no_other_its_figures() {
        let line = "00000000:01:00.0, GT 710, [N/A], [Unknown Error], ERR!";
        let lost = "Unable to determine the device handle for GPU0000:02:00.0: GPU is lost.";
        let (told, complaint) = cards(Some(15), &format!("{line}\n\n{lost}\n")).unwrap();
        assert_eq!((told.len(), complaint.as_deref()), (1, Some(lost)));
        assert_eq!(told[0].power, [None; 3]);
        let (told, complaint) = cards(Some(0), line).unwrap();
        assert_eq!((told.len(), complaint), (1, None));
        assert!(matches!(cards(Some(0), ""), Err(CollectError::Lacking(_))));
        assert!(matches!(cards(None, lost), Err(CollectError::Broken(_))));
    }
}
