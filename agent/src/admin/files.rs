//! Files that may change while they are in use: certificates are renewed, tokens are replaced.
//!
//! In: paths, and what makes something of their contents. Out: [`Kept`], always the last that could be made. Must not know: what the
//! files are for.
//!
//! Contents are compared, not times: a Secret that is mounted into a pod changes by a symbolic link, and copies may keep their times.

use std::{
    collections::hash_map::RandomState,
    fs::File,
    hash::BuildHasher as _,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};

use crate::model::Tally;

/// More than any chain of certificates, bundle of CAs or list of tokens has.
const BYTES_MAX: u64 = 4 << 20;

/// A file that is of no use.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It is larger than what is read.
    #[error("{} has more than {BYTES_MAX} bytes: that is no file of certificates, keys or tokens", .0.display())]
    TooLarge(PathBuf),
    /// It does not hold what it should.
    #[error("{} has no {what}{}", path.display(), detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default())]
    Lacks {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        detail: Option<String>,
    },
    /// Two files that do not belong together.
    #[error("the key in {} is not the key of the certificate in {}: one of them may be of another issue", key.display(), cert.display())]
    Mismatch {
        /// The certificate's.
        cert: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// What is in it cannot be used.
    #[error("cannot use {}: {detail}", path.display())]
    Useless {
        /// Which.
        path: PathBuf,
        /// Why.
        detail: String,
    },
}

/// Makes something of the contents of files, in the order of their paths.
pub(super) type Make<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<T, FileError> + Send + Sync>;

/// What was made of files at the start; [`Source::keep`] keeps it up to date.
pub(super) struct Source<T> {
    /// For the log.
    what: &'static str,
    paths: Vec<PathBuf>,
    make: Make<T>,
    hasher: RandomState,
    /// Of the contents that were tried last; none: they could not be read.
    seen: Option<u64>,
    first: T,
}

impl<T: Send + Sync + 'static> Source<T> {
    /// Reads the files a first time.
    pub(super) fn load(what: &'static str, paths: Vec<PathBuf>, make: Make<T>) -> Result<Self, FileError> {
        let contents = read_all(&paths)?;
        let first = make(&contents)?;
        let hasher = RandomState::new();
        Ok(Self { what, seen: Some(hasher.hash_one(&contents)), paths, make, hasher, first })
    }

    pub(super) const fn first(&self) -> &T {
        &self.first
    }

    /// Looks `every` so often whether they changed. What cannot be used is counted, told once, and changes nothing.
    pub(super) fn keep(self, every: Duration, failures: Arc<Tally>) -> Kept<T> {
        let Self { what, paths, make, hasher, mut seen, first } = self;
        let (sender, latest) = watch::channel(Arc::new(first));
        let shared = Arc::new((paths, make, hasher));
        let task = tokio::spawn(async move {
            let mut beat = interval(every);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                beat.tick().await;
                let shared = Arc::clone(&shared);
                // Files may be on a slow disk.
                let Ok((now, made)) = spawn_blocking(move || look(&shared, seen)).await else { return };
                seen = now;
                match made {
                    None => {}
                    Some(Ok(made)) => {
                        info!("{what} changed: the new is in use");
                        sender.send_replace(Arc::new(made));
                    }
                    Some(Err(error)) => {
                        failures.count("");
                        warn!(%error, "{what} changed and cannot be used: what was there before stays in use");
                    }
                }
            }
        });
        Kept { latest, task }
    }
}

/// What there is now, and what was made of it, or why not; nothing where it is what was `seen`.
fn look<T>((paths, make, hasher): &(Vec<PathBuf>, Make<T>, RandomState), seen: Option<u64>) -> (Option<u64>, Option<Result<T, FileError>>) {
    match read_all(paths) {
        Ok(contents) => {
            let now = Some(hasher.hash_one(&contents));
            (now, (now != seen).then(|| make(&contents)))
        }
        // Said once.
        Err(error) => (None, seen.is_some().then_some(Err(error))),
    }
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, FileError> {
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut contents = Vec::new();
    File::open(path)
        .and_then(|file| file.take(BYTES_MAX.saturating_add(1)).read_to_end(&mut contents))
        .map_err(|error| FileError::Read { path: path.to_owned(), error })?;
    if u64::try_from(contents.len()).is_ok_and(|len| len <= BYTES_MAX) { Ok(contents) } else { Err(FileError::TooLarge(path.to_owned())) }
}

/// The last that could be made of the files.
#[derive(Debug)]
pub(super) struct Kept<T> {
    latest: watch::Receiver<Arc<T>>,
    task: JoinHandle<()>,
}

impl<T> Kept<T> {
    pub(super) fn get(&self) -> Arc<T> {
        Arc::clone(&self.latest.borrow())
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
