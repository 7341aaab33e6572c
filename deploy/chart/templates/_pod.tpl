{{- /* The pod of a component. Takes `command`, `ports` by name, and `health`, the name of the port that serves the probes. */}}
{{- define "keelson.pod" -}}
{{- $v := .root.Values }}
{{- $own := get $v .component }}
metadata:
  labels:
    {{- include "keelson.labels" . | nindent 4 }}
    {{- with $own.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- if eq .component "worker" }}
    keelson/settings: {{ include "keelson.settings" .root | sha256sum }}
    {{- end }}
    {{- with $own.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ .account | quote }}
  automountServiceAccountToken: {{ eq .component "worker" }}
  {{- with $v.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  {{- if $own.hostNetwork }}
  hostNetwork: true
  {{- if not $own.dnsPolicy }}
  # With the default policy, names of Services would not resolve on the node's network.
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- end }}
  {{- range $key := list "dnsPolicy" "priorityClassName" "nodeSelector" "tolerations" "affinity" }}
  {{- with get $own $key }}
  {{ $key }}: {{ toJson . }}
  {{- end }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "keelson.selector" . | nindent 10 }}
  # After SIGTERM a worker takes at most 20 s to end.
  terminationGracePeriodSeconds: 30
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: {{ .component }}
      image: {{ printf "%s:%s" $v.image.repository ($v.image.tag | default .root.Chart.AppVersion) | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      command: {{ toJson .command }}
      env:
        {{- include "keelson.environment" . | trim | nindent 8 }}
      ports:
        {{- range $name, $port := .ports }}
        {{- if $port }}
        - { name: {{ $name }}, containerPort: {{ $port }} }
        {{- end }}
        {{- end }}
      # Allows five minutes, because the first start migrates the database.
      startupProbe: { httpGet: { path: /healthz/live, port: {{ .health }} }, periodSeconds: 2, failureThreshold: 150 }
      livenessProbe: { httpGet: { path: /healthz/live, port: {{ .health }} }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }
      readinessProbe: { httpGet: { path: /healthz/ready, port: {{ .health }} }, periodSeconds: 5, timeoutSeconds: 5 }
      {{- if eq .component "api" }}
      # Keeps serving until the Service no longer sends requests here.
      lifecycle: { preStop: { exec: { command: [sleep, '5'] } } }
      {{- end }}
      resources: {{ toJson $own.resources }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      volumeMounts:
        - { name: files, mountPath: /etc/keelson, readOnly: true }
        - { name: data, mountPath: /data }
        - { name: tmp, mountPath: /tmp }
  volumes:
    - name: files
      projected:
        # The process does not own these files: it reads them by its group.
        defaultMode: 0440
        sources:
          {{- include "keelson.sources" . | trim | nindent 10 }}
    - { name: data, emptyDir: {} }
    - { name: tmp, emptyDir: {} }
{{- end }}

{{- /* On the node's network a new pod cannot run beside the old one, because both need the same ports. */}}
{{- define "keelson.strategy" }}
{{- if (get .root.Values .component).hostNetwork }}
  strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }
{{- end }}
{{- end }}

{{- define "keelson.settings" -}}
{{- $image := dict "image" (printf "keelson-job:%s" .Chart.AppVersion) }}
{{- toYaml (mergeOverwrite $image (deepCopy .Values.jobs.settings)) }}
{{- end }}
