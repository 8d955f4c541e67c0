/// Makes `text` fit for a topic segment and an entity id: lower-case ASCII letters, digits, and
/// single `-` between words. Anything else becomes a `-`; an empty result becomes `"x"`.
///
/// ```
/// assert_eq!(homewatch::model::slug("/mnt/My Disk"), "mnt-my-disk");
/// assert_eq!(homewatch::model::slug("Öl"), "l");
/// ```
pub fn slug(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    while out.ends_with('-') {
        out.pop();
    }
    if out.is_empty() {
        out.push('x');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn keeps_what_topics_may_carry_and_never_returns_nothing() {
        for (text, want) in [
            ("nas", "nas"),
            ("NAS 01", "nas-01"),
            ("/", "x"),
            ("", "x"),
            ("a//b", "a-b"),
            ("+#$", "x"),
            ("trailing/", "trailing"),
        ] {
            assert_eq!(slug(text), want, "{text:?}");
        }
    }
}
