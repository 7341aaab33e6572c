#!/usr/bin/env bash
# What somebody without Keelson would type: unpack an image, open it over SSH, run the same playbooks, pack it.
#   image-by-hand.sh <workspace> <ansible-playbook> <key> <image> <port> <layer url> <layer url> <hosts url>
set -euo pipefail

workspace=$1 playbook=$2 key=$3 image=$4 port=$5 hosts=${8}
cd "$workspace"
mkdir home tmp
export HOME=$workspace/home TMPDIR=$workspace/tmp LANG=C.UTF-8 SESSION_NAME=by-hand
export ANSIBLE_CONFIG=$workspace/ansible.cfg ANSIBLE_HOME=$HOME/.ansible ANSIBLE_LOCAL_TEMP=$TMPDIR/ansible
export ANSIBLE_PRIVATE_KEY_FILE=$key ANSIBLE_REMOTE_USER=root

unsquashfs -no-progress -quiet -dest root "$image"
cat > sshd-config <<CONFIG
ListenAddress 127.0.0.1
Port $port
HostKey $workspace/host-key
AuthorizedKeysFile $key.pub
ChrootDirectory $workspace/root
Subsystem sftp internal-sftp
StrictModes no
UsePAM no
PidFile none
CONFIG
# In a mount namespace of its own, because sshd demands that only root can write to every folder above the root. In /tmp
# others can.
unshare --mount --pid --fork --kill-child bash -c '
  mkdir -p /run/sshd /run/keelson-by-hand
  mount --bind "$1/root" /run/keelson-by-hand
  mount -t proc proc /run/keelson-by-hand/proc
  sed -i "s|^ChrootDirectory.*|ChrootDirectory /run/keelson-by-hand|" "$1/sshd-config"
  exec /usr/sbin/sshd -D -f "$1/sshd-config"' bash "$workspace" &
environment=$!
layers=()
for url in "$6" "$7"; do
  layer=layer${#layers[@]}
  git clone --quiet --depth=1 -- "$url" "$layer"
  layers+=("$layer")
done
git clone --quiet --depth=1 -- "$hosts" hosts
cp generated/* hosts/
until ssh -q -i "$key" -p "$port" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
  root@127.0.0.1 true; do sleep 0.05; done
for layer in "${layers[@]}"; do
  ANSIBLE_ROLES_PATH=$workspace/$layer/roles "$playbook" -i hosts "$layer/site.yml"
done
# sshd is process 1 of its namespace and dies with unshare, which ignores SIGTERM.
kill -KILL "$environment"
wait "$environment" 2> /dev/null || true
mksquashfs root result.squashfs -noappend -no-progress -quiet -comp zstd -Xcompression-level 6
