use std::net::Ipv4Addr;

use super::{Finding, Verdict};
use crate::host::{Host, Root};

const CHAPTER: &str = "Network";

pub(super) fn examine(host: &Host) -> Vec<Finding> {
    vec![router(host), icmp(host)]
}

/// The default route of IPv4, as the kernel tells it.
fn router(host: &Host) -> Finding {
    let table = Root::read(&host.root.proc("net/route")).unwrap_or_default();
    match table.lines().find_map(gateway) {
        Some((device, address)) => Finding::new(
            CHAPTER,
            Verdict::Fine,
            format!("router {address} on {device}"),
        ),
        None => Finding::new(CHAPTER, Verdict::Absent, "no IPv4 default route"),
    }
}

/// Device and gateway of a line of `/proc/net/route` if it is a default route (`RTF_UP` and
/// `RTF_GATEWAY` set); addresses there are in the machine's byte order.
fn gateway(line: &str) -> Option<(&str, Ipv4Addr)> {
    let mut words = line.split_whitespace();
    let device = words.next()?;
    let destination = u32::from_str_radix(words.next()?, 16).ok()?;
    let address = u32::from_str_radix(words.next()?, 16).ok()?;
    let flags = u32::from_str_radix(words.next()?, 16).ok()?;
    (destination == 0 && flags & 3 == 3).then(|| (device, Ipv4Addr::from(address.to_ne_bytes())))
}

fn icmp(host: &Host) -> Finding {
    let file = host.root.proc("sys/net/ipv4/ping_group_range");
    let range = Root::read_trimmed(&file).unwrap_or_default();
    let (group, user) = (rustix::process::getegid(), rustix::process::geteuid());
    echo(&range, group.as_raw(), user.is_root())
}

/// Whether a user of `group` may send echo requests, with `ping_group_range` as it is.
fn echo(range: &str, group: u32, is_root: bool) -> Finding {
    let mut bounds = range.split_whitespace().map(str::parse::<u32>);
    match (bounds.next(), bounds.next()) {
        (Some(Ok(from)), Some(Ok(to))) if (from..=to).contains(&group) => {
            Finding::new(CHAPTER, Verdict::Fine, "ICMP echo may be sent without root")
        }
        _ if is_root => Finding::new(CHAPTER, Verdict::Fine, "ICMP echo may be sent (as root)"),
        _ => Finding::new(
            CHAPTER,
            Verdict::Hint,
            "ICMP echo may not be sent by this user",
        )
        .with(
            "echo 'net.ipv4.ping_group_range = 0 2147483647' | sudo tee \
             /etc/sysctl.d/60-ping.conf && sudo sysctl --system",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_router_is_read_from_the_kernels_table() {
        let raw = u32::from_ne_bytes([192, 168, 1, 1]);
        let line = format!("eth0\t00000000\t{raw:08X}\t0003\t0\t0\t0\t00000000\t0\t0\t0");
        assert_eq!(
            gateway(&line),
            Some(("eth0", Ipv4Addr::new(192, 168, 1, 1)))
        );
        for other in [
            "",
            "Iface Destination Gateway Flags",
            "eth0 0000A8C0 00000000 0001",
        ] {
            assert_eq!(gateway(other), None, "{other}");
        }
    }

    #[test]
    fn who_may_not_ping_is_told_how_to() {
        assert_eq!(echo("0 2147483647", 1000, false).verdict, Verdict::Fine);
        assert_eq!(echo("1 0", 0, true).verdict, Verdict::Fine);
        for range in ["1 0", "0 999", "", "what"] {
            let finding = echo(range, 1000, false);
            assert_eq!(finding.verdict, Verdict::Hint, "{range}");
            assert!(finding.remedy.unwrap().contains("ping_group_range"));
        }
    }
}
