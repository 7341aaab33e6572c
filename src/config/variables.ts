/** Every variable that is read, with what the README says of it. */
export const VARIABLES = {
  KEELSON_DATA: 'data directory of the workers of one machine or container; default `./data`',
  DATABASE_URL:
    '`postgresql://user@host/name?sslmode=verify-full` of a PostgreSQL 14 or newer; absent: SQLite in the data directory',
  DATABASE_PASSWORD_FILE: 'the password for it, instead of one in the URL',
  DATABASE_POOL_SIZE: 'connections to it of one process, besides one that listens; default 10',
  KEELSON_CACHE: 'tools that the set-up installed; default below the user’s cache directory',
  API_LISTEN:
    'host:port of the API; default `127.0.0.1:8080`; other than loopback needs AUTH_TOKENS_FILE or AUTH',
  AUTH: '`none`: no authentication on any address (warned about at each start)',
  AUTH_TOKENS_FILE: 'tokens with their roles: a line each, `<token> read|write <name>`',
  PUBLIC_URL:
    'URL at which people reach the API, for links to logs and in webhooks; default: the address by which they came',
  JOB_LISTEN: 'host:port that serves jobs only; default: the API’s',
  JOB_API_URL: 'URL at which jobs reach it; default: from the address',
  MAX_BODY_BYTES: 'largest request body; default 16777216',
  MAX_LIST_BYTES:
    'the same of a list of components, each of which may be as large as MAX_BODY_BYTES; default 268435456. Of lists beyond MAX_BODY_BYTES one is taken at a time',
  MASTER_KEY_FILE:
    'key that job tokens derive from, and that encrypts credentials of sources; made at first start in the data directory',
  TEMPORAL_ADDRESS: 'host:port of a Temporal service; absent: `npm start` runs a dev server',
  TEMPORAL_NAMESPACE: 'default `default`',
  TEMPORAL_TLS_CA_FILE:
    'certificate authority of the Temporal service, which is reached with TLS then',
  TEMPORAL_TLS_CERT_FILE: 'certificate to show to it, which is reached with TLS then',
  TEMPORAL_TLS_KEY_FILE: 'its key',
  TEMPORAL_CLI: 'the `temporal` program; default: on the path, else in the cache',
  TEMPORAL_PORT: 'of the dev server; default 7233, 0 = any free one',
  TEMPORAL_UI_PORT: 'of its Web UI; default 8233, 0 = any free one',
  RUNNER:
    '`local` (default): jobs are processes of the worker’s machine; `kubernetes`: each is a Job of Kubernetes; `none`: sessions stay pending for an operator of yours, which reports by PATCH',
  KUBERNETES_SETTINGS_FILE:
    'what pods of jobs are like, in YAML: the image and more, see [docs/kubernetes.md](docs/kubernetes.md); needed with `RUNNER=kubernetes`',
  KUBERNETES_NAMESPACE: 'where jobs run; default: that of the context, in a pod its own',
  KUBERNETES_JOB_TTL: 'seconds a Job of Kubernetes is kept after its session; default 3600',
  KUBECONFIG:
    'as `kubectl` has it, but one file; default: `~/.kube/config`, in a pod its service account',
  JOB_RETENTION: 'seconds a job directory is kept after its end; default 3600',
  MAX_WATCHED_JOBS:
    'jobs that one worker watches at once, default 200; the others run too, and are watched when it is their turn',
  PYTHON: 'Python 3.10 or newer for jobs; default: Ansible’s in the cache, else `python3`',
  ANSIBLE_PLAYBOOK: 'ansible-playbook for jobs; default: in the cache',
  ANSIBLE_CONFIG_DIRECTORY:
    'files that a session’s `ansible_config` may name; `cfs-default-ansible-cfg` there counts for those that name none',
  SSH_PRIVATE_KEY_FILE: 'key for the managed hosts',
  SSH_PUBLIC_KEY_FILE: 'its public half',
  SSH_CERTIFICATE_FILE: 'its certificate',
  GIT_ALLOW_PROTOCOL: 'schemes a repository may have; default `https:ssh`',
  GIT_CREDENTIALS_FILE: 'credentials by host, as git-credential-store has them',
  GIT_CA_FILE: 'certificate authority of the git servers',
  GIT_SSH_KEY_FILE: 'key for git over SSH',
  GIT_KNOWN_HOSTS_FILE: 'host keys for git over SSH',
  HSM_URL: 'default `http://cray-smd/hsm/v2`',
  HSM_TOKEN_FILE: 'bearer token for it',
  HSM_CA_FILE: 'its certificate authority',
  INVENTORY_FILE:
    'YAML with `groups`, `partitions`, `components` in HSM’s terms, instead of an HSM',
  IMS_URL:
    'the image management service, with its prefix if it has one: `http://cray-ims`; absent: `npm start` as root has an image service of its own, elsewhere there are no image sessions',
  IMS_TOKEN_FILE: 'bearer token for it',
  IMS_CA_FILE: 'its certificate authority',
  VAULT_ADDR:
    'Vault that has credentials of restored sources, in its KV store `secret`, and keys of tenants; absent: such sources cannot be read, and playbooks of tenants have no `VAULT_TOKEN`',
  VAULT_TOKEN_FILE: 'token for it; default: login by a service account of Kubernetes',
  VAULT_JWT_FILE: 'token of that service account; default: the pod’s own',
  VAULT_ROLE: 'role of that login; default: the pod’s namespace',
  VAULT_CA_FILE: 'its certificate authority',
  SOURCE_CA_DIRECTORY:
    'what `ca_cert` of sources names: `<configmap_name>` is a file there, or a directory as a mounted ConfigMap is',
  TAPMS_URL: 'the tenant service, like `http://cray-tapms/v1alpha3`; absent: any tenant is refused',
  IMAGE_SERVICE_DIRECTORY:
    'images, keys and jobs of the image service; default `image-service` in the data directory',
  IMAGE_SERVICE_LISTEN:
    'host:port of it; default `127.0.0.1:9000`, in `npm start` a free port; other than loopback needs IMAGE_SERVICE_TOKEN_FILE',
  IMAGE_SERVICE_TOKEN_FILE: 'bearer token that its clients must send; default: none',
  IMAGE_SSH_ADDRESS:
    'IP address at which images that are customized are reached over SSH; default `127.0.0.1`',
  IMAGE_JOB_MAX_AGE: 'seconds after which a customize job fails, 0 = never; default 604800',
  JOB_ENABLE_DKMS:
    '`true` (default) or `false`: whether such a job has `/proc`, `/sys` and `/dev` if its client does not say',
  SWEEP_INTERVAL:
    'seconds between two looks at what no workflow puts right: sessions without one, leftovers; default 60',
  WEBHOOKS_FILE:
    'YAML with webhooks that the worker tells of the end of each session, see [docs/webhooks.md](docs/webhooks.md)',
  METRICS_LISTEN:
    'host:port that tells the API’s metrics, without a token; default: `/metrics` of the API’s address',
  WORKER_METRICS_LISTEN:
    'host:port that tells the metrics of `npm run worker`, and whether it is ready; default: nowhere; in `npm start` the API tells them',
  TEMPORAL_METRICS_LISTEN:
    'address:port that tells what Temporal’s SDK counts in the worker; default: nowhere',
  LOG_LEVEL: 'debug, info, warn or error; default: the option `logging_level`, as it changes',
} as const;

export type Variable = keyof typeof VARIABLES;
