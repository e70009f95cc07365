//! Helm and what goes with it.

use crate::gomodule::Program;

/// The Helm of most installations still; `cargo xtask cluster` installs the chart with Helm 4, too.
pub(crate) static HELM: Program = Program {
    name: "helm",
    module: "helm.sh/helm/v3",
    version: "3.22.0",
    package: "helm.sh/helm/v3/cmd/helm",
    replaces: &[],
    ldflags: "-X helm.sh/helm/v3/internal/version.version=v3.22.0",
    tags: "",
    main: "",
};

pub(crate) static UNITTEST: Program = Program {
    name: "helm-unittest",
    module: "github.com/helm-unittest/helm-unittest",
    version: "1.1.2",
    package: "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
    replaces: &["github.com/vmware-labs/yaml-jsonpath v0.3.2 => github.com/helm-unittest/yaml-jsonpath v0.4.0"],
    ldflags: "",
    tags: "",
    main: "",
};

pub(crate) static DOCS: Program = Program {
    name: "helm-docs",
    module: "github.com/norwoodj/helm-docs",
    version: "1.14.2",
    package: "github.com/norwoodj/helm-docs/cmd/helm-docs",
    replaces: &[],
    ldflags: "",
    tags: "",
    main: "",
};

pub(crate) static KUBECONFORM: Program = Program {
    name: "kubeconform",
    module: "github.com/yannh/kubeconform",
    version: "0.8.0",
    package: "github.com/yannh/kubeconform/cmd/kubeconform",
    replaces: &[],
    ldflags: "",
    tags: "",
    main: "",
};

/// All of them.
pub(crate) static PROGRAMS: [&Program; 4] = [&HELM, &UNITTEST, &DOCS, &KUBECONFORM];
