use std::time::Duration;

use super::{Section, nearest};
use crate::model::slug;

/// `[fans]`: fans that homewatch drives. Without a table of its own no fan is ever touched.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FansConfig {
    /// The curves, by name.
    pub curves: Vec<FanCurve>,
    /// The fans that are driven.
    pub fans: Vec<FanConfig>,
}

/// `[fans.curves.<name>]`: how much drive at which temperature.
#[derive(Debug, Clone, PartialEq)]
pub struct FanCurve {
    /// What it is called.
    pub name: String,
    /// Points of degrees Celsius and percent, rising; between them a straight line.
    pub points: Vec<(f64, f64)>,
}

impl FanCurve {
    /// The drive at `temperature_c`, percent.
    pub fn at(&self, temperature_c: f64) -> f64 {
        let mut before: Option<(f64, f64)> = None;
        for (warm, drive) in &self.points {
            if temperature_c < *warm {
                return match before {
                    None => *drive,
                    Some((cool, least)) => {
                        least + (drive - least) * (temperature_c - cool) / (warm - cool)
                    }
                };
            }
            before = Some((*warm, *drive));
        }
        before.map_or(100.0, |(_, drive)| drive)
    }
}

/// `[fans.drive.<id>]`: a fan that is driven.
#[derive(Debug, Clone, PartialEq)]
pub struct FanConfig {
    /// The word in its topic and command.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// The output that drives it.
    pub output: OutputAddress,
    /// The number of the chip's input that counts its revolutions.
    pub tacho: u32,
    /// The subjects whose hottest one counts; `*` stands for anything.
    pub sensors: Vec<String>,
    /// The curve it follows at first.
    pub curve: String,
    /// So many kelvin it must cool down before the drive falls.
    pub hysteresis_k: f64,
    /// From this temperature on it runs at full drive, whatever else was said, °C.
    pub full_at_c: f64,
    /// The least drive at which it still turns, percent; measured if not given.
    pub min_pct: Option<f64>,
    /// The drive at which it begins to turn, percent; measured if not given.
    pub start_pct: Option<f64>,
    /// Whether it may stand still where the curve says 0.
    pub may_stop: bool,
    /// Whether `cmd/fan/<id>/…` is obeyed.
    pub commands: bool,
}

/// A chip's output: `nct6775/2`, or with the place of the chip's device where there are several of
/// one driver: `nct6775@nct6775.656/2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputAddress {
    /// The driver's name for the chip.
    pub chip: String,
    /// What the path of the chip's device ends in, as a slug.
    pub place: Option<String>,
    /// The number of the output, from 1.
    pub channel: u32,
}

impl OutputAddress {
    fn parse(text: &str) -> Option<Self> {
        let (chip, channel) = text.rsplit_once('/')?;
        let (chip, place) = match chip.split_once('@') {
            Some((chip, place)) => (chip, Some(slug(place)).filter(|place| !place.is_empty())),
            None => (chip, None),
        };
        let channel = channel
            .parse()
            .ok()
            .filter(|number| (1..=64).contains(number))?;
        (!chip.is_empty()).then(|| Self {
            chip: chip.to_owned(),
            place,
            channel,
        })
    }
}

impl std::fmt::Display for OutputAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}@{place}/{}", self.chip, self.channel),
            None => write!(f, "{}/{}", self.chip, self.channel),
        }
    }
}

impl FansConfig {
    /// How often temperatures are looked at and drives are set.
    pub const STEP: Duration = Duration::from_secs(2);

    /// Reads the table; faults go to the section's problems.
    pub fn read(mut section: Section<'_>) -> Self {
        let mut curves = Vec::new();
        for (name, mut table) in section.sections("curves") {
            if slug(&name) != name || name == "auto" {
                table.fault_here("must be called by lower-case letters, digits and '-', not auto");
            }
            let points = points(&mut table);
            table.finish();
            curves.extend(points.map(|points| FanCurve { name, points }));
        }
        let names: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
        let tables = section.sections("drive");
        let fans: Vec<FanConfig> = tables
            .into_iter()
            .filter_map(|(id, table)| FanConfig::read(id, table, &names))
            .collect();
        for (number, fan) in fans.iter().enumerate() {
            let twice = fans.iter().take(number).any(|one| one.output == fan.output);
            if twice {
                let text = format!("two fans are driven by {}; keep one", fan.output);
                section.fault("drive", text);
            }
        }
        section.finish();
        Self { curves, fans }
    }
}

impl FanConfig {
    fn read(id: String, mut section: Section<'_>, curves: &[&str]) -> Option<Self> {
        if slug(&id) != id {
            section.fault_here("must be called by lower-case letters, digits and '-'");
        }
        let must = "a chip and a number such as \"nct6775/2\"; homewatch doctor lists those found";
        let output = section.parsed("output", must, OutputAddress::parse);
        let tacho = section.integer("tacho", 1..=64);
        let sensors = section.texts("sensors").unwrap_or_default();
        let curve = section.text("curve");
        for key in ["output", "sensors", "curve"] {
            if !section.has(key) {
                section.fault(key, "is missing");
            }
        }
        if section.has("sensors") && sensors.iter().all(String::is_empty) {
            section.fault("sensors", "must name at least one temperature");
        }
        let known = |name: &&String| curves.contains(&name.as_str());
        if let Some(name) = curve.as_ref().filter(|name| !known(name)) {
            let hint = match nearest(name, curves) {
                Some(near) => format!("; did you mean \"{near}\"?"),
                None => format!("; there are {}", curves.join(", ")),
            };
            section.fault(
                "curve",
                format!("(\"{name}\") is none of fans.curves{hint}"),
            );
        }
        let label = section.text("label").unwrap_or_else(|| id.clone());
        let hysteresis_k = section.number("hysteresis_k", 0.0..=30.0).unwrap_or(3.0);
        let full_at_c = section.number("full_at_c", 30.0..=120.0).unwrap_or(85.0);
        let min_pct = section.number("min_pct", 0.0..=100.0);
        let start_pct = section.number("start_pct", 0.0..=100.0);
        if let (Some(min), Some(start)) = (min_pct, start_pct)
            && start < min
        {
            section.fault("start_pct", "must not be below min_pct");
        }
        let may_stop = section.flag("may_stop").unwrap_or(false);
        let commands = section.flag("commands").unwrap_or(false);
        section.finish();
        let output = output?;
        Some(Self {
            id,
            label,
            tacho: tacho
                .and_then(|one| u32::try_from(one).ok())
                .unwrap_or(output.channel),
            output,
            sensors,
            curve: curve?,
            hysteresis_k,
            full_at_c,
            min_pct,
            start_pct,
            may_stop,
            commands,
        })
    }
}

/// `["40:30", "75:100"]`: rising temperatures with a drive that does not fall.
fn points(section: &mut Section<'_>) -> Option<Vec<(f64, f64)>> {
    const MUST: &str = "must be points of °C and % such as [\"40:30\", \"75:100\"], at least two, \
                        temperatures rising from -20 to 120, drives from 0 to 100 never falling";
    let texts = section.texts("points");
    if !section.has("points") {
        section.fault("points", "is missing");
    }
    let point = |text: &String| {
        let (warm, drive) = text.split_once(':')?;
        let (warm, drive): (f64, f64) = (warm.trim().parse().ok()?, drive.trim().parse().ok()?);
        let fits = (-20.0..=120.0).contains(&warm) && (0.0..=100.0).contains(&drive);
        fits.then_some((warm, drive))
    };
    let points: Option<Vec<_>> = texts?.iter().map(point).collect();
    let rising = |points: &Vec<(f64, f64)>| {
        let pairs = points.iter().zip(points.iter().skip(1));
        points.len() >= 2 && pairs.into_iter().all(|(a, b)| a.0 < b.0 && a.1 <= b.1)
    };
    let points = points.filter(rising);
    if points.is_none() {
        section.fault("points", MUST);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Problems;
    use config::{File, FileFormat, Source as _, Value};

    fn read(text: &str) -> (FansConfig, String) {
        let table = File::from_str(text, FileFormat::Toml).collect().unwrap();
        let problems = Problems::default();
        let section = Section::new("fans".to_owned(), Value::from(table), &problems);
        let config = FansConfig::read(section);
        let told = problems.into_vec();
        let told: Vec<_> = told.iter().map(ToString::to_string).collect();
        (config, told.join("\n"))
    }

    const GOOD: &str = "curves.quiet.points = [\"40:30\", \"60:50\", \"80:100\"]\n\
                        [drive.case]\noutput = \"nct6775/2\"\nsensors = [\"temp-coretemp-*\"]\n\
                        curve = \"quiet\"\n";

    #[test]
    fn a_fan_needs_an_output_sensors_and_a_curve() {
        assert_eq!(read(""), (FansConfig::default(), String::new()));
        let (config, told) = read(GOOD);
        assert_eq!(told, "");
        let fan = &config.fans[0];
        assert_eq!((fan.tacho, fan.commands, fan.may_stop), (2, false, false));
        assert_eq!(fan.output.to_string(), "nct6775/2");
        let (config, told) = read(&format!(
            "{GOOD}label = \"Case\"\ntacho = 1\nmin_pct = 20\nstart_pct = 35\nmay_stop = true\n\
             commands = true\nfull_at_c = 70\nhysteresis_k = 1\n"
        ));
        assert_eq!(told, "");
        let fan = &config.fans[0];
        assert_eq!(
            (fan.tacho, &*fan.label, fan.start_pct),
            (1, "Case", Some(35.0))
        );
        let (config, told) = read(&GOOD.replace("nct6775/2", "nct6775@nct6775.656/2"));
        assert_eq!(
            (config.fans[0].output.to_string(), &*told),
            ("nct6775@nct6775-656/2".to_owned(), "")
        );
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (text, words) in [
            (
                "drive.case.label = \"x\"".to_owned(),
                "fans.drive.case.output: is missing",
            ),
            (
                GOOD.replace("nct6775/2", "nct6775"),
                "(\"nct6775\") must be a chip and a number",
            ),
            (
                GOOD.replace("nct6775/2", "/2"),
                "must be a chip and a number",
            ),
            (
                GOOD.replace("nct6775/2", "x/0"),
                "must be a chip and a number",
            ),
            (
                GOOD.replace("\"quiet\"", "\"quite\""),
                "did you mean \"quiet\"?",
            ),
            (GOOD.replace("\"quiet\"", "\"loudest\""), "there are quiet"),
            (
                GOOD.replace("[\"temp-coretemp-*\"]", "[]"),
                "at least one temperature",
            ),
            (GOOD.replace("60:50", "30:50"), "temperatures rising"),
            (GOOD.replace("60:50", "60:20"), "never falling"),
            (GOOD.replace("60:50", "60-50"), "never falling"),
            (GOOD.replace("60:50", "60:500"), "never falling"),
            (
                "curves.quiet.x = 1".to_owned(),
                "fans.curves.quiet.points: is missing",
            ),
            (
                "curves.auto.points = [\"1:1\", \"2:2\"]".to_owned(),
                "not auto",
            ),
            (GOOD.replace("drive.case", "drive.Case"), "lower-case"),
            (
                format!("{GOOD}min_pct = 40\nstart_pct = 30\n"),
                "must not be below min_pct",
            ),
            (
                format!(
                    "{GOOD}[drive.two]\noutput = \"nct6775/2\"\nsensors = \"a\"\ncurve = \"quiet\""
                ),
                "two fans are driven by nct6775/2",
            ),
        ] {
            let told = read(&text).1;
            assert!(told.contains(words), "{text}: {told}");
        }
    }

    #[test]
    fn between_its_points_a_curve_is_straight() {
        let curve = &read(GOOD).0.curves[0];
        for (warm, want) in [
            (-10.0, 30.0),
            (40.0, 30.0),
            (50.0, 40.0),
            (60.0, 50.0),
            (70.0, 75.0),
            (80.0, 100.0),
            (110.0, 100.0),
        ] {
            assert!((curve.at(warm) - want).abs() < 1e-9, "{warm}");
        }
        let none = FanCurve {
            name: "none".to_owned(),
            points: Vec::new(),
        };
        assert!((none.at(20.0) - 100.0).abs() < 1e-9, "in doubt all it has");
    }
}
