#!/bin/sh
# Puts in their places what makes a host this host; the host key last, since it says that all is done.
set -eu
cd "$CREDENTIALS_DIRECTORY"
install -m 0644 hostproof.hostname /etc/hostname
hostname "$(cat hostproof.hostname)"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$(cat hostproof.hostname)" > /etc/hosts
# Until now the id was the boot's own; from here on it stays.
systemd-machine-id-setup --commit
install -m 0600 -o lab -g lab hostproof.authorized_keys /home/lab/.ssh/authorized_keys
install -m 0600 hostproof.host_key /etc/ssh/.ssh_host_ed25519_key
ssh-keygen -y -f /etc/ssh/.ssh_host_ed25519_key > /etc/ssh/ssh_host_ed25519_key.pub
mv /etc/ssh/.ssh_host_ed25519_key /etc/ssh/ssh_host_ed25519_key
