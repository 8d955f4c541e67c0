use std::fs;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::collect::card::card;
use crate::collect::{Collect, CollectError, Entry};
use crate::config::Section;
use crate::host::{Exec, ExecError, Host, Root};
use crate::model::{Area, Reading, Subject, slug};
use crate::power::metrics::{LIMIT, POWER, USAGE};
use crate::power::{PowerSample, Scope, SourceKind};

/// The program costs some hundredths of a second of processor time a call.
pub(in crate::collect) const ENTRY: Entry = Entry {
    name: "nvidia",
    period: Duration::from_secs(30),
    build,
};

/// How long an answer may take: less than the frame gives.
const TIME: Duration = Duration::from_secs(4);
/// The figures that are asked for, in order.
const QUERY: &str = "--query-gpu=pci.bus_id,name,power.draw,power.limit,utilization.gpu";
const FORMAT: &str = "--format=csv,noheader,nounits";

fn build(host: &Host, section: Section<'_>) -> Box<dyn Collect> {
    section.finish();
    let mut argv = host.command("nvidia-smi");
    argv.extend([QUERY.to_owned(), FORMAT.to_owned()]);
    Box::new(Nvidia {
        root: host.root.clone(),
        exec: host.exec.clone(),
        argv,
        known: Vec::new(),
    })
}

/// NVIDIA's graphics cards by their own program: `gpu-<place>` each, ±5 W by its maker's word,
/// the mean of a second on Ampere and later. While all of them sleep it is not called, since that
/// would wake them; then their power is not known.
struct Nvidia {
    root: Root,
    exec: Exec,
    argv: Vec<String>,
    /// Bus address and name of the cards that were seen last.
    known: Vec<(String, String)>,
}

impl Collect for Nvidia {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        if all_sleep(&self.root) && !self.known.is_empty() {
            let known = self.known.iter();
            return Ok(known
                .map(|(bus, name)| reading(bus, name, [None; 3]))
                .collect());
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
        if output.code != Some(0) {
            return Err(refused(&text));
        }
        let cards: Vec<_> = text.lines().filter_map(parse).collect();
        self.known = cards
            .iter()
            .map(|(bus, name, _)| (bus.clone(), name.clone()))
            .collect();
        if cards.is_empty() {
            return Err(CollectError::Absent("no NVIDIA card".to_owned()));
        }
        let cards = cards.iter();
        Ok(cards
            .map(|(bus, name, figures)| reading(bus, name, *figures))
            .collect())
    }
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
        return CollectError::Absent("no NVIDIA card".to_owned());
    }
    CollectError::Broken(format!("nvidia-smi: {line}; is the driver loaded?"))
}

type Card = (String, String, [Option<f64>; 3]);

/// Bus address, name, then power, limit and usage; `[N/A]` and its kin are not known.
fn parse(line: &str) -> Option<Card> {
    let mut cells = line.split(',').map(str::trim);
    let bus = cells.next()?.to_lowercase();
    let name = cells.next()?.to_owned();
    let mut figure = || {
        cells
            .next()?
            .parse::<f64>()
            .ok()
            .filter(|figure| *figure >= 0.0)
    };
    let figures = [figure(), figure(), figure()];
    (bus.contains(':')).then_some((bus, name, figures))
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
        .with_known(&POWER, power)
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
        let card = parse("00000000:0C:00.0, NVIDIA GeForce RTX 2080 SUPER, 23.45, 250.00, 4");
        let (bus, name, figures) = card.unwrap();
        assert_eq!(place(&bus), "0000-0c-00-0");
        assert_eq!(name, "NVIDIA GeForce RTX 2080 SUPER");
        assert_eq!(figures, [Some(23.45), Some(250.0), Some(4.0)]);
        let (_, _, figures) = parse("00000000:01:00.0, GT 710, [N/A], [Not Supported], 0").unwrap();
        assert_eq!(figures, [None, None, Some(0.0)]);
        assert_eq!(parse("NVIDIA-SMI has failed"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn why_the_program_fails_is_told() {
        assert!(matches!(
            refused("No devices were found\n"),
            CollectError::Absent(_)
        ));
        let text = "\nNVIDIA-SMI has failed because it couldn't communicate with the driver.";
        assert!(matches!(refused(text), CollectError::Broken(text) if text.contains("driver")));
    }
}
