//! uprobe_multi links (Linux 6.6): one bpf(2) call for all sites of an executable, with CAP_BPF and CAP_PERFMON only.
//!
//! aya 0.14 has none (0.16 has, and needs Rust 1.98): its maps are used, and the program is loaded a second time from
//! the same object, with the attach type that a multi link asks for. This file goes away with aya 0.16.
#![expect(unsafe_code, reason = "two bpf(2) calls that aya 0.14 does not make")]

use std::{
    collections::HashSet,
    ffi::CString,
    io, mem,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
};

use aya::{Ebpf, maps::Map};
use aya_obj::{
    Object,
    generated::{bpf_attach_type::BPF_TRACE_UPROBE_MULTI, bpf_attr, bpf_cmd, bpf_prog_type::BPF_PROG_TYPE_KPROBE},
};
use goroscope_abi::Cookie;

use super::{
    error::{AttachError, LoadError},
    sys,
};
use crate::model::{Probe, Slot};

/// Room for the verifier's words; what does not fit is cut by the kernel.
const VERIFIER_LOG_BYTES: usize = 1 << 20;

/// How often a load that a signal interrupted is tried again: as libbpf does.
const LOAD_RETRIES: u32 = 5;

/// The loaded program that serves every kind.
#[derive(Debug)]
pub(super) struct Program(OwnedFd);

/// Loads program `multi`, and asks the kernel whether it knows such links.
pub(super) fn load(object: &[u8], ebpf: &Ebpf) -> Result<Program, LoadError> {
    let program = load_program(object, ebpf)?;
    known(&program).map_err(LoadError::from)?;
    Ok(program)
}

/// Loads program `multi` on top of the maps of `ebpf`. Needs attach cookies (Linux 5.15).
pub(super) fn load_program(object: &[u8], ebpf: &Ebpf) -> Result<Program, LoadError> {
    let mut object = Object::parse(object).map_err(LoadError::from)?;
    let text: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    let mut maps = Vec::new();
    for (name, map) in &object.maps {
        let fd = ebpf.map(name).and_then(map_fd).ok_or(LoadError::Object("map"))?;
        maps.push((name.clone(), fd, map.clone()));
    }
    object.relocate_maps(maps.iter().map(|(name, fd, map)| (name.as_str(), *fd, map)), &text).map_err(LoadError::from)?;
    object.relocate_calls(&text).map_err(LoadError::from)?;
    object.sanitize_functions(aya::features());
    let program = object.programs.get("multi").ok_or(LoadError::Object("multi"))?;
    let function = object.functions.get(&program.function_key()).ok_or(LoadError::Object("multi"))?;

    let mut log = vec![0u8; VERIFIER_LOG_BYTES];
    // SAFETY: bpf_attr is a union of plain integers, for which zero is valid.
    let mut attr: bpf_attr = unsafe { mem::zeroed() };
    // SAFETY: the arm of the union that BPF_PROG_LOAD reads; all of it is zero.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = BPF_PROG_TYPE_KPROBE as u32;
    load.expected_attach_type = BPF_TRACE_UPROBE_MULTI as u32;
    load.insns = function.instructions.as_ptr() as u64;
    load.insn_cnt = u32::try_from(function.instructions.len()).map_err(LoadError::from)?;
    load.license = program.license.as_ptr() as u64;
    load.log_buf = log.as_mut_ptr() as u64;
    load.log_size = u32::try_from(log.len()).map_err(LoadError::from)?;
    load.log_level = 1;
    let mut loaded = bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr);
    for _ in 0..LOAD_RETRIES {
        // A signal interrupts the verifier.
        if loaded.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            loaded = bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr);
        }
    }
    let program = loaded.map_err(|error| {
        let words = String::from_utf8_lossy(&log);
        let words = words.trim_end_matches('\0').trim_end();
        let last = words.lines().rev().take(3).collect::<Vec<_>>().join(" / ");
        LoadError::from(io::Error::new(error.kind(), format!("{error}; verifier: {last}")))
    })?;
    Ok(Program(program))
}

/// Whether the kernel knows multi links: it then says that a directory is no file to probe, and not that it does not
/// know what is asked (the test of libbpf).
pub(super) fn known(program: &Program) -> io::Result<()> {
    match link(program, &CString::from(c"/"), &[0], &[0]) {
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::other("the kernel attaches to a directory")),
    }
}

/// One link for all probes. `path` leads to the executable's inode, as the agent sees it.
pub(super) fn attach(program: &Program, path: &CString, slot: Slot, probes: &[Probe]) -> Result<OwnedFd, AttachError> {
    let offsets: Vec<u64> = probes.iter().map(|probe| probe.offset.0).collect();
    let cookies: Vec<u64> = probes.iter().map(|probe| Cookie::new(probe.kind, slot.0, probe.address.0).0).collect();
    link(program, path, &offsets, &cookies).map_err(AttachError::from)
}

fn link(program: &Program, path: &CString, offsets: &[u64], cookies: &[u64]) -> io::Result<OwnedFd> {
    // SAFETY: bpf_attr is a union of plain integers, for which zero is valid.
    let mut attr: bpf_attr = unsafe { mem::zeroed() };
    // SAFETY: the arm of the union that BPF_LINK_CREATE reads.
    let create = unsafe { &mut attr.link_create };
    create.__bindgen_anon_1.prog_fd = program.0.as_raw_fd().cast_unsigned();
    create.attach_type = BPF_TRACE_UPROBE_MULTI as u32;
    // SAFETY: the arm of the union that this attach type reads, and all its fields are integers.
    let multi = unsafe { &mut create.__bindgen_anon_3.uprobe_multi };
    multi.path = path.as_ptr() as u64;
    multi.offsets = offsets.as_ptr() as u64;
    multi.cookies = cookies.as_ptr() as u64;
    multi.cnt = u32::try_from(offsets.len()).map_err(io::Error::other)?;
    multi.pid = 0; // every process that maps the file
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr)
}

/// The descriptor of a map that aya holds: one arm for each kind of map that the object uses.
fn map_fd(map: &Map) -> Option<RawFd> {
    match map {
        Map::Array(data)
        | Map::PerCpuArray(data)
        | Map::HashMap(data)
        | Map::PerCpuHashMap(data)
        | Map::ProgramArray(data)
        | Map::RingBuf(data) => Some(data.fd().as_fd().as_raw_fd()),
        _ => None,
    }
}

/// A command that makes a descriptor.
fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: attr is a whole, initialised bpf_attr, and what it points to outlives the call.
    let fd = unsafe { sys::bpf(command, attr) }?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
