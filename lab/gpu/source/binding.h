/* The few calls that nvidia-smi and nvidia-persistenced make, found at run time as the real ones find them. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned int u32;
typedef unsigned long long u64;
typedef void *Device;
static void *library;
static void *call(const char *name) {
  void *found = dlsym(library, name);
  if (!found) { printf("Function Not Found: %s\n", name); exit(13); }
  return found;
}
#define NVML(name, ...) ((int (*)())call("nvml" name))(__VA_ARGS__)
static const char *error_text(int code) { return ((const char *(*)(int))call("nvmlErrorString"))(code); }
/* The texts and exit statuses of nvidia-smi 550.163.01. */
static void open_nvml(void) {
  library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
  if (!library) {
    puts("NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA Display Driver "
         "is properly installed and present in your system.\nPlease also try adding directory that contains "
         "libnvidia-ml.so to your system PATH.");
    exit(12);
  }
  int said = NVML("Init_v2");
  if (said == 9) {
    puts("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
         "driver is installed and running.\n");
    exit(9);
  }
  char version[80] = "";
  NVML("SystemGetNVMLVersion", version, (u32)sizeof version);
  if (said == 18) {
    char major[20] = "";
    /* 13.580.95.05 is shown as 580.95 */
    sscanf(version, "%*d.%19[0-9.]", major);
    char *second = strchr(major, '.');
    char *third = second ? strchr(second + 1, '.') : NULL;
    if (third) *third = 0;
    printf("Failed to initialize NVML: %s\nNVML library version: %s\n", error_text(said), major);
    exit(18);
  }
  if (said) { printf("Failed to initialize NVML: %s\n", error_text(said)); exit(said > 255 ? 255 : said); }
  if (strcmp(strchr(version, '.') ? strchr(version, '.') + 1 : "", LIBRARY_VERSION)) {
    puts("Mismatch in versions between nvidia-smi and NVML.\nAre you sure you are using nvidia-smi provided with the driver?");
    exit(255);
  }
}
