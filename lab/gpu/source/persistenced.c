/* nvidia-persistenced as its unit sees it: a daemon with a socket's folder that holds persistence mode while it runs. */
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binding.h"

static void set_all(int on) {
  u32 count = 0;
  NVML("DeviceGetCount_v2", &count);
  for (u32 index = 0; index < count; index++) {
    Device d = NULL;
    if (!NVML("DeviceGetHandleByIndex_v2", index, &d)) NVML("DeviceSetPersistenceMode", d, on);
  }
}
int main(int count, char **words) {
  int mode = 1; /* the default without an option */
  for (int i = 1; i < count; i++) {
    if (!strcmp(words[i], "--no-persistence-mode")) mode = 0;
    if (!strcmp(words[i], "--persistence-mode")) mode = 1;
    if (!strcmp(words[i], "--user")) i++;
  }
  open_nvml();
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigprocmask(SIG_BLOCK, &ends, NULL);
  mkdir("/run/nvidia-persistenced", 0755);
  /* The unit is Type=forking: the parent ends once the mode is set. */
  if (mode) set_all(1);
  pid_t child = fork();
  if (child < 0) return 1;
  if (child) return 0;
  FILE *file = fopen("/run/nvidia-persistenced/nvidia-persistenced.pid", "w");
  if (file) { fprintf(file, "%d\n", (int)getpid()); fclose(file); }
  int signal_number = 0;
  sigwait(&ends, &signal_number);
  if (mode) set_all(0);
  return 0;
}
