//! Durations of rules and panels, made short. In: YAML or PromQL. Out: the same with a 120th of each duration.

/// What stands before a duration that is meant.
const BEFORE: [&str; 4] = ["[", "offset ", "for: ", "interval: "];

/// An hour is 30 seconds.
const FACTOR: u64 = 120;

/// Seconds; a rate needs some samples.
const SHORTEST: u64 = 5;
const LONGEST: u64 = 60;

/// A rule file: ranges, offsets, `for`, and ages in products of seconds.
pub(super) fn rules(text: &str) -> String {
    durations(text).replace("* 3600", "* 30").replace("* 60", "/ 2")
}

/// A panel's query, with Grafana's variables replaced as if All were chosen.
pub(super) fn panel(query: &str) -> String {
    let mut query = durations(&query.replace("$__rate_interval", "15m"));
    while let Some((before, rest)) = query.split_once("=~\"$") {
        let behind = rest.split_once('"').map_or("", |(_, behind)| behind);
        query = format!("{before}=~\".*\"{behind}");
    }
    query
}

fn durations(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, before)) = BEFORE.iter().filter_map(|before| Some((rest.find(before)?, *before))).min() {
        let (head, tail) = rest.split_at(at + before.len());
        out.push_str(head);
        let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, unit) = tail.split_at(digits);
        let seconds = match unit.chars().next() {
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86400,
            _ => 0,
        };
        rest = tail;
        if let (Ok(number), 1..) = (number.parse::<u64>(), seconds) {
            out.push_str(&format!("{}s", (number * seconds / FACTOR).clamp(SHORTEST, LONGEST)));
            rest = unit.get(1..).unwrap_or_default();
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (long, short) in [
            ("a[30m] offset 1h > 3 * 3600", "a[15s] offset 30s > 3 * 30"),
            ("    for: 15m\n    keep_firing_for: 30m\n", "    for: 7s\n    keep_firing_for: 15s\n"),
            ("rate(a[5m])", "rate(a[5s])"),
            ("a offset 2d", "a offset 60s"),
            ("for: 0m", "for: 5s"),
            ("a[x] offset 5w for: ", "a[x] offset 5w for: "),
        ] {
            assert_eq!(rules(long), short, "{long}");
        }
        assert_eq!(panel("rate(a{b=~\"$b\", c=\"d\"}[$__rate_interval])"), "rate(a{b=~\".*\", c=\"d\"}[7s])");
    }
}
