//! Topic names and filters as MQTT defines them.

/// Whether `topic` may be published to: not empty, no wildcard, no NUL.
pub fn valid_topic(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['+', '#', '\0'])
}

/// Whether `filter` is well formed: `+` fills a level alone, `#` alone the last one, no NUL.
pub fn valid_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.contains('\0') {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let fine = match level {
            "+" => true,
            "#" => levels.peek().is_none(),
            _ => !level.contains(['+', '#']),
        };
        if !fine {
            return false;
        }
    }
    true
}

/// Whether `filter` catches `topic`. Wildcards at the front catch no `$` topic.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let mut names = topic.split('/');
    for level in filter.split('/') {
        match (level, names.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(name)) if level == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

/// Whether some topic is caught by both filters.
///
/// ```
/// use homewatch::model::overlaps;
/// assert!(overlaps("a/+/c", "a/b/#"));
/// assert!(!overlaps("a/+", "a/b/c"));
/// ```
pub fn overlaps(one: &str, other: &str) -> bool {
    // A wildcard at the front catches no `$` topic, so these two have none in common.
    if one.starts_with('$') != other.starts_with('$') {
        return false;
    }
    let (mut left, mut right) = (one.split('/'), other.split('/'));
    loop {
        match (left.next(), right.next()) {
            // `a/#` catches `a` too, so the other may end right here.
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn filters_and_topics_are_judged_as_the_standard_says() {
        for good in [
            "#", "+", "a/#", "a/+/b", "/", "a//b", "Öl/t", "$SYS/#", "+/+/#",
        ] {
            assert!(valid_filter(good), "{good}");
        }
        for bad in ["", "a#", "#/a", "a/#/b", "a+/b", "++", "a/b+", "a\0"] {
            assert!(!valid_filter(bad), "{bad:?}");
        }
        for good in ["a", "/", "Öl/t", "a b"] {
            assert!(valid_topic(good), "{good}");
        }
        for bad in ["", "a/+", "#", "a\0b"] {
            assert!(!valid_topic(bad), "{bad:?}");
        }
        for (filter, topic, want) in [
            ("#", "a/b", true),
            ("#", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
            ("a/#", "a", true),
            ("a/#", "ab", false),
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("+/b", "/b", true),
            ("a/b", "a/b", true),
            ("a/b", "a/c", false),
        ] {
            assert_eq!(matches(filter, topic), want, "{filter} {topic}");
        }
    }

    fn level() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "b", "", "+"])
    }

    fn filter() -> impl Strategy<Value = String> {
        (prop::collection::vec(level(), 1..4), any::<bool>()).prop_map(|(levels, many)| {
            let joined = levels.join("/");
            if many { format!("{joined}/#") } else { joined }
        })
    }

    /// Every topic of up to five levels over the alphabet the filters use, and the empty one,
    /// which nobody can publish to but which filters catch.
    fn topics() -> Vec<String> {
        let mut all = Vec::new();
        let mut tails = vec![String::new()];
        for depth in 0..5 {
            let mut next = Vec::new();
            for tail in &tails {
                for name in ["a", "b", ""] {
                    let topic = if depth == 0 {
                        name.to_owned()
                    } else {
                        format!("{tail}/{name}")
                    };
                    next.push(topic);
                }
            }
            all.extend(next.iter().cloned());
            tails = next;
        }
        all
    }

    proptest! {
        #[test]
        fn filters_overlap_when_some_topic_is_caught_by_both(one in filter(), other in filter()) {
            prop_assume!(valid_filter(&one) && valid_filter(&other));
            let shared = topics().iter().any(|t| matches(&one, t) && matches(&other, t));
            prop_assert_eq!(overlaps(&one, &other), shared);
            prop_assert_eq!(overlaps(&other, &one), shared);
        }
    }
}
