{{/* Names, labels and what several templates ask. Every definition is called with the root, unless it says otherwise. */}}

{{- define "tidegate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tidegate.operator" -}}
{{- if .Values.operator.name -}}
{{- .Values.operator.name -}}
{{- else if .Values.compat.keda -}}
keda-operator
{{- else -}}
{{- include "tidegate.fullname" . -}}
{{- end -}}
{{- end -}}

{{- define "tidegate.metricsService" -}}
{{- if .Values.compat.keda -}}
{{- include "tidegate.operator" . }}-metrics-apiserver
{{- else -}}
{{- include "tidegate.fullname" . }}-metrics
{{- end -}}
{{- end -}}

{{- define "tidegate.certificates" -}}
{{- .Values.certificates.secretName | default (printf "%s-certs" (include "tidegate.fullname" .)) -}}
{{- end -}}

{{- define "tidegate.serviceAccount" -}}
{{- if .Values.serviceAccount.operator.create -}}
{{- .Values.serviceAccount.operator.name | default (include "tidegate.operator" .) -}}
{{- else -}}
{{- .Values.serviceAccount.operator.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "tidegate.image" -}}
{{- $registry := .Values.image.registry -}}
{{- if .Values.global.image.registry -}}{{- $registry = .Values.global.image.registry -}}{{- end -}}
{{- if $registry -}}{{ $registry }}/{{- end -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest -}}@{{ .Values.image.digest }}{{- else -}}:{{ .Values.image.tag | default .Chart.AppVersion }}{{- end -}}
{{- end -}}

{{/* The pods' own labels; `tidegate explain` finds them by the first and the last. */}}
{{- define "tidegate.selector" -}}
app.kubernetes.io/name: tidegate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "tidegate.labels" -}}
{{ include "tidegate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tidegate
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.additionalLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* metadata of an object: called with (list root name namespace annotations); an empty namespace is none. */}}
{{- define "tidegate.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
{{- with index . 2 }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "tidegate.labels" $root | nindent 2 }}
{{- with mergeOverwrite (dict) $root.Values.additionalAnnotations (index . 3) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The watched namespaces as a JSON list; empty: all. */}}
{{- define "tidegate.namespaces" -}}
{{- $found := list -}}
{{- range splitList "," (.Values.watchNamespace | default "") -}}
{{- with trim . -}}{{- $found = append $found . -}}{{- end -}}
{{- end -}}
{{- $found | uniq | toJson -}}
{{- end -}}

{{- define "tidegate.logLevel" -}}
{{- $level := toString .Values.logging.operator.level -}}
{{- if regexMatch "^[0-9]+$" $level -}}
{{- ternary "info" "debug" (eq $level "0") -}}
{{- else -}}
{{- $level -}}
{{- end -}}
{{- end -}}

{{/* The command line of the container, one word an item. */}}
{{- define "tidegate.args" -}}
- run
- --role=all
- {{ printf "--bind-address=%s" .Values.listenAddress | quote }}
- --secure-port={{ .Values.service.portHttpsTarget | int }}
- {{ printf "--metrics-address=%s" .Values.listenAddress | quote }}
- --metrics-port={{ .Values.prometheus.operator.port | int }}
- --tls-cert-file={{ .Values.certificates.mountPath }}/tls.crt
- --tls-private-key-file={{ .Values.certificates.mountPath }}/tls.key
- --cluster-namespace={{ .Release.Namespace }}
{{- if ne .Values.mode "act" }}
- --mode={{ .Values.mode }}
{{- end }}
{{- range include "tidegate.namespaces" . | fromJsonArray }}
- --namespace={{ . }}
{{- end }}
- --log-level={{ include "tidegate.logLevel" . }}
{{- with .Values.extraArgs.keda }}
{{- if kindIs "map" . }}
{{- range $name, $value := . }}
- {{ printf "--%s=%v" $name $value | quote }}
{{- end }}
{{- else }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Values that are given and mean nothing here, one path a line: what values.yaml does not have. */}}
{{- define "tidegate.unknown" -}}
{{- $known := .Files.Lines "files/known-values.txt" -}}
{{- include "tidegate.unknownBelow" (list $known .Values "") -}}
{{- end -}}

{{- define "tidegate.unknownBelow" -}}
{{- $known := index . 0 -}}
{{- $at := index . 2 -}}
{{- range $name, $value := index . 1 -}}
{{- $path := printf "%s%s" $at $name -}}
{{- if has $path $known -}}
{{- else if has (printf "%s." $path) $known -}}
{{- if kindIs "map" $value -}}{{- include "tidegate.unknownBelow" (list $known $value (printf "%s." $path)) -}}{{- end -}}
{{- else if not (empty $value) }}
{{ $path }}
{{- end -}}
{{- end -}}
{{- end -}}
