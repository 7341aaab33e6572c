/** Every variable that is read, in the order and with the wording of README.md. */
export const VARIABLES = {
  KEELSON_DATA:
    'Data directory. Workers on different machines or in different containers must not share one. Where jobs run on this machine, its path must not contain `"`, `$`, `%`, `:`, `[`, `{{` or `{#`. Default: `./data`',
  DATABASE_URL:
    'PostgreSQL 14 or newer: `postgresql://user@host/name?sslmode=verify-full`. Default: SQLite in the data directory',
  DATABASE_PASSWORD_FILE: 'Password of the database user, if the URL has none',
  DATABASE_POOL_SIZE:
    'Largest number of PostgreSQL connections per process, plus one that listens for changes. Default: 10',
  MASTER_KEY_FILE:
    'Key that job tokens are derived from and that encrypts the credentials of sources. Default: `master.key` in the data directory, made at the first start',
  KEELSON_CACHE:
    'Directory of the tools that the setup installs. Default: `keelson` in the user’s cache directory',
  API_LISTEN:
    'host:port of the API. Any address but loopback requires `AUTH_TOKENS_FILE` or `AUTH`. Default: `127.0.0.1:8080`',
  AUTH_TOKENS_FILE:
    'Bearer tokens of at least 16 characters, one per line: `<token> read <name>` or `<token> write <name>`',
  AUTH: '`none`: no authentication on any address. The API logs a warning at each start',
  PUBLIC_URL:
    'URL of the API for people. Used in links to logs and in webhooks. Default: the address of the request',
  JOB_LISTEN: 'A separate host:port for jobs only. Default: jobs use the API’s address',
  JOB_API_URL:
    'URL at which jobs reach the API. Default: derived from `JOB_LISTEN` or `API_LISTEN`',
  MAX_BODY_BYTES: 'Largest request body. Default: 16777216',
  MAX_LIST_BYTES:
    'Largest request body with a list of components. Each component is still limited by `MAX_BODY_BYTES`. The API reads one list larger than `MAX_BODY_BYTES` at a time. Default: 268435456',
  TEMPORAL_ADDRESS: 'host:port of the Temporal service. Default: `npm start` runs a dev server',
  TEMPORAL_NAMESPACE: 'Temporal namespace. Default: `default`',
  TEMPORAL_TLS_CA_FILE: 'Certificate authority of the Temporal service. Turns TLS on',
  TEMPORAL_TLS_CERT_FILE: 'Client certificate for the Temporal service. Turns TLS on',
  TEMPORAL_TLS_KEY_FILE: 'Key of the client certificate',
  TEMPORAL_CLI: 'The `temporal` program. Default: the one on the path, else the one in the cache',
  TEMPORAL_PORT: 'Port of the dev server. 0: any free port. Default: 7233',
  TEMPORAL_UI_PORT: 'Port of the dev server’s Web UI. 0: any free port. Default: 8233',
  RUNNER:
    'Where jobs run. `local`: as processes on the worker’s machine. `kubernetes`: each as a Kubernetes Job. `none`: nothing is started; sessions stay pending for your own operator, which reports by PATCH. Default: `local`',
  MAX_WATCHED_JOBS:
    'Number of jobs that one worker watches at the same time. Further jobs run too; the worker watches them as soon as it can. Default: 200',
  JOB_RETENTION: 'Seconds to keep a job directory after the job has ended. Default: 3600',
  PYTHON: 'Python 3.10 or newer for jobs. Default: Ansible’s Python in the cache, else `python3`',
  ANSIBLE_PLAYBOOK: 'The `ansible-playbook` program for jobs. Default: the one in the cache',
  ANSIBLE_CONFIG_DIRECTORY:
    'Files that `ansible_config` of a session may name. Sessions that name none use `cfs-default-ansible-cfg` if it is there',
  SSH_PRIVATE_KEY_FILE: 'Private SSH key for the managed hosts',
  SSH_PUBLIC_KEY_FILE: 'Its public key',
  SSH_CERTIFICATE_FILE: 'Its certificate',
  KUBERNETES_SETTINGS_FILE:
    'YAML file that describes the pods of jobs: the image and more ([docs/kubernetes.md](docs/kubernetes.md)). Required with `RUNNER=kubernetes`',
  KUBERNETES_NAMESPACE:
    'Namespace of jobs. Default: the namespace of the context; in a pod, the pod’s own',
  KUBERNETES_JOB_TTL: 'Seconds to keep a Kubernetes Job after its session has ended. Default: 3600',
  KUBECONFIG:
    'As for `kubectl`, but one file only. Default: `~/.kube/config`; in a pod, its service account',
  GIT_ALLOW_PROTOCOL: 'URL schemes that a repository may have. Default: `https:ssh`',
  GIT_PROXY:
    'URL of an HTTP proxy for repositories with http and https, in workers and in jobs. Default: none, whatever `https_proxy` says',
  GIT_NO_PROXY:
    'Hosts that git reaches without that proxy, separated by commas: `git.example.org,.internal`',
  GIT_CACHE_MAX_BYTES:
    'Size of the git cache, with the local runner. 0: no cache. Default: 1073741824 (1 GiB)',
  GIT_CREDENTIALS_FILE: 'Credentials by host, in the format of `git-credential-store`',
  GIT_CA_FILE: 'Certificate authority of the git servers',
  GIT_SSH_KEY_FILE: 'SSH key for git',
  GIT_KNOWN_HOSTS_FILE: 'Host keys of the git servers, for SSH',
  SOURCE_CA_DIRECTORY:
    'Certificate authorities that `ca_cert` of a source names. `<configmap_name>` is a file in this directory, or a subdirectory like a mounted ConfigMap',
  VAULT_ADDR:
    'Vault. Its KV store `secret` has the credentials of restored sources. It also issues the `VAULT_TOKEN` for playbooks of tenants. Default: none; restored sources cannot be read, and playbooks of tenants have no `VAULT_TOKEN`',
  VAULT_TOKEN_FILE: 'Token for Vault. Default: log in with a Kubernetes service account',
  VAULT_JWT_FILE: 'Token of that service account. Default: the pod’s own',
  VAULT_ROLE: 'Role for that login. Default: the name of the pod’s namespace',
  VAULT_CA_FILE: 'Certificate authority of Vault',
  TAPMS_URL:
    'Tenant service, such as `http://cray-tapms/v1alpha3`. Default: none; every tenant is refused',
  HSM_URL: 'Hardware state manager. Default: `http://cray-smd/hsm/v2`',
  HSM_TOKEN_FILE: 'Bearer token for the hardware state manager',
  HSM_CA_FILE: 'Certificate authority of the hardware state manager',
  INVENTORY_FILE:
    'YAML file with `groups`, `partitions` and `components`, read instead of a hardware state manager',
  IMS_URL:
    'Image management service, including its path prefix if it has one: `http://cray-ims`. Default: `npm start` as root runs its own image service; otherwise there are no image sessions',
  IMS_TOKEN_FILE: 'Bearer token for the image management service',
  IMS_CA_FILE: 'Certificate authority of the image management service',
  IMAGE_SERVICE_DIRECTORY:
    'Images, keys and jobs of the image service. Default: `image-service` in the data directory',
  IMAGE_SERVICE_LISTEN:
    'host:port of the image service. Any address but loopback requires `IMAGE_SERVICE_TOKEN_FILE`. Default: `127.0.0.1:9000`; with `npm start`, a free port',
  IMAGE_SERVICE_TOKEN_FILE:
    'Bearer token that clients of the image service must send. Default: none; with `npm start` and `AUTH_TOKENS_FILE`, one that the service makes, in the file `image-service.token` of the data directory',
  IMAGE_SSH_ADDRESS:
    'IP address at which images are reached by SSH while they are customized. Default: `127.0.0.1`',
  IMAGE_JOB_MAX_AGE: 'Seconds after which a customize job fails. 0: never. Default: 604800',
  JOB_ENABLE_DKMS:
    '`true` or `false`: whether a customize job has `/proc`, `/sys` and `/dev` if the client does not say. Default: `true`',
  SWEEP_INTERVAL:
    'Seconds between two sweeps, which repair what no workflow can: sessions without a workflow, leftovers. Default: 60',
  WEBHOOKS_FILE:
    'YAML file with the webhooks that are called at the end of each session ([docs/webhooks.md](docs/webhooks.md))',
  METRICS_LISTEN:
    'host:port for the API’s metrics, without a token. Default: `/metrics` at the API’s address',
  WORKER_METRICS_LISTEN:
    'host:port for the metrics and health of `npm run worker`. Default: none. With `npm start` the API serves the worker’s metrics',
  TEMPORAL_METRICS_LISTEN:
    'IP address:port for the metrics of Temporal’s SDK in the worker. Default: none',
  LOG_LEVEL:
    '`debug`, `info`, `warn` or `error`. Default: the option `logging_level`, also when it changes',
} as const;

export type Variable = keyof typeof VARIABLES;
