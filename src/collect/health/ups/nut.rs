//! NUT's network protocol, version 1.3 and before (RFC 9271): `LIST UPS`, `LIST VAR`.

use std::collections::BTreeMap;

use super::wire::Wire;
use super::{Silence, Told};

/// Asks `upsd` for every UPS it knows.
pub(super) fn ask(address: &str) -> Result<Vec<Told>, Silence> {
    let mut wire = Wire::open(address)?;
    let units = list(&mut wire, "UPS")?.map_err(|reason| Silence::Fault(plain(&reason)))?;
    let mut all = Vec::new();
    for unit in units {
        let [name, label, ..] = unit.as_slice() else {
            continue;
        };
        let answer = list(&mut wire, &format!("VAR {name}"))?;
        let (lost, variables) = match answer {
            Ok(rows) => (None, variables(&rows)),
            Err(reason) => (Some(plain(&reason)), BTreeMap::new()),
        };
        let described = !matches!(label.as_str(), "" | "Description unavailable");
        all.push(Told {
            name: name.clone(),
            label: described.then(|| label.clone()),
            lost,
            variables,
        });
    }
    // So that upsd does not log a client that went away.
    wire.say(b"LOGOUT\n")?;
    Ok(all)
}

/// The rows of a list without its name, or the error that upsd gives instead.
fn list(wire: &mut Wire, what: &str) -> Result<Result<Vec<Vec<String>>, String>, Silence> {
    wire.say(format!("LIST {what}\n").as_bytes())?;
    let first = wire.line()?;
    if let Some(reason) = first.strip_prefix("ERR ") {
        return Ok(Err(reason.to_owned()));
    }
    if first != format!("BEGIN LIST {what}") {
        return Err(Silence::Fault("this is no NUT server".to_owned()));
    }
    let (end, head) = (format!("END LIST {what}"), format!("{what} "));
    let mut rows = Vec::new();
    loop {
        let line = wire.line()?;
        if line == end {
            return Ok(Ok(rows));
        }
        rows.extend(line.strip_prefix(&head).map(words));
    }
}

fn variables(rows: &[Vec<String>]) -> BTreeMap<String, String> {
    let pairs = rows.iter().filter_map(|row| match row.as_slice() {
        [name, value, ..] => Some((name.clone(), value.clone())),
        _ => None,
    });
    pairs.collect()
}

/// Words apart by blanks; in quotes a backslash keeps the next character as it is.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let (mut quoted, mut escaped) = (false, false);
    for letter in line.chars() {
        match letter {
            _ if escaped => {
                word.get_or_insert_default().push(letter);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => {
                word.get_or_insert_default();
                quoted = !quoted;
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// NUT's error in plain words.
fn plain(reason: &str) -> String {
    let plain = match reason.split(' ').next() {
        Some("DATA-STALE") => "its driver has lost the UPS (check its cable)",
        Some("DRIVER-NOT-CONNECTED") => "its driver does not run (systemctl status nut-driver@*)",
        Some("ACCESS-DENIED") => "upsd does not let this machine ask",
        _ => return format!("upsd says {reason}"),
    };
    plain.to_owned()
}
