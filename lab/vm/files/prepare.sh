#!/bin/sh
# Turns a root file system with the packages into a virtual host's. Runs in it, from an mmdebstrap hook.
set -eu
files=$(dirname "$0")
export SYSTEMD_OFFLINE=1

# A login user that is not root, so that a task without `become` fails here as it would on a real host.
useradd --create-home --shell /bin/bash --password '*' lab
install -d -m 0700 -o lab -g lab /home/lab/.ssh
echo 'lab ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/hostproof-lab
chmod 0440 /etc/sudoers.d/hostproof-lab

# What must differ from host to host is handed in, or made at the first boot.
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /var/lib/dbus/machine-id
: > /etc/machine-id
install -D -m 0644 "$files/identity.sh" /usr/local/lib/hostproof-lab/identity.sh
install -D -m 0644 "$files/settle.sh" /usr/local/lib/hostproof-lab/settle.sh
install -D -m 0644 "$files/hostproof-lab-identity.service" /etc/systemd/system/hostproof-lab-identity.service

# Kernel, GRUB, root file system. The drivers of the disk and of ext4 are in the kernel: no initial RAM disk to make and unpack.
rm -f /boot/initrd.img-* /initrd.img /initrd.img.old
echo '/dev/nvme0n1p1 / ext4 errors=remount-ro 0 0' > /etc/fstab
install -D -m 0644 "$files/grub" /etc/default/grub
install -d /etc/default/grub.d /boot/grub/i386-pc
cp /usr/lib/grub/i386-pc/*.mod /usr/lib/grub/i386-pc/*.lst /usr/lib/grub/i386-pc/boot.img /boot/grub/i386-pc/
install -m 0644 "$files/first-boot.cfg" /boot/grub/grub.cfg
grub-mkimage --format=i386-pc --prefix='(hd0,msdos1)/boot/grub' --output=/boot/grub/i386-pc/core.img biosdisk part_msdos ext2

install -D -m 0644 "$files/network" /etc/systemd/network/10-hostproof-lab.network
echo 'nameserver 10.0.2.3' > /etc/resolv.conf
install -D -m 0644 "$files/sshd.conf" /etc/ssh/sshd_config.d/10-hostproof-lab.conf
install -D -m 0644 "$files/ssh.conf" /etc/systemd/system/ssh.service.d/10-hostproof-lab.conf
install -D -m 0644 "$files/system.conf" /etc/systemd/system.conf.d/10-hostproof-lab.conf
install -D -m 0644 "$files/udev-trigger.conf" /etc/systemd/system/systemd-udev-trigger.service.d/10-hostproof-lab.conf
echo virtio_net > /etc/modules-load.d/hostproof-lab.conf
systemctl set-default multi-user.target
systemctl enable systemd-networkd.service ssh.service hostproof-lab-identity.service

# Each unit costs an emulated processor a quarter of a second or more: what nobody needs here is off. What hostproof works
# with stays as it is: sysctl, tmpfiles, modules, udev, GRUB.
systemctl mask \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
  systemd-tmpfiles-clean.timer systemd-sysusers.service systemd-update-done.service systemd-journal-catalog-update.service \
  ldconfig.service systemd-machine-id-commit.service systemd-random-seed.service systemd-journal-flush.service \
  dev-mqueue.mount sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
  run-lock.mount modprobe@configfs.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service \
  systemd-binfmt.service proc-sys-fs-binfmt_misc.automount kmod-static-nodes.service systemd-udev-load-credentials.service \
  systemd-network-generator.service systemd-networkd-persistent-storage.service systemd-networkd-wait-online.service \
  getty.target serial-getty@ttyS0.service \
  systemd-ask-password-console.path systemd-ask-password-wall.path grub-common.service grub-initrd-fallback.service \
  sshd-keygen.service sshd-unix-local.socket systemd-creds.socket systemd-hostnamed.socket systemd-initctl.socket \
  systemd-sysext.socket systemd-pcrextend.socket systemd-pcrlock.socket netavark-dhcp-proxy.socket \
  podman-auto-update.timer podman-auto-update.service podman-restart.service podman-clean-transient.service podman.socket podman.service
install -d /etc/systemd/system-generators
for name in debug getty gpt-auto hibernate-resume rc-local run ssh system-update sysv tpm2; do
  ln -s /dev/null "/etc/systemd/system-generators/systemd-$name-generator"
done
touch /etc/.updated /var/.updated
