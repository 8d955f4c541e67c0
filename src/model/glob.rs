/// Whether `pattern` catches the whole of `text`; `*` stands for any run of characters but `/`.
///
/// ```
/// use homewatch::model::glob;
/// assert!(glob("health/fs-*", "health/fs-root"));
/// assert!(!glob("health/*", "health/a/b"));
/// ```
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` was and how much it has eaten: a failed guess is tried one longer.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == byte => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, eaten)) if text.get(eaten) != Some(&b'/') => {
                    star = Some((at, eaten + 1));
                    p = at + 1;
                    t = eaten + 1;
                }
                _ => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_stands_for_any_run_within_a_segment() {
        for (pattern, text, want) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "abc", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("health/temp-*", "health/temp-cpu", true),
            ("health/temp-*", "health/fan-cpu", false),
            ("health/*-core-*", "health/temp-coretemp-core-0", true),
            ("health/*-core-*", "health/temp-coretemp-package", false),
            ("a*b*c", "axbxbxc", true),
            ("a*b*c", "axbxbx", false),
            ("a**", "a", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern, text), want, "{pattern} {text}");
        }
    }
}
