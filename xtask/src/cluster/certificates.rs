//! Who is who in the cluster: one authority, and a certificate and kubeconfig for each identity. In: nothing. Out: files in pki/ and
//! etc/. RBAC reads the user from CN and the groups from O.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::lab::{API_SERVICE_IP, NODE, NODE_IP, etc, pki};
use crate::step::output;

/// Makes all of them, new for each cluster.
///
/// # Errors
/// openssl fails.
pub(super) fn make() -> Result<()> {
    fs::write(pki().join("req.cnf"), "[req]\ndistinguished_name = dn\n[dn]\n")?;
    let ca = ["-subj", "/CN=lab-ca", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign,digitalSignature"];
    certificate("ca", &ca)?;
    output(Command::new("openssl").args(["genrsa", "-out"]).arg(pki().join("sa.key")).arg("2048"))?;
    let api = format!(
        "IP:{NODE_IP},IP:127.0.0.1,IP:{API_SERVICE_IP},DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,\
         DNS:kubernetes.default.svc.cluster.local"
    );
    identity("apiserver", "/CN=kube-apiserver", Some(&api))?;
    // Without it `kubectl logs` and `exec` are refused.
    identity("apiserver-kubelet", "/O=system:masters/CN=apiserver-kubelet", None)?;
    identity("admin", "/O=system:masters/CN=admin", None)?;
    identity("node", &format!("/O=system:nodes/CN=system:node:{NODE}"), Some(&format!("IP:{NODE_IP},DNS:{NODE}")))?;
    identity("controller-manager", "/CN=system:kube-controller-manager", None)?;
    identity("scheduler", "/CN=system:kube-scheduler", None)?;
    identity("proxy", "/CN=system:kube-proxy", None)?;
    ["admin", "node", "controller-manager", "scheduler", "proxy"].into_iter().try_for_each(kubeconfig)
}

fn certificate(name: &str, more: &[&str]) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(pki());
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]);
    openssl.args(["-config", "req.cnf", "-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")]).args(more);
    output(&mut openssl).map(drop)
}

fn identity(name: &str, subject: &str, alternative: Option<&str>) -> Result<()> {
    let alternative = alternative.map(|names| format!("subjectAltName={names}"));
    let mut more = vec!["-CA", "ca.crt", "-CAkey", "ca.key", "-subj", subject, "-addext", "extendedKeyUsage=clientAuth,serverAuth"];
    if let Some(names) = &alternative {
        more.extend(["-addext", names]);
    }
    certificate(name, &more)
}

fn kubeconfig(name: &str) -> Result<()> {
    let pki = pki().display().to_string();
    let text = format!(
        "apiVersion: v1
kind: Config
clusters: [{{name: lab, cluster: {{server: \"https://{NODE_IP}:6443\", certificate-authority: {pki}/ca.crt}}}}]
users: [{{name: me, user: {{client-certificate: {pki}/{name}.crt, client-key: {pki}/{name}.key}}}}]
contexts: [{{name: lab, context: {{cluster: lab, user: me}}}}]
current-context: lab
"
    );
    fs::write(etc().join(format!("{name}.conf")), text).context("cannot write a kubeconfig")
}
