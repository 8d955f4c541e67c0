/// `text` without what could steer a terminal or turn a line around: such characters become `�`.
pub(in crate::report) fn harmless(text: &str) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let one = |c| if odd(c) { '\u{fffd}' } else { c };
    text.chars().map(one).collect()
}
