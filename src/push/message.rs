use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::Severity;

use super::notice::{Notice, NoticeKind};
use super::outbox::age;

/// A body above 4,096 bytes would become an attachment; this leaves room for the last line.
const MAX_BODY: usize = 3_800;
const MAX_LINES: usize = 20;

/// A message for a person's phone, whatever service carries it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The same for every attempt to tell the same things, so that a service that knows how can
    /// replace the first by the second.
    pub key: String,
    /// The title.
    pub title: String,
    /// The text, at most 4,000 bytes.
    pub body: String,
    /// 1 (lowest) to 5 (highest).
    pub priority: u8,
    /// Words that ntfy shows as pictures, and the node's name.
    pub tags: Vec<String>,
    /// The alerts that can be acknowledged, worst first: id and subject.
    pub open: Vec<(String, String)>,
}

/// What a batch of notices says of one alert in the end.
#[derive(Debug, Clone, Copy)]
struct Story<'a> {
    last: &'a Notice,
    /// Whether it is over and its beginning was never told.
    over_unheard: bool,
}

impl Story<'_> {
    fn is_open(&self) -> bool {
        self.last.kind != NoticeKind::Resolved
    }
}

impl Message {
    /// Makes one message of `notices`, which are in order and not empty. `away` says for how
    /// long nothing could be sent: then it is a digest. `dropped` more notices found no room.
    pub(super) fn of(
        node: &str,
        notices: &[&Notice],
        now: Timestamp,
        away: Option<Duration>,
        dropped: u32,
    ) -> Self {
        let stories = stories(notices);
        let open: Vec<&Story<'_>> = stories.iter().filter(|story| story.is_open()).collect();
        let worst = open.iter().map(|story| story.last.severity).max();
        let (title, body) = match (stories.as_slice(), away) {
            ([story], None) if dropped == 0 => single(node, story, now),
            (stories, away) => several(node, stories, now, away, dropped),
        };
        let first = notices.first().map_or(0, |notice| notice.seq);
        Self {
            key: format!("{}-{first}", node.get(..40).unwrap_or(node)),
            title,
            body: cut(body),
            priority: match worst {
                Some(Severity::Critical) => 5,
                Some(Severity::Warning) => 4,
                Some(Severity::Info) | None => 2,
            },
            tags: vec![
                match worst {
                    Some(Severity::Critical) => "rotating_light",
                    Some(Severity::Warning) => "warning",
                    Some(Severity::Info) => "information_source",
                    None => "white_check_mark",
                }
                .to_owned(),
                node.to_owned(),
            ],
            open: open
                .iter()
                .map(|story| (story.last.alert.clone(), story.last.subject.clone()))
                .collect(),
        }
    }

    /// A message that only shows that messages arrive.
    pub(super) fn test(node: &str, now: Timestamp) -> Self {
        Self {
            key: format!("test-{}", now.as_millisecond()),
            title: format!("homewatch on {node}"),
            body: "This is a test: push messages arrive.".to_owned(),
            priority: 3,
            tags: vec!["test_tube".to_owned(), node.to_owned()],
            open: Vec::new(),
        }
    }
}

/// One story an alert: open ones first, worst first, then by age.
fn stories<'a>(notices: &[&'a Notice]) -> Vec<Story<'a>> {
    let mut by_alert: BTreeMap<&str, Story<'a>> = BTreeMap::new();
    for notice in notices {
        let heard_of = by_alert.contains_key(notice.alert.as_str());
        let over_unheard = heard_of && notice.kind == NoticeKind::Resolved;
        by_alert.insert(
            &notice.alert,
            Story {
                last: notice,
                over_unheard,
            },
        );
    }
    let mut stories: Vec<Story<'a>> = by_alert.into_values().collect();
    stories.sort_by_key(|story| {
        let severity = std::cmp::Reverse(story.last.severity);
        (!story.is_open(), severity, story.last.seq)
    });
    stories
}

fn single(node: &str, story: &Story<'_>, now: Timestamp) -> (String, String) {
    let Notice { summary, since, .. } = story.last;
    let lasted = words(age(story.last.at, *since));
    match story.last.kind {
        NoticeKind::Resolved if story.over_unheard => (
            format!("Over already on {node}"),
            format!("{summary} (lasted {lasted})"),
        ),
        NoticeKind::Resolved => (
            format!("Resolved on {node}"),
            format!("{summary} (lasted {lasted})"),
        ),
        NoticeKind::Reminder => (
            format!("Still {} on {node}", story.last.severity.as_str()),
            format!("{summary} (for {})", words(age(now, *since))),
        ),
        NoticeKind::Fired => {
            let again = match story.last.count {
                0 | 1 => String::new(),
                count => format!(" (time {count})"),
            };
            (
                format!("{}{again} on {node}", name(story.last.severity)),
                summary.clone(),
            )
        }
    }
}

fn several(
    node: &str,
    stories: &[Story<'_>],
    now: Timestamp,
    away: Option<Duration>,
    dropped: u32,
) -> (String, String) {
    let count = |severity| {
        stories
            .iter()
            .filter(|story| story.is_open() && story.last.severity == severity)
            .count()
    };
    let over = stories.iter().filter(|story| !story.is_open()).count();
    let counts: Vec<String> = [
        (count(Severity::Critical), "critical"),
        (count(Severity::Warning), "warning"),
        (count(Severity::Info), "info"),
        (over, "resolved"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    let counts = counts.join(", ");
    let mut body = String::new();
    let title = match away {
        Some(away) => {
            add(
                &mut body,
                &format!("Nothing could be sent for {}.", words(away)),
            );
            format!("Digest of {node}: {counts}")
        }
        None => format!("{node}: {counts}"),
    };
    let mut shown = 0;
    for story in stories.iter().take(MAX_LINES) {
        let Notice {
            summary,
            since,
            severity,
            at,
            ..
        } = story.last;
        let line = if story.is_open() {
            let for_ = words(age(now, *since));
            format!("• {}: {summary} (for {for_})", name(*severity))
        } else {
            format!("✓ Resolved: {summary} (lasted {})", words(age(*at, *since)))
        };
        if body.len() + line.len() > MAX_BODY {
            break;
        }
        add(&mut body, &line);
        shown += 1;
    }
    let more = stories.len() - shown + usize::try_from(dropped).unwrap_or(usize::MAX);
    if more > 0 {
        add(&mut body, &format!("… and {more} more"));
    }
    (title, body)
}

fn add(body: &mut String, line: &str) {
    if !body.is_empty() {
        body.push('\n');
    }
    body.push_str(line);
}

const fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "Info",
        Severity::Warning => "Warning",
        Severity::Critical => "Critical",
    }
}

/// A duration as a person says it: the two largest units.
fn words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let mut out = String::new();
    let written = match (days, hours, minutes) {
        (0, 0, 0) => write!(out, "{seconds} s"),
        (0, 0, _) => write!(out, "{minutes} min"),
        (0, _, _) => write!(out, "{hours} h {minutes} min"),
        _ => write!(out, "{days} d {hours} h"),
    };
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
    out
}

fn cut(mut body: String) -> String {
    if body.len() > MAX_BODY + 100 {
        let mut end = MAX_BODY;
        while !body.is_char_boundary(end) {
            end -= 1;
        }
        body.truncate(end);
        body.push('…');
    }
    body
}
