use super::{Finding, Verdict};
use crate::config::Config;
use crate::local::Status;

const CHAPTER: &str = "Meters";

/// Meters speak when they like, so it is the running service that knows of them.
pub(super) fn examine(config: &Config, service: Option<&Status>) -> Vec<Finding> {
    match service {
        Some(status) => tell(status),
        None => vec![unknown(config.power.meters.len())],
    }
}

fn unknown(configured: usize) -> Finding {
    let text = match configured {
        0 => "no meter is configured".to_owned(),
        count => format!("{count} configured"),
    };
    let how = "whether they speak, and which others could be adopted, is told while homewatch runs";
    let verdict = if configured == 0 {
        Verdict::Absent
    } else {
        Verdict::Hint
    };
    Finding::new(CHAPTER, verdict, format!("{text}; {how}"))
}

fn tell(status: &Status) -> Vec<Finding> {
    let mut findings: Vec<_> = status.meters.iter().map(one).collect();
    let doubts = status.doubts.iter().map(|text| {
        let text = format!("the power of this machine is doubtful: {text}");
        Finding::new(CHAPTER, Verdict::Hint, text)
    });
    findings.extend(doubts);
    let offers = status.offers.iter().map(|line| {
        let text = "a meter is heard that is not watched";
        Finding::new(CHAPTER, Verdict::Hint, text).with(format!(
            "a file in conf.d beside the configuration with the line: {line}"
        ))
    });
    findings.extend(offers);
    if findings.is_empty() {
        let text = "none is configured, and none was heard on the broker since homewatch started";
        findings.push(Finding::new(CHAPTER, Verdict::Absent, text));
    }
    findings
}

fn one((name, fares): &(String, String)) -> Finding {
    let away = ["nothing heard", "says that it is offline", "silent"];
    let verdict = if fares == "fine" {
        Verdict::Fine
    } else if away.iter().any(|start| fares.starts_with(start)) {
        Verdict::Broken
    } else {
        Verdict::Hint
    };
    let finding = Finding::new(CHAPTER, verdict, format!("{name}: {fares}"));
    match verdict {
        Verdict::Broken => finding.with(format!(
            "check that it is on, speaks to the same broker, and is called as in \
             [power.meters.{name}]"
        )),
        Verdict::Fine | Verdict::Absent | Verdict::Hint => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Broken, Fine, Hint};
    use super::*;

    #[test]
    fn meters_that_speak_are_told_from_silent_doubtful_and_unknown_ones() {
        let mut status = Status::default();
        assert_eq!(tell(&status)[0].verdict, Verdict::Absent);
        status.doubts.push("Plug says 0 W".to_owned());
        assert!(tell(&status)[0].text.ends_with("Plug says 0 W"));
        status.doubts.clear();
        let line = "power.meters.plug1 = { tasmota = \"plug1\" }";
        status.offers.push(line.to_owned());
        for (name, fares) in [
            ("a", "fine"),
            ("b", "silent for 15 min"),
            (
                "c",
                "says 3 W while its outlet is off: an old figure, taken as 0",
            ),
            ("d", "nothing heard yet"),
        ] {
            status.meters.push((name.to_owned(), fares.to_owned()));
        }
        let findings = tell(&status);
        let verdicts: Vec<_> = findings.iter().map(|one| one.verdict).collect();
        assert_eq!(verdicts, [Fine, Broken, Hint, Broken, Hint]);
        assert!(
            findings[1]
                .remedy
                .as_ref()
                .unwrap()
                .contains("[power.meters.b]")
        );
        assert!(findings[4].remedy.as_ref().unwrap().ends_with(line));
        assert_eq!(unknown(0).verdict, Verdict::Absent);
        assert_eq!(unknown(2).verdict, Verdict::Hint);
    }
}
