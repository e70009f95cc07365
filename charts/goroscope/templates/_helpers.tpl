{{- define "goroscope.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "goroscope.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "goroscope.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "goroscope.selector" -}}
app.kubernetes.io/name: {{ include "goroscope.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end }}

{{- define "goroscope.labels" -}}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "goroscope.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: goroscope
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "goroscope.annotations" -}}
{{- with .Values.commonAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "goroscope.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "goroscope.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "goroscope.image" -}}
{{- $repository := .Values.image.repository }}
{{- with .Values.global.imageRegistry }}
{{- $parts := splitList "/" $repository }}
{{- $first := first $parts }}
{{- if or (contains "." $first) (contains ":" $first) (eq $first "localhost") }}
{{- $repository = printf "%s/%s" . (rest $parts | join "/") }}
{{- else }}
{{- $repository = printf "%s/%s" . $repository }}
{{- end }}
{{- end }}
{{- $tag := .Values.image.tag | default .Chart.AppVersion }}
{{- if .Values.image.digest }}
{{- printf "%s:%s@%s" $repository $tag .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository $tag }}
{{- end }}
{{- end }}

{{- define "goroscope.needsApi" -}}
{{- if or .Values.kubernetes.enabled (eq .Values.auth.mode "kubernetes") }}true{{ end }}
{{- end }}

{{- /* Exactly what is needed, and nothing that was not asked for. */}}
{{- define "goroscope.capabilities" -}}
{{- if .Values.probes }}
- BPF
- PERFMON
{{- end }}
- SYS_PTRACE
{{- if .Values.compat.sysAdmin }}
- SYS_ADMIN
{{- end }}
{{- if .Values.compat.sysResource }}
- SYS_RESOURCE
{{- end }}
{{- if .Values.compat.dacReadSearch }}
- DAC_READ_SEARCH
{{- end }}
{{- end }}

{{- define "goroscope.securityContext" -}}
{{- $context := dict "privileged" false "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "runAsUser" 0 "runAsGroup" 0 }}
{{- $_ := set $context "capabilities" (dict "drop" (list "ALL") "add" (include "goroscope.capabilities" . | fromYamlArray)) }}
{{- $_ := set $context "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- if and .Values.appArmor.type (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) }}
{{- $profile := dict "type" .Values.appArmor.type }}
{{- if eq .Values.appArmor.type "Localhost" }}{{- $_ := set $profile "localhostProfile" .Values.appArmor.localhostProfile }}{{- end }}
{{- $_ := set $context "appArmorProfile" $profile }}
{{- end }}
{{- with .Values.seLinux.type }}{{- $_ := set $context "seLinuxOptions" (dict "type" .) }}{{- end }}
{{- mergeOverwrite $context (deepCopy .Values.securityContext) | toYaml }}
{{- end }}

{{- /* The port of a URL. */}}
{{- define "goroscope.port" -}}
{{- $url := urlParse . }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- $port | default (ternary "443" "80" (eq $url.scheme "https")) }}
{{- end }}

{{- define "goroscope.config" -}}
{{- $c := .Values.config }}
{{- $config := dict "listen" (printf "%s:%v" .Values.ports.address .Values.ports.metrics) }}
{{- $_ := set $config "health-listen" (printf "%s:%v" .Values.ports.address .Values.ports.health) }}
{{- $_ := set $config "interval" $c.interval }}
{{- $_ := set $config "exact" $c.exact }}
{{- $_ := set $config "per-process" $c.perProcess }}
{{- /* A folder of the agent's own: a volume may be written to by everybody, and there it keeps nothing. */}}
{{- $_ := set $config "snapshot-dir" "/var/lib/goroscope/snapshots" }}
{{- $_ := set $config "log-level" $c.logLevel }}
{{- $_ := set $config "log-format" $c.logFormat }}
{{- $_ := set $config "view" false }}
{{- with $c.exclude }}{{- $_ := set $config "exclude" . }}{{- end }}
{{- $_ := set $config "kubernetes" .Values.kubernetes.enabled }}
{{- if .Values.kubernetes.enabled }}
{{- $_ := set $config "events" .Values.kubernetes.events }}
{{- with .Values.kubernetes.podSelector }}{{- $_ := set $config "pod-selector" . }}{{- end }}
{{- with .Values.kubernetes.namespaces }}{{- $_ := set $config "namespace" . }}{{- end }}
{{- with .Values.kubernetes.excludeNamespaces }}{{- $_ := set $config "exclude-namespace" . }}{{- end }}
{{- end }}
{{- with .Values.alertmanager.urls }}{{- $_ := set $config "alertmanager" . }}{{- end }}
{{- if .Values.otlp.enabled }}
{{- $_ := set $config "otlp-endpoint" (required "otlp.endpoint is required with otlp.enabled" .Values.otlp.endpoint) }}
{{- $_ := set $config "otlp-interval" .Values.otlp.interval }}
{{- if and .Values.otlp.headers (not .Values.otlp.headersSecret.name) }}
{{- $headers := list }}
{{- range $name, $value := .Values.otlp.headers }}{{- $headers = append $headers (printf "%s=%s" $name $value) }}{{- end }}
{{- $_ := set $config "otlp-header" $headers }}
{{- end }}
{{- end }}
{{- if .Values.tls.enabled }}
{{- $_ := set $config "tls-cert" "/etc/goroscope/tls/tls.crt" }}
{{- $_ := set $config "tls-key" "/etc/goroscope/tls/tls.key" }}
{{- if .Values.tls.clientCAKey }}{{- $_ := set $config "tls-client-ca" "/etc/goroscope/tls/client-ca.crt" }}{{- end }}
{{- end }}
{{- if ne .Values.auth.mode "none" }}{{- $_ := set $config "auth" .Values.auth.mode }}{{- end }}
{{- if eq .Values.auth.mode "token" }}{{- $_ := set $config "auth-token-file" "/etc/goroscope/auth/token" }}{{- end }}
{{- if .Values.debugSocket.enabled }}{{- $_ := set $config "debug-socket" "/run/goroscope/debug.sock" }}{{- end }}
{{- mergeOverwrite $config (deepCopy $c.extra) | toYaml }}
{{- end }}
