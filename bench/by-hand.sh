#!/usr/bin/env bash
# What somebody without Keelson would type: the same clones and the same playbooks, in a loop.
#   by-hand.sh <workspace> <ansible-playbook> <key> <directory of the generated inventory> <hosts url> <layer url>...
set -euo pipefail

workspace=$1 playbook=$2 key=$3 generated=$4 hosts=$5
shift 5
cd "$workspace"
mkdir home tmp control
export HOME=$workspace/home TMPDIR=$workspace/tmp LANG=C.UTF-8
export ANSIBLE_CONFIG=$workspace/ansible.cfg ANSIBLE_HOME=$HOME/.ansible ANSIBLE_LOCAL_TEMP=$TMPDIR/ansible
export ANSIBLE_SSH_CONTROL_PATH_DIR=$workspace/control ANSIBLE_PRIVATE_KEY_FILE=$key ANSIBLE_REMOTE_USER=root
export SESSION_NAME=by-hand

layers=()
for url in "$@"; do
  layer=layer${#layers[@]}
  git clone --quiet --depth=1 -- "$url" "$layer"
  layers+=("$layer")
done
git clone --quiet --depth=1 -- "$hosts" hosts
cp "$generated"/* hosts/
for layer in "${layers[@]}"; do
  ANSIBLE_ROLES_PATH=$workspace/$layer/roles "$playbook" -i hosts "$layer/site.yml"
done
