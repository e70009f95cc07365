//! The OCI image layout: a tar archive of blobs named by their digests. In: the files of an image, for each architecture. Out: the
//! archive, and the digest of its index. Must not know what is in the files.
//!
//! Same input, same bytes: owners, order and times are fixed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::rfc3339;

/// Whom the program runs as unless it is told otherwise: nobody in particular. The chart says 0, as Kubernetes gives capabilities to
/// no other user.
const USER: &str = "65532:65532";

/// One file of an image.
pub(crate) struct File {
    /// Its path, without the slash in front.
    pub(crate) place: &'static str,
    pub(crate) mode: u32,
    pub(crate) bytes: Vec<u8>,
}

/// What an image is for one architecture.
pub(crate) struct Image {
    pub(crate) arch: &'static str,
    /// The first is the program that it runs.
    pub(crate) files: Vec<File>,
    /// Compressed, which takes its time.
    pub(crate) packed: bool,
}

/// Writes the image `name`, made of `commit` at `created` (seconds since the epoch), and gives the digest of its index.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(to: &Path, name: &str, commit: &str, created: u64, images: &[Image]) -> Result<String> {
    let (layout, digest) = layout(name, commit, created, images)?;
    fs::write(to, layout).with_context(|| format!("cannot write {}", to.display()))?;
    Ok(digest)
}

/// The layout's archive, and the digest of its index.
fn layout(name: &str, commit: &str, created: u64, images: &[Image]) -> Result<(Vec<u8>, String)> {
    let mut blobs = Blobs::default();
    let created = rfc3339(created);
    let version = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    let about = json!({
        "org.opencontainers.image.title": "goroscope",
        "org.opencontainers.image.description": "Sees inside every Go process of a node from the outside",
        "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.revision": commit,
        "org.opencontainers.image.created": created,
    });
    let mut manifests = vec![];
    for image in images {
        let mut manifest = manifest(&mut blobs, image, &about, &created)?;
        add(&mut manifest, "platform", json!({"architecture": image.arch, "os": "linux"}));
        manifests.push(manifest);
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, "annotations": about});
    let mut index = blobs.add(INDEX, serde_json::to_vec(&index)?);
    let digest = index.get("digest").and_then(Value::as_str).context("a descriptor has a digest")?.to_owned();
    // containerd takes the first, others the second.
    add(&mut index, "annotations", json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}));
    let mut files: BTreeMap<String, Vec<u8>> = blobs.0.into_iter().map(|(hex, bytes)| (format!("blobs/sha256/{hex}"), bytes)).collect();
    files.insert("oci-layout".to_owned(), serde_json::to_vec(&json!({"imageLayoutVersion": "1.0.0"}))?);
    files.insert("index.json".to_owned(), serde_json::to_vec(&json!({"schemaVersion": 2, "manifests": [index]}))?);
    let files: Vec<(&str, u32, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), 0o644, bytes.as_slice())).collect();
    Ok((archive(&files)?, digest))
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Adds one image's blobs, and gives the descriptor of its manifest.
fn manifest(blobs: &mut Blobs, image: &Image, about: &Value, created: &str) -> Result<Value> {
    let files: Vec<(&str, u32, &[u8])> = image.files.iter().map(|file| (file.place, file.mode, file.bytes.as_slice())).collect();
    let layer = archive(&files)?;
    let uncompressed = format!("sha256:{}", hex(&layer));
    let layer = if image.packed {
        let mut packed = GzBuilder::new().mtime(0).write(vec![], Compression::best());
        packed.write_all(&layer)?;
        blobs.add("application/vnd.oci.image.layer.v1.tar+gzip", packed.finish()?)
    } else {
        blobs.add("application/vnd.oci.image.layer.v1.tar", layer)
    };
    let program = format!("/{}", image.files.first().context("an image has a program")?.place);
    let config = json!({
        "architecture": image.arch, "os": "linux", "created": created,
        "config": {"User": USER, "Entrypoint": [program], "WorkingDir": "/", "Labels": about},
        "rootfs": {"type": "layers", "diff_ids": [uncompressed]},
        "history": [{"created": created, "created_by": "cargo xtask image"}],
    });
    let config = blobs.add("application/vnd.oci.image.config.v1+json", serde_json::to_vec(&config)?);
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer], "annotations": about});
    Ok(blobs.add(media_type, serde_json::to_vec(&manifest)?))
}

/// Contents by the hexadecimal digits of their digest.
#[derive(Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    /// Keeps `bytes`, and gives their descriptor.
    fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let hex = hex(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len()});
        self.0.insert(hex, bytes);
        descriptor
    }
}

fn add(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A tar archive of `(path, mode, bytes)`, with the folders above them, all of root's and of the year 1970.
fn archive(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>> {
    let mut entries: BTreeMap<String, Option<(u32, &[u8])>> = BTreeMap::new();
    for &(path, mode, bytes) in files {
        for (slash, _) in path.match_indices('/') {
            entries.insert(path.get(..=slash).context("a slash is one byte")?.to_owned(), None);
        }
        entries.insert(path.to_owned(), Some((mode, bytes)));
    }
    let mut archive = tar::Builder::new(vec![]);
    for (path, entry) in &entries {
        let (kind, mode, bytes) =
            entry.map_or((tar::EntryType::Directory, 0o755, &[] as &[u8]), |(mode, bytes)| (tar::EntryType::Regular, mode, bytes));
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(u64::try_from(bytes.len())?);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        archive.append_data(&mut header, path, bytes)?;
    }
    Ok(archive.into_inner()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn both(packed: bool) -> Vec<Image> {
        let files = |program: &[u8]| vec![File { place: "goroscope", mode: 0o755, bytes: program.to_vec() }];
        [("amd64", b"one"), ("arm64", b"two")].map(|(arch, program)| Image { arch, files: files(program), packed }).into()
    }

    /// The files of a layout by their paths.
    fn unpacked(layout: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(layout).entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let mut bytes = vec![];
            entry.read_to_end(&mut bytes).expect("its bytes");
            files.insert(entry.path().expect("a path").display().to_string(), bytes);
        }
        files
    }

    #[test]
    fn one_index_leads_to_the_programs_of_both_architectures() {
        let (layout, digest) = layout("example.org/goroscope:1", "0123", 1, &both(true)).expect("a layout");
        let files = unpacked(&layout);
        let mut followed = 0;
        let mut follow = |descriptor: &Value| -> Vec<u8> {
            let hex_digits = descriptor["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:")).expect("a digest");
            let bytes = files.get(&format!("blobs/sha256/{hex_digits}")).expect("a blob");
            assert_eq!((hex(bytes).as_str(), descriptor["size"].as_u64()), (hex_digits, Some(bytes.len() as u64)));
            followed += 1;
            bytes.clone()
        };
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        let top = json(&files["index.json"]);
        assert_eq!(top["manifests"][0]["digest"], digest);
        let index = json(&follow(&top["manifests"][0]));
        let about = index["annotations"].as_object().expect("annotations");
        assert!(about.values().all(|value| value.as_str().is_some_and(|text| !text.is_empty())), "{about:?}");
        for (at, (arch, program)) in [("amd64", "one"), ("arm64", "two")].into_iter().enumerate() {
            assert_eq!(index["manifests"][at]["platform"], json!({"architecture": arch, "os": "linux"}));
            let manifest = json(&follow(&index["manifests"][at]));
            let config = json(&follow(&manifest["config"]));
            assert_eq!((&config["architecture"], &config["config"]["Entrypoint"][0]), (&json!(arch), &json!("/goroscope")));
            let mut layer = vec![];
            flate2::read::GzDecoder::new(follow(&manifest["layers"][0]).as_slice()).read_to_end(&mut layer).expect("a packed layer");
            assert_eq!(config["rootfs"]["diff_ids"], json!([format!("sha256:{}", hex(&layer))]));
            assert_eq!(unpacked(&layer), BTreeMap::from([("goroscope".to_owned(), program.as_bytes().to_vec())]));
        }
        assert_eq!(files.keys().filter(|path| path.starts_with("blobs/sha256/") && !path.ends_with('/')).count(), followed);
    }

    #[test]
    fn the_same_input_gives_the_same_bytes_and_another_does_not() {
        let made = |commit, images: &[Image]| layout("example.org/goroscope:1", commit, 1, images).expect("a layout");
        assert_eq!(made("0123", &both(true)), made("0123", &both(true)));
        let mut other = both(true);
        other[1].files[0].bytes = b"three".to_vec();
        let digests = [made("0123", &both(true)), made("0123", &other), made("4567", &both(true)), made("0123", &both(false))];
        let distinct: std::collections::BTreeSet<&String> = digests.iter().map(|(_, digest)| digest).collect();
        assert_eq!(distinct.len(), digests.len());
    }

    #[test]
    fn folders_come_before_their_files_once() {
        let archived = archive(&[("a/b/x", 0o755, b"1"), ("a/y", 0o644, b"")]).expect("an archive");
        let mut read = tar::Archive::new(archived.as_slice());
        let entries = read.entries().expect("entries").map(|entry| entry.expect("an entry"));
        let paths: Vec<String> = entries
            .map(|entry| format!("{} {:o}", entry.path().expect("a path").display(), entry.header().mode().expect("a mode")))
            .collect();
        assert_eq!(paths, ["a/ 755", "a/b/ 755", "a/b/x 755", "a/y 644"]);
    }
}
