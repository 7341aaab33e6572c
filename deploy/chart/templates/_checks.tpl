{{- /* What the schema cannot say of values that depend on each other. */}}
{{- define "keelson.check" -}}
{{- $v := .Values }}
{{- if and (not $v.database.url) (not $v.database.urlSecret.name) }}
{{- fail "database: give url, or urlSecret.name of a Secret that holds the whole URL." }}
{{- end }}
{{- if and $v.database.url $v.database.urlSecret.name }}
{{- fail "database: url and urlSecret exclude each other." }}
{{- end }}
{{- if regexMatch "^[a-z]+://[^/@]*:[^/@]*@" $v.database.url }}
{{- fail "database.url: the password belongs into a Secret, passwordSecret or urlSecret." }}
{{- end }}
{{- if and (eq $v.runner "kubernetes") (not $v.temporal.address) }}
{{- fail "temporal.address: host:port of a Temporal service is needed." }}
{{- end }}
{{- with $v.temporal.tlsSecret }}
{{- if and .name (ne (empty .certificateKey) (empty .privateKey)) }}
{{- fail "temporal.tlsSecret: certificateKey and privateKey go together." }}
{{- end }}
{{- end }}
{{- if and (eq $v.api.auth "tokens") (not $v.api.tokensSecret.name) }}
{{- fail "api.tokensSecret.name: name the Secret with the tokens of clients, or say api.auth=none if everybody who reaches the API may use it." }}
{{- end }}
{{- if and (eq $v.api.auth "none") $v.api.tokensSecret.name }}
{{- fail "api: tokensSecret and auth=none exclude each other." }}
{{- end }}
{{- $names := list }}
{{- range $v.sourceAuthorities }}
{{- if has .name $names }}
{{- fail (printf "sourceAuthorities: %s is there twice." .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- if or (eq (int $v.api.ports.http) (int $v.api.ports.jobs)) (has (int $v.api.ports.metrics) (list (int $v.api.ports.http) (int $v.api.ports.jobs))) }}
{{- fail "api.ports: http, jobs and metrics are to be different." }}
{{- end }}
{{- if eq (int $v.worker.ports.metrics) (int $v.worker.ports.temporal) }}
{{- fail "worker.ports: metrics and temporal are to be different." }}
{{- end }}
{{- if eq (int $v.api.service.port) (int $v.api.service.jobPort) }}
{{- fail "api.service: port and jobPort are to be different." }}
{{- end }}
{{- end }}
