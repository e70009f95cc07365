//! What one executable may cost. Input noun: none. Output noun: [`Limits`]. Must not know what it bounds.

/// At most this many library ranges are told: the kernel side looks through them for every sampled return address.
pub const LIBRARY_RANGES_MAX: usize = 64;

/// Upper bounds on what is read from one executable. All are far above what real Go programs need.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Functions in the function table. kubelet has 70 thousand, the largest programs known to us 500 thousand.
    pub functions: u64,
    /// Bytes of the table of function names. 110 bytes a function in large programs, so this goes with `functions`.
    pub name_table_bytes: u64,
    /// Distance of a function's record from the function table, in bytes. 150 bytes a function in large programs.
    pub record_bytes: u64,
    /// Bytes of one function name or file name that is handed out. Generic instances reach a few kilobytes.
    pub name_bytes: u64,
    /// Bytes of build info. 2,000 dependencies are 250 kB.
    pub build_info_bytes: u64,
    /// Section headers. Executables have some 40; only relocatable objects have thousands.
    pub sections: u64,
    /// Program headers. Executables have about 15.
    pub segments: u64,
    /// Bytes looked through for one table that no section names; there are four such tables. A page cache gives 5 GB/s.
    pub scan_bytes: u64,
    /// Bytes of the relocation table. 24 bytes for each pointer in data; kubelet as PIE has 15 MB.
    pub relocation_bytes: u64,
    /// Bytes of one notes segment. Real ones have 200.
    pub note_bytes: u64,
    /// Bytes of one function that is disassembled as a whole. The largest runtime function has 12 kB.
    pub code_bytes: u64,
    /// Bytes of `.debug_info` that are read or inflated. Half a second at most; a program of 100 MB has some 30 MB.
    pub debug_bytes: u64,
    /// Bytes of one unit of `.debug_info` that is parsed: all types of a program are one unit.
    pub debug_unit_bytes: u64,
    /// Bytes of `.debug_abbrev`. Go has 1 kB, C that is linked in some more.
    pub debug_abbreviation_bytes: u64,
    /// Bytes of tables by program counter that are read for one program counter. Generated functions of 1 MB have 100 kB each.
    pub pc_table_bytes: u64,
    /// Frames that one program counter is expanded to. The inliner stops long before.
    pub inline_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            functions: 2_000_000,
            name_table_bytes: 256 << 20,
            record_bytes: 512 << 20,
            name_bytes: 16 << 10,
            build_info_bytes: 4 << 20,
            sections: 1024,
            segments: 128,
            scan_bytes: 256 << 20,
            relocation_bytes: 128 << 20,
            note_bytes: 64 << 10,
            code_bytes: 256 << 10,
            debug_bytes: 64 << 20,
            debug_unit_bytes: 24 << 20,
            debug_abbreviation_bytes: 4 << 20,
            pc_table_bytes: 4 << 20,
            inline_depth: 128,
        }
    }
}
