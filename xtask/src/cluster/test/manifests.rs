//! What runs in the cluster to be observed. In: names. Out: manifests.

use super::super::images::{APP, MONITOR};

/// The namespace of what is observed.
pub(super) const SHOP: &str = "shop";

/// How many pods of each Deployment.
pub(super) const REPLICAS: usize = 3;

/// The namespace, and a leaking and an innocent Deployment.
pub(super) fn shop() -> String {
    let mut text = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {SHOP}}}\n");
    for mode in ["leaky", "innocent"] {
        // Another user than the agent's.
        text.push_str(&format!(
            "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {mode}, namespace: {SHOP}}}
spec:
  replicas: {REPLICAS}
  selector: {{matchLabels: {{app: {mode}}}}}
  template:
    metadata: {{labels: {{app: {mode}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      automountServiceAccountToken: false
      securityContext: {{runAsUser: 1000, runAsGroup: 1000}}
      containers:
        - name: web
          image: {APP}
          imagePullPolicy: Never
          args: [{mode}]
          ports: [{{name: http, containerPort: 8080}}]
          readinessProbe: {{httpGet: {{path: /healthz, port: http}}, periodSeconds: 2}}
          resources: {{requests: {{cpu: 10m, memory: 32Mi}}, limits: {{memory: 128Mi}}}}
"
        ));
    }
    text
}

/// A pod that lives for two seconds.
pub(super) fn brief(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {SHOP}}}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  containers: [{{name: job, image: {APP}, imagePullPolicy: Never, args: [brief]}}]
"
    )
}

/// The namespace of the Operator's Prometheus.
pub(super) const MONITORING: &str = "monitoring";

/// A Prometheus for the Operator to run. The Operator writes configuration for `version`; the image is newer.
pub(super) fn monitoring() -> String {
    format!(
        "apiVersion: v1
kind: Namespace
metadata: {{name: {MONITORING}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: prometheus, namespace: {MONITORING}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: prometheus}}
rules:
  - {{apiGroups: [\"\"], resources: [pods, services, endpoints, nodes], verbs: [get, list, watch]}}
  - {{apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: prometheus}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: prometheus}}
subjects: [{{kind: ServiceAccount, name: prometheus, namespace: {MONITORING}}}]
---
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {{name: lab, namespace: {MONITORING}}}
spec:
  image: {MONITOR}
  imagePullPolicy: IfNotPresent
  version: v3.5.0
  serviceAccountName: prometheus
  securityContext: {{runAsUser: 65534, runAsGroup: 65534, fsGroup: 65534}}
  scrapeInterval: 5s
  evaluationInterval: 5s
  podMonitorSelector: {{matchLabels: {{release: lab}}}}
  podMonitorNamespaceSelector: {{}}
  ruleSelector: {{matchLabels: {{release: lab}}}}
  ruleNamespaceSelector: {{}}
"
    )
}
