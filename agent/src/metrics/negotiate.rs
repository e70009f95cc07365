//! Which format a scraper gets.
//!
//! In: the `Accept` header. Out: a [`Format`]. Must not know: pages, connections.

/// A format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics100,
    /// The draft that old scrapers ask for; the same bytes.
    OpenMetrics001,
    /// Prometheus text 0.0.4, for all others.
    Text004,
}

impl Format {
    /// The value of `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics100 => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::OpenMetrics001 => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            Self::Text004 => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The format that the header likes best. OpenMetrics only for who names it; text for all others, also for who asks for
/// something that there is not (a browser, a wrong header): a page is more useful than a 406.
#[must_use]
pub fn negotiate(accept: &str) -> Format {
    let mut best = (0.0, Format::Text004);
    for (quality, format) in accept.split(',').filter_map(media_range) {
        // Between equals the first of the header wins, but `*/*, application/openmetrics-text` means the named one.
        if quality > best.0 || (quality == best.0 && quality > 0.0 && best.1 == Format::Text004 && format != Format::Text004) {
            best = (quality, format);
        }
    }
    best.1
}

/// `application/openmetrics-text; version=1.0.0; q=0.5` as quality and format; none when there is no such format.
fn media_range(range: &str) -> Option<(f64, Format)> {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    let (mut version, mut quality) = (None, 1.0);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "version" => version = Some(value),
            "q" => quality = value.parse::<f64>().ok().filter(|q| (0.0..=1.0).contains(q))?,
            _ => {} // charset, escaping: there is nothing to choose
        }
    }
    let format = match (media.as_str(), version) {
        ("application/openmetrics-text", None | Some("1.0.0")) => Format::OpenMetrics100,
        ("application/openmetrics-text", Some("0.0.1")) => Format::OpenMetrics001,
        ("text/plain" | "text/*" | "*/*", _) => Format::Text004,
        _ => return None,
    };
    Some((quality, format))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: &str, expected: Format) {
        assert_eq!(negotiate(accept), expected, "{accept}");
    }

    #[test]
    fn scrapers_get_what_they_ask_for() {
        use Format::{OpenMetrics001, OpenMetrics100, Text004};
        check("", Text004);
        check("*/*", Text004); // curl
        check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Text004); // a browser
        check("application/json", Text004);
        // Prometheus 2.42
        check(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OpenMetrics100,
        );
        // Prometheus 3
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OpenMetrics100,
        );
        check("text/plain;version=0.0.4;q=0.7, application/openmetrics-text; version=1.0.0; q=0.3", Text004);
        check("application/openmetrics-text; version=0.0.1", OpenMetrics001);
        check("Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.4, text/plain; q=0.3", OpenMetrics100);
        check("application/openmetrics-text", OpenMetrics100);
        check("application/openmetrics-text; version=2.0.0", Text004);
        check("application/openmetrics-text; q=0", Text004);
        check("application/openmetrics-text; q=7", Text004);
        check("*/*, application/openmetrics-text", OpenMetrics100);
        check("text/plain, application/openmetrics-text;q=0.9", Text004);
        check(";;;=,,q=,\u{fffd}", Text004);
    }
}
