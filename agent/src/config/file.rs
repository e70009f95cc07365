//! The YAML file: one mapping of settings, each a scalar or, for lists, a sequence of scalars.

use std::{fmt, fs, io, io::Read, path::Path};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::{Key, Layer, Origin, Problem, key::nearest};

/// More is no configuration.
const BYTES_MAX: u64 = 1 << 20;

/// Reads the file. Where that fails, or a key is unknown, `problems` says so.
pub(super) fn read(path: &Path, problems: &mut Vec<Problem>) -> Layer {
    match text(path) {
        Ok(text) => parse(path, &text, problems),
        Err(error) => {
            problems.push(Problem::Unreadable { path: path.to_owned(), error });
            Layer::default()
        }
    }
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = fs::File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > BYTES_MAX { Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB")) } else { Ok(text) }
}

fn parse(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::default();
    let origin = |line| Origin::File { path: path.to_owned(), line };
    // No snippet: the message is one line of a log.
    let options = serde_saphyr::options! { with_snippet: false };
    let entries = match serde_saphyr::from_str_with_options::<Option<Entries>>(text, options) {
        Ok(entries) => entries.unwrap_or_default().0,
        Err(error) => {
            let line = error.location().map_or(0, |location| location.line());
            problems.push(Problem::Malformed { path: path.to_owned(), line, message: error.to_string() });
            return layer;
        }
    };
    for (name, values) in entries {
        let line = name.referenced.line();
        let Some(key) = Key::from_name(&name.value) else {
            let nearest = nearest(&name.value, Key::ALL.map(|key| key.name().to_owned()));
            problems.push(Problem::Unknown { origin: origin(line), name: name.value, nearest });
            continue;
        };
        match values.value {
            Values::One(value) => layer.push(key, value, origin(line)),
            Values::Many(values) => values.into_iter().for_each(|value| layer.push(key, value.value.0, origin(value.referenced.line()))),
        }
    }
    layer
}

/// Keys in their order: a map would lose the lines.
#[derive(Default)]
struct Entries(Vec<(Spanned<String>, Spanned<Values>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Mapping;
        impl<'de> Visitor<'de> for Mapping {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of settings, such as `listen: 127.0.0.1:9640`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key()? {
                    entries.push((key, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Mapping)
    }
}

/// What a key has: for most a scalar, for lists either.
enum Values {
    One(String),
    Many(Vec<Spanned<Scalar>>),
}

/// Any scalar as text: `true`, 42 and `~` are checked with all other sources later.
struct Scalar(String);

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list of values")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Values, E> {
        Ok(Values::One(value.to_owned()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Values, E> {
        Ok(Values::One(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Values, E> {
        Ok(Values::One(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Values, E> {
        Ok(Values::One(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Values, E> {
        Ok(Values::One(value.to_string()))
    }

    fn visit_unit<E: Error>(self) -> Result<Values, E> {
        Ok(Values::One(String::new()))
    }

    fn visit_none<E: Error>(self) -> Result<Values, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Values, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Values, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Values::Many(values))
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(AnyValue)? {
            Values::One(value) => Ok(Self(value)),
            Values::Many(_) => Err(Error::custom("a list within a list")),
        }
    }
}
