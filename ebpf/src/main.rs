//! All code of goroscope that runs in the kernel.
//!
//! A hit flows `probes` → `count` → (`site` → `goabi`) → `maps`; processes flow `probes::process` → `emit`.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod count;
mod emit;
mod goabi;
mod maps;
mod probes;
mod site;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Helpers for GPL programs only are used (probe reads).
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 4] = *b"GPL\0";
