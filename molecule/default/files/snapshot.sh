#!/bin/sh
# A line a file: what a run could change on the host, without what the system itself writes all the time.
set -eu
for folder in /etc /opt /usr /root /srv /var/lib/hostproof /var/lib/dpkg /var/lib/apt /var/lib/containers; do
  [ ! -e "$folder" ] || find "$folder" -xdev -printf '%p %y %m %U:%G %s %T@ ->%l\n'
done | LC_ALL=C sort
