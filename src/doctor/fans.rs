use super::{Finding, Verdict};
use crate::config::Config;
use crate::fan;
use crate::host::{Host, Root};

const CHAPTER: &str = "Fan control";
/// Gives the service what it needs to set drives.
const PERMIT: &str = "sudo install -m 644 -D packaging/fans.conf \
                      /etc/systemd/system/homewatch.service.d/fans.conf && sudo install -m 644 \
                      packaging/60-homewatch-fans.rules /etc/udev/rules.d/ && sudo udevadm control \
                      --reload && sudo udevadm trigger -s hwmon -c add && sudo systemctl \
                      daemon-reload && sudo systemctl restart homewatch";

pub(super) fn examine(host: &Host, config: &Config) -> Vec<Finding> {
    let found = fan::outputs(&host.root);
    if found.is_empty() && config.fans.fans.is_empty() {
        let none = "no output that could drive a fan";
        return vec![Finding::new(CHAPTER, Verdict::Absent, none)];
    }
    let driven = |address: &crate::config::OutputAddress| {
        let mut fans = config.fans.fans.iter();
        fans.find(|fan| fan.output == *address)
    };
    let mut findings: Vec<Finding> = found
        .iter()
        .filter(|address| driven(address).is_none())
        .map(|address| {
            let text = format!("{address}: could be driven, is left alone");
            Finding::new(CHAPTER, Verdict::Absent, text)
        })
        .collect();
    for fan in &config.fans.fans {
        let id = &fan.id;
        let named = |word: &str| format!("{id}: {} {word}", fan.output);
        findings.push(match fan::writable(&host.root, &fan.output) {
            Ok(true) => Finding::new(CHAPTER, Verdict::Fine, named("can be driven")),
            Ok(false) => {
                let text = named("may not be set by whoever asks here");
                Finding::new(CHAPTER, Verdict::Hint, text).with(PERMIT)
            }
            Err(error) => Finding::new(CHAPTER, Verdict::Broken, format!("{id}: {error}"))
                .with(remedy(&found, &host.root)),
        });
    }
    findings
}

fn remedy(found: &[crate::config::OutputAddress], root: &Root) -> String {
    let words: Vec<_> = found.iter().map(ToString::to_string).collect();
    match (words.is_empty(), root.is_own()) {
        (false, _) => format!("write one of {} into fans.drive", words.join(", ")),
        (true, true) => "load the driver of the board's chip: sudo sensors-detect".to_owned(),
        (true, false) => "the tree of host.sys has no hwmon chip with a pwm file".to_owned(),
    }
}
