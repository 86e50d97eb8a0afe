{{/* The two Deployments: called with (list root part). What they have in common stands here once. */}}

{{/* A part's words in the values: KEDA's chart calls one thing by several names. */}}
{{- define "tidegate.words" -}}
{{- if eq . "operator" -}}
{"role": "controller", "pods": "keda", "settings": "operator", "spread": "operator", "volumes": "keda"}
{{- else -}}
{"role": "adapter", "pods": "metricsAdapter", "settings": "metricServer", "spread": "metricsServer", "volumes": "metricsApiServer"}
{{- end -}}
{{- end -}}

{{/* The command line, one word an item. */}}
{{- define "tidegate.args" -}}
{{- $root := index . 0 -}}
{{- $values := $root.Values -}}
{{- $words := include "tidegate.words" (index . 1) | fromJson -}}
- run
- --role={{ $words.role }}
- --lease={{ $root.Release.Namespace }}/{{ $values.operator.leaderElectionID }}
- --feed-cert-dir={{ $values.certificates.mountPath }}/feed
{{- if eq $words.role "controller" }}
- {{ printf "--feed-address=%s" $values.listenAddress | quote }}
- --feed-port={{ int $values.feed.port }}
- --cluster-namespace={{ $root.Release.Namespace }}
{{- if ne $values.mode "act" }}
- --mode={{ $values.mode }}
{{- end }}
{{- range include "tidegate.namespaces" $root | fromJsonArray }}
- --namespace={{ . }}
{{- end }}
{{- range $name, $value := $values.settings }}
- {{ printf "--set=%s=%s" $name (include "tidegate.word" $value) | quote }}
{{- end }}
{{- else }}
- {{ printf "--bind-address=%s" $values.listenAddress | quote }}
- --secure-port={{ int $values.service.portHttpsTarget }}
- --tls-cert-file={{ $values.certificates.mountPath }}/tls.crt
- --tls-private-key-file={{ $values.certificates.mountPath }}/tls.key
{{- end }}
- {{ printf "--metrics-address=%s" $values.listenAddress | quote }}
- --metrics-port={{ int (get $values.prometheus $words.settings).port }}
- --log-level={{ include "tidegate.logLevel" (get $values.logging $words.settings).level }}
{{- with get $values.extraArgs $words.pods }}
{{- if kindIs "map" . }}
{{- range $name, $value := . }}
- {{ printf "--%s=%s" $name (include "tidegate.word" $value) | quote }}
{{- end }}
{{- else }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A value as a word: large numbers in digits, not as 1e+06. */}}
{{- define "tidegate.word" -}}
{{- if kindIs "string" . -}}{{- . -}}{{- else -}}{{- toJson . -}}{{- end -}}
{{- end -}}

{{- define "tidegate.deployment" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
{{- $values := $root.Values -}}
{{- $words := include "tidegate.words" $part | fromJson -}}
{{- $name := include (printf "tidegate.%s" $part) $root -}}
{{- $own := get $values $part -}}
{{- $controls := eq $part "operator" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "tidegate.metadata" (list $root $name $root.Release.Namespace (dict) $part) | nindent 2 }}
spec:
  replicas: {{ ternary (int $own.replicaCount) (min 1 (int $own.replicaCount)) (eq $values.mode "act") }}
  revisionHistoryLimit: {{ int $own.revisionHistoryLimit }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      # A new one is ready before an old one ends.
      maxUnavailable: 0
      maxSurge: 1
  selector:
    matchLabels:
      {{- include "tidegate.selector" (list $root $part) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "tidegate.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $words.role }}
        {{- if $values.compat.keda }}
        app: {{ $name }}
        {{- end }}
        {{- with get $values.podLabels $words.pods }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with mergeOverwrite (dict) $values.additionalAnnotations (get $values.podAnnotations $words.pods) }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "tidegate.serviceAccount" (list $root $part) }}
      automountServiceAccountToken: true
      terminationGracePeriodSeconds: {{ int $own.terminationGracePeriodSeconds }}
      {{- with $values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with get $values.podSecurityContext $words.settings }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      affinity:
        {{- if $values.affinity }}
        {{- toYaml $values.affinity | nindent 8 }}
        {{- else }}
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                topologyKey: kubernetes.io/hostname
                labelSelector:
                  matchLabels:
                    {{- include "tidegate.selector" (list $root $part) | nindent 20 }}
        {{- end }}
      {{- with get $values.topologySpreadConstraints $words.spread }}
      topologySpreadConstraints:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ $name }}
          image: {{ include "tidegate.image" $root | quote }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          args:
            {{- include "tidegate.args" . | nindent 12 }}
          {{- if or $controls $values.env }}
          env:
            {{- if $controls }}
            # Where the adapters are told to reach it.
            - name: POD_IP
              valueFrom:
                fieldRef:
                  fieldPath: status.podIP
            {{- end }}
            {{- with $values.env }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- end }}
          ports:
            {{- if $controls }}
            - name: feed
              containerPort: {{ int $values.feed.port }}
              protocol: TCP
            {{- else }}
            - name: https
              containerPort: {{ int $values.service.portHttpsTarget }}
              protocol: TCP
            {{- end }}
            - name: metrics
              containerPort: {{ int (get $values.prometheus $words.settings).port }}
              protocol: TCP
          {{- if not $controls }}
          lifecycle:
            preStop:
              # Requests that are on their way while the Service forgets this pod are still answered.
              sleep:
                seconds: 5
          {{- end }}
          livenessProbe:
            httpGet:
              path: /healthz
              port: metrics
            initialDelaySeconds: 20
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet:
              path: /readyz
              port: metrics
            periodSeconds: 3
            timeoutSeconds: 3
            failureThreshold: 3
          {{- with get $values.resources $words.settings }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with get $values.securityContext $words.settings }}
          securityContext:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          volumeMounts:
            - name: certificates
              mountPath: {{ $values.certificates.mountPath }}
              readOnly: true
            - name: tmp
              mountPath: /tmp
            {{- with (get $values.volumes $words.volumes).extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: certificates
          projected:
            sources:
              {{- if not $controls }}
              - secret:
                  name: {{ include "tidegate.certificates" $root }}
                  items:
                    - key: tls.crt
                      path: tls.crt
                    - key: tls.key
                      path: tls.key
              {{- end }}
              - secret:
                  name: {{ include "tidegate.feedCertificates" $root }}
                  items:
                    - key: ca.crt
                      path: feed/ca.crt
                    - key: tls.crt
                      path: feed/tls.crt
                    - key: tls.key
                      path: feed/tls.key
        - name: tmp
          emptyDir:
            sizeLimit: 64Mi
        {{- with (get $values.volumes $words.volumes).extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end -}}
