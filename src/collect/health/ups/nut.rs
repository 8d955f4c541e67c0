//! NUT's network protocol, version 1.3 and before (RFC 9271): `LIST UPS`, `LIST VAR`, `INSTCMD`,
//! `STARTTLS`, `USERNAME` and `PASSWORD`.

use std::collections::BTreeMap;

use super::server::{Access, Tls};
use super::wire::Wire;
use super::{Silence, Told};

/// Asks `upsd` for every UPS it knows.
pub(super) fn ask(access: &Access) -> Result<Vec<Told>, Silence> {
    let mut wire = open(access)?;
    let units = list(&mut wire, "UPS")?.map_err(|reason| Silence::Fault(plain(&reason)))?;
    let mut all = Vec::new();
    let is_there = |name: &String| units.iter().any(|unit| unit.first() == Some(name));
    let missing = access.units.iter().filter(|name| !is_there(name));
    all.extend(missing.map(|name| Told {
        name: name.clone(),
        lost: Some(plain("UNKNOWN-UPS")),
        ..Told::default()
    }));
    for unit in units {
        let [name, label, ..] = unit.as_slice() else {
            continue;
        };
        if !access.wants(name) {
            continue;
        }
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

/// Has `upsd` carry out an instant command of a UPS.
pub(super) fn command(access: &Access, unit: &str, command: &str) -> Result<(), String> {
    let done = open(access).and_then(|mut wire| {
        let answer = order(&mut wire, &format!("INSTCMD {} {command}", quoted(unit)))?;
        wire.say(b"LOGOUT\n")?;
        Ok(answer)
    });
    match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(plain(&reason)),
        Err(silence) => Err(silence.to_string()),
    }
}

/// Connects, with TLS and a login as far as they are configured.
fn open(access: &Access) -> Result<Wire, Silence> {
    let mut wire = Wire::open(&access.address)?;
    let (config, must) = match &access.tls {
        Tls::Off => (None, false),
        Tls::Offered(config) => (Some(config), false),
        Tls::Required(config) => (Some(config), true),
    };
    if let Some(config) = config {
        match order(&mut wire, "STARTTLS")? {
            Ok(()) => wire = wire.secure(config)?,
            Err(reason) if must => {
                let text = format!("it offers no TLS (upsd says {reason}), which tls requires");
                return Err(Silence::Fault(text));
            }
            Err(_) => {}
        }
    }
    if let Some(login) = &access.login {
        let user = format!("USERNAME {}", quoted(&login.user));
        let password = format!("PASSWORD {}", quoted(login.password.reveal()));
        for line in [user, password] {
            let answer = order(&mut wire, &line)?;
            answer.map_err(|reason| Silence::Fault(plain(&reason)))?;
        }
    }
    Ok(wire)
}

/// Says a line that is answered by `OK` or an error.
fn order(wire: &mut Wire, line: &str) -> Result<Result<(), String>, Silence> {
    wire.say(format!("{line}\n").as_bytes())?;
    let answer = wire.line()?;
    if let Some(reason) = error(&answer) {
        return Ok(Err(reason));
    }
    let fits = answer == "OK" || answer.starts_with("OK ");
    fits.then_some(Ok(())).ok_or_else(stranger)
}

/// The reason of an error, which may be none.
fn error(answer: &str) -> Option<String> {
    let (word, reason) = answer.split_once(' ').unwrap_or((answer, "ERR"));
    (word == "ERR").then(|| reason.to_owned())
}

fn stranger() -> Silence {
    Silence::Fault("this is no NUT server".to_owned())
}

/// The rows of a list without its name, or the error that upsd gives instead.
fn list(wire: &mut Wire, what: &str) -> Result<Result<Vec<Vec<String>>, String>, Silence> {
    wire.say(format!("LIST {what}\n").as_bytes())?;
    let first = wire.line()?;
    if let Some(reason) = error(&first) {
        return Ok(Err(reason));
    }
    if first != format!("BEGIN LIST {what}") {
        return Err(stranger());
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

/// A word in quotes; line ends, which no word may have, are left out.
fn quoted(word: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in word.chars().filter(|letter| !letter.is_control()) {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// NUT's error in plain words.
fn plain(reason: &str) -> String {
    let plain = match reason.split(' ').next() {
        Some("DATA-STALE") => "its driver has lost the UPS (check its cable)",
        Some("DRIVER-NOT-CONNECTED") => "its driver does not run (systemctl status nut-driver@*)",
        Some("ACCESS-DENIED") => {
            "upsd does not allow that to this machine and user (upsd.users, LISTEN in upsd.conf)"
        }
        Some("UNKNOWN-UPS") => "upsd no longer knows this UPS (ups.conf)",
        Some("INVALID-USERNAME" | "USERNAME-REQUIRED") => {
            "upsd wants another username (upsd.users)"
        }
        Some("INVALID-PASSWORD" | "PASSWORD-REQUIRED") => {
            "upsd wants another password (upsd.users)"
        }
        Some("CMD-NOT-SUPPORTED" | "UNKNOWN-COMMAND") => "this UPS has no such command",
        Some("INSTCMD-FAILED") => "the UPS did not carry it out",
        _ => return format!("upsd says {reason}"),
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_told_with_where_to_look() {
        for (reason, why) in [
            ("DATA-STALE", "check its cable"),
            ("DRIVER-NOT-CONNECTED", "nut-driver"),
            ("ACCESS-DENIED", "upsd.users"),
            ("UNKNOWN-UPS", "ups.conf"),
            ("INVALID-USERNAME", "another username"),
            ("USERNAME-REQUIRED", "another username"),
            ("INVALID-PASSWORD", "another password"),
            ("PASSWORD-REQUIRED", "another password"),
            ("CMD-NOT-SUPPORTED", "no such command"),
            ("UNKNOWN-COMMAND extra", "no such command"),
            ("INSTCMD-FAILED", "did not carry it out"),
            ("INVALID-ARGUMENT", "upsd says INVALID-ARGUMENT"),
        ] {
            let told = plain(reason);
            assert!(told.contains(why), "{reason}: {told}");
        }
    }
}
