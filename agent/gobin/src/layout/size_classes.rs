//! Sizes of small objects. Input noun: a size class. Output: bytes. Must not know spans.

/// Bytes of an object of each size class; class 0 is that of large objects. `class_to_size` of src/runtime/sizeclasses.go, from 1.25 on
/// `SizeClassToSize` of src/internal/runtime/gc/sizeclasses.go: the same in Go 1.19 to 1.27.
pub const SIZE_CLASSES: [u16; 68] = [
    0, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416, 448, 480, 512, 576, 640,
    704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192,
    9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
];

/// Bytes of an object of that size class, 0 for large objects; `None` if there is no such class.
#[must_use]
pub fn size_class(class: usize) -> Option<u32> {
    SIZE_CLASSES.get(class).copied().map(u32::from)
}
