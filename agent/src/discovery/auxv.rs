//! `/proc/PID/auxv`. Input noun: its bytes. Output noun: a [`RuntimeAddress`]. Must not know files.

use crate::model::RuntimeAddress;

/// `AT_ENTRY` of the kernel's `auxvec.h`.
const AT_ENTRY: u64 = 9;

/// Where the program starts (the program, not its dynamic linker): `AT_ENTRY`.
pub(super) fn entry(auxv: &[u8]) -> Option<RuntimeAddress> {
    auxv.chunks_exact(16).find_map(|pair| {
        let (key, value) = pair.split_first_chunk::<8>()?;
        let value = value.first_chunk::<8>()?;
        (u64::from_ne_bytes(*key) == AT_ENTRY).then(|| RuntimeAddress(u64::from_ne_bytes(*value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let pairs = |pairs: &[(u64, u64)]| -> Vec<u8> {
            pairs.iter().flat_map(|(key, value)| [key.to_ne_bytes(), value.to_ne_bytes()].concat()).collect()
        };
        assert_eq!(entry(&pairs(&[(3, 64), (9, 0x55_0000_1000), (0, 0)])), Some(RuntimeAddress(0x55_0000_1000)));
        assert_eq!(entry(&pairs(&[(3, 9), (0, 0)])), None);
        assert_eq!(entry(&pairs(&[(9, 1)])[..12]), None);
        assert_eq!(entry(&[]), None);
    }
}
