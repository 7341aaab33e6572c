{{- /* Checks of values that depend on each other, which the schema cannot express. */}}
{{- define "keelson.check" -}}
{{- $v := .Values }}
{{- if and (not $v.database.url) (not $v.database.urlSecret.name) }}
{{- fail "database: set url, or urlSecret.name to a Secret that holds the whole URL." }}
{{- end }}
{{- if and $v.database.url $v.database.urlSecret.name }}
{{- fail "database: set either url or urlSecret, not both." }}
{{- end }}
{{- if regexMatch "^[a-z]+://[^/@]*:[^/@]*@" $v.database.url }}
{{- fail "database.url: put the password in a Secret, passwordSecret or urlSecret, not in the URL." }}
{{- end }}
{{- if and (eq $v.runner "kubernetes") (not $v.temporal.address) }}
{{- fail "temporal.address: set the host:port of a Temporal service." }}
{{- end }}
{{- with $v.temporal.tlsSecret }}
{{- if and .name (ne (empty .certificateKey) (empty .privateKey)) }}
{{- fail "temporal.tlsSecret: set both certificateKey and privateKey, or neither." }}
{{- end }}
{{- end }}
{{- if and (eq $v.api.auth "tokens") (not $v.api.tokensSecret.name) }}
{{- fail "api.tokensSecret.name: name the Secret with the tokens of clients, or set api.auth=none to let everybody who reaches the API use it." }}
{{- end }}
{{- if and (eq $v.api.auth "none") $v.api.tokensSecret.name }}
{{- fail "api: auth=none needs no tokensSecret. Remove one of them." }}
{{- end }}
{{- $names := list }}
{{- range $v.sourceAuthorities }}
{{- if has .name $names }}
{{- fail (printf "sourceAuthorities: %s is listed twice." .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- if or (eq (int $v.api.ports.http) (int $v.api.ports.jobs)) (has (int $v.api.ports.metrics) (list (int $v.api.ports.http) (int $v.api.ports.jobs))) }}
{{- fail "api.ports: http, jobs and metrics must be different." }}
{{- end }}
{{- if eq (int $v.worker.ports.metrics) (int $v.worker.ports.temporal) }}
{{- fail "worker.ports: metrics and temporal must be different." }}
{{- end }}
{{- if eq (int $v.api.service.port) (int $v.api.service.jobPort) }}
{{- fail "api.service: port and jobPort must be different." }}
{{- end }}
{{- end }}
