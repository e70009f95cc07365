//! Notes as Events of the core API, which `kubectl describe pod` shows. Needs the right to create Events, and no other.

use std::time::{Duration, SystemTime};

use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::Timestamp,
};
use kube::{Api, Error as ClientError, api::PostParams};
use tokio::time::timeout;

use super::{Cluster, error};
use crate::alert::{Note, RecordError, Recorded, Recorder};

/// How long one may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Bytes that a message may have, and the beginning of an Event's name.
const MESSAGE: usize = 1_024;
const NAME: usize = 200;

/// Who says it.
const COMPONENT: &str = "goroscope";

impl Recorder for Cluster {
    fn record<'a>(&'a self, note: &'a Note) -> Recorded<'a> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &note.namespace);
        Box::pin(async move {
            let event = event(note, &self.node);
            match timeout(ATTEMPT, api.create(&PostParams::default(), &event)).await {
                Ok(Ok(_)) => Ok(()),
                // Said already, by this agent or the one before it.
                Ok(Err(ClientError::Api(status))) if status.code == 409 => Ok(()),
                Ok(Err(failure)) => Err(judge(&failure)),
                Err(_) => Err(RecordError { reason: "timeout", detail: "no answer in time".to_owned(), is_passing: true }),
            }
        })
    }
}

/// What cannot be helped by trying again soon is not tried again soon.
fn judge(failure: &ClientError) -> RecordError {
    let (reason, detail) = error::of_client(failure);
    let is_passing = match failure {
        ClientError::Api(status) => status.code == 429 || status.code >= 500,
        _ => true,
    };
    let reason = match reason {
        "unreachable" | "timeout" | "unauthorized" | "forbidden" => reason,
        _ => "rejected",
    };
    RecordError { reason, detail, is_passing }
}

fn event(note: &Note, node: &str) -> Event {
    let cut = |text: &str, length: usize| text.get(..text.floor_char_boundary(length)).unwrap_or_default().to_owned();
    let pod = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some(note.namespace.clone()),
        name: Some(note.pod.clone()),
        uid: Some(note.pod_uid.clone()),
        field_path: Some(format!("spec.containers{{{}}}", note.container)),
        ..ObjectReference::default()
    };
    Event {
        metadata: ObjectMeta {
            namespace: Some(note.namespace.clone()),
            name: Some(format!("{}.{}", cut(&note.pod, NAME).trim_end_matches(['-', '.']), note.id)),
            ..ObjectMeta::default()
        },
        involved_object: pod,
        type_: Some("Warning".to_owned()),
        reason: Some(note.reason.to_owned()),
        message: Some(cut(&note.message, MESSAGE)),
        first_timestamp: time(note.first),
        last_timestamp: time(note.last),
        count: Some(note.count),
        source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: Some(node.to_owned()) }),
        reporting_component: Some(COMPONENT.to_owned()),
        reporting_instance: Some(node.to_owned()),
        ..Event::default()
    }
}

fn time(time: SystemTime) -> Option<Time> {
    // The API has no fractions of a second here.
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Timestamp::from_second(i64::try_from(since.as_secs()).ok()?).ok().map(Time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn note(pod: &str, message: &str) -> Note {
        Note {
            namespace: "shop".to_owned(),
            pod: pod.to_owned(),
            pod_uid: "1".to_owned(),
            container: "app".to_owned(),
            id: "0123456789abcdef".to_owned(),
            reason: "GoroutineLeak",
            message: message.to_owned(),
            first: SystemTime::UNIX_EPOCH,
            last: SystemTime::UNIX_EPOCH + Duration::from_millis(1_500),
            count: 2,
        }
    }

    #[test]
    fn an_event_points_to_the_container() {
        let expected = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"namespace": "shop", "name": "web-0.0123456789abcdef"},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web-0", "uid": "1", "fieldPath": "spec.containers{app}",
            },
            "type": "Warning", "reason": "GoroutineLeak", "message": "it leaks", "count": 2,
            "firstTimestamp": "1970-01-01T00:00:00Z", "lastTimestamp": "1970-01-01T00:00:01Z",
            "source": {"component": "goroscope", "host": "node-1"}, "reportingComponent": "goroscope", "reportingInstance": "node-1",
        });
        assert_eq!(serde_json::to_value(event(&note("web-0", "it leaks"), "node-1")).unwrap(), expected);
    }

    #[test]
    fn names_and_messages_are_bounded() {
        let event = event(&note(&format!("{}-{}", "a".repeat(199), "b".repeat(54)), &"\u{e9}".repeat(1000)), "node-1");
        assert_eq!(event.metadata.name.unwrap(), format!("{}.0123456789abcdef", "a".repeat(199)));
        assert_eq!(event.message.unwrap().len(), 1024);
    }
}
