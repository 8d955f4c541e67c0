//! The words below `cmd/`: which there are, and what was meant by others.

/// What the words of a command name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Ack,
    Unack,
    SilenceAlert,
    SilenceRule,
    Maintenance,
    /// For whichever part takes orders of these words.
    Order(&'static str),
}

/// Every command; `<…>` stands for a name.
const COMMANDS: [(&str, Verb); 20] = [
    ("alert/<alert id>/ack", Verb::Ack),
    ("alert/<alert id>/unack", Verb::Unack),
    ("alert/<alert id>/silence", Verb::SilenceAlert),
    ("rule/<rule id>/silence", Verb::SilenceRule),
    ("maintenance", Verb::Maintenance),
    ("internet/test", Verb::Order("internet/test")),
    ("internet/trace", Verb::Order("internet/trace")),
    ("ddns/<host name>/update", Verb::Order("ddns/update")),
    ("health/<disk>/selftest", Verb::Order("health/selftest")),
    ("ups/<ups>/test", Verb::Order("ups/test")),
    ("fan/<id>/set", Verb::Order("fan/set")),
    ("fan/<id>/measure", Verb::Order("fan/measure")),
    ("service/<name>/restart", Verb::Order("service/restart")),
    ("job/<name>", Verb::Order("job")),
    ("host/reboot", Verb::Order("host/reboot")),
    ("host/shutdown", Verb::Order("host/shutdown")),
    ("wake/<name>", Verb::Order("wake")),
    ("report/<area>", Verb::Order("report")),
    ("power/calibrate", Verb::Order("power/calibrate")),
    ("power/advice/<id>", Verb::Order("power/advice")),
];

/// Those that are listed to somebody who is far off.
const LISTED: usize = 5;

/// The verb of `name` and the name in it, if it has one.
pub(super) fn find(name: &str) -> Option<(Verb, &str)> {
    COMMANDS.iter().find_map(|(pattern, verb)| {
        let mut told = "";
        let mut words = name.split('/');
        for part in pattern.split('/') {
            let word = words.next()?;
            if is_name(part) {
                if word.is_empty() {
                    return None;
                }
                told = word;
            } else if part != word {
                return None;
            }
        }
        words.next().is_none().then_some((*verb, told))
    })
}

/// What is wrong with a `name` that is no command.
pub(super) fn unknown(name: &str) -> String {
    let shown: String = name.chars().take(100).collect();
    if let Some(near) = nearest(name) {
        return format!("\"{shown}\" is not a command; did you mean \"{near}\"?");
    }
    let listed: Vec<&str> = COMMANDS.iter().take(LISTED).map(|(p, _)| *p).collect();
    format!(
        "\"{shown}\" is not a command; there are {}",
        listed.join(", ")
    )
}

fn is_name(part: &str) -> bool {
    part.starts_with('<')
}

/// The command that differs in few letters of its own words.
fn nearest(name: &str) -> Option<String> {
    let words: Vec<&str> = name.split('/').take(4).collect();
    if words.iter().any(|word| word.len() > 100) {
        return None;
    }
    let distance = |pattern: &str| {
        let parts: Vec<&str> = pattern.split('/').collect();
        if parts.len() != words.len() {
            return None;
        }
        let mut total = 0;
        for (part, word) in parts.iter().zip(&words) {
            if is_name(part) {
                continue;
            }
            let own = strsim::damerau_levenshtein(part, word);
            if own > (part.len() / 3).max(1) {
                return None;
            }
            total += own;
        }
        Some(total)
    };
    let (_, pattern) = COMMANDS
        .iter()
        .filter_map(|(pattern, _)| Some((distance(pattern)?, *pattern)))
        .min()?;
    let fill = |(part, word): (&str, &&str)| match (is_name(part), word.is_empty()) {
        (true, false) => (*word).to_owned(),
        _ => part.to_owned(),
    };
    let meant: Vec<String> = pattern.split('/').zip(&words).map(fill).collect();
    Some(meant.join("/"))
}
