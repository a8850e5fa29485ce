#!/bin/sh
# The image's one boot of its own: GRUB's configuration as update-grub writes it, and nobody's again.
set -eu
update-grub
rm -f /etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_ed25519_key.pub /home/lab/.ssh/authorized_keys /etc/hostname
printf '127.0.0.1 localhost\n' > /etc/hosts
: > /etc/machine-id
touch /etc/.updated /var/.updated
sync
systemctl --no-block poweroff
