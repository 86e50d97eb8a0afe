{{/* Names, labels and what several templates ask. Every definition is called with the root, unless it says otherwise.
A part is `operator` (the controllers) or `metricsServer` (the adapters), as KEDA's chart names them. */}}

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

{{/* The Deployment of the adapters. */}}
{{- define "tidegate.metricsServer" -}}
{{- if .Values.compat.keda -}}
{{- include "tidegate.operator" . }}-metrics-apiserver
{{- else -}}
{{- include "tidegate.fullname" . }}-adapter
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

{{- define "tidegate.feedCertificates" -}}
{{- .Values.certificates.feed.secretName | default (printf "%s-feed" (include "tidegate.fullname" .)) -}}
{{- end -}}

{{/* A part's ServiceAccount: called with (list root part). */}}
{{- define "tidegate.serviceAccount" -}}
{{- $root := index . 0 -}}
{{- $account := get $root.Values.serviceAccount (ternary "operator" "metricServer" (eq (index . 1) "operator")) -}}
{{- if $account.create -}}
{{- $account.name | default (include (printf "tidegate.%s" (index . 1)) $root) -}}
{{- else -}}
{{- $account.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "tidegate.image" -}}
{{- $registry := .Values.image.registry -}}
{{- if .Values.global.image.registry -}}{{- $registry = .Values.global.image.registry -}}{{- end -}}
{{- if $registry -}}{{ $registry }}/{{- end -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest -}}@{{ .Values.image.digest }}{{- else -}}:{{ .Values.image.tag | default .Chart.AppVersion }}{{- end -}}
{{- end -}}

{{/* Does anybody ask for external metrics here? One who observes leaves them to another. */}}
{{- define "tidegate.serves" -}}
{{- if eq .Values.mode "act" }}yes{{ end -}}
{{- end -}}

{{/* A part's pods' own labels: called with (list root part). `tidegate explain` finds controllers by the first and the last. */}}
{{- define "tidegate.selector" -}}
app.kubernetes.io/name: tidegate
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ ternary "controller" "adapter" (eq (index . 1) "operator") }}
{{- end -}}

{{- define "tidegate.labels" -}}
app.kubernetes.io/name: tidegate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tidegate
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.additionalLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* metadata of an object: called with (list root name namespace annotations part); an empty namespace or part is none. */}}
{{- define "tidegate.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
{{- with index . 2 }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "tidegate.labels" $root | nindent 2 }}
  {{- with index . 4 }}
  app.kubernetes.io/component: {{ ternary "controller" "adapter" (eq . "operator") }}
  {{- end }}
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

{{/* Called with the level of a value. */}}
{{- define "tidegate.logLevel" -}}
{{- $level := toString . -}}
{{- if regexMatch "^[0-9]+$" $level -}}
{{- ternary "info" "debug" (eq $level "0") -}}
{{- else -}}
{{- $level -}}
{{- end -}}
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
