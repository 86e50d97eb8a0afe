{{/* Rules of Roles. No group, resource or verb is `*`. */}}

{{- define "tidegate.rules.scaling" -}}
{{- $acts := eq .Values.mode "act" }}
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: {{ ternary "[get, list, watch, patch]" "[get, list, watch]" $acts }}
- apiGroups: [keda.sh]
  resources: [triggerauthentications]
  verbs: [list, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: {{ ternary "[get, list, watch, create, update, delete]" "[get, list, watch]" $acts }}
{{- if $acts }}
- apiGroups: [keda.sh]
  resources: [scaledobjects/status]
  verbs: [patch]
# To own HPAs where the admission plugin OwnerReferencesPermissionEnforcement is on.
- apiGroups: [keda.sh]
  resources: [scaledobjects/finalizers]
  verbs: [update]
{{ include "tidegate.rules.events" . }}
{{- end }}
{{- $groups := dict }}
{{- range .Values.scaleTargets }}
{{- $parts := splitList "/" . }}
{{- if ne (len $parts) 2 }}{{ fail (printf "scaleTargets: %q: write group/resource, such as apps/deployments" .) }}{{ end }}
{{- $group := first $parts }}
{{- if or (contains "*" .) (empty (last $parts)) }}{{ fail (printf "scaleTargets: %q: name one resource" .) }}{{ end }}
{{- $_ := set $groups $group (append (get $groups $group | default list) (last $parts)) }}
{{- end }}
{{- range $group, $resources := $groups }}
- apiGroups: [{{ $group | quote }}]
  resources: {{ $resources | uniq | sortAlpha | toJson }}
  verbs: [get, list, watch]
- apiGroups: [{{ $group | quote }}]
  resources:
    {{- range $resources | uniq | sortAlpha }}
    - {{ . }}/scale
    {{- end }}
  verbs: {{ ternary "[get, patch]" "[get]" $acts }}
{{- end }}
{{- end -}}

{{/* To lead, or to stand by. */}}
{{- define "tidegate.rules.lease" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ .Values.operator.leaderElectionID }}]
  verbs: [get, update]
{{- end -}}

{{/* To see who leads, and where. */}}
{{- define "tidegate.rules.leader" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ .Values.operator.leaderElectionID }}]
  verbs: [list, watch]
{{- end -}}

{{- define "tidegate.rules.events" -}}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What authentications and `...FromEnv` refer to. */}}
{{- define "tidegate.rules.references" -}}
- apiGroups: [""]
  resources: [secrets, configmaps, serviceaccounts]
  verbs: [get, list, watch]
{{- if .Values.boundServiceAccountTokens }}
- apiGroups: [""]
  resources: [serviceaccounts/token]
  verbs: [create]
{{- end }}
{{- end -}}

{{/* What `kubernetes-workload` counts. */}}
{{- define "tidegate.rules.pods" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end -}}

{{/* A role and its binding to a part's ServiceAccount: called with (list root name namespace rules part); no namespace: a ClusterRole. */}}
{{- define "tidegate.role" -}}
{{- $root := index . 0 -}}
{{- $kind := ternary "Role" "ClusterRole" (ne (index . 2) "") -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  {{- include "tidegate.metadata" (list $root (index . 1) (index . 2) (dict) (index . 4)) | nindent 2 }}
rules:
  {{- index . 3 | nindent 2 }}
---
{{ include "tidegate.binding" (list $root (index . 1) (index . 2) $kind (index . 1) (index . 4)) }}
{{- end -}}

{{/* A binding to a part's ServiceAccount: called with (list root name namespace kind role part). */}}
{{- define "tidegate.binding" -}}
{{- $root := index . 0 -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "RoleBinding" "ClusterRoleBinding" (ne (index . 2) "") }}
metadata:
  {{- include "tidegate.metadata" (list $root (index . 1) (index . 2) (dict) (index . 5)) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ index . 3 }}
  name: {{ index . 4 }}
subjects:
  - kind: ServiceAccount
    name: {{ include "tidegate.serviceAccount" (list $root (index . 5)) }}
    namespace: {{ $root.Release.Namespace }}
{{- end -}}
