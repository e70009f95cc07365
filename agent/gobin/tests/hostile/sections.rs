//! An ELF file of nothing but debugging sections. The fuzz target includes it too.

/// `data` is: how it is stored, the length of the abbreviations in two bytes, abbreviations, units.
pub fn wrap(data: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = data.split_first_chunk::<3>()?;
    let length = usize::from(u16::from_le_bytes([head[1], head[2]])).min(rest.len());
    let (abbreviations, units) = rest.split_at(length);
    Some(executable(abbreviations, units, head[0] & 1 == 1))
}

/// With `deflated`, the units are a zlib stream, and a compression header that says they are a megabyte is put in front.
pub fn executable(abbreviations: &[u8], units: &[u8], deflated: bool) -> Vec<u8> {
    let names = b"\0.debug_abbrev\0.debug_info\0.shstrtab\0";
    let header: Vec<u8> = if deflated { [1u64, 1 << 20, 1].iter().flat_map(|word| word.to_le_bytes()).collect() } else { Vec::new() };
    let units = [&header, units].concat();
    let mut file = vec![0u8; 64];
    let mut table = vec![0u8; 64];
    for (name, kind, flags, bytes) in
        [(1u32, 1u32, 0u64, abbreviations), (15, 1, u64::from(deflated) << 11, &units), (27, 3, 0, &names[..])]
    {
        table.extend([name, kind].iter().flat_map(|word| word.to_le_bytes()));
        let words = [flags, 0, file.len() as u64, bytes.len() as u64, 0, 1, 0];
        table.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        file.extend_from_slice(bytes);
    }
    let start = file.len() as u64;
    file.extend_from_slice(&table);
    file[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
    file[0x28..0x30].copy_from_slice(&start.to_le_bytes());
    file[0x34..0x40].copy_from_slice(&[64, 0, 56, 0, 0, 0, 64, 0, 4, 0, 3, 0]);
    file
}
