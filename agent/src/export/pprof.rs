//! Stacks as a profile that `go tool pprof` and everything that reads its format opens.
//!
//! In: [`Sample`]s. Out: bytes, the gzip-compressed protocol buffer of github.com/google/pprof/proto/profile.proto. Must not know where
//! stacks come from.

use std::{collections::HashMap, hash::Hash, io, io::Write as _, sync::Arc, time::SystemTime};

use flate2::{Compression, write::GzEncoder};
use goroscope_gobin::Frame;
use prost::Message;

/// One call of a stack.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its address in the process. Tells locations apart.
    pub address: u64,
    /// The function of the call, and before it those that were inlined into it there, innermost first.
    pub frames: Arc<[Frame]>,
}

/// Goroutines with the same stack.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Innermost first.
    pub stack: Vec<Call>,
    /// Keys and values to filter by.
    pub labels: Vec<(&'static str, String)>,
    /// How many.
    pub count: u64,
}

/// Encodes samples, as Go's own goroutine profile: one value each, a number of goroutines.
///
/// # Errors
/// Only what compressing into memory returns: none.
pub fn encode(executable: &str, build_id: &str, taken_at: SystemTime, samples: &[Sample]) -> io::Result<Vec<u8>> {
    let mut tables = Tables::default();
    let kind = ValueType { r#type: tables.string("goroutine"), unit: tables.string("count") };
    let mapping = Mapping {
        id: 1,
        filename: tables.string(executable),
        build_id: tables.string(build_id),
        has_functions: true,
        has_filenames: true,
        has_line_numbers: true,
        has_inline_frames: true,
    };
    let sample = samples.iter().map(|sample| tables.sample(sample)).collect();
    let taken = taken_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let profile = Profile {
        sample_type: vec![kind],
        sample,
        mapping: vec![mapping],
        location: tables.locations,
        function: tables.functions,
        string_table: tables.strings.list,
        time_nanos: i64::try_from(taken.as_nanos()).unwrap_or(i64::MAX),
        period_type: Some(kind),
        period: 1,
    };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&profile.encode_to_vec())?;
    gzip.finish()
}

/// Distinct things, numbered in the order of their coming.
struct Numbered<T> {
    numbers: HashMap<T, usize>,
    list: Vec<T>,
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    /// Its number from 0 on, and whether it is new.
    fn number(&mut self, of: &T) -> (usize, bool) {
        if let Some(number) = self.numbers.get(of) {
            return (*number, false);
        }
        let number = self.list.len();
        self.numbers.insert(of.clone(), number);
        self.list.push(of.clone());
        (number, true)
    }
}

/// What samples refer to.
struct Tables {
    strings: Numbered<String>,
    known_functions: Numbered<(String, String)>,
    functions: Vec<Function>,
    known_locations: Numbered<u64>,
    locations: Vec<Location>,
}

impl Default for Tables {
    fn default() -> Self {
        fn none<T>() -> Numbered<T> {
            Numbered { numbers: HashMap::new(), list: Vec::new() }
        }
        let (known_functions, known_locations) = (none(), none());
        let mut tables = Self { strings: none(), known_functions, functions: Vec::new(), known_locations, locations: Vec::new() };
        // The format wants the first to be empty.
        tables.string("");
        tables
    }
}

impl Tables {
    fn string(&mut self, text: &str) -> i64 {
        i64::try_from(self.strings.number(&text.to_owned()).0).unwrap_or_default()
    }

    fn function(&mut self, frame: &Frame) -> u64 {
        let (index, new) = self.known_functions.number(&(frame.function.clone(), frame.file.clone()));
        let id = id(index);
        if new {
            let (name, filename) = (self.string(&frame.function), self.string(&frame.file));
            self.functions.push(Function { id, name, system_name: name, filename });
        }
        id
    }

    fn location(&mut self, call: &Call) -> u64 {
        let (index, new) = self.known_locations.number(&call.address);
        let id = id(index);
        if new {
            let line = call.frames.iter().map(|frame| Line { function_id: self.function(frame), line: frame.line.into() }).collect();
            self.locations.push(Location { id, mapping_id: 1, address: call.address, line });
        }
        id
    }

    fn sample(&mut self, sample: &Sample) -> WireSample {
        WireSample {
            location_id: sample.stack.iter().map(|call| self.location(call)).collect(),
            value: vec![i64::try_from(sample.count).unwrap_or(i64::MAX)],
            label: sample.labels.iter().map(|(key, value)| Label { key: self.string(key), str: self.string(value) }).collect(),
        }
    }
}

/// Ids begin with 1.
fn id(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX - 1) + 1
}

#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<WireSample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    r#type: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct WireSample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    str: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "5")]
    filename: i64,
    #[prost(int64, tag = "6")]
    build_id: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
    #[prost(bool, tag = "8")]
    has_filenames: bool,
    #[prost(bool, tag = "9")]
    has_line_numbers: bool,
    #[prost(bool, tag = "10")]
    has_inline_frames: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn samples_come_back() {
        let frame = |function: &str, line, inlined| Frame { function: function.into(), file: "a.go".into(), line, inlined, wrapper: false };
        let call = |address, frames: &[Frame]| Call { address, frames: frames.into() };
        let wait = call(0x10, &[frame("runtime.gopark", 1, false)]);
        let inner = call(0x20, &[frame("main.inlined", 2, true), frame("main.work", 3, false)]);
        let samples = [
            Sample { stack: vec![wait.clone(), inner], labels: vec![("state", "waiting".into())], count: 7 },
            Sample { stack: vec![wait], labels: vec![], count: 1 },
        ];
        let bytes = encode("/bin/x", "id", SystemTime::UNIX_EPOCH, &samples).unwrap();
        let mut plain = Vec::new();
        GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
        let profile = Profile::decode(plain.as_slice()).unwrap();
        let text = |index: i64| profile.string_table[usize::try_from(index).unwrap()].as_str();
        assert_eq!(text(0), "");
        assert_eq!(profile.sample.iter().map(|sample| sample.value[0]).collect::<Vec<_>>(), [7, 1]);
        assert_eq!(profile.sample[0].location_id, [1, 2]);
        assert_eq!(profile.sample[1].location_id, [1]);
        assert_eq!((text(profile.sample[0].label[0].key), text(profile.sample[0].label[0].str)), ("state", "waiting"));
        let names = |location: &Location| -> Vec<(&str, i64)> {
            let function = |line: &Line| &profile.function[usize::try_from(line.function_id).unwrap() - 1];
            location.line.iter().map(|line| (text(function(line).name), line.line)).collect()
        };
        assert_eq!(names(&profile.location[1]), [("main.inlined", 2), ("main.work", 3)]);
        assert_eq!((profile.location[0].address, text(profile.mapping[0].filename)), (0x10, "/bin/x"));
    }
}
