#!/bin/sh
# A line a value that tuning could set: sysctls, huge pages, clock, idle states. Without what moves by itself.
set -eu
{
  find /proc/sys/vm /proc/sys/kernel -type f -readable 2>/dev/null
  find /sys/kernel/mm /sys/devices/system/node -type f -readable \( -path '*hugepage*' -o -path '*ksm/run' \) 2>/dev/null
  find /sys/devices/system/cpu -type f -readable \( -path '*cpufreq/scaling_governor' -o -path '*energy_performance_preference' \
    -o -path '*cpufreq/boost' -o -path '*cpuidle/state*/disable' -o -path '*smt/control' \) 2>/dev/null
} | grep -v -E 'ns_last_pid|/random/|pty/nr|free_hugepages|khugepaged/(full_scans|pages_collapsed)|/stats/|stat_refresh|/keys/' |
  LC_ALL=C sort -u | while read -r file; do
    printf '%s %s\n' "$file" "$(head -c 4096 "$file" 2>/dev/null | tr -s '\n\t ' ' ' | sed 's/ $//')"
  done
