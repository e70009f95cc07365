//! One program for each kind (perf links), and one for all (multi links, told the kind by their cookie).

mod goroutine;
mod map;
mod multi;
mod process;
mod timer;

/// A program that counts one kind.
macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        $(
            $(#[$doc])*
            #[aya_ebpf::macros::uprobe]
            fn $name(ctx: aya_ebpf::programs::ProbeContext) -> u32 {
                $crate::count::hit(&ctx, goroscope_abi::Kind::$kind, goroscope_abi::Cookie::NONE);
                0
            }
        )*
    };
}
pub(crate) use counts;
