#!/bin/sh
# Turns a root file system with the packages into a lab host. Runs in it, from a Containerfile or an mmdebstrap hook.
set -eu
files=$(dirname "$0")
export SYSTEMD_OFFLINE=1

install -D -m 0644 "$files/containers.conf" /etc/containers/containers.conf.d/10-hostproof-lab.conf
install -D -m 0644 "$files/sshd.conf" /etc/ssh/sshd_config.d/10-hostproof-lab.conf
install -D -m 0644 "$files/journald.conf" /etc/systemd/journald.conf.d/10-hostproof-lab.conf
install -D -m 0644 "$files/hostproof-lab-ssh-keys.service" /etc/systemd/system/hostproof-lab-ssh-keys.service

# A login user that is not root, so that a task without `become` fails here as it would on a real host.
useradd --create-home --shell /bin/bash --password '*' lab
install -d -m 0700 -o lab -g lab /home/lab/.ssh
echo 'lab ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/hostproof-lab
chmod 0440 /etc/sudoers.d/hostproof-lab

# What must differ from host to host is made at the first boot.
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id

# Ubuntu starts sshd from a socket, Debian as a service: one way for both.
systemctl disable ssh.socket 2> /dev/null || true # not enabled on Debian
systemctl enable ssh.service hostproof-lab-ssh-keys.service

# A privileged container shares the machine's kernel and devices. These units would set its sysctls, load its
# modules, touch its devices, consoles and power buttons, or wait for a network that podman has already set up.
systemctl mask \
  systemd-sysctl.service systemd-modules-load.service kmod-static-nodes.service \
  systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service \
  systemd-binfmt.service proc-sys-fs-binfmt_misc.automount \
  systemd-logind.service getty.target console-getty.service \
  systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service systemd-resolved.service

# They would hold apt's lock at any moment.
systemctl mask apt-daily.timer apt-daily-upgrade.timer
