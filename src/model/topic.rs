use std::fmt::Write as _;

use super::Area;

/// Every topic of one node, below its base. The only place where topic strings are made or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// `status`: online or offline, the last will.
    Status,
    /// `<area>/<subject>`: the state object of a subject.
    State(Area, String),
    /// `<area>/<subject>/availability`: online or offline.
    Availability(Area, String),
    /// `alert/<alert id>`.
    Alert(String),
    /// `alerts`: counts by severity.
    Alerts,
    /// `event/<kind>`.
    Event(String),
    /// `cmd/<words>`.
    Command(String),
    /// `result`.
    Result,
}

/// Makes and reads the topics of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    base: String,
    node: String,
    discovery_prefix: String,
}

impl Topics {
    /// The topics of `node` below `base`, with Home Assistant's discovery below
    /// `discovery_prefix`.
    pub fn new(base: &str, node: &str, discovery_prefix: &str) -> Self {
        Self {
            base: base.to_owned(),
            node: node.to_owned(),
            discovery_prefix: discovery_prefix.to_owned(),
        }
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The base topic, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where Home Assistant looks for discovery.
    pub fn discovery_prefix(&self) -> &str {
        &self.discovery_prefix
    }

    /// The whole topic.
    pub fn format(&self, topic: &Topic) -> String {
        let mut out = format!("{}/{}/", self.base, self.node);
        let tail = match topic {
            Topic::Status => write!(out, "status"),
            Topic::State(area, subject) => write!(out, "{area}/{subject}"),
            Topic::Availability(area, subject) => write!(out, "{area}/{subject}/availability"),
            Topic::Alert(id) => write!(out, "alert/{id}"),
            Topic::Alerts => write!(out, "alerts"),
            Topic::Event(kind) => write!(out, "event/{kind}"),
            Topic::Command(words) => write!(out, "cmd/{words}"),
            Topic::Result => write!(out, "result"),
        };
        debug_assert!(tail.is_ok(), "writing to a String cannot fail");
        out
    }

    /// Reads a topic of this node; `None` for any other.
    pub fn parse(&self, topic: &str) -> Option<Topic> {
        let rest = topic.strip_prefix(self.base.as_str())?.strip_prefix('/')?;
        let rest = rest.strip_prefix(self.node.as_str())?.strip_prefix('/')?;
        match rest {
            "status" => return Some(Topic::Status),
            "alerts" => return Some(Topic::Alerts),
            "result" => return Some(Topic::Result),
            _ => {}
        }
        let (head, tail) = rest.split_once('/')?;
        match head {
            "cmd" => Some(Topic::Command(tail.to_owned())),
            "alert" if !tail.contains('/') => Some(Topic::Alert(tail.to_owned())),
            "event" if !tail.contains('/') => Some(Topic::Event(tail.to_owned())),
            _ => {
                let area = Area::parse(head)?;
                match tail.split_once('/') {
                    None => Some(Topic::State(area, tail.to_owned())),
                    Some((subject, "availability")) => {
                        Some(Topic::Availability(area, subject.to_owned()))
                    }
                    Some(_) => None,
                }
            }
        }
    }

    /// Whether `topic` is one of this node's own, which nobody else has a say in.
    pub fn is_own(&self, topic: &str) -> bool {
        let rest = topic.strip_prefix(self.base.as_str());
        let rest = rest.and_then(|rest| rest.strip_prefix('/'));
        let rest = rest.and_then(|rest| rest.strip_prefix(self.node.as_str()));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The filter that catches every command to this node.
    pub fn command_filter(&self) -> String {
        format!("{}/{}/cmd/#", self.base, self.node)
    }

    /// The filter that catches the status of every node below the same base.
    pub fn every_status_filter(&self) -> String {
        format!("{}/+/status", self.base)
    }

    /// The node that a status topic belongs to, of this node or another.
    pub fn node_of_status<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let rest = topic.strip_prefix(self.base.as_str())?.strip_prefix('/')?;
        rest.strip_suffix("/status")
            .filter(|node| !node.contains('/'))
    }

    /// The filters that catch what every node below the same base draws and has to do.
    pub fn neighbour_filters(&self) -> Vec<String> {
        let subjects = ["power/host", "health/cpu", "health/memory"];
        let filter = |subject| format!("{}/+/{subject}", self.base);
        subjects.into_iter().map(filter).collect()
    }

    /// The other node that a state topic belongs to, its area and its subject.
    pub fn of_neighbour<'a>(&self, topic: &'a str) -> Option<(&'a str, Area, &'a str)> {
        let rest = topic.strip_prefix(self.base.as_str())?.strip_prefix('/')?;
        let (node, rest) = rest.split_once('/')?;
        let (area, subject) = rest.split_once('/')?;
        let is_other = node != self.node && !subject.contains('/');
        is_other.then_some((node, Area::parse(area)?, subject))
    }

    /// Home Assistant's discovery topic of the device `id`.
    pub fn discovery(&self, id: &str) -> String {
        format!("{}/device/{id}/config", self.discovery_prefix)
    }

    /// Where Home Assistant announces its start and its end.
    pub fn home_assistant_status(&self) -> String {
        format!("{}/status", self.discovery_prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_reads_back_as_itself_and_others_as_nothing() {
        let topics = Topics::new("homewatch", "nas", "homeassistant");
        for topic in [
            Topic::Status,
            Topic::State(Area::Health, "cpu".into()),
            Topic::Availability(Area::Health, "cpu".into()),
            Topic::Alert("a-b".into()),
            Topic::Alerts,
            Topic::Event("reboot".into()),
            Topic::Command("alert/a-b/ack".into()),
            Topic::Result,
        ] {
            assert_eq!(topics.parse(&topics.format(&topic)), Some(topic));
        }
        for other in [
            "homewatch/nas2/status",
            "homewatch/nas",
            "x",
            "homewatch/nas/health/a/b/c",
        ] {
            assert_eq!(topics.parse(other), None, "{other}");
        }
        assert!(topics.is_own("homewatch/nas/cmd/x") && topics.is_own("homewatch/nas"));
        assert!(!topics.is_own("homewatch/nas2/status") && !topics.is_own("tele/plug/SENSOR"));
        assert_eq!(topics.node_of_status("homewatch/pi/status"), Some("pi"));
        assert_eq!(topics.node_of_status("homewatch/pi/health/status"), None);
        let of = |topic| topics.of_neighbour(topic);
        assert_eq!(
            of("homewatch/pi/health/cpu"),
            Some(("pi", Area::Health, "cpu"))
        );
        for other in [
            "homewatch/nas/health/cpu",
            "homewatch/pi/health/cpu/availability",
            "x/pi/health/cpu",
        ] {
            assert_eq!(of(other), None);
        }
    }
}
