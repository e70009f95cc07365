//! What a name that somebody else chose must not do to a terminal.

/// Control characters, what turns the direction of writing, and what takes no room or breaks a line unseen.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
