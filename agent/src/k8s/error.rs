//! What the API server can do wrong. Out: reasons of [`PodEvent::REASONS`](crate::model::PodEvent::REASONS), and texts for people.

use std::error::Error;

use kube::{Error as ClientError, runtime::watcher};

use crate::model::{is_harmful, with_causes};

/// Bytes of a text for people.
const DETAIL: usize = 300;

/// Why the API server cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No way to it.
    #[error("there is neither a service account nor a kubeconfig ({0})")]
    None(String),
    /// The service account is there, and of no use.
    #[error("the service account is not usable: {0}")]
    Account(String),
    /// The kubeconfig is there, and of no use.
    #[error("the kubeconfig is not usable: {0}")]
    Kubeconfig(String),
    /// No client can be made of them.
    #[error("no connection to the API server can be prepared: {0}")]
    Client(String),
}

impl ConnectError {
    pub(super) fn kubeconfig(error: impl Error) -> Self {
        Self::Kubeconfig(said(&error))
    }
}

/// Why a watch failed: the reason and the text.
pub(super) fn of_watch(error: &watcher::Error) -> (&'static str, String) {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            of_client(error)
        }
        watcher::Error::WatchError(status) => (of_status(status.code), bounded(status.message.clone())),
        watcher::Error::NoResourceVersion => ("malformed", error.to_string()),
    }
}

/// Why a question failed: the reason and the text.
pub(super) fn of_client(error: &ClientError) -> (&'static str, String) {
    match error {
        ClientError::Api(status) => (of_status(status.code), bounded(format!("{} ({})", status.message, status.code))),
        ClientError::SerdeError(_) | ClientError::FromUtf8(_) | ClientError::LinesCodecMaxLineLengthExceeded => ("malformed", said(error)),
        ClientError::Auth(_) => ("unauthorized", said(error)),
        _ if is_timeout(error) => ("timeout", said(error)),
        _ => ("unreachable", said(error)),
    }
}

const fn of_status(code: u16) -> &'static str {
    match code {
        401 => "unauthorized",
        403 => "forbidden",
        410 => "expired",
        408 | 504 => "timeout",
        _ => "server_error",
    }
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut);
    io || error.source().is_some_and(is_timeout)
}

/// An error with its causes, for people.
fn said(error: &dyn Error) -> String {
    bounded(with_causes(error))
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(DETAIL));
    text.replace(is_harmful, " ")
}
