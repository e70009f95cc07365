//! One scrape: the samples of the Prometheus text format (0.0.4 and OpenMetrics alike), without their comments.

use std::collections::BTreeMap;

/// One line of a scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// With `_total` and the like.
    pub name: String,
    /// Unescaped.
    pub labels: BTreeMap<String, String>,
    /// What it says.
    pub value: f64,
}

/// All samples of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Scrape(pub Vec<Sample>);

/// Labels to select by.
pub type Labels<'a> = [(&'a str, &'a str)];

impl Scrape {
    /// Reads a scrape.
    ///
    /// # Panics
    /// At a line that is none of the format.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line}"))).collect())
    }

    /// The samples of a name that have all of these labels.
    pub fn select<'a>(&'a self, name: &'a str, labels: &'a Labels<'a>) -> impl Iterator<Item = &'a Sample> {
        let matches = move |sample: &&Sample| labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|found| found == value));
        self.0.iter().filter(move |sample| sample.name == name).filter(matches)
    }

    /// The sum of the selected samples; none when there is no such series.
    pub fn sum(&self, name: &str, labels: &Labels<'_>) -> Option<u64> {
        let mut found = self.select(name, labels).map(|sample| whole(sample.value)).peekable();
        found.peek()?;
        Some(found.sum())
    }

    /// The selected samples by one label's values.
    pub fn by(&self, name: &str, labels: &Labels<'_>, key: &str) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        for sample in self.select(name, labels) {
            *found.entry(sample.labels.get(key).cloned().unwrap_or_default()).or_default() += whole(sample.value);
        }
        found
    }
}

/// A counter's value. Up to 2^53 a double holds every one of them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked in the line above")]
fn whole(value: f64) -> u64 {
    assert!(value >= 0.0 && value.fract() == 0.0 && value < 9e15, "no count: {value}");
    value as u64
}

fn sample(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (key, value) = rest.split_once("=\"")?;
            let (text, after) = quoted(value)?;
            labels.insert(key.to_owned(), text);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// Splits at the closing quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}
