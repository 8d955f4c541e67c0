//! apcupsd's network information server: the command `status`, each way behind a length of two
//! bytes; a length of 0 ends the answer.

use std::collections::BTreeMap;

use super::wire::Wire;
use super::{Silence, Told};

/// apcupsd's keys, NUT's variables for them, and what a figure is multiplied by.
const FIGURES: &[(&str, &str, f64)] = &[
    ("BCHARGE", "battery.charge", 1.0),
    ("TIMELEFT", "battery.runtime", 60.0),
    ("LOADPCT", "ups.load", 1.0),
    ("BATTV", "battery.voltage", 1.0),
    ("LINEV", "input.voltage", 1.0),
    ("OUTPUTV", "output.voltage", 1.0),
    ("ITEMP", "ups.temperature", 1.0),
    ("NOMPOWER", "ups.realpower.nominal", 1.0),
    ("NOMAPNT", "ups.power.nominal", 1.0),
    ("LINEFREQ", "input.frequency", 1.0),
    ("OUTCURNT", "output.current", 1.0),
];

/// The bits of `STATFLAG` that tell more than `STATUS` does: while it brings the machine down, that
/// says nothing else.
const FLAGS: &[(u32, &str)] = &[(0x08, "OL"), (0x10, "OB"), (0x40, "LB"), (0x80, "RB")];

/// The bit of `STATFLAG` that tells that the UPS, or who asks it, is out of reach: all else is of then.
const COMM_LOST: u32 = 0x100;

/// Its keys whose texts are taken as they are.
const TEXTS: &[(&str, &str)] = &[
    ("MODEL", "device.model"),
    ("SERIALNO", "device.serial"),
    ("BATTDATE", "battery.date"),
    ("LASTSTEST", "ups.test.date"),
];

/// The answers of `SELFTEST`, and NUT's.
const TESTS: &[(&str, &str)] = &[
    ("OK", "Done and passed"),
    ("WN", "Done and warning"),
    ("BT", "Done and error: battery too weak"),
    ("NG", "Done and error"),
    ("IP", "In progress"),
    ("NO", "No test initiated"),
];

/// The words of `STATUS`, and NUT's for them.
const WORDS: &[(&str, &str)] = &[
    ("ONLINE", "OL"),
    ("ONBATT", "OB"),
    ("LOWBATT", "LB"),
    ("REPLACEBATT", "RB"),
    ("OVERLOAD", "OVER"),
    ("SHUTTING", "FSD"),
    ("CAL", "CAL"),
    ("SELFTEST", "TEST"),
    ("TRIM", "TRIM"),
    ("BOOST", "BOOST"),
    ("NOBATT", "ALARM"),
];

/// Asks apcupsd for its one UPS.
pub(super) fn ask(address: &str) -> Result<Vec<Told>, Silence> {
    let mut wire = Wire::open(address)?;
    wire.say(b"\x00\x06status")?;
    let mut keys = BTreeMap::new();
    loop {
        let length = wire.bytes(2)?;
        let length = length
            .iter()
            .fold(0, |sum, byte| sum << 8 | u16::from(*byte));
        if length == 0 {
            break;
        }
        let line = wire.bytes(length)?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let pair = line.split_once(':');
        keys.extend(pair.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())));
    }
    let Some(status) = keys.get("STATUS") else {
        return Err(Silence::Fault("this is no apcupsd".to_owned()));
    };
    let words = status.split_whitespace();
    let words = words.filter_map(|word| WORDS.iter().find(|(own, _)| *own == word));
    let mut words: Vec<_> = words.map(|(_, nut)| *nut).collect();
    let flags = keys.get("STATFLAG").and_then(|text| {
        let digits = text.split(' ').next()?.strip_prefix("0x")?;
        u32::from_str_radix(digits, 16).ok()
    });
    let is_lost = |flags: u32| flags & COMM_LOST != 0;
    let lost = status.contains("COMMLOST") || flags.is_some_and(is_lost);
    let set = FLAGS
        .iter()
        .filter(|(bit, _)| flags.unwrap_or(0) & bit != 0);
    for (_, word) in set {
        if !words.contains(word) {
            words.push(word);
        }
    }
    let mut variables = BTreeMap::from([("ups.status".to_owned(), words.join(" "))]);
    for (key, name, factor) in FIGURES {
        let figure = keys
            .get(*key)
            .and_then(|text| text.split(' ').next()?.parse().ok());
        let figure = figure.map(|figure: f64| ((*name).to_owned(), (figure * factor).to_string()));
        variables.extend(figure);
    }
    variables.insert("device.mfr".to_owned(), "APC".to_owned());
    for (key, name) in TEXTS {
        let text = keys.get(*key).filter(|text| *text != "N/A");
        variables.extend(text.map(|text| ((*name).to_owned(), text.clone())));
    }
    let test = keys.get("SELFTEST");
    let test = TESTS
        .iter()
        .find(|(word, _)| test.is_some_and(|own| own == word));
    variables.extend(test.map(|(_, nut)| ("ups.test.result".to_owned(), (*nut).to_owned())));
    if status.contains("NOBATT") {
        variables.insert("ups.alarm".to_owned(), "no battery connected".to_owned());
    }
    let name = keys.get("UPSNAME").filter(|name| !name.is_empty());
    Ok(vec![Told {
        name: name.map_or("apc", String::as_str).to_owned(),
        label: None,
        lost: lost.then(|| "apcupsd has lost the UPS (check its cable)".to_owned()),
        variables,
    }])
}
