//! A Go executable of four kilobytes, made by hand: small enough that a random change hits something that matters.

/// What differs from the usual.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// The version in build info, and in `runtime.buildVersion`.
    pub version: &'static str,
    /// Bytes between the sentinels of build info.
    pub module_text: Vec<u8>,
    /// Whether build info is there.
    pub build_info: bool,
    /// Whether section headers are there.
    pub sections: bool,
    /// ET_DYN, and pointers in data are zeros that relocations fill in.
    pub relocated: bool,
    /// `funcID` of the second body of `runtime.newproc`: 23 is a wrapper.
    pub second_newproc: u8,
    /// An inlined call that is called by itself.
    pub endless_inlining: bool,
    /// Functions in front of all others, each of 16 bytes.
    pub more_functions: Vec<&'static str>,
    /// Functions behind all others, with code that refers to variables. If there are any, zeroed memory is there too.
    pub code: Vec<(&'static str, Vec<Op>)>,
}

/// A piece of code; variables are offsets into the zeroed memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// `mov rax,[variable]`.
    Refer(u64),
    /// `lea rax,[variable]; call function`.
    Call(&'static str, u64),
    /// Anything.
    Bytes(Vec<u8>),
}

impl Op {
    /// The instructions at `address`.
    pub fn assemble(&self, address: u64, entry: impl Fn(&str) -> u64) -> Vec<u8> {
        let relative = |target: u64, end: u64| target.wrapping_sub(address + end).to_le_bytes()[..4].to_vec();
        match self {
            Self::Refer(variable) => [vec![0x48, 0x8b, 0x05], relative(VARIABLES + variable, 7)].concat(),
            Self::Call(name, variable) => {
                [vec![0x48, 0x8d, 0x05], relative(VARIABLES + variable, 7), vec![0xe8], relative(entry(name), 12)].concat()
            }
            Self::Bytes(bytes) => bytes.clone(),
        }
    }
}

impl Default for Fixture {
    fn default() -> Self {
        Self {
            version: "go1.26.6",
            module_text: b"path\texample.com/a\nmod\texample.com/a\tv1.2.3\t\ndep\tb\tv1\th1:x\nbuild\t-ldflags=\"-s -w\"\n".to_vec(),
            build_info: true,
            sections: true,
            relocated: false,
            second_newproc: 23,
            endless_inlining: false,
            more_functions: Vec::new(),
            code: Vec::new(),
        }
    }
}

struct Function {
    name: &'static str,
    code: Vec<u8>,
    func_id: u8,
    /// Whether bytes 4 to 12 belong to an inlined call of `main.leaf` on line 33.
    inlines: bool,
}

/// `cmp rsp,[r14+16]; jbe +8; push rbp; ...; ret; ...`.
const CHECKED: [u8; 16] = [0x49, 0x3b, 0x66, 0x10, 0x76, 0x08, 0x55, 0x48, 0x89, 0xe5, 0x90, 0x90, 0x5d, 0xc3, 0x90, 0xcc];

/// Addresses are file offsets above this.
pub const BASE: u64 = 0x40_0000;
const TEXT: usize = 0x1c0;
const DATA_GAP: u64 = 0x1000;
/// Zeroed memory, and its size.
pub const VARIABLES: u64 = BASE + 0x20_0000;
pub const VARIABLES_SIZE: usize = 0x2_0000;

impl Fixture {
    fn functions(&self) -> Vec<Function> {
        let plain = |name, func_id| Function { name, code: CHECKED.to_vec(), func_id, inlines: false };
        let mut functions: Vec<Function> = self.more_functions.iter().map(|name| plain(*name, 0)).collect();
        functions.extend([
            plain("runtime.newproc", 0),
            // mov rax,[rip+?] to the string header, filled in below.
            Function { name: "runtime.schedinit", code: vec![0x48, 0x8b, 0x05, 0, 0, 0, 0, 0xc3], func_id: 0, inlines: false },
            plain("time.Sleep", 0),
            plain("strings.Index", 0),
            Function { name: "main.main", code: CHECKED.to_vec(), func_id: 0, inlines: true },
            plain("runtime.newproc", self.second_newproc),
        ]);
        // The entries are not known yet; no instruction's length depends on them.
        let code = |ops: &[Op]| [ops.iter().flat_map(|op| op.assemble(0, |_| 0)).collect(), vec![0xc3]].concat();
        functions.extend(self.code.iter().map(|(name, ops)| Function { name, code: code(ops), func_id: 0, inlines: false }));
        functions
    }

    /// The bytes of the file.
    pub fn build(&self) -> Vec<u8> {
        let mut file = vec![0u8; TEXT];
        let functions = self.functions();
        let mut entries = Vec::new();
        for function in &functions {
            entries.push(file.len() - TEXT);
            file.extend_from_slice(&function.code);
        }
        self.assemble(&mut file, &functions, &entries);
        let text_end = file.len();
        align(&mut file, 16);
        let pclntab = file.len();
        let (table, names_length) = self.pclntab(&functions, &entries, text_end - TEXT);
        file.extend_from_slice(&table);
        align(&mut file, 16);
        let gofunc = file.len();
        // One inlined call: {funcID, nameOff, parentPc, startLine}; `main.leaf` is the first name.
        words32(&mut file, &[0, 1, if self.endless_inlining { 4 } else { 2 }, 30]);
        let version = file.len();
        file.extend_from_slice(self.version.as_bytes());
        align(&mut file, 16);
        let rodata_end = file.len();
        let data = Data { pclntab, names_length, functions: functions.len(), text_end, gofunc, version };
        self.finish(file, &data, rodata_end, &table)
    }

    /// Writes the code that refers to variables and functions.
    fn assemble(&self, file: &mut [u8], functions: &[Function], entries: &[usize]) {
        let entry = |name: &str| {
            functions.iter().position(|function| function.name == name).map_or(0, |index| BASE + (TEXT + entries[index]) as u64)
        };
        let first = functions.len() - self.code.len();
        for ((_, ops), entry_offset) in self.code.iter().zip(&entries[first..]) {
            let mut at = TEXT + entry_offset;
            for op in ops {
                let bytes = op.assemble(BASE + at as u64, entry);
                file[at..at + bytes.len()].copy_from_slice(&bytes);
                at += bytes.len();
            }
        }
    }

    /// Names, units, files, tables by program counter, functions.
    fn pclntab(&self, functions: &[Function], entries: &[usize], text_size: usize) -> (Vec<u8>, u64) {
        let mut names = b"\0main.leaf\0".to_vec();
        let mut name_offsets = Vec::new();
        for function in functions {
            name_offsets.push(names.len());
            names.extend_from_slice(function.name.as_bytes());
            names.push(0);
        }
        let names_length = names.len() as u64;
        align(&mut names, 8);
        let units = 0u32.to_le_bytes().to_vec();
        let files = b"/src/main.go\0".to_vec();
        // Values with the program counter below which they hold; difference of 0 and the previous value is -1.
        let mut values = vec![0];
        let file_table = values.len();
        values.extend_from_slice(&[2, 16, 0]);
        let line_table = values.len();
        // Lines 20 (below 4), 33 (below 12), 21.
        values.extend_from_slice(&[42, 4, 26, 8, 23, 4, 0]);
        // The frame has 0 bytes up to the push, 8 up to the pop.
        let frame_table = values.len();
        values.extend_from_slice(&[2, 7, 16, 6, 15, 3, 0]);
        let index_table = values.len();
        // Value -1 below 4, 0 below 12, -1.
        values.extend_from_slice(&[0, 4, 2, 8, 1, 4, 0]);
        let mut table = Vec::new();
        let mut records = Vec::new();
        let records_start = functions.len() * 8 + 4;
        for (index, function) in functions.iter().enumerate() {
            align(&mut records, 4);
            words32(&mut table, &[entries[index], records_start + records.len()]);
            words32(&mut records, &[entries[index], name_offsets[index], 0, 0, frame_table, file_table, line_table]);
            let arrays = if function.inlines { [3, 4] } else { [0, 0] };
            words32(&mut records, &[usize::from(arrays[0]), 0, 20]);
            records.extend_from_slice(&[function.func_id, 0, 0, arrays[1]]);
            if function.inlines {
                words32(&mut records, &[0, 0, index_table, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0]);
            }
        }
        words32(&mut table, &[text_size]);
        table.extend_from_slice(&records);
        let mut header = vec![0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8];
        let mut offset = 72;
        let mut words = vec![functions.len(), 1, 0];
        for part in [&names, &units, &files, &values] {
            words.push(offset);
            offset += part.len();
        }
        words.push(offset);
        words.iter().for_each(|word| header.extend_from_slice(&(*word as u64).to_le_bytes()));
        ([header, names, units, files, values, table].concat(), names_length)
    }

    /// Data, headers.
    fn finish(&self, mut file: Vec<u8>, at: &Data, rodata_end: usize, table: &[u8]) -> Vec<u8> {
        let address = |offset: usize| BASE + offset as u64;
        let data_start = file.len();
        let data_address = |offset: usize| BASE + DATA_GAP + offset as u64;
        // Pointers of moduledata and of the string header: (index of the word, value).
        let word = |offset: usize| u64::from_le_bytes(table[offset..offset + 8].try_into().unwrap_or_default());
        let mut module = [0u64; 44];
        let (pclntab, functions) = (address(at.pclntab), at.functions as u64);
        let pointers = [
            (0, pclntab),
            (1, pclntab + word(32)),
            (16, pclntab + word(64)),
            (22, address(TEXT)),
            (23, address(at.text_end)),
            (40, address(at.gofunc)),
        ];
        for (index, value) in [(2, at.names_length), (3, at.names_length), (17, functions + 1), (18, functions + 1)] {
            module[index] = value;
        }
        let mut relocations = Vec::new();
        for (index, value) in pointers {
            relocations.push((data_address(data_start + 8 * index), value));
            module[index] = if self.relocated { 0 } else { value };
        }
        module.iter().for_each(|word| file.extend_from_slice(&word.to_le_bytes()));
        let header = file.len();
        relocations.push((data_address(header), address(at.version)));
        let pointer = if self.relocated { 0 } else { address(at.version) };
        file.extend_from_slice(&pointer.to_le_bytes());
        file.extend_from_slice(&(self.version.len() as u64).to_le_bytes());
        self.point_schedinit(&mut file, data_address(header));
        align(&mut file, 16);
        let build_info = file.len();
        if self.build_info {
            self.build_info(&mut file);
        }
        let build_info_size = file.len() - build_info;
        align(&mut file, 8);
        let rela = file.len();
        for (place, value) in &relocations {
            [*place, 8, *value].iter().for_each(|word| file.extend_from_slice(&word.to_le_bytes()));
        }
        let dynamic = file.len();
        let rela_size = dynamic - rela;
        let words = [7, data_address(rela), 8, rela_size as u64, 0, 0];
        words.iter().for_each(|word: &u64| file.extend_from_slice(&word.to_le_bytes()));
        let data_end = file.len();
        let note = file.len();
        file.extend_from_slice(b"\x04\0\0\0\x05\0\0\0\x04\0\0\0Go\0\0ab/cd\0\0\0");
        let mut segments = vec![
            (1, 5, TEXT, address(TEXT), at.text_end - TEXT),
            (1, 4, at.text_end, address(at.text_end), rodata_end - at.text_end),
            (1, 6, data_start, data_address(data_start), data_end - data_start),
            (4, 4, note, address(note), file.len() - note),
            (2, 6, dynamic, data_address(dynamic), data_end - dynamic),
        ];
        let sections = [
            (".text", address(TEXT), TEXT, at.text_end - TEXT),
            (".gopclntab", address(at.pclntab), at.pclntab, at.gofunc - at.pclntab),
            (".go.buildinfo", data_address(build_info), build_info, build_info_size),
        ];
        if !self.code.is_empty() {
            segments.push((1, 6, 0, VARIABLES, 0));
        }
        self.headers(&mut file, &segments, &sections);
        file
    }

    /// Points the `mov` of schedinit, whose bytes are found by its opcode, to the string header.
    fn point_schedinit(&self, file: &mut [u8], target: u64) {
        let Some(at) = (TEXT..file.len()).find(|at| file[*at..].starts_with(&[0x48, 0x8b, 0x05])) else { return };
        let distance = target.wrapping_sub(BASE + at as u64 + 7);
        file[at + 3..at + 7].copy_from_slice(&distance.to_le_bytes()[..4]);
    }

    fn build_info(&self, file: &mut Vec<u8>) {
        file.extend_from_slice(b"\xff Go buildinf:\x08\x02");
        file.extend_from_slice(&[0; 16]);
        let start = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
        let end = b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";
        for text in [self.version.as_bytes(), &[&start[..], &self.module_text, &end[..]].concat()] {
            let mut length = text.len();
            while length >= 0x80 {
                file.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
                length >>= 7;
            }
            file.push(u8::try_from(length).unwrap_or_default());
            file.extend_from_slice(text);
        }
    }

    /// ELF header, program headers in front; section headers and their names at the end.
    fn headers(&self, file: &mut Vec<u8>, segments: &[(u32, u32, usize, u64, usize)], sections: &[(&str, u64, usize, usize)]) {
        let mut names = b"\0".to_vec();
        let mut table = vec![0u8; 64];
        let mut section = |name: &str, kind: u32, address: u64, offset: usize, size: usize| {
            table.extend_from_slice(&u32::try_from(names.len()).unwrap_or_default().to_le_bytes());
            table.extend_from_slice(&kind.to_le_bytes());
            for word in [0, address, offset as u64, size as u64, 0, 1, 0] {
                table.extend_from_slice(&word.to_le_bytes());
            }
            names.extend_from_slice(name.as_bytes());
            names.push(0);
        };
        for (name, address, offset, size) in sections {
            if *size > 0 {
                section(name, 1, *address, *offset, *size);
            }
        }
        section(".shstrtab", 3, 0, file.len(), 64);
        file.extend_from_slice(&names);
        file.resize(file.len() + 64 - names.len(), 0);
        let (section_offset, count) = if self.sections { (file.len(), table.len() / 64) } else { (0, 0) };
        if self.sections {
            file.extend_from_slice(&table);
        }
        let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        head.extend_from_slice(&[if self.relocated { 3 } else { 2 }, 0, 62, 0, 1, 0, 0, 0]);
        for word in [BASE + TEXT as u64, 64, section_offset as u64] {
            head.extend_from_slice(&word.to_le_bytes());
        }
        let last = count.saturating_sub(1);
        let halves = [0, 0, 64, 56, segments.len(), 64, count, last];
        halves.iter().for_each(|half| head.extend_from_slice(&u16::try_from(*half).unwrap_or_default().to_le_bytes()));
        for (kind, flags, offset, address, size) in segments {
            head.extend_from_slice(&kind.to_le_bytes());
            head.extend_from_slice(&flags.to_le_bytes());
            let memory = if *address == VARIABLES { VARIABLES_SIZE } else { *size };
            for word in [*offset as u64, *address, *address, *size as u64, memory as u64, 8] {
                head.extend_from_slice(&word.to_le_bytes());
            }
        }
        assert!(head.len() <= TEXT, "the headers do not fit in front of the text");
        file[..head.len()].copy_from_slice(&head);
    }
}

struct Data {
    pclntab: usize,
    names_length: u64,
    functions: usize,
    text_end: usize,
    gofunc: usize,
    version: usize,
}

fn align(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn words32(bytes: &mut Vec<u8>, words: &[usize]) {
    words.iter().for_each(|word| bytes.extend_from_slice(&u32::try_from(*word).unwrap_or_default().to_le_bytes()));
}
