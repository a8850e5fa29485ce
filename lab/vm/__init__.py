"""Virtual lab hosts: a kernel, GRUB and NUMA nodes of their own, for what a container shares with this machine."""
